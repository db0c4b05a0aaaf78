//! The libraries that are loaded when a program runs: the driver, NVRTC and cuBLAS, and NCCL where several processes compute. The program is built
//! without them.
//!
//! `cudarc` panics at the first call into a library, or to a function, that isn't there: all are asked for here before anything is called. What
//! is loaded here stays loaded, and `cudarc`, which tries the same names, finds it. But for NCCL: `cudarc` doesn't try `libnccl.so.2`, which is all that is
//! there where nobody develops with it, so its functions are taken from here.

use cudarc::{cublas, driver, get_lib_name_candidates, nvrtc};
use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::sync::OnceLock;

/// A library of NVIDIA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// `libcuda`, which belongs to the kernel's driver.
    Driver,
    /// The compiler of kernels.
    Nvrtc,
    /// Matrix products.
    Cublas,
    /// Messages between cards.
    Nccl,
}

static NCCL: OnceLock<libloading::Library> = OnceLock::new();

/// A library that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It isn't where libraries are looked for.
    Library(Library),
    /// It is there and can't be loaded, in the loader's words: damaged, or a library is missing that it needs itself.
    Load(Library, String),
    /// It is too old: a function isn't in it.
    Function(Library, &'static str),
}

impl Library {
    /// Whether it can be loaded and has all functions that are called.
    ///
    /// # Errors
    /// What is missing.
    pub fn find(self) -> Result<(), Missing> {
        self.load()?;
        match self.functions().iter().find(|name| !self.has(name)) {
            Some(name) => Err(Missing::Function(self, name)),
            None => Ok(()),
        }
    }

    /// Loads it under the first of its names that works.
    fn load(self) -> Result<(), Missing> {
        let mut missing = Missing::Library(self);
        for name in self.names() {
            // SAFETY: the libraries' initialisers have no preconditions.
            match unsafe { libloading::Library::new(&name) } {
                Ok(library) => {
                    match self {
                        Self::Nccl => _ = NCCL.get_or_init(|| library),
                        _ => std::mem::forget(library),
                    }
                    return Ok(());
                }
                Err(error) => {
                    let words = error.source().map_or(error.to_string(), ToString::to_string);
                    if !words.starts_with(&format!("{name}: cannot open")) && missing == Missing::Library(self) {
                        missing = Missing::Load(self, words);
                    }
                }
            }
        }
        Err(missing)
    }

    /// The names that are tried.
    fn names(self) -> Vec<String> {
        match self {
            Self::Nccl => ["libnccl.so.2", "libnccl.so"].map(str::to_owned).into(),
            _ => get_lib_name_candidates(self.stem()),
        }
    }

