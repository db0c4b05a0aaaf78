//! Every layer and every flow of the crate, one line each, in the batteries of `upg-testkit`.

use rand::RngExt;
use upg_core::{Chain, Cpu, Invertible, Real, Rng};
use upg_flows::{
    Activation, Additive, Affine, Autoregressive, Bias, Coupling, Elementwise, GlobalScaling, Iaf, LogisticMixture,
    Maf, Mask, MaskPattern, Mlp, RealNvp, Scales, StartAt, Z2Nice, autoregressive::net::MaskedMlp, spec::TransformSpec,
};
use upg_testkit::{flow::Parts, flow_battery, layer_battery};

layer_battery! {
    additive(rng) => coupling::<T, _>(Additive, any_activation(rng), any_bias(rng), rng);
    affine(rng) => coupling::<T, _>(Affine { clamp: None }, any_activation(rng), any_bias(rng), rng);
    affine_clamped(rng) => coupling::<T, _>(Affine { clamp: Some(rng.random_range(0.3..3.0)) }, any_activation(rng), any_bias(rng), rng);
    tanh(rng) => coupling::<T, _>(Affine::default(), Activation::Tanh, any_bias(rng), rng);
    silu(rng) => coupling::<T, _>(Affine::default(), Activation::Silu, any_bias(rng), rng);
    gelu(rng) => coupling::<T, _>(Affine::default(), Activation::Gelu, any_bias(rng), rng);
    softplus(rng) => coupling::<T, _>(Affine::default(), Activation::Softplus, any_bias(rng), rng);
    relu(rng) => coupling::<T, _>(Affine::default(), Activation::Relu, any_bias(rng), rng);
    leaky_relu(rng) => coupling::<T, _>(Affine::default(), Activation::LeakyRelu(rng.random_range(0.01..0.9)), any_bias(rng), rng);
    elu(rng) => coupling::<T, _>(Affine::default(), Activation::Elu, any_bias(rng), rng);
    linear_net(rng) => coupling::<T, _>(Affine::default(), Activation::Identity, any_bias(rng), rng);
    autoregressive(rng) => autoregressive_layer::<T, _>(Affine { clamp: Some(rng.random_range(0.3..3.0)) }, rng.random_range(2..9), rng);
    autoregressive_in_panels(rng) => autoregressive_layer::<T, _>(Affine { clamp: Some(1.0) }, rng.random_range(17..20), rng);
    autoregressive_additive(rng) => autoregressive_layer::<T, _>(Additive, rng.random_range(2..9), rng);
    autoregressive_mixture(rng) => autoregressive_layer::<T, _>(LogisticMixture { mixtures: 2 }, rng.random_range(2..6), rng);
    scaling(rng) => GlobalScaling::new(rng.random_range(1..9), Scales::One);
    scaling_per_dof(rng) => GlobalScaling::new(rng.random_range(1..9), Scales::PerDof);
    chain_of_couplings(rng) => any_real_nvp(rng).build::<T>().unwrap();
    chain_with_scaling(rng) => any_z2_nice(rng).build::<T>().unwrap();
}

flow_battery! {
    real_nvp(rng) => Parts::on_line(RealNvp { activation: Activation::Tanh, clamp: None, ..any_real_nvp(rng) }.build::<T>().unwrap(), rng);
    real_nvp_clamped(rng) => Parts::on_line(any_real_nvp(rng).build::<T>().unwrap(), rng);
    checkerboard(rng) => Parts::on_line(RealNvp { lattice: vec![2, 4], mask: MaskPattern::Checkerboard, ..any_real_nvp(rng) }.build::<T>().unwrap(), rng);
    real_nvp_leaky(rng) => Parts::on_line(RealNvp { activation: Activation::LeakyRelu(0.2), ..any_real_nvp(rng) }.build::<T>().unwrap(), rng);
    z2_nice(rng) => Parts::on_line(any_z2_nice(rng).build::<T>().unwrap(), rng);
    maf(rng) => Parts::on_line(any_maf(rng).build::<T>().unwrap(), rng);
    iaf(rng) => Parts::on_line(any_iaf(rng).build::<T>().unwrap(), rng);
    chain_in_a_chain(rng) => Parts::on_line(nested::<T>(rng), rng);
}

fn any_activation(rng: &mut Rng) -> Activation {
    let smooth = [Activation::Tanh, Activation::Silu, Activation::Softplus, Activation::Gelu];
    smooth[rng.random_range(0..smooth.len())]
}

fn any_bias(rng: &mut Rng) -> Bias {
    if rng.random() { Bias::Yes } else { Bias::No }
}

