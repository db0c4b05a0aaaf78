//! One card: its context, the one stream on which all work is done in order, and its errors in the driver's words.

use super::libraries::Library;
use crate::gpu::Facts;
use cudarc::driver::sys::{self, CUcontext, CUdevice, CUdevice_attribute, CUresult, CUstream};
use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use upg_core::DeviceError;

/// The oldest cards that are used; the kernels are compiled and measured for these and younger ones.
const OLDEST: (u32, u32) = (8, 0);

/// A card, held from `new` until it is dropped.
#[derive(Debug)]
pub struct Context {
    /// Its place, e.g. `cuda:0`.
    pub name: String,
    pub device: CUdevice,
    context: CUcontext,
    pub stream: CUstream,
    /// Held while the stream is recorded, and while it is waited for: to wait would spoil a record.
    recorded: Mutex<()>,
}

// SAFETY: the driver's functions may be called from any thread in which the context is current, and `call` makes it so.
unsafe impl Send for Context {}
// SAFETY: as above; the driver locks what its functions share.
unsafe impl Sync for Context {}

impl Context {
    /// Opens the card of that number.
    pub fn new(index: usize) -> Result<Self, DeviceError> {
        let name = format!("cuda:{index}");
        let device = find(index).map_err(|reason| DeviceError::Unavailable { device: name.clone(), reason })?;
        let mut opened =
            Self { name, device, context: ptr::null_mut(), stream: ptr::null_mut(), recorded: Mutex::default() };
        // SAFETY: the device exists. What is set is given back by `drop`.
        checked(unsafe { sys::cuDevicePrimaryCtxRetain(&mut opened.context, device) })
            .map_err(|failure| opened.unavailable(format!("the card gives no context: {}", words(failure))))?;
        let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        let mut stream = ptr::null_mut();
        // SAFETY: the context is current.
        opened.call(|| unsafe { sys::cuStreamCreate(&mut stream, flags) })?;
        opened.stream = stream;
        Ok(opened)
    }

    /// Calls a function of the driver, with this card's context current.
    pub fn call(&self, function: impl FnOnce() -> CUresult) -> Result<(), DeviceError> {
        self.result(function).map_err(|failure| self.lost(words(failure)))
    }

    /// The same, with the driver's own code of the failure.
    pub fn result(&self, function: impl FnOnce() -> CUresult) -> Result<(), CUresult> {
        // SAFETY: the context lives as long as `self`.
        checked(unsafe { sys::cuCtxSetCurrent(self.context) })?;
        checked(function())
    }

    /// Calls what isn't of the driver, with this card's context current.
    pub fn current<R>(&self, function: impl FnOnce() -> R) -> Result<R, DeviceError> {
        let mut returned = None;
        self.call(|| {
            returned = Some(function());
            CUresult::CUDA_SUCCESS
        })?;
        Ok(returned.expect("it was called"))
    }

    /// Whether all work of a stream of this card is done.
    pub fn has_done(&self, stream: CUstream) -> Result<bool, DeviceError> {
        let _not_recorded = self.record();
        // SAFETY: the caller's stream is there.
        match self.result(|| unsafe { sys::cuStreamQuery(stream) }) {
            Ok(()) => Ok(true),
            Err(CUresult::CUDA_ERROR_NOT_READY) => Ok(false),
            Err(failure) => Err(self.lost(words(failure))),
        }
    }

    /// Waits for all work asked for so far.
    pub fn wait(&self) -> Result<(), DeviceError> {
        let _not_recorded = self.record();
        // SAFETY: the stream lives as long as `self`.
        self.call(|| unsafe { sys::cuStreamSynchronize(self.stream) })
    }

    /// Keeps everybody from waiting for the stream, which is recorded meanwhile.
    pub fn record(&self) -> MutexGuard<'_, ()> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error of a card that failed.
    pub fn lost(&self, reason: String) -> DeviceError {
        DeviceError::Lost { device: self.name.clone(), reason }
    }

    /// The error of a card that can't be used.
    pub fn unavailable(&self, reason: String) -> DeviceError {
        DeviceError::Unavailable { device: self.name.clone(), reason }
    }

    /// An attribute; 0 where the driver doesn't know it.
    pub fn attribute(&self, attribute: CUdevice_attribute) -> usize {
        attribute_of(self.device, attribute).unwrap_or(0)
    }

