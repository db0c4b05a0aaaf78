//! The couplings of φ⁴ theory in two other conventions, and how fields and log Z go over.
//!
//! | name | action | field | couplings |
//! |---|---|---|---|
//! | hopping | Σ [ −2κ Σ_μ φφ₊ + (1−2λ) φ² + λ φ⁴ ] | φ | κ, λ |
//! | mass | Σ [ m² φ² + λ φ⁴ + Σ_μ (2φ² − φφ₊ − φφ₋) ] | φ_M = √κ φ | m² = (1−2λ)/κ − 2d, λ_M = λ/κ² |
//! | continuum | Σ [ (m²/2 + dκ_C) φ² − κ_C Σ_μ φφ₊ + λ φ⁴/24 ] | φ_C = √(2/κ_C) φ_M | m_M² = m²/κ_C, λ_M = λ/(6κ_C²) |
//!
//! [`Phi4::by_mass`] makes the mass form (`NoHalves`) and the continuum form with κ_C = 1 (`Canonical`) for their own fields, without going
//! over.
//!
//! φ_other = f φ on V sites gives S_other(f φ) = S(φ), log Z_other = log Z + V log f and ⟨φ_other²⟩ = f² ⟨φ²⟩.

use super::Phi4;
use crate::error::{TargetError, finite, require};

/// How an action is written whose quadratic term is given by a mass. On the lattice (∂φ)² is Σ_μ (φ₊ − φ)².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassConvention {
    /// S = Σ [ (∂φ)² + m² φ² + λ φ⁴ ].
    NoHalves,
    /// S = Σ [ ½ (∂φ)² + ½ m² φ² + λ φ⁴/4! ], the canonically normalised field.
    Canonical,
}

impl MassConvention {
    /// c and 1/n of S = Σ [ c (∂φ)² + c m² φ² + λ φ⁴/n ].
    fn factors(self) -> (f64, f64) {
        match self {
            Self::NoHalves => (1.0, 1.0),
            Self::Canonical => (0.5, 1.0 / 24.0),
        }
    }
}

/// f in φ_other = f φ, φ the field of the hopping form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldScale {
    /// f, positive.
    pub factor: f64,
}

impl FieldScale {
    /// log Z of the other convention from that of the hopping form, on `sites` sites.
    pub fn log_z(&self, hopping: f64, sites: usize) -> f64 {
        hopping + sites as f64 * self.factor.ln()
    }

    /// ⟨φ²⟩ of the other convention from that of the hopping form.
    pub fn phi2(&self, hopping: f64) -> f64 {
        self.factor * self.factor * hopping
    }
}

/// Couplings of S = Σ [ m² φ² + λ φ⁴ + Σ_μ (2φ² − φφ₊ − φφ₋) ].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MassCouplings {
    /// m², of either sign.
    pub mass_squared: f64,
    /// λ, at least 0.
    pub lambda: f64,
}

/// Couplings of S = Σ [ (m²/2 + dκ) φ² − κ Σ_μ φφ₊ + λ φ⁴/24 ].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContinuumCouplings {
    /// m², of either sign.
    pub mass_squared: f64,
    /// κ, positive.
    pub kappa: f64,
    /// λ, at least 0.
    pub lambda: f64,
}

impl Phi4 {
    /// The theory given by its mass, for the field φ of that convention: log Z, ⟨φ²⟩ and all observables are of that field.
    ///
    /// # Errors
    /// No extent or one that is 0; couplings that are not finite, `lambda` negative, or `lambda` = 0 with m² ≤ 0.
    pub fn by_mass(
        lattice: &[usize],
        mass_squared: f64,
        lambda: f64,
        convention: MassConvention,
    ) -> Result<Self, TargetError> {
        finite("mass_squared", mass_squared)?;
        let (half, share) = convention.factors();
        let quadratic = half * (mass_squared + 2.0 * lattice.len() as f64);
        let theory = Self::general(lattice, half, quadratic, share * lambda, lambda)?;
        let accepted = "a positive number where there is no quartic term (lambda = 0)";
        require(theory.is_normalisable(), "mass_squared", mass_squared, accepted)?;
        Ok(theory)
    }

