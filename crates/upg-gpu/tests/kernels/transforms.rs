//! Couplings by splines and mixtures, of numbers and of angles: the battery, and agreement with the host. Few sizes: each is a compilation.

use crate::agreement::check_agreement;
use crate::layers::{any_activation, any_coupling, any_mask, any_net};
use crate::support::{Device, on_device};
use rand::RngExt;
use upg_core::{Real, Rng};
use upg_flows::spec::{AngleCouplingSpec, AngleTransformSpec, CouplingSpec, MlpSpec, NetSpec, TransformSpec};
use upg_flows::{Activation, Bias, LayerSpec, MaskSpec, Parity, StartAt};
use upg_gpu::AnyLayer;
use upg_gpu::emulator::Emulator;
use upg_testkit::{domain::Domain, draw, layer_battery, on_host::OnHost};

layer_battery! {
    spline(rng) threads 1 => of_numbers::<T>(any_spline(rng), rng);
    odd_spline(rng) threads 1 => of_numbers::<T>(any_odd_spline(rng), rng);
    logistic_mixture(rng) threads 1 => of_numbers::<T>(any_logistics(rng), rng);
    spline_the_other_way_round(rng) threads 1 => inverse_of_numbers::<T>(any_spline(rng), rng);
    odd_spline_the_other_way_round(rng) threads 1 => inverse_of_numbers::<T>(any_odd_spline(rng), rng);
    logistic_mixture_the_other_way_round(rng) threads 1 => inverse_of_numbers::<T>(any_logistics(rng), rng);
    circular_spline(rng) on Domain::Circle threads 1 => of_angles::<T>(any_circular_spline(rng), rng);
    tan_mixture(rng) on Domain::Circle threads 1 => of_angles::<T>(any_tans(rng), rng);
}

fn any_spline(rng: &mut Rng) -> TransformSpec {
    let (bins, interval) = [(2, 3.5), (5, 2.5)][rng.random_range(0..2)];
    TransformSpec::Spline { bins, interval }
}

fn any_odd_spline(rng: &mut Rng) -> TransformSpec {
    let (bins, interval) = [(2, 3.5), (5, 2.5)][rng.random_range(0..2)];
    TransformSpec::OddSpline { bins, interval }
}

fn any_logistics(rng: &mut Rng) -> TransformSpec {
    TransformSpec::LogisticMixture { mixtures: [1, 3][rng.random_range(0..2)] }
}

fn any_circular_spline(rng: &mut Rng) -> AngleTransformSpec {
    AngleTransformSpec::CircularSpline { bins: [2, 5][rng.random_range(0..2)] }
}

fn any_tans(rng: &mut Rng) -> AngleTransformSpec {
    AngleTransformSpec::TanMixture { mixtures: [1, 3][rng.random_range(0..2)] }
}

/// A net whose φ are bounded, so that single precision tells something.
fn bounded(rng: &mut Rng) -> NetSpec {
    let hidden = vec![rng.random_range(4..12)];
    NetSpec::Mlp(MlpSpec { hidden, activation: Activation::Tanh, bias: Bias::Yes, start: StartAt::Random })
}

fn alternating(rng: &mut Rng) -> MaskSpec {
    MaskSpec::Alternating(if rng.random() { Parity::Even } else { Parity::Odd })
}

fn coupling_of_numbers(transform: TransformSpec, rng: &mut Rng) -> LayerSpec {
    LayerSpec::Coupling(CouplingSpec { mask: alternating(rng), net: bounded(rng), transform })
}

fn of_numbers<T: Real>(transform: TransformSpec, rng: &mut Rng) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    on_device::<T>(&coupling_of_numbers(transform, rng), &[rng.random_range(2..6)])
}

fn inverse_of_numbers<T: Real>(transform: TransformSpec, rng: &mut Rng) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    let coupling = Box::new(coupling_of_numbers(transform, rng));
    on_device::<T>(&LayerSpec::Inverse(coupling), &[rng.random_range(2..6)])
}

fn of_angles<T: Real>(transform: AngleTransformSpec, rng: &mut Rng) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    let coupling = AngleCouplingSpec { mask: alternating(rng), net: bounded(rng), transform };
    on_device::<T>(&LayerSpec::AngleCoupling(coupling), &[rng.random_range(2..6)])
}

#[test]
fn couplings_of_numbers_are_those_of_the_host() {
    for seed in 100..106 {
        let rng = &mut draw::rng(seed);
        for transform in [any_spline(rng), any_odd_spline(rng), any_logistics(rng)] {
            let (spec, shape) = any_coupling(transform, any_activation(rng), rng);
            check_agreement(&spec, &shape, Domain::Line, rng);
        }
    }
}

#[test]
fn couplings_of_angles_are_those_of_the_host() {
    for seed in 110..116 {
        let rng = &mut draw::rng(seed);
        for transform in [any_circular_spline(rng), any_tans(rng)] {
            let (mask, shape) = any_mask(rng);
            let net = any_net(any_activation(rng), rng);
            let spec = LayerSpec::AngleCoupling(AngleCouplingSpec { mask, net, transform });
            check_agreement(&spec, &shape, Domain::Circle, rng);
        }
    }
}
