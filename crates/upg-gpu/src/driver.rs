//! A CUDA card, through the driver, NVRTC and cuBLAS, which are loaded when [`Driver::new`] asks for them.
//!
//! All work goes to one stream. Any thread may ask for it; kernels start in the order in which they are asked for, at the latest when something is
//! read. Work that repeats is replayed as a CUDA graph ([`Graphs`]). A failure of the card shows in whatever is asked for next, in the driver's words.

mod cache;
mod context;
mod graph;
mod graphs;
mod images;
pub mod libraries;
mod memory;
mod module;
mod nccl;
pub mod nvrtc;
mod products;
mod queue;
mod stream;

pub use graphs::{Graphs, Replays};
pub use images::compile_to;
pub use module::Module;

use crate::gpu::{Address, Facts, Gpu, Launch, Links, Product, Source};
use crate::links::Wanted;
use context::Context;
use images::Images;
use products::Sizes;
use std::sync::Arc;
use stream::Stream;
use upg_core::DeviceError;

/// A CUDA card. Dropped, it gives back what it has; modules may live longer than it.
#[derive(Debug)]
pub struct Driver {
    facts: Facts,
    images: Images,
    stream: Arc<Stream>,
    /// Whether it may be connected with cards of other processes.
    links: Wanted,
    context: Arc<Context>,
}

impl Driver {
    /// The card of that number, with graphs as the variable `UPG_CUDA_GRAPHS` of the environment says, `on`, as where it isn't set, or `off`, and with
    /// NCCL for cards of other processes as `UPG_NCCL` says, `on`, `off`, or `after` for sums that begin when a gradient is done.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] that says in one line which library is missing and where it was looked for, which cards there are, in the
    /// driver's words why it doesn't start, or what a variable may be.
    pub fn new(index: usize) -> Result<Self, DeviceError> {
        let refused = |reason| DeviceError::Unavailable { device: format!("cuda:{index}"), reason };
        Self::with_graphs(index, Graphs::from_environment().map_err(refused)?)
    }

    /// The card of that number, with or without graphs.
    ///
    /// # Errors
    /// As [`new`](Self::new), the variable aside.
    pub fn with_graphs(index: usize, graphs: Graphs) -> Result<Self, DeviceError> {
        let refused = |reason| DeviceError::Unavailable { device: format!("cuda:{index}"), reason };
        let links = Wanted::from_environment().map_err(refused)?;
        let context = Arc::new(Context::new(index)?);
        let stream = Arc::new(Stream::new(&context, graphs)?);
        let mut facts = context.facts(String::new())?;
        let images = Images::new(facts.capability).map_err(|reason| context.unavailable(reason))?;
        facts.versions = format!("driver {}, {}, cuBLAS {}", context::version(), images.words(), stream.products());
        Ok(Self { facts, images, stream, links, context })
    }

    /// What became of graphs so far.
    pub fn replays(&self) -> Replays {
        self.stream.replays()
    }
}

impl Gpu for Driver {
    type Module = Module;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What became of graphs.
    fn remarks(&self) -> String {
        self.replays().to_string()
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.stream.allocate(bytes)
    }

    fn free(&self, address: Address) {
        self.stream.free(address);
    }

    fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError> {
        self.stream.write(from, to)
    }

    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        self.stream.read(from, to)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        self.stream.ask(|queue| queue.copy(from, to, bytes))
    }

    fn compile(&self, source: &Source) -> Result<Module, DeviceError> {
        let image = self.images.of(source).map_err(|error| self.context.unavailable(error.to_string()))?;
        Module::new(self.context.clone(), source.name, &image)
    }

    fn launch(&self, module: &Module, launch: &Launch<'_>) -> Result<(), DeviceError> {
        let function = module.function(launch)?;
        self.stream.ask(|queue| queue.launch(function, launch))
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        Sizes::of(product, &self.context)?;
        self.stream.ask(|queue| queue.product(product))
    }

    fn links(&self) -> Option<&dyn Links> {
        Some(self)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // What fails now concerns nobody any more.
        let _ = self.stream.issue();
    }
}
