//! The cost of the estimators: Table 2 of arXiv:2403.15881, measured on this machine.
//!
//! Every flow is measured at every batch size and divergence as one *group*: the estimators take turns, in an order
//! that rotates from round to round, so that a change of the machine's clock hits all of them alike. The first round
//! warms up and isn't counted. A timing runs from drawing the start samples (or taking the data) to the flat
//! gradient; within a round all estimators of the reverse KL draw the same samples. The ratio of an estimator to the
//! ordinary gradient of its group is formed round by round, then averaged.
//!
//! A further part of the table is a further entry of [`cases`].

mod cases;
mod error;
mod folder;
mod html;
mod latex;
mod measure;
mod report;
mod rows;

pub use cases::{Case, LEAST_ROUNDS, Plan, cases, only, plan};
pub use error::TableError;
pub use folder::{FILES, Folder};
pub use html::html;
pub use latex::latex;
pub use measure::{Progress, SEED, measure, run};
pub use report::print;
pub use rows::{Mean, Row, Seconds};
