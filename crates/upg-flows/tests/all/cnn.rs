//! The network against a dense periodic convolution and against finite differences.

mod naive;

use naive::{Full, Naive};
use rand::RngExt;
use upg_core::vmath::InstructionSet;
use upg_core::{Accum, Batch, Init, Real, Rng};
use upg_flows::cnn::{
    Architecture, Cnn, CnnScratch, GradAcc, Kept, Link, Links, Outputs, Packed, Reads, Sites, Stripes,
};
use upg_flows::simd::lanes;
use upg_flows::{Activation, Bias, Mask, MaskSpec, Parity, StartAt};
use upg_testkit::tolerance::{Tolerance, assert_close, assert_same_bits};
use upg_testkit::{domain::Domain, draw, finite};

/// A network, its hyper-parameters.
#[derive(Clone, Debug)]
pub struct Case {
    pub extents: Vec<usize>,
    sites: Sites,
    pub architecture: Architecture,
}

impl Case {
    /// The network of a gauge coupling: extents 4 to 12, 0 to 3 hidden layers of widths 1 to 10, 1 to 9 outputs, kernels 1, 3 and 5.
    fn of_angles(rng: &mut Rng) -> Self {
        let mut extent = || 4 * rng.random_range(1..=3);
        let lattice = [extent(), extent()];
        let stripes = Stripes { lattice, cross: rng.random_range(0..2), offset: rng.random_range(0..4) };
        let (depth, outputs) = (rng.random_range(0..=3), rng.random_range(1..=9));
        let architecture = Architecture {
            elsewhere: vec![1.0, 0.0],
            hidden: (0..depth).map(|_| rng.random_range(1..=10)).collect(),
            outputs: vec![Outputs::of_values(outputs)],
            kernel: [1, 3, 3, 5][rng.random_range(0..4)],
            activation: Activation::LeakyRelu([0.01, rng.random_range(0.0..1.5)][rng.random_range(0..2)]),
            bias: Bias::Yes,
            start: StartAt::Random,
        };
        Self { extents: lattice.to_vec(), sites: Sites::striped(stripes).unwrap(), architecture }
    }

    /// One to four dimensions, checkerboards and other masks, any activation, biases or none, one to three input channels with any
    /// constant outside, outputs from values and from squares.
    fn any(rng: &mut Rng) -> Self {
        let lattices: [&[usize]; 9] =
            [&[6], &[12], &[4, 6], &[6, 6], &[8, 4], &[3, 6], &[4, 4, 2], &[3, 4, 6], &[2, 4, 2, 4]];
        let extents = lattices[rng.random_range(0..lattices.len())].to_vec();
        let kernel = if extents.len() < 3 { [3, 3, 5][rng.random_range(0..3)] } else { 3 };
        let (period, first) = (rng.random_range(2..4), rng.random_range(0..2));
        let mask = Mask::new(extents.iter().product(), |site| match extents.iter().all(|l| l.is_multiple_of(2)) {
            true if period == 2 => coordinates(site, &extents).iter().sum::<usize>() % 2 == first,
            _ => site % extents[extents.len() - 1] % period == first,
        });
        let depth = rng.random_range(0..=2);
        let mut bias = || if rng.random() { Bias::Yes } else { Bias::No };
        let (hidden_bias, biases) = (bias(), [bias(), bias(), bias()]);
        let reads = [Reads::Values, Reads::Squares];
        let block = |i: usize, rng: &mut Rng| {
            let (channels, reads) = (rng.random_range(1..=4), reads[rng.random_range(0..2)]);
            Outputs { channels, reads, bias: biases[i] }
        };
        let activations = [Activation::Tanh, Activation::Relu, Activation::Silu, Activation::Identity];
        let architecture = Architecture {
            elsewhere: (0..rng.random_range(1..=3)).map(|_| f64::from(rng.random_range(-1..2))).collect(),
            hidden: (0..depth).map(|_| rng.random_range(1..=6)).collect(),
            outputs: (0..rng.random_range(1..=3)).map(|i| block(i, rng)).collect(),
            kernel,
            activation: activations[rng.random_range(0..4)],
            bias: hidden_bias,
            start: StartAt::Random,
        };
        Self { sites: Sites::of_mask(&extents, &mask).unwrap(), extents, architecture }
    }

