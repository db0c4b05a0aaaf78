//! Schedules against sequences worked out by hand, and after a stay in a file.

use super::*;
use rand::RngExt;
use std::f64::consts::FRAC_1_SQRT_2;
use upg_core::Streams;

fn parse(text: &str) -> Schedule {
    ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME).from_str(text).unwrap()
}

fn loss(loss: f64) -> Watched {
    Watched { loss, log_weight_std: f64::NAN }
}

/// Feeds `sequence` to the scheduler; each loss comes with the rate expected after it.
#[track_caller]
fn follow(scheduler: &mut Scheduler, sequence: &[(f64, f64)]) {
    for (step, &(value, expected)) in sequence.iter().enumerate() {
        scheduler.observe(loss(value));
        assert_eq!(scheduler.rate(step as u64 + 1), expected, "after {value}, the loss of step {step}");
    }
}

#[test]
fn warm_up_is_linear_and_multiplies() {
    let constant = Scheduler::new(Schedule::Constant, 0.5, 4, 100);
    assert_eq!([0, 1, 2, 3, 4, 99].map(|step| constant.rate(step)), [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]);
    assert_eq!(Scheduler::new(Schedule::Constant, 0.5, 0, 100).rate(0), 0.5);
    let [warm, cold] = [4, 0].map(|warm_up| Scheduler::new(parse("Cosine()"), 0.5, warm_up, 7));
    assert_eq!([0, 2, 5].map(|step| warm.rate(step)), [0.25 * cold.rate(0), 0.75 * cold.rate(2), cold.rate(5)]);
}

#[test]
fn cosine_goes_through_its_known_points() {
    for (text, total) in [("Cosine(floor: 1, steps: 12)", 40), ("Cosine(floor: 1)", 12)] {
        let scheduler = Scheduler::new(parse(text), 3.0, 0, total);
        let expected = [(0, 3.0), (3, 2.0 + FRAC_1_SQRT_2), (4, 2.5), (6, 2.0), (8, 1.5), (9, 2.0 - FRAC_1_SQRT_2)];
        for (step, expected) in expected {
            assert!((scheduler.rate(step) - expected).abs() < 1e-15, "{text}: {} at {step}", scheduler.rate(step));
        }
        assert_eq!([12, 13, u64::MAX].map(|step| scheduler.rate(step)), [1.0; 3]);
    }
}

/// Patience 2: the third bad step on end lowers the rate. Threshold 10 %.
#[test]
fn plateau_of_positive_losses() {
    let mut scheduler = Scheduler::new(parse("Plateau(patience: 2, threshold: 0.1, factor: 0.5)"), 8.0, 0, 100);
    let sequence = [
        (10.0, 8.0),
        (9.5, 8.0), // 1 bad, improved is below 9
        (9.2, 8.0),
        (9.1, 4.0),  // 3 bad
        (9.05, 4.0), // 1 bad
        (8.9, 4.0),  // best
        (8.1, 4.0),  // 1 bad, improved is below 8.01
        (8.0, 4.0),  // best
        (f64::NAN, 4.0),
        (f64::INFINITY, 4.0), // 1 bad, improved is below 7.2
        (7.3, 4.0),
        (f64::NEG_INFINITY, 4.0),
        (7.1, 4.0), // best
        (7.1, 4.0),
        (7.1, 4.0),
        (f64::NAN, 4.0),
        (7.1, 2.0), // 3 bad
    ];
    follow(&mut scheduler, &sequence);
    assert_eq!(scheduler.state(), SchedulerState { best: 7.1, bad_steps: 0, factor: 0.25 });
}

/// PyTorch's best·(1 − threshold) would take −9.5 and −9.1 for improvements on −10.
#[test]
fn plateau_of_negative_losses() {
    let mut scheduler = Scheduler::new(parse("Plateau(patience: 1, threshold: 0.1, factor: 0.5)"), 8.0, 0, 100);
    let sequence = [
        (-10.0, 8.0),
        (-9.5, 8.0), // 1 bad, improved is below −11
        (-9.1, 4.0), // 2 bad
        (-10.5, 4.0),
        (-11.5, 4.0), // best
        (-12.0, 4.0), // 1 bad, improved is below −12.65
        (-13.0, 4.0), // best
        (-14.0, 4.0), // 1 bad, improved is below −14.3
        (-14.0, 2.0), // 2 bad
    ];
    follow(&mut scheduler, &sequence);
}

