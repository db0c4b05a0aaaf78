//! Exact log Z and ⟨φ²⟩ of φ⁴ theory on an L×2 torus by the transfer matrix.
//!
//! A slice holds two sites (φ, χ), joined by a bond that counts twice. With V(φ) = a φ² + b φ⁴ the transfer matrix is
//!
//! ```text
//! T = D^{1/2} (A ⊗ A) D^{1/2},   A(φ,φ') = e^{−|κ| (φ ∓ φ')² − [W(φ) + W(φ')]/2},   W = V − 4|κ| φ²,   D(φ,χ) = e^{−2|κ| (φ ∓ χ)²} ≤ 1
//! ```
//!
//! (upper sign for κ > 0), log Z = log Tr T^L, and ⟨φ²⟩ = Tr T^{L−1} T_{φ²} / Tr T^L, where T_{φ²} has D (φ² + χ²)/2 for D.
//! The integrals over φ and χ are trapezoidal sums over the places where W is not far above its minimum, one interval or two wells;
//! they converge geometrically, since the integrand is analytic and negligible at the ends. How well is told by a second sum with fewer
//! points. A is diagonalised, A = Q Λ Qᵀ, and since Λ falls off fast, T has the spectrum of a small matrix over the pairs (i, j) of leading
//! eigenvectors:
//!
//! ```text
//! M_{ij,kl} = sign(Λ_i Λ_j) |Λ_i Λ_j|^{1/2} [ Σ_{φχ} Q_{φi} Q_{χj} D(φ,χ) Q_{φk} Q_{χl} ] |Λ_k Λ_l|^{1/2} .
//! ```

use super::Phi4Exact;
use nalgebra::{DMatrix, SymmetricEigen};

/// Points of the quadrature per site, and of the one that tells how exact it is.
const POINTS: usize = 160;
const FEWER_POINTS: usize = 128;
/// The points end where W has risen by this much: e^{−45} = 3e-20.
const RISE: f64 = 45.0;
/// Eigenvectors and pairs of them with a smaller |Λ_i|, |Λ_i Λ_j|, relative to the largest, are left out: round-off of the eigensolver.
const CUT: f64 = 1e-15;
/// How far the results of both quadratures may lie apart, relative to 1 + |log Z| and to ⟨φ²⟩.
const AGREEMENT: f64 = 1e-11;

/// log Z and ⟨φ²⟩ on a lattice `length`×2 with the site potential `quadratic` φ² + `quartic` φ⁴, if they can be had.
pub(super) fn strip(length: usize, kappa: f64, quadratic: f64, quartic: f64) -> Option<Phi4Exact> {
    let [exact, coarse] = [POINTS, FEWER_POINTS].map(|points| with_points(points, length, kappa, quadratic, quartic));
    let (exact, coarse) = (exact?, coarse?);
    let agree = (exact.log_z - coarse.log_z).abs() <= AGREEMENT * (1.0 + exact.log_z.abs())
        && (exact.phi2 - coarse.phi2).abs() <= AGREEMENT * exact.phi2;
    agree.then_some(exact)
}

fn with_points(points: usize, length: usize, kappa: f64, quadratic: f64, quartic: f64) -> Option<Phi4Exact> {
    let slice = Slice::new(points, kappa, quadratic, quartic)?;
    let m = slice.matrix(|_, _| 1.0);
    let m_phi2 = slice.matrix(|phi, chi| 0.5 * (phi * phi + chi * chi));
    let (rest, log_scale) = scaled_power(&m, length - 1);
    let trace = trace_of_product(&rest, &m);
    Some(Phi4Exact {
        log_z: trace.ln() + log_scale + 2.0 * length as f64 * slice.depth,
        phi2: trace_of_product(&rest, &m_phi2) / trace,
    })
}

/// The quadrature, and the eigenvectors of A that matter.
struct Slice {
    kappa: f64,
    points: Vec<f64>,
    /// Q, shape `[points, kept]`.
    vectors: DMatrix<f64>,
    /// Λ, largest size first.
    values: Vec<f64>,
    /// −min W: A is e^{depth} times what is stored.
    depth: f64,
}

