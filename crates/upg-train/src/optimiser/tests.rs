//! Optimisers against the papers' formulas, one number at a time.

use super::*;
use rand::RngExt;
use upg_core::{Cpu, Real, Rng, Streams};

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
    let (rng, device) = (&mut rng(1), Cpu::<T>::here());
    for len in LENGTHS {
        for rule in rules(rng) {
            // Parameters of the size of the steps, so that what is compared is the steps.
            let mut expected = draw(rng, len, 10.0 * rule.rate());
            let mut averaged = draw(rng, len, 10.0 * rule.rate());
            let (mut theta, mut average) = (cast::<T>(&expected), cast::<T>(&averaged));
            let (mut optimiser, mut naive) = (Optimiser::new(&device, rule, len), Naive::new(rule, len));
            let decay = rng.random_range(0.1..0.99);
            for step in 0..if len > 1000 { 4 } else { 40 } {
                let rate = rule.rate() / f64::from(1 + step);
                let grad = draw(rng, len, 10.0);
                let norm = grad.iter().map(|g| g * g).sum::<f64>().sqrt();
                let share: f64 = rng.random_range(0.1..2.0);
                let (scale, clip) = if len == 0 { (1.0, Some(1.0)) } else { (share.min(1.0), Some(share * norm)) };
                let average = (step % 2 == 0).then_some(Average { theta: &mut average, decay });
                let averages = average.is_some();
                let found =
                    optimiser.step(&device, Update { theta: &mut theta, grad: &cast(&grad), rate, clip, average });
                assert!((found - norm).abs() <= 1e-12 * norm, "norm {found}, expected {norm}");
                naive.step(&mut expected, &grad, rate, scale);
                if averages {
                    averaged.iter_mut().zip(&expected).for_each(|(a, x)| *a = decay * *a + (1.0 - decay) * x);
                }
            }
            assert_close(&format!("{rule:?} theta"), &theta, &expected, tolerance);
            assert_close(&format!("{rule:?} average"), &average, &averaged, tolerance);
            for ((name, moment), expected) in
                rule.moment_names().iter().zip(optimiser.moments(&device)).zip([&naive.m, &naive.v])
            {
                assert_close(&format!("{rule:?} {name}"), &moment, expected, tolerance);
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
        let device = Cpu::<f64>::here();
        let (mut theta, mut optimiser) = (vec![1.0], Optimiser::new(&device, rule, 1));
        for (grad, expected) in [2.0, -1.0, 0.5].into_iter().zip(expected) {
            optimiser
                .step(&device, Update { theta: &mut theta, grad: &vec![grad], rate: 0.1, clip: None, average: None });
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
        let device = Cpu::<f64>::here();
        let (mut theta, mut optimiser) = (vec![0.0; 40], Optimiser::new(&device, rule, 40));
        for step in 0..3000 {
            let grad: Vec<f64> = (0..40).map(|i| curvature[i] * (theta[i] - centre[i])).collect();
            let rate = rule.rate() * if step < 1500 { 1.0 } else { 0.99_f64.powi(step - 1500) };
            optimiser.step(&device, Update { theta: &mut theta, grad: &grad, rate, clip: None, average: None });
        }
        assert_close(text, &theta, &centre, 1e-6);
    }
}

#[test]
fn the_average_leaves_the_step_alone() {
    let (rng, device) = (&mut rng(5), Cpu::<f32>::here());
    for rule in rules(rng) {
        let [grad, start] = [(); 2].map(|()| cast::<f32>(&draw(rng, 1009, 1.0)));
        let step = |average: Option<Average<'_, Cpu<f32>>>| {
            let (mut theta, mut optimiser) = (start.clone(), Optimiser::new(&device, rule, 1009));
            optimiser.step(&device, Update { theta: &mut theta, grad: &grad, rate: 0.1, clip: None, average });
            (theta, optimiser.moments(&device))
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
#[should_panic(expected = "elements of the gradient, and parameters")]
fn lengths_are_compared() {
    let device = Cpu::<f32>::here();
    let mut optimiser = Optimiser::new(&device, Rule::Sgd { rate: 0.1, momentum: 0.0 }, 3);
    let (theta, grad) = (&mut vec![0.0; 3], &vec![0.0; 2]);
    optimiser.step(&device, Update { theta, grad, rate: 0.1, clip: None, average: None });
}

#[test]
fn a_restored_optimiser_continues_to_the_bit() {
    let (rng, device) = (&mut rng(6), Cpu::<f32>::here());
    for rule in rules(rng) {
        let grads: Vec<_> = (0..5).map(|_| cast::<f32>(&draw(rng, 103, 1.0))).collect();
        let start = cast::<f32>(&draw(rng, 103, 1.0));
        let (mut theta, mut optimiser) = (start.clone(), Optimiser::new(&device, rule, 103));
        let (mut resumed_theta, mut resumed) = (start, Optimiser::new(&device, rule, 103));
        for grad in &grads {
            optimiser.step(&device, Update { theta: &mut theta, grad, rate: 0.1, clip: None, average: None });
            resumed = Optimiser::restore(&device, rule, resumed.steps(), &resumed.moments(&device));
            resumed.step(&device, Update { theta: &mut resumed_theta, grad, rate: 0.1, clip: None, average: None });
        }
        assert_eq!((bits(&theta), optimiser.steps()), (bits(&resumed_theta), resumed.steps()));
        assert_eq!(optimiser.moments(&device), resumed.moments(&device));
    }
}

#[test]
fn a_gradient_that_is_not_finite_makes_no_step() {
    let (rng, device) = (&mut rng(7), Cpu::<f32>::here());
    for rule in rules(rng) {
        let (mut theta, mut optimiser) = (vec![1.0, 2.0], Optimiser::new(&device, rule, 2));
        let mut step = |grad: [f32; 2]| {
            let update = Update { theta: &mut theta, grad: &grad.to_vec(), rate: 0.1, clip: Some(1.0), average: None };
            let norm = optimiser.step(&device, update);
            (norm, optimiser.steps(), theta.clone(), optimiser.moments(&device))
        };
        let before = step([0.5, -0.25]);
        for bad in [f32::NAN, f32::INFINITY] {
            let after = step([bad, 1.0]);
            assert!(!after.0.is_finite());
            assert_eq!((after.1, &after.2, &after.3), (before.1, &before.2, &before.3));
        }
        assert_eq!(step([0.5, -0.25]).1, 2);
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
        ("Adam(rate: 0)", "rate = 0: accepted is a finite number above 0"),
        ("Sgd(rate: -1)", "rate = -1: accepted is a finite number above 0"),
        ("Sgd(rate: inf)", "rate = inf: accepted is a finite number above 0"),
        ("AdamW(rate: NaN)", "rate = NaN: accepted is a finite number above 0"),
        ("Adam(rate: 1, beta1: 1)", "beta1 = 1: accepted is a number in [0, 1)"),
        ("AdamW(rate: 1, beta2: -0.1)", "beta2 = -0.1: accepted is a number in [0, 1)"),
        ("Adam(rate: 1, beta2: NaN)", "beta2 = NaN: accepted is a number in [0, 1)"),
        ("Adam(rate: 1, epsilon: 0)", "epsilon = 0: accepted is a finite number above 0"),
        ("AdamW(rate: 1, epsilon: inf)", "epsilon = inf: accepted is a finite number above 0"),
        ("AdamW(rate: 1, weight_decay: -0.5)", "weight_decay = -0.5: accepted is a finite number, at least 0"),
        ("AdamW(rate: 1, weight_decay: NaN)", "weight_decay = NaN: accepted is a finite number, at least 0"),
        ("Sgd(rate: 1, momentum: 1)", "momentum = 1: accepted is a number in [0, 1)"),
    ] {
        assert_eq!(ron::from_str::<Rule>(text).unwrap().check().unwrap_err().to_string(), message);
    }
    for text in
        ["Adam(rate: 1, beta1: 0, beta2: 0)", "AdamW(rate: 1, weight_decay: 0)", "Sgd(rate: 1e9, momentum: 0.99)"]
    {
        ron::from_str::<Rule>(text).unwrap().check().unwrap();
    }
}