    fn cnn(&self, set: InstructionSet) -> Cnn {
        Cnn::new(&self.sites, &self.architecture).expect("an accepted network").computed_with(set)
    }
}

fn coordinates(site: usize, extents: &[usize]) -> Vec<usize> {
    let mut rest = site;
    let mut reversed: Vec<usize> = extents.iter().rev().map(|l| (rest % l, rest /= l).0).collect();
    reversed.reverse();
    reversed
}

/// The sets that this processor has.
fn available() -> Vec<InstructionSet> {
    let all = [InstructionSet::Baseline, InstructionSet::Avx2, InstructionSet::Avx512];
    let best = all.iter().position(|&set| set == InstructionSet::detect()).expect("one of all");
    all[..=best].to_vec()
}

/// One sample: features `[channels][frozen]`, cotangent `[outputs][active]`.
#[derive(Clone)]
struct Sample {
    features: Vec<f64>,
    v: Vec<f64>,
}

fn numbers(rng: &mut Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| draw::single(Domain::Line, rng.random_range(-1.0..1.0))).collect()
}

impl Sample {
    /// A sample at which no hidden unit is near the kink of its activation, where round-off would change a derivative.
    fn draw(rng: &mut Rng, cnn: &Cnn, naive: &Naive<'_>) -> Self {
        let features = numbers(rng, cnn.inputs() * cnn.frozen_sites().len());
        let sample = Self { features, v: numbers(rng, cnn.outputs() * cnn.active_sites().len()) };
        let layers = naive.forward(&sample.input(cnn, naive));
        let hidden = layers[..layers.len() - 1].iter().flatten().flatten();
        if hidden.fold(f64::INFINITY, |low, z| low.min(z.abs())) < 4e-6 {
            return Self::draw(rng, cnn, naive);
        }
        sample
    }

    /// The features at frozen sites, the constants elsewhere.
    fn input(&self, cnn: &Cnn, naive: &Naive<'_>) -> Full {
        let mut input = naive.zeros(cnn.inputs());
        input.iter_mut().zip(naive.elsewhere()).for_each(|(plane, &value)| plane.fill(value));
        place(&mut input, cnn.frozen_sites(), &self.features);
        input
    }

    /// The cotangent at active sites, zero elsewhere.
    fn cotangent(&self, cnn: &Cnn, naive: &Naive<'_>) -> Full {
        let mut v = naive.zeros(cnn.outputs());
        place(&mut v, cnn.active_sites(), &self.v);
        v
    }
}

/// Writes `[channel][site of the list]` to the whole lattice.
fn place(to: &mut Full, sites: &[usize], from: &[f64]) {
    for (plane, from) in to.iter_mut().zip(from.chunks(sites.len())) {
        sites.iter().zip(from).for_each(|(&site, &value)| plane[site] = value);
    }
}

/// Reads `[channel][site of the list]` from the whole lattice.
fn pick(from: &Full, sites: &[usize]) -> Vec<f64> {
    from.iter().flat_map(|plane| sites.iter().map(|&site| plane[site])).collect()
}

/// The network's results: φ and netᵀ v of every sample, one after the other, and net_θᵀ v of all together.
#[derive(Clone, Default)]
struct Results<T> {
    phi: Vec<T>,
    pulled: Vec<T>,
    grad: Vec<T>,
}

/// The results by definition.
fn expected(cnn: &Cnn, naive: &Naive<'_>, samples: &[Sample]) -> Results<f64> {
    let mut results = Results { grad: vec![0.0; cnn.params().size()], ..Results::default() };
    for sample in samples {
        let input = sample.input(cnn, naive);
        let layers = naive.forward(&input);
        let back = naive.backward(&input, &layers, &sample.cotangent(cnn, naive));
        results.phi.extend(pick(&layers[layers.len() - 1], cnn.active_sites()));
        results.pulled.extend(pick(&back.input, cnn.frozen_sites()));
        results.grad.iter_mut().zip(&back.grad).for_each(|(sum, g)| *sum += g);
    }
    results
}

