//! Gaussian fields mode by mode, samples in tiles: what the free field and the two signs share.
//!
//! Mode r of a sample has the amplitude w_r, which is N(0, C_r), C_r = e^{2σ_o(r)}, but for the constant mode 0, whose density is
//! ½ N(−m, C_0) + ½ N(m, C_0). With u = m w_0/C_0 and t = tanh u, the mean of the sign,
//!
//! ```text
//! log q₀ = −½ Σ_{r>0} w_r²/C_r − ½ (|w_0| − |m|)²/C_0 + log ½(1 + e^{−2|u|}) − ½ Σ_r log 2πC_r ,
//! scores −w_r/C_r, and −(w_0 − m t)/C_0 ,
//! ∂/∂σ: α_r w_r + w (w_r²/C_r − 1), and α_0 (w_0 − m t) + w [ ((w_0 − m t)² + m² (1 − t²))/C_0 − 1 ] ,
//! ∂/∂m: α_0 t + w (w_0 t − m)/C_0 ,
//! ```
//!
//! α_r being the modes of a cotangent. Everything else is a transform there or back. For the free field m = 0.

use crate::{modes::Modes, orbits::Orbits, simd::lanes};
use std::{f64::consts::TAU, ops::Range};
use upg_core::{
    Batch, Real,
    vmath::{Kernel, MulAdd, dispatch, scalar},
};

/// The modes of a lattice with their orbits.
#[derive(Clone, Debug)]
pub(super) struct Field<T> {
    modes: Modes<T>,
    pub orbits: Orbits,
}

/// What is prepared of the parameters.
#[derive(Debug, Default)]
pub(super) struct Spectrum<T> {
    /// e^σ of every mode.
    amplitudes: Vec<T>,
    /// 1/C of every mode.
    precisions: Vec<T>,
    /// −½ Σ_r log 2πC_r.
    norm: f64,
    /// m.
    pub shift: f64,
}

/// Memory of a tile.
#[derive(Debug, Default)]
pub(super) struct Scratch<T: Real> {
    z: Batch<T>,
    cotangent: Batch<T>,
    folded: Vec<T>,
    /// ∂σ of every mode.
    of_modes: Vec<f64>,
    /// ∂σ of every orbit.
    pub of_orbits: Vec<f64>,
    /// Words that decide signs.
    pub words: Vec<u64>,
}

impl<T: Real> Field<T> {
    pub fn new(lattice: &[usize]) -> Self {
        Self { modes: Modes::new(lattice), orbits: Orbits::new(lattice) }
    }

    pub fn volume(&self) -> usize {
        self.modes.volume()
    }

    pub fn check_rows(&self, z: &Batch<T>) {
        assert_eq!(z.rows(), self.volume(), "rows of z, and degrees of freedom of the base");
    }

    /// Prepares σ, one number for each orbit, and m.
    pub fn prepare(&self, log_scale: &[T], shift: f64, spectrum: &mut Spectrum<T>) {
        assert_eq!(log_scale.len(), self.orbits.count(), "log-scales given, and orbits of modes");
        let of_modes = || self.orbits.of_mode().iter().map(|&orbit| log_scale[orbit]);
        spectrum.amplitudes.clear();
        spectrum.amplitudes.extend(of_modes().map(|sigma| sigma.exp()));
        spectrum.precisions.clear();
        spectrum.precisions.extend(of_modes().map(|sigma| (T::of(-2.0) * sigma).exp()));
        let terms = log_scale.iter().zip(self.orbits.members()).map(|(sigma, &members)| sigma.wide() * members as f64);
        spectrum.norm = -0.5 * self.volume() as f64 * TAU.ln() - terms.sum::<f64>();
        spectrum.shift = shift;
    }

    /// From normals in `z` to samples, the constant mode of sample b shifted by m times the sign `sign(b)`.
    pub fn draw(&self, at: &Spectrum<T>, scratch: &mut Scratch<T>, z: &mut Batch<T>, sign: impl Fn(usize) -> f64) {
        let Scratch { z: tile, folded, .. } = self.reshaped(scratch);
        for samples in tiles::<T>(z.samples()) {
            load(z, samples.clone(), tile);
            dispatch(Scaled { amplitudes: &at.amplitudes, tile });
            for (w, b) in tile.row_mut(0).iter_mut().zip(samples.clone()) {
                *w += T::of(sign(b) * at.shift);
            }
            self.modes.to_sites(tile.as_mut_slice(), lanes::<T>(), folded);
            store(tile, samples, z);
        }
    }

