//! The emulator's global memory: allocations between margins that must stay as they are.

use super::abi::{Range, Runtime};
use crate::gpu::Address;
use std::alloc::{Layout, alloc, dealloc};
use std::collections::{BTreeMap, VecDeque};

/// Bytes before and behind every allocation, and its alignment.
const MARGIN: usize = 256;
/// What is in them.
const PATTERN: u8 = 0xa5;
/// What is in fresh memory and in what was given back: NaN, in f32 and f64.
const POISON: u8 = 0xff;
/// So many allocations that were given back are kept out of use, of so many bytes altogether, that old addresses are known as such.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 16 << 20;

/// Memory by its first address.
#[derive(Debug)]
pub struct Heap {
    limit: usize,
    allocated: usize,
    live: BTreeMap<u64, Block>,
    gone: VecDeque<Block>,
    runtime: Runtime,
}

/// Memory of the host: a margin, `bytes` for use, a margin.
#[derive(Debug)]
struct Block {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: a block owns the memory that it points to, and all access is by way of the heap, which stands behind a lock.
unsafe impl Send for Block {}

impl Heap {
    /// An empty one that gives out `limit` bytes at most.
    pub fn new(limit: usize, runtime: Runtime) -> Self {
        Self { limit, allocated: 0, live: BTreeMap::new(), gone: VecDeque::new(), runtime }
    }

    pub fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Bytes given out and not given back.
    pub fn allocated(&self) -> usize {
        self.allocated
    }

    /// `bytes` of poison, or none if that is more than there is.
    ///
    /// # Panics
    /// If `bytes` is 0.
    pub fn allocate(&mut self, bytes: usize) -> Option<Address> {
        assert!(bytes > 0, "an allocation of 0 bytes");
        if bytes > self.limit.saturating_sub(self.allocated) {
            return None;
        }
        let block = Block::new(bytes)?;
        self.runtime.close(block.start, MARGIN);
        self.runtime.close(block.end(), MARGIN);
        let address = block.address();
        self.allocated += bytes;
        self.live.insert(address, block);
        Some(Address(address))
    }

    pub fn free(&mut self, address: Address) -> Result<(), String> {
        let Some(block) = self.live.remove(&address.0) else {
            return Err(self.nowhere(address));
        };
        self.allocated -= block.bytes;
        let whole = block.check();
        block.fill(POISON);
        self.runtime.close(block.first(), block.bytes);
        self.gone.push_back(block);
        while self.gone.len() > KEPT || self.gone.iter().map(|block| block.bytes).sum::<usize>() > KEPT_BYTES {
            self.gone.pop_front().expect("there are some").release(self.runtime);
        }
        whole
    }

    pub fn write(&mut self, from: &[u8], to: Address) -> Result<(), String> {
        self.holds(to, from.len())?;
        // SAFETY: so many bytes are in an allocation, which nobody else borrows while the heap is.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.0 as *mut u8, from.len()) };
        Ok(())
    }

    pub fn read(&self, from: Address, to: &mut [u8]) -> Result<(), String> {
        self.holds(from, to.len())?;
        self.check_margins(from)?;
        // SAFETY: as in `write`; all of it is initialised, by poison at least.
        unsafe { std::ptr::copy_nonoverlapping(from.0 as *const u8, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    pub fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<(), String> {
        self.holds(from, bytes)?;
        self.holds(to, bytes)?;
        if from.0.abs_diff(to.0) < bytes as u64 {
            return Err(format!("{bytes} bytes from {:#x} overlap those from {:#x}", from.0, to.0));
        }
        // SAFETY: both are in allocations, and don't overlap.
        unsafe { std::ptr::copy_nonoverlapping(from.0 as *const u8, to.0 as *mut u8, bytes) };
        Ok(())
    }

    /// That `bytes` from an address on are in one allocation; the end of one is in it too, for nothing begins there.
    pub fn holds(&self, address: Address, bytes: usize) -> Result<(), String> {
        let block = self.block_of(address)?;
        let offset = (address.0 - block.address()) as usize;
        if bytes > block.bytes - offset {
            return Err(format!("{bytes} bytes from byte {offset} of an allocation of {} bytes", block.bytes));
        }
        Ok(())
    }

    /// That nothing has written beside the allocation in which an address is.
    pub fn check_margins(&self, address: Address) -> Result<(), String> {
        self.block_of(address)?.check()
    }

    /// All allocations, in the order of their addresses.
    pub fn ranges(&self) -> Vec<Range> {
        self.live.values().map(|block| Range { from: block.address(), to: block.end() as u64 }).collect()
    }

    fn block_of(&self, address: Address) -> Result<&Block, String> {
        let below = self.live.range(..=address.0).next_back();
        below.map(|(_, block)| block).filter(|block| block.reaches(address)).ok_or_else(|| self.nowhere(address))
    }

    /// What is wrong with an address that is in no allocation.
    fn nowhere(&self, address: Address) -> String {
        match self.gone.iter().rfind(|block| block.reaches(address)) {
            Some(block) => format!("{:#x} is in an allocation of {} bytes that was freed", address.0, block.bytes),
            None => format!("{:#x} is in no allocation (of {})", address.0, self.live.len()),
        }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        for block in self.gone.drain(..).chain(std::mem::take(&mut self.live).into_values()) {
            block.release(self.runtime);
        }
    }
}

impl Block {
    /// Poison between margins, or none where the host has no more memory.
    fn new(bytes: usize) -> Option<Self> {
        let layout = Self::layout(bytes)?;
        // SAFETY: the layout has at least two margins.
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            return None;
        }
        let block = Self { start, bytes };
        // SAFETY: the memory has that size.
        unsafe { start.write_bytes(PATTERN, layout.size()) };
        block.fill(POISON);
        Some(block)
    }

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes.checked_add(2 * MARGIN)?, MARGIN).ok()
    }

    fn first(&self) -> *mut u8 {
        self.start.wrapping_add(MARGIN)
    }

    fn end(&self) -> *mut u8 {
        self.first().wrapping_add(self.bytes)
    }

    fn address(&self) -> u64 {
        self.first() as u64
    }

    fn reaches(&self, address: Address) -> bool {
        (self.address()..=self.end() as u64).contains(&address.0)
    }

    fn fill(&self, value: u8) {
        // SAFETY: that is the memory for use.
        unsafe { self.first().write_bytes(value, self.bytes) };
    }

    /// That both margins are as they were.
    fn check(&self) -> Result<(), String> {
        for (side, from) in [("before", self.start), ("behind", self.end())] {
            // SAFETY: a margin is there, and was filled.
            let margin = unsafe { std::slice::from_raw_parts(from, MARGIN) };
            if let Some(at) = margin.iter().position(|&byte| byte != PATTERN) {
                return Err(format!(
                    "an allocation of {} bytes: something was written {side} it, in byte {at} of the margin there",
                    self.bytes
                ));
            }
        }
        Ok(())
    }

    fn release(self, runtime: Runtime) {
        let layout = Self::layout(self.bytes).expect("it was allocated so");
        runtime.open(self.start, layout.size());
        // SAFETY: it was allocated with this layout, and is given up here.
        unsafe { dealloc(self.start, layout) };
    }
}
