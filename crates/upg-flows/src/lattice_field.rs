//! A vector field on a lattice, equivariant under its translations, its reflections and φ → −φ, in Fourier space.
//!
//! With F frequencies ω_f, the amplitudes x̂_k of the modes of x (see [`modes`](crate::modes)), and weights of K functions of time, one for
//! each orbit o(k) of modes (see [`orbits`](crate::orbits)), MATH (33):
//!
//! v̂_k = Σ_f W_f(t, k) ŝ_{f,k} + W_F(t, k) x̂_k,  s_f(x) = sin ω_f φ(x),  W_f(t, k) = Σ_j w_{f,j,o(k)} cos πjt,
//! div v = Σ_x Σ_f W_f(t, 0) ω_f cos ω_f φ(x) + V W_F(t, 0),  W(t, 0) = mean of W(t, k) over k.
//!
//! MATH (34): with κ̂ the modes of a covector a, g_f the field whose modes are W_f κ̂ (g_F: W_F κ̂), and w a weight of div v:
//!
//! - (∂v/∂φ)ᵀ a + w ∇div v = g_F + Σ_f [ω_f g_f cos ω_f φ − w W_f(t, 0) ω_f² sin ω_f φ];
//! - ∂W_f(t, k) = κ̂_k ŝ_{f,k} + (w/V) Σ_x ω_f cos ω_f φ, ∂W_F(t, k) = κ̂_k x̂_k + w;
//! - ∂ω_f = Σ_x [g_f φ cos ω_f φ + w W_f(t, 0) (cos ω_f φ − ω_f φ sin ω_f φ)].
//!
//! Transforms: F + 2 for a value, F + 2 to pull back, F + 1 more for ∂θ. Parameters: `weight` w, shape `[F + 1, K, orbits]`, the linear part last;
//! `log_frequency` log ω, `[F]`. At the start w = 0, the identity. Source: M. Gerdes et al., arXiv:2207.00283.

mod kernels;

use crate::{
    continuous::{Covector, Evaluation, Moment, VectorField, fill_basis},
    modes::Modes,
    orbits::Orbits,
    simd::lanes,
    sums::{add_lanes, over_sites},
};
use kernels::{AtSites, frequency_sums, mix, modulate, orbit_sums, pull_back, waves};
use upg_core::{Accum, Batch, Init, ParamLayout, Real, Tensor};

/// The field on one lattice.
#[derive(Debug)]
pub struct LatticeField<T> {
    modes: Modes<T>,
    orbits: Orbits,
    /// F.
    frequencies: usize,
    /// K.
    times: usize,
    /// How large φ is.
    scale: f64,
}

/// What is prepared of θ.
#[derive(Debug, Default)]
pub struct Factors<T> {
    /// ω_f.
    omega: Vec<T>,
    /// cos πjt, `[time][j]`.
    basis: Vec<T>,
    /// W_f(t, k), `[time][f][mode]`.
    weights: Vec<T>,
    /// W_f(t, 0), `[time][f]`.
    at_origin: Vec<T>,
}

/// Fields on their way, `[f][site or mode][sample]`.
#[derive(Debug, Default)]
pub struct Fields<T: Real> {
    /// sin ω_f φ at the sites or their modes, then φ or its modes.
    features: Batch<T>,
    /// cos ω_f φ.
    cosines: Batch<T>,
    /// κ̂, without f.
    covector: Batch<T>,
    /// W_f κ̂, then g_f.
    modulated: Batch<T>,
    /// `[f][orbit][lane]`.
    sums: Batch<T>,
    /// Σ_x cos ω_f φ, `[f][sample]`.
    of_cosines: Vec<f64>,
    /// Of the transforms.
    line: Vec<T>,
}

/// How large φ is where nothing is said: some 4 in the theory of the paper, which has κ = 0.3 and λ = 0.022.
pub(crate) const SCALE: f64 = 4.0;
/// Frequencies at the start times the size of φ, evenly over this range.
const START: [f64; 2] = [2.3, 13.0];