impl Slice {
    /// None if the potential is beyond double precision.
    fn new(points: usize, kappa: f64, quadratic: f64, quartic: f64) -> Option<Self> {
        let potential = Potential { c: quadratic - 4.0 * kappa.abs(), b: quartic };
        let (points, step) = potential.points(points);
        let exponent = |phi: f64, other: f64| {
            let difference = phi - kappa.signum() * other;
            -kappa.abs() * difference * difference
                - 0.5 * (potential.above_minimum(phi) + potential.above_minimum(other))
        };
        let element = |i: usize, j: usize| step * exponent(points[i], points[j]).exp();
        let a = DMatrix::from_fn(points.len(), points.len(), element);
        let usable = a.iter().all(|element| element.is_finite()) && a.amax() > 0.0;
        let (values, vectors) = usable.then(|| leading_eigenvectors(a))?;
        Some(Self { kappa, points, vectors, values, depth: potential.depth() })
    }

    /// M with D·`insert` in the place of D, shape `[pairs, pairs]`.
    fn matrix(&self, insert: impl Fn(f64, f64) -> f64) -> DMatrix<f64> {
        let d = DMatrix::from_fn(self.points.len(), self.points.len(), |i, j| {
            let (phi, chi) = (self.points[i], self.points[j]);
            let difference = phi - self.kappa.signum() * chi;
            insert(phi, chi) * (-2.0 * self.kappa.abs() * difference * difference).exp()
        });
        let columns: Vec<_> = (0..self.values.len()).flat_map(|k| (0..=k).map(move |i| (i, k))).collect();
        let products = DMatrix::from_fn(self.points.len(), columns.len(), |phi, column| {
            let (i, k) = columns[column];
            self.vectors[(phi, i)] * self.vectors[(phi, k)]
        });
        let inner = products.transpose() * (d * &products);
        let pairs = self.pairs();
        DMatrix::from_fn(pairs.len(), pairs.len(), |p, q| {
            let ((i, j), (k, l)) = (pairs[p], pairs[q]);
            let (left, right) = (self.values[i] * self.values[j], self.values[k] * self.values[l]);
            left.signum() * (left * right).abs().sqrt() * inner[(column_of(i, k), column_of(j, l))]
        })
    }

    /// The pairs (i, j) above the cut.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let (kept, largest) = (self.values.len(), self.values[0] * self.values[0]);
        let all = (0..kept).flat_map(|i| (0..kept).map(move |j| (i, j)));
        all.filter(|&(i, j)| (self.values[i] * self.values[j]).abs() > CUT * largest).collect()
    }
}

/// The place of the product Q_i Q_k among those with i ≤ k, ordered by k.
fn column_of(i: usize, k: usize) -> usize {
    let (low, high) = (i.min(k), i.max(k));
    high * (high + 1) / 2 + low
}

/// W = c φ² + b φ⁴.
#[derive(Clone, Copy)]
struct Potential {
    c: f64,
    b: f64,
}

impl Potential {
    /// W less its minimum, in double wells as b (φ² − φ₀²)², which has no large terms that cancel.
    fn above_minimum(self, phi: f64) -> f64 {
        let (square, c, b) = (phi * phi, self.c, self.b);
        if c < 0.0 { b * (square + 0.5 * c / b).powi(2) } else { (c + b * square) * square }
    }

    /// How deep wells are.
    fn depth(self) -> f64 {
        if self.c < 0.0 { self.c * self.c / (4.0 * self.b) } else { 0.0 }
    }

    /// Equidistant points where W is at most [`RISE`] above its minimum, `count` in all, and their distance.
    fn points(self, count: usize) -> (Vec<f64>, f64) {
        let Self { c, b } = self;
        let rise = (c.max(0.0).powi(2) + 4.0 * b * RISE).sqrt();
        let outer = if c > 0.0 { 2.0 * RISE / (c + rise) } else { (rise - c) / (2.0 * b) };
        let inner = if c < 0.0 { -(c + rise) / (2.0 * b) } else { 0.0 };
        let end = outer.sqrt();
        if inner <= 0.0 {
            let step = 2.0 * end / (count - 1) as f64;
            return ((0..count).map(|i| step * i as f64 - end).collect(), step);
        }
        let (start, half) = (inner.sqrt(), count / 2);
        let step = (end - start) / (half - 1) as f64;
        let well = move |i: usize| start + step * i as f64;
        ((0..half).rev().map(|i| -well(i)).chain((0..half).map(well)).collect(), step)
    }
}

