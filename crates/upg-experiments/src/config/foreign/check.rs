//! The force of a target of the user's against central differences of its action, at samples of the base, along some of the axes and one direction that has to do with
//! all: with D(h) = [S(x + h v) − S(x − h v)]/2h, the derivative is [4 D(h/2) − D(h)]/3 up to O(h⁴), and v·force has to be its negative, to a part in
//! `TOLERANCE` and what the difference of the two D and the precision of S leave open.

use super::ForeignTarget;
use std::f64::consts::TAU;
use std::sync::atomic::Ordering::Relaxed;
use upg_core::{Base, BasePass, Batch, Cpu, Domain, Memory, Prepared, Target, Workspace};
use upg_flows::FlowSpec;
use upg_train::Purpose;

/// The largest difference, relative to the larger of both.
const TOLERANCE: f64 = 1e-4;
/// Samples.
const SAMPLES: usize = 2;
/// Axes, at most.
const AXES: usize = 16;
/// h.
const STEP: f64 = 1e-3;
/// Displacements along a direction, in units of h.
const AT: [f64; 4] = [1.0, -1.0, 0.5, -0.5];

/// Compares them at samples of the base of a flow, unless that was done.
///
/// # Errors
/// What the target had to be.
pub(in crate::config) fn once(target: &ForeignTarget, spec: &FlowSpec) -> Result<(), String> {
    match target.is_checked.swap(true, Relaxed) {
        true => Ok(()),
        false => {
            let x = base_samples(spec, SAMPLES, 1);
            let compared = compare(target, &x, " of the base").and_then(|_| match spec.domain() {
                Domain::Line => Ok(0.0),
                Domain::Circle => compare_turned(target, &x, " of the base"),
            });
            compared.map(|_| ()).map_err(|words| format!("{words} (target.check = Off for any)"))
        }
    }
}

/// Samples of the base of a flow, shape `[dof, samples]`.
pub fn base_samples(spec: &FlowSpec, samples: usize, seed: u64) -> Batch<f64> {
    let (device, base) = (Cpu::<f64>::here(), spec.build_base::<f64>());
    let theta = base.params().initialise(&mut Purpose::Weights.streams(seed).next_stream());
    let (mut prepared, mut scratch, mut x) = (Prepared::default(), Workspace::default(), Batch::default());
    base.prepare(&device, &theta, &mut prepared);
    device.reshape(&mut x, spec.dof(), samples);
    let mut pass = BasePass { device: &device, theta: &theta, prepared: &prepared, scratch: &mut scratch };
    base.sample(&mut pass, Purpose::Samples.samples(seed), 0, &mut x);
    x
}

/// A comparison of force and action that agree.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compared {
    /// Derivatives along a direction at a sample.
    pub derivatives: usize,
    /// How many of them aren't finite, so that there was nothing to compare.
    pub not_finite: usize,
    /// The largest difference, as a part of what is tolerated.
    pub largest: f64,
}

/// A direction.
#[derive(Clone, Copy)]
enum Along {
    Axis(usize),
    /// One that has to do with all axes.
    All,
}

impl Along {
    /// Some of the axes, spread over them, and the direction of all.
    fn directions(dof: usize) -> Vec<Self> {
        let axes = dof.min(AXES);
        (0..axes).map(|i| Self::Axis(i * dof / axes)).chain([Self::All]).collect()
    }

    /// Component i of its unit vector.
    fn component(self, i: usize, dof: usize) -> f64 {
        match self {
            Self::Axis(axis) => f64::from(u8::from(i == axis)),
            Self::All => (1.0 + i as f64).sin() * (2.0 / dof as f64).sqrt(),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Axis(axis) => format!("component {axis} of the force"),
            Self::All => "the force along a direction of all components".into(),
        }
    }
}

