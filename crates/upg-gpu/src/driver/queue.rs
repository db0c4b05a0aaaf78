//! Work in the order in which it is asked for, until it is issued to the card's stream.
//!
//! Its *shape* is all that a CUDA graph of it can't change: kernels, how they are spread, how many arguments they get; products and copies wholly,
//! since the nodes that cuBLAS makes can't be told other addresses. Its *values* are the arguments of kernels, which a graph can change. Two queues
//! of the same shape differ in values alone.

use super::context::Context;
use super::memory;
use super::module::{Function, bits};
use super::products::Blas;
use crate::gpu::{Address, Launch, Numbers, Product, Products, Transposed};
use cudarc::driver::sys::{self, CUDA_KERNEL_NODE_PARAMS, CUstream};
use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use upg_core::DeviceError;

/// Work that isn't issued yet.
#[derive(Debug, Default)]
pub struct Queue {
    items: Vec<Item>,
    shape: Vec<u64>,
    values: Vec<u64>,
}

#[derive(Debug)]
enum Item {
    Run(Run),
    Product(Product),
    Copy { from: Address, to: Address, bytes: usize },
}

/// One run of a kernel; it keeps the kernel's module.
#[derive(Clone, Debug)]
pub struct Run {
    function: Function,
    grid: [u32; 3],
    block: [u32; 2],
    shared: u32,
    /// Its arguments among the values of the queue.
    pub arguments: Range<usize>,
}

impl Queue {
    pub fn launch(&mut self, function: Function, launch: &Launch<'_>) {
        let first = self.values.len();
        self.values.extend(launch.arguments.iter().copied().map(bits));
        let (grid, block, shared) = (launch.grid, launch.block, launch.shared);
        let [x, y, z] = grid.map(u64::from);
        let [columns, rows] = block.map(u64::from);
        let (handle, count) = (function.handle() as u64, launch.arguments.len() as u64);
        self.shape.extend([0, handle, x, y << 32 | z, columns << 32 | rows, u64::from(shared) << 32 | count]);
        self.items.push(Item::Run(Run { function, grid, block, shared, arguments: first..self.values.len() }));
    }

    pub fn product(&mut self, product: &Product) {
        let Product { numbers, products, shape, alpha, a, b, beta, c, c_stride } = *product;
        let kind = [numbers == Numbers::Double, products == Products::Tf32]
            .into_iter()
            .chain([a, b].map(|matrix| matrix.transposed == Transposed::Yes))
            .fold(1, |kind, bit| kind << 1 | u64::from(bit));
        self.shape.extend([1, kind, alpha.to_bits(), a.at.0, b.at.0, beta.to_bits(), c.0]);
        self.shape.extend([a.stride, b.stride, c_stride].iter().chain(&shape).map(|&size| size as u64));
        self.items.push(Item::Product(*product));
    }

    pub fn copy(&mut self, from: Address, to: Address, bytes: usize) {
        self.shape.extend([2, from.0, to.0, bytes as u64]);
        self.items.push(Item::Copy { from, to, bytes });
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn clear(&mut self) {
        self.items.clear();
        self.shape.clear();
        self.values.clear();
    }

    /// All that a graph can't change.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The arguments of all kernels, each in eight bytes.
    pub fn values(&self) -> &[u64] {
        &self.values
    }

    /// Where the values are, for the driver. It only reads them.
    pub fn places(&self) -> Vec<*mut c_void> {
        self.values.iter().map(|value| ptr::from_ref(value).cast_mut().cast()).collect()
    }

    /// Issues all of it in order, up to the first failure; `after` is called after each run of a kernel.
    pub fn issue(
        &self,
        context: &Context,
        blas: &mut Blas,
        mut after: impl FnMut(&Run) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        let mut places = self.places();
        for item in &self.items {
            match item {
                Item::Run(run) => {
                    run.start(context.stream, &mut places[run.arguments.clone()])?;
                    after(run)?;
                }
                Item::Product(product) => blas.product(product)?,
                Item::Copy { from, to, bytes } => memory::copy(context, *from, *to, *bytes)?,
            }
        }
        Ok(())
    }
}

impl Run {
    fn start(&self, stream: CUstream, places: &mut [*mut c_void]) -> Result<(), DeviceError> {
        let (function, [x, y, z], [columns, rows]) = (self.function.handle(), self.grid, self.block);
        let (shared, places) = (self.shared, places.as_mut_ptr());
        // SAFETY: each place holds an argument, which the driver copies; the caller's arguments are what the kernel takes.
        self.function.called(|| unsafe {
            sys::cuLaunchKernel(function, x, y, z, columns, rows, 1, shared, stream, places, ptr::null_mut())
        })
    }

    /// The run as a node of a graph, with the arguments at these places.
    pub fn node(&self, places: &mut [*mut c_void]) -> CUDA_KERNEL_NODE_PARAMS {
        CUDA_KERNEL_NODE_PARAMS {
            func: self.function.handle(),
            gridDimX: self.grid[0],
            gridDimY: self.grid[1],
            gridDimZ: self.grid[2],
            blockDimX: self.block[0],
            blockDimY: self.block[1],
            blockDimZ: 1,
            sharedMemBytes: self.shared,
            kernelParams: places.as_mut_ptr(),
            extra: ptr::null_mut(),
            kern: ptr::null_mut(),
            ctx: ptr::null_mut(),
        }
    }
}