/// The tile of samples given sample by sample.
fn tile<T: Real>(samples: &[&[f64]]) -> Batch<T> {
    let mut tile = Batch::zeros(samples[0].len(), lanes::<T>());
    for row in 0..tile.rows() {
        let numbers = tile.row_mut(row).iter_mut().zip(samples);
        numbers.for_each(|(to, sample)| *to = T::of(sample[row]));
    }
    tile
}

/// Memory full of NaN: what isn't written is seen.
fn nothing<T: Real>(len: usize) -> Batch<T> {
    let mut nothing = Batch::zeros(len / lanes::<T>(), lanes::<T>());
    nothing.fill(T::nan());
    nothing
}

/// Runs the network tile by tile; the gradient goes `into` a full buffer.
fn run<T: Real>(cnn: &Cnn, theta: &[f64], samples: &[Sample], (into, accum): (Vec<T>, Accum)) -> Results<T> {
    let (mut packed, mut scratch, mut sums) = (Packed::default(), CnnScratch::default(), GradAcc::default());
    cnn.pack(&draw::cast::<T>(theta), &mut packed);
    cnn.clear(&mut sums);
    let mut results = Results { grad: into, ..Results::default() };
    for samples in samples.chunks_exact(lanes::<T>()) {
        let features = tile::<T>(&samples.iter().map(|s| &s.features[..]).collect::<Vec<_>>());
        let v = tile::<T>(&samples.iter().map(|s| &s.v[..]).collect::<Vec<_>>());
        let mut tape = nothing(cnn.tape_len::<T>());
        let mut phi = nothing(cnn.out_len::<T>());
        let mut pulled = nothing(cnn.features_len::<T>());
        cnn.forward(&packed, features.as_slice(), tape.as_mut_slice(), &mut scratch, phi.as_mut_slice());
        let kept = Kept { features: features.as_slice(), tape: tape.as_slice() };
        cnn.vjp(&packed, kept, v.as_slice(), pulled.as_mut_slice(), &mut scratch, Some(&mut sums));
        let mut without = nothing(cnn.features_len::<T>());
        cnn.vjp(&packed, kept, v.as_slice(), without.as_mut_slice(), &mut scratch, None);
        assert_same_bits("netᵀ v with and without a gradient", pulled.as_slice(), without.as_slice());
        let mut untaped = nothing(cnn.out_len::<T>());
        cnn.value(&packed, features.as_slice(), &mut scratch, untaped.as_mut_slice());
        assert_same_bits("φ with and without a tape", phi.as_slice(), untaped.as_slice());
        results.phi.extend(phi.to_samples());
        results.pulled.extend(pulled.to_samples());
    }
    cnn.write_gradient(&mut sums, &mut results.grad, accum);
    results
}

fn check<T: Real>(case: &Case, set: InstructionSet, theta: &[f64], samples: &[Sample], expected: &Results<f64>) {
    let cnn = case.cnn(set);
    let what = |part: &str| format!("{part} of {case:?}, {} with {set:?}", T::NAME);
    let got = run::<T>(&cnn, theta, samples, (vec![T::nan(); theta.len()], Accum::Replace));
    assert_close(&what("φ"), &got.phi, &expected.phi, Tolerance::round_off::<T>());
    assert_close(&what("netᵀ v"), &got.pulled, &expected.pulled, Tolerance::round_off::<T>());
    for (tensor, range) in cnn.params().ranges() {
        let (got, expected) = (&got.grad[range.clone()], &expected.grad[range]);
        assert_close(&what(&format!("∂ {}", tensor.name)), got, expected, Tolerance::round_off::<T>());
    }
    let before: Vec<T> = (0..theta.len()).map(|i| T::of(i as f64)).collect();
    let added = run::<T>(&cnn, theta, samples, (before.clone(), Accum::Add)).grad;
    let sum: Vec<T> = got.grad.iter().zip(&before).map(|(&g, &b)| b + g).collect();
    assert_close(&what("sum of an old gradient and a new one"), &added, &sum, Tolerance::round_off::<T>());
}

