//! Counting allocations: for the promise that a step after the first makes none, and that a small file can't ask for much memory.
//!
//! A test binary installs the counter. What all threads allocate is counted by [`during`]; the binary then holds a single test, so that
//! nobody else allocates meanwhile. What one thread has at most is told by [`peak`], and what it
//! keeps by [`kept`], whatever other threads do.
//!
//! ```
//! #[global_allocator]
//! static COUNTER: upg_testkit::alloc::Counter = upg_testkit::alloc::Counter;
//!
//! let counted = upg_testkit::alloc::during(|| drop(vec![0_u8; 100]));
//! assert_eq!((counted.calls, counted.bytes), (1, 100));
//!
//! let (_, peak) = upg_testkit::alloc::peak(|| (vec![0_u8; 60], drop(vec![0_u8; 100]), vec![0_u8; 30]));
//! assert_eq!((peak.largest, peak.held), (100, 160));
//! let (_, kept) = upg_testkit::alloc::kept(|| (vec![0_u8; 60], drop(vec![0_u8; 100]), vec![0_u8; 30]));
//! assert_eq!(kept, 90);
//! ```

use crate::flow::{AnyEngine, all_estimators};
use ndarray::ArrayView2;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use upg_core::{Real, ReverseKl, SampleStream, Start};

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Bytes this thread has allocated and not freed; what it frees for others counts too.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<Peak> = const { Cell::new(Peak { largest: 0, held: 0 }) };
}

/// The system's allocator, counting what is asked of it in all threads.
pub struct Counter;

fn count(bytes: usize) {
    CALLS.fetch_add(1, SeqCst);
    BYTES.fetch_add(bytes, SeqCst);
    hold(bytes.try_into().unwrap_or(isize::MAX));
    let Peak { largest, held } = PEAK.get();
    PEAK.set(Peak { largest: largest.max(bytes), held: held.max(HELD.get()) });
}

fn hold(bytes: isize) {
    HELD.set(HELD.get().saturating_add(bytes));
}

// SAFETY: every method passes its arguments on to the system's allocator and returns what that returns.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of this method, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as in alloc.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        hold(-(layout.size() as isize));
        // SAFETY: as in alloc.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        hold(-(layout.size() as isize));
        // SAFETY: as in alloc.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// Allocations, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// Calls of the allocator.
    pub calls: usize,
    /// Bytes asked for.
    pub bytes: usize,
}

/// Allocations of all threads of the process while `work` runs.
pub fn during<R>(work: impl FnOnce() -> R) -> Counted {
    let (calls, bytes) = (CALLS.load(SeqCst), BYTES.load(SeqCst));
    work();
    Counted { calls: CALLS.load(SeqCst) - calls, bytes: BYTES.load(SeqCst) - bytes }
}

/// The most memory that one thread had, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// The largest single allocation asked for.
    pub largest: usize,
    /// The most that was held at one time, beyond what was held before; while a block is resized, the old and the new one.
    pub held: isize,
}

/// The result of `work`, and what this thread allocates meanwhile.
pub fn peak<R>(work: impl FnOnce() -> R) -> (R, Peak) {
    let before = HELD.get();
    PEAK.set(Peak { largest: 0, held: before });
    let result = work();
    let Peak { largest, held } = PEAK.get();
    (result, Peak { largest, held: held - before })
}

/// The result of `work`, and the bytes that this thread allocates meanwhile and doesn't free.
pub fn kept<R>(work: impl FnOnce() -> R) -> (R, isize) {
    let before = HELD.get();
    let result = work();
    (result, HELD.get() - before)
}

/// Steps of each estimator of which one, at least, must not allocate.
const STEPS: usize = 5;
/// Bytes that the main thread of the test harness may allocate while it starts to wait for the test.
const HARNESS_BYTES: usize = 8192;

/// Asserts that after the first step no estimator of `engine` allocates, over `samples` of shape `[batch, dof]`
/// (as base samples and as data).
///
/// Others may allocate meanwhile: the harness once, and a thread pool takes a new block of its job queue now and then. So of
/// five steps one has to be clean, and none may allocate more than 8 KiB + `queue_bytes` (0 for a device without threads of its own).
///
/// # Panics
/// If an estimator allocates, or [`Counter`] isn't the global allocator.
pub fn assert_no_allocation_after_first<T: Real>(
    engine: &mut AnyEngine<T>,
    theta: &Vec<T>,
    samples: ArrayView2<'_, T>,
    queue_bytes: usize,
) {
    assert!(during(|| drop(std::hint::black_box(Box::new(1_u8)))).calls > 0, "Counter is not the global allocator");
    for estimator in all_estimators() {
        check_steps(&format!("{estimator:?}"), queue_bytes, || estimator.run(engine, theta, samples).loss);
    }
    let stream = SampleStream::new(1, 0, 0);
    check_steps("with drawn samples", queue_bytes, || {
        let start = Start::Draw { stream, first: 0, samples: samples.nrows() };
        engine.reverse_kl(ReverseKl::PathFast, theta, start).expect("the processor doesn't fail").loss
    });
}

#[track_caller]
fn check_steps(what: &str, queue_bytes: usize, mut step: impl FnMut() -> f64) {
    step();
    let counted: Vec<Counted> = (0..STEPS).map(|_| during(&mut step)).collect();
    let clean = counted.iter().any(|step| step.calls == 0);
    let small = counted.iter().all(|step| step.bytes <= HARNESS_BYTES + queue_bytes);
    assert!(clean && small, "{what}: steps after the first allocate {counted:?}");
}
