//! The recipe of continuous flows of links.

use super::{Recipe, Repeated};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    error::FlowError,
    spec::{BaseSpec, LayerSpec, PlaquetteFlowSpec},
};

/// Continuous flow for U(1) theory in two dimensions: links are carried along a vector field of their plaquettes for a unit of time (see
/// [`plaquette_flow`](crate::plaquette_flow)).
///
/// q has all symmetries of the theory: gauge transformations, translations, reflections and u → −u. Train it by path gradients: the ordinary gradient
/// learns to exploit the error of the integrator. Links form an array `[2, L_0, L_1]`; the base is uniform on the torus.
///
/// ```
/// use upg_core::Layer;
/// let flow = upg_flows::U1Continuous { lattice: vec![6, 5], ..Default::default() };
/// assert_eq!(flow.build::<f64>().unwrap().dof(), 60);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "U1Continuous", deny_unknown_fields)
)]
pub struct U1Continuous {
    /// Extents [L_0, L_1], each at least 2.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub lattice: Vec<usize>,
    /// N, how many sines there are.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub sines: usize,
    /// M, of how many sines and cosines there are products.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub products: usize,
    /// K, how many functions of time.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub times: usize,
    /// Steps of the Runge–Kutta method of order 4.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
    pub steps: usize,
}

impl Default for U1Continuous {
    /// 8×8, four sines, products of two, four functions of time, ten steps.
    fn default() -> Self {
        Self { lattice: vec![8, 8], sines: 4, products: 2, times: 4, steps: 10 }
    }
}

impl Recipe for U1Continuous {
    fn check(&self) -> Result<(), FlowError> {
        if self.lattice.len() != 2 || self.lattice.iter().any(|&extent| extent < 2) {
            return Err(FlowError::new("lattice", &self.lattice, "two extents, each at least 2"));
        }
        Ok(())
    }

    fn repeated(&self) -> Repeated {
        let Self { lattice, sines, products, times, steps } = self;
        let (sines, products, times, steps) = (*sines, *products, *times, *steps);
        let flow = LayerSpec::PlaquetteFlow(PlaquetteFlowSpec { sines, products, times, steps });
        let shape = [&[2], &lattice[..]].concat();
        Repeated { shape, base: BaseSpec::UniformTorus, kinds: vec![flow], layers: 1, last: None }
    }
}
