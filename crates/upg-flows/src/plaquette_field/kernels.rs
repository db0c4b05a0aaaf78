//! The loops of the plaquette field over sites or modes, samples in registers. Fields are `[field][site or mode][sample]`.

use super::factors::{Linear, Matrix, Sizes};
use crate::cnn::{
    lanes,
    simd::{self, Task, Vector},
};
use upg_core::Real;
use upg_core::vmath::{InstructionSet, Kernel, MulAdd, dispatch, scalar};

fn run<T: Real>(task: impl Task<T>) {
    simd::run(InstructionSet::detect(), task);
}

/// s_n, then c_n, as many as there is room for.
pub(super) fn waves<T: Real>(plaquettes: &[T], waves: &mut [T]) {
    let (sines, cosines) = waves.split_at_mut(waves.len() / 2);
    dispatch(Waves { plaquettes, sines, cosines });
}

struct Waves<'a, T> {
    plaquettes: &'a [T],
    sines: &'a mut [T],
    cosines: &'a mut [T],
}

impl<T: Real> Kernel for Waves<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { plaquettes, sines, cosines } = self;
        let field = plaquettes.len();
        let (first_sines, mut sines) = sines.split_at_mut(field);
        let (first_cosines, mut cosines) = cosines.split_at_mut(field);
        for ((&p, s), c) in plaquettes.iter().zip(&mut *first_sines).zip(&mut *first_cosines) {
            (*s, *c) = scalar::sin_cos::<T, M>(p);
        }
        let (mut last_sines, mut last_cosines) = (&*first_sines, &*first_cosines);
        while !sines.is_empty() {
            let (next_sines, more_sines) = sines.split_at_mut(field);
            let (next_cosines, more_cosines) = cosines.split_at_mut(field);
            let first = first_sines.iter().zip(&*first_cosines);
            let last = last_sines.iter().zip(last_cosines);
            for ((next_s, next_c), ((&s_1, &c_1), (&s, &c))) in
                next_sines.iter_mut().zip(&mut *next_cosines).zip(first.zip(last))
            {
                *next_s = M::mul_add(s, c_1, c * s_1);
                *next_c = M::mul_add(c, c_1, -s * s_1);
            }
            (last_sines, last_cosines) = (next_sines, next_cosines);
            (sines, cosines) = (more_sines, more_cosines);
        }
    }
}

/// The matrices of a moment.
#[derive(Clone, Copy)]
pub(super) struct Kernels<'a, T> {
    /// `[orbit][which][n][m]`.
    pub of_orbits: &'a [T],
    /// The orbit of every mode.
    pub orbit_of: &'a [usize],
    /// M.
    pub products: usize,
}

/// to_n(k) ← Σ_m K_nm(k) from_m(k) for every mode k; with weights, to_n(k) += w Σ_m K_nm(k) from_m(k).
pub(super) struct Mix<'a, T> {
    pub kernels: Kernels<'a, T>,
    pub matrix: Matrix,
    pub from: &'a [T],
    /// w, one per sample.
    pub weights: Option<&'a [T]>,
    pub to: &'a mut [T],
    pub samples: usize,
}

pub(super) fn mix<T: Real>(task: Mix<'_, T>) {
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
pub(super) fn quadratic_form<T: Real>(kernels: Kernels<'_, T>, modes: &[T], density: &mut [T]) {
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

/// s_n, c_n and their factors in q at the sites.
#[derive(Clone, Copy)]
pub(super) struct AtSites<'a, T> {
    pub waves: &'a [T],
    pub factors: &'a [T],
    pub samples: usize,
}

impl<T> AtSites<'_, T> {
    /// M.
    fn products(&self, field: usize) -> usize {
        assert_eq!(self.waves.len(), self.factors.len(), "waves, and their factors");
        self.waves.len() / (2 * field)
    }
}

/// Sine and cosine of nP + P.
#[inline(always)]
unsafe fn turn<T: Real, V: Vector<T>>([s, c]: [V; 2], [s_1, c_1]: [V; 2]) -> [V; 2] {
    // SAFETY: the caller has V's instruction set.
    unsafe {
        let zero = V::splat(T::zero());
        [s.mul_add(c_1, c.mul_add(s_1, zero)), c.mul_add(c_1, s.mul_add(zero.sub(s_1), zero))]
    }
}

