//! Configurations in RON, and the registry of flows and targets.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = upg_experiments::config::Config::parse(
//!     "(
//!         flow: RealNvp(lattice: [6, 4], couplings: 4, hidden: [24, 24], activation: Tanh, mask: Alternating),
//!         target: Phi4(lattice: [6, 4], kappa: 0.25, lambda: 0.5),
//!     )",
//! )?;
//! let model = config.build::<f64>()?;
//! assert_eq!(model.sample_shape, [6, 4]);
//! # Ok(()) }
//! ```
//!
//! The sections `training`, `data` and `evaluation` may be left out, and every field in them: [`schema`] explains all.
//! A new flow or target is a variant of [`FlowConfig`] or [`TargetConfig`] and its line in `build` below.
//! Ranges of values are checked where the flow or target is made; this module adds where in the file the value stands.

mod data;
mod diff;
mod fields;
mod file;
mod limits;
mod locate;
pub mod schema;
mod training;

use crate::numbers::{extents, whole};
use crate::text::{one_line, shape_text};
use fields::{RealNvpFields, U1FlowFields, Z2NiceFields};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use upg_core::{Base, Cpu, Cut, Real, StandardNormal, Target, UniformTorus};
use upg_flows::{Flow, FlowError, RealNvp, Size, U1Flow, Z2Nice};
use upg_targets::{DataSampler, Exact, Gaussian, Gmm, Observables, Phi4, TargetError, U1};

pub use data::{Data, EvaluationConfig, Hmc, Source};
pub use diff::Difference;
pub use file::{ConfigError, ConfigFile};
pub use locate::Position;
pub use training::{Anneal, Checkpoint, Objective, Precision, Tensorboard, Training, Validation};

/// An experiment: a flow, the target it is to sample, how it is trained and what is computed at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The flow.
    pub flow: FlowConfig,
    /// The target.
    pub target: TargetConfig,
    /// How the flow is trained.
    #[serde(default)]
    pub training: Training,
    /// Samples of the target. `None`: none, unless the training needs some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// What is computed at the end.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
}

