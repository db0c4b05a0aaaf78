//! Rows of x or of a covector that a mask names: as factors of products where their distance is constant, else by kernels (`rows.cu`).

use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::layers::conditioner::Rows;
use crate::memory::Batch;
use std::sync::Arc;
use upg_core::{DeviceError, Memory, Real};
use upg_flows::Mask;

/// The two parts of a mask on a device.
pub(crate) struct Parts<G: Gpu> {
    pub kept: Places<G>,
    pub transformed: Places<G>,
}

impl<G: Gpu> Parts<G> {
    /// Uploads the rows of both.
    ///
    /// # Errors
    /// If the kernels can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, mask: &Mask) -> Result<Self, DeviceError> {
        let kernels = device.kernels(kernels::MASKED, vec![])?;
        let places = |rows: &[usize]| Places::new(device, rows, kernels.clone());
        Ok(Self { kept: places(mask.kept()), transformed: places(mask.transformed()) })
    }

    /// Number of degrees of freedom, both parts.
    pub fn dof(&self) -> usize {
        self.kept.len + self.transformed.len
    }
}

/// Some rows, ascending.
pub(crate) struct Places<G: Gpu> {
    pub len: usize,
    table: Table<G>,
    /// The first row and the distance of one to the next, where that is constant.
    stripes: Option<(usize, usize)>,
    kernels: Arc<Kernels<G>>,
}

impl<G: Gpu> Places<G> {
    fn new<T: Real>(device: &Cuda<T, G>, rows: &[usize], kernels: Arc<Kernels<G>>) -> Self {
        let list: Vec<i32> = rows.iter().map(|&row| i32::try_from(row).expect("rows are below 2^31")).collect();
        Self { len: rows.len(), table: device.table(&list), stripes: stripes(rows), kernels }
    }

    /// The list of rows.
    pub fn table(&self) -> Address {
        self.table.at()
    }

    /// The rows as they lie in a batch, where their distance is constant.
    pub fn in_place<T: Real>(&self, x: &Batch<T, G>) -> Option<Rows> {
        self.stripes.map(|(first, step)| Rows { at: x.row(first), stride: step * x.samples() })
    }

    /// to ← the rows of x.
    pub fn gather<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, to: &mut Batch<T, G>) {
        device.reshape(to, self.len, x.samples());
        let arguments = arguments![x.at(), self.table(), to.at(), self.len, x.samples()];
        device.launch(&self.kernels, "rows_gather", Spread::elements(to.len()), arguments);
    }

    /// Rows of x += `by` (from + bias), either of which may be nowhere.
    pub fn add<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, [from, bias]: [Address; 2], by: f64) {
        let arguments = arguments![x.at(), self.table(), from, bias, device.real(by), self.len, x.samples()];
        device.launch(&self.kernels, "rows_add", Spread::elements(self.len * x.samples()), arguments);
    }

    /// features ← cosines of the rows of x, then their sines, MATH (24).
    pub fn features<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, features: &mut Batch<T, G>) {
        device.reshape(features, 2 * self.len, x.samples());
        let arguments = arguments![x.at(), self.table(), features.at(), self.len, x.samples()];
        device.launch(&self.kernels, "rows_features", Spread::elements(self.len * x.samples()), arguments);
    }

    /// Rows of `covector` += the cotangents v of the features, pulled back.
    pub fn pull_features<T: Real>(
        &self,
        device: &Cuda<T, G>,
        covector: &Batch<T, G>,
        [features, v]: [&Batch<T, G>; 2],
    ) {
        let (samples, spread) = (covector.samples(), Spread::elements(self.len * covector.samples()));
        let arguments = arguments![covector.at(), self.table(), features.at(), v.at(), self.len, samples];
        device.launch(&self.kernels, "rows_features_pull", spread, arguments);
    }
}

/// The first row and the distance, if it is constant.
fn stripes(rows: &[usize]) -> Option<(usize, usize)> {
    let &first = rows.first()?;
    let step = rows.get(1).map_or(1, |second| second - first);
    rows.windows(2).all(|pair| pair[1] - pair[0] == step).then_some((first, step))
}