    /// Its name without `lib` and `.so`.
    fn stem(self) -> &'static str {
        match self {
            Self::Driver => "cuda",
            Self::Nvrtc => "nvrtc",
            Self::Cublas => "cublas",
            Self::Nccl => "nccl",
        }
    }

    /// Whether it, being loaded, has a function.
    pub(super) fn has(self, name: &str) -> bool {
        // SAFETY: the function is asked for, not called.
        unsafe { self.function::<unsafe extern "C" fn()>(name) }.is_some()
    }

    /// A function of it, being loaded.
    ///
    /// # Safety
    /// `F` is the function's type.
    pub(super) unsafe fn function<F: Copy>(self, name: &str) -> Option<F> {
        // SAFETY: the library is loaded and stays so.
        unsafe {
            let library = match self {
                Self::Driver => driver::sys::culib(),
                Self::Nvrtc => nvrtc::sys::culib(),
                Self::Cublas => cublas::sys::culib(),
                Self::Nccl => NCCL.get()?,
            };
            library.get::<F>(name.as_bytes()).ok().map(|function| *function)
        }
    }

    /// The first function that the driver, being loaded, lacks for graphs, if it lacks one.
    pub(super) fn lacks_for_graphs() -> Option<&'static str> {
        GRAPHS.iter().copied().find(|name| !Self::Driver.has(name))
    }

    /// Every function that this crate can't do without.
    fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Driver => &[
                "cuCtxSetCurrent",
                "cuDeviceGet",
                "cuDeviceGetAttribute",
                "cuDeviceGetCount",
                "cuDeviceGetDefaultMemPool",
                "cuDeviceGetName",
                "cuDevicePrimaryCtxRelease_v2",
                "cuDevicePrimaryCtxRetain",
                "cuDeviceTotalMem_v2",
                "cuDriverGetVersion",
                "cuEventCreate",
                "cuEventDestroy_v2",
                "cuEventRecord",
                "cuFuncSetAttribute",
                "cuGetErrorName",
                "cuGetErrorString",
                "cuInit",
                "cuLaunchKernel",
                "cuMemAllocAsync",
                "cuMemAlloc_v2",
                "cuMemFreeAsync",
                "cuMemFree_v2",
                "cuMemPoolSetAttribute",
                "cuMemcpyDtoDAsync_v2",
                "cuMemcpyDtoHAsync_v2",
                "cuMemcpyHtoDAsync_v2",
                "cuModuleGetFunction",
                "cuModuleLoadData",
                "cuModuleUnload",
                "cuStreamCreate",
                "cuStreamCreateWithPriority",
                "cuStreamDestroy_v2",
                "cuStreamQuery",
                "cuStreamSynchronize",
                "cuStreamWaitEvent",
            ],
            Self::Nvrtc => &[
                "nvrtcCompileProgram",
                "nvrtcCreateProgram",
                "nvrtcDestroyProgram",
                "nvrtcGetCUBIN",
                "nvrtcGetCUBINSize",
                "nvrtcGetNumSupportedArchs",
                "nvrtcGetPTX",
                "nvrtcGetPTXSize",
                "nvrtcGetProgramLog",
                "nvrtcGetProgramLogSize",
                "nvrtcGetSupportedArchs",
                "nvrtcVersion",
            ],
            Self::Cublas => &[
                "cublasCreate_v2",
                "cublasDestroy_v2",
                "cublasDgemm_v2",
                "cublasGetVersion_v2",
                "cublasSetAtomicsMode",
                "cublasSetMathMode",
                "cublasSetPointerMode_v2",
                "cublasSetStream_v2",
                "cublasSetWorkspace_v2",
                "cublasSgemm_v2",
            ],
            Self::Nccl => &[
                "ncclCommAbort",
                "ncclCommGetAsyncError",
                "ncclCommInitRankConfig",
                "ncclGetErrorString",
                "ncclGetLastError",
                "ncclGetUniqueId",
                "ncclGetVersion",
                "ncclGroupEnd",
                "ncclGroupStart",
                "ncclRecv",
                "ncclSend",
            ],
        }
    }

    /// The names of its files that are tried.
    fn files(self) -> &'static str {
        match self {
            Self::Driver => "libcuda.so and libcuda.so.1 were",
            Self::Nvrtc => "libnvrtc.so, libnvrtc.so.13 and libnvrtc.so.12 were",
            Self::Cublas => "libcublas.so, libcublas.so.13 and libcublas.so.12 were",
            Self::Nccl => "libnccl.so.2 and libnccl.so were",
        }
    }

    /// Where it comes from.
    fn origin(self) -> &'static str {
        match self {
            Self::Driver => "it is part of NVIDIA's driver",
            Self::Nvrtc => {
                "it is part of the CUDA toolkit, and of the Python package nvidia-cuda-nvrtc-cu12 (for CUDA 13 nvidia-cuda-nvrtc), whose folder \
                 site-packages/nvidia/cuda_nvrtc/lib (nvidia/cu13/lib) then belongs into LD_LIBRARY_PATH"
            }
            Self::Cublas => {
                "it is part of the CUDA toolkit, and of the Python package nvidia-cublas-cu12 (for CUDA 13 nvidia-cublas), whose folder \
                 site-packages/nvidia/cublas/lib (nvidia/cu13/lib) then belongs into LD_LIBRARY_PATH"
            }
            Self::Nccl => {
                "it comes by NVIDIA's package libnccl2, and by the Python package nvidia-nccl-cu12 (for CUDA 13 nvidia-nccl-cu13), whose folder \
                 site-packages/nvidia/nccl/lib then belongs into LD_LIBRARY_PATH"
            }
        }
    }

    /// With what all its functions came.
    fn oldest(self) -> &'static str {
        match self {
            Self::Nccl => "NCCL 2.14",
            _ => "CUDA 11.2",
        }
    }
}

/// What graphs take beside that, and `cuStreamGetCaptureInfo`: drivers since CUDA 12.0 have it.
const GRAPHS: &[&str] = &[
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphExecKernelNodeSetParams_v2",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
];

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Driver => "driver",
            Self::Nvrtc => "NVRTC",
            Self::Cublas => "cuBLAS",
            Self::Nccl => "NCCL",
        })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(library) => {
                let place = search_path(std::env::var_os("LD_LIBRARY_PATH").as_deref());
                let (files, origin) = (library.files(), library.origin());
                write!(
                    f,
                    "no {library}: {files} looked for in the system's library folders and in LD_LIBRARY_PATH, {place}; {origin}"
                )
            }
            Self::Load(library, words) => write!(f, "{library} can't be loaded: {words}"),
            Self::Function(library, name) => {
                let path =
                    loaded(&format!("lib{}.so", library.stem())).map_or(String::new(), |path| format!(" ({path})"));
                write!(f, "{library} too old{path}: it has no {name}, which came with {} or before", library.oldest())
            }
        }
    }
}

/// What the variable of the dynamic loader says, in words.
fn search_path(variable: Option<&OsStr>) -> String {
    match variable {
        Some(path) if !path.is_empty() => format!("which is {}", path.display()),
        _ => "which isn't set".into(),
    }
}

/// Where the libraries lie that this process has loaded.
pub fn found() -> Vec<(&'static str, String)> {
    ["libcuda.so", "libnvrtc.so", "libcublas.so", "libcublasLt.so", "libnccl.so"]
        .into_iter()
        .map(|name| (name, loaded(name).unwrap_or_else(|| "not loaded".into())))
        .collect()
}

/// The path of the library that this process has loaded and whose file begins with that name.
fn loaded(name: &str) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut paths = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    paths.find(|path| path.rsplit('/').next().is_some_and(|file| file.starts_with(name))).map(str::to_owned)
}
