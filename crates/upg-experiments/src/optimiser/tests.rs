//! Optimisers against the papers' formulas, one number at a time.

use super::pass::{Adam, Follow, Pass};
use super::tiles::TILE;
use super::*;
use rand::RngExt;
use rayon::ThreadPoolBuilder;
use upg_core::vmath::{InstructionSet, dispatch_to};
use upg_core::{Rng, Streams};

const LENGTHS: [usize; 5] = [0, 1, 7, 1000, 100_003];

fn rng(seed: u64) -> Rng {
    Streams::new(seed).next_stream()
}

/// Numbers of either sign over six orders of magnitude up to `size`, exact in f32.
fn draw(rng: &mut Rng, len: usize, size: f64) -> Vec<f64> {
    let mut one = || size * 10_f64.powf(rng.random_range(-6.0..0.0)) * rng.random_range(-1.0..1.0);
    (0..len).map(|_| f64::from(one() as f32)).collect()
}

fn cast<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&x| T::of(x)).collect()
}

fn bits<T: Real>(values: &[T]) -> Vec<u64> {
    values.iter().map(|x| x.wide().to_bits()).collect()
}

#[track_caller]
fn assert_close<T: Real>(what: &str, found: &[T], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a.wide() - b).abs() <= tolerance * size, "{what}[{i}] = {a}, expected {b}, largest {size}");
    }
}

/// One rule of each kind, hyper-parameters drawn.
fn rules(rng: &mut Rng) -> [Rule; 4] {
    let mut between = |low, high| rng.random_range(low..high);
    let (beta1, beta2) = (between(0.0, 0.95), between(0.5, 0.9995));
    let (rate, epsilon) = (10_f64.powf(between(-4.0, -1.0)), 10_f64.powf(between(-9.0, -2.0)));
    [
        Rule::Adam { rate, beta1, beta2, epsilon },
        Rule::AdamW { rate, beta1, beta2, epsilon, weight_decay: between(0.01, 2.0) },
        Rule::Sgd { rate, momentum: 0.0 },
        Rule::Sgd { rate, momentum: between(0.1, 0.95) },
    ]
}

/// The formulas as they stand in the papers, in f64, with explicit m̂ and v̂.
struct Naive {
    rule: Rule,
    t: i32,
    m: Vec<f64>,
    v: Vec<f64>,
}

impl Naive {
    fn new(rule: Rule, len: usize) -> Self {
        Self { rule, t: 0, m: vec![0.0; len], v: vec![0.0; len] }
    }

    fn step(&mut self, theta: &mut [f64], grad: &[f64], rate: f64, scale: f64) {
        self.t += 1;
        for i in 0..theta.len() {
            let g = scale * grad[i];
            match self.rule {
                Rule::Adam { beta1, beta2, epsilon, .. } => theta[i] -= rate * self.adam(i, g, beta1, beta2, epsilon),
                Rule::AdamW { beta1, beta2, epsilon, weight_decay, .. } => {
                    theta[i] -= rate * weight_decay * theta[i];
                    theta[i] -= rate * self.adam(i, g, beta1, beta2, epsilon);
                }
                Rule::Sgd { momentum, .. } => {
                    self.m[i] = if self.t == 1 { g } else { momentum * self.m[i] + g };
                    theta[i] -= rate * self.m[i];
                }
            }
        }
    }

    fn adam(&mut self, i: usize, g: f64, beta1: f64, beta2: f64, epsilon: f64) -> f64 {
        self.m[i] = beta1 * self.m[i] + (1.0 - beta1) * g;
        self.v[i] = beta2 * self.v[i] + (1.0 - beta2) * g.powi(2);
        let m_hat = self.m[i] / (1.0 - beta1.powi(self.t));
        let v_hat = self.v[i] / (1.0 - beta2.powi(self.t));
        m_hat / (v_hat.sqrt() + epsilon)
    }
}

