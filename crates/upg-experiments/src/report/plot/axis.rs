//! An axis: where a value stands, and which values are written beside it.

use super::{
    chart::Scale,
    number::{minus, power_of_ten},
};

/// The shown part of a scale with its ticks.
pub(super) struct Axis {
    scale: Scale,
    /// Ends on the scale: logarithms to base 10 on a logarithmic one.
    ends: (f64, f64),
    pub ticks: Vec<Tick>,
    /// The labels are to be multiplied with this power of ten.
    pub exponent: i32,
}

/// A mark on an axis.
pub(super) struct Tick {
    pub value: f64,
    /// None on the small ones between.
    pub label: Option<String>,
}

impl Axis {
    /// Shows `from` to `to` with about `wanted` labels. Ends that agree are moved apart.
    pub fn new(scale: Scale, from: f64, to: f64, wanted: usize) -> Self {
        let on_scale = |value: f64| match scale {
            Scale::Linear => value.clamp(-1e300, 1e300),
            Scale::Log => value.clamp(1e-300, 1e300).log10(),
        };
        let ends = apart(on_scale(from), on_scale(to), scale);
        let mut axis = Self { scale, ends, ticks: vec![], exponent: 0 };
        match scale {
            Scale::Linear => axis.label_linear(wanted),
            Scale::Log => axis.label_log(wanted),
        }
        axis
    }

    /// Where `value` stands: 0 at the lower end, 1 at the upper. What a logarithmic axis doesn't have is far below.
    pub fn position(&self, value: f64) -> f64 {
        let (from, to) = self.ends;
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Log if value > 0.0 => value.log10(),
            Scale::Log => return -10.0,
        };
        (value / 2.0 - from / 2.0) / (to / 2.0 - from / 2.0)
    }

    /// The widest label.
    pub fn widest(&self) -> f64 {
        let labels = self.ticks.iter().filter_map(|tick| tick.label.as_deref());
        labels.map(super::svg::width_of).fold(0.0, f64::max)
    }

    fn label_linear(&mut self, wanted: usize) {
        let values = multiples(self.ends, wanted);
        let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        if largest >= 1e5 || (largest > 0.0 && largest < 1e-3) {
            self.exponent = decade(largest);
        }
        let decimals = (self.exponent - decade(step(self.ends, wanted))).max(0) as usize;
        let scaled = |value: f64| value / 10f64.powi(self.exponent / 2) / 10f64.powi(self.exponent - self.exponent / 2);
        let label = |value| Some(minus(&format!("{:.decimals$}", scaled(value) + 0.0)));
        self.ticks = values.into_iter().map(|value| Tick { value, label: label(value) }).collect();
    }

    fn label_log(&mut self, wanted: usize) {
        let (from, to) = self.ends;
        let decades = (to.floor() - from.ceil() + 1.0).max(0.0) as usize;
        let every = decades.div_ceil(wanted).max(1) as i32;
        let labelled: &[u8] = match decades {
            0 | 1 => &[1, 2, 5],
            2 => &[1, 3],
            _ => &[1],
        };
        for k in from.floor() as i32..=to.floor() as i32 {
            for m in 1..10 {
                let value = f64::from(m) * 10f64.powi(k);
                let label = (labelled.contains(&m) && k.rem_euclid(every) == 0).then(|| in_decades(m, k));
                if (0.0..=1.0).contains(&self.position(value)) && (label.is_some() || decades <= 8) {
                    self.ticks.push(Tick { value, label });
                }
            }
        }
        if self.ticks.iter().filter(|tick| tick.label.is_some()).count() < 2 {
            let linear = Self::new(Scale::Linear, 10f64.powf(from), 10f64.powf(to), wanted);
            (self.ticks, self.exponent) = (linear.ticks, linear.exponent);
        }
    }
}

/// m·10ᵏ as it is written on a logarithmic axis.
fn in_decades(m: u8, k: i32) -> String {
    match (m, k) {
        (m, 0) => m.to_string(),
        (1, 1) => "10".into(),
        (1, k) => power_of_ten(k),
        (m, -3..0) => format!("{:.*}", -k as usize, f64::from(m) * 10f64.powi(k)),
        (m, 1..4) => format!("{m}{:0>1$}", "", k as usize),
        (m, k) => format!("{m}×{}", power_of_ten(k)),
    }
}

/// The ends, moved apart if there would be no room for ticks that differ.
fn apart(from: f64, to: f64, scale: Scale) -> (f64, f64) {
    let largest = from.abs().max(to.abs());
    if to - from > (1e-9 * largest).max(1e-290) {
        return (from, to);
    }
    let room = match scale {
        Scale::Log => 0.5,
        Scale::Linear if largest < 1e-290 => 1.0,
        Scale::Linear => 0.1 * largest,
    };
    (from - room, to + room)
}

