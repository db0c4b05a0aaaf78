//! The check of a card finds one that computes wrongly.

use std::sync::atomic::{AtomicU64, Ordering};
use upg_core::DeviceError;
use upg_experiments::gpu_check::{Card, Finding, Verdict, of_flow};
use upg_gpu::emulator::Emulator;
use upg_gpu::gpu::{Address, Facts, Gpu, Launch, Product, Source};

/// What is wrong with a card.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Nothing.
    None,
    /// Products are off by a billionth.
    Inexact,
    /// Every product differs from the last.
    Unsteady,
    /// Copies within the card don't arrive.
    Forgetful,
}

struct Faulty {
    card: Emulator,
    fault: Fault,
    products: AtomicU64,
}

impl Gpu for Faulty {
    type Module = <Emulator as Gpu>::Module;

    fn facts(&self) -> &Facts {
        self.card.facts()
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        self.card.allocate(bytes)
    }

    fn free(&self, address: Address) {
        self.card.free(address);
    }

    fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError> {
        self.card.write(from, to)
    }

    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        self.card.read(from, to)
    }

    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        if self.fault == Fault::Forgetful { Ok(()) } else { self.card.copy(from, to, bytes) }
    }

    fn compile(&self, source: &Source) -> Result<Self::Module, DeviceError> {
        self.card.compile(source)
    }

    fn launch(&self, module: &Self::Module, launch: &Launch<'_>) -> Result<(), DeviceError> {
        self.card.launch(module, launch)
    }

    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        let asked = self.products.fetch_add(1, Ordering::Relaxed);
        let by = match self.fault {
            Fault::Inexact => 1.0 + 1e-9,
            Fault::Unsteady => 1.0 + 1e-15 * (asked % 7) as f64,
            Fault::None | Fault::Forgetful => 1.0,
        };
        self.card.product(&Product { alpha: by * product.alpha, ..*product })
    }
}

/// Names of what failed about a flow.
fn failures(flow: &str, fault: Fault) -> Vec<String> {
    let out = tempfile::tempdir().unwrap();
    let open = move |_| Ok(Faulty { card: Emulator::new()?, fault, products: AtomicU64::new(0) });
    let findings = of_flow(&Card::new(open, true, vec![], out.path().into()), flow).unwrap();
    assert!(findings.len() > 10, "{findings:?}");
    let failed = findings.into_iter().filter(|Finding { verdict, .. }| *verdict == Verdict::Failed);
    failed.map(|finding| finding.name).collect()
}

#[test]
#[ignore = "takes g++"]
fn a_card_that_is_right_passes() {
    assert_eq!(failures("mixture", Fault::None), Vec::<String>::new());
}

#[test]
#[ignore = "takes g++"]
fn a_card_whose_products_are_inexact_fails_in_f64() {
    let failed = failures("mixture", Fault::Inexact);
    assert!(failed.iter().any(|name| name.contains("path-fast, reverse")), "{failed:?}");
    assert!(failed.iter().all(|name| name.contains("f64") || name.contains("training")), "{failed:?}");
}

#[test]
#[ignore = "takes g++"]
fn a_card_that_does_not_repeat_itself_fails() {
    let failed = failures("mixture", Fault::Unsteady);
    assert!(failed.contains(&"mixture, f64, twice".to_owned()), "{failed:?}");
    assert!(failed.contains(&"mixture, 20 training steps, with and without graphs".to_owned()), "{failed:?}");
}

#[test]
#[ignore = "takes g++"]
fn a_card_that_does_not_copy_fails() {
    let failed = failures("mixture", Fault::Forgetful);
    assert!(failed.contains(&"mixture, f64, on poisoned memory".to_owned()), "{failed:?}");
}
