//! The battery every target passes.
//!
//! | check | statement |
//! |---|---|
//! | force | −∇S by finite differences |
//! | action alone | the same action without a force asked for |
//! | samples | permuted samples give permuted results, and each sample alone the same, to round-off |
//! | precision | f32 agrees with f64 |
//! | threads | the same bits for 1, 2, 3 and 8 threads |
//!
//! Numbers from outside and naive formulas of the action belong beside the target; the battery can't know them.
//! A target joins by one line of [`target_battery!`](crate::target_battery).

use crate::{
    domain::Domain,
    draw, finite,
    tolerance::{Tolerance, assert_close, assert_close_on_scale, assert_same_bits, largest},
};
use ndarray::{Array2, Axis, s};
use upg_core::{Batch, Cpu, Execution, Real, Rng, Target};

/// Any target of the processor.
pub type AnyTarget<T> = Box<dyn Target<Cpu<T>>>;

/// A target to be tested: how to make it, and where its samples live.
pub struct TargetCase {
    /// The target, its couplings drawn from the generator.
    pub double: fn(&mut Rng) -> AnyTarget<f64>,
    /// The same target in f32, for the same state of the generator; none if it has one precision only.
    pub single: Option<fn(&mut Rng) -> AnyTarget<f32>>,
    /// Where its samples live.
    pub domain: Domain,
}

impl TargetCase {
    /// A target of numbers.
    pub fn new(double: fn(&mut Rng) -> AnyTarget<f64>, single: Option<fn(&mut Rng) -> AnyTarget<f32>>) -> Self {
        Self { double, single, domain: Domain::Line }
    }
}

/// A test for every line `name(rng) => target`: [`check_target`](crate::target::check_target) on targets drawn three times.
///
/// The expression may draw couplings from `rng` (an [`upg_core::Rng`]) and may use the precision `T`. Between `(rng)` and `=>` may stand, in
/// this order: `on Domain`, where its samples live; `in f64`, for a target of that precision only.
///
/// ```
/// # use upg_core::{Batch, Cpu, Target};
/// # struct Oscillator;
/// # impl Target<Cpu<f64>> for Oscillator {
/// #     fn dof(&self) -> usize { 2 }
/// #     fn action_and_force(&self, _: &Cpu<f64>, _: &Batch<f64>, _: &mut Vec<f64>, _: Option<&mut Batch<f64>>) {}
/// # }
/// use upg_testkit::{domain::Domain, models::{AnharmonicChain, Rotors}, target_battery};
///
/// target_battery! {
///     chain(rng) => AnharmonicChain::random(5, rng);
///     rotors(rng) on Domain::Circle => Rotors::random(4, rng);
///     oscillator_in_double_precision(rng) in f64 => Oscillator;
/// }
/// ```
#[macro_export]
macro_rules! target_battery {
    ($($(#[$attribute:meta])* $name:ident ( $rng:ident ) $(on $($domain:ident)::+)? $(in $precision:ident)? => $target:expr;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            let (double, single) = $crate::in_precisions!($($precision)?: $rng => target::AnyTarget, $target);
            $crate::target::check_target_case(&$crate::target::TargetCase {
                $(domain: $($domain)::+,)?
                ..$crate::target::TargetCase::new(double, single)
            });
        }
    )*};
}

/// [`check_target`] on targets drawn from `case` three times.
pub fn check_target_case(case: &TargetCase) {
    for round in 0..3 {
        let mut rng = draw::rng(round);
        let single = case.single.map(|single| single(&mut rng.clone()));
        let double = (case.double)(&mut rng);
        check_target(&*double, single.as_deref(), case.domain, &mut rng);
    }
}

/// Runs all checks of the [battery](self) on a target, given in both precisions if it has both, at random samples.
///
/// # Panics
/// If a check fails; the message names it.
pub fn check_target(
    double: &dyn Target<Cpu<f64>>,
    single: Option<&dyn Target<Cpu<f32>>>,
    domain: Domain,
    rng: &mut Rng,
) {
    if let Some(single) = single {
        assert_eq!(double.dof(), single.dof(), "degrees of freedom in f64, and in f32");
    }
    for batch in [1, 7, 37] {
        let x = draw::points(rng, domain, batch, double.dof());
        check_force(double, domain, &x);
        check_action_alone(double, &x);
        check_samples(double, &x);
        if let Some(single) = single {
            check_precision(double, single, &x);
        }
    }
    let x = draw::points(rng, domain, 1031, double.dof());
    check_threads(double, &x);
    if let Some(single) = single {
        check_threads(single, &x.mapv(f32::of));
    }
}

/// Action and force at x, shape `[batch, dof]`.
pub struct Evaluated<T> {
    /// S, one per sample.
    pub action: Vec<f64>,
    /// −∇S, shape `[batch, dof]`.
    pub force: Array2<T>,
}