    /// What the card is.
    pub fn facts(&self, versions: String) -> Result<Facts, DeviceError> {
        use CUdevice_attribute as A;
        let mut memory = 0;
        // SAFETY: the device exists.
        self.call(|| unsafe { sys::cuDeviceTotalMem_v2(&mut memory, self.device) })?;
        Ok(Facts {
            device: self.name.clone(),
            name: card(self.device),
            capability: capability(self.device).map_err(|failure| self.lost(words(failure)))?,
            memory,
            shared_memory: self.attribute(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
            multiprocessors: self.attribute(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT) as u32,
            // The driver tells clocks in kHz. Memory moves two words a clock.
            clock: 1000 * self.attribute(A::CU_DEVICE_ATTRIBUTE_CLOCK_RATE) as u64,
            bandwidth: 2000
                * self.attribute(A::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE) as u64
                * self.attribute(A::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH) as u64
                / 8,
            versions,
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.context.is_null() {
            return;
        }
        if !self.stream.is_null() {
            let _ = self.wait();
            // SAFETY: nothing is done on the stream any more, and nobody else has it.
            let _ = self.result(|| unsafe { sys::cuStreamDestroy_v2(self.stream) });
        }
        // SAFETY: retained by `new`, once.
        let _ = unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

/// The device of that number, or why it can't be used.
fn find(index: usize) -> Result<CUdevice, String> {
    for library in [Library::Driver, Library::Nvrtc, Library::Cublas] {
        library.find().map_err(|missing| missing.to_string())?;
    }
    // SAFETY: the driver is there.
    checked(unsafe { sys::cuInit(0) }).map_err(|failure| format!("the driver doesn't start: {}", words(failure)))?;
    let mut count = 0;
    // SAFETY: the driver is initialised, here and below.
    checked(unsafe { sys::cuDeviceGetCount(&mut count) }).map_err(words)?;
    let ordinal = c_int::try_from(index).ok().filter(|&ordinal| ordinal < count).ok_or_else(|| devices(count))?;
    let mut device = 0;
    // SAFETY: there is a device of that number.
    checked(unsafe { sys::cuDeviceGet(&mut device, ordinal) }).map_err(words)?;
    let (major, minor) = capability(device).map_err(words)?;
    if (major, minor) < OLDEST {
        let card = card(device);
        return Err(format!(
            "{card} is of compute capability {major}.{minor}, and {}.{} is the oldest that is used",
            OLDEST.0, OLDEST.1
        ));
    }
    Ok(device)
}

fn devices(count: c_int) -> String {
    match count {
        0 => "this machine has no device".into(),
        1 => "this machine has one device, cuda:0".into(),
        n => format!("this machine has {n} devices, cuda:0 to cuda:{}", n - 1),
    }
}

fn capability(device: CUdevice) -> Result<(u32, u32), CUresult> {
    let major = attribute_of(device, CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute_of(device, CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    Ok((major as u32, minor as u32))
}

fn attribute_of(device: CUdevice, attribute: CUdevice_attribute) -> Result<usize, CUresult> {
    let mut value: c_int = 0;
    // SAFETY: the device exists.
    checked(unsafe { sys::cuDeviceGetAttribute(&mut value, attribute, device) })?;
    Ok(usize::try_from(value).unwrap_or(0))
}

/// The name of a card.
fn card(device: CUdevice) -> String {
    let mut name = [0 as c_char; 128];
    // SAFETY: the device exists, and the driver ends the name within the array.
    match checked(unsafe { sys::cuDeviceGetName(name.as_mut_ptr(), name.len() as c_int, device) }) {
        // SAFETY: as above; the last place is 0 in any case.
        Ok(()) => unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned(),
        Err(failure) => words(failure),
    }
}

/// The version of the driver, as of CUDA.
pub fn version() -> String {
    let mut version = 0;
    // SAFETY: the driver is there.
    match checked(unsafe { sys::cuDriverGetVersion(&mut version) }) {
        Ok(()) => format!("{}.{}", version / 1000, version % 1000 / 10),
        Err(failure) => words(failure),
    }
}

fn checked(result: CUresult) -> Result<(), CUresult> {
    match result {
        CUresult::CUDA_SUCCESS => Ok(()),
        failure => Err(failure),
    }
}

/// A failure in the driver's words, e.g. `CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)`.
pub fn words(failure: CUresult) -> String {
    let (mut name, mut description) = (ptr::null(), ptr::null());
    // SAFETY: the driver is there; it writes pointers to texts that last, or none.
    let (name, description) = unsafe {
        let _ = sys::cuGetErrorName(failure, &mut name);
        let _ = sys::cuGetErrorString(failure, &mut description);
        (text(name), text(description))
    };
    match (name, description) {
        (Some(name), Some(description)) => format!("{name} ({description})"),
        (Some(name), None) => name,
        _ => format!("error {} of the driver", failure as u32),
    }
}

/// # Safety
/// Null, or a text that ends with a zero.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: not null here, and so a text.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