/// The flows there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "flow")]
pub enum FlowConfig {
    /// `RealNvp(lattice, couplings, hidden, activation, mask, clamp?, init?)`.
    RealNvp(#[serde(with = "RealNvpFields")] RealNvp),
    /// `Z2Nice(lattice, couplings, hidden, activation?, mask?, init?)`.
    Z2Nice(#[serde(with = "Z2NiceFields")] Z2Nice),
    /// `U1(lattice, layers, mixtures, hidden, kernel?, slope?, init?)`.
    U1(#[serde(with = "U1FlowFields")] U1Flow),
}

/// The targets there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "target", deny_unknown_fields)]
pub enum TargetConfig {
    /// φ⁴ theory, hopping form.
    Phi4 {
        /// Extents of the lattice.
        #[serde(deserialize_with = "extents")]
        lattice: Vec<usize>,
        /// Hopping parameter κ.
        kappa: f64,
        /// Coupling λ.
        lambda: f64,
    },
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
}

/// All that a target of this program offers.
pub trait Theory<T: Real>: Target<Cpu<T>> + Observables<T> + DataSampler<T> + Exact {}

impl<T: Real, P: Target<Cpu<T>> + Observables<T> + DataSampler<T> + Exact> Theory<T> for P {}

/// Any target on the host.
pub type AnyTarget<T> = Box<dyn Theory<T>>;

/// Any base density on the host.
pub type AnyBase<T> = Box<dyn Base<Cpu<T>>>;

/// Where the degrees of freedom of a flow and its target live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// A real number on every site; the base is the standard normal.
    Sites,
    /// An angle in [0, 2π) on every link of a two-dimensional lattice; the base is uniform.
    Links,
}

/// Everything an engine is made of.
pub struct Model<T: Real> {
    /// The flow.
    pub flow: Flow<T>,
    /// How it likes its batches cut.
    pub cut: Cut,
    /// The base density.
    pub base: AnyBase<T>,
    /// The target.
    pub target: AnyTarget<T>,
    /// Shape of a single sample, `[lattice…]` or `[2, lattice…]`; its product is the number of degrees of freedom.
    pub sample_shape: Vec<usize>,
    /// Where the samples live.
    pub space: Space,
}

/// A field has a value that isn't accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: accepted: {accepted}")]
pub struct Invalid {
    /// The field, e.g. `flow.clamp`.
    pub field: String,
    /// Its value.
    pub value: String,
    /// What is accepted.
    pub accepted: String,
}

impl Config {
    /// Reads a configuration from text.
    ///
    /// # Errors
    /// If the text isn't RON, or a field is missing, unknown or of the wrong type; with its position.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        file::parse("config".as_ref(), text)
    }

    /// A flow and a target, all else at its default.
    pub fn new(flow: FlowConfig, target: TargetConfig) -> Self {
        Self { flow, target, training: Training::default(), data: None, evaluation: EvaluationConfig::default() }
    }

    /// The configuration in one line of RON, default values spelled out.
    pub fn to_ron(&self) -> String {
        fields::options().to_string(self).expect("a configuration has a text")
    }

    /// The same, a field a line.
    pub fn to_pretty_ron(&self) -> String {
        let pretty =
            ron::ser::PrettyConfig::new().compact_arrays(true).extensions(ron::extensions::Extensions::empty());
        fields::options().to_string_pretty(self, pretty).expect("a configuration has a text")
    }

    /// Where samples of the target come from, if there are any.
    pub fn data(&self) -> Option<Data> {
        self.data.clone().or_else(|| self.training.objective.needs_data().then(Data::default))
    }

    /// Number of sites; of degrees of freedom where there is no lattice.
    pub fn sites(&self) -> usize {
        let (FlowConfig::RealNvp(RealNvp { lattice, .. })
        | FlowConfig::Z2Nice(Z2Nice { lattice, .. })
        | FlowConfig::U1(U1Flow { lattice, .. })) = &self.flow;
        lattice.iter().product()
    }

    /// Number of degrees of freedom.
    fn dof(&self) -> u64 {
        let per_site = if let FlowConfig::U1(_) = self.flow { 2 } else { 1 };
        per_site * self.sites() as u64
    }

    /// Checks all that can be checked without building anything: the ranges of the sections beside flow and target, and how much is
    /// asked for.
    ///
    /// # Errors
    /// The first field whose value isn't accepted.
    pub fn check(&self) -> Result<(), Invalid> {
        self.training.check()?;
        self.data.iter().try_for_each(Data::check)?;
        self.evaluation.check()?;
        self.flow.size()?;
        self.check_limits()?;
        match &self.training.anneal {
            None => Ok(()),
            Some(anneal) => self.target.annealed(anneal, anneal.ramp().from).map(|_| ()),
        }
    }

    /// Makes the flow and the target.
    ///
    /// # Errors
    /// If a value isn't accepted, or the target doesn't live where the flow does.
    pub fn build<T: Real>(&self) -> Result<Model<T>, Invalid> {
        self.check()?;
        let BuiltFlow { flow, cut, space, lattice } = self.flow.build::<T>()?;
        let (target, domain) = self.target.build::<T>()?;
        domain.fits(space, lattice)?;
        let sample_shape = space.sample_shape(lattice);
        Ok(Model { flow, cut, base: space.base(sample_shape.iter().product()), target, sample_shape, space })
    }
}

impl Space {
    fn sample_shape(self, lattice: &[usize]) -> Vec<usize> {
        match self {
            Self::Sites => lattice.to_vec(),
            Self::Links => [&[2], lattice].concat(),
        }
    }

    fn base<T: Real>(self, dof: usize) -> AnyBase<T> {
        match self {
            Self::Sites => Box::new(StandardNormal::new(dof)),
            Self::Links => Box::new(UniformTorus::new(dof)),
        }
    }
}

/// A flow, how it likes its batches cut, and where it lives.
struct BuiltFlow<'a, T: Real> {
    flow: Flow<T>,
    cut: Cut,
    space: Space,
    lattice: &'a [usize],
}

impl FlowConfig {
    /// How large the flow is.
    ///
    /// # Errors
    /// If it is larger than anybody wants.
    pub fn size(&self) -> Result<Size, FlowError> {
        match self {
            Self::RealNvp(flow) => flow.size(),
            Self::Z2Nice(flow) => flow.size(),
            Self::U1(flow) => flow.size(),
        }
    }

    fn build<T: Real>(&self) -> Result<BuiltFlow<'_, T>, FlowError> {
        let (flow, cut, space, lattice) = match self {
            Self::RealNvp(flow) => (flow.build()?, flow.cut(), Space::Sites, &flow.lattice),
            Self::Z2Nice(flow) => (flow.build()?, flow.cut(), Space::Sites, &flow.lattice),
            Self::U1(flow) => (flow.build()?, flow.cut(), Space::Links, &flow.lattice),
        };
        Ok(BuiltFlow { flow, cut, space, lattice })
    }
}

