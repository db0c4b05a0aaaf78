//! Main memory: how much there is, and an end in one line where the system has no more.

use super::console::say;
use super::output::give_up_writing;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// The allocator of a program that ends with one line and the status 1 where the system refuses memory, instead of being aborted. What is
/// saved stays; what is being written under temporary names goes.
#[derive(Clone, Copy, Debug)]
pub struct OrEnd;

// SAFETY: every method is that of the system's allocator, or doesn't return.
unsafe impl GlobalAlloc for OrEnd {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        had(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        had(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        had(unsafe { System.realloc(old, layout, size) }, size)
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(old, layout) }
    }
}

/// The memory, if there is any.
fn had(memory: *mut u8, size: usize) -> *mut u8 {
    if memory.is_null() {
        end(size);
    }
    memory
}

#[cold]
fn end(size: usize) -> ! {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    let _nothing_begins = (!BEGUN.swap(true, Ordering::SeqCst)).then(|| {
        say(format_args!("error: out of memory: the system refuses {}; what was saved stays", Bytes(size as u64)));
        give_up_writing()
    });
    signal_hook::low_level::exit(1) // at once: whatever else is to be done may need memory
}

/// Bytes that this process can have at most, as far as the system tells: of the machine, its container and its own limit.
pub fn of_machine() -> Option<u64> {
    let kilobytes = |text: &str| text.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let machine = read("/proc/meminfo").lines().find_map(|line| kilobytes(line.strip_prefix("MemTotal:")?));
    let container = read("/sys/fs/cgroup/memory.max").trim().parse().ok();
    let limit = |line: &str| line.strip_prefix("Max address space")?.split_whitespace().next()?.parse().ok();
    let process = read("/proc/self/limits").lines().find_map(limit);
    [machine, container, process].into_iter().flatten().min()
}

/// A number of bytes for a reader: `1.5 GB`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1_000_000 => write!(f, "{:.1} kB", bytes / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.1} MB", bytes / 1e6),
            1_000_000_000..1_000_000_000_000 => write!(f, "{:.1} GB", bytes / 1e9),
            _ => write!(f, "{:.1} TB", bytes / 1e12),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_largest_unit_they_fill() {
        let shown = [1, 999_999, 1_500_000, 23_040_000_000, u64::MAX].map(|bytes| Bytes(bytes).to_string());
        assert_eq!(shown, ["0.0 kB", "1000.0 kB", "1.5 MB", "23.0 GB", "18446744.1 TB"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_machine_has_memory() {
        assert!(of_machine().is_some_and(|bytes| bytes > 1 << 26));
    }
}
