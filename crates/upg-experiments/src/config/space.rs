//! Where the degrees of freedom of a flow and its target live.

use super::invalid::Invalid;
use crate::text::shape_text;

/// Where the degrees of freedom of a flow and its target live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// A real number on every site; the base is the standard normal.
    Sites,
    /// An angle in [0, 2π) on every link of a two-dimensional lattice; the base is uniform.
    Links,
}

impl Space {
    /// Shape of a single sample.
    pub(super) fn sample_shape(self, lattice: &[usize]) -> Vec<usize> {
        match self {
            Self::Sites => lattice.to_vec(),
            Self::Links => [&[2], lattice].concat(),
        }
    }
}

/// Where a target lives.
pub(super) enum Domain<'a> {
    /// On this lattice.
    Lattice(Space, &'a [usize]),
    /// In this many dimensions, as the field says.
    Dof(&'static str, usize),
}

impl Domain<'_> {
    /// Compares with where the flow lives.
    pub fn fits(&self, space: Space, flow: &[usize]) -> Result<(), Invalid> {
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