fn against_naive<T: Real>(tolerance: f64) {
    let rng = &mut rng(1);
    for len in LENGTHS {
        for rule in rules(rng) {
            // Parameters of the size of the steps, so that what is compared is the steps.
            let mut expected = draw(rng, len, 10.0 * rule.rate());
            let mut averaged = draw(rng, len, 10.0 * rule.rate());
            let (mut theta, mut average) = (cast::<T>(&expected), cast::<T>(&averaged));
            let (mut optimiser, mut naive) = (Optimiser::<T>::new(rule, len), Naive::new(rule, len));
            let decay = rng.random_range(0.1..0.99);
            for step in 0..if len > 1000 { 4 } else { 40 } {
                let (rate, scale) = (rule.rate() / f64::from(1 + step), rng.random_range(0.1..2.0));
                let grad = draw(rng, len, 10.0);
                let average = (step % 2 == 0).then_some(Average { theta: &mut average, decay });
                let averages = average.is_some();
                optimiser.step(Update { theta: &mut theta, grad: &cast(&grad), rate, scale, average });
                naive.step(&mut expected, &grad, rate, scale);
                if averages {
                    averaged.iter_mut().zip(&expected).for_each(|(a, x)| *a = decay * *a + (1.0 - decay) * x);
                }
            }
            assert_close(&format!("{rule:?} theta"), &theta, &expected, tolerance);
            assert_close(&format!("{rule:?} average"), &average, &averaged, tolerance);
            for ((name, moment), expected) in optimiser.moments().zip([&naive.m, &naive.v]) {
                assert_close(&format!("{rule:?} {name}"), moment, expected, tolerance);
            }
        }
    }
}

#[test]
fn steps_are_those_of_the_papers() {
    against_naive::<f64>(1e-13);
    against_naive::<f32>(1e-5);
}

/// Gradients 2, −1, ½ from θ = 1 at rate 0.1, worked out with 40 digits.
#[test]
fn three_steps_by_hand() {
    let cases = [
        ("Adam(rate: 0.1)", [0.900_000_000_5, 0.873_366_296_702_431_4, 0.839_323_382_138_942_5]),
        ("AdamW(rate: 0.1)", [0.899_000_000_5, 0.871_467_296_701_931_3, 0.836_552_914_841_740_5]),
        ("Sgd(rate: 0.1)", [0.8, 0.9, 0.85]),
        ("Sgd(rate: 0.1, momentum: 0.5)", [0.8, 0.8, 0.75]),
    ];
    for (text, expected) in cases {
        let rule = ron::from_str(text).unwrap();
        let (mut theta, mut optimiser) = ([1.0], Optimiser::<f64>::new(rule, 1));
        for (grad, expected) in [2.0, -1.0, 0.5].into_iter().zip(expected) {
            optimiser.step(Update { theta: &mut theta, grad: &[grad], rate: 0.1, scale: 1.0, average: None });
            assert_close(text, &theta, &[expected], 1e-13);
        }
    }
}

/// 40 parameters whose curvatures span two orders of magnitude.
#[test]
fn quadratics_are_minimised() {
    let rng = &mut rng(2);
    let centre: Vec<f64> = (0..40).map(|_| rng.random_range(-2.0..2.0)).collect();
    let curvature: Vec<f64> = (0..40).map(|_| 10_f64.powf(rng.random_range(-1.0..1.0))).collect();
    let texts =
        ["Adam(rate: 0.1)", "AdamW(rate: 0.1, weight_decay: 0)", "Sgd(rate: 0.1)", "Sgd(rate: 0.02, momentum: 0.9)"];
    for text in texts {
        let rule: Rule = ron::from_str(text).unwrap();
        let (mut theta, mut optimiser) = (vec![0.0; 40], Optimiser::new(rule, 40));
        for step in 0..3000 {
            let grad: Vec<f64> = (0..40).map(|i| curvature[i] * (theta[i] - centre[i])).collect();
            let rate = rule.rate() * if step < 1500 { 1.0 } else { 0.99_f64.powi(step - 1500) };
            optimiser.step(Update { theta: &mut theta, grad: &grad, rate, scale: 1.0, average: None });
        }
        assert_close(text, &theta, &centre, 1e-6);
    }
}

