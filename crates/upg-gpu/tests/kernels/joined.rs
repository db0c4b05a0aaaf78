//! Sums over the devices of several threads, which stand for processes.

use crate::support::device;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};
use upg_core::device::{Joined, scaled};
use upg_core::{Cut, DeviceError, Engine, Memory, Real, ReverseKl, SampleStream, Start, Vectors};
use upg_flows::{BaseSpec, FlowSpec, RealNvp};
use upg_gpu::emulator::Emulator;
use upg_gpu::{Cuda, ParamsMut};
use upg_targets::Phi4;
use upg_testkit::draw;

type Team<T> = Box<dyn Joined<Cuda<T, Emulator>>>;

/// Waits for a while.
fn patient(done: &mut dyn FnMut() -> bool) -> Result<(), DeviceError> {
    for_as_long(Duration::from_secs(60), done)
}

fn for_as_long(most: Duration, done: &mut dyn FnMut() -> bool) -> Result<(), DeviceError> {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > most {
            return Err(DeviceError::Unavailable { device: "another".into(), reason: "waited in vain".into() });
        }
        thread::yield_now();
    }
    Ok(())
}

/// What each of `size` connected devices finds, in their order.
fn together<T: Real, O: Send>(size: usize, work: impl Fn(usize, &Cuda<T, Emulator>, Team<T>) -> O + Sync) -> Vec<O> {
    let (work, invitation) = (&work, device::<T>().connect().unwrap().invite().unwrap());
    let invitation = &invitation;
    thread::scope(|scope| {
        let start = |rank| {
            scope.spawn(move || {
                let device = device::<T>();
                let way = device.connect().unwrap();
                way.check().unwrap();
                let joined = way.join(invitation, rank, size, &mut patient).unwrap();
                drop(way);
                work(rank, &device, joined)
            })
        };
        let all: Vec<_> = (0..size).map(start).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn numbers<T: Real>(rank: usize, len: usize) -> Vec<T> {
    (0..len).map(|i| T::of(((rank * 31 + i) as f64).sin() * 10_f64.powi(rank as i32))).collect()
}

fn factor(rank: usize) -> f64 {
    0.1 + rank as f64 / 7.0
}

/// In the order of the devices, in the precision of the numbers: to the bit what hosts find.
fn check_sums<T: Real>() {
    for size in 1..=4 {
        let lengths = [1, 2, 3, 7, 100, 4099];
        let all = together(size, |rank, device, mut joined: Team<T>| {
            let mut sum_of = |len| {
                let mut buffer = device.buffer(&numbers(rank, len));
                joined.sum(factor(rank), device.params_mut(&mut buffer), &mut patient).unwrap();
                device.to_host(&buffer)
            };
            // Memory of a longer sum is there for a shorter one.
            [&lengths[..], &lengths[..2]].concat().into_iter().map(&mut sum_of).collect::<Vec<_>>()
        });
        for (which, len) in [&lengths[..], &lengths[..2]].concat().into_iter().enumerate() {
            let part = |rank| numbers::<T>(rank, len).into_iter().map(move |x| scaled(factor(rank), x));
            let expected = (1..size).fold(part(0).collect::<Vec<_>>(), |sum, rank| {
                sum.into_iter().zip(part(rank)).map(|(a, b)| a + b).collect()
            });
            assert!(all.iter().all(|sums| sums[which] == expected), "{size} devices, {len} numbers");
        }
    }
}

#[test]
fn sums_over_devices_are_those_of_hosts_to_the_bit() {
    check_sums::<f32>();
    check_sums::<f64>();
}

/// Parts of a gradient as layers bring them: from the end on, not all side by side, of all sizes, while the device goes on with what isn't begun yet. Pieces
/// begin and end anywhere, and the bits are those of the sum of the whole.
#[test]
fn parts_are_summed_while_others_are_made() {
    let lengths = [700, 3, 1, 2000, 40, 0, 5, 300];
    let begins: Vec<_> = lengths.iter().scan(0, |end, len| Some(std::mem::replace(end, *end + len))).collect();
    let total = lengths.iter().sum();
    let order = [6, 5, 4, 3, 0, 1, 7, 2];
    for size in 1..=3 {
        let all = together(size, |rank, device, mut joined: Team<f64>| {
            let [mut whole, mut in_parts] = [(); 2].map(|()| device.buffer(&numbers(rank, total)));
            joined.sum(factor(rank), device.params_mut(&mut whole), &mut patient).unwrap();
            let mut view = device.params_mut(&mut in_parts);
            for part in order {
                let range = begins[part]..begins[part] + lengths[part];
                joined.begin(factor(rank), Cuda::<f64, Emulator>::slice_mut(&mut view, range), &mut patient).unwrap();
            }
            joined.finish(&mut patient).unwrap();
            (device.to_host(&whole), device.to_host(&in_parts))
        });
        assert!(all.iter().all(|(whole, in_parts)| whole == in_parts && *whole == all[0].0), "{size} devices");
    }
}

/// The gradients of several devices, summed while they are made, are the sums of gradients that each makes alone.
#[test]
fn gradients_are_summed_while_they_are_made() {
    let lattice = vec![4, 4];
    let flow = RealNvp { lattice: lattice.clone(), couplings: 4, hidden: vec![9, 7], ..RealNvp::default() };
    let flow = FlowSpec { base: BaseSpec::DiagonalNormal, ..flow.spec().unwrap() };
    let gradient = |rank: usize, device: &Cuda<f32, Emulator>, joined: Option<Team<f32>>| {
        let target = device.phi4(&Phi4::new(&lattice, 0.3, 0.022).unwrap()).unwrap();
        let base = device.base(&flow.base, &flow.shape).unwrap();
        let cut = Cut { micro_batch: 4, lanes: 1 };
        let mut engine = Engine::new(device.clone(), device.flow(&flow).unwrap(), base, target, cut);
        let theta = device.buffer(&draw::cast(&draw::parameters(&mut draw::rng(1), &engine.layout())));
        let start = Start::Draw { stream: SampleStream::new(1, 2, 3), first: 6 * rank as u64, samples: 6 };
        let Some(mut joined) = joined else {
            return device.to_host(engine.reverse_kl(ReverseKl::PathFast, &theta, start).unwrap().grad);
        };
        let mut parts = 0;
        let mut begin = |_: Range<usize>, part: ParamsMut<'_, f32>| {
            parts += 1;
            joined.begin(factor(rank), part, &mut patient).unwrap();
        };
        let grad = engine.reverse_kl_each(ReverseKl::PathFast, &theta, start, &mut begin).unwrap().grad;
        joined.finish(&mut patient).unwrap();
        assert_eq!(parts, 5, "a part for each coupling, and one for the base");
        device.to_host(grad)
    };
    let size = 3;
    let all = together(size, |rank, device, joined: Team<f32>| gradient(rank, device, Some(joined)));
    let alone = |rank| gradient(rank, &device(), None).into_iter().map(move |x| scaled(factor(rank), x));
    let expected = (1..size)
        .fold(alone(0).collect::<Vec<_>>(), |sum, rank| sum.into_iter().zip(alone(rank)).map(|(a, b)| a + b).collect());
    assert!(all.iter().all(|grad| *grad == expected));
}

/// A device that is gone is waited for as long as it is said; nothing is summed after that.
#[test]
fn where_one_has_gone_the_others_can_leave() {
    let all = together(3, |rank, device, mut joined: Team<f64>| {
        let mut buffer = device.buffer(&numbers(rank, 50));
        joined.sum(1.0, device.params_mut(&mut buffer), &mut patient).unwrap();
        if rank == 2 {
            return vec![];
        }
        let mut impatient = |done: &mut dyn FnMut() -> bool| for_as_long(Duration::from_millis(200), done);
        let mut again = || joined.sum(1.0, device.params_mut(&mut buffer), &mut impatient).unwrap_err().to_string();
        let told = vec![again(), again()];
        assert_eq!(device.status(), Ok(()), "the device itself is there");
        told
    });
    let expected = ["another: waited in vain", "emulated:0: it has left the devices of the other processes"];
    assert_eq!(all, [&expected[..], &expected, &[]]);
}

/// One that never comes.
#[test]
fn devices_that_do_not_find_each_other() {
    let device = device::<f32>();
    let way = device.connect().unwrap();
    let invitation = way.invite().unwrap();
    let mut impatient = |done: &mut dyn FnMut() -> bool| for_as_long(Duration::from_millis(100), done);
    let error = way.join(&invitation, 0, 2, &mut impatient).map(drop).unwrap_err().to_string();
    assert_eq!(error, "another: waited in vain");
    let error = way.join(b"\0/nowhere", 0, 2, &mut impatient).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("emulated:0: lost: "), "{error}");
}
