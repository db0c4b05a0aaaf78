//! A CUDA card, through the driver, NVRTC and cuBLAS, which are loaded when [`Driver::new`] asks for them.
//!
//! All work goes to one stream. Any thread may ask for it; kernels start in the order in which they are asked for. A failure of the card shows in
//! whatever is asked for next, in the driver's words.

mod cache;
mod context;
mod images;
pub mod libraries;
mod memory;
mod module;
pub mod nvrtc;
mod products;

pub use images::compile_to;
pub use module::Module;

use crate::gpu::{Address, Facts, Gpu, Launch, Product, Source};
use context::Context;
use images::Images;
use memory::Memory;
use products::Blas;
use std::sync::Arc;
use upg_core::DeviceError;

/// A CUDA card. Dropped, it gives back what it has; modules may live longer than it.
#[derive(Debug)]
pub struct Driver {
    facts: Facts,
    images: Images,
    memory: Memory,
    blas: Blas,
    context: Arc<Context>,
}

impl Driver {
    /// The card of that number.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] that says in one line which library is missing and where it was looked for, which cards there are, or
    /// in the driver's words why it doesn't start.
    pub fn new(index: usize) -> Result<Self, DeviceError> {
        let context = Arc::new(Context::new(index)?);
        let memory = Memory::new(&context)?;
        let blas = Blas::new(context.clone(), memory)?;
        let missing = |missing: libraries::Missing| context.unavailable(missing.to_string());
        let mut facts = context.facts(String::new())?;
        let images = Images::new(facts.capability).map_err(missing)?;
        facts.versions = format!("driver {}, {}, cuBLAS {}", context::version(), images.words(), blas.version());
        Ok(Self { facts, images, memory, blas, context })
    }
}

impl Gpu for Driver {
    type Module = Module;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.memory.allocate(&self.context, bytes)
    }

    fn free(&self, address: Address) {
        self.memory.free(&self.context, address);
    }

    fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError> {
        self.memory.write(&self.context, from, to)
    }

    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        memory::read(&self.context, from, to)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        memory::copy(&self.context, from, to, bytes)
    }

    fn compile(&self, source: &Source) -> Result<Module, DeviceError> {
        let image = self.images.of(source).map_err(|error| self.context.unavailable(error.to_string()))?;
        Module::new(self.context.clone(), source.name, &image)
    }

    fn launch(&self, module: &Module, launch: &Launch<'_>) -> Result<(), DeviceError> {
        module.launch(launch)
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        self.blas.product(product)
    }
}
