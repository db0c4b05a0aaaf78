//! A CUDA device as upg computes on it: memory, vectors, execution, and how layers launch their kernels.
//!
//! Work is done in one stream, in the order in which it is asked for. The first failure is kept ([`Memory::status`]); from then on nothing is asked
//! of the GPU any more.

mod joined;

use crate::gpu::{Address, Argument, Gpu, Launch, Matrix, Numbers, Product, Products, Source};
use crate::kernels::{self, Text};
use crate::launch::{Spread, THREADS, arguments};
use crate::memory::{Batch, Buffer, Params, ParamsMut, Store, Sums, bytes_of, bytes_of_mut};
use crate::product::{self, Precision};
use joined::Way;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use upg_core::device::{Average, Connect, Rule, Update};
use upg_core::{Cpu, DeviceError, Execution, Memory, Real, Vectors};

/// A GPU in precision `T`. A clone is the same device.
pub struct Cuda<T, G: Gpu> {
    inner: Arc<Inner<G>>,
    precision: Precision,
    fewest_tiles: usize,
    host: Cpu<T>,
}

impl<T, G: Gpu> Clone for Cuda<T, G> {
    fn clone(&self) -> Self {
        let Self { inner, precision, fewest_tiles, host } = self;
        Self { inner: inner.clone(), precision: *precision, fewest_tiles: *fewest_tiles, host: host.clone() }
    }
}

struct Inner<G: Gpu> {
    gpu: Arc<G>,
    failed: AtomicBool,
    failure: OnceLock<DeviceError>,
    vectors: Arc<Kernels<G>>,
    modules: Mutex<HashMap<Source, Arc<Kernels<G>>>>,
    /// Products of our own, if they are asked for.
    own_products: OnceLock<Arc<Kernels<G>>>,
    /// Parts of a sum over a buffer, and the sum.
    parts: Mutex<Store<G>>,
    /// Samples as the host has them, on their way to it or from it.
    on_the_way: Mutex<Store<G>>,
}

/// Compiled kernels.
pub(crate) struct Kernels<G: Gpu>(G::Module);

/// Blocks of a sum, at most, and the terms that are worth one.
const MOST_PARTS: usize = 1024;
const TERMS: usize = 4096;
/// Rows and columns of a tile of a transposition.
const TILE: usize = 32;
/// Elements of a batch or a buffer, less than: kernels count in 32 bits.
const MOST_ELEMENTS: usize = i32::MAX as usize;

impl<T: Real, G: Gpu> Cuda<T, G> {
    /// The device, its own kernels compiled.
    ///
    /// # Errors
    /// If they can't be.
    pub fn new(gpu: G) -> Result<Self, DeviceError> {
        let gpu = Arc::new(gpu);
        let vectors = Arc::new(Kernels(gpu.compile(&kernels::VECTORS.source::<T>(vec![]))?));
        let mut parts = Store::default();
        parts.grow_to(&gpu, (MOST_PARTS + 1) * size_of::<f64>())?;
        let inner = Inner {
            gpu,
            failed: AtomicBool::new(false),
            failure: OnceLock::new(),
            vectors,
            modules: Mutex::default(),
            own_products: OnceLock::new(),
            parts: Mutex::new(parts),
            on_the_way: Mutex::default(),
        };
        let (precision, fewest_tiles) = (Precision::Full, product::FEWEST_TILES);
        Ok(Self { inner: Arc::new(inner), precision, fewest_tiles, host: Cpu::here() })
    }

    /// With products of matrices in this precision.
    ///
    /// # Errors
    /// If their kernels can't be compiled.
    pub fn with_precision(self, precision: Precision) -> Result<Self, DeviceError> {
        if precision == Precision::Split && size_of::<T>() == size_of::<f32>() {
            let compiled = self.kernels(kernels::PRODUCT, vec![])?;
            self.inner.own_products.get_or_init(|| compiled);
        }
        Ok(Self { precision, ..self })
    }