/// v; and adds (1 − 1/V) Σ_n n w_n c_n to the density.
pub(super) fn value<T: Real>(
    at: AtSites<'_, T>,
    linear: Linear<'_, T>,
    sizes: Sizes,
    density: &mut [T],
    velocity: &mut [T],
) {
    assert_eq!(density.len(), velocity.len(), "a density, and a velocity");
    run(Value { at, linear, sizes, density, velocity });
}

struct Value<'a, T> {
    at: AtSites<'a, T>,
    linear: Linear<'a, T>,
    sizes: Sizes,
    density: &'a mut [T],
    velocity: &'a mut [T],
}

impl<T: Real> Task<T> for Value<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { at, linear: Linear { weights, slopes, .. }, sizes, density, velocity } = self;
        let (field, samples) = (velocity.len(), at.samples);
        let twins = at.products(field) * field;
        let (waves, factors) = (at.waves.as_ptr(), at.factors.as_ptr());
        // SAFETY: 2M fields of waves and of factors, each of the length of `velocity`, whose rows have one number a sample; the caller has V's
        // instruction set.
        unsafe {
            let (zero, share) = (V::splat(T::zero()), V::splat(sizes.share()));
            for part in (0..samples).step_by(V::LANES) {
                let mut total = zero;
                for at in (part..field).step_by(samples) {
                    let first = [V::load(waves.add(at)), V::load(waves.add(twins + at))];
                    let [mut s, mut c] = first;
                    let (mut q, mut slope) = (zero, zero);
                    for (&weight, &n_weight) in weights.iter().zip(slopes) {
                        q = V::splat(weight).mul_add(s, q);
                        slope = V::splat(n_weight).mul_add(c, slope);
                        [s, c] = turn([s, c], first);
                    }
                    for of_n in (at..2 * twins).step_by(field) {
                        q = V::load(waves.add(of_n)).mul_add(V::load(factors.add(of_n)), q);
                    }
                    let density = density.as_mut_ptr().add(at);
                    slope.mul_add(share, V::load(density)).store(density);
                    q.store(velocity.as_mut_ptr().add(at));
                    total = total.add(q);
                }
                let mean = total.mul_add(V::splat(T::of(1.0 / sizes.volume as f64)), zero);
                for at in (part..field).step_by(samples) {
                    let velocity = velocity.as_mut_ptr().add(at);
                    V::load(velocity).sub(mean).store(velocity);
                }
            }
        }
    }
}

/// â, and its products with s_n and c_n.
pub(super) fn project<T: Real>(at: AtSites<'_, T>, covector: &[T], projected: &mut [T], products: &mut [T]) {
    assert_eq!(covector.len(), projected.len(), "a covector, and room for its projection");
    assert_eq!(products.len(), at.waves.len(), "products with waves, and waves");
    run(Project { at, covector, projected, products });
}

struct Project<'a, T> {
    at: AtSites<'a, T>,
    covector: &'a [T],
    projected: &'a mut [T],
    products: &'a mut [T],
}

impl<T: Real> Task<T> for Project<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { at: AtSites { waves, samples, .. }, covector, projected, products } = self;
        let field = covector.len();
        // SAFETY: as for Value.
        unsafe {
            let (zero, inverse) = (V::splat(T::zero()), V::splat(T::of(samples as f64 / field as f64)));
            for part in (0..samples).step_by(V::LANES) {
                let mut total = zero;
                for at in (part..field).step_by(samples) {
                    total = total.add(V::load(covector.as_ptr().add(at)));
                }
                let mean = total.mul_add(inverse, zero);
                for at in (part..field).step_by(samples) {
                    let a = V::load(covector.as_ptr().add(at)).sub(mean);
                    a.store(projected.as_mut_ptr().add(at));
                    for of_n in (at..waves.len()).step_by(field) {
                        a.mul_add(V::load(waves.as_ptr().add(of_n)), zero).store(products.as_mut_ptr().add(of_n));
                    }
                }
            }
        }
    }
}

/// The first line of MATH (37), from â and the cotangents S̄_n and C̄_n without their terms in â.
pub(super) fn pull_back<T: Real>(
    at: AtSites<'_, T>,
    linear: Linear<'_, T>,
    a: &[T],
    weights: &[T],
    cotangents: &[T],
    out: &mut [T],
) {
    assert_eq!(cotangents.len(), at.waves.len(), "cotangents of waves, and waves");
    assert_eq!([a.len(), weights.len()], [out.len(), at.samples], "a covector and weights, and room for the result");
    run(PullBack { at, linear, a, weights, cotangents, out });
}