/// The tensors of a field with so many frequencies, functions of time and orbits, for φ of the size `scale`.
pub(crate) fn params([frequencies, times, orbits]: [usize; 3], scale: f64) -> ParamLayout {
    let step = (START[1] - START[0]) / (frequencies.max(2) - 1) as f64;
    let log_omega = (0..frequencies).map(|f| ((START[0] + step * f as f64) / scale).ln()).collect();
    let mut layout = ParamLayout::default();
    layout.push(Tensor::new("weight", [frequencies + 1, times, orbits], Init::Constant(0.0)));
    layout.push(Tensor::new("log_frequency", [frequencies], Init::Each(log_omega)));
    layout
}

impl<T: Real> LatticeField<T> {
    /// A field with F = `frequencies` and K = `times`, the functions of time.
    ///
    /// # Panics
    /// If one of them is 0.
    #[track_caller]
    pub fn new(lattice: &[usize], frequencies: usize, times: usize) -> Self {
        assert!(frequencies > 0 && times > 0, "{frequencies} frequencies, {times} functions of time: at least 1 each");
        Self { modes: Modes::new(lattice), orbits: Orbits::new(lattice), frequencies, times, scale: SCALE }
    }

    /// For φ of the size `scale`, in the place of 4: the frequencies range from 2.3/scale to 13/scale at the start.
    ///
    /// # Panics
    /// If it isn't greater than 0.
    #[track_caller]
    pub fn with_scale(self, scale: f64) -> Self {
        assert!(scale > 0.0, "scale = {scale}: accepted is a number > 0");
        Self { scale, ..self }
    }

    /// F + 1: those with a frequency, and the linear one.
    fn kinds(&self) -> usize {
        self.frequencies + 1
    }

    /// Weights of one time: F + 1 times the orbits.
    fn of_a_time(&self) -> usize {
        self.kinds() * self.orbits.count()
    }

    /// Σ over the modes of a number for each orbit, divided by their number.
    fn mean(&self, of_orbits: impl Iterator<Item = T>) -> T {
        let members = self.orbits.members().iter().map(|&members| T::of(members as f64));
        of_orbits.zip(members).map(|(w, members)| w * members).sum::<T>() / T::of(self.modes.volume() as f64)
    }
}

impl<T: Real> Factors<T> {
    fn weights(&self, index: usize, per_time: usize) -> &[T] {
        &self.weights[index * per_time..][..per_time]
    }

    fn at_origin(&self, index: usize, kinds: usize) -> &[T] {
        &self.at_origin[index * kinds..][..kinds]
    }
}

impl<T: Real> VectorField<T> for LatticeField<T> {
    type Prepared = Factors<T>;
    type Memory = Fields<T>;

    fn dof(&self) -> usize {
        self.modes.volume()
    }

    fn params(&self) -> ParamLayout {
        params([self.frequencies, self.times, self.orbits.count()], self.scale)
    }

    fn prepare(&self, theta: &[T], times: &[f64], prepared: &mut Factors<T>) {
        let Factors { omega, basis, weights, at_origin } = prepared;
        let (w, log_omega) = theta.split_at(self.times * self.of_a_time());
        omega.clear();
        omega.extend(log_omega.iter().map(|log_omega| log_omega.exp()));
        fill_basis(times, self.times, basis);
        weights.clear();
        at_origin.clear();
        let orbits = self.orbits.count();
        for basis in basis.chunks_exact(self.times) {
            for w in w.chunks_exact(self.times * orbits) {
                let weight =
                    |orbit: usize| basis.iter().enumerate().map(|(j, &c)| c * w[j * orbits + orbit]).sum::<T>();
                weights.extend(self.orbits.of_mode().iter().map(|&orbit| weight(orbit)));
                at_origin.push(self.mean((0..orbits).map(weight)));
            }
        }
    }

    fn evaluate(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        phi: &Batch<T>,
        velocity: &mut Batch<T>,
        divergence: &mut [f64],
        fields: &mut Fields<T>,
    ) {
        self.wave(at.prepared, phi, fields);
        self.divergence(at, fields, divergence);
        self.mix(at, phi, fields, velocity);
    }

    fn pull_back(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        phi: &Batch<T>,
        covector: Covector<'_, T>,
        out: &mut Batch<T>,
        sums: Option<&mut [T]>,
        fields: &mut Fields<T>,
    ) {
        self.wave(at.prepared, phi, fields);
        self.pull(at, covector, out, fields);
        if let Some(sums) = sums {
            self.add_sums(at, phi, covector.weights, fields, sums);
        }
    }

