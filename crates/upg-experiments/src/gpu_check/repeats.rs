//! Whether gradients and steps of a training ask for the same work again and again, which alone a driver can replay.

use super::agreement::FLOWS;
use crate::config::{Config, Model};
use std::collections::HashSet;
use std::error::Error;
use std::mem::take;
use std::sync::{Arc, Mutex};
use upg_core::{DeviceError, Engine, Memory, SampleStream, Start, Streams};
use upg_gpu::Cuda;
use upg_gpu::emulator::Emulator;
use upg_gpu::gpu::{Address, Facts, Gpu, Launch, Product, Source};
use upg_train::data::DataSets;
use upg_train::method::{Divergence, Method};
use upg_train::{Trainer, TrainingPlan};

/// What an emulator is asked for between two reads: all of it but the arguments of kernels, in words.
struct Watched {
    emulator: Emulator,
    pieces: Pieces,
}

#[derive(Clone, Default)]
struct Pieces(Arc<Mutex<Vec<Vec<String>>>>);

impl Pieces {
    fn add(&self, work: String) {
        let mut pieces = self.0.lock().expect("no thread panicked");
        match pieces.last_mut() {
            Some(last) => last.push(work),
            None => pieces.push(vec![work]),
        }
    }

    fn end(&self) {
        self.0.lock().expect("no thread panicked").push(vec![]);
    }

    fn take(&self) -> Vec<Vec<String>> {
        let mut pieces = take(&mut *self.0.lock().expect("no thread panicked"));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

impl Gpu for Watched {
    type Module = <Emulator as Gpu>::Module;

    fn facts(&self) -> &Facts {
        self.emulator.facts()
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.emulator.allocate(bytes)
    }

    fn free(&self, address: Address) {
        self.pieces.end();
        self.emulator.free(address);
    }

    fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError> {
        self.pieces.end();
        self.emulator.write(from, to)
    }

    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        self.pieces.end();
        self.emulator.read(from, to)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        self.pieces.add(format!("{bytes} from {from:?} to {to:?}"));
        self.emulator.copy(from, to, bytes)
    }

    fn compile(&self, source: &Source) -> Result<Self::Module, DeviceError> {
        self.emulator.compile(source)
    }

    fn launch(&self, module: &Self::Module, launch: &Launch<'_>) -> Result<(), DeviceError> {
        let Launch { kernel, grid, block, shared, arguments } = launch;
        self.pieces.add(format!("{kernel} {grid:?} {block:?} {shared} {}", arguments.len()));
        self.emulator.launch(module, launch)
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        self.pieces.add(format!("{product:?}"));
        self.emulator.product(product)
    }
}

/// Asserts it of all gradients of flows of every family and of a training, after the first four of each.
///
/// # Errors
/// If a flow can't be made, or the device fails.
///
/// # Panics
/// If there is new work.
pub fn work_repeats() -> Result<(), Box<dyn Error>> {
    let pieces = Pieces::default();
    let device = Cuda::<f32, _>::new(Watched { emulator: Emulator::new()?, pieces: pieces.clone() })?;
    for &(name, text) in FLOWS {
        let config = Config::parse(text)?;
        let Model { flow, base, target, cut, .. } = config.build_on(&device)?;
        let mut engine = Engine::new(device.clone(), flow, base, target, cut);
        let theta: Vec<f32> = engine.layout().initialise(&mut Streams::new(5).next_stream());
        let theta = device.buffer(&theta);
        for method in Method::of(Divergence::Reverse) {
            let Method::Reverse(how) = method else { unreachable!("a method of the reverse KL") };
            let mut gradient = |first| {
                let start = Start::Draw { stream: SampleStream::new(1, 2, first), first, samples: 9 };
                engine.reverse_kl(how, &theta, start).map(|_| ())
            };
            repeats(&format!("{name}, {}", method.estimator()), &pieces, &mut gradient)?;
        }
        let plan = TrainingPlan { steps: 20, batch: 9, clip: Some(10.0), ema: Some(0.9), ..TrainingPlan::default() };
        let data = DataSets { train: None, test: None };
        let mut trainer = Trainer::new(config.build_on(&device)?.problem(), device.clone(), plan, data)?;
        repeats(&format!("{name}, a training"), &pieces, &mut |_| trainer.step().map(|_| ()))?;
    }
    Ok(())
}

/// Makes `work` eight times: the last four times, all of it is known from the first four. Memory changes its place from one gradient to the next, so
/// the second alone doesn't tell.
fn repeats(
    name: &str,
    pieces: &Pieces,
    work: &mut dyn FnMut(u64) -> Result<(), DeviceError>,
) -> Result<(), DeviceError> {
    pieces.take();
    (0..4).try_for_each(&mut *work)?;
    let known: HashSet<_> = pieces.take().into_iter().collect();
    for number in 4..8 {
        work(number)?;
        let new: Vec<_> = pieces.take().into_iter().filter(|piece| !known.contains(piece)).collect();
        assert!(new.is_empty(), "{name}, gradient {number}: {new:?}");
    }
    Ok(())
}