#[test]
fn agrees_with_a_dense_convolution() {
    let mut rng = draw::rng(20);
    for round in 0..120 {
        let case = if round % 2 == 0 { Case::of_angles(&mut rng) } else { Case::any(&mut rng) };
        let cnn = case.cnn(InstructionSet::Baseline);
        let theta = draw::parameters(&mut rng, &cnn.params());
        let naive = Naive::new(&case, &theta);
        let samples: Vec<_> = (0..lanes::<f32>()).map(|_| Sample::draw(&mut rng, &cnn, &naive)).collect();
        let expected = expected(&cnn, &naive, &samples);
        for set in available() {
            check::<f64>(&case, set, &theta, &samples, &expected); // two tiles
            check::<f32>(&case, set, &theta, &samples, &expected);
        }
    }
}

/// A network on 4×8 for the best instruction set, and parameters.
fn one(rng: &mut Rng) -> (Cnn, Vec<f64>) {
    let stripes = Stripes { lattice: [4, 8], cross: rng.random_range(0..2), offset: rng.random_range(0..4) };
    let cnn = Cnn::new(&Sites::striped(stripes).unwrap(), &of_angles(&[3, 2], 3, 3, 0.3)).unwrap();
    let theta = draw::parameters(rng, &cnn.params());
    (cnn, theta)
}

fn of_angles(hidden: &[usize], outputs: usize, kernel: usize, slope: f64) -> Architecture {
    Architecture {
        elsewhere: vec![1.0, 0.0],
        hidden: hidden.to_vec(),
        outputs: vec![Outputs::of_values(outputs)],
        kernel,
        activation: Activation::LeakyRelu(slope),
        bias: Bias::Yes,
        start: StartAt::Random,
    }
}

/// Σ v φ over one tile.
fn contracted(cnn: &Cnn, theta: &[f64], features: &[f64], v: &[f64]) -> f64 {
    let mut packed = Packed::default();
    cnn.pack(theta, &mut packed);
    let (mut tape, mut phi) = (nothing::<f64>(cnn.tape_len::<f64>()), nothing::<f64>(cnn.out_len::<f64>()));
    cnn.forward(&packed, features, tape.as_mut_slice(), &mut CnnScratch::default(), phi.as_mut_slice());
    phi.as_slice().iter().zip(v).map(|(phi, v)| phi * v).sum()
}

#[test]
fn derivatives_agree_with_finite_differences() {
    let mut rng = draw::rng(21);
    let (cnn, theta) = one(&mut rng);
    let features = numbers(&mut rng, cnn.features_len::<f64>());
    let v = numbers(&mut rng, cnn.out_len::<f64>());
    let (mut packed, mut scratch, mut sums) = (Packed::default(), CnnScratch::default(), GradAcc::default());
    let (mut tape, mut phi) = (nothing::<f64>(cnn.tape_len::<f64>()), nothing::<f64>(cnn.out_len::<f64>()));
    let (mut pulled, mut grad) = (nothing::<f64>(features.len()), vec![f64::NAN; theta.len()]);
    cnn.pack(&theta, &mut packed);
    cnn.clear(&mut sums);
    cnn.forward(&packed, &features, tape.as_mut_slice(), &mut scratch, phi.as_mut_slice());
    let kept = Kept { features: &features, tape: tape.as_slice() };
    cnn.vjp(&packed, kept, &v, pulled.as_mut_slice(), &mut scratch, Some(&mut sums));
    cnn.write_gradient(&mut sums, &mut grad, Accum::Replace);
    let by_features = finite::gradient(|features| contracted(&cnn, &theta, features, &v), &features);
    let by_theta = finite::gradient(|theta| contracted(&cnn, theta, &features, &v), &theta);
    assert_close("netᵀ v", pulled.as_slice(), &by_features.value, Tolerance::differences());
    assert_close("net_θᵀ v", &grad, &by_theta.value, Tolerance::differences());
}

