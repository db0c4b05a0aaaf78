//! Recipes: ready-made descriptions of flows by a few numbers.
//!
//! Each gives a [`FlowSpec`]; what they say about a wrong field calls it by its name in the recipe.

mod autoregressive;
mod conv_nvp;
mod glow;
mod splines;
mod u1_continuous;

pub use autoregressive::{Iaf, Maf};
pub use conv_nvp::ConvNvp;
pub use glow::Glow;
pub use splines::{SplineNvp, TorusSpline};
pub use u1_continuous::U1Continuous;

#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    activation::Activation,
    error::{FlowError, require},
    mask::MaskPattern,
    mlp::{Bias, StartAt},
    scaling::Scales,
    size::{self, Size},
    spec::{
        AngleTransformSpec, BaseSpec, CnnSpec, ContinuousSpec, CouplingSpec, Description, FieldSpec, Flow, FlowSpec,
        GaugeCouplingSpec, LayerSpec, MlpSpec, NetSpec, Outline, ScalingSpec, TransformSpec,
    },
};
use upg_core::{Cut, Real};

/// RealNVP: couplings with fully connected conditioners (Dinh et al., arXiv:1605.08803), affine unless another transform is asked for.
///
/// ```
/// use upg_core::Layer;
/// let flow = upg_flows::RealNvp { lattice: vec![4, 4], couplings: 6, hidden: vec![32, 32], ..Default::default() };
/// assert_eq!(flow.build::<f64>().unwrap().dof(), 16);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "RealNvp", deny_unknown_fields)
)]
pub struct RealNvp {
    /// Extents of the lattice; the flat index is in C order. `[d]` for d numbers without a lattice.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// Number of coupling layers.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub couplings: usize,
    /// Widths of the hidden layers of every conditioner.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    #[cfg_attr(feature = "serde", serde(default))]
    pub activation: Activation,
    /// Which degrees of freedom each layer transforms.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mask: MaskPattern,
    /// How they are transformed.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "TransformSpec::is_default"))]
    pub transform: TransformSpec,
    /// Soft clamp c of the log-scale of an affine transform that has none of its own, s ← c·tanh(s/c); `None`: unbounded.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub clamp: Option<f64>,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
    /// The base density.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BaseSpec::is_default"))]
    pub base: BaseSpec,
}

impl Recipe for RealNvp {
    fn check(&self) -> Result<(), FlowError> {
        if let Some(clamp) = self.clamp
            && !self.transform.is_default()
        {
            return Err(FlowError::new("clamp", clamp, "none, beside a transform that isn't Affine or has its own"));
        }
        Ok(())
    }

    fn name_of(&self, field: &str) -> Option<&'static str> {
        (field == "transform.clamp" && self.clamp.is_some()).then_some("clamp")
    }

    fn repeated(&self) -> Repeated {
        let Self { lattice, couplings, hidden, activation, mask, transform, clamp, start, base } = self;
        let transform = if clamp.is_some() { TransformSpec::Affine { clamp: *clamp } } else { *transform };
        let net = MlpSpec { hidden: hidden.clone(), activation: *activation, bias: Bias::Yes, start: *start };
        Repeated { base: *base, ..Repeated::couplings(lattice, *couplings, mask, &NetSpec::Mlp(net), transform) }
    }
}

/// Z₂-equivariant NICE: additive couplings whose nets are odd functions, then a global scaling with one parameter.
///
/// T(−z) = −T(z) to the bit, so q(x) = q(−x): right for targets with S(φ) = S(−φ). Source: arXiv:2403.15881, section 6.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "Z2Nice", deny_unknown_fields)
)]
pub struct Z2Nice {
    /// Extents of the lattice; the flat index is in C order.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// Number of coupling layers; the scaling is one more layer.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub couplings: usize,
    /// Widths of the hidden layers of every conditioner.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers; must be odd.
    #[cfg_attr(feature = "serde", serde(default))]
    pub activation: Activation,
    /// Which degrees of freedom each layer transforms.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mask: MaskPattern,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
    /// The base density; must be even.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BaseSpec::is_default"))]
    pub base: BaseSpec,
}

impl Recipe for Z2Nice {
    fn check(&self) -> Result<(), FlowError> {
        if !self.activation.is_odd() {
            return Err(FlowError::new("activation", self.activation, "an odd function: Tanh or Identity"));
        }
        check_even(self.base)
    }

    fn repeated(&self) -> Repeated {
        let Self { lattice, couplings, hidden, activation, mask, start, base } = self;
        let net = MlpSpec { hidden: hidden.clone(), activation: *activation, bias: Bias::No, start: *start };
        let couplings = Repeated::couplings(lattice, *couplings, mask, &NetSpec::Mlp(net), TransformSpec::Additive);
        let scaling = LayerSpec::Scaling(ScalingSpec { scales: Scales::One });
        Repeated { base: *base, last: Some(scaling), ..couplings }
    }
}

