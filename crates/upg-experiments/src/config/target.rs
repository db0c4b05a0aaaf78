//! The section `target`.

use super::invalid::Invalid;
use super::library::LibraryConfig;
use super::notation;
use super::phi4::Phi4Config;
use super::python::PythonConfig;
use super::training::Anneal;
use crate::text::{one_line, shape_text};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use upg_core::{Cpu, Cut, Real, Target};
use upg_flows::FlowSpec;
use upg_flows::numbers::{extents, whole};
use upg_targets::{
    Banana, DataSampler, Exact, Funnel, Gaussian, Gmm, ManyWell, Observables, RandomGaussians, SampleSpace,
    TargetError, U1,
};
use upg_train::numbers::seed;

/// Samples of a call of Python, where the batch is large enough for all lanes.
const FEWEST_OF_A_CALL: usize = 256;

/// The targets there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "target", deny_unknown_fields)]
pub enum TargetConfig {
    /// φ⁴ theory, by its hopping parameter or its mass.
    Phi4(Phi4Config),
    /// U(1) gauge theory in two dimensions, Wilson action.
    U1 {
        /// Extents of the lattice.
        #[serde(deserialize_with = "extents")]
        lattice: Vec<usize>,
        /// Inverse coupling β.
        beta: f64,
    },
    /// The Gaussian mixture with 2^dim modes.
    Gmm {
        /// Number of degrees of freedom.
        #[serde(deserialize_with = "whole")]
        dim: usize,
    },
    /// A normal distribution.
    Gaussian {
        /// Mean, one number a degree of freedom.
        mean: Vec<f64>,
        /// Covariance matrix, row by row.
        covariance: Vec<Vec<f64>>,
    },
    /// Equally weighted Gaussians with random means in a box; by default the 40 modes of arXiv:2208.01893, with means of our own.
    RandomGaussians(RandomGaussiansConfig),
    /// Pairs of a double well and a Gaussian.
    ManyWell {
        /// Number of degrees of freedom, two a well.
        #[serde(deserialize_with = "whole")]
        dim: usize,
    },
    /// Neal's funnel.
    Funnel(FunnelConfig),
    /// A Gaussian bent along a parabola.
    Banana(BananaConfig),
    /// One of the user's own, in a shared library.
    Library(LibraryConfig),
    /// One of the user's own, in Python.
    Python(PythonConfig),
}

/// See [`RandomGaussians`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "RandomGaussians", default, deny_unknown_fields)]
pub struct RandomGaussiansConfig {
    /// Number of modes.
    #[serde(deserialize_with = "whole")]
    pub modes: usize,
    /// Number of degrees of freedom.
    #[serde(deserialize_with = "whole")]
    pub dim: usize,
    /// Means are uniform in [−box, box] in every dimension.
    #[serde(rename = "box")]
    pub half_width: f64,
    /// Deviation of every mode.
    pub scale: f64,
    /// Decides the means.
    #[serde(deserialize_with = "seed")]
    pub seed: u64,
}

impl Default for RandomGaussiansConfig {
    fn default() -> Self {
        Self { modes: 40, dim: 2, half_width: 40.0, scale: RandomGaussians::SCALE, seed: 0 }
    }
}

/// See [`Funnel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Funnel", default, deny_unknown_fields)]
pub struct FunnelConfig {
    /// Number of degrees of freedom.
    #[serde(deserialize_with = "whole")]
    pub dim: usize,
    /// Deviation of the number that decides the width.
    pub sigma: f64,
}

impl Default for FunnelConfig {
    fn default() -> Self {
        Self { dim: 10, sigma: 3.0 }
    }
}

/// See [`Banana`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Banana", default, deny_unknown_fields)]
pub struct BananaConfig {
    /// Number of degrees of freedom.
    #[serde(deserialize_with = "whole")]
    pub dim: usize,
    /// b, of either sign.
    pub curvature: f64,
    /// s, the deviation along the banana.
    pub scale: f64,
}