#[test]
fn only_what_is_needed_is_computed() {
    let stripes = Stripes { lattice: [16, 16], cross: 1, offset: 2 };
    let cnn = Cnn::new(&Sites::striped(stripes).unwrap(), &of_angles(&[8, 8], 7, 3, 0.01)).unwrap();
    assert_eq!(cnn.multiply_adds(), [444 * 256; 3], "of 1224·256 at all sites, forward, back and for the gradient");
    let mask = MaskSpec::Checkerboard(Parity::Even).mask(&[8, 4]).unwrap();
    let scalars = Architecture { elsewhere: vec![0.0], ..of_angles(&[8, 8], 2, 3, 0.01) };
    let cnn = Cnn::new(&Sites::of_mask(&[8, 4], &mask).unwrap(), &scalars).unwrap();
    // 1 → 8 from half of the sites, 8 → 8 for pairs with 12 products in the place of 18, 8 → 2 at half of them
    assert_eq!(cnn.multiply_adds(), [(36 + 384 + 72) * 32; 3], "of 720·32");
}

#[test]
fn samples_do_not_mix_and_nan_stays() {
    let mut rng = draw::rng(22);
    let (cnn, theta) = one(&mut rng);
    for set in available() {
        let cnn = cnn.clone().computed_with(set);
        let mut packed = Packed::default();
        cnn.pack(&draw::cast::<f32>(&theta), &mut packed);
        let mut features = nothing::<f32>(cnn.features_len::<f32>());
        features.fill(0.3);
        features.as_mut_slice().iter_mut().skip(5).step_by(lanes::<f32>()).for_each(|bad| *bad = f32::NAN);
        let (mut tape, mut phi) = (nothing(cnn.tape_len::<f32>()), nothing(cnn.out_len::<f32>()));
        let scratch = &mut CnnScratch::default();
        cnn.forward(&packed, features.as_slice(), tape.as_mut_slice(), scratch, phi.as_mut_slice());
        for (i, phi) in phi.as_slice().iter().enumerate() {
            assert_eq!(phi.is_nan(), i % lanes::<f32>() == 5, "lane {} of {set:?}", i % lanes::<f32>());
        }
    }
}

#[test]
fn parameters_are_named_and_start_in_the_default_range() {
    let sites = Sites::striped(Stripes { lattice: [8, 4], cross: 0, offset: 3 }).unwrap();
    let architecture = of_angles(&[5], 3, 5, 0.1);
    let random = Cnn::new(&sites, &architecture).unwrap().params();
    let names: Vec<_> = random.tensors().iter().map(|tensor| (&tensor.name[..], &tensor.shape[..])).collect();
    let shapes: [(&str, &[usize]); 4] =
        [("net.0.weight", &[5, 2, 5, 5]), ("net.0.bias", &[5]), ("net.1.weight", &[3, 5, 5, 5]), ("net.1.bias", &[3])];
    assert_eq!(names, shapes);
    assert_eq!(random.tensors()[3].init, Init::Uniform { bound: 125_f64.sqrt().recip() });
    let identity = Architecture { start: StartAt::Identity, ..architecture };
    let identity = Cnn::new(&sites, &identity).unwrap().params();
    assert_eq!(identity.tensors()[1].init, Init::Uniform { bound: 50_f64.sqrt().recip() });
    assert_eq!(identity.tensors()[2].init, Init::Constant(0.0));
    assert_eq!(identity.tensors()[3].init, Init::Constant(0.0));
}

