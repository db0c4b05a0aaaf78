//! Descriptions at random.

use proptest::prelude::*;
use upg_flows::spec::*;
use upg_flows::{Activation, Bias, FirstValues, MaskSpec, Order, Parity, Scales, StartAt, Symmetry};

pub fn any_hidden() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..9_usize, 0..4)
}

fn any_start() -> impl Strategy<Value = StartAt> {
    prop_oneof![Just(StartAt::Random), Just(StartAt::Identity)]
}

fn any_mlp() -> impl Strategy<Value = MlpSpec> {
    let activation = prop_oneof![Just(Activation::Tanh), Just(Activation::Silu), Just(Activation::LeakyRelu(0.2))];
    let bias = prop_oneof![Just(Bias::Yes), Just(Bias::No)];
    (any_hidden(), activation, bias, any_start()).prop_map(|(hidden, activation, bias, start)| MlpSpec {
        hidden,
        activation,
        bias,
        start,
    })
}

fn any_mask() -> impl Strategy<Value = MaskSpec> {
    let parity = || prop_oneof![Just(Parity::Even), Just(Parity::Odd)];
    prop_oneof![
        parity().prop_map(MaskSpec::Alternating),
        parity().prop_map(MaskSpec::Checkerboard),
        Just(MaskSpec::Custom(vec![1])),
    ]
}

pub fn any_transform() -> impl Strategy<Value = TransformSpec> {
    prop_oneof![
        Just(TransformSpec::Additive),
        prop::option::of(0.5..2.0).prop_map(|clamp| TransformSpec::Affine { clamp }),
        (1..5_usize).prop_map(|mixtures| TransformSpec::LogisticMixture { mixtures }),
        (2..6_usize, 1.0..5.0).prop_map(|(bins, interval)| TransformSpec::Spline { bins, interval }),
        (2..6_usize, 1.0..5.0).prop_map(|(bins, interval)| TransformSpec::OddSpline { bins, interval }),
    ]
}

fn any_bias() -> impl Strategy<Value = Bias> {
    prop_oneof![Just(Bias::Yes), Just(Bias::No)]
}

fn any_first_values() -> impl Strategy<Value = FirstValues> {
    prop_oneof![Just(FirstValues::Identity), Just(FirstValues::Data)]
}

/// An order of samples of any shape.
fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Identity),
        Just(Order::Reversal),
        (0..9_usize).prop_map(Order::Shift),
        (0..9_usize).prop_map(|by| Order::Along { direction: 0, by }),
        any::<u64>().prop_map(Order::Random),
    ]
}

fn any_permutation() -> impl Strategy<Value = LayerSpec> {
    any_order().prop_map(|order| LayerSpec::Permutation(PermutationSpec { order }))
}

/// A linear layer of all numbers, or of cells that `with_cells` chooses.
fn any_linear() -> impl Strategy<Value = LinearSpec> {
    let negative = prop_oneof![Just(vec![]), Just(vec![1]), Just(vec![1, 0])];
    let cells = prop_oneof![Just(None), Just(Some(vec![]))];
    (cells, any_order(), negative, any_bias(), any_start())
        .prop_map(|(cells, order, negative, bias, start)| LinearSpec { cells, order, negative, bias, start })
}

/// Cells of two sites or more that fill the lattice: each extent divided by its smallest divisor, the last one with more than a site aside.
pub fn cells_of(shape: &[usize]) -> Vec<usize> {
    let last = shape.iter().rposition(|&extent| extent > 1).unwrap();
    let smallest = |extent: usize| (2..=extent).find(|&d| extent.is_multiple_of(d)).unwrap_or(1);
    let cell = |(i, &extent): (usize, &usize)| if i == last { extent } else { extent / smallest(extent) };
    shape.iter().enumerate().map(cell).collect()
}

