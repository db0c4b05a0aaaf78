//! Dense linear algebra: the oracles that layer-wise log-dets and scores are compared with.
//!
//! By default nalgebra's LU with partial pivoting; with the feature `lapack` also LAPACK's, through ndarray-linalg.
//! The batteries use [`Oracle::all`], and every oracle has to agree.

use nalgebra::{DMatrix, DVector};
use ndarray::{ArrayView1, ArrayView2};

/// Who does the linear algebra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oracle {
    /// nalgebra, in Rust.
    Nalgebra,
    /// The system's LAPACK.
    #[cfg(feature = "lapack")]
    Lapack,
}

impl Oracle {
    /// Every oracle of this build.
    pub fn all() -> &'static [Self] {
        &[
            Self::Nalgebra,
            #[cfg(feature = "lapack")]
            Self::Lapack,
        ]
    }

    /// log|det A| of a square matrix; −∞ if it is singular.
    pub fn log_abs_det(self, a: ArrayView2<'_, f64>) -> f64 {
        match self {
            Self::Nalgebra => to_nalgebra(a).lu().u().diagonal().iter().map(|u| u.abs().ln()).sum(),
            #[cfg(feature = "lapack")]
            Self::Lapack => lapack::log_abs_det(a),
        }
    }

    /// The solution x of A x = b.
    ///
    /// # Panics
    /// If A is singular.
    pub fn solve(self, a: ArrayView2<'_, f64>, b: ArrayView1<'_, f64>) -> Vec<f64> {
        match self {
            Self::Nalgebra => {
                let b = DVector::from_iterator(b.len(), b.iter().copied());
                to_nalgebra(a).lu().solve(&b).expect("A is regular").as_slice().to_vec()
            }
            #[cfg(feature = "lapack")]
            Self::Lapack => lapack::solve(a, b),
        }
    }
}

/// The condition number of A in the 2-norm.
pub fn condition(a: ArrayView2<'_, f64>) -> f64 {
    let singular = to_nalgebra(a).singular_values();
    singular.max() / singular.min()
}

fn to_nalgebra(a: ArrayView2<'_, f64>) -> DMatrix<f64> {
    DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[[i, j]])
}

#[cfg(feature = "lapack")]
mod lapack {
    use ndarray::{ArrayView1, ArrayView2};
    use ndarray_linalg::{Determinant, Solve};
    use std::ffi::c_int;

    #[link(name = "openblas")]
    unsafe extern "C" {
        /// A linker that takes a library in the order of needs finds one here.
        safe fn openblas_set_num_threads(threads: c_int);
    }

    pub fn log_abs_det(a: ArrayView2<'_, f64>) -> f64 {
        openblas_set_num_threads(1); // matrices are small
        a.sln_det().expect("LAPACK factorises A").1
    }

    pub fn solve(a: ArrayView2<'_, f64>, b: ArrayView1<'_, f64>) -> Vec<f64> {
        openblas_set_num_threads(1);
        a.to_owned().solve(&b.to_owned()).expect("A is regular").to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerance::{Tolerance, assert_close, assert_close_number};
    use ndarray::{Array1, array};

    #[test]
    fn oracles_know_a_matrix_worked_out_by_hand() {
        let a = array![[0.0, 2.0, 0.0], [1.0, 5.0, -1.0], [0.5, 0.0, -3.0]]; // det = −2·(1·(−3) − (−1)·0.5) = 5
        let x = [1.0, -2.0, 0.25];
        let b = a.dot(&Array1::from(x.to_vec()));
        for oracle in Oracle::all() {
            let log_det = oracle.log_abs_det(a.view());
            assert_close_number(
                &format!("log|det| by {oracle:?}"),
                log_det,
                5.0_f64.ln(),
                Tolerance::round_off::<f64>(),
            );
            let solution = oracle.solve(a.view(), b.view());
            assert_close(&format!("solution by {oracle:?}"), &solution, &x, Tolerance::round_off::<f64>());
        }
    }

    /// Random matrices of many sizes, of which each is told by all oracles: det(AB) = det A det B, and A(A⁻¹b) = b.
    #[test]
    fn oracles_agree() {
        let mut rng = crate::draw::rng(7);
        for n in (1..=40).step_by(3) {
            let [a, b] = [0, 1].map(|_| crate::draw::normal(&mut rng, n, n, 1.0));
            let right = crate::draw::normal(&mut rng, 1, n, 1.0).remove_axis(ndarray::Axis(0));
            let (product, tolerance) =
                (a.dot(&b), Tolerance::round_off::<f64>().times(condition(a.view()) * condition(b.view())));
            for oracle in Oracle::all() {
                let [of_a, of_b, of_product] =
                    [a.view(), b.view(), product.view()].map(|matrix| oracle.log_abs_det(matrix));
                let what = format!("{n} × {n} by {oracle:?}");
                assert_close_number(&what, of_product, of_a + of_b, tolerance);
                let x = Array1::from(oracle.solve(a.view(), right.view()));
                assert_close(&what, a.dot(&x).as_slice().unwrap(), right.as_slice().unwrap(), tolerance);
            }
        }
    }

    #[test]
    fn condition_of_a_diagonal_matrix() {
        let a = array![[-0.25, 0.0], [0.0, 2.0]];
        assert_close_number("condition", condition(a.view()), 8.0, Tolerance::round_off::<f64>());
    }
}