/// Everything that runs in tiles, as bits, on a pool of `threads` threads.
fn in_pool<T: Real>(threads: usize) -> Vec<Vec<u64>> {
    let (rng, len) = (&mut rng(3), 5 * TILE + 123);
    let grads = [(); 2].map(|()| cast::<T>(&draw(rng, len, 1.0)));
    let start = cast::<T>(&draw(rng, len, 1.0));
    let mut all = vec![];
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
        for rule in rules(rng) {
            let (mut theta, mut average, mut optimiser) = (start.clone(), start.clone(), Optimiser::new(rule, len));
            for grad in &grads {
                let average = Some(Average { theta: &mut average, decay: 0.9 });
                optimiser.step(Update { theta: &mut theta, grad, rate: rule.rate(), scale: 0.3, average });
            }
            all.extend([bits(&theta), bits(&average)]);
            all.extend(optimiser.moments().map(|(_, moment)| bits(moment)));
        }
        let mut sum = start.clone();
        combine(0.3, &mut sum, -1.7, &grads[0]);
        let norms = [&sum, &start, &grads[0], &grads[1]].map(|vector| norm(vector).to_bits());
        all.extend([bits(&sum), norms.to_vec()]);
    });
    all
}

#[test]
fn bits_do_not_depend_on_threads() {
    let one = in_pool::<f32>(1);
    assert!([2, 3].iter().all(|&threads| in_pool::<f32>(threads) == one), "f32");
    assert!(in_pool::<f64>(3) == in_pool::<f64>(1), "f64");
}

#[test]
fn instruction_sets_agree() {
    let rng = &mut rng(4);
    let [grad, start, mean] = [(); 3].map(|()| cast::<f32>(&draw(rng, 1001, 1.0)));
    let run = |set| {
        let (mut theta, mut average, mut moments) = (start.clone(), mean.clone(), [mean.clone(), vec![0.1; 1001]]);
        let rule = Adam::<f32>::new([0.9, 0.99], 1e-3, 0.1, 0.01, 3);
        let average_pass = Some(Follow { theta: &mut average, share: 0.2 });
        let moments_pass = moments.each_mut().map(Vec::as_mut_slice);
        let pass =
            Pass { rule, scale: 2.0, grad: &grad, theta: &mut theta, moments: moments_pass, average: average_pass };
        dispatch_to(set, pass);
        [theta, average].concat().into_iter().map(f64::from).collect::<Vec<_>>()
    };
    assert_close("baseline", &run(InstructionSet::Baseline), &run(InstructionSet::detect()), 3e-7);
}

#[test]
fn the_average_leaves_the_step_alone() {
    let rng = &mut rng(5);
    for rule in rules(rng) {
        let [grad, start] = [(); 2].map(|()| cast::<f32>(&draw(rng, 1009, 1.0)));
        let step = |average: Option<Average<'_, f32>>| {
            let (mut theta, mut optimiser) = (start.clone(), Optimiser::new(rule, 1009));
            optimiser.step(Update { theta: &mut theta, grad: &grad, rate: 0.1, scale: 1.0, average });
            (theta, optimiser)
        };
        let (alone, _) = step(None);
        let (mut kept, mut replaced) = (start.clone(), start.clone());
        assert_eq!(step(Some(Average { theta: &mut kept, decay: 1.0 })), step(None));
        step(Some(Average { theta: &mut replaced, decay: 0.0 }));
        assert_eq!(kept, start);
        assert_close("decay 0", &replaced, &alone.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), 1e-7);
    }
}

