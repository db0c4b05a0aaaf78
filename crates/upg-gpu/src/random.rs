//! Random numbers of samples on a device, MATH (16): see [`upg_core::random`]. Kernels: `random.cu`.

use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Sums};
use std::ops::Range;
use std::sync::Arc;
use upg_core::{DeviceError, Memory, Real, SampleStream};

/// What draws them.
pub(crate) struct Random<G: Gpu>(Arc<Kernels<G>>);

/// What becomes of normals: z_i = mean_i + scale_i e_i. An address that is none leaves it out, a mean only together with a scale.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    pub scale: Address,
    pub mean: Address,
    /// For each sample ±1, by the word behind those of its normals.
    pub signs: Address,
}

/// One thread a sample, few a block: each has much to do.
fn samples_alone(samples: usize) -> Spread {
    const THREADS: u32 = 64;
    Spread { grid: [samples.div_ceil(THREADS as usize) as u32, 1, 1], block: [THREADS, 1], shared: 0 }
}

impl<G: Gpu> Random<G> {
    /// The kernels, compiled.
    ///
    /// # Errors
    /// If they can't be.
    pub fn new<T: Real>(device: &Cuda<T, G>) -> Result<Self, DeviceError> {
        Ok(Self(device.kernels(kernels::RANDOM, vec![])?))
    }

    /// Fills `z`, whose shape `[rows, samples]` is already set, with normals of the samples from `first` on, moved.
    pub fn normals<T: Real>(
        &self,
        device: &Cuda<T, G>,
        stream: SampleStream,
        first: u64,
        z: &Batch<T, G>,
        Moved { scale, mean, signs }: Moved,
    ) {
        let arguments = arguments![stream.start(), first, scale, mean, signs, z.at(), z.rows(), z.samples()];
        device.launch(&self.0, "random_normals", Spread::rows(z.samples()), arguments);
    }

    /// Fills `z`, whose shape `[rows, samples]` is already set, with uniform angles of the samples from `first` on.
    pub fn angles<T: Real>(&self, device: &Cuda<T, G>, stream: SampleStream, first: u64, z: &Batch<T, G>) {
        let arguments = arguments![stream.start(), first, z.at(), z.rows(), z.samples()];
        device.launch(&self.0, "random_angles", samples_alone(z.samples()), arguments);
    }
}

impl<T: Real, G: Gpu> Cuda<T, G> {
    /// Words number `words` of the samples from `first` on, shape `[words.len(), samples]`, drawn by the device and read.
    ///
    /// For a check of the device: they must be those of [`SampleStream::fill_words`].
    ///
    /// # Errors
    /// If the kernel can't be compiled, or the device has failed.
    pub fn random_words(
        &self,
        stream: SampleStream,
        first: u64,
        words: Range<usize>,
        samples: usize,
    ) -> Result<Vec<u64>, DeviceError> {
        let (random, count) = (Random::new(self)?, words.len());
        let (mut on_device, mut out) = (Sums::default(), vec![0.0; count * samples]);
        self.resize(&mut on_device, count * samples);
        let arguments = arguments![stream.start(), first, on_device.at(), words.start, count, samples];
        self.launch(&random.0, "random_words", samples_alone(samples), arguments);
        self.read(&on_device, &mut out);
        self.status()?;
        Ok(out.into_iter().map(f64::to_bits).collect())
    }
}
