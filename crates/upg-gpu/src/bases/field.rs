//! Gaussian fields on a periodic lattice, mode by mode: the free field, MATH (19), and the two signs, MATH (20). See
//! [`upg_flows::FreeField`] and [`upg_flows::TwoSigns`]. Kernels: `random.cu`, `modes.cu`, `field.cu`.
//!
//! A draw is the normals, already scaled by the amplitudes of the modes, and their transform; a density the transform, one kernel, and the transform
//! back.

use super::normal_constant;
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::layers::add;
use crate::memory::{Batch, Params, Sums};
use crate::modes::{Modes, Way};
use crate::random::{Moved, Random};
use std::sync::Arc;
use upg_core::{Base, BasePass, DeviceError, GradSink, Memory, ParamLayout, Prepared, Real, SampleStream};
use upg_flows::Orbits;

/// About which constant fields a field fluctuates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signs {
    /// About 0: the free field.
    None,
    /// About ±v, v the last parameter.
    Both,
}

/// A Gaussian field with one variance for each orbit of modes.
pub(crate) struct FieldBase<G: Gpu> {
    modes: Modes<G>,
    orbits: OrbitTables<G>,
    signs: Signs,
    layout: ParamLayout,
    random: Random<G>,
    kernels: Arc<Kernels<G>>,
}

/// The orbit of every mode; and the modes by orbit, those of orbit o from first(o) up to first(o + 1).
struct OrbitTables<G: Gpu> {
    count: usize,
    of_mode: Table<G>,
    first: Table<G>,
    members: Table<G>,
}

/// e^σ and 1/C of every mode, shape `[2, modes]`, and −½ Σ_r log 2πC_r.
struct Spectrum<T, G: Gpu> {
    factors: Batch<T, G>,
    norm: Sums<G>,
}

impl<T: Real, G: Gpu> Default for Spectrum<T, G> {
    fn default() -> Self {
        Self { factors: Batch::default(), norm: Sums::default() }
    }
}

impl<T: Real, G: Gpu> Spectrum<T, G> {
    fn amplitudes(&self) -> Address {
        self.factors.row(0)
    }

    fn precisions(&self) -> Address {
        self.factors.row(1)
    }
}

/// The modes of a field and of a cotangent, memory of a transform, the signs, and ∂σ of every mode, then ∂m.
struct Scratch<T, G: Gpu> {
    w: Batch<T, G>,
    alpha: Batch<T, G>,
    spare: Batch<T, G>,
    signs: Batch<T, G>,
    of_modes: Sums<G>,
}

impl<T: Real, G: Gpu> Default for Scratch<T, G> {
    fn default() -> Self {
        let batch = Batch::default;
        Self { w: batch(), alpha: batch(), spare: batch(), signs: batch(), of_modes: Sums::default() }
    }
}

impl<G: Gpu> OrbitTables<G> {
    fn new<T: Real>(device: &Cuda<T, G>, orbits: &Orbits) -> Self {
        let mut members: Vec<usize> = (0..orbits.of_mode().len()).collect();
        members.sort_by_key(|&mode| orbits.of_mode()[mode]);
        let mut first = vec![0];
        first.extend(orbits.members().iter().scan(0, |sum, members| {
            *sum += members;
            Some(*sum)
        }));
        let [of_mode, first, members] = [orbits.of_mode(), &first, &members].map(|numbers| device.indices(numbers));
        Self { count: orbits.count(), of_mode, first, members }
    }
}

impl<G: Gpu> FieldBase<G> {
    /// A field on a lattice of these extents with these parameters.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        lattice: &[usize],
        signs: Signs,
        layout: ParamLayout,
    ) -> Result<Self, DeviceError> {
        let (modes, random) = (Modes::new(device, lattice)?, Random::new(device)?);
        let orbits = OrbitTables::new(device, &Orbits::new(lattice));
        Ok(Self { modes, orbits, signs, layout, random, kernels: device.kernels(kernels::FIELD, vec![])? })
    }

    /// Where v lies, if there is one, and m/v.
    fn shift<T: Real>(&self, theta: Params<'_, T>) -> (Address, f64) {
        let v = match self.signs {
            Signs::None => Address::default(),
            Signs::Both => theta.part(self.orbits.count..self.orbits.count + 1),
        };
        (v, (self.modes.volume() as f64).sqrt())
    }

    #[track_caller]
    fn check_rows<T: Real>(&self, z: &Batch<T, G>) {
        assert_eq!(z.rows(), self.modes.volume(), "rows of z, and degrees of freedom of the base");
    }

    /// Terms of ∂σ and of ∂m, summed over samples, into the scratch.
    fn add_up<T: Real>(&self, pass: &mut BasePass<'_, Cuda<T, G>>, alpha: Address, weight: f64) {
        let (device, modes, (v, root)) = (pass.device, self.modes.volume(), self.shift(pass.theta));
        let Scratch { w, of_modes, .. } = pass.scratch.get::<Scratch<T, G>>();
        device.resize(of_modes, modes + 1);
        let precisions = pass.prepared.get::<Spectrum<T, G>>().precisions();
        let arguments = arguments![w.at(), alpha, precisions, v, root, weight, of_modes.at(), modes, w.samples()];
        device.launch(&self.kernels, "field_terms", Spread::blocks(modes), arguments);
    }
}

