//! The check of a card: whether flows on it are right, and as fast as the counts allow, in six minutes.
//!
//! The steps run one after the other, most valuable first, each in a process of its own that is ended at its time limit; what a step finds is appended to a
//! file as it comes, so that nothing is lost with a step that hangs. [`supervise`] starts them and writes `gpu-check.json` and a page;
//! [`steps`] are what they do.

mod agreement;
pub mod bundle;
mod card;
mod cases;
mod check;
mod costs;
#[cfg(feature = "emulator")]
pub mod counts;
pub mod cubins;
mod distance;
mod finding;
mod hardware;
mod limited;
mod numbers;
mod page;
mod peer;
#[cfg(feature = "emulator")]
mod repeats;
pub mod steps;
pub mod supervise;
mod tools;

#[cfg(feature = "emulator")]
pub use agreement::{in_any_order, of_flow};
pub use card::Card;
pub use check::{Check, Ended};
pub use finding::{Finding, Verdict};
#[cfg(feature = "emulator")]
pub use repeats::work_repeats;
pub use steps::Step;