/// Where a target lives.
enum Domain<'a> {
    /// On this lattice.
    Lattice(Space, &'a [usize]),
    /// In this many dimensions, as the field says.
    Dof(&'static str, usize),
}

impl TargetConfig {
    /// The target with one of its couplings moved to `value`.
    ///
    /// # Errors
    /// If the target hasn't got that coupling, or doesn't accept the value.
    pub fn annealed(&self, anneal: &Anneal, value: f64) -> Result<Self, Invalid> {
        let mut target = self.clone();
        match (anneal, &mut target) {
            (Anneal::Beta(_), Self::U1 { beta, .. }) => *beta = value,
            (Anneal::Kappa(_), Self::Phi4 { kappa, .. }) => *kappa = value,
            (Anneal::Lambda(_), Self::Phi4 { lambda, .. }) => *lambda = value,
            _ => {
                let value = fields::options().to_string(anneal).expect("a ramp has a text");
                let accepted = "Beta with U1, Kappa or Lambda with Phi4".into();
                return Err(Invalid { field: "training.anneal".into(), value, accepted });
            }
        }
        let made = target.build::<f64>().map(|_| ());
        made.map_err(|e| Invalid {
            field: "training.anneal.from".into(),
            value: e.value,
            accepted: e.accepted.into(),
        })?;
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
            (Anneal::Kappa(_), Self::Phi4 { kappa, .. }) => *kappa,
            (Anneal::Lambda(_), Self::Phi4 { lambda, .. }) => *lambda,
            _ => panic!("{anneal:?} with {self:?}"),
        }
    }

    /// The target, without the question whether it fits a flow.
    ///
    /// # Errors
    /// If a value isn't accepted.
    pub fn theory<T: Real>(&self) -> Result<AnyTarget<T>, Invalid> {
        Ok(self.build::<T>()?.0)
    }

    /// The target and where it lives.
    fn build<T: Real>(&self) -> Result<(AnyTarget<T>, Domain<'_>), TargetError> {
        Ok(match self {
            Self::Phi4 { lattice, kappa, lambda } => {
                (Box::new(Phi4::new(lattice, *kappa, *lambda)?), Domain::Lattice(Space::Sites, lattice))
            }
            Self::U1 { lattice, beta } => (Box::new(U1::new(lattice, *beta)?), Domain::Lattice(Space::Links, lattice)),
            Self::Gmm { dim } => (Box::new(Gmm::new(*dim)?), Domain::Dof("dim", *dim)),
            Self::Gaussian { mean, covariance } => {
                (Box::new(Gaussian::new(mean, matrix(covariance)?.view())?), Domain::Dof("mean", mean.len()))
            }
        })
    }
}

/// The matrix with these rows.
fn matrix(rows: &[Vec<f64>]) -> Result<Array2<f64>, TargetError> {
    let (n, accepted) = (rows.len(), "a square matrix, row by row");
    if let Some(row) = rows.iter().find(|row| row.len() != n) {
        return Err(TargetError { field: "covariance", value: format!("{n} rows, {row:?} among them"), accepted });
    }
    Ok(Array2::from_shape_fn((n, n), |(i, j)| rows[i][j]))
}

impl Domain<'_> {
    /// Compares with where the flow lives.
    fn fits(&self, space: Space, flow: &[usize]) -> Result<(), Invalid> {
        let dof: usize = space.sample_shape(flow).iter().product();
        let target_space = if let Self::Lattice(space, _) = *self { space } else { Space::Sites };
        if target_space != space {
            let name = |space| if space == Space::Links { "angles on links" } else { "numbers on sites" };
            return Err(Invalid {
                field: "target".into(),
                value: name(target_space).into(),
                accepted: format!("a target of {}, as the flow's", name(space)),
            });
        }
        match *self {
            Self::Lattice(_, target) if target != flow => Err(Invalid {
                field: "target.lattice".into(),
                value: shape_text(target),
                accepted: format!("the flow's, flow.lattice = {}", shape_text(flow)),
            }),
            Self::Dof(field, dim) if dim != dof => Err(Invalid {
                field: format!("target.{field}"),
                value: format!("{dim} degrees of freedom"),
                accepted: format!("as many as the flow has, {dof} with flow.lattice = {}", shape_text(flow)),
            }),
            _ => Ok(()),
        }
    }
}

impl From<FlowError> for Invalid {
    fn from(error: FlowError) -> Self {
        let value = one_line(&error.value, 100);
        Self { field: format!("flow.{}", error.field), value, accepted: error.accepted.into() }
    }
}

impl From<TargetError> for Invalid {
    fn from(error: TargetError) -> Self {
        let value = one_line(&error.value, 100);
        Self { field: format!("target.{}", error.field), value, accepted: error.accepted.into() }
    }
}

#[cfg(test)]
mod tests;
