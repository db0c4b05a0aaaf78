//! What a plaquette field makes of θ for every moment, and of its sums for ∂θ.

use crate::continuous::fill_basis;
use upg_core::Real;

/// How large a field is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// N.
    pub sines: usize,
    /// M.
    pub products: usize,
    /// K.
    pub times: usize,
    pub orbits: usize,
    /// V.
    pub volume: usize,
}

/// M×M matrices of an orbit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matrix {
    A,
    B,
    C,
    S,
    TransposedA,
    TransposedB,
}

/// What is prepared of θ.
#[derive(Debug, Default)]
pub struct Factors<T> {
    /// cos πjt, `[time][j]`.
    basis: Vec<T>,
    /// For every n: w_n, n w_n, n² w_n (1 − 1/V); `[time][which][n]`.
    linear: Vec<T>,
    /// A, B, C and S, `[time][orbit][which][n][m]`.
    kernels: Vec<T>,
    /// A(0) and B(0) of one time, `[which][n][m]`.
    at_origin: Vec<T>,
}

/// The numbers w_n, n w_n and n² w_n (1 − 1/V) of a moment.
#[derive(Clone, Copy)]
pub(super) struct Linear<'a, T> {
    pub weights: &'a [T],
    pub slopes: &'a [T],
    pub bends: &'a [T],
}

impl Sizes {
    /// M².
    pub fn pairs(self) -> usize {
        self.products * self.products
    }

    /// n and m of all pairs, counted from 1, in their order.
    pub fn numbers(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.pairs()).map(move |pair| (pair / self.products + 1, pair % self.products + 1))
    }

    /// 1 − 1/V.
    pub fn share<T: Real>(self) -> T {
        T::of(1.0 - 1.0 / self.volume as f64)
    }

    /// Sums of one time: for every n; for every orbit four times all pairs.
    pub fn sums_of_a_time(self) -> usize {
        self.sines + 4 * self.pairs() * self.orbits
    }

    /// θ, divided into w, A and B.
    fn split<T>(self, theta: &[T]) -> [&[T]; 3] {
        let (w, kernels) = theta.split_at(self.sines * self.times);
        let (a, b) = kernels.split_at(kernels.len() / 2);
        [w, a, b]
    }
}

impl Matrix {
    /// Where it begins among the matrices of an orbit, and how far its rows and its columns are apart.
    pub fn place(self, products: usize) -> [usize; 3] {
        let (which, transposed) = match self {
            Self::A => (0, false),
            Self::B => (1, false),
            Self::C => (2, false),
            Self::S => (3, false),
            Self::TransposedA => (0, true),
            Self::TransposedB => (1, true),
        };
        let [row, column] = if transposed { [1, products] } else { [products, 1] };
        [which * products * products, row, column]
    }
}

impl<T: Real> Factors<T> {
    /// The linear part at a moment.
    pub(super) fn linear(&self, sizes: Sizes, index: usize) -> Linear<'_, T> {
        let of_time = &self.linear[index * 3 * sizes.sines..][..3 * sizes.sines];
        let (weights, rest) = of_time.split_at(sizes.sines);
        let (slopes, bends) = rest.split_at(sizes.sines);
        Linear { weights, slopes, bends }
    }

    /// The matrices at a moment, `[orbit][which][n][m]`.
    pub(super) fn kernels(&self, sizes: Sizes, index: usize) -> &[T] {
        let of_time = 4 * sizes.pairs() * sizes.orbits;
        &self.kernels[index * of_time..][..of_time]
    }

    /// For θ and all times; `members` are the modes of every orbit.
    pub(super) fn fill(&mut self, sizes: Sizes, members: &[usize], theta: &[T], times: &[f64]) {
        let Self { basis, linear, kernels, at_origin } = self;
        fill_basis(times, sizes.times, basis);
        linear.clear();
        kernels.clear();
        kernels.resize(times.len() * 4 * sizes.pairs() * sizes.orbits, T::zero());
        let [w, a, b] = sizes.split(theta);
        let of_time = kernels.chunks_exact_mut(4 * sizes.pairs() * sizes.orbits);
        for (basis, kernels) in basis.chunks_exact(sizes.times).zip(of_time) {
            push_linear(sizes, w, basis, linear);
            for (which, theta) in [a, b].into_iter().enumerate() {
                fill_kernel(sizes, theta, basis, which, kernels);
            }
            fill_at_origin(sizes, members, kernels, at_origin);
            for kernels in kernels.chunks_exact_mut(4 * sizes.pairs()) {
                fill_forms(sizes, at_origin, kernels);
            }
        }
    }

    /// Adds what the sums of all times amount to: `[n]`, then `[orbit][which][n][m]` each. For every pair which = 0 and 1 are the sums of
    /// (â s_n)^ ĉ_m and (â c_n)^ ŝ_m, 2 and 3 those of w ĉ_n ĉ_m and w ŝ_n ŝ_m.
    pub(super) fn reduce(&self, sizes: Sizes, members: &[usize], sums: &[T], into: &mut [T]) {
        let (w, kernels) = into.split_at_mut(sizes.sines * sizes.times);
        let (a, b) = kernels.split_at_mut(kernels.len() / 2);
        let bases = self.basis.chunks_exact(sizes.times);
        for (sums, basis) in sums.chunks_exact(sizes.sums_of_a_time()).zip(bases) {
            let (of_waves, of_orbits) = sums.split_at(sizes.sines);
            for (w, &sum) in w.chunks_exact_mut(sizes.times).zip(of_waves) {
                w.iter_mut().zip(basis).for_each(|(w, &c)| *w += c * sum);
            }
            for (pair, numbers) in sizes.numbers().enumerate() {
                let of_pair = OfPair::new(sizes, of_orbits, pair, numbers);
                for (orbit, &members) in members.iter().enumerate() {
                    for (theta, sum) in [&mut *a, &mut *b].into_iter().zip(of_pair.gradient(orbit, members)) {
                        let to = theta[pair * sizes.times * sizes.orbits + orbit..].iter_mut().step_by(sizes.orbits);
                        to.zip(basis).for_each(|(to, &c)| *to += c * sum);
                    }
                }
            }
        }
    }
}

