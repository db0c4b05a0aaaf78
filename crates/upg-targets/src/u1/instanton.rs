//! Moves between topological sectors of U(1) gauge theory.
//!
//! A field with P(x) = 2π/V (mod 2π) everywhere has one unit of topological charge. It is, with x_0 < L_0, x_1 < L_1,
//!
//! ```text
//! u_1(x) = 2π x_0/V ,   u_0(x) = −2π x_1/L_1 at x_0 = L_0 − 1, else 0 .
//! ```

use super::U1;
use crate::hmc::Proposal;
use rand::RngExt;
use std::f64::consts::TAU;
use upg_core::{Batch, Real, Rng};

/// Proposes u ± instanton, either sign with probability ½; all links are wrapped into [0, 2π).
#[derive(Clone, Debug)]
pub struct Instanton {
    /// The field of charge 1, one angle per link.
    links: Vec<f64>,
}

impl Instanton {
    /// The move for `theory`.
    pub fn new(theory: &U1) -> Self {
        let [rows, columns] = theory.lattice();
        let mut links = vec![0.0; 2 * theory.volume()];
        for x in theory.sites() {
            links[theory.link(1, x)] = TAU * x[0] as f64 / theory.volume() as f64;
            if x[0] == rows - 1 {
                links[theory.link(0, x)] = -TAU * x[1] as f64 / columns as f64;
            }
        }
        Self { links }
    }
}

impl<T: Real> Proposal<T> for Instanton {
    fn propose(&self, rng: &mut Rng, u: &mut Batch<T>) {
        assert_eq!(u.rows(), self.links.len(), "rows of the links, and links of the lattice");
        let sign: Vec<f64> = (0..u.samples()).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect();
        for (i, &angle) in self.links.iter().enumerate() {
            for (u, sign) in u.row_mut(i).iter_mut().zip(&sign) {
                *u = wrap(u.wide() + sign * angle);
            }
        }
    }
}

impl U1 {
    /// Wraps every link into [0, 2π), in the precision of the links: what rounds up to 2π becomes 0.
    pub fn wrap<T: Real>(&self, u: &mut Batch<T>) {
        u.as_mut_slice().iter_mut().for_each(|u| *u = wrap(u.wide()));
    }
}

/// The angle in [0, 2π); NaN stays NaN.
pub(super) fn wrap<T: Real>(angle: f64) -> T {
    let wrapped = T::of(angle - TAU * (angle / TAU).floor());
    if wrapped < T::zero() || wrapped >= T::of(TAU) { T::zero() } else { wrapped }
}
