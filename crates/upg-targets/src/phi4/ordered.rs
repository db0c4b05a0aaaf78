//! Where chains of φ⁴ theory start.

use upg_core::{Base, BasePass, Batch, Cpu, Real, SampleStream, StandardNormal};

/// N(c, 1) at every site: the constant field c and noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ordered {
    pub sites: usize,
    /// c.
    pub field: f64,
}

impl<T: Real> Base<Cpu<T>> for Ordered {
    fn dof(&self) -> usize {
        self.sites
    }

    fn sample(&self, pass: &mut BasePass<'_, Cpu<T>>, stream: SampleStream, first: u64, z: &mut Batch<T>) {
        StandardNormal::new(self.sites).sample(pass, stream, first, z);
        z.as_mut_slice().iter_mut().for_each(|z| *z += T::of(self.field));
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Cpu<T>>,
        z: &Batch<T>,
        log_density: &mut Vec<f64>,
        score: Option<&mut Batch<T>>,
    ) {
        let mut noise = z.clone();
        noise.as_mut_slice().iter_mut().for_each(|z| *z -= T::of(self.field));
        StandardNormal::new(self.sites).log_density_and_score(pass, &noise, log_density, score);
    }
}