/// Compares force and action of any target at the samples `x`, shape `[dof, samples]`, which messages call samples`of`.
///
/// # Errors
/// What the target had to be.
pub fn compare<P: Target<Cpu<f64>> + ?Sized>(target: &P, x: &Batch<f64>, of: &str) -> Result<Compared, String> {
    let (device, dof, directions) = (Cpu::here(), x.rows(), Along::directions(x.rows()));
    let (mut action, mut displaced, mut force) = (vec![], vec![], Batch::default());
    target.action_and_force(&device, x, &mut action, Some(&mut force));
    let columns: Vec<_> =
        (0..x.samples()).flat_map(|n| directions.iter().flat_map(move |&v| AT.map(|at| (n, v, at)))).collect();
    let mut around = Batch::zeros(dof, columns.len());
    for i in 0..dof {
        let row = around.row_mut(i).iter_mut().zip(&columns);
        row.for_each(|(to, &(n, v, at))| *to = x.row(i)[n] + at * STEP * v.component(i, dof));
    }
    target.action_and_force(&device, &around, &mut displaced, None);
    target.status().map_err(|failure| format!("that computes samples{of}: {failure}"))?;
    let mut compared = Compared::default();
    for (&(n, v, _), s) in columns.iter().step_by(AT.len()).zip(displaced.chunks(AT.len())) {
        let along: f64 = (0..dof).map(|i| force.row(i)[n] * v.component(i, dof)).sum();
        let agreement = agrees(along, s).map_err(|derivative| {
            let (words, off) = (v.words(), (along - derivative).abs());
            let sign = if agrees(-along, s).is_ok() { ", the sign is that of dS/dx" } else { "" };
            format!(
                "whose force is -dS/dx: {words} is {along:.6e} at sample {n}{of}, central differences of the action say \
                 {derivative:.6e}, off by {off:.1e} where {TOLERANCE:.0e} of it is tolerated{sign}"
            )
        })?;
        compared.derivatives += 1;
        compared.not_finite += usize::from(agreement.is_none());
        compared.largest = compared.largest.max(agreement.unwrap_or(0.0));
    }
    Ok(compared)
}

/// The largest difference of the action after turns of angles, relative to the action or to 1.
const TURNED: f64 = 1e-5;

/// Compares the action of a target of angles at the samples `x`, shape `[dof, samples]`, with that after a turn by 2π of some of them, one by one, and of
/// all together, each by as many as its index says; returns the largest difference as a part of what is tolerated.
///
/// # Errors
/// What the target had to be.
pub fn compare_turned<P: Target<Cpu<f64>> + ?Sized>(target: &P, x: &Batch<f64>, of: &str) -> Result<f64, String> {
    let (device, dof, directions) = (Cpu::here(), x.rows(), Along::directions(x.rows()));
    let (mut action, mut turned, mut around) = (vec![], vec![], Batch::zeros(dof, x.samples() * directions.len()));
    for i in 0..dof {
        for (at, to) in around.row_mut(i).iter_mut().enumerate() {
            let turns = match directions[at % directions.len()] {
                Along::Axis(axis) => usize::from(axis == i),
                Along::All => 1 + i % 3,
            };
            *to = x.row(i)[at / directions.len()] + TAU * turns as f64;
        }
    }
    target.action_and_force(&device, x, &mut action, None);
    target.action_and_force(&device, &around, &mut turned, None);
    target.status().map_err(|failure| format!("that computes samples{of}: {failure}"))?;
    let mut largest = 0.0_f64;
    for (at, &after) in turned.iter().enumerate() {
        let (n, direction) = (at / directions.len(), directions[at % directions.len()]);
        let before = action[n];
        let is_same = before == after || before.is_nan() && after.is_nan();
        let off = if is_same { 0.0 } else { (after - before).abs() / (TURNED * before.abs().max(1.0)) };
        if off.is_nan() || off > 1.0 {
            let which = match direction {
                Along::Axis(axis) => format!("angle {axis}"),
                Along::All => "all angles".into(),
            };
            return Err(format!(
                "whose action has the period 2 pi in every angle: at sample {n}{of} it is {before:.6e}, and {after:.6e} after turns of {which}"
            ));
        }
        largest = largest.max(off);
    }
    Ok(largest)
}