impl<T: Real> Evaluated<T> {
    /// By one call, into memory that held something else before.
    pub fn of(device: &Cpu<T>, target: &dyn Target<Cpu<T>>, x: &Array2<T>) -> Self {
        let (mut action, mut force) = (vec![f64::NAN; 3], Batch::zeros(2, 5));
        force.fill(T::nan());
        let x = Batch::from_samples(x.view());
        device.install(|| target.action_and_force(device, &x, &mut action, Some(&mut force)));
        assert_eq!(action.len(), x.samples(), "actions, and samples");
        assert_eq!((force.rows(), force.samples()), (x.rows(), x.samples()), "shape of the force, and of x");
        Self { action, force: force.to_samples() }
    }
}

/// S of every sample, without the force.
pub fn action<T: Real>(device: &Cpu<T>, target: &dyn Target<Cpu<T>>, x: &Array2<T>) -> Vec<f64> {
    let (mut action, x) = (vec![], Batch::from_samples(x.view()));
    device.install(|| target.action_and_force(device, &x, &mut action, None));
    action
}

/// force = −∇S, one coordinate of all samples at a time.
fn check_force(target: &dyn Target<Cpu<f64>>, domain: Domain, x: &Array2<f64>) {
    let here = Cpu::here();
    let force = Evaluated::of(&here, target, x).force;
    let mut numeric = Array2::zeros(x.dim());
    for j in 0..x.ncols() {
        let moved = |t: f64| {
            let mut x = x.clone();
            x.column_mut(j).mapv_inplace(|x| domain.wrap(x + t));
            action(&here, target, &x)
        };
        let slope = finite::velocity(moved, 0.0).value;
        numeric.column_mut(j).iter_mut().zip(slope).for_each(|(force, slope)| *force = -slope);
    }
    let what = format!("force and −∇S, batch {}", x.nrows());
    assert_close(&what, flat(&force), flat(&numeric), Tolerance::differences());
}

fn check_action_alone(target: &dyn Target<Cpu<f64>>, x: &Array2<f64>) {
    let here = Cpu::here();
    let (with, alone) = (Evaluated::of(&here, target, x).action, action(&here, target, x));
    assert_close("action alone, and with the force", &alone, &with, Tolerance::round_off::<f64>());
}

/// Reversed samples give reversed results, and each sample alone gives its own, to round-off.
fn check_samples(target: &dyn Target<Cpu<f64>>, x: &Array2<f64>) {
    let here = Cpu::here();
    let expected = Evaluated::of(&here, target, x);
    let reversed = Evaluated::of(&here, target, &x.slice(s![..;-1, ..]).to_owned());
    let action: Vec<f64> = reversed.action.iter().rev().copied().collect();
    let force = reversed.force.slice(s![..;-1, ..]).as_standard_layout().into_owned();
    let tolerance = Tolerance::round_off::<f64>();
    assert_close("actions of reversed samples", &action, &expected.action, tolerance);
    assert_close("forces of reversed samples", flat(&force), flat(&expected.force), tolerance);
    for (b, sample) in x.axis_iter(Axis(0)).enumerate() {
        let alone = Evaluated::of(&here, target, &sample.insert_axis(Axis(0)).to_owned());
        let scale = largest(&expected.action);
        assert_close_on_scale("action of one sample", &alone.action, &expected.action[b..=b], scale, tolerance);
        let force = expected.force.slice(s![b..=b, ..]).to_owned();
        assert_close("force of one sample", flat(&alone.force), flat(&force), tolerance);
    }
}

fn check_precision(double: &dyn Target<Cpu<f64>>, single: &dyn Target<Cpu<f32>>, x: &Array2<f64>) {
    let double = Evaluated::of(&Cpu::here(), double, x);
    let single = Evaluated::of(&Cpu::here(), single, &x.mapv(f32::of));
    let tolerance = Tolerance::round_off::<f32>();
    let scale = largest(&double.action).max(x.ncols() as f64); // S is extensive: near 0 its terms set the scale
    assert_close_on_scale("action in f32 and f64", &single.action, &double.action, scale, tolerance);
    assert_close("force in f32 and f64", flat(&single.force), flat(&double.force), tolerance);
}

fn check_threads<T: Real>(target: &dyn Target<Cpu<T>>, x: &Array2<T>) {
    let one = Evaluated::of(&Cpu::new(1), target, x);
    for threads in [2, 3, 8] {
        let more = Evaluated::of(&Cpu::new(threads), target, x);
        let what = format!("1 and {threads} threads in {}", T::NAME);
        assert_same_bits(&format!("action, {what}"), &one.action, &more.action);
        assert_same_bits(&format!("force, {what}"), flat(&one.force), flat(&more.force));
    }
}

fn flat<T: Real>(a: &Array2<T>) -> &[T] {
    a.as_slice().expect("in standard layout")
}

#[cfg(test)]
mod tests {
    use crate::{
        domain::Domain,
        models::{AnharmonicChain, Rotors},
    };
    use rand::RngExt;

    crate::target_battery! {
        anharmonic_chain(rng) => AnharmonicChain::random(rng.random_range(3..9), rng);
        rotors(rng) on Domain::Circle => Rotors::random(rng.random_range(3..9), rng);
    }
}
