//! Permutations: y_i = x_{order(i)}, exact to the bit, for numbers and for angles.
//!
//! ℓ = 0. Push and pull back: a_i → a at the place to which i went, and back; no parameters. The inverse is the inverse permutation.

use crate::error::FlowError;
#[cfg(feature = "serde")]
use crate::numbers;
use std::sync::Arc;
use upg_core::{Batch, Cpu, GradSink, Invertible, Layer, ParamLayout, Pass, Real};

/// An order of the degrees of freedom of a sample, or of the channels of a cell, by their flat indices: what comes to place i is at order(i).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "order"))]
pub enum Order {
    /// i.
    #[default]
    Identity,
    /// n − 1 − i, for n places.
    Reversal,
    /// i + by, modulo the number of places.
    Shift(#[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))] usize),
    /// The site that is `by` steps on along one axis of the lattice, which is periodic.
    Along {
        /// The axis.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        direction: usize,
        /// The number of steps.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        by: usize,
    },
    /// One that follows from this number (see [`shuffled`]).
    Random(u64),
    /// This list.
    Custom(#[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))] Vec<usize>),
}

impl Order {
    /// Refuses what isn't an order of an array of this shape.
    pub(crate) fn check(&self, shape: &[usize]) -> Result<(), FlowError> {
        match self {
            Self::Along { direction, .. } if *direction >= shape.len() => {
                Err(FlowError::new("order", self, "a direction below the number of extents"))
            }
            Self::Custom(list) => {
                let mut sorted = list.clone();
                sorted.sort_unstable();
                let all = sorted.iter().copied().eq(0..shape.iter().product());
                let accepted = "a list that holds every flat index once";
                if all { Ok(()) } else { Err(FlowError::new("order", list, accepted)) }
            }
            _ => Ok(()),
        }
    }

    /// order(i) for every flat index i of an array of this shape.
    ///
    /// # Errors
    /// If there is no such direction, or the list isn't a permutation.
    pub fn indices(&self, shape: &[usize]) -> Result<Vec<usize>, FlowError> {
        self.check(shape)?;
        let n: usize = shape.iter().product();
        Ok(match self {
            Self::Identity => (0..n).collect(),
            Self::Reversal => (0..n).rev().collect(),
            Self::Shift(by) => (0..n).map(|i| (i + by % n) % n).collect(),
            Self::Along { direction, by } => (0..n).map(|i| along(i, shape, *direction, *by)).collect(),
            Self::Random(seed) => shuffled(n, *seed),
            Self::Custom(list) => list.clone(),
        })
    }
}

/// The flat index of the site `by` steps on from site i.
fn along(i: usize, shape: &[usize], direction: usize, by: usize) -> usize {
    let (extent, stride) = (shape[direction], shape[direction + 1..].iter().product::<usize>());
    let coordinate = i / stride % extent;
    i - coordinate * stride + (coordinate + by % extent) % extent * stride
}

/// 0, 1, …, n − 1, shuffled: for i = n − 1, …, 1 the elements at i and at r mod (i + 1) change places, r the next output of SplitMix64, which
/// starts at `seed`.
pub fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let (mut order, mut state): (Vec<usize>, u64) = ((0..n).collect(), seed);
    for i in (1..n).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        order.swap(i, ((mixed ^ mixed >> 31) % (i as u64 + 1)) as usize);
    }
    order
}

/// The inverse: where each index stands in `order`.
pub fn inverted(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    order.iter().enumerate().for_each(|(i, &j)| inverse[j] = i);
    inverse
}

/// y_i = x_{order(i)}.
#[derive(Clone, Debug)]
pub struct Permutation {
    order: Arc<[usize]>,
    inverse: Arc<[usize]>,
}

impl Permutation {
    /// The permutation of the degrees of freedom of samples of this shape.
    ///
    /// # Errors
    /// If there is no such direction, or the list isn't a permutation.
    pub fn new(order: &Order, shape: &[usize]) -> Result<Self, FlowError> {
        let order = order.indices(shape)?;
        Ok(Self { inverse: inverted(&order).into(), order: order.into() })
    }
}

impl<T: Real> Layer<Cpu<T>> for Permutation {
    fn dof(&self) -> usize {
        self.order.len()
    }

    fn params(&self) -> ParamLayout {
        ParamLayout::default()
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, _: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.order.len(), "rows of x, and degrees of freedom of the layer");
        move_rows(&self.order, x, pass);
    }

    fn push(&self, pass: &mut Pass<'_, Cpu<T>>, cotangent: &mut Batch<T>, _: f64, _: Option<GradSink<'_, Cpu<T>>>) {
        move_rows(&self.order, cotangent, pass);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        _: f64,
        _: Option<GradSink<'_, Cpu<T>>>,
    ) {
        move_rows(&self.inverse, cotangent, pass);
    }
}

impl<T: Real> Invertible<Cpu<T>> for Permutation {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        Box::new(Self { order: self.inverse.clone(), inverse: self.order.clone() })
    }
}

/// Row i becomes what row order(i) was.
fn move_rows<T: Real>(order: &[usize], batch: &mut Batch<T>, pass: &mut Pass<'_, Cpu<T>>) {
    let moved = pass.scratch.get::<Batch<T>>();
    moved.gather(batch, order);
    batch.copy_from(moved);
}
