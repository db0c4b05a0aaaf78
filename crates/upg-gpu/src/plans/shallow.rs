//! How the kernels of the shallow field go about a net.

use super::tiling::Tiling;

/// How the kernels go about the net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShallowPlan {
    /// Hidden units.
    pub width: usize,
    /// How samples are spread.
    pub tiling: Tiling,
}

/// Threads that are worth while for the coordinates or hidden units of a sample.
const THREADS: usize = 64;

impl ShallowPlan {
    /// For samples of `dof` numbers of so many bytes each.
    pub fn new(dof: usize, width: usize, number: usize) -> Self {
        let tiling = Tiling::new(dof).of_threads(dof.max(width).min(THREADS));
        let numbers = tiling.samples * (2 * dof + 4 * width);
        Self { width, tiling: Tiling { shared: tiling.block() * size_of::<f64>() + numbers * number, ..tiling } }
    }

    /// What specialises the kernels.
    pub fn defines(self) -> Vec<(&'static str, String)> {
        let mut defines = self.tiling.defines();
        defines.push(("DOF", self.tiling.dof.to_string()));
        defines.push(("WIDTH", self.width.to_string()));
        defines
    }
}