#[test]
#[should_panic(expected = "gradient, and parameters of the optimiser")]
fn lengths_are_compared() {
    let mut optimiser = Optimiser::<f32>::new(Rule::Sgd { rate: 0.1, momentum: 0.0 }, 3);
    optimiser.step(Update { theta: &mut [0.0; 3], grad: &[0.0; 2], rate: 0.1, scale: 1.0, average: None });
}

#[test]
fn a_restored_optimiser_continues_to_the_bit() {
    let rng = &mut rng(6);
    for rule in rules(rng) {
        let grads: Vec<_> = (0..5).map(|_| cast::<f32>(&draw(rng, 103, 1.0))).collect();
        let start = cast::<f32>(&draw(rng, 103, 1.0));
        let (mut theta, mut optimiser) = (start.clone(), Optimiser::new(rule, 103));
        let (mut resumed_theta, mut resumed) = (start, optimiser.clone());
        for grad in &grads {
            optimiser.step(Update { theta: &mut theta, grad, rate: 0.1, scale: 1.0, average: None });
            let moments = resumed.moments().map(|(name, moment)| (name.to_owned(), moment.to_owned()));
            resumed = Optimiser::restore(rule, 103, resumed.steps(), moments.collect::<Vec<_>>()).unwrap();
            resumed.step(Update { theta: &mut resumed_theta, grad, rate: 0.1, scale: 1.0, average: None });
        }
        assert_eq!((bits(&theta), optimiser.steps()), (bits(&resumed_theta), 5));
        assert_eq!(optimiser, resumed);
    }
}

#[test]
fn a_state_of_another_optimiser_is_refused() {
    let adam = ron::from_str("Adam(rate: 0.1)").unwrap();
    let refuse = |rule, moments: &[(&str, usize)]| {
        let moments = moments.iter().map(|&(name, len)| (name.to_owned(), vec![0_f32; len]));
        Optimiser::restore(rule, 3, 1, moments).unwrap_err().to_string()
    };
    assert_eq!(refuse(adam, &[("first_moment", 3)]), "the optimiser's second_moment is missing");
    assert_eq!(
        refuse(adam, &[("second_moment", 4), ("first_moment", 3)]),
        "the optimiser's second_moment has 4 numbers: accepted: 3, one a parameter"
    );
    assert_eq!(
        refuse(Rule::Sgd { rate: 0.1, momentum: 0.9 }, &[("momentum", 3), ("first_moment", 3)]),
        "the optimiser has no first_moment: accepted: [\"momentum\"]"
    );
}

#[test]
fn norms_are_the_naive_ones() {
    let rng = &mut rng(7);
    for len in LENGTHS {
        let grad = draw(rng, len, 1e3);
        let naive = grad.iter().map(|g| g * g).sum::<f64>().sqrt();
        for norm in [norm(&grad), norm(&cast::<f32>(&grad))] {
            assert!((norm - naive).abs() <= 1e-13 * naive, "{norm}, expected {naive}");
        }
    }
    let large = norm(&[-3e30_f32, 4e30]);
    assert!((large / 5e30 - 1.0).abs() < 1e-7, "{large}");
    assert!(norm(&[f32::MAX; 40_000]).is_finite());
}

#[test]
fn norms_tell_what_is_not_finite() {
    for len in [1, 33, TILE, 100_003] {
        for at in [0, len / 2, len - 1] {
            for (bad, sign) in
                [(f64::NAN, None), (f64::INFINITY, Some(f64::INFINITY)), (f64::NEG_INFINITY, Some(f64::INFINITY))]
            {
                let mut grad = vec![0.5_f64; len];
                grad[at] = bad;
                for norm in [norm(&grad), norm(&cast::<f32>(&grad))] {
                    assert!(sign.map_or(norm.is_nan(), |sign| norm == sign), "{bad} at {at} of {len}: {norm}");
                }
            }
        }
    }
}