/// The sums of one pair over orbits, at one time.
struct OfPair<'a, T> {
    sizes: Sizes,
    of_orbits: &'a [T],
    pair: usize,
    /// n (1 − 1/V) and m/V.
    scales: [T; 2],
    /// Σ over all modes of w ĉ_n ĉ_m and of w ŝ_n ŝ_m.
    totals: [T; 2],
}

impl<'a, T: Real> OfPair<'a, T> {
    fn new(sizes: Sizes, of_orbits: &'a [T], pair: usize, (n, m): (usize, usize)) -> Self {
        let scales = [T::of(n as f64) * sizes.share(), T::of(m as f64 / sizes.volume as f64)];
        let sums = Self { sizes, of_orbits, pair, scales, totals: [T::zero(); 2] };
        let totals = [2, 3].map(|which| (0..sizes.orbits).map(|orbit| sums.sum(which, orbit)).sum());
        Self { totals, ..sums }
    }

    fn sum(&self, which: usize, orbit: usize) -> T {
        self.of_orbits[(4 * orbit + which) * self.sizes.pairs() + self.pair]
    }

    /// ∂A_nm and ∂B_nm of one orbit, the last line of MATH (37).
    fn gradient(&self, orbit: usize, members: usize) -> [T; 2] {
        let ([n, m], share) = (self.scales, T::of(members as f64));
        let [of_a, of_b, cosines, sines] = [0, 1, 2, 3].map(|which| self.sum(which, orbit));
        let [all_cosines, all_sines] = self.totals.map(|total| share * total);
        [of_a + n * cosines + m * (sines - all_sines), of_b - n * sines - m * (cosines - all_cosines)]
    }
}

/// w_n, n w_n, n² w_n (1 − 1/V) of one time.
fn push_linear<T: Real>(sizes: Sizes, w: &[T], basis: &[T], linear: &mut Vec<T>) {
    let first = linear.len();
    linear.extend(w.chunks_exact(sizes.times).map(|w| w.iter().zip(basis).map(|(&w, &c)| w * c).sum::<T>()));
    for n in 0..sizes.sines {
        linear.push(T::of((n + 1) as f64) * linear[first + n]);
    }
    for n in 0..sizes.sines {
        linear.push(T::of((n + 1) as f64) * sizes.share::<T>() * linear[first + sizes.sines + n]);
    }
}

/// Σ_j θ_j cos πjt for every pair and orbit.
fn fill_kernel<T: Real>(sizes: Sizes, theta: &[T], basis: &[T], which: usize, kernels: &mut [T]) {
    for (row, theta) in theta.chunks_exact(sizes.orbits).enumerate() {
        let (pair, c) = (row / sizes.times, basis[row % sizes.times]);
        let to = kernels[which * sizes.pairs() + pair..].iter_mut().step_by(4 * sizes.pairs());
        to.zip(theta).for_each(|(to, &theta)| *to += c * theta);
    }
}

/// A(0) and B(0): means over the modes.
fn fill_at_origin<T: Real>(sizes: Sizes, members: &[usize], kernels: &[T], at_origin: &mut Vec<T>) {
    at_origin.clear();
    at_origin.resize(2 * sizes.pairs(), T::zero());
    for (kernels, &members) in kernels.chunks_exact(4 * sizes.pairs()).zip(members) {
        let share = T::of(members as f64 / sizes.volume as f64);
        at_origin.iter_mut().zip(kernels).for_each(|(mean, &kernel)| *mean += share * kernel);
    }
}

/// C and S of one orbit, below MATH (36).
fn fill_forms<T: Real>(sizes: Sizes, at_origin: &[T], kernels: &mut [T]) {
    let (pairs, products) = (sizes.pairs(), sizes.products);
    let (given, forms) = kernels.split_at_mut(2 * pairs);
    let (a, b) = given.split_at(pairs);
    let (a_origin, b_origin) = at_origin.split_at(pairs);
    let (share, inverse) = (sizes.share::<T>(), T::of(1.0 / sizes.volume as f64));
    let half = |pair: usize, n: usize, m: usize| {
        let (n, m) = (T::of(n as f64) * share, T::of(m as f64));
        let (of_a, of_b) = (m * (inverse * a[pair] - a_origin[pair]), m * (inverse * b[pair] - b_origin[pair]));
        [n * a[pair] - of_b, of_a - n * b[pair]]
    };
    for (pair, (n, m)) in sizes.numbers().enumerate() {
        let (one, other) = (half(pair, n, m), half((m - 1) * products + n - 1, m, n));
        [forms[pair], forms[pairs + pair]] = [one[0] + other[0], one[1] + other[1]];
    }
}
