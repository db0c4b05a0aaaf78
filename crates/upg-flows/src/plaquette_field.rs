//! A vector field on the plaquettes of a two-dimensional U(1) theory, equivariant under the symmetries of the lattice and P → −P.
//!
//! Along du/dt = Dᵀ a(Du), D the map from links to plaquettes, the plaquettes P = Du close on themselves: dP/dt = D Dᵀ a = v(P), Σ_x v = 0.
//! With s_n = sin nP, c_n = cos nP, convolutions A_nm and B_nm whose eigenvalues are one number for each orbit of modes (see [`orbits`](crate::orbits);
//! A(0) is a convolution's value at distance 0, the mean of its eigenvalues), and V plaquettes, MATH (36):
//!
//! - v = q − mean_x q, q = Σ_{n≤N} w_n s_n + Σ_{n,m≤M} [s_n (A_nm * c_m) + c_n (B_nm * s_m)];
//! - div v = tr ∂v/∂P = (1 − 1/V) Σ_n n w_n Σ_x c_n + ½ Σ_k Σ_{nm} [C_nm ĉ_n ĉ_m + S_nm ŝ_n ŝ_m], ŝ_n and ĉ_n the modes of s_n and c_n, with the symmetric
//!   C_nm = n (1 − 1/V) A_nm − m [B_nm/V − B_nm(0)] + (n ↔ m), S_nm = m [A_nm/V − A_nm(0)] − n (1 − 1/V) B_nm + (n ↔ m) for every mode.
//!
//! MATH (37), for a covector a at v and a weight w of div v, with â = a − mean_x a and the cotangents of s_n and c_n,
//!
//! - S̄_n = â (A_nm * c_m) + B_mn * (â c_m) + w S_nm * s_m and C̄_n = â (B_nm * s_m) + A_mn * (â s_m) + w C_nm * c_m, summed over m:
//! - (∂v/∂P)ᵀ a + w ∇div v = Σ_{n≤N} n w_n [â c_n − w (1 − 1/V) n s_n] + Σ_{n≤M} n [c_n S̄_n − s_n C̄_n];
//! - ∂w_n = Σ_x [â s_n + w (1 − 1/V) n c_n];
//! - ∂A_nm(k) = (â s_n)^_k ĉ_m + w [n (1 − 1/V) ĉ_n ĉ_m + m (ŝ_n ŝ_m − Σ_k ŝ_n ŝ_m)/V],
//!   ∂B_nm(k) = (â c_n)^_k ŝ_m − w [n (1 − 1/V) ŝ_n ŝ_m + m (ĉ_n ĉ_m − Σ_k ĉ_n ĉ_m)/V].
//!
//! All w, A and B are of the form Σ_j θ_j cos πjt, j < K. The cost is that of transforms between sites and modes (see [`modes`](crate::modes)): 4M for
//! a value with its divergence, 4M more to pull back at the same P, 8M to pull back elsewhere, with or without ∂θ. One sine and one cosine a site:
//! those of multiples follow by recurrence. Parameters: `weight` w, `[N, K]`; `sine_kernel` A and `cosine_kernel` B, `[M, M, K, orbits]`; all 0 at the
//! start, the identity.

mod factors;
mod kernels;

use crate::{
    continuous::{Covector, Evaluation, Moment, VectorField},
    modes::Modes,
    orbits::Orbits,
    simd::lanes,
    sums::{add_lanes, over_sites},
};
use factors::{Factors, Matrix, Sizes};
use kernels::{AtSites, Kernels, Mix, mix, orbit_sums, project, pull_back, quadratic_form, value, wave_sums, waves};
use upg_core::{Accum, Batch, Init, ParamLayout, Real, Tensor};

/// The field on one lattice.
#[derive(Debug)]
pub struct PlaquetteField<T> {
    modes: Modes<T>,
    orbits: Orbits,
    sizes: Sizes,
    /// The modes, one orbit after the other.
    by_orbit: Vec<usize>,
}

/// Fields on their way, `[field][site or mode][sample]`. Where there are 2M of them, those of sines come first, then those of cosines.
#[derive(Debug, Default)]
pub struct Fields<T: Real> {
    /// s_n, c_n at the sites.
    waves: Batch<T>,
    /// ŝ_n, ĉ_n.
    modes: Batch<T>,
    /// What multiplies s_n and c_n in q: A_nm * c_m, B_nm * s_m.
    factors: Batch<T>,
    /// Numbers whose sum over sites is div v.
    density: Batch<T>,
    /// â.
    covector: Batch<T>,
    /// â s_n, â c_n, or their modes.
    products: Batch<T>,
    /// The terms of S̄_n and C̄_n that are convolutions.
    cotangents: Batch<T>,
    /// Sums over orbits and sites, `[row][lane]`.
    sums: Batch<T>,
    /// Of the transforms.
    line: Vec<T>,
}