    /// The hopping form of a theory given by [`MassCouplings`], and the scale of its field, f = √κ.
    ///
    /// κ is the positive root of 2λ_M κ² + (m² + 2d) κ = 1.
    ///
    /// # Errors
    /// As [`Phi4::new`]; couplings that are not finite, `lambda` negative, or `lambda` = 0 with m² ≤ 0.
    pub fn from_mass_convention(lattice: &[usize], of: MassCouplings) -> Result<(Self, FieldScale), TargetError> {
        let MassCouplings { mass_squared, lambda } = of;
        finite("mass_squared", mass_squared)?;
        require(lambda.is_finite() && lambda >= 0.0, "lambda", lambda, "a finite number, at least 0")?;
        let normalisable = lambda > 0.0 || mass_squared > 0.0;
        require(
            normalisable,
            "mass_squared",
            mass_squared,
            "a positive number where there is no quartic term (lambda = 0)",
        )?;
        let kappa = positive_root(2.0 * lambda, mass_squared + 2.0 * lattice.len() as f64);
        Ok((Self::new(lattice, kappa, lambda * kappa * kappa)?, FieldScale { factor: kappa.sqrt() }))
    }

    /// The hopping form of a theory given by [`ContinuumCouplings`], and the scale of its field, f = √(2κ/κ_C).
    ///
    /// # Errors
    /// As [`Phi4::from_mass_convention`]; `kappa` not positive or not finite.
    pub fn from_continuum_convention(
        lattice: &[usize],
        of: ContinuumCouplings,
    ) -> Result<(Self, FieldScale), TargetError> {
        let ContinuumCouplings { mass_squared, kappa, lambda } = of;
        require(kappa.is_finite() && kappa > 0.0, "kappa", kappa, "a finite number, above 0")?;
        let mass = MassCouplings { mass_squared: mass_squared / kappa, lambda: lambda / (6.0 * kappa * kappa) };
        let (theory, scale) = Self::from_mass_convention(lattice, mass)?;
        Ok((theory, FieldScale { factor: scale.factor * (2.0 / kappa).sqrt() }))
    }

    /// The couplings of this theory in the mass convention and the scale of its field; `None` unless κ > 0.
    pub fn to_mass_convention(&self) -> Option<(MassCouplings, FieldScale)> {
        let (kappa, lambda) = (self.kappa, self.lambda);
        (kappa > 0.0).then(|| {
            let mass_squared = self.quadratic() / kappa - 2.0 * self.lattice.len() as f64;
            let couplings = MassCouplings { mass_squared, lambda: lambda / (kappa * kappa) };
            (couplings, FieldScale { factor: kappa.sqrt() })
        })
    }

    /// The couplings of this theory in the continuum convention with hopping `kappa` > 0, and the scale of its field; `None` unless κ > 0.
    ///
    /// # Panics
    /// If `kappa` is not positive.
    pub fn to_continuum_convention(&self, kappa: f64) -> Option<(ContinuumCouplings, FieldScale)> {
        assert!(kappa > 0.0, "kappa = {kappa}: above 0");
        self.to_mass_convention().map(|(mass, scale)| {
            let (mass_squared, lambda) = (mass.mass_squared * kappa, 6.0 * mass.lambda * kappa * kappa);
            let couplings = ContinuumCouplings { mass_squared, kappa, lambda };
            (couplings, FieldScale { factor: scale.factor * (2.0 / kappa).sqrt() })
        })
    }
}

/// The positive root x of a x² + b x = 1, for a ≥ 0, without cancellation.
fn positive_root(a: f64, b: f64) -> f64 {
    let root = (b * b + 4.0 * a).sqrt();
    if b >= 0.0 { 2.0 / (b + root) } else { (root - b) / (2.0 * a) }
}
