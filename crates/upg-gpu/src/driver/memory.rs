//! Memory of a card, from the driver's pool where there is one: there, to allocate and to free are steps of the stream and wait for nothing.

use super::context::{Context, words};
use crate::gpu::Address;
use cudarc::driver::sys::{self, CUdevice_attribute, CUmemPool_attribute, CUresult};
use std::ptr;
use upg_core::DeviceError;

/// Where memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The driver's pool, in the order of the stream.
    Pool,
    /// The driver, which waits for the card.
    Driver,
}

/// How the memory of a card is had and copied.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    source: Source,
    uploads: Uploads,
}

/// What a copy from the host has done when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Uploads {
    /// It has read the host's memory.
    Staged,
    /// Nothing for certain: the card reads the host's memory itself, in the order of the stream, and has to be waited for.
    Direct,
}

impl Memory {
    pub fn new(context: &Context) -> Result<Self, DeviceError> {
        let has = |attribute| context.attribute(attribute) != 0;
        let source = match has(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) {
            true => Source::Pool,
            false => Source::Driver,
        };
        let uploads = match has(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS) {
            true => Uploads::Direct,
            false => Uploads::Staged,
        };
        if source == Source::Pool {
            keep(context)?;
        }
        Ok(Self { source, uploads })
    }

    pub fn allocate(self, context: &Context, bytes: usize) -> Result<Address, DeviceError> {
        let mut address = 0;
        let result = context.result(|| match self.source {
            // SAFETY: the stream lives as long as the context.
            Source::Pool => unsafe { sys::cuMemAllocAsync(&mut address, bytes, context.stream) },
            // SAFETY: the context is current.
            Source::Driver => unsafe { sys::cuMemAlloc_v2(&mut address, bytes) },
        });
        match result {
            Ok(()) => Ok(Address(address)),
            Err(CUresult::CUDA_ERROR_OUT_OF_MEMORY) => {
                Err(DeviceError::OutOfMemory { bytes, device: context.name.clone() })
            }
            Err(failure) => Err(context.lost(words(failure))),
        }
    }

    /// A failure to free is a failure of work asked for before, and the next call says so.
    pub fn free(self, context: &Context, address: Address) {
        let _ = match self.source {
            // SAFETY: the address is of `allocate`, and this comes after all work with it in the stream.
            Source::Pool => context.call(|| unsafe { sys::cuMemFreeAsync(address.0, context.stream) }),
            // SAFETY: the address is of `allocate`, and all work is done.
            Source::Driver => context.wait().and_then(|()| context.call(|| unsafe { sys::cuMemFree_v2(address.0) })),
        };
    }

    pub fn write(self, context: &Context, from: &[u8], to: Address) -> Result<(), DeviceError> {
        let (start, bytes) = (from.as_ptr().cast(), from.len());
        // SAFETY: `from` is read before this returns, and the caller's memory at `to` has its length.
        context.call(|| unsafe { sys::cuMemcpyHtoDAsync_v2(to.0, start, bytes, context.stream) })?;
        match self.uploads {
            Uploads::Staged => Ok(()),
            Uploads::Direct => context.wait(),
        }
    }
}

pub fn read(context: &Context, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
    // SAFETY: `to` is borrowed until the copy is done, and the caller's memory at `from` has its length.
    context.call(|| unsafe { sys::cuMemcpyDtoHAsync_v2(to.as_mut_ptr().cast(), from.0, to.len(), context.stream) })?;
    context.wait()
}

pub fn copy(context: &Context, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
    // SAFETY: both places are the caller's, of so many bytes.
    context.call(|| unsafe { sys::cuMemcpyDtoDAsync_v2(to.0, from.0, bytes, context.stream) })
}

/// Makes the pool keep what is freed: by default it gives it back to the system whenever the stream is waited for.
fn keep(context: &Context) -> Result<(), DeviceError> {
    let (mut pool, mut threshold) = (ptr::null_mut(), u64::MAX);
    let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device exists.
    context.call(|| unsafe { sys::cuDeviceGetDefaultMemPool(&mut pool, context.device) })?;
    // SAFETY: the attribute is a u64.
    context.call(|| unsafe { sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut threshold).cast()) })
}
