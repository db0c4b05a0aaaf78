//! The directions in which an engine can go through a flow, as types: what an estimator needs, its engine has.
//!
//! | directions | from | estimators |
//! |---|---|---|
//! | [`BothWays`] | an invertible layer | all of [`ReverseKl`] and [`ForwardKl`] |
//! | [`Generating`] | T alone, base → target | [`OneWay`] of the reverse KL |
//! | [`Normalizing`] | T⁻¹ alone, target → base | [`OneWay`] of the forward KL |
//!
//! Planar and residual layers, say, have no inverse that one can compute: they are trained one way.

use crate::{
    device::Device,
    estimator::{ForwardKl, ReverseKl},
    layer::{Invertible, Layer},
};

/// An estimator that goes through the flow in one direction only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OneWay {
    /// The ordinary gradient: `reparam`, or `max-likelihood`.
    Ordinary,
    /// The path gradient in one pass, Algorithm 1.
    PathFast,
}

impl From<OneWay> for ReverseKl {
    fn from(how: OneWay) -> Self {
        match how {
            OneWay::Ordinary => Self::Reparam,
            OneWay::PathFast => Self::PathFast,
        }
    }
}

impl From<OneWay> for ForwardKl {
    fn from(how: OneWay) -> Self {
        match how {
            OneWay::Ordinary => Self::MaxLikelihood,
            OneWay::PathFast => Self::PathFast,
        }
    }
}

/// The directions an engine has. Sealed: the three of this module.
pub trait Ways<D: Device>: sealed::Sealed + Send + Sync {
    /// T.
    fn map(&self) -> Option<&dyn Layer<D>>;
    /// T⁻¹.
    fn inverse(&self) -> Option<&dyn Layer<D>>;
}

/// Directions with T: samples, and the reverse KL.
pub trait Generates<D: Device>: Ways<D> {
    /// The estimators of the reverse KL that go these ways only.
    type Reverse: Into<ReverseKl>;
}

/// Directions with T⁻¹: likelihoods, and the forward KL.
pub trait Normalizes<D: Device>: Ways<D> {
    /// The estimators of the forward KL that go these ways only.
    type Forward: Into<ForwardKl>;
}

/// T and T⁻¹.
pub struct BothWays<D: Device> {
    map: Box<dyn Invertible<D>>,
    inverse: Box<dyn Invertible<D>>,
}

impl<D: Device> BothWays<D> {
    pub(crate) fn of(map: Box<dyn Invertible<D>>) -> Self {
        Self { inverse: map.inverse(), map }
    }
}

impl<D: Device> Ways<D> for BothWays<D> {
    fn map(&self) -> Option<&dyn Layer<D>> {
        Some(&*self.map)
    }

    fn inverse(&self) -> Option<&dyn Layer<D>> {
        Some(&*self.inverse)
    }
}

impl<D: Device> Generates<D> for BothWays<D> {
    type Reverse = ReverseKl;
}

impl<D: Device> Normalizes<D> for BothWays<D> {
    type Forward = ForwardKl;
}

/// T alone.
pub struct Generating<D: Device>(pub(crate) Box<dyn Layer<D>>);

impl<D: Device> Ways<D> for Generating<D> {
    fn map(&self) -> Option<&dyn Layer<D>> {
        Some(&*self.0)
    }

    fn inverse(&self) -> Option<&dyn Layer<D>> {
        None
    }
}

impl<D: Device> Generates<D> for Generating<D> {
    type Reverse = OneWay;
}

/// T⁻¹ alone.
pub struct Normalizing<D: Device>(pub(crate) Box<dyn Layer<D>>);

impl<D: Device> Ways<D> for Normalizing<D> {
    fn map(&self) -> Option<&dyn Layer<D>> {
        None
    }

    fn inverse(&self) -> Option<&dyn Layer<D>> {
        Some(&*self.0)
    }
}

impl<D: Device> Normalizes<D> for Normalizing<D> {
    type Forward = OneWay;
}

mod sealed {
    /// Nothing outside may add directions.
    pub trait Sealed {}
    impl<D: crate::Device> Sealed for super::BothWays<D> {}
    impl<D: crate::Device> Sealed for super::Generating<D> {}
    impl<D: crate::Device> Sealed for super::Normalizing<D> {}
}
