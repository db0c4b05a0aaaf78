//! A GPU whose fresh memory is full of NaN: what isn't written before it is read shows in the results.

use crate::gpu::{Address, Facts, Gpu, Launch, Links, Product, Source};
use upg_core::DeviceError;

/// The GPU `G`, every allocation filled with NaN.
#[derive(Debug)]
pub struct Poisoned<G>(G);

impl<G: Gpu> Poisoned<G> {
    /// `gpu`, poisoned from now on.
    pub fn new(gpu: G) -> Self {
        Self(gpu)
    }
}

/// Bytes that are written at a time; all ones are a NaN in each precision.
static POISON: [u8; 1 << 16] = [0xff; 1 << 16];

impl<G: Gpu> Gpu for Poisoned<G> {
    type Module = G::Module;

    fn facts(&self) -> &Facts {
        self.0.facts()
    }

    fn remarks(&self) -> String {
        self.0.remarks()
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        let at = self.0.allocate(bytes)?;
        let pieces = (0..bytes).step_by(POISON.len());
        let poison = |first: usize| self.0.write(&POISON[..POISON.len().min(bytes - first)], at.offset(first));
        match pieces.map(poison).find(Result::is_err) {
            Some(Err(error)) => {
                self.0.free(at);
                Err(error)
            }
            _ => Ok(at),
        }
    }

    fn free(&self, address: Address) {
        self.0.free(address);
    }

    fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError> {
        self.0.write(from, to)
    }

    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        self.0.read(from, to)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        self.0.copy(from, to, bytes)
    }

    fn compile(&self, source: &Source) -> Result<G::Module, DeviceError> {
        self.0.compile(source)
    }

    fn launch(&self, module: &G::Module, launch: &Launch<'_>) -> Result<(), DeviceError> {
        self.0.launch(module, launch)
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        self.0.product(product)
    }

    fn links(&self) -> Option<&dyn Links> {
        self.0.links()
    }
}
