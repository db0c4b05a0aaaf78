//! How kernels are run.

/// In which order the threads of a block run between two barriers, and the blocks of a grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The first one first.
    #[default]
    Forward,
    /// The last one first.
    Reverse,
}

/// How closely kernels are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// At barriers, and around memory.
    Usual,
    /// At every access to memory and every multiply-add.
    Counting,
}