impl Default for BananaConfig {
    fn default() -> Self {
        Self { dim: 2, curvature: 0.1, scale: 10.0 }
    }
}

/// All that a target of this program offers.
pub trait Theory<T: Real>: Target<Cpu<T>> + SampleSpace + Observables<T> + DataSampler<T> + Exact {}

impl<T: Real, P: Target<Cpu<T>> + SampleSpace + Observables<T> + DataSampler<T> + Exact> Theory<T> for P {}

/// Any target on the host.
pub type AnyTarget<T> = Arc<dyn Theory<T>>;

impl TargetConfig {
    /// The target with one of its couplings moved to `value`.
    ///
    /// # Errors
    /// If the target hasn't got that coupling, or doesn't accept the value.
    pub fn annealed(&self, anneal: &Anneal, value: f64) -> Result<Self, Invalid> {
        let mut target = self.clone();
        match (anneal, &mut target) {
            (Anneal::Beta(_), Self::U1 { beta, .. }) => *beta = value,
            (Anneal::Kappa(_), Self::Phi4(Phi4Config { kappa: Some(kappa), .. })) => *kappa = value,
            (Anneal::MassSquared(_), Self::Phi4(Phi4Config { mass_squared: Some(m2), .. })) => *m2 = value,
            (Anneal::Lambda(_), Self::Phi4(Phi4Config { lambda, .. })) => *lambda = value,
            _ => {
                let value = notation::options().to_string(anneal).expect("a ramp has a text");
                let accepted =
                    "Beta with U1, Kappa or Lambda with Phi4, MassSquared instead of Kappa where that has a mass"
                        .into();
                return Err(Invalid { field: "training.anneal".into(), value, accepted });
            }
        }
        let made = target.build::<f64>().map(|_| ());
        made.map_err(|invalid| Invalid { field: "training.anneal.from".into(), ..invalid })?;
        Ok(target)
    }

    /// The value of the coupling that `anneal` moves.
    ///
    /// # Panics
    /// If the target hasn't got it.
    #[track_caller]
    pub fn coupling(&self, anneal: &Anneal) -> f64 {
        match (anneal, self) {
            (Anneal::Beta(_), Self::U1 { beta, .. }) => *beta,
            (Anneal::Kappa(_), Self::Phi4(Phi4Config { kappa: Some(kappa), .. })) => *kappa,
            (Anneal::MassSquared(_), Self::Phi4(Phi4Config { mass_squared: Some(m2), .. })) => *m2,
            (Anneal::Lambda(_), Self::Phi4(Phi4Config { lambda, .. })) => *lambda,
            _ => panic!("{anneal:?} with {self:?}"),
        }
    }

    /// The target that a text describes, as the field `target` of a configuration would; files are relative to `folder`.
    ///
    /// # Errors
    /// If it isn't one.
    pub fn of_text(text: &str, folder: &Path) -> Result<Self, Invalid> {
        let read = notation::options().from_str::<Self>(text);
        let mut target = read.map_err(|error| Invalid {
            field: "target".into(),
            value: one_line(text, 60),
            accepted: format!("a target: {}", one_line(&error.code.to_string(), 200)),
        })?;
        target.resolve(folder);
        Ok(target)
    }

    /// The target, without the question whether it fits a flow.
    ///
    /// # Errors
    /// If a value isn't accepted.
    pub fn theory<T: Real>(&self) -> Result<AnyTarget<T>, Invalid> {
        self.build::<T>()
    }

