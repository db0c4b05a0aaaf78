//! Loops over modes: matrices of their orbits, and sums over these.

use crate::{
    plaquette_field::factors::Matrix,
    simd::{Task, Vector, lanes, run},
};
use upg_core::Real;

/// The matrices of a moment.
#[derive(Clone, Copy)]
pub(in crate::plaquette_field) struct Kernels<'a, T> {
    /// `[orbit][which][n][m]`.
    pub of_orbits: &'a [T],
    /// The orbit of every mode.
    pub orbit_of: &'a [usize],
    /// M.
    pub products: usize,
}

/// to_n(k) ← Σ_m K_nm(k) from_m(k) for every mode k; with weights, to_n(k) += w Σ_m K_nm(k) from_m(k).
pub(in crate::plaquette_field) struct Mix<'a, T> {
    pub kernels: Kernels<'a, T>,
    pub matrix: Matrix,
    pub from: &'a [T],
    /// w, one per sample.
    pub weights: Option<&'a [T]>,
    pub to: &'a mut [T],
    pub samples: usize,
}

pub(in crate::plaquette_field) fn mix<T: Real>(task: Mix<'_, T>) {
    let Mix { kernels: Kernels { products, orbit_of, .. }, samples, .. } = task;
    let fields = products * orbit_of.len() * samples;
    assert_eq!([task.from.len(), task.to.len()], [fields; 2], "fields of all modes and samples");
    run(task);
}

impl<T: Real> Task<T> for Mix<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { kernels: Kernels { of_orbits, orbit_of, products }, matrix, from, weights, to, samples } = self;
        let field = orbit_of.len() * samples;
        let [first, row, column] = matrix.place(products);
        // SAFETY: `products` fields of a row of samples for each mode, and matrices for each orbit; the caller has V's instruction set.
        unsafe {
            for (k, &orbit) in orbit_of.iter().enumerate() {
                let matrix = of_orbits.as_ptr().add(4 * products * products * orbit + first);
                for part in (0..samples).step_by(V::LANES) {
                    let at = k * samples + part;
                    for n in 0..products {
                        let mut sum = V::splat(T::zero());
                        for m in 0..products {
                            let entry = V::splat(*matrix.add(n * row + m * column));
                            sum = entry.mul_add(V::load(from.as_ptr().add(m * field + at)), sum);
                        }
                        let to = to.as_mut_ptr().add(n * field + at);
                        match weights {
                            None => sum.store(to),
                            Some(weights) => V::load(weights.as_ptr().add(part)).mul_add(sum, V::load(to)).store(to),
                        }
                    }
                }
            }
        }
    }
}

/// ½ Σ_{nm} [C_nm ĉ_n ĉ_m + S_nm ŝ_n ŝ_m] of every mode.
pub(in crate::plaquette_field) fn quadratic_form<T: Real>(kernels: Kernels<'_, T>, modes: &[T], density: &mut [T]) {
    assert_eq!(modes.len(), 2 * kernels.products * density.len(), "modes of sines and cosines, and a density");
    run(QuadraticForm { kernels, modes, density });
}

struct QuadraticForm<'a, T> {
    kernels: Kernels<'a, T>,
    modes: &'a [T],
    density: &'a mut [T],
}

impl<T: Real> Task<T> for QuadraticForm<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { kernels: Kernels { of_orbits, orbit_of, products }, modes, density } = self;
        let (field, samples) = (density.len(), density.len() / orbit_of.len());
        // SAFETY: as for Mix, with twice as many fields.
        unsafe {
            let (zero, half) = (T::zero(), V::splat(T::of(0.5)));
            for (k, &orbit) in orbit_of.iter().enumerate() {
                let matrices = of_orbits.as_ptr().add(4 * products * products * orbit);
                for part in (0..samples).step_by(V::LANES) {
                    let at = k * samples + part;
                    let mut form = V::splat(zero);
                    for (matrix, half) in [(Matrix::S, 0), (Matrix::C, 1)] {
                        let matrix = matrices.add(matrix.place(products)[0]);
                        let modes = modes.as_ptr().add(half * products * field + at);
                        for n in 0..products {
                            let mut sum = V::splat(zero);
                            for m in 0..products {
                                let entry = V::splat(*matrix.add(n * products + m));
                                sum = entry.mul_add(V::load(modes.add(m * field)), sum);
                            }
                            form = V::load(modes.add(n * field)).mul_add(sum, form);
                        }
                    }
                    form.mul_add(half, V::splat(zero)).store(density.as_mut_ptr().add(at));
                }
            }
        }
    }
}

/// Two factors, M fields of modes each, and weights of the samples, if they have any.
type Factors<'a, T> = (&'a [T], &'a [T], Option<&'a [T]>);

/// Σ over the modes k of every orbit of x_n(k) y_m(k), times w, `[orbit][which][n][m][lane]`. The modes are given one orbit after the other, with the
/// number of those in each.
pub(in crate::plaquette_field) fn orbit_sums<T: Real>(
    members: (&[usize], &[usize]),
    factors: Factors<'_, T>,
    samples: usize,
    products: usize,
    which: usize,
    sums: &mut [T],
) {
    let fields = products * members.0.len() * samples;
    assert_eq!([factors.0.len(), factors.1.len()], [fields; 2], "fields of all modes and samples");
    assert_eq!(sums.len(), 4 * products * products * members.1.len() * lanes::<T>(), "sums of all orbits");
    run(OrbitSums { members, factors, samples, products, which, sums });
}

struct OrbitSums<'a, T> {
    members: (&'a [usize], &'a [usize]),
    factors: Factors<'a, T>,
    samples: usize,
    products: usize,
    which: usize,
    sums: &'a mut [T],
}

impl<T: Real> Task<T> for OrbitSums<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { members: (mut modes, members), factors: (xs, ys, weights), samples, products, which, sums } = self;
        let (field, pairs) = (modes.len() * samples, products * products);
        for (orbit, &count) in members.iter().enumerate() {
            let (in_orbit, rest) = modes.split_at(count);
            modes = rest;
            for pair in 0..pairs {
                let (x, y) = (pair / products * field, pair % products * field);
                for lane in (0..lanes::<T>()).step_by(V::LANES) {
                    // SAFETY: `products` fields of a row of samples for each mode, and `lanes` sums for every pair; the caller has V's instruction set.
                    unsafe {
                        let mut sum = V::splat(T::zero());
                        for &k in in_orbit {
                            for part in (lane..samples).step_by(lanes::<T>()) {
                                let at = k * samples + part;
                                let y = V::load(ys.as_ptr().add(y + at));
                                let y = match weights {
                                    None => y,
                                    Some(weights) => {
                                        y.mul_add(V::load(weights.as_ptr().add(part)), V::splat(T::zero()))
                                    }
                                };
                                sum = V::load(xs.as_ptr().add(x + at)).mul_add(y, sum);
                            }
                        }
                        sum.store(sums.as_mut_ptr().add(((4 * orbit + which) * pairs + pair) * lanes::<T>() + lane));
                    }
                }
            }
        }
    }
}
