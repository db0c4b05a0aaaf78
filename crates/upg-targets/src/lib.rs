//! Targets p(x) ∝ e^{−S(x)}: actions S and forces −∇S, exact results, exact samplers.
//!
//! | target | S | exact | observables |
//! |---|---|---|---|
//! | [`Phi4`] | φ⁴ theory on a periodic lattice, hopping form | log Z and ⟨φ²⟩ of the free field, of decoupled sites, and on T×2 | magnetisation, susceptibility, Binder cumulant, two-point function, correlation length |
//! | [`Gmm`] | product over dimensions of ½N(−1,½) + ½N(+1,½) | log Z, ⟨x²⟩, entropy, samples | ⟨x²⟩, ⟨x⟩, balance of the modes |
//! | [`Gaussian`] | any mean and covariance | log Z, samples | means and variances |
//! | [`RandomGaussians`] | Gaussians of one width at random places in a box | log Z, moments, samples | means, second moments, modes found |
//! | [`ManyWell`] | pairs of a double well and a Gaussian | log Z, moments, samples | ⟨x⟩, ⟨x²⟩, balance of every well |
//! | [`Funnel`] | Neal's funnel | log Z, moments, samples | moments of the width, how much is in the neck |
//! | [`Banana`] | a Gaussian bent along a parabola | log Z, moments, samples | means, variances, curvature |
//! | [`U1`] | U(1) gauge theory on a two-dimensional torus, Wilson action | log Z, ⟨cos P⟩, ⟨Q²⟩, Wilson loops | the same, and the topological susceptibility |
//!
//! | module | what is there |
//! |---|---|
//! | [`observables`] | [`Observables`]: what is measured on samples, and the exact values |
//! | [`data`] | [`DataSampler`]: samples of any of the targets, exact or by chains |
//! | [`space`] | [`SampleSpace`]: where samples live, numbers or angles, and whether a flow fits |
//! | [`hmc`] | hybrid Monte Carlo chains for any target, with moves between modes and sectors |
//!
//! All of them implement [`upg_core::Target`] for [`upg_core::Cpu`] in both precisions: action and force come from one
//! body with shared terms, the action is summed in double precision, and nothing is allocated beyond the growth of the
//! caller's buffers. Wrong parameters are a [`TargetError`]; a batch of the wrong shape is a panic.
//!
//! ```
//! use upg_core::{Batch, Cpu, Target};
//! use upg_targets::{Exact, Phi4};
//!
//! let theory = Phi4::new(&[8, 2], 0.3, 0.022)?;
//! let phi = Batch::<f32>::zeros(16, 5); // [sites, samples]
//! let (mut action, mut force) = (Vec::new(), Batch::default());
//! theory.action_and_force(&Cpu::here(), &phi, &mut action, Some(&mut force));
//! assert_eq!(action, [0.0; 5]);
//! assert!((theory.log_z().unwrap() - 18.007266846954).abs() < 1e-10);
//! # Ok::<(), upg_targets::TargetError>(())
//! ```

pub mod banana;
mod bessel;
pub mod chains;
pub mod data;
mod error;
mod exact;
pub mod funnel;
pub mod gaussian;
pub mod gmm;
pub mod hmc;
pub mod many_well;
mod numbers;
pub mod observables;
pub mod phi4;
mod quadrature;
pub mod random_gaussians;
mod rows;
pub mod space;
mod step_size;
pub mod u1;

pub use banana::Banana;
pub use chains::{ChainPlan, ChainReport, Part, Visit, equilibrium_chains};
pub use data::{DataSampler, Sampling, equilibrium_samples, exact_rounds, exact_samples};
pub use error::TargetError;
pub use exact::{Exact, ExactSampler};
pub use funnel::Funnel;
pub use gaussian::Gaussian;
pub use gmm::Gmm;
pub use hmc::{Hmc, HmcOptions, Proposal, SignFlip, SiteFlip};
pub use many_well::ManyWell;
pub use observables::{Observable, Observables};
pub use phi4::Phi4;
pub use random_gaussians::RandomGaussians;
pub use space::{Misfit, SampleSpace};
pub use u1::U1;
