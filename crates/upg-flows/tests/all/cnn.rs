//! The network against a dense periodic convolution and against finite differences.

mod naive;

use naive::{Full, Naive};
use rand::RngExt;
use upg_core::vmath::InstructionSet;
use upg_core::{Accum, Batch, Init, Real, Rng};
use upg_flows::StartAt;
use upg_flows::cnn::{Cnn, CnnScratch, GradAcc, Packed, Stripes, lanes};
use upg_testkit::tolerance::{Tolerance, assert_close, assert_same_bits};
use upg_testkit::{domain::Domain, draw, finite};

/// A network, its hyper-parameters.
#[derive(Clone, Debug)]
pub struct Case {
    pub stripes: Stripes,
    pub hidden: Vec<usize>,
    pub outputs: usize,
    pub kernel: usize,
    pub slope: f64,
}

impl Case {
    /// Extents 4 to 12, 0 to 3 hidden layers of widths 1 to 10, 1 to 9 outputs, kernels 1, 3 and 5.
    fn draw(rng: &mut Rng) -> Self {
        let mut extent = || 4 * rng.random_range(1..=3);
        let lattice = [extent(), extent()];
        let stripes = Stripes { lattice, cross: rng.random_range(0..2), offset: rng.random_range(0..4) };
        let depth = rng.random_range(0..=3);
        Self {
            stripes,
            hidden: (0..depth).map(|_| rng.random_range(1..=10)).collect(),
            outputs: rng.random_range(1..=9),
            kernel: [1, 3, 3, 5][rng.random_range(0..4)],
            slope: [0.01, rng.random_range(0.0..1.5)][rng.random_range(0..2)],
        }
    }

    fn cnn(&self, set: InstructionSet) -> Cnn {
        let cnn = Cnn::new(self.stripes, &self.hidden, self.outputs, self.kernel, self.slope, StartAt::Random);
        cnn.expect("an accepted network").computed_with(set)
    }
}

/// The sets that this processor has.
fn available() -> Vec<InstructionSet> {
    let all = [InstructionSet::Baseline, InstructionSet::Avx2, InstructionSet::Avx512];
    let best = all.iter().position(|&set| set == InstructionSet::detect()).expect("one of all");
    all[..=best].to_vec()
}

/// One sample: features `[2][frozen]`, cotangent `[outputs][active]`.
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
        let features = numbers(rng, 2 * cnn.frozen_sites().len());
        let sample = Self { features, v: numbers(rng, cnn.outputs() * cnn.active_sites().len()) };
        let layers = naive.forward(&sample.input(cnn, naive));
        let hidden = layers[..layers.len() - 1].iter().flatten().flatten().flatten();
        if hidden.fold(f64::INFINITY, |low, z| low.min(z.abs())) < 4e-6 {
            return Self::draw(rng, cnn, naive);
        }
        sample
    }

    /// The features at frozen sites, (1, 0) elsewhere.
    fn input(&self, cnn: &Cnn, naive: &Naive<'_>) -> Full {
        let mut input = naive.zeros(2);
        input[0].iter_mut().flatten().for_each(|cos| *cos = 1.0);
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
        let extent = plane[0].len();
        for (&site, &value) in sites.iter().zip(from) {
            plane[site / extent][site % extent] = value;
        }
    }
}

