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

/// How the masks of successive layers are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// The mask of layer `layer` on `lattice` (extents; flat index in C order).
    ///
    /// # Errors
    /// If a part would be empty, or a custom list is out of range or names an index twice.
    pub fn mask(&self, layer: usize, lattice: &[usize]) -> Result<Mask, FlowError> {
        let dof = lattice.iter().product();
        let parity = layer % 2;
        let mask = match self {
            Self::Alternating => Mask::new(dof, |i| i % 2 == parity),
            Self::Checkerboard => Mask::new(dof, |i| site_parity(i, lattice) == parity),
            Self::Custom(lists) => custom(lists, layer, dof)?,
        };
        if mask.transformed.is_empty() || mask.kept.is_empty() {
            return Err(FlowError::new(
                "mask",
                self,
                "each layer must transform and keep at least one degree of freedom",
            ));
        }
        Ok(mask)
    }
}

/// Parity of the sum of the coordinates of flat index `i`.
fn site_parity(i: usize, lattice: &[usize]) -> usize {
    let split = |(rest, sum): (usize, usize), &extent: &usize| (rest / extent, sum + rest % extent);
    lattice.iter().rev().fold((i, 0), split).1 % 2
}

fn custom(lists: &[Vec<usize>], layer: usize, dof: usize) -> Result<Mask, FlowError> {
    let accepted = "lists of distinct flat indices below the number of degrees of freedom";
    let list = lists.get(layer % lists.len().max(1)).ok_or_else(|| FlowError::new("mask", lists, accepted))?;
    let mut transforms = vec![false; dof];
    for &i in list {
        match transforms.get_mut(i) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(FlowError::new("mask", list, accepted)),
        }
    }
    Ok(Mask::new(dof, |i| transforms[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_odd_dimension_differ_by_one() {
        let mask = MaskPattern::Alternating.mask(0, &[7]).unwrap();
        assert_eq!((mask.transformed(), mask.kept()), (&[0, 2, 4, 6][..], &[1, 3, 5][..]));
        let mask = MaskPattern::Alternating.mask(3, &[7]).unwrap();
        assert_eq!(mask.transformed(), [1, 3, 5]);
    }

    #[test]
    fn checkerboard_goes_by_lattice_parity() {
        let mask = MaskPattern::Checkerboard.mask(0, &[2, 3]).unwrap(); // sites 00 01 02 / 10 11 12
        assert_eq!(mask.transformed(), [0, 2, 4]);
        let mask = MaskPattern::Checkerboard.mask(1, &[2, 2, 2]).unwrap();
        assert_eq!(mask.transformed(), [1, 2, 4, 7]);
    }

    #[test]
    fn bad_patterns_are_refused() {
        for (lists, dof) in
            [(vec![], 3), (vec![vec![]], 3), (vec![vec![3]], 3), (vec![vec![1, 1]], 3), (vec![vec![0, 1]], 2)]
        {
            let error = MaskPattern::Custom(lists).mask(0, &[dof]).unwrap_err();
            assert_eq!(error.field, "mask");
        }
        assert!(MaskPattern::Alternating.mask(0, &[1]).is_err());
    }
}
