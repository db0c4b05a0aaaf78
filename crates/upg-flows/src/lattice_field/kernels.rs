//! The loops of the lattice field over sites or modes, samples in registers. Fields are `[f][site or mode][sample]`.

use crate::simd::{Task, Vector, lanes, run};
use upg_core::Real;
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};

/// sin ωφ and cos ωφ.
pub(super) fn waves<T: Real>(omega: T, phi: &[T], sines: &mut [T], cosines: &mut [T]) {
    dispatch(Waves { omega, phi, sines, cosines });
}

struct Waves<'a, T> {
    omega: T,
    phi: &'a [T],
    sines: &'a mut [T],
    cosines: &'a mut [T],
}

impl<T: Real> Kernel for Waves<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { omega, phi, sines, cosines } = self;
        for ((&phi, sine), cosine) in phi.iter().zip(sines).zip(cosines) {
            (*sine, *cosine) = scalar::sin_cos::<T, M>(omega * phi);
        }
    }
}

/// v̂_k = Σ_f W_f(k) x̂_{f,k}, for weights `[f][mode]`.
pub(super) fn mix<T: Real>(weights: &[T], features: &[T], samples: usize, velocity: &mut [T]) {
    assert_eq!(features.len(), weights.len() * samples, "features, and weights of all modes and samples");
    run(Mix { weights, features, samples, velocity });
}

struct Mix<'a, T> {
    weights: &'a [T],
    features: &'a [T],
    samples: usize,
    velocity: &'a mut [T],
}

impl<T: Real> Task<T> for Mix<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { weights, features, samples, velocity } = self;
        let (field, modes) = (velocity.len(), velocity.len() / samples);
        let kinds = weights.len() / modes;
        // SAFETY: `kinds` fields of `modes` rows of samples, and a weight for each row; the caller has V's instruction set.
        unsafe {
            for k in 0..modes {
                for part in (0..samples).step_by(V::LANES) {
                    let at = k * samples + part;
                    let mut sum = V::splat(T::zero());
                    for f in 0..kinds {
                        let weight = V::splat(*weights.as_ptr().add(f * modes + k));
                        sum = weight.mul_add(V::load(features.as_ptr().add(f * field + at)), sum);
                    }
                    sum.store(velocity.as_mut_ptr().add(at));
                }
            }
        }
    }
}

/// g_{f,k} = W_f(k) κ̂_k, for weights `[f][mode]`.
pub(super) fn modulate<T: Real>(weights: &[T], covector: &[T], samples: usize, modulated: &mut [T]) {
    assert_eq!(modulated.len(), weights.len() * samples, "modulated fields, and weights of all modes and samples");
    run(Modulate { weights, covector, samples, modulated });
}

struct Modulate<'a, T> {
    weights: &'a [T],
    covector: &'a [T],
    samples: usize,
    modulated: &'a mut [T],
}

impl<T: Real> Task<T> for Modulate<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { weights, covector, samples, modulated } = self;
        let (field, modes) = (covector.len(), covector.len() / samples);
        let kinds = weights.len() / modes;
        // SAFETY: as for Mix.
        unsafe {
            for k in 0..modes {
                for part in (0..samples).step_by(V::LANES) {
                    let at = k * samples + part;
                    let kappa = V::load(covector.as_ptr().add(at));
                    for f in 0..kinds {
                        let weight = V::splat(*weights.as_ptr().add(f * modes + k));
                        let product = weight.mul_add(kappa, V::splat(T::zero()));
                        product.store(modulated.as_mut_ptr().add(f * field + at));
                    }
                }
            }
        }
    }
}

/// Fields at the sites, and what belongs to a moment.
#[derive(Clone, Copy)]
pub(super) struct AtSites<'a, T> {
    /// ω_f.
    pub omega: &'a [T],
    /// W_f(t, 0).
    pub at_origin: &'a [T],
    /// w, one per sample.
    pub weights: &'a [T],
    pub sines: &'a [T],
    pub cosines: &'a [T],
    /// g_f, g_F the last.
    pub modulated: &'a [T],
}

/// The first line of MATH (34).
pub(super) fn pull_back<T: Real>(at: AtSites<'_, T>, out: &mut [T]) {
    assert_eq!(at.modulated.len(), (at.omega.len() + 1) * out.len(), "modulated fields, and one more than frequencies");
    run(PullBack { at, out });
}

struct PullBack<'a, T> {
    at: AtSites<'a, T>,
    out: &'a mut [T],
}

