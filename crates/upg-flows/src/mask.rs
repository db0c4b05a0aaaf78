//! Masks: which degrees of freedom a coupling transforms, and which it keeps.

use crate::error::FlowError;

/// A partition of the degrees of freedom 0..dof, each part in ascending flat order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    transformed: Vec<usize>,
    kept: Vec<usize>,
}

impl Mask {
    /// Transforms the flat indices for which `transforms` is true and keeps the others.
    pub fn new(dof: usize, transforms: impl Fn(usize) -> bool) -> Self {
        let (transformed, kept) = (0..dof).partition(|&i| transforms(i));
        Self { transformed, kept }
    }

    /// Flat indices that are transformed, ascending.
    pub fn transformed(&self) -> &[usize] {
        &self.transformed
    }

    /// Flat indices that are kept and condition the others, ascending.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// Number of degrees of freedom, both parts.
    pub fn dof(&self) -> usize {
        self.transformed.len() + self.kept.len()
    }
}

/// One half of an alternation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "parity"))]
pub enum Parity {
    /// 0, 2, 4, …
    Even,
    /// 1, 3, 5, …
    Odd,
}

impl Parity {
    /// Whether `n` is of this parity.
    pub fn of(self, n: usize) -> bool {
        n.is_multiple_of(2) == (self == Self::Even)
    }
}

/// The degrees of freedom that one coupling transforms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "mask"))]
pub enum MaskSpec {
    /// The flat indices of this parity.
    Alternating(Parity),
    /// The lattice sites of this parity: that of the sum of their coordinates.
    Checkerboard(Parity),
    /// These flat indices.
    Custom(Vec<usize>),
}

impl MaskSpec {
    /// The mask on samples of this shape; flat index in C order.
    ///
    /// # Errors
    /// If a part would be empty, or a custom list is out of range or names an index twice.
    pub fn mask(&self, shape: &[usize]) -> Result<Mask, FlowError> {
        let dof = shape.iter().product();
        self.check(dof)?;
        Ok(match self {
            Self::Alternating(parity) => Mask::new(dof, |i| parity.of(i)),
            Self::Checkerboard(parity) => Mask::new(dof, |i| parity.of(sum_of_coordinates(i, shape))),
            Self::Custom(list) => {
                let mut transforms = vec![false; dof];
                list.iter().for_each(|&i| transforms[i] = true);
                Mask::new(dof, |i| transforms[i])
            }
        })
    }

    /// Refuses what makes no mask of `dof` degrees of freedom, at a cost that doesn't depend on their number.
    pub(crate) fn check(&self, dof: usize) -> Result<(), FlowError> {
        if let Self::Custom(list) = self {
            let mut sorted = list.clone();
            sorted.sort_unstable();
            if sorted.windows(2).any(|pair| pair[0] == pair[1]) || sorted.last().is_some_and(|&last| last >= dof) {
                let accepted = "lists of distinct flat indices below the number of degrees of freedom";
                return Err(FlowError::new("mask", list, accepted));
            }
        }
        let transformed = self.transformed(dof as u64);
        if transformed == 0 || transformed == dof as u64 {
            let accepted = "each layer must transform and keep at least one degree of freedom";
            return Err(FlowError::new("mask", self, accepted));
        }
        Ok(())
    }

    /// How many of `dof` degrees of freedom are transformed, told without making the mask.
    pub(crate) fn transformed(&self, dof: u64) -> u64 {
        match self {
            Self::Alternating(Parity::Even) | Self::Checkerboard(Parity::Even) => dof.div_ceil(2),
            Self::Alternating(Parity::Odd) | Self::Checkerboard(Parity::Odd) => dof / 2,
            Self::Custom(list) => dof.min(list.len() as u64),
        }
    }
}

/// How the masks of successive layers are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "mask"))]
pub enum MaskPattern {
    /// Layer 0 transforms the even flat indices, layer 1 the odd ones, and so on.
    #[default]
    Alternating,
    /// By parity of the lattice site (sum of its coordinates): layer 0 transforms the even sites.
    Checkerboard,
    /// Lists of transformed flat indices, one list a layer, repeated when there are more layers than lists.
    Custom(Vec<Vec<usize>>),
}

impl MaskPattern {
    /// The mask of layer `layer`; an empty custom pattern gives an empty list.
    pub fn layer(&self, layer: usize) -> MaskSpec {
        let parity = if layer.is_multiple_of(2) { Parity::Even } else { Parity::Odd };
        match self {
            Self::Alternating => MaskSpec::Alternating(parity),
            Self::Checkerboard => MaskSpec::Checkerboard(parity),
            Self::Custom(lists) => MaskSpec::Custom(lists.get(layer % self.period()).cloned().unwrap_or_default()),
        }
    }

    /// Number of layers after which the masks repeat, at least 1.
    pub(crate) fn period(&self) -> usize {
        match self {
            Self::Alternating | Self::Checkerboard => 2,
            Self::Custom(lists) => lists.len().max(1),
        }
    }
}

/// The sum of the coordinates of flat index `i`.
fn sum_of_coordinates(i: usize, shape: &[usize]) -> usize {
    let split = |(rest, sum): (usize, usize), &extent: &usize| (rest / extent, sum + rest % extent);
    shape.iter().rev().fold((i, 0), split).1
}
