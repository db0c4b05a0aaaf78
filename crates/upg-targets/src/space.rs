//! Where the samples of a target live, and which flows and bases live there too.

use ndarray::Array2;
use std::fmt;
use upg_core::{Domain, Real};

/// Where the degrees of freedom of a target live.
pub trait SampleSpace {
    /// Shape of one sample where the degrees of freedom lie on a lattice: its extents, for one number a site, `[2, L_0, L_1]` for links.
    /// `None` for numbers without an arrangement.
    fn lattice_shape(&self) -> Option<Vec<usize>>;

    /// The domain of degree of freedom `i`, in flat order. A base fits if its degrees of freedom have the same.
    fn domain(&self, i: usize) -> Domain;
}

/// A flow and a target don't live in the same place; says how the target differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It has this number of degrees of freedom.
    Dof(usize),
    /// Its degrees of freedom lie on another lattice, with samples of this shape.
    Lattice(Vec<usize>),
    /// A degree of freedom has another domain.
    Domain {
        /// Its flat index.
        dof: usize,
        /// Where it lives.
        domain: Domain,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dof(dof) => write!(f, "the target has {dof} degrees of freedom, the flow another number"),
            Self::Lattice(shape) => {
                write!(f, "a sample of the target has the shape {shape:?}, one of the flow another")
            }
            Self::Domain { dof, domain } => {
                let what = if *domain == Domain::Line { "a number" } else { "an angle" };
                write!(f, "degree of freedom {dof} is {what} for the target, and not for the flow")
            }
        }
    }
}

impl std::error::Error for Misfit {}

/// Compares where a target of `dof` degrees of freedom lives with a flow whose samples have the shape `shape`, all of one domain.
///
/// ```
/// use upg_core::Domain;
/// use upg_targets::{Gmm, Misfit, Phi4, space::check_fit};
///
/// let (theory, mixture) = (Phi4::new(&[4, 2], 0.1, 0.1)?, Gmm::new(8)?);
/// assert_eq!(check_fit(&mixture, 8, &[4, 2], Domain::Line), Ok(()));
/// assert_eq!(check_fit(&theory, 8, &[2, 4], Domain::Line), Err(Misfit::Lattice(vec![4, 2])));
/// # Ok::<(), upg_targets::TargetError>(())
/// ```
///
/// # Errors
/// The first difference: domains, then the lattice, then the number of degrees of freedom.
pub fn check_fit<P: SampleSpace + ?Sized>(
    target: &P,
    dof: usize,
    shape: &[usize],
    domain: Domain,
) -> Result<(), Misfit> {
    let other = (0..dof).map(|i| (i, target.domain(i))).find(|&(_, of_target)| of_target != domain);
    if let Some((dof, domain)) = other {
        return Err(Misfit::Domain { dof, domain });
    }
    match target.lattice_shape() {
        Some(lattice) if lattice != shape => Err(Misfit::Lattice(lattice)),
        None if dof != shape.iter().product() => Err(Misfit::Dof(dof)),
        _ => Ok(()),
    }
}

/// Brings every number to the point of its domain that it stands for; shape `[batch, dof]`.
pub fn wrap<T: Real, P: SampleSpace + ?Sized>(target: &P, samples: &mut Array2<T>) {
    for (i, mut column) in samples.columns_mut().into_iter().enumerate() {
        let domain = target.domain(i);
        column.mapv_inplace(|x| domain.wrap(x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gmm, Phi4, TargetError, U1};

    /// A number, then an angle.
    struct Mixed;

    impl SampleSpace for Mixed {
        fn lattice_shape(&self) -> Option<Vec<usize>> {
            None
        }

        fn domain(&self, i: usize) -> Domain {
            [Domain::Line, Domain::Circle][i]
        }
    }

    #[test]
    fn what_differs_is_told() -> Result<(), TargetError> {
        let (line, circle) = (Domain::Line, Domain::Circle);
        let links = U1::new(&[4, 8], 1.0)?;
        assert_eq!(check_fit(&links, 64, &[2, 4, 8], circle), Ok(()));
        assert_eq!(check_fit(&links, 64, &[2, 8, 4], circle), Err(Misfit::Lattice(vec![2, 4, 8])));
        assert_eq!(check_fit(&links, 64, &[2, 4, 8], line), Err(Misfit::Domain { dof: 0, domain: circle }));
        assert_eq!(check_fit(&Phi4::new(&[6], 0.1, 0.1)?, 6, &[3, 2], line), Err(Misfit::Lattice(vec![6])));
        assert_eq!(check_fit(&Gmm::new(5)?, 5, &[3, 2], line), Err(Misfit::Dof(5)));
        assert_eq!(check_fit(&Mixed, 2, &[2], line), Err(Misfit::Domain { dof: 1, domain: circle }));
        Ok(())
    }

    #[test]
    fn angles_are_wrapped_and_numbers_stay() {
        let mut samples = ndarray::array![[-1.0, -1.0], [9.0, 9.0]];
        wrap(&Mixed, &mut samples);
        let tau = std::f64::consts::TAU;
        assert_eq!(samples, ndarray::array![[-1.0, tau - 1.0], [9.0, 9.0 - tau]]);
    }
}