/// Without a margin at zero, and with the sign changing.
#[test]
fn plateau_about_zero() {
    let mut scheduler = Scheduler::new(parse("Plateau(patience: 0, threshold: 0.5, factor: 0.25)"), 16.0, 0, 100);
    let sequence = [
        (f64::INFINITY, 4.0), // no improvement on ∞
        (2.0, 4.0),           // best
        (0.0, 4.0),           // best
        (0.0, 1.0),           // bad, improved is below 0
        (-1e-300, 1.0),       // best
        (-1.0, 1.0),          // best
        (-1.5, 0.25),         // bad, improved is below −1.5
    ];
    follow(&mut scheduler, &sequence);
}

#[test]
fn plateau_stays_above_its_floor() {
    let mut scheduler = Scheduler::new(parse("Plateau(patience: 0, floor: 0.3, factor: 0.5)"), 1.0, 0, 100);
    follow(&mut scheduler, &[(1.0, 1.0), (1.0, 0.5), (1.0, 0.3), (1.0, 0.3), (0.5, 0.3)]);
    for _ in 0..3000 {
        scheduler.observe(loss(1.0));
    }
    let state = scheduler.state(); // 2^−3000 is zero
    assert_eq!((scheduler.rate(0), state.factor), (0.3, 0.0));
    scheduler.restore(state).unwrap();
}

#[test]
fn plateau_watches_what_it_is_told_to() {
    let mut scheduler = Scheduler::new(parse("Plateau(patience: 0, watch: LogWeightStd)"), 1.0, 0, 100);
    for (loss, log_weight_std, rate) in [(1.0, 5.0, 1.0), (1.0, 4.0, 1.0), (0.5, 4.0, 0.1), (0.5, f64::NAN, 0.1)] {
        scheduler.observe(Watched { loss, log_weight_std });
        assert_eq!(scheduler.rate(0), rate);
    }
}

/// The state as it comes back from its text.
fn through_text(state: SchedulerState) -> SchedulerState {
    ron::from_str(&ron::to_string(&state).unwrap()).unwrap()
}

#[test]
fn a_state_survives_its_text_to_the_bit() {
    let numbers =
        [f64::INFINITY, f64::MAX, 1.0 / 3.0, -0.1, -0.0, 5e-324, -1.234_567_890_123_456_7e-300, 1e22, -f64::MAX];
    for best in numbers {
        for factor in [1.0, 0.1 * 0.1 * 0.1, 5e-324, 0.0] {
            let state = SchedulerState { best, bad_steps: u64::MAX, factor };
            let back = through_text(state);
            assert_eq!(back, state);
            assert_eq!((back.best.to_bits(), back.factor.to_bits()), (best.to_bits(), factor.to_bits()));
        }
    }
}

#[test]
fn a_resumed_scheduler_gives_the_same_bits() {
    let rng = &mut Streams::new(1).next_stream();
    let schedule = parse("Plateau(patience: 2, threshold: 0.03, factor: 0.7, floor: 1e-5)");
    let (mut kept, mut resumed) = [(); 2].map(|()| Scheduler::new(schedule, 1e-2, 10, 300)).into();
    for step in 0..300 {
        if rng.random_range(0..4) == 0 {
            let state = through_text(resumed.state());
            resumed = Scheduler::new(schedule, 1e-2, 10, 300);
            resumed.restore(state).unwrap();
        }
        assert_eq!(kept.rate(step).to_bits(), resumed.rate(step).to_bits());
        let metrics = loss(rng.random_range(-1.0..1.0) - 0.01 * step as f64);
        kept.observe(metrics);
        resumed.observe(metrics);
    }
    assert!(kept.state().factor < 0.5, "{:?}", kept.state());
}

#[test]
fn impossible_states_are_refused() {
    let mut scheduler = Scheduler::new(parse("Plateau(patience: 2)"), 1.0, 0, 10);
    let good = SchedulerState::default();
    for bad in [
        SchedulerState { best: f64::NAN, ..good },
        SchedulerState { best: f64::NEG_INFINITY, ..good },
        SchedulerState { factor: f64::NAN, ..good },
        SchedulerState { factor: 1.5, ..good },
        SchedulerState { factor: -0.1, ..good },
    ] {
        scheduler.restore(bad).unwrap_err();
        assert_eq!(scheduler.state(), good);
    }
}