/// The layer with cells, where it asks for some, and with no more reflections than fit this shape.
fn with_cells(mut layer: LayerSpec, shape: &[usize]) -> LayerSpec {
    match &mut layer {
        LayerSpec::Linear(LinearSpec { cells: Some(cells), .. }) => *cells = cells_of(shape),
        LayerSpec::Householder(product) => product.reflections = product.reflections.min(shape.iter().product()),
        LayerSpec::Inverse(inner) => **inner = with_cells((**inner).clone(), shape),
        _ => (),
    }
    layer
}

/// A layer of numbers, or the inverse of one.
fn any_layer() -> impl Strategy<Value = LayerSpec> {
    let coupling = (any_mask(), any_mlp().prop_map(NetSpec::Mlp), any_transform())
        .prop_map(|(mask, net, transform)| LayerSpec::Coupling(CouplingSpec { mask, net, transform }));
    let order = prop_oneof![Just(Order::Identity), Just(Order::Reversal)];
    // Bounded: tens of numbers in a row, each moved by those before, with log-scales linear in them would be too much for any fixed tolerance.
    let bounded = prop_oneof![
        Just(TransformSpec::Additive),
        (0.5..2.0).prop_map(|clamp| TransformSpec::Affine { clamp: Some(clamp) }),
    ];
    let autoregressive = (order, any_mlp(), bounded)
        .prop_map(|(order, net, transform)| LayerSpec::Autoregressive(AutoregressiveSpec { order, net, transform }));
    let scales = prop_oneof![Just(Scales::One), Just(Scales::PerDof)];
    let layer = prop_oneof![
        3 => coupling,
        2 => autoregressive,
        1 => scales.prop_map(|scales| LayerSpec::Scaling(ScalingSpec { scales })),
        1 => any_first_values().prop_map(|start| LayerSpec::ActNorm(ActNormSpec { start })),
        1 => any_linear().prop_map(LayerSpec::Linear),
        1 => (1..5_usize, any_bias()).prop_map(|(reflections, bias)| LayerSpec::Householder(HouseholderSpec { reflections, bias })),
        1 => any_permutation(),
        1 => any_continuous(),
    ];
    (layer, any::<bool>()).prop_map(inverted)
}

fn any_continuous() -> impl Strategy<Value = LayerSpec> {
    let scale = proptest::option::of(0.5..5.0_f64);
    let lattice = (1..4_usize, 1..4_usize, scale).prop_map(|(frequencies, times, scale)| FieldSpec::Lattice {
        frequencies,
        times,
        scale,
    });
    let shallow = (1..4_usize, 1..4_usize).prop_map(|(width, times)| FieldSpec::Shallow { width, times });
    let field = prop_oneof![lattice, shallow];
    (field, 1..3_usize).prop_map(|(field, steps)| LayerSpec::Continuous(ContinuousSpec { field, steps }))
}

/// A coupling on a lattice of even extents of at least 4, or its inverse.
fn any_lattice_layer() -> impl Strategy<Value = LayerSpec> {
    let parity = || prop_oneof![Just(Parity::Even), Just(Parity::Odd)];
    let mask = prop_oneof![parity().prop_map(MaskSpec::Alternating), parity().prop_map(MaskSpec::Checkerboard)];
    let activation = prop_oneof![Just(Activation::Tanh), Just(Activation::Silu), Just(Activation::LeakyRelu(0.2))];
    let net = (any_hidden(), activation, any::<bool>(), any_start()).prop_map(|(hidden, activation, odd, start)| {
        let symmetry = if odd { Symmetry::Z2 } else { Symmetry::None };
        let activation = if odd { Activation::Tanh } else { activation };
        LatticeNetSpec { hidden, kernel: 3, activation, symmetry, start }
    });
    let layer = (mask, net, any_transform()).prop_map(|(mask, net, transform)| {
        let never_odd = matches!(transform, TransformSpec::LogisticMixture { .. } | TransformSpec::Spline { .. });
        let symmetry = if never_odd { Symmetry::None } else { net.symmetry };
        let net = NetSpec::Cnn(LatticeNetSpec { symmetry, ..net });
        LayerSpec::Coupling(CouplingSpec { mask, net, transform })
    });
    (layer, any::<bool>()).prop_map(inverted)
}

