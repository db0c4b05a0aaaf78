//! Loops over sites.

use crate::{
    plaquette_field::factors::{Linear, Sizes},
    simd::{Task, Vector, lanes, run},
};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};

/// s_n, then c_n, as many as there is room for.
pub(in crate::plaquette_field) fn waves<T: Real>(plaquettes: &[T], waves: &mut [T]) {
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

/// s_n, c_n and their factors in q at the sites.
#[derive(Clone, Copy)]
pub(in crate::plaquette_field) struct AtSites<'a, T> {
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
pub(in crate::plaquette_field) fn value<T: Real>(
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
pub(in crate::plaquette_field) fn project<T: Real>(
    at: AtSites<'_, T>,
    covector: &[T],
    projected: &mut [T],
    products: &mut [T],
) {
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
pub(in crate::plaquette_field) fn pull_back<T: Real>(
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
pub(in crate::plaquette_field) fn wave_sums<T: Real>(
    waves: &[T],
    a: &[T],
    weights: &[T],
    sizes: Sizes,
    sums: &mut [T],
) {
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