    pub(super) fn build<T: Real>(&self) -> Result<AnyTarget<T>, Invalid> {
        Ok(match self {
            Self::Phi4(theory) => Arc::new(theory.build()?),
            Self::U1 { lattice, beta } => Arc::new(U1::new(lattice, *beta)?),
            Self::Gmm { dim } => Arc::new(Gmm::new(*dim)?),
            Self::Gaussian { mean, covariance } => Arc::new(Gaussian::new(mean, matrix(covariance)?.view())?),
            Self::RandomGaussians(RandomGaussiansConfig { modes, dim, half_width, scale, seed }) => {
                Arc::new(RandomGaussians::new(*modes, *dim, *half_width, *scale, *seed)?)
            }
            Self::ManyWell { dim } => Arc::new(ManyWell::new(*dim)?),
            Self::Funnel(FunnelConfig { dim, sigma }) => Arc::new(Funnel::new(*dim, *sigma)?),
            Self::Banana(BananaConfig { dim, curvature, scale }) => Arc::new(Banana::new(*dim, *curvature, *scale)?),
            Self::Library(library) => library.build()?,
            Self::Python(python) => python.build()?,
        })
    }

    /// Makes the file of a target of the user's absolute, a relative one from `folder` on.
    pub(super) fn resolve(&mut self, folder: &Path) {
        match self {
            Self::Library(library) => library.resolve(folder),
            Self::Python(python) => python.resolve(folder),
            _ => {}
        }
    }

    /// Compares the force of a target of the user's with its action, at samples of the base of a flow that fits.
    ///
    /// # Errors
    /// How far they are from each other.
    pub(super) fn check_force(&self, flow: &FlowSpec) -> Result<(), Invalid> {
        match self {
            Self::Library(library) => library.check_force(flow),
            Self::Python(python) => python.check_force(flow),
            _ => Ok(()),
        }
    }

    /// The cut of a batch for this target, `cut` being that of the flow: calls of Python cost as much as hundreds of samples.
    pub(super) fn cut(&self, cut: Cut) -> Cut {
        match self {
            Self::Python(_) => Cut { micro_batch: cut.micro_batch.max(FEWEST_OF_A_CALL), ..cut },
            _ => cut,
        }
    }

    /// Extents of the lattice, if there is one.
    pub(super) fn lattice(&self) -> &[usize] {
        match self {
            Self::Phi4(Phi4Config { lattice, .. }) | Self::U1 { lattice, .. } => lattice,
            Self::Library(LibraryConfig { shape, .. }) | Self::Python(PythonConfig { shape, .. }) => shape,
            _ => &[],
        }
    }

    /// The value of the field that says how many degrees of freedom there are.
    pub(super) fn extents_value(&self) -> String {
        match self {
            Self::Phi4(_) | Self::U1 { .. } => shape_text(self.lattice()),
            Self::Library(LibraryConfig { dof, .. }) | Self::Python(PythonConfig { dof, .. }) => dof.to_string(),
            Self::Gaussian { mean, .. } => one_line(&format!("{mean:?}"), 60),
            Self::Gmm { dim }
            | Self::RandomGaussians(RandomGaussiansConfig { dim, .. })
            | Self::ManyWell { dim }
            | Self::Funnel(FunnelConfig { dim, .. })
            | Self::Banana(BananaConfig { dim, .. }) => dim.to_string(),
        }
    }

    /// The field that says how many degrees of freedom there are.
    pub(super) fn extents_field(&self) -> &'static str {
        match self {
            Self::Phi4(_) | Self::U1 { .. } => "lattice",
            Self::Gaussian { .. } => "mean",
            Self::Library(LibraryConfig { shape, .. }) | Self::Python(PythonConfig { shape, .. }) => {
                if shape.is_empty() { "dof" } else { "shape" }
            }
            _ => "dim",
        }
    }
}

/// The matrix with these rows.
pub(super) fn matrix(rows: &[Vec<f64>]) -> Result<Array2<f64>, TargetError> {
    let (n, accepted) = (rows.len(), "a square matrix, row by row");
    if let Some(row) = rows.iter().find(|row| row.len() != n) {
        return Err(TargetError { field: "covariance", value: format!("{n} rows, {row:?} among them"), accepted });
    }
    Ok(Array2::from_shape_fn((n, n), |(i, j)| rows[i][j]))
}