    /// With products of our own, which [`Precision::Split`] asks for, where a product has at least so many tiles of 128 × 64 numbers; 96 by default,
    /// as fewer leave most of a card idle.
    pub fn with_fewest_tiles(self, fewest_tiles: usize) -> Self {
        Self { fewest_tiles, ..self }
    }

    /// With the threads of `host` for what isn't computed on the device.
    pub fn with_host(self, host: Cpu<T>) -> Self {
        Self { host, ..self }
    }

    /// The processor beside the device.
    pub fn host(&self) -> &Cpu<T> {
        &self.host
    }

    /// How products of matrices are computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The GPU.
    pub fn gpu(&self) -> &Arc<G> {
        &self.inner.gpu
    }

    /// A number in this precision.
    pub(crate) fn real(&self, number: f64) -> Argument {
        if size_of::<T>() == size_of::<f64>() { Argument::Double(number) } else { Argument::Single(number as f32) }
    }

    /// The kernels of a text, compiled once for a device.
    ///
    /// # Errors
    /// If they can't be compiled.
    pub(crate) fn kernels(
        &self,
        text: Text,
        defines: Vec<(&'static str, String)>,
    ) -> Result<Arc<Kernels<G>>, DeviceError> {
        self.compiled(text.source::<T>(defines))
    }

    /// The kernels of what is in precision `T` already, compiled once for a device.
    ///
    /// # Errors
    /// If they can't be compiled, or the device has failed before.
    pub(crate) fn compiled(&self, source: Source) -> Result<Arc<Kernels<G>>, DeviceError> {
        self.status()?;
        let mut modules = lock(&self.inner.modules);
        if let Some(found) = modules.get(&source) {
            return Ok(found.clone());
        }
        let compiled = self.gpu().compile(&source).inspect_err(|error| self.fail(error.clone()))?;
        let compiled = Arc::new(Kernels(compiled));
        modules.insert(source, compiled.clone());
        Ok(compiled)
    }

    /// Runs a kernel, unless it has nothing to do.
    #[track_caller]
    pub(crate) fn launch(&self, kernels: &Kernels<G>, kernel: &'static str, spread: Spread, arguments: &[Argument]) {
        let Spread { grid, block, shared } = spread;
        if !grid.contains(&0) {
            self.ask(|gpu| gpu.launch(&kernels.0, &Launch { kernel, grid, block, shared, arguments }));
        }
    }

    /// C ← α op(A) op(B) + β C, `shape` being the rows of C, its columns, and the terms of a sum; nothing where there are no elements of C.
    pub(crate) fn product(&self, shape: [usize; 3], alpha: f64, [a, b]: [Matrix; 2], beta: f64, c: (Address, usize)) {
        if shape.contains(&0) {
            return;
        }
        let [rows, columns, _] = shape;
        if let Some(own) = self.own_products([rows, columns]) {
            let call = product::call(shape, alpha, [a, b], beta, c);
            return self.launch(own, call.kernel, call.spread, &call.arguments);
        }
        let double = size_of::<T>() == size_of::<f64>();
        let numbers = if double { Numbers::Double } else { Numbers::Single };
        let products = if self.precision == Precision::Tf32 { Products::Tf32 } else { Products::Full };
        let product = Product { numbers, products, shape, alpha, a, b, beta, c: c.0, c_stride: c.1 };
        self.ask(|gpu| gpu.product(&product));
    }

    /// Kernels of our own for a product that is worth them, of so many rows and columns.
    fn own_products(&self, shape: [usize; 2]) -> Option<&Kernels<G>> {
        let wanted = self.precision == Precision::Split && product::tiles(shape) >= self.fewest_tiles;
        self.inner.own_products.get().filter(|_| wanted).map(Arc::as_ref)
    }

    /// Whether there are products of our own for any product.
    pub(crate) fn may_have_own_products(&self) -> bool {
        self.precision == Precision::Split && self.inner.own_products.get().is_some()
    }

    /// Whether a product of so many rows and columns is one of our own.
    pub(crate) fn has_own_products(&self, shape: [usize; 2]) -> bool {
        self.own_products(shape).is_some()
    }

    /// Asks the GPU for something, unless it has failed before.
    pub(crate) fn ask<R: Default>(&self, work: impl FnOnce(&G) -> Result<R, DeviceError>) -> R {
        if self.inner.failed.load(Ordering::Acquire) {
            return R::default();
        }
        work(self.gpu()).unwrap_or_else(|error| {
            self.fail(error);
            R::default()
        })
    }

    /// Keeps a failure, if it is the first: nothing is asked of the GPU any more.
    pub fn fail(&self, error: DeviceError) {
        self.inner.failure.get_or_init(|| error);
        self.inner.failed.store(true, Ordering::Release);
    }

    /// Memory that grows, unless the GPU refuses.
    pub(crate) fn grow(&self, store: &mut Store<G>, bytes: usize) {
        if bytes > store.bytes() {
            self.ask(|_| store.grow_to(self.gpu(), bytes));
        }
    }

    /// Memory of so many elements, which kernels can count.
    fn grow_elements(&self, store: &mut Store<G>, count: usize) {
        self.ask(|gpu| match count < MOST_ELEMENTS {
            true => Ok(()),
            false => Err(DeviceError::OutOfMemory {
                bytes: count.saturating_mul(size_of::<T>()),
                device: gpu.facts().device.clone(),
            }),
        });
        self.grow(store, count * size_of::<T>());
    }

    /// A kernel of vectors.rs.
    pub(crate) fn vector(&self, kernel: &'static str, count: usize, arguments: &[Argument]) {
        self.launch(&self.inner.vectors, kernel, Spread::elements(count), arguments);
    }

    /// The transpose of an array of that shape, to where there is room for it.
    fn transpose(&self, from: Address, to: Address, shape: [usize; 2]) {
        let [rows, columns] = shape;
        let block = [TILE as u32, THREADS / TILE as u32];
        let spread = Spread { block, ..Spread::blocks(rows.div_ceil(TILE) * columns.div_ceil(TILE)) };
        self.launch(&self.inner.vectors, "transpose", spread, arguments![from, to, rows, columns]);
    }

    /// Leaves ⟨x, y⟩ on the device; returns where.
    fn dot_on_device(&self, parts: &Store<G>, x: Address, y: Address, len: usize) -> Address {
        let (blocks, result) = (len.div_ceil(TERMS).clamp(1, MOST_PARTS), parts.at().offset(MOST_PARTS * 8));
        let spread = |blocks| Spread { grid: [blocks, 1, 1], block: [THREADS, 1], shared: 0 };
        let vectors = &self.inner.vectors;
        self.launch(vectors, "dot_parts", spread(blocks as u32), arguments![x, y, parts.at(), len]);
        self.launch(vectors, "sum_parts", spread(1), arguments![parts.at(), result, blocks]);
        result
    }

    /// A double of the device; NaN if it has failed.
    fn read_double(&self, at: Address) -> f64 {
        let mut bytes = f64::NAN.to_ne_bytes();
        self.ask(|gpu| gpu.read(at, &mut bytes));
        f64::from_ne_bytes(bytes)
    }
}

/// The value, also where another thread panicked with it.
fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Real, G: Gpu> Memory for Cuda<T, G> {
    type Real = T;
    type Batch = Batch<T, G>;
    type PerSample = Sums<G>;
    type Buffer = Buffer<T, G>;
    type Params<'a> = Params<'a, T>;
    type ParamsMut<'a> = ParamsMut<'a, T>;

    fn zeros(&self, len: usize) -> Buffer<T, G> {
        let mut store = Store::default();
        self.grow_elements(&mut store, len);
        let buffer = Buffer::new(store, len);
        self.vector("fill", len, arguments![buffer.at(), self.real(0.0), len]);
        buffer
    }

    fn write_buffer(&self, values: &[T], buffer: &mut Buffer<T, G>) {
        assert_eq!(values.len(), buffer.len, "values, and elements of the buffer");
        self.write(bytes_of(values), buffer.at());
    }

    fn read_buffer(&self, buffer: &Buffer<T, G>, out: &mut [T]) {
        assert_eq!(out.len(), buffer.len, "places, and elements of the buffer");
        self.read_into(buffer.at(), bytes_of_mut(out));
    }

    fn copy_buffer(&self, from: &Buffer<T, G>, to: &mut Buffer<T, G>) {
        assert_eq!(from.len, to.len, "elements of the buffers");
        self.copy_bytes(from.at(), to.at(), from.len * size_of::<T>());
    }

    fn buffer_len(&self, buffer: &Buffer<T, G>) -> usize {
        buffer.len
    }

    fn params<'a>(&self, buffer: &'a Buffer<T, G>) -> Params<'a, T> {
        Params::new(buffer.at(), buffer.len)
    }

    fn params_mut<'a>(&self, buffer: &'a mut Buffer<T, G>) -> ParamsMut<'a, T> {
        ParamsMut::new(buffer.at(), buffer.len)
    }

    fn slice<'short, 'long: 'short>(params: Params<'long, T>, range: Range<usize>) -> Params<'short, T> {
        Params::new(params.part(range.clone()), range.len())
    }

    fn slice_mut<'a>(params: &'a mut ParamsMut<'_, T>, range: Range<usize>) -> ParamsMut<'a, T> {
        ParamsMut::new(params.part(range.clone()), range.len())
    }

    fn upload(&self, samples: ArrayView2<'_, T>, batch: &mut Batch<T, G>) {
        self.reshape(batch, samples.ncols(), samples.nrows());
        if let Some(rows) = samples.t().as_slice() {
            return self.write(bytes_of(rows), batch.at());
        }
        let samples = samples.as_standard_layout();
        let mut on_the_way = lock(&self.inner.on_the_way);
        self.grow(&mut on_the_way, batch.bytes());
        self.write(bytes_of(samples.as_slice().expect("standard layout")), on_the_way.at());
        self.transpose(on_the_way.at(), batch.at(), [batch.samples(), batch.rows()]);
    }

    fn download(&self, batch: &Batch<T, G>, mut samples: ArrayViewMut2<'_, T>) {
        assert_eq!(samples.dim(), (batch.samples(), batch.rows()), "shape of the samples, and of the batch");
        if let Some(rows) = samples.view_mut().reversed_axes().as_slice_mut() {
            return self.read_into(batch.at(), bytes_of_mut(rows));
        }
        let mut on_the_way = lock(&self.inner.on_the_way);
        self.grow(&mut on_the_way, batch.bytes());
        self.transpose(batch.at(), on_the_way.at(), [batch.rows(), batch.samples()]);
        if let Some(whole) = samples.as_slice_mut() {
            return self.read_into(on_the_way.at(), bytes_of_mut(whole));
        }
        let mut whole = Array2::zeros(samples.dim());
        self.read_into(on_the_way.at(), bytes_of_mut(whole.as_slice_mut().expect("standard layout")));
        samples.assign(&whole);
    }

    fn reshape(&self, batch: &mut Batch<T, G>, rows: usize, samples: usize) {
        self.grow_elements(&mut batch.store, rows * samples);
        batch.set_shape(rows, samples);
    }

    fn copy(&self, from: &Batch<T, G>, to: &mut Batch<T, G>) {
        self.reshape(to, from.rows(), from.samples());
        self.copy_bytes(from.at(), to.at(), from.bytes());
    }

    fn clear(&self, sums: &mut Sums<G>, samples: usize) {
        self.resize(sums, samples);
        self.fill_sums(sums, 0.0);
    }

    fn append(&self, from: &Sums<G>, to: &mut Sums<G>) {
        let bytes = |len: usize| len * size_of::<f64>();
        let len = to.len + from.len;
        if bytes(len) > to.store.bytes() {
            let mut larger = Store::default();
            self.grow(&mut larger, bytes(len.next_power_of_two()));
            self.copy_bytes(to.at(), larger.at(), bytes(to.len));
            to.store = larger;
        }
        self.copy_bytes(from.at(), to.at().offset(bytes(to.len)), bytes(from.len));
        to.len = len;
    }

    fn read(&self, sums: &Sums<G>, out: &mut [f64]) {
        assert_eq!(out.len(), sums.len, "places, and sums");
        self.read_into(sums.at(), bytes_of_mut(out));
    }

    fn status(&self) -> Result<(), DeviceError> {
        self.inner.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }
}

