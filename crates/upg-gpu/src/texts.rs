//! A GPU that runs nothing and keeps the texts that it is to compile: what a card will need of a compiler.

use crate::gpu::{Address, Facts, Gpu, Launch, Product, Source};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use upg_core::DeviceError;

/// Keeps texts. Whatever is read from it is zero.
#[derive(Debug)]
pub struct Texts {
    facts: Facts,
    next: AtomicU64,
    asked_for: Mutex<HashSet<Source>>,
}

impl Texts {
    /// In the place of a card of this capability, whose blocks have so many bytes of shared memory.
    pub fn new(capability: (u32, u32), shared_memory: usize) -> Self {
        let facts = Facts {
            device: "cuda:0".into(),
            name: "none".into(),
            capability,
            memory: usize::MAX,
            shared_memory,
            multiprocessors: 1,
            clock: 0,
            bandwidth: 0,
            versions: String::new(),
        };
        Self { facts, next: AtomicU64::new(256), asked_for: Mutex::default() }
    }

    /// What was to be compiled so far, each once, in no order.
    pub fn asked_for(&self) -> Vec<Source> {
        self.asked_for.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Gpu for Texts {
    type Module = ();

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        Ok(Address(self.next.fetch_add(bytes.next_multiple_of(256) as u64, Ordering::Relaxed)))
    }

    fn free(&self, _: Address) {}

    fn write(&self, _: &[u8], _: Address) -> Result<(), DeviceError> {
        Ok(())
    }

    fn read(&self, _: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        to.fill(0);
        Ok(())
    }

    fn copy(&self, _: Address, _: Address, _: usize) -> Result<(), DeviceError> {
        Ok(())
    }

    fn compile(&self, source: &Source) -> Result<(), DeviceError> {
        self.asked_for.lock().unwrap_or_else(PoisonError::into_inner).insert(source.clone());
        Ok(())
    }

    fn launch(&self, (): &(), _: &Launch<'_>) -> Result<(), DeviceError> {
        Ok(())
    }

    fn product(&self, _: &Product) -> Result<(), DeviceError> {
        Ok(())
    }
}
