//! The card that is looked at, and what lies beside the program.

use std::path::PathBuf;
use upg_core::DeviceError;
use upg_gpu::driver::Graphs;
use upg_gpu::gpu::Gpu;

/// The card that is looked at: how to open it, and what lies beside the program.
pub struct Card<G> {
    open: Box<dyn Fn(Graphs) -> Result<G, DeviceError>>,
    /// Whether it is the emulator: all is small then.
    pub emulated: bool,
    /// Folders of golden cases.
    pub golden: Vec<PathBuf>,
    /// The folder of the results.
    pub out: PathBuf,
}

impl<G: Gpu> Card<G> {
    /// A card that `open` opens, with or without CUDA graphs.
    pub fn new(
        open: impl Fn(Graphs) -> Result<G, DeviceError> + 'static,
        emulated: bool,
        golden: Vec<PathBuf>,
        out: PathBuf,
    ) -> Self {
        Self { open: Box::new(open), emulated, golden, out }
    }

    /// The card, opened.
    ///
    /// # Errors
    /// The device's.
    pub fn open(&self) -> Result<G, DeviceError> {
        (self.open)(Graphs::Repeated)
    }

    /// The card, opened, with all work issued launch by launch.
    ///
    /// # Errors
    /// The device's.
    pub fn open_without_graphs(&self) -> Result<G, DeviceError> {
        (self.open)(Graphs::Never)
    }
}