    fn evaluate_with_pull_back(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        phi: &Batch<T>,
        covector: Covector<'_, T>,
        Evaluation { velocity, divergence, out }: Evaluation<'_, T>,
        fields: &mut Fields<T>,
    ) {
        self.wave(at.prepared, phi, fields);
        self.divergence(at, fields, divergence);
        self.pull(at, covector, out, fields);
        self.mix(at, phi, fields, velocity);
    }

    /// ∂W_f(t, o) of every time, then ∂ω_f.
    fn sums(&self, times: usize) -> usize {
        times * self.of_a_time() + self.frequencies
    }

    fn reduce(&self, _: &[T], prepared: &Factors<T>, sums: &[T], accum: Accum, into: &mut [T]) {
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        let (of_weights, of_omega) = sums.split_at(sums.len() - self.frequencies);
        let (w, log_omega) = into.split_at_mut(self.times * self.of_a_time());
        let orbits = self.orbits.count();
        for (sums, basis) in of_weights.chunks_exact(self.of_a_time()).zip(prepared.basis.chunks_exact(self.times)) {
            for (f, sums) in sums.chunks_exact(orbits).enumerate() {
                for (w, &c) in w[f * self.times * orbits..].chunks_exact_mut(orbits).zip(basis) {
                    w.iter_mut().zip(sums).for_each(|(w, &sum)| *w += c * sum);
                }
            }
        }
        for ((log_omega, &sum), &omega) in log_omega.iter_mut().zip(of_omega).zip(&prepared.omega) {
            *log_omega += omega * sum;
        }
    }
}

impl<T: Real> LatticeField<T> {
    /// sin ω_f φ and cos ω_f φ.
    fn wave(&self, prepared: &Factors<T>, phi: &Batch<T>, fields: &mut Fields<T>) {
        let Fields { features, cosines, .. } = fields;
        features.reshape(self.kinds() * phi.rows(), phi.samples());
        cosines.reshape(self.frequencies * phi.rows(), phi.samples());
        let phi = phi.as_slice();
        let (sines, cosines) = (features.as_mut_slice().chunks_exact_mut(phi.len()), cosines.as_mut_slice());
        for ((&omega, sines), cosines) in prepared.omega.iter().zip(sines).zip(cosines.chunks_exact_mut(phi.len())) {
            waves(omega, phi, sines, cosines);
        }
    }

    /// div v, and the sums of the cosines.
    fn divergence(&self, at: &Moment<'_, T, Factors<T>>, fields: &mut Fields<T>, divergence: &mut [f64]) {
        let origin = at.prepared.at_origin(at.index, self.kinds());
        let volume = self.modes.volume() as f64;
        divergence.fill(volume * origin[self.frequencies].wide());
        self.sum_cosines(fields);
        let of_frequencies = fields.of_cosines.chunks_exact(divergence.len());
        for ((&omega, &origin), sums) in at.prepared.omega.iter().zip(origin).zip(of_frequencies) {
            let factor = (omega * origin).wide();
            divergence.iter_mut().zip(sums).for_each(|(div, sum)| *div += factor * sum);
        }
    }

    fn sum_cosines(&self, fields: &mut Fields<T>) {
        let Fields { cosines, of_cosines, .. } = fields;
        let (samples, field) = (cosines.samples(), self.modes.volume() * cosines.samples());
        of_cosines.resize(self.frequencies * samples, 0.0);
        for (cosines, sums) in cosines.as_slice().chunks_exact(field).zip(of_cosines.chunks_exact_mut(samples)) {
            over_sites(cosines, sums);
        }
    }

    /// v, the first line of MATH (33). The sines become modes.
    fn mix(&self, at: &Moment<'_, T, Factors<T>>, phi: &Batch<T>, fields: &mut Fields<T>, velocity: &mut Batch<T>) {
        self.features_to_modes(phi, fields);
        let weights = at.prepared.weights(at.index, self.kinds() * self.modes.volume());
        mix(weights, fields.features.as_slice(), phi.samples(), velocity.as_mut_slice());
        self.modes.to_sites(velocity.as_mut_slice(), phi.samples(), &mut fields.line);
    }

