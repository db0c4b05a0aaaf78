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
        self.shape.extend(shape_of_launch(function.handle() as u64, launch));
        let (grid, block, shared) = (launch.grid, launch.block, launch.shared);
        self.items.push(Item::Run(Run { function, grid, block, shared, arguments: first..self.values.len() }));
    }

    pub fn product(&mut self, product: &Product) {
        self.shape.extend(shape_of_product(product));
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

/// What a graph can't change of a launch.
fn shape_of_launch(function: u64, launch: &Launch<'_>) -> [u64; 6] {
    let [x, y, z] = launch.grid.map(u64::from);
    let [columns, rows] = launch.block.map(u64::from);
    let count = launch.arguments.len() as u64;
    [0, function, x, y << 32 | z, columns << 32 | rows, u64::from(launch.shared) << 32 | count]
}

/// All of a product.
fn shape_of_product(product: &Product) -> [u64; 13] {
    let Product { numbers, products, shape, alpha, a, b, beta, c, c_stride } = *product;
    let double = numbers == Numbers::Double;
    let tf32 = products == Products::Tf32;
    let [first, second] = [a, b].map(|matrix| matrix.transposed == Transposed::Yes);
    let kind = [double, tf32, first, second].into_iter().fold(0, |kind, bit| kind << 1 | u64::from(bit));
    let [m, n, k] = shape.map(|size| size as u64);
    let [a_stride, b_stride, c_stride] = [a.stride, b.stride, c_stride].map(|size| size as u64);
    let (alpha, beta) = (alpha.to_bits(), beta.to_bits());
    [1, kind, m, n, k, alpha, a.at.0, a_stride, b.at.0, b_stride, beta, c.0, c_stride]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Argument, Matrix};
    use std::collections::HashSet;

    #[test]
    fn every_detail_of_a_launch_is_in_its_shape() {
        let arguments = [Argument::Int(1), Argument::Int(2)];
        let one = Launch { kernel: "some", grid: [1, 2, 3], block: [4, 5], shared: 6, arguments: &arguments };
        let all = [
            one,
            Launch { grid: [9, 2, 3], ..one },
            Launch { grid: [1, 9, 3], ..one },
            Launch { grid: [1, 2, 9], ..one },
            Launch { block: [9, 5], ..one },
            Launch { block: [4, 9], ..one },
            Launch { shared: 9, ..one },
            Launch { arguments: &arguments[..1], ..one },
        ];
        let shapes = all.iter().map(|launch| shape_of_launch(7, launch));
        let shapes: HashSet<_> = shapes.chain([shape_of_launch(8, &one)]).collect();
        assert_eq!(shapes.len(), all.len() + 1);
        let arguments = [Argument::Int(1), Argument::Int(3)];
        assert!(shapes.contains(&shape_of_launch(7, &Launch { arguments: &arguments, ..one })), "its arguments aren't");
    }

    #[test]
    fn every_detail_of_a_product_is_in_its_shape() {
        let matrix = |at, stride| Matrix::new(Address(at), stride);
        let (numbers, products, a, b) = (Numbers::Single, Products::Full, matrix(1, 2), matrix(3, 4));
        let (alpha, beta, c) = (0.5, 0.0, Address(5));
        let one = Product { numbers, products, shape: [6, 7, 8], alpha, a, b, beta, c, c_stride: 10 };
        let all = [
            one,
            Product { numbers: Numbers::Double, ..one },
            Product { products: Products::Tf32, ..one },
            Product { shape: [9, 7, 8], ..one },
            Product { shape: [6, 9, 8], ..one },
            Product { shape: [6, 7, 9], ..one },
            Product { alpha: 9.0, ..one },
            Product { a: matrix(9, 2), ..one },
            Product { a: matrix(1, 9), ..one },
            Product { a: a.t(), ..one },
            Product { b: matrix(9, 4), ..one },
            Product { b: matrix(3, 9), ..one },
            Product { b: b.t(), ..one },
            Product { beta: -0.0, ..one },
            Product { c: Address(9), ..one },
            Product { c_stride: 9, ..one },
        ];
        let shapes: HashSet<_> = all.iter().map(shape_of_product).collect();
        assert_eq!(shapes.len(), all.len());
    }

    #[test]
    fn every_detail_of_a_copy_is_in_its_shape() {
        let shape = |from, to, bytes| {
            let mut queue = Queue::default();
            queue.copy(Address(from), Address(to), bytes);
            queue.shape().to_vec()
        };
        let shapes: HashSet<_> = [shape(1, 2, 3), shape(9, 2, 3), shape(1, 9, 3), shape(1, 2, 9)].into();
        assert_eq!(shapes.len(), 4);
    }
}