impl<T: Real> Task<T> for PullBack<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { at: AtSites { omega, at_origin, weights, sines, cosines, modulated }, out } = self;
        let (field, samples) = (out.len(), weights.len());
        let zero = T::zero();
        // SAFETY: fields of the length of `out`, whose rows have one number a sample; the caller has V's instruction set.
        unsafe {
            for at in (0..field).step_by(V::LANES) {
                let mut sum = V::load(modulated.as_ptr().add(omega.len() * field + at));
                let mut bend = V::splat(zero);
                for (f, &omega) in omega.iter().enumerate() {
                    let of_f = f * field + at;
                    let (sine, cosine) = (V::load(sines.as_ptr().add(of_f)), V::load(cosines.as_ptr().add(of_f)));
                    let g = V::load(modulated.as_ptr().add(of_f));
                    sum = V::splat(omega).mul_add(g, V::splat(zero)).mul_add(cosine, sum);
                    bend = V::splat(-at_origin[f] * omega * omega).mul_add(sine, bend);
                }
                let weight = V::load(weights.as_ptr().add(at % samples));
                weight.mul_add(bend, sum).store(out.as_mut_ptr().add(at));
            }
        }
    }
}

/// The last line of MATH (34), for all frequencies, `[f][lane]`.
pub(super) fn frequency_sums<T: Real>(at: AtSites<'_, T>, phi: &[T], sums: &mut [T]) {
    assert_eq!(sums.len(), at.omega.len() * lanes::<T>(), "sums, and frequencies times lanes");
    run(FrequencySums { at, phi, sums });
}

struct FrequencySums<'a, T> {
    at: AtSites<'a, T>,
    phi: &'a [T],
    sums: &'a mut [T],
}

impl<T: Real> Task<T> for FrequencySums<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { at: AtSites { omega, at_origin, weights, sines, cosines, modulated }, phi, sums } = self;
        let (field, samples) = (phi.len(), weights.len());
        // SAFETY: as for PullBack, and there are `lanes` sums for every frequency.
        unsafe {
            let zero = V::splat(T::zero());
            for (f, &omega) in omega.iter().enumerate() {
                let (origin, minus_omega) = (V::splat(at_origin[f]), V::splat(-omega));
                for part in (0..lanes::<T>()).step_by(V::LANES) {
                    let (mut sum, mut of_div) = (zero, zero);
                    for row in (part..field).step_by(lanes::<T>()) {
                        let of_f = f * field + row;
                        let (sine, cosine) = (V::load(sines.as_ptr().add(of_f)), V::load(cosines.as_ptr().add(of_f)));
                        let phi = V::load(phi.as_ptr().add(row));
                        let g = V::load(modulated.as_ptr().add(of_f));
                        sum = g.mul_add(phi.mul_add(cosine, zero), sum);
                        let term = minus_omega.mul_add(phi, zero).mul_add(sine, cosine);
                        of_div = V::load(weights.as_ptr().add(row % samples)).mul_add(term, of_div);
                    }
                    origin.mul_add(of_div, sum).store(sums.as_mut_ptr().add(f * lanes::<T>() + part));
                }
            }
        }
    }
}

/// Σ over the modes of every orbit of κ̂_k x̂_{f,k}, `[f][orbit][lane]`.
pub(super) fn orbit_sums<T: Real>(orbit_of: &[usize], covector: &[T], features: &[T], samples: usize, sums: &mut [T]) {
    assert_eq!(covector.len(), orbit_of.len() * samples, "a covector, and modes times samples");
    sums.fill(T::zero());
    run(OrbitSums { orbit_of, covector, features, samples, sums });
}

struct OrbitSums<'a, T> {
    orbit_of: &'a [usize],
    covector: &'a [T],
    features: &'a [T],
    samples: usize,
    sums: &'a mut [T],
}

impl<T: Real> Task<T> for OrbitSums<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector<T>>(self) {
        let Self { orbit_of, covector, features, samples, sums } = self;
        let field = covector.len();
        let kinds = features.len() / field;
        let of_kind = sums.len() / kinds;
        // SAFETY: as for Mix; orbits are below their number, for which there are sums.
        unsafe {
            for (k, &orbit) in orbit_of.iter().enumerate() {
                for part in (0..samples).step_by(V::LANES) {
                    let at = k * samples + part;
                    let kappa = V::load(covector.as_ptr().add(at));
                    let to = sums.as_mut_ptr().add(orbit * lanes::<T>() + part % lanes::<T>());
                    for f in 0..kinds {
                        let to = to.add(f * of_kind);
                        kappa.mul_add(V::load(features.as_ptr().add(f * field + at)), V::load(to)).store(to);
                    }
                }
            }
        }
    }
}
