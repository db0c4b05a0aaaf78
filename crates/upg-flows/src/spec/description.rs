//! What is asked of the description of a layer.

use crate::error::FlowError;
use upg_core::{Domain, ParamLayout};

/// The description of one kind of layer.
pub(crate) trait Description {
    /// Where the samples live that the layer acts on; none, if they may live anywhere.
    fn domain(&self) -> Option<Domain>;

    /// Every field that makes no layer, whatever the shape of the samples.
    fn field_errors(&self) -> Vec<FlowError>;

    /// Refuses what makes no layer on samples of this shape, of at least one degree of freedom; `field_errors` has found none.
    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError>;

    /// What the layer needs for samples of this shape, whether it is accepted or not. Counts saturate.
    fn needs(&self, shape: &[usize]) -> Needs;

    /// F: multiply-adds of one forward pass of one sample, by the weights of its net or the entries of its linear map. Counts saturate.
    fn multiply_adds(&self, shape: &[usize]) -> u64;

    /// What the layer works with.
    fn work(&self) -> Work;

    /// Whether it acts on the links of a lattice, samples of shape `[2, L_0, L_1]`.
    fn on_links(&self) -> bool {
        false
    }

    /// Widths of the hidden layers of its net, if it has one.
    fn hidden(&self) -> Option<&[usize]>;

    /// The parameters on samples of this shape; both checks have passed.
    fn params(&self, shape: &[usize]) -> ParamLayout;
}

/// What one layer needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Parameters.
    pub parameters: u64,
    /// Entries of tables of indices.
    pub indices: u64,
    /// Numbers on the tape of one sample.
    pub kept: u64,
}

/// What decides how a batch is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Single numbers.
    Numbers,
    /// Matrix products, the widest hidden layer of this width.
    Products(usize),
    /// Products with square matrices, as wide as the sample.
    Squares,
    /// Tiles of samples that go through the whole layer.
    Tiles,
}
