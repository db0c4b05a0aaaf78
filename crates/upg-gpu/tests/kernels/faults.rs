//! Every failure of a GPU, injected once at every call: it is told as it is, by everything that comes after it, and nothing panics or is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use upg_core::device::{Rule, Update};
use upg_core::{Cut, DeviceError, Engine, ForwardKl, Memory, ReverseKl, SampleStream, Start, Vectors};
use upg_flows::spec::{CouplingSpec, MlpSpec, NetSpec, ScalingSpec, TransformSpec};
use upg_flows::{Activation, BaseSpec, Bias, FlowSpec, LayerSpec, MaskSpec, Parity, Scales, StartAt};
use upg_gpu::emulator::Emulator;
use upg_gpu::gpu::{Address, Facts, Gpu, Launch, Product, Source};
use upg_gpu::{Cuda, LowerError};
use upg_targets::Gmm;
use upg_testkit::draw;

/// The emulator, which fails at one call and at all that come after it.
struct Faulty {
    inner: Emulator,
    calls: Arc<Calls>,
}

/// Calls so far, and the number of the first that fails; memory that isn't given back yet.
struct Calls {
    made: AtomicUsize,
    fails: usize,
    how: DeviceError,
    allocated: AtomicUsize,
}

impl Calls {
    fn new(fails: usize, how: DeviceError) -> Arc<Self> {
        Arc::new(Self { made: AtomicUsize::new(0), fails, how, allocated: AtomicUsize::new(0) })
    }

    fn next(&self) -> Result<(), DeviceError> {
        match self.made.fetch_add(1, SeqCst) < self.fails {
            true => Ok(()),
            false => Err(self.how.clone()),
        }
    }
}

impl Gpu for Faulty {
    type Module = <Emulator as Gpu>::Module;

    fn facts(&self) -> &Facts {
        self.inner.facts()
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.calls.next()?;
        self.calls.allocated.fetch_add(1, SeqCst);
        self.inner.allocate(bytes)
    }

    fn free(&self, address: Address) {
        self.calls.allocated.fetch_sub(1, SeqCst);
        self.inner.free(address);
    }

    fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError> {
        self.calls.next()?;
        self.inner.write(from, to)
    }

    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        self.calls.next()?;
        self.inner.read(from, to)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        self.calls.next()?;
        self.inner.copy(from, to, bytes)
    }

    fn compile(&self, source: &Source) -> Result<Self::Module, DeviceError> {
        self.calls.next()?;
        self.inner.compile(source)
    }

    fn launch(&self, module: &Self::Module, launch: &Launch<'_>) -> Result<(), DeviceError> {
        self.calls.next()?;
        self.inner.launch(module, launch)
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        self.calls.next()?;
        self.inner.product(product)
    }
}

const DOF: usize = 4;

/// A coupling and a scaling.
fn flow() -> FlowSpec {
    let net = NetSpec::Mlp(MlpSpec {
        hidden: vec![5],
        activation: Activation::Silu,
        bias: Bias::Yes,
        start: StartAt::Random,
    });
    let mask = MaskSpec::Custom(vec![0, 3]);
    let coupling = LayerSpec::Coupling(CouplingSpec { mask, net, transform: TransformSpec::Affine { clamp: None } });
    let second =
        NetSpec::Mlp(MlpSpec { hidden: vec![3], activation: Activation::Tanh, bias: Bias::No, start: StartAt::Random });
    let mask = MaskSpec::Alternating(Parity::Odd);
    let other = LayerSpec::Coupling(CouplingSpec { mask, net: second, transform: TransformSpec::Additive });
    let layers = vec![coupling, other, LayerSpec::Scaling(ScalingSpec { scales: Scales::PerDof })];
    FlowSpec { shape: vec![DOF], base: BaseSpec::DiagonalNormal, layers }
}

/// Two gradients, a step and a look at the weights.
fn work(calls: &Arc<Calls>) -> Result<Vec<f64>, DeviceError> {
    let device = Cuda::<f64, Faulty>::new(Faulty { inner: Emulator::new()?, calls: calls.clone() })?;
    let of_lowering = |error| match error {
        LowerError::Device(error) => error,
        LowerError::Flow(error) => panic!("{error}"),
    };
    let layers = device.flow(&flow()).map_err(of_lowering)?;
    let base = device.base(&flow().base, &[DOF]).map_err(of_lowering)?;
    let target = device.gmm(&Gmm::new(DOF).unwrap())?;
    let mut engine = Engine::new(device.clone(), layers, base, target, Cut { micro_batch: 3, lanes: 1 });
    let layout = engine.layout();
    let mut theta = device.buffer(&draw::parameters(&mut draw::rng(3), &layout));
    let start = Start::Draw { stream: SampleStream::new(1, 2, 3), first: 0, samples: 5 };
    let first = engine.reverse_kl(ReverseKl::PathFast, &theta, start)?;
    let mut seen = first.log_weights.to_vec();
    let mut moments = [device.zeros(layout.size())];
    let update = Update { theta: &mut theta, grad: first.grad, clip: Some(1.0), moments: &mut moments, average: None };
    seen.push(device.optimise(Rule::Momentum { momentum: 0.9, rate: 0.1 }, update));
    let x = draw::normal(&mut draw::rng(4), 4, DOF, 1.0);
    seen.push(engine.forward_kl(ForwardKl::Gdreg, &theta, x.view())?.loss);
    seen.extend(device.to_host(&theta));
    device.status()?;
    Ok(seen)
}

#[test]
fn every_failure_is_told_and_nothing_is_lost() {
    let lost = || DeviceError::Lost { device: "emulated:0".into(), reason: "told to be".into() };
    let all = Calls::new(usize::MAX, lost());
    let expected = work(&all).unwrap();
    assert!(expected.iter().all(|x| x.is_finite()));
    let calls = all.made.load(SeqCst);
    assert!(calls > 100, "{calls} calls");
    for (i, fails) in (0..calls).enumerate() {
        let how = match i % 2 {
            0 => lost(),
            _ => DeviceError::OutOfMemory { bytes: 7, device: "emulated:0".into() },
        };
        let calls = Calls::new(fails, how.clone());
        assert_eq!(work(&calls).err(), Some(how), "call {fails}");
        assert_eq!(calls.made.load(SeqCst), fails + 1, "nothing is asked after call {fails}");
        assert_eq!(calls.allocated.load(SeqCst), 0, "memory that wasn't given back after call {fails}");
    }
    assert_eq!(work(&Calls::new(usize::MAX, lost())).unwrap(), expected);
}
