//! Where degrees of freedom live.

use crate::{real::Real, vmath::scalar::wrap_angle};

/// The space of one degree of freedom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Domain {
    /// The real line.
    #[default]
    Line,
    /// Angles in [0, 2π).
    Circle,
}

impl Domain {
    /// The point of the domain that `x` stands for: on the circle x mod 2π in [0, 2π).
    ///
    /// ```
    /// use upg_core::Domain;
    /// assert_eq!((Domain::Circle.wrap(-1e-30_f32), Domain::Line.wrap(-1e-30_f32)), (0.0, -1e-30));
    /// ```
    pub fn wrap<T: Real>(self, x: T) -> T {
        match self {
            Self::Line => x,
            Self::Circle => wrap_angle(x),
        }
    }
}
