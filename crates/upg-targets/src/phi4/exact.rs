//! Exact log Z and ⟨φ²⟩ of φ⁴ theory where they are known.
//!
//! - λ = 0, free field: with K(p) = a − 2κ Σ_μ cos p_μ over the V momenta p_μ = 2πk_μ/L_μ,
//!   log Z = (V/2) log π − ½ Σ_p log K(p) and ⟨φ²⟩ = (1/2V) Σ_p 1/K(p).
//! - κ = 0, decoupled sites: [`single_site`] with a and b = λ.
//! - a lattice T×2 or 2×T: the transfer matrix, accurate to about 1e-13, checked to 1e-11 by a second quadrature.

use super::{Phi4, Phi4Exact, transfer};
use crate::bessel::{Order, scaled_i_pair, scaled_k, scaled_k_difference};
use std::f64::consts::{PI, TAU};

impl Phi4 {
    /// log Z and ⟨φ²⟩, if there is no quartic term, no hopping, or the lattice is T×2; else `None`, as where the transfer matrix finds no value.
    ///
    /// The transfer matrix takes some 20 ms, and seconds for a deep double well (λ ≈ 0.001 at κ = 0.3).
    pub fn exact(&self) -> Option<Phi4Exact> {
        if self.lambda == 0.0 {
            return Some(self.free_field());
        }
        if self.kappa == 0.0 {
            let site = single_site(self.quadratic(), self.lambda);
            return Some(Phi4Exact { log_z: self.sites() as f64 * site.log_z, ..site });
        }
        match self.lattice[..] {
            [length, 2] | [2, length] => transfer::strip(length, self.kappa, self.quadratic(), self.lambda),
            _ => None,
        }
    }

    pub(super) fn free_field(&self) -> Phi4Exact {
        let sites = self.sites() as f64;
        let log_det: f64 = self.kernels().map(f64::ln).sum();
        let propagator: f64 = self.kernels().map(f64::recip).sum();
        Phi4Exact { log_z: 0.5 * (sites * PI.ln() - log_det), phi2: 0.5 * propagator / sites }
    }

    /// min_p K(p): e^{−S} without a quartic term is normalisable if this is positive.
    pub(super) fn smallest_kernel(&self) -> f64 {
        self.kernels().fold(f64::INFINITY, f64::min)
    }

    /// K(p) for every momentum.
    fn kernels(&self) -> impl Iterator<Item = f64> {
        (0..self.sites()).map(|mode| {
            let mut rest = mode;
            let cosines = self.lattice.iter().rev().map(|&extent| {
                let k = rest % extent;
                rest /= extent;
                (TAU * k as f64 / extent as f64).cos()
            });
            self.quadratic - 2.0 * self.kappa * cosines.sum::<f64>()
        })
    }
}

/// log ∫ e^{−a x² − b x⁴} dx and the mean of x² under that weight, for b > 0 and a of either sign.
///
/// With z = a²/8b:
/// a > 0: ∫ = ½√(a/b) e^z K_{1/4}(z) and ⟨x²⟩ = (a/4b) [K_{3/4}(z)/K_{1/4}(z) − 1];
/// a < 0: ∫ = (π/2)√(|a|/2b) e^z [I_{−1/4}(z) + I_{1/4}(z)] and ⟨x²⟩ = (|a|/4b) [1 + (I_{−3/4} + I_{3/4})/(I_{−1/4} + I_{1/4})];
/// a = 0: ∫ = Γ(1/4)/(2 b^{1/4}) and ⟨x²⟩ = Γ(3/4)/(Γ(1/4) √b).
///
/// # Panics
/// If b is not positive, or a or b is not finite.
pub fn single_site(a: f64, b: f64) -> Phi4Exact {
    assert!(a.is_finite() && b.is_finite() && b > 0.0, "a = {a}, b = {b}: finite, and b above 0");
    let z = a * a / (8.0 * b);
    if z == 0.0 {
        let (quarter, three_quarters) = (Order::Quarter.gamma(), Order::ThreeQuarters.gamma());
        return Phi4Exact { log_z: (0.5 * quarter).ln() - 0.25 * b.ln(), phi2: three_quarters / (quarter * b.sqrt()) };
    }
    let size = a.abs();
    if a > 0.0 {
        let k = scaled_k(Order::Quarter, z);
        Phi4Exact { log_z: (0.5 * (size / b).sqrt() * k).ln(), phi2: size / (4.0 * b) * scaled_k_difference(z) / k }
    } else {
        let i = scaled_i_pair(Order::Quarter, z);
        let ratio = scaled_i_pair(Order::ThreeQuarters, z) / i;
        let log_z = (0.5 * PI * (size / (2.0 * b)).sqrt() * i).ln() + 2.0 * z;
        Phi4Exact { log_z, phi2: size / (4.0 * b) * (1.0 + ratio) }
    }
}