impl<T: Real, G: Gpu> Cuda<T, G> {
    /// Room for so many sums; their values are unspecified.
    pub(crate) fn resize(&self, sums: &mut Sums<G>, samples: usize) {
        self.grow(&mut sums.store, samples * size_of::<f64>());
        sums.len = samples;
    }

    pub(crate) fn write(&self, bytes: &[u8], to: Address) {
        if !bytes.is_empty() {
            self.ask(|gpu| gpu.write(bytes, to));
        }
    }

    fn read_into(&self, from: Address, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            self.ask(|gpu| gpu.read(from, bytes));
        }
    }

    pub(crate) fn copy_bytes(&self, from: Address, to: Address, bytes: usize) {
        if bytes > 0 {
            self.ask(|gpu| gpu.copy(from, to, bytes));
        }
    }

    /// Gives the sums, one a sample, a value.
    pub(crate) fn fill_sums(&self, sums: &Sums<G>, value: f64) {
        self.vector("fill_sums", sums.len, arguments![sums.at(), value, sums.len]);
    }

    /// Gives every element of a batch a value.
    pub(crate) fn fill(&self, batch: &Batch<T, G>, value: f64) {
        self.vector("fill", batch.len(), arguments![batch.at(), self.real(value), batch.len()]);
    }

    /// Small tables for kernels, e.g. the rows that a mask keeps.
    pub(crate) fn table(&self, values: &[i32]) -> Table<G> {
        let mut store = Store::default();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        self.grow(&mut store, bytes.len());
        self.write(&bytes, store.at());
        Table(store)
    }

    /// Indices, as [`table`](Self::table) has them.
    pub(crate) fn indices(&self, values: &[usize]) -> Table<G> {
        self.table(&values.iter().map(|&value| i32::try_from(value).expect("sizes are below 2^31")).collect::<Vec<_>>())
    }

    /// Numbers of a layer that depend on neither θ nor the batch.
    pub(crate) fn numbers(&self, values: &[f64]) -> Table<G> {
        let mut store = Store::default();
        let values: Vec<T> = values.iter().map(|&value| T::of(value)).collect();
        self.grow(&mut store, size_of_val(&*values));
        self.write(bytes_of(&values), store.at());
        Table(store)
    }
}

