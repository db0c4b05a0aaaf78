//! Where samples live, and how to compare them there.

use ndarray::{Array2, Zip};
use std::f64::consts::TAU;
use upg_core::Real;

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
    pub fn wrap(self, x: f64) -> f64 {
        match self {
            Self::Line => x,
            Self::Circle => x - TAU * (x / TAU).floor(),
        }
    }

    /// The representative of `x` that is nearest to `reference`: on the circle x + 2πn.
    pub fn near(self, x: f64, reference: f64) -> f64 {
        match self {
            Self::Line => x,
            Self::Circle => x - TAU * ((x - reference) / TAU).round(),
        }
    }

    /// [`near`](Self::near), element by element, in double precision.
    pub fn all_near<T: Real, U: Real>(self, x: &Array2<T>, reference: &Array2<U>) -> Array2<f64> {
        Zip::from(x).and(reference).map_collect(|x, r| self.near(x.wide(), r.wide()))
    }

    /// Whether `x` is a point of the domain, in the precision it has: an angle has to be below 2π as this precision rounds it.
    pub fn contains<T: Real>(self, x: T) -> bool {
        match self {
            Self::Line => x.is_finite(),
            Self::Circle => x >= T::zero() && x < T::of(TAU),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_wrap() {
        assert_eq!(Domain::Circle.wrap(-1.0), TAU - 1.0);
        assert!((Domain::Circle.near(6.0, 0.1) - (6.0 - TAU)).abs() < 1e-15);
        assert!(Domain::Circle.contains(6.2_f32) && !Domain::Circle.contains(TAU as f32));
        assert_eq!(Domain::Line.near(-1.0, 9.0), -1.0);
    }
}