#[test]
fn schedules_have_a_text() {
    let plateau = Schedule::Plateau { patience: 3000, threshold: 1e-4, factor: 0.1, floor: 0.0, watch: Watch::Loss };
    for (text, schedule) in [
        ("Constant", Schedule::Constant),
        ("Cosine()", Schedule::Cosine { floor: 0.0, steps: None }),
        ("Cosine(steps: 100, floor: 1e-6)", Schedule::Cosine { floor: 1e-6, steps: Some(100) }),
        ("Plateau(patience: 3000)", plateau),
    ] {
        assert_eq!(parse(text), schedule);
        assert_eq!(ron::from_str::<Schedule>(&ron::to_string(&schedule).unwrap()).unwrap(), schedule);
    }
    for text in ["Cosine(flor: 1)", "Plateau()", "Plateau(patience: -1)", "Plateau(patience: 1, cooldown: 1)", "Linear"]
    {
        assert!(ron::from_str::<Schedule>(text).is_err(), "{text}");
    }
    for text in ["(from: 1)", "(from: 1, steps: 2, to: 3)", "(from: 1, steps: 2, shape: Step)"] {
        assert!(ron::from_str::<Ramp>(text).is_err(), "{text}");
    }
    assert!(ron::from_str::<SchedulerState>("(best: inf, bad_steps: 0, factor: 1, cooldown: 0)").is_err());
}

#[test]
fn values_out_of_range_are_refused() {
    for (text, message) in [
        ("Cosine(floor: 0.2)", "floor = 0.2: accepted is a number from 0 to the rate, 0.1"),
        ("Cosine(floor: -1)", "floor = -1: accepted is a number from 0 to the rate, 0.1"),
        ("Cosine(steps: 0)", "steps = 0: accepted is a whole number, at least 1"),
        ("Plateau(patience: 1, threshold: 1)", "threshold = 1: accepted is a number in [0, 1)"),
        ("Plateau(patience: 1, threshold: NaN)", "threshold = NaN: accepted is a number in [0, 1)"),
        ("Plateau(patience: 1, factor: 1)", "factor = 1: accepted is a number in (0, 1)"),
        ("Plateau(patience: 1, factor: 0)", "factor = 0: accepted is a number in (0, 1)"),
        ("Plateau(patience: 1, floor: NaN)", "floor = NaN: accepted is a number from 0 to the rate, 0.1"),
    ] {
        assert_eq!(parse(text).check(0.1).unwrap_err().to_string(), message);
    }
    for text in
        ["Constant", "Cosine(floor: 0.1, steps: 1)", "Plateau(patience: 0, threshold: 0, factor: 0.99, floor: 0.1)"]
    {
        parse(text).check(0.1).unwrap();
    }
}

#[test]
fn ramps_arrive_exactly() {
    let rng = &mut Streams::new(2).next_stream();
    for shape in [Shape::Linear, Shape::Cosine] {
        for steps in (1..50).chain([1000]) {
            let (from, to) = (rng.random_range(-3.0..3.0), rng.random_range(-3.0..3.0));
            let ramp = Ramp { from, steps, shape };
            assert_eq!((ramp.value(0, to), ramp.value(steps, to), ramp.value(u64::MAX, to)), (from, to, to));
            let way: Vec<_> = (0..=steps).map(|step| (ramp.value(step, to) - from) / (to - from)).collect();
            assert!(way.is_sorted(), "{ramp:?}: {way:?}");
            // Both shapes are odd about the middle.
            assert!(way.iter().zip(way.iter().rev()).all(|(a, b)| (a + b - 1.0).abs() < 1e-13), "{ramp:?}: {way:?}");
        }
    }
}

#[test]
fn ramps_go_through_their_known_points() {
    let value = |text, step| ron::from_str::<Ramp>(text).unwrap().value(step, 7.0);
    assert_eq!([0, 2, 3, 6, 8].map(|step| value("(from: 1, steps: 8)", step)), [1.0, 2.5, 3.25, 5.5, 7.0]);
    let cosine = "(from: 1, steps: 12, shape: Cosine)";
    for (step, expected) in [(0, 1.0), (3, 4.0 - 3.0 * FRAC_1_SQRT_2), (4, 2.5), (6, 4.0), (8, 5.5), (12, 7.0)] {
        assert!((value(cosine, step) - expected).abs() < 1e-14, "{step}");
    }
}

#[test]
fn ramps_out_of_range_are_refused() {
    let check = |from, steps| Ramp { from, steps, shape: Shape::Linear }.check().map_err(|e| e.to_string());
    assert_eq!(check(f64::NAN, 1), Err("from = NaN: accepted is a finite number".into()));
    assert_eq!(check(f64::NEG_INFINITY, 1), Err("from = -inf: accepted is a finite number".into()));
    assert_eq!(check(1.0, 0), Err("steps = 0: accepted is a whole number, at least 1".into()));
    assert_eq!(check(1.0, 1), Ok(()));
}