/// Refuses a base without the symmetry of the flow.
fn check_even(base: BaseSpec) -> Result<(), FlowError> {
    let accepted = "an even density of numbers: StandardNormal, FreeField(...) or TwoSigns(...)";
    require(base.is_even(), "base", base, accepted).map_err(|error| error.with_value(base.name()))
}

/// Gauge-equivariant flow for U(1) theory in two dimensions: gauge couplings with mixtures of tan transforms (see [`gauge`](crate::gauge)).
///
/// Layer i moves links of direction i mod 2, its stripes offset by (i div 2) mod 4: eight layers move every link once.
/// Links form an array `[2, L_0, L_1]`; the base is uniform on the torus.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "U1", deny_unknown_fields))]
pub struct U1Flow {
    /// Extents [L_0, L_1], multiples of 4.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// Number of couplings.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub layers: usize,
    /// K, the number of tan transforms that are averaged; 0 with another transform.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "is_zero", deserialize_with = "numbers::whole")
    )]
    pub mixtures: usize,
    /// How active plaquettes move, where it isn't by `mixtures`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub transform: Option<AngleTransformSpec>,
    /// Channels of the hidden layers of every network.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Extent of the networks' windows, odd.
    #[cfg_attr(feature = "serde", serde(default = "CnnSpec::default_kernel", deserialize_with = "numbers::whole"))]
    pub kernel: usize,
    /// Slope of LeakyReLU for negative arguments.
    #[cfg_attr(feature = "serde", serde(default = "CnnSpec::default_slope"))]
    pub slope: f64,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
}

impl Default for U1Flow {
    /// 8×8, eight layers, three mixtures, hidden channels 8 and 8, windows 3×3, slope 0.01.
    fn default() -> Self {
        Self {
            lattice: vec![8, 8],
            layers: 8,
            mixtures: 3,
            transform: None,
            hidden: vec![8, 8],
            kernel: CnnSpec::default_kernel(),
            slope: CnnSpec::default_slope(),
            start: StartAt::Random,
        }
    }
}

impl U1Flow {
    /// Layers after which directions and offsets repeat.
    const PERIOD: usize = 8;
}

impl Recipe for U1Flow {
    fn check(&self) -> Result<(), FlowError> {
        if self.lattice.len() != 2 || self.lattice.iter().any(|&extent| extent == 0 || !extent.is_multiple_of(4)) {
            return Err(FlowError::new("lattice", &self.lattice, "two extents that are positive multiples of 4"));
        }
        if self.transform.is_some() && self.mixtures > 0 {
            return Err(FlowError::new("mixtures", self.mixtures, "none, beside a transform"));
        }
        Ok(())
    }

    fn name_of(&self, field: &str) -> Option<&'static str> {
        (field == "transform.mixtures" && self.transform.is_none()).then_some("mixtures")
    }

    fn repeated(&self) -> Repeated {
        let Self { lattice, layers, mixtures, transform, hidden, kernel, slope, start } = self;
        let net = CnnSpec { hidden: hidden.clone(), kernel: *kernel, slope: *slope, start: *start };
        let transform = transform.unwrap_or(AngleTransformSpec::TanMixture { mixtures: *mixtures });
        let kind = |i| {
            let (direction, offset) = (i % 2, i / 2 % 4);
            LayerSpec::GaugeCoupling(GaugeCouplingSpec { direction, offset, net: net.clone(), transform })
        };
        Repeated {
            shape: [&[2], &lattice[..]].concat(),
            base: BaseSpec::UniformTorus,
            kinds: (0..Self::PERIOD).map(kind).collect(),
            layers: *layers,
            last: None,
        }
    }
}

#[cfg(feature = "serde")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Continuous flow: samples of the base are carried along a vector field for a unit of time (see [`continuous`](crate::continuous)).
///
/// With the lattice field and a base that has the symmetries of the target, q has them as well. Train it by path gradients: the ordinary gradient
/// learns to exploit the error of the integrator.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "Continuous", deny_unknown_fields)
)]
pub struct ContinuousFlow {
    /// Extents of the lattice; the flat index is in C order. `[d]` for d numbers without a lattice.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// The vector field.
    pub field: FieldSpec,
    /// Steps of the Runge–Kutta method of order 4.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub steps: usize,
    /// The base density.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BaseSpec::is_default"))]
    pub base: BaseSpec,
}

impl Recipe for ContinuousFlow {
    fn repeated(&self) -> Repeated {
        let Self { lattice, field, steps, base } = self;
        let flow = LayerSpec::Continuous(ContinuousSpec { field: field.clone(), steps: *steps });
        Repeated { shape: lattice.to_vec(), base: *base, kinds: vec![flow], layers: 1, last: None }
    }
}

/// What tells a recipe from the others.
trait Recipe {
    /// What it refuses that none of its layers does.
    fn check(&self) -> Result<(), FlowError> {
        Ok(())
    }

    /// Its own name for a field of a layer, if it has another one than the usual.
    fn name_of(&self, field: &str) -> Option<&'static str> {
        let _ = field;
        None
    }

    /// Its layers.
    fn repeated(&self) -> Repeated;
}

