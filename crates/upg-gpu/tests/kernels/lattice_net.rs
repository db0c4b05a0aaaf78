//! Couplings with convolutional nets: the battery, agreement with the host on lattices and masks of all kinds, and what a verb costs.

use crate::agreement::check_agreement;
use crate::couplings::counts_on;
use crate::support::{Device, device, on_device};
use rand::RngExt;
use upg_core::{Real, Rng};
use upg_flows::cnn::{Links, Sites};
use upg_flows::spec::{CouplingSpec, LatticeNetSpec, NetSpec, TransformSpec};
use upg_flows::{Activation, BaseSpec, FlowSpec, LayerSpec, MaskSpec, Parity, StartAt, Symmetry};
use upg_gpu::emulator::Emulator;
use upg_gpu::{AnyLayer, Cuda};
use upg_testkit::{domain::Domain, draw, layer_battery, on_host::OnHost};

layer_battery! {
    conv_affine(rng) threads 1 => coupling::<T>(AFFINE, any_symmetry(rng), rng);
    conv_additive(rng) threads 1 => coupling::<T>(TransformSpec::Additive, any_symmetry(rng), rng);
    conv_odd_spline(rng) threads 1 => odd_spline::<T>(rng);
}

const AFFINE: TransformSpec = TransformSpec::Affine { clamp: Some(1.3) };
const ODD_SPLINE: TransformSpec = TransformSpec::OddSpline { bins: 2, interval: 3.5 };

fn any_symmetry(rng: &mut Rng) -> Symmetry {
    if rng.random() { Symmetry::Z2 } else { Symmetry::None }
}

/// A lattice, and a mask of any kind that a net of this extent takes there.
fn any_lattice(rng: &mut Rng) -> (MaskSpec, Vec<usize>) {
    let parity = if rng.random() { Parity::Even } else { Parity::Odd };
    let even: [&[usize]; 4] = [&[6], &[4, 4], &[4, 6], &[4, 4, 4]];
    let any: [&[usize]; 3] = [&[9], &[3, 4], &[6, 3]];
    match rng.random_range(0..3) {
        0 => (MaskSpec::Checkerboard(parity), even[rng.random_range(0..3)].to_vec()),
        1 => (MaskSpec::Alternating(parity), even[rng.random_range(0..4)].to_vec()),
        _ => {
            let shape = any[rng.random_range(0..3)].to_vec();
            let (dof, first): (usize, usize) = (shape.iter().product(), rng.random_range(0..3));
            (MaskSpec::Custom((0..dof).filter(|i| i % 3 == first).collect()), shape)
        }
    }
}

/// A net of any depth and channels.
fn any_net(symmetry: Symmetry, rng: &mut Rng) -> LatticeNetSpec {
    let hidden = (0..rng.random_range(0..3)).map(|_| rng.random_range(1..12)).collect();
    let smooth = [Activation::Tanh, Activation::Silu, Activation::Softplus, Activation::Gelu];
    let odd = [Activation::Tanh, Activation::Identity];
    let activation = match symmetry {
        Symmetry::None => smooth[rng.random_range(0..4)],
        Symmetry::Z2 => odd[rng.random_range(0..2)],
    };
    let start = if rng.random() { StartAt::Random } else { StartAt::Identity };
    LatticeNetSpec { hidden, kernel: 3, activation, symmetry, start }
}

fn any_coupling(transform: TransformSpec, symmetry: Symmetry, rng: &mut Rng) -> (LayerSpec, Vec<usize>) {
    let (mask, shape) = any_lattice(rng);
    let net = NetSpec::Cnn(any_net(symmetry, rng));
    (LayerSpec::Coupling(CouplingSpec { mask, net, transform }), shape)
}

fn coupling<T: Real>(
    transform: TransformSpec,
    symmetry: Symmetry,
    rng: &mut Rng,
) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    let (spec, shape) = any_coupling(transform, symmetry, rng);
    on_device::<T>(&spec, &shape)
}

/// As on the host, whose note says why there is a bounded hidden layer: else all but the shift are squares of x, and bins soon too narrow to invert.
fn odd_spline<T: Real>(rng: &mut Rng) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    let (mask, shape) = any_lattice(rng);
    let hidden: Vec<usize> = (0..rng.random_range(1..3)).map(|_| rng.random_range(1..4)).collect();
    on_device::<T>(&spec(mask, &hidden, 3, Symmetry::Z2, ODD_SPLINE), &shape)
}

