//! Matrix products by cuBLAS, whose matrices have contiguous columns.
//!
//! A matrix of ours, rows contiguous and `stride` from one to the next, is to cuBLAS its own transpose with leading dimension `stride`.
//! So what is asked for is Cᵀ = α op(B)ᵀ op(A)ᵀ + β Cᵀ, of n rows and m columns: the factors change places, and each is transposed for cuBLAS
//! exactly if it is for us.
//!
//! f32 means f32: without `CUBLAS_TF32_TENSOR_OP_MATH` cuBLAS computes with at least the mantissa of the numbers. No atomics, one stream, and a
//! workspace of our own: results repeat on one kind of card and version of the library.

use super::{context::Context, memory::Memory};
use crate::gpu::{Address, Matrix, Numbers, Product, Products, Transposed};
use cudarc::cublas::sys::{self, cublasHandle_t, cublasMath_t, cublasOperation_t, cublasStatus_t};
use cudarc::driver::sys::CUresult;
use std::ffi::c_int;
use std::ptr;
use std::sync::Arc;
use upg_core::DeviceError;

/// As NVIDIA advises for its larger cards.
const WORKSPACE: usize = 32 << 20;

/// cuBLAS on a card's stream.
#[derive(Debug)]
pub struct Blas {
    context: Arc<Context>,
    memory: Memory,
    handle: cublasHandle_t,
    mode: Option<Products>,
    workspace: Address,
}

// SAFETY: a handle may be used from any thread, by one at a time.
unsafe impl Send for Blas {}

impl Blas {
    pub fn new(context: Arc<Context>, memory: Memory) -> Result<Self, DeviceError> {
        let mut handle = ptr::null_mut();
        // SAFETY: the context is current; the handle is given back by `drop`.
        called(&context, || unsafe { sys::cublasCreate_v2(&mut handle) })?;
        let mut blas = Self { context, memory, handle, mode: None, workspace: Address(0) };
        blas.prepare()?;
        Ok(blas)
    }

    /// The stream before the workspace: a change of stream forgets the workspace.
    fn prepare(&mut self) -> Result<(), DeviceError> {
        let host = sys::cublasPointerMode_t::CUBLAS_POINTER_MODE_HOST;
        let ordered = sys::cublasAtomicsMode_t::CUBLAS_ATOMICS_NOT_ALLOWED;
        self.workspace = self.memory.allocate(&self.context, WORKSPACE)?;
        let (context, handle, workspace) = (&*self.context, self.handle, self.workspace.0 as *mut _);
        // SAFETY: handle and stream are alive, here and below.
        called(context, || unsafe { sys::cublasSetStream_v2(handle, context.stream.cast()) })?;
        // SAFETY: the workspace lives longer than the handle.
        called(context, || unsafe { sys::cublasSetWorkspace_v2(handle, workspace, WORKSPACE) })?;
        // SAFETY: as above.
        called(context, || unsafe { sys::cublasSetPointerMode_v2(handle, host) })?;
        // SAFETY: as above.
        called(context, || unsafe { sys::cublasSetAtomicsMode(handle, ordered) })
    }

    /// The version of the library.
    pub fn version(&self) -> String {
        let mut version = 0;
        // SAFETY: the handle is alive.
        match called(&self.context, || unsafe { sys::cublasGetVersion_v2(self.handle, &mut version) }) {
            Ok(()) => format!("{}.{}", version / 10000, version / 100 % 100),
            Err(_) => "of unknown version".into(),
        }
    }

    pub fn product(&mut self, product: &Product) -> Result<(), DeviceError> {
        let sizes = Sizes::of(product, &self.context)?;
        self.set(match product.numbers {
            Numbers::Single => product.products,
            Numbers::Double => Products::Full,
        })?;
        multiply(&self.context, self.handle, product, sizes)
    }

