//! The recipes of autoregressive layers.

use super::{Recipe, Repeated};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    activation::Activation,
    mlp::{Bias, StartAt},
    permutation::Order,
    spec::{AutoregressiveSpec, BaseSpec, LayerSpec, MlpSpec, TransformSpec},
};

/// A recipe `$recipe` whose layers are made of an autoregressive one by `$layer`.
macro_rules! recipe {
    ($(#[$doc:meta])* $recipe:ident, $name:literal, $layer:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[cfg_attr(
            feature = "serde",
            derive(serde::Serialize, serde::Deserialize),
            serde(rename = $name, deny_unknown_fields)
        )]
        pub struct $recipe {
            /// Extents of the lattice; the flat index is in C order. `[d]` for d numbers without a lattice.
            #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
            pub lattice: Vec<usize>,
            /// Number of layers: of natural order the first, of reversed order the second, and so on.
            #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
            pub layers: usize,
            /// Widths of the hidden layers of every net.
            #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
            pub hidden: Vec<usize>,
            /// Activation of the hidden layers.
            #[cfg_attr(feature = "serde", serde(default))]
            pub activation: Activation,
            /// How every degree of freedom is transformed.
            #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "TransformSpec::is_default"))]
            pub transform: TransformSpec,
            /// Initial parameters.
            #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
            pub start: StartAt,
            /// The base density.
            #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "BaseSpec::is_default"))]
            pub base: BaseSpec,
        }

        impl Recipe for $recipe {
            fn repeated(&self) -> Repeated {
                let Self { lattice, layers, hidden, activation, transform, start, base } = self;
                let net = MlpSpec { hidden: hidden.clone(), activation: *activation, bias: Bias::Yes, start: *start };
                let kind = |order| $layer(AutoregressiveSpec { order, net: net.clone(), transform: *transform });
                let kinds = [Order::Identity, Order::Reversal].map(kind).into_iter().take((*layers).max(1)).collect();
                Repeated { shape: lattice.clone(), base: *base, kinds, layers: *layers, last: None }
            }
        }
    };
}

recipe! {
    /// Masked autoregressive flow (arXiv:1705.07057): *inverses* of autoregressive layers, so that the density of given samples takes one pass
    /// and sampling a substitution. For the forward KL divergence; either way costs F.
    Maf, "Maf", |layer| LayerSpec::Inverse(Box::new(LayerSpec::Autoregressive(layer)))
}

recipe! {
    /// Inverse autoregressive flow (arXiv:1606.04934): autoregressive layers, so that sampling takes one pass and the density of given samples
    /// a substitution. For the reverse KL divergence; either way costs F.
    ///
    /// ```
    /// use upg_core::Layer;
    /// let flow = upg_flows::Iaf { lattice: vec![4, 4], layers: 4, hidden: vec![32, 32], ..Default::default() };
    /// assert_eq!(flow.build::<f64>().unwrap().dof(), 16);
    /// ```
    Iaf, "Iaf", LayerSpec::Autoregressive
}