/// What every recipe offers beside [`spec`](RealNvp::spec).
macro_rules! conveniences {
    ($($recipe:ident counts $layers:ident;)*) => {$(
        impl $recipe {
            /// The flow as a list of layers.
            ///
            /// # Errors
            /// Names the field that isn't accepted.
            pub fn spec(&self) -> Result<FlowSpec, FlowError> {
                FlowError::first(self.errors())?;
                Ok(self.repeated().spec())
            }

            /// Every field that isn't accepted: each by itself, else what is wrong with them together.
            pub fn errors(&self) -> Vec<FlowError> {
                let layers = size::check_layers(stringify!($layers), self.$layers);
                let mut errors = FlowError::failed([self.check(), layers]);
                let repeated = Self { $layers: self.$layers.max(1), ..self.clone() }.repeated(); // one, to see its nets and masks
                errors.extend(repeated.field_errors().into_iter().map(|error| self.rename(error)));
                if errors.is_empty() {
                    errors.extend(repeated.errors().into_iter().map(|error| self.rename(error)));
                }
                one_of_each_field(errors)
            }

            /// The flow on the host.
            ///
            /// # Errors
            /// As [`spec`](Self::spec).
            pub fn build<T: Real>(&self) -> Result<Flow<T>, FlowError> {
                self.spec()?.build().map_err(|error| self.rename(error))
            }

            /// How large the flow is.
            ///
            /// # Errors
            /// If there are no layers, more than 10,000 of them, or more of anything than [`Size::LARGEST`].
            pub fn size(&self) -> Result<Size, FlowError> {
                size::check_layers(stringify!($layers), self.$layers)?;
                self.repeated().size().map_err(|error| self.rename(error))
            }

            /// How to cut a batch: see [`Cut`].
            pub fn cut(&self) -> Cut {
                self.repeated().outline().cut()
            }

            /// What is said about a field of a layer, with its name in the recipe.
            fn rename(&self, error: FlowError) -> FlowError {
                let field = self.name_of(error.field).unwrap_or(match error.field {
                    "shape" => "lattice",
                    other => other.strip_prefix("net.").unwrap_or(other),
                });
                FlowError { field, layer: None, ..error }
            }
        }
    )*};
}

conveniences! {
    RealNvp counts couplings;
    Z2Nice counts couplings;
    ConvNvp counts couplings;
    SplineNvp counts couplings;
    TorusSpline counts couplings;
    Maf counts layers;
    Iaf counts layers;
    U1Flow counts layers;
    ContinuousFlow counts steps;
    Glow counts steps;
    U1Continuous counts steps;
}

/// The first error about each field: layers that repeat repeat their errors.
fn one_of_each_field(errors: Vec<FlowError>) -> Vec<FlowError> {
    let mut told: Vec<FlowError> = vec![];
    for error in errors {
        if told.iter().all(|other| other.field != error.field) {
            told.push(error);
        }
    }
    told
}

/// A flow whose layers repeat.
struct Repeated {
    shape: Vec<usize>,
    base: BaseSpec,
    /// Layer i is of kind i modulo the number of kinds.
    kinds: Vec<LayerSpec>,
    layers: usize,
    /// One more layer at the end.
    last: Option<LayerSpec>,
}

impl Repeated {
    fn couplings(
        lattice: &[usize],
        couplings: usize,
        mask: &MaskPattern,
        net: &NetSpec,
        transform: TransformSpec,
    ) -> Self {
        let kind = |i| {
            let (mask, net) = (mask.layer(i), net.clone());
            LayerSpec::Coupling(CouplingSpec { mask, net, transform })
        };
        let kinds = (0..mask.period().min(couplings)).map(kind).collect();
        Self { shape: lattice.to_vec(), base: BaseSpec::default(), kinds, layers: couplings, last: None }
    }

    fn outline(&self) -> Outline<'_> {
        let count = |i: usize| (self.layers.saturating_sub(i)).div_ceil(self.kinds.len()) as u64;
        let kinds = self.kinds.iter().enumerate().map(|(i, kind)| (count(i), kind));
        Outline {
            shape: &self.shape,
            base: &self.base,
            kinds: kinds.chain(self.last.iter().map(|last| (1, last))).collect(),
        }
    }

    fn size(&self) -> Result<Size, FlowError> {
        FlowError::first(self.field_errors())?;
        self.outline().size()
    }

    /// What is wrong with the base, and with a layer by itself.
    fn field_errors(&self) -> Vec<FlowError> {
        let mut errors = self.base.field_errors();
        errors.extend(self.kinds.iter().flat_map(LayerSpec::field_errors));
        errors
    }

    /// What is wrong with the layers together: with one of each kind, if there aren't too many.
    fn errors(self) -> Vec<FlowError> {
        match self.size() {
            Ok(_) => Self { layers: self.layers.min(self.kinds.len()), ..self }.spec().errors(),
            Err(error) => vec![error],
        }
    }

    /// The list of layers, written out.
    fn spec(self) -> FlowSpec {
        let Self { shape, base, kinds, layers, last } = self;
        FlowSpec { shape, base, layers: kinds.into_iter().cycle().take(layers).chain(last).collect() }
    }
}