    /// log q₀ and the score.
    pub fn density(
        &self,
        at: &Spectrum<T>,
        scratch: &mut Scratch<T>,
        z: &Batch<T>,
        log_density: &mut Vec<f64>,
        mut score: Option<&mut Batch<T>>,
    ) {
        let Scratch { z: tile, folded, .. } = self.reshaped(scratch);
        log_density.clear();
        log_density.resize(z.samples(), at.norm);
        if let Some(score) = &mut score {
            score.reshape(z.rows(), z.samples());
        }
        for samples in tiles::<T>(z.samples()) {
            load(z, samples.clone(), tile);
            self.modes.to_modes(tile.as_mut_slice(), lanes::<T>(), folded);
            let log_density = &mut log_density[samples.clone()];
            dispatch(Density { precisions: &at.precisions, shift: at.shift, tile, log_density });
            let Some(score) = &mut score else { continue };
            self.modes.to_sites(tile.as_mut_slice(), lanes::<T>(), folded);
            store(tile, samples, score);
        }
    }

    /// Fills `scratch.of_orbits` with ∂σ, summed over samples; returns ∂m.
    pub fn pull_back(
        &self,
        at: &Spectrum<T>,
        scratch: &mut Scratch<T>,
        z: &Batch<T>,
        cotangent: Option<&Batch<T>>,
        weight: f64,
    ) -> f64 {
        let Scratch { z: tile, cotangent: alpha, folded, of_modes, of_orbits, .. } = self.reshaped(scratch);
        alpha.fill(T::zero());
        of_modes.fill(0.0);
        let mut of_shift = 0.0;
        for samples in tiles::<T>(z.samples()) {
            load(z, samples.clone(), tile);
            self.modes.to_modes(tile.as_mut_slice(), lanes::<T>(), folded);
            if let Some(cotangent) = cotangent {
                load(cotangent, samples.clone(), alpha);
                self.modes.to_modes(alpha.as_mut_slice(), lanes::<T>(), folded);
            }
            dispatch(Sums { precisions: &at.precisions, tile, alpha, weight, of_modes });
            let of_constant = of_constant_mode(at, tile, alpha, samples.len(), weight);
            of_modes[0] += of_constant[0];
            of_shift += of_constant[1];
        }
        let constant = weight * z.samples() as f64;
        of_orbits.clear();
        of_orbits.extend(self.orbits.members().iter().map(|&members| -constant * members as f64));
        for (&orbit, of_mode) in self.orbits.of_mode().iter().zip(of_modes) {
            of_orbits[orbit] += *of_mode;
        }
        of_shift
    }

    fn reshaped<'s>(&self, scratch: &'s mut Scratch<T>) -> &'s mut Scratch<T> {
        scratch.z.reshape(self.volume(), lanes::<T>());
        scratch.cotangent.reshape(self.volume(), lanes::<T>());
        scratch.of_modes.resize(self.volume(), 0.0);
        scratch
    }
}

/// The samples of a batch, tile by tile.
fn tiles<T: Real>(samples: usize) -> impl Iterator<Item = Range<usize>> {
    (0..samples).step_by(lanes::<T>()).map(move |first| first..samples.min(first + lanes::<T>()))
}

/// Fills a tile with samples, 0 where there are none.
fn load<T: Real>(batch: &Batch<T>, samples: Range<usize>, tile: &mut Batch<T>) {
    for i in 0..batch.rows() {
        let (row, rest) = tile.row_mut(i).split_at_mut(samples.len());
        row.copy_from_slice(&batch.row(i)[samples.clone()]);
        rest.fill(T::zero());
    }
}