impl<T: Real, G: Gpu> Base<Cuda<T, G>> for FieldBase<G> {
    fn dof(&self) -> usize {
        self.modes.volume()
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Prepared) {
        assert_eq!(theta.len(), self.layout.size(), "parameters given, and parameters of the base");
        let (modes, spectrum) = (self.modes.volume(), prepared.get_mut::<Spectrum<T, G>>());
        device.reshape(&mut spectrum.factors, 2, modes);
        device.resize(&mut spectrum.norm, 1);
        let (amplitudes, precisions) = (spectrum.amplitudes(), spectrum.precisions());
        let (of_mode, norm, constant) = (self.orbits.of_mode.at(), spectrum.norm.at(), normal_constant(modes));
        let arguments = arguments![theta.at(), of_mode, amplitudes, precisions, norm, constant, modes];
        device.launch(&self.kernels, "field_prepare", Spread::one_block(), arguments);
    }

    fn sample(&self, pass: &mut BasePass<'_, Cuda<T, G>>, stream: SampleStream, first: u64, z: &mut Batch<T, G>) {
        self.check_rows(z);
        let (device, samples, (v, root)) = (pass.device, z.samples(), self.shift(pass.theta));
        let Scratch { w, spare, signs, .. } = pass.scratch.get::<Scratch<T, G>>();
        device.reshape(w, z.rows(), samples);
        device.reshape(signs, 1, samples);
        let both = self.signs == Signs::Both;
        let scale = pass.prepared.get::<Spectrum<T, G>>().amplitudes();
        let signs = if both { signs.at() } else { Address::default() };
        self.random.normals(device, stream, first, w, Moved { scale, mean: Address::default(), signs });
        if both {
            let arguments = arguments![w.at(), signs, v, root, samples];
            device.launch(&self.kernels, "field_shift", Spread::elements(samples), arguments);
        }
        self.modes.transform(device, Way::ToSites, w, z, spare);
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Cuda<T, G>>,
        z: &Batch<T, G>,
        log_density: &mut Sums<G>,
        score: Option<&mut Batch<T, G>>,
    ) {
        self.check_rows(z);
        let (device, modes, samples) = (pass.device, z.rows(), z.samples());
        let (spectrum, (v, root)) = (pass.prepared.get::<Spectrum<T, G>>(), self.shift(pass.theta));
        let Scratch { w, spare, .. } = pass.scratch.get::<Scratch<T, G>>();
        self.modes.transform(device, Way::ToModes, z, w, spare);
        device.resize(log_density, samples);
        let (precisions, norm, sums) = (spectrum.precisions(), spectrum.norm.at(), log_density.at());
        let arguments = arguments![w.at(), precisions, norm, v, root, sums, modes, samples];
        device.launch(&self.kernels, "field_density", Spread::rows(samples), arguments);
        if let Some(score) = score {
            self.modes.transform(device, Way::ToSites, w, score, spare);
        }
    }

    fn pull_back(
        &self,
        pass: &mut BasePass<'_, Cuda<T, G>>,
        z: &Batch<T, G>,
        cotangent: Option<&Batch<T, G>>,
        weight: f64,
        GradSink { into, accum }: GradSink<'_, Cuda<T, G>>,
    ) {
        self.check_rows(z);
        let device = pass.device;
        let Scratch { w, alpha, spare, .. } = pass.scratch.get::<Scratch<T, G>>();
        self.modes.transform(device, Way::ToModes, z, w, spare);
        let of_cotangent = cotangent.map_or_else(Address::default, |cotangent| {
            self.modes.transform(device, Way::ToModes, cotangent, alpha, spare);
            alpha.at()
        });
        self.add_up(pass, of_cotangent, weight);
        let Scratch { of_modes, .. } = pass.scratch.get::<Scratch<T, G>>();
        let OrbitTables { count, first, members, .. } = &self.orbits;
        let (constant, root) = (weight * z.samples() as f64, self.shift(pass.theta).1);
        let (of_modes, shifts) = (of_modes.at(), usize::from(self.signs == Signs::Both));
        let (first, members, grad, add, count) = (first.at(), members.at(), into.at(), add(accum), *count);
        let arguments =
            arguments![of_modes, first, members, constant, root, shifts, grad, add, count, self.modes.volume()];
        device.launch(&self.kernels, "field_gradient", Spread::elements(count + shifts), arguments);
    }
}
