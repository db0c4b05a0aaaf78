//! The kernels of the check, compiled where there is no card, for machines without NVRTC.

use super::{agreement, cases, costs};
use crate::config::{ConfigFile, Model, Place};
use ndarray::Array2;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use upg_core::{DeviceError, Engine, Real, SampleStream, Start};
use upg_flows::BaseSpec;
use upg_gpu::driver::compile_to;
use upg_gpu::driver::nvrtc::CompileError;
use upg_gpu::gpu::Source;
use upg_gpu::{Cuda, Precision, Texts};
use upg_train::method::{Divergence, Method};

/// What is compiled for: an architecture, and the shared memory of a block of its cards, by which kernels are specialised.
const ARCHITECTURES: [(u32, usize); 2] = [(80, 163 << 10), (90, 227 << 10)];

/// Compiles every kernel of the check, of these folders of golden cases too, into `folder`. Returns how many texts there are.
///
/// # Errors
/// If NVRTC is missing, or a case can't be read.
pub fn compile(folder: &Path, golden: &[PathBuf]) -> Result<usize, Box<dyn Error>> {
    let mut all = vec![];
    for (number, shared_memory) in ARCHITECTURES {
        let texts = texts((number / 10, number % 10), shared_memory, golden)?;
        all.extend(texts.into_iter().map(|source| (source, format!("sm_{number}"))));
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((source, architecture)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            compile_to(folder, source, architecture)?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let done: Result<(), CompileError> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("the compiler doesn't panic"))
    });
    Ok(done.map(|()| all.len())?)
}

/// What a card of this capability will need of a compiler: found out by doing on none what the check does.
fn texts(capability: (u32, u32), shared_memory: usize, golden: &[PathBuf]) -> Result<Vec<Source>, Box<dyn Error>> {
    let texts = || Texts::new(capability, shared_memory);
    let single = Cuda::<f32, Texts>::new(texts())?.with_precision(Precision::Split)?;
    let double = Cuda::<f64, Texts>::new(texts())?;
    bases(&single)?;
    bases(&double)?;
    for config in agreement::configs()? {
        differentiate(&single, config.build_on(&single), &[agreement::SAMPLES])?;
        differentiate(&double, config.build_on(&double), &[agreement::SAMPLES])?;
    }
    for folder in golden {
        for case in cases::all(folder)? {
            differentiate(&double, ConfigFile::read(&case.join("config.ron"))?.build_on(&double), &[2])?;
        }
    }
    for config in costs::configs()? {
        differentiate(&single, config.build_on(&single), &costs::BATCHES)?;
    }
    Ok([single.gpu().asked_for(), double.gpu().asked_for()].concat())
}

fn bases<T: Real>(device: &Cuda<T, Texts>) -> Result<(), Box<dyn Error>> {
    for spec in [BaseSpec::StandardNormal, BaseSpec::UniformTorus] {
        device.base(&spec, &[9])?;
    }
    Ok(())
}

/// Every gradient at these numbers of samples; some kernels depend on them. A model without kernels has none: the check itself tells of it.
fn differentiate<D: Place, E>(device: &D, model: Result<Model<D>, E>, batches: &[usize]) -> Result<(), DeviceError> {
    let Ok(Model { flow, base, target, cut, .. }) = model else { return Ok(()) };
    let dof = flow.dof();
    let mut engine = Engine::new(device.clone(), flow, base, target, cut);
    let theta = device.zeros(engine.layout().size());
    for &samples in batches {
        let (start, data) =
            (Start::Draw { stream: SampleStream::new(0, 0, 0), first: 0, samples }, Array2::zeros((samples, dof)));
        for method in Method::of(Divergence::Reverse).chain(Method::of(Divergence::Forward)) {
            match method {
                Method::Reverse(how) => engine.reverse_kl(how, &theta, start)?,
                Method::Forward(how) => engine.forward_kl(how, &theta, data.view())?,
            };
        }
    }
    Ok(())
}