/// Reads `[channel][site of the list]` from the whole lattice.
fn pick(from: &Full, sites: &[usize]) -> Vec<f64> {
    let at = |plane: &Vec<Vec<f64>>, site: usize| plane[site / plane[0].len()][site % plane[0].len()];
    from.iter().flat_map(|plane| sites.iter().map(move |&site| at(plane, site))).collect()
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
        cnn.forward(&packed, features.as_slice(), tape.as_mut_slice(), phi.as_mut_slice());
        let grad = Some((features.as_slice(), &mut sums));
        cnn.vjp(&packed, tape.as_slice(), v.as_slice(), pulled.as_mut_slice(), &mut scratch, grad);
        let mut without = nothing(cnn.features_len::<T>());
        cnn.vjp(&packed, tape.as_slice(), v.as_slice(), without.as_mut_slice(), &mut scratch, None);
        assert_same_bits("netᵀ v with and without a gradient", pulled.as_slice(), without.as_slice());
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
    for _ in 0..60 {
        let case = Case::draw(&mut rng);
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

/// A case, its network for the best instruction set, and parameters.
fn one(rng: &mut Rng) -> (Case, Cnn, Vec<f64>) {
    let stripes = Stripes { lattice: [4, 8], cross: rng.random_range(0..2), offset: rng.random_range(0..4) };
    let case = Case { stripes, hidden: vec![3, 2], outputs: 3, kernel: 3, slope: 0.3 };
    let cnn = case.cnn(InstructionSet::detect());
    let theta = draw::parameters(rng, &cnn.params());
    (case, cnn, theta)
}

/// Σ v φ over one tile.
fn contracted(cnn: &Cnn, theta: &[f64], features: &[f64], v: &[f64]) -> f64 {
    let mut packed = Packed::default();
    cnn.pack(theta, &mut packed);
    let (mut tape, mut phi) = (nothing::<f64>(cnn.tape_len::<f64>()), nothing::<f64>(cnn.out_len::<f64>()));
    cnn.forward(&packed, features, tape.as_mut_slice(), phi.as_mut_slice());
    phi.as_slice().iter().zip(v).map(|(phi, v)| phi * v).sum()
}

#[test]
fn derivatives_agree_with_finite_differences() {
    let mut rng = draw::rng(21);
    let (_, cnn, theta) = one(&mut rng);
    let features = numbers(&mut rng, cnn.features_len::<f64>());
    let v = numbers(&mut rng, cnn.out_len::<f64>());
    let (mut packed, mut scratch, mut sums) = (Packed::default(), CnnScratch::default(), GradAcc::default());
    let (mut tape, mut phi) = (nothing::<f64>(cnn.tape_len::<f64>()), nothing::<f64>(cnn.out_len::<f64>()));
    let (mut pulled, mut grad) = (nothing::<f64>(features.len()), vec![f64::NAN; theta.len()]);
    cnn.pack(&theta, &mut packed);
    cnn.clear(&mut sums);
    cnn.forward(&packed, &features, tape.as_mut_slice(), phi.as_mut_slice());
    cnn.vjp(&packed, tape.as_slice(), &v, pulled.as_mut_slice(), &mut scratch, Some((&features, &mut sums)));
    cnn.write_gradient(&mut sums, &mut grad, Accum::Replace);
    let by_features = finite::gradient(|features| contracted(&cnn, &theta, features, &v), &features);
    let by_theta = finite::gradient(|theta| contracted(&cnn, theta, &features, &v), &theta);
    assert_close("netᵀ v", pulled.as_slice(), &by_features.value, Tolerance::differences());
    assert_close("net_θᵀ v", &grad, &by_theta.value, Tolerance::differences());
}

#[test]
fn only_what_is_needed_is_computed() {
    let stripes = Stripes { lattice: [16, 16], cross: 1, offset: 2 };
    let cnn = Cnn::new(stripes, &[8, 8], 7, 3, 0.01, StartAt::Random).unwrap();
    assert_eq!(cnn.multiply_adds(), [444 * 256; 3], "of 1224·256 at all sites, forward, back and for the gradient");
}

#[test]
fn samples_do_not_mix_and_nan_stays() {
    let mut rng = draw::rng(22);
    let (_, cnn, theta) = one(&mut rng);
    for set in available() {
        let cnn = cnn.clone().computed_with(set);
        let mut packed = Packed::default();
        cnn.pack(&draw::cast::<f32>(&theta), &mut packed);
        let mut features = nothing::<f32>(cnn.features_len::<f32>());
        features.fill(0.3);
        features.as_mut_slice().iter_mut().skip(5).step_by(lanes::<f32>()).for_each(|bad| *bad = f32::NAN);
        let (mut tape, mut phi) = (nothing(cnn.tape_len::<f32>()), nothing(cnn.out_len::<f32>()));
        cnn.forward(&packed, features.as_slice(), tape.as_mut_slice(), phi.as_mut_slice());
        for (i, phi) in phi.as_slice().iter().enumerate() {
            assert_eq!(phi.is_nan(), i % lanes::<f32>() == 5, "lane {} of {set:?}", i % lanes::<f32>());
        }
    }
}

#[test]
fn parameters_are_named_and_start_in_the_default_range() {
    let stripes = Stripes { lattice: [8, 4], cross: 0, offset: 3 };
    let random = Cnn::new(stripes, &[5], 3, 5, 0.1, StartAt::Random).unwrap().params();
    let names: Vec<_> = random.tensors().iter().map(|tensor| (&tensor.name[..], &tensor.shape[..])).collect();
    let shapes: [(&str, &[usize]); 4] =
        [("net.0.weight", &[5, 2, 5, 5]), ("net.0.bias", &[5]), ("net.1.weight", &[3, 5, 5, 5]), ("net.1.bias", &[3])];
    assert_eq!(names, shapes);
    assert_eq!(random.tensors()[3].init, Init::Uniform { bound: 125_f64.sqrt().recip() });
    let identity = Cnn::new(stripes, &[5], 3, 5, 0.1, StartAt::Identity).unwrap().params();
    assert_eq!(identity.tensors()[1].init, Init::Uniform { bound: 50_f64.sqrt().recip() });
    assert_eq!(identity.tensors()[2].init, Init::Constant(0.0));
    assert_eq!(identity.tensors()[3].init, Init::Constant(0.0));
}

#[test]
fn bad_shapes_are_refused() {
    let good = Case::draw(&mut draw::rng(23));
    let stripes = |change: &dyn Fn(&mut Stripes)| {
        let mut bad = good.clone();
        change(&mut bad.stripes);
        bad
    };
    let bad = [
        ("lattice", stripes(&|s| s.lattice[0] = 6)),
        ("lattice", stripes(&|s| s.lattice[1] = 0)),
        ("cross", stripes(&|s| s.cross = 2)),
        ("offset", stripes(&|s| s.offset = 4)),
        ("hidden", Case { hidden: vec![3, 0], ..good.clone() }),
        ("outputs", Case { outputs: 0, ..good.clone() }),
        ("kernel", Case { kernel: 0, ..good.clone() }),
        ("kernel", Case { kernel: 4, ..good.clone() }),
        ("slope", Case { slope: -0.1, ..good.clone() }),
        ("slope", Case { slope: f64::NAN, ..good.clone() }),
        ("slope", Case { slope: f64::INFINITY, ..good.clone() }),
    ];
    for (field, case) in bad {
        let cnn = Cnn::new(case.stripes, &case.hidden, case.outputs, case.kernel, case.slope, StartAt::Random);
        assert_eq!(cnn.expect_err("a refusal").field, field, "{case:?}");
    }
}