/// Compares a component of the force with the action at the displacements [`AT`]; returns the difference as a part of what is tolerated, `None`
/// where the action isn't finite and can't be compared.
///
/// # Errors
/// What it should be.
fn agrees(along: f64, s: &[f64]) -> Result<Option<f64>, f64> {
    let (whole, half) = ((s[0] - s[1]) / (2.0 * STEP), (s[2] - s[3]) / STEP);
    let derivative = -(4.0 * half - whole) / 3.0;
    if !derivative.is_finite() {
        return Ok(None);
    }
    let largest = s.iter().fold(0.0_f64, |largest, s| largest.max(s.abs()));
    let is_single = s.iter().all(|&s| f64::from(s as f32) == s);
    let rounding = if is_single { 16.0 * f64::from(f32::EPSILON) } else { 64.0 * f64::EPSILON };
    let open = 4.0 * (whole - half).abs() + rounding * largest / STEP;
    let larger = if along.is_finite() { along.abs().max(derivative.abs()) } else { 0.0 };
    let (off, tolerated) = ((along - derivative).abs(), TOLERANCE * larger + open);
    match off <= tolerated {
        true => Ok(Some(if off > 0.0 { off / tolerated } else { 0.0 })),
        false => Err(derivative),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S = Σ cos x_i + c x₃.
    struct Angles(f64);

    impl Target<Cpu<f64>> for Angles {
        fn dof(&self) -> usize {
            4
        }

        fn action_and_force(&self, _: &Cpu<f64>, x: &Batch<f64>, action: &mut Vec<f64>, _: Option<&mut Batch<f64>>) {
            let sample = |n: usize| (0..4).map(|i| x.row(i)[n].cos()).sum::<f64>() + self.0 * x.row(3)[n];
            action.clear();
            action.extend((0..x.samples()).map(sample));
        }
    }

    #[test]
    fn angles_whose_turns_change_the_action_are_seen() {
        let x = Batch::from_samples(ndarray::array![[0.1, 1.0, 2.0, -3.0], [0.5, 0.6, 0.7, 0.8]].view());
        assert!(compare_turned(&Angles(0.0), &x, "").unwrap() < 1e-6);
        let words = compare_turned(&Angles(1e-4), &x, " of the base").unwrap_err();
        assert!(
            words.contains("at sample 0 of the base it is") && words.ends_with("after turns of angle 3"),
            "{words}"
        );
    }

    /// S = x⁴ around 0.7, whose force is −4 · 0.343.
    fn actions() -> Vec<f64> {
        AT.map(|at| (0.7 + at * STEP).powi(4)).to_vec()
    }

    #[test]
    fn a_force_that_is_off_is_seen() {
        let force = -4.0 * 0.343;
        assert!(agrees(force, &actions()).is_ok());
        assert!(agrees(force * 1.00005, &actions()).is_ok());
        for wrong in [force * 1.001, -force, 0.0, 2.0 * force, f64::INFINITY, f64::NAN] {
            let should_be = agrees(wrong, &actions()).unwrap_err();
            assert!((should_be - force).abs() < 1e-9, "{should_be}");
        }
    }

    #[test]
    fn what_is_rough_or_rounded_is_borne() {
        // A step of the action that is much narrower than h; an action in single precision; one that is infinite beside the sample.
        assert!(agrees(-0.3, &[1.0, 0.0, 1.0, 0.0]).is_ok());
        for large in 0..2000 {
            let single: Vec<_> = actions().iter().map(|s| f64::from((f64::from(large) + s) as f32)).collect();
            assert!(agrees(-4.0 * 0.343, &single).is_ok(), "{large}");
        }
        assert!(agrees(1.0, &[f64::INFINITY, 0.0, 0.0, 0.0]).is_ok());
    }

    #[test]
    fn every_component_is_in_one_direction() {
        for dof in [1, 5, 16, 17, 1000] {
            let directions = Along::directions(dof);
            assert_eq!(directions.len(), dof.min(AXES) + 1);
            assert!((0..dof).all(|i| Along::All.component(i, dof).abs() > 1e-6));
        }
    }
}