    fn features_to_modes(&self, phi: &Batch<T>, fields: &mut Fields<T>) {
        let Fields { features, line, .. } = fields;
        let linear = self.frequencies * phi.as_slice().len();
        features.as_mut_slice()[linear..].copy_from_slice(phi.as_slice());
        self.modes.to_modes(features.as_mut_slice(), phi.samples(), line);
    }

    /// The first line of MATH (34). Leaves κ̂ and g_f.
    fn pull(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        covector: Covector<'_, T>,
        out: &mut Batch<T>,
        fields: &mut Fields<T>,
    ) {
        let Fields { features, cosines, covector: modes, modulated, line, .. } = fields;
        let samples = covector.a.samples();
        modes.copy_from(covector.a);
        self.modes.to_modes(modes.as_mut_slice(), samples, line);
        modulated.reshape(self.kinds() * self.modes.volume(), samples);
        let weights = at.prepared.weights(at.index, self.kinds() * self.modes.volume());
        modulate(weights, modes.as_slice(), samples, modulated.as_mut_slice());
        self.modes.to_sites(modulated.as_mut_slice(), samples, line);
        pull_back(self.at_sites(at, covector.weights, features, cosines, modulated), out.as_mut_slice());
    }

    fn at_sites<'a>(
        &self,
        at: &Moment<'a, T, Factors<T>>,
        weights: &'a [T],
        features: &'a Batch<T>,
        cosines: &'a Batch<T>,
        modulated: &'a Batch<T>,
    ) -> AtSites<'a, T> {
        let Factors { omega, .. } = at.prepared;
        let at_origin = at.prepared.at_origin(at.index, self.kinds());
        let sines = &features.as_slice()[..cosines.as_slice().len()];
        AtSites { omega, at_origin, weights, sines, cosines: cosines.as_slice(), modulated: modulated.as_slice() }
    }

    /// The other lines of MATH (34), after the first. The sines become modes.
    fn add_sums(
        &self,
        at: &Moment<'_, T, Factors<T>>,
        phi: &Batch<T>,
        weights: &[T],
        fields: &mut Fields<T>,
        into: &mut [T],
    ) {
        let (of_weights, of_omega) = into.split_at_mut(into.len() - self.frequencies);
        let Fields { features, cosines, modulated, sums, .. } = &mut *fields;
        sums.reshape(self.of_a_time().max(self.frequencies), lanes::<T>());
        let of_frequencies = &mut sums.as_mut_slice()[..self.frequencies * lanes::<T>()];
        frequency_sums(self.at_sites(at, weights, features, cosines, modulated), phi.as_slice(), of_frequencies);
        add_lanes(of_frequencies, of_omega);
        self.sum_cosines(fields);
        self.features_to_modes(phi, fields);
        self.add_weight_sums(at, weights, fields, &mut of_weights[at.index * self.of_a_time()..][..self.of_a_time()]);
    }

    /// ∂W_f(t, o) of one time.
    fn add_weight_sums(&self, at: &Moment<'_, T, Factors<T>>, weights: &[T], fields: &mut Fields<T>, into: &mut [T]) {
        let Fields { features, covector, sums, of_cosines, .. } = fields;
        let samples = covector.samples();
        orbit_sums(self.orbits.of_mode(), covector.as_slice(), features.as_slice(), samples, sums.as_mut_slice());
        add_lanes(sums.as_slice(), into);
        let volume = self.modes.volume() as f64;
        for (f, into) in into.chunks_exact_mut(self.orbits.count()).enumerate() {
            let of_div = match at.prepared.omega.get(f) {
                Some(&omega) => {
                    let sums = weights.iter().zip(&of_cosines[f * samples..]);
                    omega.wide() / volume * sums.map(|(w, sum)| w.wide() * sum).sum::<f64>()
                }
                None => weights.iter().map(|w| w.wide()).sum(),
            };
            for (into, &members) in into.iter_mut().zip(self.orbits.members()) {
                *into += T::of(of_div * members as f64);
            }
        }
    }
}