fn any_gauge_layer() -> impl Strategy<Value = LayerSpec> {
    let net = (any_hidden(), 0..3_usize, any_start()).prop_map(|(hidden, radius, start)| CnnSpec {
        hidden,
        kernel: 2 * radius + 1,
        slope: 0.1,
        start,
    });
    let coupling =
        (0..2_usize, 0..4_usize, net, any_angle_transform()).prop_map(|(direction, offset, net, transform)| {
            LayerSpec::GaugeCoupling(GaugeCouplingSpec { direction, offset, net, transform })
        });
    let plaquettes = (1..4_usize, 1..3_usize, 1..3_usize, 1..4_usize).prop_map(|(sines, products, times, steps)| {
        LayerSpec::PlaquetteFlow(PlaquetteFlowSpec { sines, products, times, steps })
    });
    let layer = prop_oneof![4 => coupling, 1 => plaquettes, 1 => any_permutation()];
    (layer, any::<bool>()).prop_map(inverted)
}

fn any_angle_transform() -> impl Strategy<Value = AngleTransformSpec> {
    prop_oneof![
        (1..5_usize).prop_map(|mixtures| AngleTransformSpec::TanMixture { mixtures }),
        (2..6_usize).prop_map(|bins| AngleTransformSpec::CircularSpline { bins }),
    ]
}

/// A layer of angles that aren't links, or the inverse of one.
fn any_angle_layer() -> impl Strategy<Value = LayerSpec> {
    let layer = (any_mask(), any_mlp(), any_angle_transform()).prop_map(|(mask, net, transform)| {
        LayerSpec::AngleCoupling(AngleCouplingSpec { mask, net: NetSpec::Mlp(net), transform })
    });
    (layer, any::<bool>()).prop_map(inverted)
}

fn inverted((layer, invert): (LayerSpec, bool)) -> LayerSpec {
    if invert { LayerSpec::Inverse(Box::new(layer)) } else { layer }
}

/// A base of numbers.
pub fn any_base() -> impl Strategy<Value = BaseSpec> {
    let (m2, kappa, v) = (0.1..2.0, 0.0..0.5, 0.1..3.0);
    prop_oneof![
        Just(BaseSpec::StandardNormal),
        Just(BaseSpec::DiagonalNormal),
        (m2.clone(), kappa.clone()).prop_map(|(m2, kappa)| BaseSpec::free_field(m2, kappa)),
        (m2, kappa, v).prop_map(|(m2, kappa, v)| BaseSpec::two_signs(m2, kappa, v)),
    ]
}

/// A flow of either domain.
pub fn any_flow() -> impl Strategy<Value = FlowSpec> {
    let lattice =
        || prop::collection::vec(1..5_usize, 1..4).prop_filter("two sites", |l| l.iter().product::<usize>() > 1);
    let torus = (lattice(), prop::collection::vec(any_angle_layer(), 1..4)).prop_map(|(shape, layers)| FlowSpec {
        shape,
        base: BaseSpec::UniformTorus,
        layers,
    });
    let layers = prop::collection::vec(any_layer(), 1..6);
    let numbers = (lattice(), any_base(), layers).prop_map(|(shape, base, layers)| {
        let layers = layers.into_iter().map(|layer| with_cells(layer, &shape)).collect();
        FlowSpec { shape, base, layers }
    });
    let extents = prop::array::uniform2((1..4_usize).prop_map(|n| 4 * n));
    let angles = (extents, prop::collection::vec(any_gauge_layer(), 1..4)).prop_map(|([rows, columns], layers)| {
        FlowSpec { shape: vec![2, rows, columns], base: BaseSpec::UniformTorus, layers }
    });
    let extents = prop_oneof![Just(vec![6]), Just(vec![4, 6]), Just(vec![4, 4, 4])];
    let scalars = (extents, any_base(), prop::collection::vec(any_lattice_layer(), 1..4))
        .prop_map(|(shape, base, layers)| FlowSpec { shape, base, layers });
    prop_oneof![3 => numbers, 1 => scalars, 1 => angles, 1 => torus]
}
