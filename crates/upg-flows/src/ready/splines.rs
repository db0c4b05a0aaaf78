//! Recipes with rational-quadratic splines.

use super::{Recipe, Repeated};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    activation::Activation,
    mask::MaskPattern,
    mlp::{Bias, StartAt},
    spec::{AngleCouplingSpec, AngleTransformSpec, BaseSpec, LayerSpec, MlpSpec, NetSpec, TransformSpec},
};

/// Couplings with rational-quadratic splines and fully connected conditioners (Durkan et al., arXiv:1906.04032).
///
/// ```
/// use upg_core::Layer;
/// let flow = upg_flows::SplineNvp { lattice: vec![4, 4], couplings: 6, hidden: vec![32], ..Default::default() };
/// assert_eq!(flow.build::<f64>().unwrap().dof(), 16);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "SplineNvp", deny_unknown_fields)
)]
pub struct SplineNvp {
    /// Extents of the lattice; the flat index is in C order. `[d]` for d numbers without a lattice.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// Number of coupling layers.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub couplings: usize,
    /// Widths of the hidden layers of every conditioner.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Number of bins of every spline.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub bins: usize,
    /// The splines are the identity outside of [−interval, interval].
    pub interval: f64,
    /// Activation of the hidden layers.
    #[cfg_attr(feature = "serde", serde(default))]
    pub activation: Activation,
    /// Which degrees of freedom each layer transforms.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mask: MaskPattern,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
    /// The base density.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BaseSpec::is_default"))]
    pub base: BaseSpec,
}

impl Default for SplineNvp {
    /// Eight bins on [−4, 4]; no lattice, no layers.
    fn default() -> Self {
        Self {
            lattice: vec![],
            couplings: 0,
            hidden: vec![],
            bins: 8,
            interval: 4.0,
            activation: Activation::default(),
            mask: MaskPattern::default(),
            start: StartAt::default(),
            base: BaseSpec::default(),
        }
    }
}

/// Couplings of angles with circular splines and fully connected conditioners (Rezende et al., arXiv:2002.02428); the base is uniform.
///
/// The conditioners read cosines and sines.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "TorusSpline", deny_unknown_fields)
)]
pub struct TorusSpline {
    /// Extents of the lattice of angles; the flat index is in C order. `[d]` for d angles without a lattice.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// Number of coupling layers.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub couplings: usize,
    /// Widths of the hidden layers of every conditioner.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Number of bins of every spline.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub bins: usize,
    /// Activation of the hidden layers.
    #[cfg_attr(feature = "serde", serde(default))]
    pub activation: Activation,
    /// Which degrees of freedom each layer transforms.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mask: MaskPattern,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
}

impl Default for TorusSpline {
    /// Eight bins; no lattice, no layers.
    fn default() -> Self {
        Self {
            lattice: vec![],
            couplings: 0,
            hidden: vec![],
            bins: 8,
            activation: Activation::default(),
            mask: MaskPattern::default(),
            start: StartAt::default(),
        }
    }
}

impl Recipe for SplineNvp {
    fn name_of(&self, field: &str) -> Option<&'static str> {
        name_in_splines(field)
    }

    fn repeated(&self) -> Repeated {
        let Self { lattice, couplings, hidden, bins, interval, activation, mask, start, base } = self;
        let net = MlpSpec { hidden: hidden.clone(), activation: *activation, bias: Bias::Yes, start: *start };
        let transform = TransformSpec::Spline { bins: *bins, interval: *interval };
        Repeated { base: *base, ..Repeated::couplings(lattice, *couplings, mask, &NetSpec::Mlp(net), transform) }
    }
}

impl Recipe for TorusSpline {
    fn name_of(&self, field: &str) -> Option<&'static str> {
        name_in_splines(field)
    }

    fn repeated(&self) -> Repeated {
        let Self { lattice, couplings, hidden, bins, activation, mask, start } = self;
        let net = MlpSpec { hidden: hidden.clone(), activation: *activation, bias: Bias::Yes, start: *start };
        let transform = AngleTransformSpec::CircularSpline { bins: *bins };
        let kind = |i| {
            let (mask, net) = (mask.layer(i), NetSpec::Mlp(net.clone()));
            LayerSpec::AngleCoupling(AngleCouplingSpec { mask, net, transform })
        };
        let kinds = (0..mask.period().min(*couplings)).map(kind).collect();
        Repeated { shape: lattice.clone(), base: BaseSpec::UniformTorus, kinds, layers: *couplings, last: None }
    }
}

fn name_in_splines(field: &str) -> Option<&'static str> {
    match field {
        "transform.bins" => Some("bins"),
        "transform.interval" => Some("interval"),
        _ => None,
    }
}