#[test]
fn convolutional_couplings_are_those_of_the_host() {
    for seed in 0..8 {
        let rng = &mut draw::rng(seed);
        for transform in [AFFINE, TransformSpec::Additive, ODD_SPLINE] {
            for symmetry in [Symmetry::None, Symmetry::Z2] {
                let (spec, shape) = any_coupling(transform, symmetry, rng);
                check_agreement(&spec, &shape, Domain::Line, rng);
            }
        }
    }
}

fn spec(mask: MaskSpec, hidden: &[usize], kernel: usize, symmetry: Symmetry, transform: TransformSpec) -> LayerSpec {
    let (activation, start) = (Activation::Tanh, StartAt::Random);
    let net = NetSpec::Cnn(LatticeNetSpec { hidden: hidden.to_vec(), kernel, activation, symmetry, start });
    LayerSpec::Coupling(CouplingSpec { mask, net, transform })
}

/// Windows whose weights don't fit into shared memory at once, four dimensions, many channels, squares of the input itself.
#[test]
fn large_nets_agree_with_the_host() {
    let rng = &mut draw::rng(20);
    let cases: [(&[usize], &[usize], usize, Symmetry); 5] = [
        (&[10], &[35, 17], 9, Symmetry::None),
        (&[18, 17], &[2], 17, Symmetry::None),
        (&[4, 4, 4, 4], &[3, 9], 3, Symmetry::Z2),
        (&[6, 8], &[], 5, Symmetry::Z2),
        (&[8, 8], &[16, 33, 8], 3, Symmetry::Z2),
    ];
    for (shape, hidden, kernel, symmetry) in cases {
        let mask = match shape {
            [18, 17] => MaskSpec::Custom((0..18 * 17).filter(|i| i / 17 % 2 == 0).collect()),
            _ => MaskSpec::Checkerboard(Parity::Odd),
        };
        check_agreement(&spec(mask, hidden, kernel, symmetry, AFFINE), shape, Domain::Line, rng);
    }
}

/// With whole blocks of samples: forward and on the way back every link is used once for each pair of channels and sample, and once more in a
/// gradient. The description counts all sites of the first layer's input, of which half are zero.
#[test]
fn convolutional_couplings_launch_little_and_multiply_no_more_than_they_must() {
    let (device, shape, samples) = (Emulator::counting().and_then(Cuda::new).unwrap(), [4, 6], 64);
    let mask = MaskSpec::Checkerboard(Parity::Even);
    let sites = Sites::of_mask(&shape, &mask.mask(&shape).unwrap()).unwrap();
    let links = Links::new(&sites, 3, 2).convolutions;
    for (transform, width) in [(AFFINE, 2), (TransformSpec::Additive, 1)] {
        let spec = spec(mask.clone(), &[5, 9], 3, Symmetry::Z2, transform);
        let of_first = 5 * links[0].len();
        let each = (of_first + 5 * 9 * links[1].len() + 9 * width * links[2].len()) as u64;
        let all = samples as u64 * each;
        assert_eq!(counts_on(&device, &spec, &shape, samples), [[5, 0, all], [5, 0, all], [7, 0, 2 * all]]);
        assert_eq!(each + of_first as u64, multiply_adds(&spec, &shape));
    }
}

/// What the description says of a pass of one sample.
fn multiply_adds(spec: &LayerSpec, shape: &[usize]) -> u64 {
    FlowSpec { shape: shape.to_vec(), base: BaseSpec::StandardNormal, layers: vec![spec.clone()] }.multiply_adds()
}

#[test]
fn a_convolutional_net_beside_angles_is_refused_in_one_line() {
    let device: Device<f64> = device();
    let LayerSpec::Coupling(coupling) = spec(MaskSpec::Checkerboard(Parity::Odd), &[3], 3, Symmetry::None, AFFINE)
    else {
        unreachable!()
    };
    let CouplingSpec { mask, net, .. } = coupling;
    let transform = upg_flows::spec::AngleTransformSpec::TanMixture { mixtures: 2 };
    let spec = LayerSpec::AngleCoupling(upg_flows::spec::AngleCouplingSpec { mask, net, transform });
    let error = device.layer(&spec, &[4, 4]).err().expect("it has no kernels").to_string();
    assert!(error.contains("Cnn") && error.contains("Mlp in a coupling of angles"), "{error}");
}