/// The tensors of a field with N sines, products of M, K functions of time, and so many orbits.
pub(crate) fn params([sines, products, times, orbits]: [usize; 4]) -> ParamLayout {
    let mut layout = ParamLayout::default();
    layout.push(Tensor::new("weight", [sines, times], Init::Constant(0.0)));
    for name in ["sine_kernel", "cosine_kernel"] {
        layout.push(Tensor::new(name, [products, products, times, orbits], Init::Constant(0.0)));
    }
    layout
}

impl<T: Real> PlaquetteField<T> {
    /// A field with N = `sines`, M = `products` and K = `times`, the functions of time.
    ///
    /// # Panics
    /// If one of them is 0.
    #[track_caller]
    pub fn new(lattice: [usize; 2], sines: usize, products: usize, times: usize) -> Self {
        let positive = sines > 0 && products > 0 && times > 0;
        assert!(positive, "{sines} sines, {products} products, {times} functions of time: at least 1 each");
        let (modes, orbits) = (Modes::new(&lattice), Orbits::new(&lattice));
        let mut by_orbit: Vec<usize> = (0..modes.volume()).collect();
        by_orbit.sort_by_key(|&mode| orbits.of_mode()[mode]);
        let sizes = Sizes { sines, products, times, orbits: orbits.count(), volume: modes.volume() };
        Self { modes, orbits, sizes, by_orbit }
    }
}

impl<T: Real> VectorField<T> for PlaquetteField<T> {
    type Prepared = Factors<T>;
    type Memory = Fields<T>;

    fn dof(&self) -> usize {
        self.sizes.volume
    }

    fn params(&self) -> ParamLayout {
        let Sizes { sines, products, times, orbits, .. } = self.sizes;
        params([sines, products, times, orbits])
    }

    fn prepare(&self, theta: &[T], times: &[f64], prepared: &mut Factors<T>) {
        prepared.fill(self.sizes, self.orbits.members(), theta, times);
    }

    fn evaluate(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        plaquettes: &Batch<T>,
        velocity: &mut Batch<T>,
        divergence: &mut [f64],
        fields: &mut Fields<T>,
    ) {
        self.wave(at, plaquettes, fields);
        self.value(at, fields, velocity, divergence);
    }

    fn pull_back(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        plaquettes: &Batch<T>,
        covector: Covector<'_, T>,
        out: &mut Batch<T>,
        sums: Option<&mut [T]>,
        fields: &mut Fields<T>,
    ) {
        self.wave(at, plaquettes, fields);
        self.pull(at, covector, out, fields);
        if let Some(sums) = sums {
            let per_time = self.sizes.sums_of_a_time();
            self.add_sums(covector.weights, fields, &mut sums[at.index * per_time..][..per_time]);
        }
    }

    fn evaluate_with_pull_back(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        plaquettes: &Batch<T>,
        covector: Covector<'_, T>,
        Evaluation { velocity, divergence, out }: Evaluation<'_, T>,
        fields: &mut Fields<T>,
    ) {
        self.wave(at, plaquettes, fields);
        self.value(at, fields, velocity, divergence);
        self.pull(at, covector, out, fields);
    }

    fn sums(&self, times: usize) -> usize {
        times * self.sizes.sums_of_a_time()
    }

    fn reduce(&self, _: &[T], prepared: &Factors<T>, sums: &[T], accum: Accum, into: &mut [T]) {
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        prepared.reduce(self.sizes, self.orbits.members(), sums, into);
    }
}

impl<T: Real> PlaquetteField<T> {
    /// s_n, c_n at the sites, their modes, and their factors in q.
    fn wave(&self, at: &Moment<'_, T, Factors<T>>, plaquettes: &Batch<T>, fields: &mut Fields<T>) {
        let Fields { waves: at_sites, modes, factors, line, .. } = fields;
        let samples = plaquettes.samples();
        at_sites.reshape(2 * self.sizes.products * self.sizes.volume, samples);
        waves(plaquettes.as_slice(), at_sites.as_mut_slice());
        modes.copy_from(at_sites);
        self.modes.to_modes(modes.as_mut_slice(), samples, line);
        factors.reshape(modes.rows(), samples);
        let (sines, cosines) = halves(modes);
        let (of_sines, of_cosines) = halves_mut(factors);
        self.mix(at, Matrix::A, cosines, of_sines, samples);
        self.mix(at, Matrix::B, sines, of_cosines, samples);
        self.modes.to_sites(factors.as_mut_slice(), samples, line);
    }

    /// MATH (36).
    fn value(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        fields: &mut Fields<T>,
        velocity: &mut Batch<T>,
        divergence: &mut [f64],
    ) {
        let Fields { waves, modes, factors, density, .. } = fields;
        density.reshape(self.sizes.volume, velocity.samples());
        quadratic_form(self.kernels(at), modes.as_slice(), density.as_mut_slice());
        let at_sites = AtSites { waves: waves.as_slice(), factors: factors.as_slice(), samples: velocity.samples() };
        let linear = at.prepared.linear(self.sizes, at.index);
        value(at_sites, linear, self.sizes, density.as_mut_slice(), velocity.as_mut_slice());
        over_sites(density.as_slice(), divergence);
    }