struct PullBack<'a, T> {
    at: AtSites<'a, T>,
    linear: Linear<'a, T>,
    a: &'a [T],
    weights: &'a [T],
    cotangents: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Task<T> for PullBack<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { at, linear: Linear { slopes, bends, .. }, a, weights, cotangents, out } = self;
        let (field, samples) = (out.len(), at.samples);
        let (twins, products) = (at.products(field) * field, at.products(field));
        let (waves, factors, cotangents) = (at.waves.as_ptr(), at.factors.as_ptr(), cotangents.as_ptr());
        // SAFETY: as for Value.
        unsafe {
            let zero = V::splat(T::zero());
            for at in (0..field).step_by(V::LANES) {
                let a = V::load(a.as_ptr().add(at));
                let first = [V::load(waves.add(at)), V::load(waves.add(twins + at))];
                let [mut s, mut c] = first;
                let (mut slope, mut bend) = (zero, zero);
                for (&n_weight, &minus) in slopes.iter().zip(bends) {
                    slope = V::splat(n_weight).mul_add(c, slope);
                    bend = V::splat(-minus).mul_add(s, bend);
                    [s, c] = turn([s, c], first);
                }
                let weight = V::load(weights.as_ptr().add(at % samples));
                let mut sum = a.mul_add(slope, weight.mul_add(bend, zero));
                for n in 0..products {
                    let (sine, cosine) = (n * field + at, twins + n * field + at);
                    let of_sine = a.mul_add(V::load(factors.add(sine)), V::load(cotangents.add(sine)));
                    let of_cosine = a.mul_add(V::load(factors.add(cosine)), V::load(cotangents.add(cosine)));
                    let minus = of_cosine.mul_add(V::load(waves.add(sine)), zero);
                    let term = of_sine.mul_add(V::load(waves.add(cosine)), zero).sub(minus);
                    sum = V::splat(T::of((n + 1) as f64)).mul_add(term, sum);
                }
                sum.store(out.as_mut_ptr().add(at));
            }
        }
    }
}

/// Adds ∂w_n, the sums over sites of â s_n + w (1 − 1/V) n c_n, `[n][lane]`.
pub(super) fn wave_sums<T: Real>(waves: &[T], a: &[T], weights: &[T], sizes: Sizes, sums: &mut [T]) {
    assert_eq!(sums.len(), sizes.sines * lanes::<T>(), "sums, and sines times lanes");
    assert_eq!(waves.len(), 2 * sizes.products * a.len(), "waves, and a covector");
    run(WaveSums { waves, a, weights, sizes, sums });
}

struct WaveSums<'a, T> {
    waves: &'a [T],
    a: &'a [T],
    weights: &'a [T],
    sizes: Sizes,
    sums: &'a mut [T],
}

impl<T: Real> Task<T> for WaveSums<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { waves, a, weights, sizes, sums } = self;
        let (field, samples) = (a.len(), weights.len());
        let cosines = waves[waves.len() / 2..].as_ptr();
        let share = sizes.share::<T>();
        // SAFETY: as for Value, and there are `lanes` sums for every n.
        unsafe {
            let zero = V::splat(T::zero());
            for at in (0..field).step_by(V::LANES) {
                let first = [V::load(waves.as_ptr().add(at)), V::load(cosines.add(at))];
                let [mut s, mut c] = first;
                let a = V::load(a.as_ptr().add(at));
                let step = V::load(weights.as_ptr().add(at % samples)).mul_add(V::splat(share), zero);
                let mut n_weight = step;
                for n in 0..sizes.sines {
                    let to = sums.as_mut_ptr().add(n * lanes::<T>() + at % lanes::<T>());
                    a.mul_add(s, n_weight.mul_add(c, V::load(to))).store(to);
                    n_weight = n_weight.add(step);
                    [s, c] = turn([s, c], first);
                }
            }
        }
    }
}

/// Two factors, M fields of modes each, and weights of the samples, if they have any.
type Factors<'a, T> = (&'a [T], &'a [T], Option<&'a [T]>);

/// Σ over the modes k of every orbit of x_n(k) y_m(k), times w, `[orbit][which][n][m][lane]`. The modes are given one orbit after the other, with the
/// number of those in each.
pub(super) fn orbit_sums<T: Real>(
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