/// The largest k with 10ᵏ ≤ `value`.
fn decade(value: f64) -> i32 {
    let k = value.log10().floor() as i32;
    // The logarithm of a power of ten may be rounded down.
    if 10f64.powi(k + 1) <= value { k + 1 } else { k }
}

/// 1, 2 or 5 times a power of ten, so that between `ends` there are at most about `wanted` multiples.
fn step((from, to): (f64, f64), wanted: usize) -> f64 {
    let least = to / wanted as f64 - from / wanted as f64;
    let power = 10f64.powi(decade(least));
    let steps = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
    steps.into_iter().find(|&step| step >= least * (1.0 - 1e-9)).unwrap_or(steps[3])
}

/// The multiples of the step between `ends`.
fn multiples(ends: (f64, f64), wanted: usize) -> Vec<f64> {
    let step = step(ends, wanted);
    let slack = 1e-6;
    let (first, last) = ((ends.0 / step - slack).ceil(), (ends.1 / step + slack).floor());
    let count = (last - first + 1.0).clamp(0.0, 100.0) as usize;
    (0..count).map(|i| (first + i as f64) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().filter_map(|tick| tick.label.as_deref()).collect()
    }

    fn linear(from: f64, to: f64) -> Axis {
        Axis::new(Scale::Linear, from, to, 5)
    }

    fn log(from: f64, to: f64) -> Axis {
        Axis::new(Scale::Log, from, to, 5)
    }

    #[test]
    fn linear_labels_are_round() {
        assert_eq!(labels(&linear(0.0, 1.0)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&linear(-12.4, -11.9)), ["−12.4", "−12.3", "−12.2", "−12.1", "−12.0", "−11.9"]);
        assert_eq!(labels(&linear(0.0, 2000.0)), ["0", "500", "1000", "1500", "2000"]);
        assert_eq!(labels(&linear(-0.3, 0.1)), ["−0.3", "−0.2", "−0.1", "0.0", "0.1"]);
        let large = linear(0.0, 200_000.0);
        assert_eq!((labels(&large), large.exponent), (vec!["0.0", "0.5", "1.0", "1.5", "2.0"], 5));
        let small = linear(0.0, 4.1e-7);
        assert_eq!((labels(&small), small.exponent), (vec!["0", "1", "2", "3", "4"], -7));
    }

    #[test]
    fn logarithmic_labels_are_decades_if_there_are_enough() {
        assert_eq!(labels(&log(1e-4, 1.0)), ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "1"]);
        assert_eq!(labels(&log(0.8e-3, 4e-2)), ["10⁻³", "0.003", "10⁻²", "0.03"]);
        assert_eq!(labels(&log(3e-4, 2e-3)), ["5×10⁻⁴", "10⁻³", "0.002"]);
        assert_eq!(labels(&log(2.2, 2.9)), ["2.2", "2.4", "2.6", "2.8"]);
        assert_eq!(labels(&log(1.0, 1e40)), ["1", "10⁹", "10¹⁸", "10²⁷", "10³⁶"]);
        assert_eq!(log(1.0, 1e40).ticks.len(), 5);
        assert_eq!(labels(&log(5e-4, 5e-4)), ["2×10⁻⁴", "5×10⁻⁴", "10⁻³"]);
    }

    #[test]
    fn any_range_has_labels_that_differ() {
        let ends = [0.0, f64::MIN_POSITIVE, 1e-300, 1e-290, 3e-9, 0.1, 0.3, 1.0, 7.0, 1e9, 1e9 + 1.0, 1e300, f64::MAX];
        for (&a, &b) in ends.iter().flat_map(|a| ends.iter().map(move |b| (a, b))) {
            for (from, to) in [(a, b), (-a, b), (-b, -a)].into_iter().filter(|ends| ends.0 <= ends.1) {
                let axis = linear(from, to);
                let mut told = labels(&axis);
                let count = told.len();
                told.dedup();
                assert!((2..=7).contains(&count) && told.len() == count, "{from} to {to}: {told:?}");
                assert!(axis.ticks.iter().all(|tick| (-1e-6..=1.0 + 1e-6).contains(&axis.position(tick.value))));
            }
        }
    }

    #[test]
    fn positions_run_from_0_to_1() {
        let axis = linear(-3.0, 5.0);
        assert_eq!([-3.0, -1.0, 5.0, 9.0].map(|value| axis.position(value)), [0.0, 0.25, 1.0, 1.5]);
        let axis = log(0.01, 100.0);
        assert!((axis.position(10.0) - 0.75).abs() < 1e-12 && axis.position(0.0) < -1.0 && axis.position(-1.0) < -1.0);
    }
}
