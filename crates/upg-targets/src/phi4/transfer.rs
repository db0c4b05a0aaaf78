//! Exact log Z and ⟨φ²⟩ of φ⁴ theory on an L×2 torus by the transfer matrix.
//!
//! A slice holds two sites (φ, χ), joined by a bond that counts twice. With V(φ) = a φ² + b φ⁴ the transfer matrix is
//!
//! ```text
//! T = D^{1/2} (A ⊗ A) D^{1/2},   A(φ,φ') = e^{2κφφ' − [U(φ) + U(φ')]/2},   U = V − 2|κ| φ²,   D(φ,χ) = e^{−2|κ| (φ ∓ χ)²} ≤ 1
//! ```
//!
//! (upper sign for κ > 0), log Z = log Tr T^L, and ⟨φ²⟩ = Tr T^{L−1} T_{φ²} / Tr T^L, where T_{φ²} has D (φ² + χ²)/2 for D.
//! The integrals over φ and χ are trapezoidal sums on [−R, R], which converge geometrically for an integrand that is
//! analytic and negligible at the ends. A is diagonalised, A = Q Λ Qᵀ, and since Λ falls off fast, T has the spectrum of
//! a small matrix over the pairs (i, j) of leading eigenvectors:
//!
//! ```text
//! M_{ij,kl} = sign(Λ_i Λ_j) |Λ_i Λ_j|^{1/2} [ Σ_{φχ} Q_{φi} Q_{χj} D(φ,χ) Q_{φk} Q_{χl} ] |Λ_k Λ_l|^{1/2} .
//! ```

use super::Phi4Exact;
use nalgebra::{DMatrix, SymmetricEigen};

/// Points of the quadrature per site.
const POINTS: usize = 160;
/// The range of φ ends where the action per site has risen by this much: e^{−45} = 3e-20.
const RISE: f64 = 45.0;
/// Eigenvectors and pairs of them with a smaller |Λ_i|, |Λ_i Λ_j|, relative to the largest, are left out: round-off of the eigensolver.
const CUT: f64 = 1e-15;

/// log Z and ⟨φ²⟩ on a lattice `length`×2 with the site potential `quadratic` φ² + `quartic` φ⁴.
pub(super) fn strip(length: usize, kappa: f64, quadratic: f64, quartic: f64) -> Phi4Exact {
    let slice = Slice::new(kappa, quadratic, quartic);
    let m = slice.matrix(|_, _| 1.0);
    let m_phi2 = slice.matrix(|phi, chi| 0.5 * (phi * phi + chi * chi));
    let (rest, log_scale) = scaled_power(&m, length - 1);
    let trace = trace_of_product(&rest, &m);
    Phi4Exact {
        log_z: trace.ln() + log_scale + 2.0 * length as f64 * slice.log_scale,
        phi2: trace_of_product(&rest, &m_phi2) / trace,
    }
}

/// The quadrature, and the eigenvectors of A that matter.
struct Slice {
    kappa: f64,
    points: Vec<f64>,
    /// Q, shape `[points, kept]`.
    vectors: DMatrix<f64>,
    /// Λ, largest size first.
    values: Vec<f64>,
    /// A is e^{log_scale} times what is stored.
    log_scale: f64,
}

impl Slice {
    fn new(kappa: f64, quadratic: f64, quartic: f64) -> Self {
        let end = range(quadratic - 4.0 * kappa.abs(), quartic);
        let step = 2.0 * end / (POINTS - 1) as f64;
        let points: Vec<f64> = (0..POINTS).map(|i| step * i as f64 - end).collect();
        let half_u = |phi: f64| 0.5 * ((quadratic - 2.0 * kappa.abs()) + quartic * phi * phi) * phi * phi;
        let exponent = |phi: f64, other: f64| 2.0 * kappa * phi * other - half_u(phi) - half_u(other);
        // The exponent is largest on one of the diagonals.
        let log_scale = points.iter().map(|&phi| exponent(phi, phi).max(exponent(phi, -phi))).fold(f64::MIN, f64::max);
        let element = |i: usize, j: usize| step * (exponent(points[i], points[j]) - log_scale).exp();
        let (values, vectors) = leading_eigenvectors(DMatrix::from_fn(POINTS, POINTS, element));
        Self { kappa, points, vectors, values, log_scale }
    }

    /// M with D·`insert` in the place of D, shape `[pairs, pairs]`.
    fn matrix(&self, insert: impl Fn(f64, f64) -> f64) -> DMatrix<f64> {
        let d = DMatrix::from_fn(POINTS, POINTS, |i, j| {
            let (phi, chi) = (self.points[i], self.points[j]);
            let difference = phi - self.kappa.signum() * chi;
            insert(phi, chi) * (-2.0 * self.kappa.abs() * difference * difference).exp()
        });
        let columns: Vec<_> = (0..self.values.len()).flat_map(|k| (0..=k).map(move |i| (i, k))).collect();
        let products = DMatrix::from_fn(POINTS, columns.len(), |phi, column| {
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

/// R: where c φ² + b φ⁴ lies [`RISE`] above its minimum.
fn range(c: f64, b: f64) -> f64 {
    let depth = if c < 0.0 { c * c / (4.0 * b) } else { 0.0 };
    let height = RISE - depth;
    let root = (c * c + 4.0 * b * height).sqrt();
    let square = if c > 0.0 { 2.0 * height / (c + root) } else { (root - c) / (2.0 * b) };
    square.sqrt()
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
            let strip = strip(length, kappa, 1.0, 0.0);
            let error = (strip.log_z / free.log_z - 1.0).abs().max((strip.phi2 / free.phi2 - 1.0).abs());
            assert!(error < 2e-13, "{length}×2, kappa {kappa}: {strip:?} for {free:?}");
        }
        Ok(())
    }

    #[test]
    fn without_hopping_the_sites_decouple() {
        for (a, b) in [(0.956, 0.022), (-4.0, 8.0), (-1.0, 0.2), (1.0, 1.0)] {
            let site = super::super::single_site(a, b);
            let strip = strip(3, 0.0, a, b);
            let error = (strip.log_z - 6.0 * site.log_z).abs().max((strip.phi2 / site.phi2 - 1.0).abs());
            assert!(error < 2e-13, "a = {a}, b = {b}: {strip:?} for {site:?}");
        }
    }

    #[test]
    fn on_even_lattices_the_sign_of_kappa_is_a_choice_of_field() {
        let (plus, minus) = (strip(6, 0.31, 0.7, 0.15), strip(6, -0.31, 0.7, 0.15));
        assert!((plus.log_z - minus.log_z).abs() < 1e-12 && (plus.phi2 - minus.phi2).abs() < 1e-12);
    }
}