    /// The first line of MATH (37). Leaves â and the modes of its products.
    fn pull(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        covector: Covector<'_, T>,
        out: &mut Batch<T>,
        fields: &mut Fields<T>,
    ) {
        let Fields { waves, modes, factors, covector: projected, products, cotangents, line, .. } = fields;
        let samples = covector.a.samples();
        for fields in [&mut *products, &mut *cotangents] {
            fields.reshape(waves.rows(), samples);
        }
        projected.reshape(self.sizes.volume, samples);
        let at_sites = AtSites { waves: waves.as_slice(), factors: factors.as_slice(), samples };
        project(at_sites, covector.a.as_slice(), projected.as_mut_slice(), products.as_mut_slice());
        self.modes.to_modes(products.as_mut_slice(), samples, line);
        self.convolve(at, covector.weights, modes, products, cotangents);
        self.modes.to_sites(cotangents.as_mut_slice(), samples, line);
        let linear = at.prepared.linear(self.sizes, at.index);
        let (a, cotangents) = (projected.as_slice(), cotangents.as_slice());
        pull_back(at_sites, linear, a, covector.weights, cotangents, out.as_mut_slice());
    }

    /// The convolutions in S̄_n and C̄_n.
    fn convolve(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        weights: &[T],
        modes: &Batch<T>,
        products: &Batch<T>,
        cotangents: &mut Batch<T>,
    ) {
        let samples = modes.samples();
        let ((sines, cosines), (of_sines, of_cosines)) = (halves(modes), halves_mut(cotangents));
        let (with_sines, with_cosines) = halves(products);
        self.mix(at, Matrix::TransposedB, with_cosines, of_sines, samples);
        self.mix(at, Matrix::TransposedA, with_sines, of_cosines, samples);
        if any(weights) {
            self.add_mix(at, Matrix::S, sines, weights, of_sines);
            self.add_mix(at, Matrix::C, cosines, weights, of_cosines);
        }
    }

    /// The sums of the other lines of MATH (37) for one moment, after the first. Their order is that of [`Factors::reduce`].
    fn add_sums(&self, weights: &[T], fields: &mut Fields<T>, into: &mut [T]) {
        let Fields { waves, modes, covector, products, sums, .. } = fields;
        sums.reshape(self.sizes.sums_of_a_time(), lanes::<T>());
        sums.fill(T::zero());
        let (of_waves, of_orbits) = sums.as_mut_slice().split_at_mut(self.sizes.sines * lanes::<T>());
        wave_sums(waves.as_slice(), covector.as_slice(), weights, self.sizes, of_waves);
        let ((sines, cosines), (with_sines, with_cosines)) = (halves(modes), halves(products));
        let kinds = [(with_sines, cosines, None), (with_cosines, sines, None)];
        let of_divergence = [(cosines, cosines, Some(weights)), (sines, sines, Some(weights))];
        let members = (&self.by_orbit[..], self.orbits.members());
        let count = if any(weights) { 4 } else { 2 };
        for (kind, factors) in kinds.into_iter().chain(of_divergence).take(count).enumerate() {
            orbit_sums(members, factors, weights.len(), self.sizes.products, kind, of_orbits);
        }
        add_lanes(sums.as_slice(), into);
    }

    fn kernels<'a>(&'a self, at: &Moment<'a, T, Factors<T>>) -> Kernels<'a, T> {
        let Sizes { products, .. } = self.sizes;
        Kernels { of_orbits: at.prepared.kernels(self.sizes, at.index), orbit_of: self.orbits.of_mode(), products }
    }

    fn mix(&self, at: &Moment<'_, T, Factors<T>>, matrix: Matrix, from: &[T], to: &mut [T], samples: usize) {
        mix(Mix { kernels: self.kernels(at), matrix, from, weights: None, to, samples });
    }

    fn add_mix(&self, at: &Moment<'_, T, Factors<T>>, matrix: Matrix, from: &[T], weights: &[T], to: &mut [T]) {
        mix(Mix { kernels: self.kernels(at), matrix, from, weights: Some(weights), to, samples: weights.len() });
    }
}

/// Fields of sines, and of cosines.
fn halves<T: Real>(fields: &Batch<T>) -> (&[T], &[T]) {
    fields.as_slice().split_at(fields.as_slice().len() / 2)
}

fn halves_mut<T: Real>(fields: &mut Batch<T>) -> (&mut [T], &mut [T]) {
    let middle = fields.as_slice().len() / 2;
    fields.as_mut_slice().split_at_mut(middle)
}

/// Whether a divergence has a weight.
fn any<T: Real>(weights: &[T]) -> bool {
    weights.iter().any(|&w| w != T::zero())
}