/// Numbers that kernels read, uploaded once.
pub(crate) struct Table<G: Gpu>(Store<G>);

impl<G: Gpu> Table<G> {
    /// The first one.
    pub fn at(&self) -> Address {
        self.0.at()
    }
}

impl<T: Real, G: Gpu> Vectors for Cuda<T, G> {
    fn axpby(&self, alpha: f64, x: &Batch<T, G>, beta: f64, y: &mut Batch<T, G>) {
        assert_eq!((x.rows(), x.samples()), (y.rows(), y.samples()), "shapes of x and y");
        let arguments = arguments![x.at(), y.at(), self.real(alpha), self.real(beta), x.len()];
        self.vector("axpby", x.len(), arguments);
    }

    fn scale(&self, alpha: f64, y: &mut Batch<T, G>) {
        self.vector("scale", y.len(), arguments![y.at(), self.real(alpha), y.len()]);
    }

    fn negate(&self, sums: &mut Sums<G>) {
        self.vector("negate_sums", sums.len, arguments![sums.at(), sums.len]);
    }

    fn combine(&self, alpha: f64, x: &Buffer<T, G>, beta: f64, y: &mut Buffer<T, G>) {
        assert_eq!(x.len, y.len, "lengths of the buffers");
        self.vector("axpby", x.len, arguments![x.at(), y.at(), self.real(alpha), self.real(beta), x.len]);
    }

