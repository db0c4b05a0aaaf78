//! Every target passes the battery of the host's targets, one line each, and agrees with the host's.

use crate::support::{Device, device};
use ndarray::Array2;
use rand::RngExt;
use std::sync::Arc;
use upg_core::{Cpu, Real, Rng, Target};
use upg_gpu::AnyTarget;
use upg_gpu::emulator::Emulator;
use upg_targets::phi4::MassConvention;
use upg_targets::{Funnel, Gaussian, Gmm, Phi4, U1};
use upg_testkit::domain::Domain;
use upg_testkit::on_host::OnHost;
use upg_testkit::target::{Evaluated, action};
use upg_testkit::tolerance::{Tolerance, assert_close, assert_close_on_scale, assert_same_bits, largest};
use upg_testkit::{draw, target_battery};

target_battery! {
    phi4(rng) => any_phi4(rng).on_device::<T>();
    u1(rng) on Domain::Circle => any_u1(rng).on_device::<T>();
    gmm(rng) => Case::Gmm(Gmm::new(rng.random_range(1..20)).unwrap()).on_device::<T>();
    gaussian(rng) => any_gaussian(rng).on_device::<T>();
    funnel_on_the_host(rng) => Case::Funnel(Funnel::new(rng.random_range(2..6), 1.5).unwrap()).on_device::<T>();
}

/// A target of the host that a device has too.
enum Case {
    Phi4(Phi4),
    U1(U1),
    Gmm(Gmm),
    Gaussian(Gaussian),
    Funnel(Funnel),
}

impl Case {
    fn on_host<T: Real>(&self) -> Arc<dyn Target<Cpu<T>>> {
        match self {
            Self::Phi4(target) => Arc::new(target.clone()),
            Self::U1(target) => Arc::new(*target),
            Self::Gmm(target) => Arc::new(*target),
            Self::Gaussian(target) => Arc::new(target.clone()),
            Self::Funnel(target) => Arc::new(*target),
        }
    }

    fn on_device<T: Real>(&self) -> OnHost<Device<T>, AnyTarget<T, Emulator>> {
        let device = device();
        let target = match self {
            Self::Phi4(target) => device.phi4(target),
            Self::U1(target) => device.u1(target),
            Self::Gmm(target) => device.gmm(target),
            Self::Gaussian(target) => device.gaussian(target),
            Self::Funnel(_) => Ok(device.host_target(Cpu::here(), self.on_host())),
        };
        OnHost::new(device, target.unwrap_or_else(|error| panic!("{error}")))
    }
}

/// φ⁴ theory in one to four dimensions, extents of 1 and 2 among them, by its hopping parameter or its mass.
fn any_phi4(rng: &mut Rng) -> Case {
    let lattices: [&[usize]; 7] = [&[1], &[7], &[2, 3], &[5, 4], &[1, 6], &[2, 3, 4], &[2, 1, 3, 2]];
    let lattice = lattices[rng.random_range(0..lattices.len())];
    let lambda = rng.random_range(0.01..1.0);
    Case::Phi4(match rng.random() {
        true => Phi4::new(lattice, rng.random_range(-0.4..0.4), lambda).unwrap(),
        false => Phi4::by_mass(lattice, rng.random_range(-3.0..1.0), lambda, MassConvention::Canonical).unwrap(),
    })
}

fn any_u1(rng: &mut Rng) -> Case {
    let lattices = [[1, 1], [1, 4], [3, 1], [2, 2], [3, 5], [9, 2]];
    Case::U1(U1::new(&lattices[rng.random_range(0..lattices.len())], rng.random_range(0.5..6.0)).unwrap())
}

fn any_gaussian(rng: &mut Rng) -> Case {
    let dim = rng.random_range(1..12);
    let root = draw::normal(rng, dim, dim, 1.0);
    let covariance = root.dot(&root.t()) + Array2::from_diag_elem(dim, 0.5);
    let mean: Vec<f64> = draw::normal(rng, dim, 1, 2.0).into_iter().collect();
    Case::Gaussian(Gaussian::new(&mean, covariance.view()).unwrap())
}

/// Action and force of both, the action asked for alone as well.
fn check_agreement<T: Real>(case: &Case, domain: Domain, samples: usize, rng: &mut Rng) {
    let (here, host, on_device) = (Cpu::<T>::here(), case.on_host::<T>(), case.on_device::<T>());
    let x = draw::points(rng, domain, samples, host.dof()).mapv(T::of);
    let (expected, got) = (Evaluated::of(&here, &*host, &x), Evaluated::of(&here, &on_device, &x));
    let scale = largest(&expected.action).max(host.dof() as f64);
    let round_off = Tolerance::round_off::<T>();
    assert_close_on_scale("actions here and there", &got.action, &expected.action, scale, round_off);
    let flat = |force: &Array2<T>| force.iter().copied().collect::<Vec<T>>();
    let (got_force, force) = (flat(&got.force), flat(&expected.force));
    match largest(&force) > 0.0 {
        true => assert_close("forces here and there", &got_force, &force, round_off),
        false => assert!(got_force.iter().all(|f| f.wide() == 0.0), "no force"),
    }
    assert_same_bits("the action alone", &action(&here, &on_device, &x), &got.action);
}

#[test]
fn actions_and_forces_are_those_of_the_host() {
    for round in 0..4 {
        let rng = &mut draw::rng(round);
        let line = [any_phi4(rng), any_gaussian(rng), Case::Gmm(Gmm::new(rng.random_range(1..40)).unwrap())];
        let circle = [any_u1(rng), Case::U1(U1::new(&[8, 8], 2.0).unwrap())];
        for samples in [1, 33, 70] {
            for case in &line {
                check_agreement::<f64>(case, Domain::Line, samples, rng);
                check_agreement::<f32>(case, Domain::Line, samples, rng);
            }
            for case in &circle {
                check_agreement::<f64>(case, Domain::Circle, samples, rng);
                check_agreement::<f32>(case, Domain::Circle, samples, rng);
            }
        }
    }
}