/// The eigenvalues of a symmetric matrix above the cut, largest size first, and their eigenvectors as columns.
fn leading_eigenvectors(a: DMatrix<f64>) -> (Vec<f64>, DMatrix<f64>) {
    let SymmetricEigen { eigenvectors, eigenvalues } = a.symmetric_eigen();
    let mut order: Vec<usize> = (0..eigenvalues.len()).collect();
    order.sort_by(|&i, &j| eigenvalues[j].abs().total_cmp(&eigenvalues[i].abs()));
    let largest = eigenvalues[order[0]].abs();
    order.retain(|&i| eigenvalues[i].abs() > CUT * largest);
    (order.iter().map(|&i| eigenvalues[i]).collect(), eigenvectors.select_columns(&order))
}

/// M^n and the logarithm of the factor that was taken out of it.
fn scaled_power(m: &DMatrix<f64>, mut n: usize) -> (DMatrix<f64>, f64) {
    let mut power = DMatrix::identity(m.nrows(), m.ncols());
    let (mut square, mut log_square, mut log_power) = (m.clone(), 0.0, 0.0);
    while n > 0 {
        let size = square.amax();
        square /= size;
        log_square += size.ln();
        if n % 2 == 1 {
            power = &power * &square;
            log_power += log_square;
        }
        n /= 2;
        if n > 0 {
            square = &square * &square;
            log_square *= 2.0;
        }
    }
    (power, log_power)
}

/// Tr AB.
fn trace_of_product(a: &DMatrix<f64>, b: &DMatrix<f64>) -> f64 {
    a.transpose().component_mul(b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Phi4, TargetError};

    #[test]
    fn without_a_quartic_term_it_is_the_free_field() -> Result<(), TargetError> {
        for (length, kappa) in [(1, 0.2), (2, 0.17), (3, -0.14), (5, -0.21), (7, 0.23), (64, 0.2)] {
            let free = Phi4::new(&[length, 2], kappa, 0.0)?.exact().expect("a free field");
            let strip = strip(length, kappa, 1.0, 0.0).expect("a value");
            let error = (strip.log_z / free.log_z - 1.0).abs().max((strip.phi2 / free.phi2 - 1.0).abs());
            assert!(error < 2e-13, "{length}×2, kappa {kappa}: {strip:?} for {free:?}");
        }
        Ok(())
    }

    #[test]
    fn without_hopping_the_sites_decouple() {
        for (a, b) in [(0.956, 0.022), (-4.0, 8.0), (-1.0, 0.2), (1.0, 1.0)] {
            let site = super::super::single_site(a, b);
            let strip = strip(3, 0.0, a, b).expect("a value");
            let error = (strip.log_z - 6.0 * site.log_z).abs().max((strip.phi2 / site.phi2 - 1.0).abs());
            assert!(error < 2e-13, "a = {a}, b = {b}: {strip:?} for {site:?}");
        }
    }

    #[test]
    fn on_even_lattices_the_sign_of_kappa_is_a_choice_of_field() {
        let [plus, minus] = [0.31, -0.31].map(|kappa| strip(6, kappa, 0.7, 0.15).expect("a value"));
        assert!((plus.log_z - minus.log_z).abs() < 1e-12 && (plus.phi2 - minus.phi2).abs() < 1e-12);
    }

    /// Deep wells, narrow or far from each other: at κ = 0 every site is on its own, and close to it the first order in κ² is small.
    #[test]
    fn deep_wells_are_resolved() {
        for lambda in [1e-5, 5e-5, 1e-3, 100.0, 700.0, 2500.0, 1e6] {
            let (a, b) = if lambda < 1.0 { (-0.2, lambda) } else { (1.0 - 2.0 * lambda, lambda) };
            let site = super::super::single_site(a, b);
            let strip = strip(3, 0.0, a, b).expect("a value");
            let error =
                ((strip.log_z - 6.0 * site.log_z) / strip.log_z).abs().max((strip.phi2 / site.phi2 - 1.0).abs());
            assert!(error < 2e-13, "lambda = {lambda}: {strip:?} for {site:?}");
        }
    }

    /// Numbers by another quadrature: κ = 0.2 on 4×2.
    #[test]
    fn a_strip_of_nearly_ising_spins() {
        let strip = strip(4, 0.2, 1.0 - 2000.0, 1000.0).expect("a value");
        assert!((strip.log_z - 7971.119043).abs() < 1e-6 && (strip.phi2 - 0.99953606).abs() < 1e-8, "{strip:?}");
    }

    #[test]
    fn what_is_beyond_double_precision_has_no_value() {
        for lambda in [1e160, 1e300, f64::MAX] {
            let strip = strip(4, 0.2, 1.0 - 2.0 * lambda, lambda);
            assert!(strip.is_none(), "lambda = {lambda}: {strip:?}");
        }
    }
}