    /// How products are computed from now on.
    fn set(&mut self, products: Products) -> Result<(), DeviceError> {
        if self.mode == Some(products) {
            return Ok(());
        }
        let mode = match products {
            Products::Full => cublasMath_t::CUBLAS_DEFAULT_MATH,
            Products::Tf32 => cublasMath_t::CUBLAS_TF32_TENSOR_OP_MATH,
        };
        // SAFETY: the handle is alive.
        called(&self.context, || unsafe { sys::cublasSetMathMode(self.handle, mode) })?;
        self.mode = Some(products);
        Ok(())
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handle, and nobody uses it any more.
        let _ = called(&self.context, || unsafe { sys::cublasDestroy_v2(self.handle) });
        if self.workspace != Address(0) {
            self.memory.free(&self.context, self.workspace);
        }
    }
}

/// What cuBLAS takes for the sizes of a product: m, n, k, and the leading dimensions of A, B and C, all in our order.
#[derive(Clone, Copy)]
pub struct Sizes {
    m: c_int,
    n: c_int,
    k: c_int,
    a: c_int,
    b: c_int,
    c: c_int,
}

impl Sizes {
    /// The sizes of a product, if cuBLAS takes them.
    pub fn of(product: &Product, context: &Context) -> Result<Self, DeviceError> {
        Self::small(product).ok_or_else(|| {
            context.unavailable(format!("a product with sizes beyond 2^31 - 1, which cuBLAS doesn't take: {product:?}"))
        })
    }

    fn small(product: &Product) -> Option<Self> {
        let size = |n: usize| c_int::try_from(n).ok();
        let [m, n, k] = product.shape;
        let (a, b, c) = (size(product.a.stride)?, size(product.b.stride)?, size(product.c_stride)?);
        Some(Self { m: size(m)?, n: size(n)?, k: size(k)?, a, b, c })
    }
}

/// The factors in cuBLAS's order: B, then A.
fn multiply(context: &Context, handle: cublasHandle_t, of: &Product, size: Sizes) -> Result<(), DeviceError> {
    let (first, second) = (operation(of.b), operation(of.a));
    let Sizes { m, n, k, a, b, c } = size;
    match of.numbers {
        Numbers::Single => {
            let (at_a, at_b, at_c) = (of.a.at.0 as *const f32, of.b.at.0 as *const f32, of.c.0 as *mut f32);
            let (alpha, beta) = (&(of.alpha as f32), &(of.beta as f32));
            // SAFETY: the handle is alive; the caller's matrices have these shapes.
            called(context, || unsafe {
                sys::cublasSgemm_v2(handle, first, second, n, m, k, alpha, at_b, b, at_a, a, beta, at_c, c)
            })
        }
        Numbers::Double => {
            let (at_a, at_b, at_c) = (of.a.at.0 as *const f64, of.b.at.0 as *const f64, of.c.0 as *mut f64);
            // SAFETY: as above.
            called(context, || unsafe {
                sys::cublasDgemm_v2(handle, first, second, n, m, k, &of.alpha, at_b, b, at_a, a, &of.beta, at_c, c)
            })
        }
    }
}

fn operation(matrix: Matrix) -> cublasOperation_t {
    match matrix.transposed {
        Transposed::No => cublasOperation_t::CUBLAS_OP_N,
        Transposed::Yes => cublasOperation_t::CUBLAS_OP_T,
    }
}

/// Calls a function of cuBLAS, with the card's context current.
fn called(context: &Context, function: impl FnOnce() -> cublasStatus_t) -> Result<(), DeviceError> {
    let mut status = cublasStatus_t::CUBLAS_STATUS_SUCCESS;
    context.call(|| {
        status = function();
        CUresult::CUDA_SUCCESS
    })?;
    match status {
        cublasStatus_t::CUBLAS_STATUS_SUCCESS => Ok(()),
        failure => Err(context.lost(format!("cuBLAS: {failure:?}"))),
    }
}