fn any_widths(rng: &mut Rng) -> Vec<usize> {
    let depth = rng.random_range(0..4);
    (0..depth).map(|_| rng.random_range(1..20)).collect()
}

/// A coupling with a random mask of up to nine degrees of freedom, at least one of them on each side.
fn coupling<T: Real, E: Elementwise<T>>(
    transform: E,
    activation: Activation,
    bias: Bias,
    rng: &mut Rng,
) -> Box<dyn Invertible<Cpu<T>>> {
    let dof = rng.random_range(2..10);
    let first = rng.random_range(0..dof);
    let sides: Vec<bool> = (0..dof).map(|_| rng.random()).collect();
    let mask = Mask::new(dof, |i| if i == first { true } else { sides[i] && i != (first + 1) % dof });
    let outputs = transform.width() * mask.transformed().len();
    let net = Mlp::new(mask.kept().len(), &any_widths(rng), outputs, activation, bias, StartAt::Random).unwrap();
    Box::new(Coupling::new(mask, net, transform))
}

/// An autoregressive layer of random order.
fn autoregressive_layer<T: Real, E: Elementwise<T>>(
    transform: E,
    dof: usize,
    rng: &mut Rng,
) -> Box<dyn Invertible<Cpu<T>>> {
    let hidden: Vec<usize> = (0..rng.random_range(0..3)).map(|_| rng.random_range(1..20)).collect();
    let mut order: Vec<usize> = (0..dof).collect();
    (1..dof).for_each(|i| order.swap(i, rng.random_range(0..=i)));
    let (activation, bias) = (any_activation(rng), any_bias(rng));
    let net = MaskedMlp::new(dof, &hidden, transform.width(), activation, bias, StartAt::Random).unwrap();
    Box::new(Autoregressive::new(order, net, transform))
}

fn any_iaf(rng: &mut Rng) -> Iaf {
    let Maf { lattice, layers, hidden, activation, transform, start, base } = any_maf(rng);
    Iaf { lattice, layers, hidden, activation, transform, start, base }
}

fn any_maf(rng: &mut Rng) -> Maf {
    let transform = TransformSpec::Affine { clamp: Some(rng.random_range(0.5..1.5)) };
    Maf {
        lattice: any_lattice(rng).0,
        layers: rng.random_range(1..3),
        hidden: hidden_widths(rng),
        activation: any_activation(rng),
        transform,
        start: StartAt::Random,
        ..Maf::default()
    }
}

fn any_lattice(rng: &mut Rng) -> (Vec<usize>, MaskPattern) {
    let lattices = [vec![2], vec![7], vec![3, 3], vec![2, 4], vec![2, 2, 2]];
    let lattice = lattices[rng.random_range(0..lattices.len())].clone();
    let dof: usize = lattice.iter().product();
    let thirds = (0..dof).filter(|i| i % 3 == 0).collect();
    let last = vec![dof - 1];
    let patterns = [MaskPattern::Alternating, MaskPattern::Checkerboard, MaskPattern::Custom(vec![thirds, last])];
    (lattice, patterns[rng.random_range(0..3)].clone())
}

/// One to three hidden layers: without any, an unbounded log-scale is linear in x, and the flow doubly exponential.
fn hidden_widths(rng: &mut Rng) -> Vec<usize> {
    let depth = rng.random_range(1..4);
    (0..depth).map(|_| rng.random_range(4..20)).collect()
}

fn any_real_nvp(rng: &mut Rng) -> RealNvp {
    let (lattice, mask) = any_lattice(rng);
    RealNvp {
        lattice,
        couplings: rng.random_range(1..5),
        hidden: hidden_widths(rng),
        activation: any_activation(rng),
        mask,
        clamp: Some(rng.random_range(0.5..1.5)),
        start: StartAt::Random,
        ..Default::default()
    }
}

fn any_z2_nice(rng: &mut Rng) -> Z2Nice {
    let (lattice, mask) = any_lattice(rng);
    let (couplings, hidden) = (rng.random_range(1..5), hidden_widths(rng));
    Z2Nice { lattice, couplings, hidden, activation: Activation::Tanh, mask, ..Default::default() }
}

fn nested<T: Real>(rng: &mut Rng) -> Chain<Box<dyn Invertible<Cpu<T>>>> {
    let (lattice, mask) = any_lattice(rng);
    let inner = RealNvp { lattice: lattice.clone(), mask, ..any_real_nvp(rng) };
    let dof = lattice.iter().product();
    Chain::new::<Cpu<T>>(vec![
        Box::new(inner.build::<T>().unwrap()),
        Box::new(GlobalScaling::new(dof, Scales::PerDof)),
        Box::new(inner.build::<T>().unwrap()),
    ])
}