#[test]
fn bad_shapes_are_refused() {
    let good = of_angles(&[3], 2, 3, 0.1);
    let sites = Sites::striped(Stripes { lattice: [4, 8], cross: 0, offset: 0 }).unwrap();
    assert!(Cnn::new(&sites, &good).is_ok());
    let leaky = |slope| Architecture { activation: Activation::LeakyRelu(slope), ..good.clone() };
    let bad = [
        ("inputs", Architecture { elsewhere: vec![], ..good.clone() }),
        ("hidden", Architecture { hidden: vec![3, 0], ..good.clone() }),
        ("hidden", Architecture { hidden: vec![1 << 24], ..good.clone() }),
        ("outputs", Architecture { outputs: vec![], ..good.clone() }),
        ("outputs", Architecture { outputs: vec![Outputs::of_values(1), Outputs::of_values(0)], ..good.clone() }),
        ("kernel", Architecture { kernel: 0, ..good.clone() }),
        ("kernel", Architecture { kernel: 4, ..good.clone() }),
        ("kernel", Architecture { kernel: 65, ..good.clone() }),
        ("slope", leaky(-0.1)),
        ("slope", leaky(f64::NAN)),
        ("slope", leaky(f64::INFINITY)),
    ];
    for (field, architecture) in bad {
        assert_eq!(Cnn::new(&sites, &architecture).expect_err("a refusal").field, field, "{architecture:?}");
    }
    let stripes = Stripes { lattice: [8, 4], cross: 0, offset: 0 };
    for (field, stripes) in [
        ("lattice", Stripes { lattice: [6, 4], ..stripes }),
        ("lattice", Stripes { lattice: [8, 0], ..stripes }),
        ("cross", Stripes { cross: 2, ..stripes }),
        ("offset", Stripes { offset: 4, ..stripes }),
    ] {
        assert_eq!(Sites::striped(stripes).expect_err("a refusal").field, field, "{stripes:?}");
    }
    let half = |extents: &[usize]| Mask::new(extents.iter().product(), |site| site * site % 5 < 2);
    for (field, extents) in [("shape", &[1; 5][..]), ("mask", &[9, 8]), ("mask", &[101])] {
        assert_eq!(Sites::of_mask(extents, &half(extents)).expect_err("a refusal").field, field, "{extents:?}");
    }
}

/// One site after the other, from the definition: which sites of the field before a window reads.
fn naive_links(links: &Links, k: usize, extents: &[usize], kernel: usize) -> Vec<Link> {
    let (from, mut all) = (&links.fields[k], vec![]);
    let window = vec![kernel; extents.len()];
    for (target, &site) in links.fields[k + 1].iter().enumerate() {
        for tap in 0..links.taps {
            let (x, d) = (coordinates(site, extents), coordinates(tap, &window));
            let read = |axis: usize| (x[axis] + d[axis] + extents[axis] * kernel - kernel / 2) % extents[axis];
            let flat = (0..extents.len()).fold(0, |flat, axis| flat * extents[axis] + read(axis));
            all.extend(from.iter().position(|&site| site == flat).map(|source| Link { target, source, tap }));
        }
    }
    all
}

#[test]
fn links_are_what_the_network_reads() {
    let rng = &mut draw::rng(77);
    for case in (0..20).flat_map(|_| [Case::of_angles(rng), Case::any(rng)]) {
        let cnn = case.cnn(InstructionSet::detect());
        let links = Links::new(&case.sites, case.architecture.kernel, case.architecture.hidden.len());
        let (first, last) = (&links.fields[0], &links.fields[links.fields.len() - 1]);
        assert_eq!((&first[..], &last[..]), (cnn.frozen_sites(), cnn.active_sites()), "{case:?}");
        assert_eq!(links.taps, case.architecture.kernel.pow(case.extents.len() as u32), "{case:?}");
        for k in 0..links.convolutions.len() {
            let expected = naive_links(&links, k, &case.extents, case.architecture.kernel);
            assert_eq!(links.convolutions[k], expected, "convolution {k} of {case:?}");
        }
    }
}

/// Where no layer has three channels, the network takes windows tap by tap: so many multiply-adds as there are links.
#[test]
fn there_are_as_many_links_as_multiply_adds() {
    let rng = &mut draw::rng(78);
    for mut case in (0..20).flat_map(|_| [Case::of_angles(rng), Case::any(rng)]) {
        case.architecture.hidden.iter_mut().for_each(|channels| *channels = 1 + *channels % 2);
        case.architecture.outputs = vec![Outputs::of_values(2)];
        let links = Links::new(&case.sites, case.architecture.kernel, case.architecture.hidden.len());
        let channels = [&[case.architecture.elsewhere.len()], &case.architecture.hidden[..], &[2]].concat();
        let of = |(k, list): (usize, &Vec<Link>)| list.len() * channels[k] * channels[k + 1];
        let products: usize = links.convolutions.iter().enumerate().map(of).sum();
        assert_eq!(case.cnn(InstructionSet::detect()).multiply_adds(), [products; 3], "{case:?}");
    }
}