    fn dot(&self, x: Params<'_, T>, y: Params<'_, T>) -> f64 {
        assert_eq!(x.len(), y.len(), "lengths of the views");
        let parts = lock(&self.inner.parts);
        let result = self.dot_on_device(&parts, x.at(), y.at(), x.len());
        self.read_double(result)
    }

    fn optimise(&self, rule: Rule, update: Update<'_, Self>) -> f64 {
        let Update { theta, grad, clip, moments, average } = update;
        let len = theta.len;
        assert_eq!(grad.len, len, "elements of the gradient, and parameters");
        assert_eq!(moments.len(), rule.moments(), "moments given, and moments of the rule");
        assert!(moments.iter().all(|moment| moment.len == len), "a moment isn't as long as the parameters");
        let parts = lock(&self.inner.parts);
        let square = self.dot_on_device(&parts, grad.at(), grad.at(), len);
        let (followed, share) = followed(average, len);
        let clip = clip.unwrap_or(f64::INFINITY);
        let moment = |k: usize| moments.get(k).map_or_else(Address::default, Buffer::at);
        let real = |x: f64| self.real(x);
        let (theta, grad) = (theta.at(), grad.at());
        match rule {
            Rule::Adam { beta, epsilon, rate, decay, step } => {
                let beta = beta.map(|beta| T::of(beta).wide());
                let [first, second] = beta.map(|beta| 1.0 - beta.powf(step as f64));
                let root = second.sqrt();
                let (step, epsilon) = (real(rate * root / first), real(epsilon * root));
                let [beta1, beta2] = beta.map(real);
                let (m, v, decay, share) = (moment(0), moment(1), real(decay), real(share));
                let arguments = arguments![
                    theta, grad, m, v, followed, square, clip, beta1, beta2, step, epsilon, decay, share, len
                ];
                self.vector("adam", len, arguments);
            }
            Rule::Momentum { momentum, rate } => {
                let (kept, rate, share) = (real(momentum), real(rate), real(share));
                let arguments = arguments![theta, grad, moment(0), followed, square, clip, kept, rate, share, len];
                self.vector("momentum", len, arguments);
            }
            Rule::Descent { rate } => {
                let arguments = arguments![theta, grad, followed, square, clip, real(rate), real(share), len];
                self.vector("descent", len, arguments);
            }
        }
        self.read_double(square).sqrt()
    }

    fn connect(&self) -> Option<Box<dyn Connect<Self> + '_>> {
        Some(Box::new(Way::of(self)?))
    }
}

/// Where the moving average lies, if there is one, and how much of the way it goes in a step.
fn followed<T: Real, G: Gpu>(average: Option<Average<'_, Cuda<T, G>>>, len: usize) -> (Address, f64) {
    let Some(Average { theta, decay }) = average else { return (Address::default(), 0.0) };
    assert_eq!(theta.len, len, "averaged parameters, and parameters");
    (theta.at(), 1.0 - decay)
}

impl<T: Real, G: Gpu> Execution for Cuda<T, G> {
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        work()
    }

    /// One after the other: there is one stream.
    fn for_each<I: Send>(&self, items: &mut [I], work: impl Fn(&mut I) + Sync + Send) {
        items.iter_mut().for_each(work);
    }
}