#[test]
fn clipping_shortens_what_is_too_long() {
    let cases =
        [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0), (3.0, 1.5, 0.5), (5.0, f64::INFINITY, 1.0), (f64::INFINITY, 1.0, 0.0)];
    for (norm, max, expected) in cases {
        assert_eq!(clip_factor(norm, max), expected, "{norm}, {max}");
    }
    assert!(clip_factor(f64::NAN, 1.0).is_nan());
}

#[test]
fn vectors_combine() {
    let rng = &mut rng(8);
    for len in LENGTHS {
        let ([a, b], [p, q]) = ([(); 2].map(|()| draw(rng, len, 1.0)), [0.7, -1.3]);
        let expected: Vec<_> = a.iter().zip(&b).map(|(a, b)| p * a + q * b).collect();
        let (mut wide, mut narrow) = (a.clone(), cast::<f32>(&a));
        combine(p, &mut wide, q, &b);
        combine(p, &mut narrow, q, &cast::<f32>(&b));
        assert_close("f64", &wide, &expected, 1e-15);
        assert_close("f32", &narrow, &expected, 2e-7);
    }
}

#[test]
fn rules_have_a_text() {
    let adam = Rule::Adam { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let adam_w = Rule::AdamW { rate: 1e-3, beta1: 0.8, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
    for (text, rule) in [
        ("Adam(rate: 1e-3)", adam),
        ("AdamW(beta1: 0.8, rate: 0.001)", adam_w),
        ("Sgd(rate: 1)", Rule::Sgd { rate: 1.0, momentum: 0.0 }),
    ] {
        assert_eq!(ron::from_str::<Rule>(text).unwrap(), rule);
        assert_eq!(ron::from_str::<Rule>(&ron::to_string(&rule).unwrap()).unwrap(), rule);
    }
    for text in
        ["Adam(rate: 1, momentum: 0.9)", "Adam", "Adam(beta1: 0.9)", "Sgd(rate: 1, nesterov: true)", "Lion(rate: 1)"]
    {
        assert!(ron::from_str::<Rule>(text).is_err(), "{text}");
    }
}

#[test]
fn values_out_of_range_are_refused() {
    for (text, message) in [
        ("Adam(rate: 0)", "rate = 0: accepted: a finite number above 0"),
        ("Sgd(rate: -1)", "rate = -1: accepted: a finite number above 0"),
        ("Sgd(rate: inf)", "rate = inf: accepted: a finite number above 0"),
        ("AdamW(rate: NaN)", "rate = NaN: accepted: a finite number above 0"),
        ("Adam(rate: 1, beta1: 1)", "beta1 = 1: accepted: a number in [0, 1)"),
        ("AdamW(rate: 1, beta2: -0.1)", "beta2 = -0.1: accepted: a number in [0, 1)"),
        ("Adam(rate: 1, beta2: NaN)", "beta2 = NaN: accepted: a number in [0, 1)"),
        ("Adam(rate: 1, epsilon: 0)", "epsilon = 0: accepted: a finite number above 0"),
        ("AdamW(rate: 1, epsilon: inf)", "epsilon = inf: accepted: a finite number above 0"),
        ("AdamW(rate: 1, weight_decay: -0.5)", "weight_decay = -0.5: accepted: a finite number, at least 0"),
        ("AdamW(rate: 1, weight_decay: NaN)", "weight_decay = NaN: accepted: a finite number, at least 0"),
        ("Sgd(rate: 1, momentum: 1)", "momentum = 1: accepted: a number in [0, 1)"),
    ] {
        assert_eq!(ron::from_str::<Rule>(text).unwrap().check().unwrap_err().to_string(), message);
    }
    for text in
        ["Adam(rate: 1, beta1: 0, beta2: 0)", "AdamW(rate: 1, weight_decay: 0)", "Sgd(rate: 1e9, momentum: 0.99)"]
    {
        ron::from_str::<Rule>(text).unwrap().check().unwrap();
    }
}