fn store<T: Real>(tile: &Batch<T>, samples: Range<usize>, batch: &mut Batch<T>) {
    for i in 0..batch.rows() {
        batch.row_mut(i)[samples.clone()].copy_from_slice(&tile.row(i)[..samples.len()]);
    }
}

/// w_r ← e^σ w_r.
struct Scaled<'a, T> {
    amplitudes: &'a [T],
    tile: &'a mut Batch<T>,
}

impl<T: Real> Kernel for Scaled<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { amplitudes, tile } = self;
        for (row, &amplitude) in tile.as_mut_slice().chunks_exact_mut(lanes::<T>()).zip(amplitudes) {
            row.iter_mut().for_each(|w| *w *= amplitude);
        }
    }
}

/// Adds the terms of log q₀ that depend on w, and puts the scores in the places of the amplitudes.
struct Density<'a, T> {
    precisions: &'a [T],
    shift: f64,
    tile: &'a mut Batch<T>,
    log_density: &'a mut [f64],
}

impl<T: Real> Kernel for Density<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { precisions, shift, tile, log_density } = self;
        let (constant, others) = tile.as_mut_slice().split_at_mut(lanes::<T>());
        for (row, &precision) in others.chunks_exact_mut(lanes::<T>()).zip(&precisions[1..]) {
            for (w, log_density) in row.iter().zip(&mut *log_density) {
                let w = w.wide();
                *log_density = M::mul_add(-0.5 * w * precision.wide(), w, *log_density);
            }
            row.iter_mut().for_each(|w| *w = -*w * precision);
        }
        let precision = precisions[0].wide();
        for (w, log_density) in constant.iter_mut().zip(log_density) {
            let (wide, u) = (w.wide(), shift * precision * w.wide());
            let offset = wide.abs() - shift.abs();
            let both = scalar::ln_1p_unit::<f64, M>(scalar::exp::<f64, M>(-2.0 * u.abs()));
            *log_density += both - std::f64::consts::LN_2 - 0.5 * precision * offset * offset;
            *w = T::of(-precision * (wide - shift * scalar::tanh::<f64, M>(u)));
        }
    }
}

/// Adds Σ_samples [ α_r w_r + w w_r²/C_r ] for r > 0; where there is no sample, w_r = 0.
struct Sums<'a, T> {
    precisions: &'a [T],
    tile: &'a Batch<T>,
    alpha: &'a Batch<T>,
    weight: f64,
    of_modes: &'a mut [f64],
}

impl<T: Real> Kernel for Sums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { precisions, tile, alpha, weight, of_modes } = self;
        let rows = tile.as_slice().chunks_exact(lanes::<T>()).zip(alpha.as_slice().chunks_exact(lanes::<T>()));
        for (((w, alpha), &precision), sum) in rows.zip(precisions).zip(of_modes).skip(1) {
            let (factor, mut terms) = (weight * precision.wide(), [0.0; 8]);
            for (w, alpha) in w.chunks_exact(8).zip(alpha.chunks_exact(8)) {
                for ((term, w), alpha) in terms.iter_mut().zip(w).zip(alpha) {
                    *term = M::mul_add(w.wide(), M::mul_add(factor, w.wide(), alpha.wide()), *term);
                }
            }
            let [a, b, c, d, e, f, g, h] = terms;
            *sum += ((a + e) + (b + f)) + ((c + g) + (d + h));
        }
    }
}

/// Σ_samples of the terms of ∂σ_0, but for −w, and of ∂m.
fn of_constant_mode<T: Real>(
    at: &Spectrum<T>,
    tile: &Batch<T>,
    alpha: &Batch<T>,
    samples: usize,
    weight: f64,
) -> [f64; 2] {
    let (m, precision, mut sums) = (at.shift, at.precisions[0].wide(), [0.0; 2]);
    for (w, alpha) in tile.row(0)[..samples].iter().zip(alpha.row(0)) {
        let (w, alpha) = (w.wide(), alpha.wide());
        let t = (m * precision * w).tanh();
        let offset = w - m * t;
        sums[0] += alpha * offset + weight * precision * (offset * offset + m * m * (1.0 - t) * (1.0 + t));
        sums[1] += alpha * t + weight * precision * (w * t - m);
    }
    sums
}
