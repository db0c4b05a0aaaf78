//! The battery every layer passes.
//!
//! With J = ∂T/∂x, ℓ = log|det J|, scores s, cotangents a, weights w, at random parameters, hyper-parameters and samples:
//!
//! | check | statement |
//! |---|---|
//! | log-det | ℓ = log of the dense determinant |
//! | score, MATH (1) | Jᵀ·push_score(s) = s − ∇ℓ |
//! | push, MATH (17) | Jᵀ u = a − w ∇ℓ; ∂θ = −d/dθ [⟨u, T(x)⟩ + w Σ ℓ]; w zero and not |
//! | pull-back, MATH (2) | a ← Jᵀ a + w ∇ℓ; ∂θ = d/dθ [⟨a, T(x)⟩ + w Σ ℓ]; w zero and not |
//! | adjoint | ⟨J v, a⟩ = ⟨v, Jᵀ a⟩ |
//! | calls | replace, add, no sink; tapes reused; scratch lost between verbs; samples independent of each other; the composed verbs |
//! | inverse | T⁻¹(T(x)) = x with opposite log-dets; T⁻¹ passes all of the above; (T⁻¹)⁻¹ is T |
//! | duality, MATH (17) | push of T at x = pull-back of T⁻¹ at T(x), and the other way round, ∂θ included |
//! | precision | f32 agrees with f64 |
//! | threads | the same bits for 1, 2, 3 and 8 threads; twice the same where there is one |
//!
//! A layer joins by one line of [`layer_battery!`](crate::layer_battery). Layers of other devices join by
//! [`OnHost`](crate::on_host::OnHost).

mod calls;
mod derivatives;
mod devices;
mod duality;

use crate::{domain::Domain, draw, runner::Runner, tolerance::Tolerance};
use ndarray::Array2;
use rand::RngExt;
use upg_core::{Cpu, Invertible, Layer, ParamLayout, Real, Rng};

/// Any layer of the processor.
pub type AnyLayer<T> = Box<dyn Invertible<Cpu<T>>>;

/// A layer to be tested: how to make it, and what is known of it.
pub struct LayerCase {
    /// The layer, its hyper-parameters drawn from the generator.
    pub double: fn(&mut Rng) -> AnyLayer<f64>,
    /// The same layer in f32, for the same state of the generator; none if it has one precision only.
    pub single: Option<fn(&mut Rng) -> AnyLayer<f32>>,
    /// Where its samples live.
    pub domain: Domain,
    /// Up to what its equations hold beside rounding: the error of an integrator.
    pub error: f64,
    /// By how many times the usual the parameters are spread: less for a layer whose equations hold up to an error that they decide.
    pub spread: f64,
    /// Up to how many threads it can have: one, if its device has a stream of its own.
    pub threads: usize,
}

impl LayerCase {
    /// A layer of numbers whose equations hold exactly.
    pub fn new(double: fn(&mut Rng) -> AnyLayer<f64>, single: Option<fn(&mut Rng) -> AnyLayer<f32>>) -> Self {
        Self { double, single, domain: Domain::Line, error: 0.0, spread: 1.0, threads: 8 }
    }
}

/// A test for every line `name(rng) => layer`: [`check_layer`](crate::layer::check_layer).
///
/// The expression may draw hyper-parameters from `rng` (an [`upg_core::Rng`]) and may use the precision `T`.
/// It is evaluated several times, with different random numbers. Between `(rng)` and `=>` may stand, in this order: `on Domain`,
/// where its samples live; `in f64`, for a layer of that precision only; `up to 1e-9`, the error up to which its equations hold;
/// `spread 0.5`, a factor on the spread of the parameters; `threads 1`, for a layer of a device that has no threads.
///
/// ```
/// # use upg_core::*;
/// # #[derive(Clone)] pub struct Shift { dof: usize }
/// # impl<T: Real> Layer<Cpu<T>> for Shift {
/// #     fn dof(&self) -> usize { self.dof }
/// #     fn params(&self) -> ParamLayout { ParamLayout::default() }
/// #     fn forward(&self, _: &mut Pass<'_, Cpu<T>>, _: &mut Batch<T>, _: &mut Vec<f64>) {}
/// #     fn push(&self, _: &mut Pass<'_, Cpu<T>>, _: &mut Batch<T>, _: f64, _: Option<GradSink<'_, Cpu<T>>>) {}
/// #     fn pull_back(&self, _: &mut Pass<'_, Cpu<T>>, _: &mut Batch<T>, _: f64, _: Option<GradSink<'_, Cpu<T>>>) {}
/// # }
/// # impl<T: Real> Invertible<Cpu<T>> for Shift {
/// #     fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> { Box::new(self.clone()) }
/// # }
/// use rand::RngExt;
/// use upg_testkit::{domain::Domain, layer_battery};
///
/// layer_battery! {
///     shift(rng) => Shift { dof: rng.random_range(1..6) };
///     shift_of_an_angle(rng) on Domain::Circle => Shift { dof: rng.random_range(1..6) };
///     shift_in_double_precision(rng) in f64 up to 1e-12 => Shift { dof: rng.random_range(1..6) };
/// }
/// ```
#[macro_export]
macro_rules! layer_battery {
    ($($(#[$attribute:meta])* $name:ident ( $rng:ident ) $(on $($domain:ident)::+)? $(in $precision:ident)? $(up to $error:literal)? $(spread $spread:literal)? $(threads $threads:literal)? => $layer:expr;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            let (double, single) = $crate::in_precisions!($($precision)?: $rng => layer::AnyLayer, $layer);
            $crate::layer::check_layer(&$crate::layer::LayerCase {
                $(domain: $($domain)::+,)?
                $(error: $error,)?
                $(spread: $spread,)?
                $(threads: $threads,)?
                ..$crate::layer::LayerCase::new(double, single)
            });
        }
    )*};
}

/// How many layers are drawn of one case; of one of another device, whose emulator is slow, one less.
const ROUNDS: u64 = 3;

/// Runs all checks of the [battery](self) on layers drawn from `case`.
///
/// # Panics
/// If a check fails; the message names it, the round, the direction and the batch size.
pub fn check_layer(case: &LayerCase) {
    let rounds = if case.threads == 1 { ROUNDS - 1 } else { ROUNDS };
    for round in 0..rounds {
        let mut trial = Trial::draw(case, round);
        let sizes = [1, 3 + 2 * trial.rng.random_range(0..5), 33 + 2 * trial.rng.random_range(0..20)];
        for way in [Way::There, Way::Back] {
            for batch in &sizes[..2] {
                derivatives::check(&mut trial, way, *batch);
            }
            calls::check(&mut trial, way, sizes);
            devices::check_precision(&mut trial, way, sizes[2]);
            devices::check_threads(&mut trial, way, &[1, sizes[2], 1031], case.threads);
        }
        calls::check_inverse(&mut trial, sizes[2]);
        calls::check_inverse_of_inverse(&mut trial, sizes[1]);
        for batch in sizes {
            duality::check(&mut trial, batch);
        }
    }
}

/// A layer or its inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// T.
    There,
    /// T⁻¹.
    Back,
}

/// A layer and its inverse.
struct BothWays<T: Real> {
    there: AnyLayer<T>,
    back: AnyLayer<T>,
}

impl<T: Real> BothWays<T> {
    fn new(there: AnyLayer<T>) -> Self {
        Self { back: there.inverse(), there }
    }

    fn layer(&self, way: Way) -> &dyn Layer<Cpu<T>> {
        match way {
            Way::There => &*self.there,
            Way::Back => &*self.back,
        }
    }
}

/// One drawn layer in both precisions, with its parameters.
struct Trial {
    round: u64,
    domain: Domain,
    /// That of an integrator.
    error: f64,
    double: BothWays<f64>,
    single: Option<BothWays<f32>>,
    layout: ParamLayout,
    theta: Vec<f64>,
    rng: Rng,
    here: Cpu<f64>,
}

impl Trial {
    fn draw(case: &LayerCase, round: u64) -> Self {
        let mut rng = draw::rng(round);
        let single = case.single.map(|single| BothWays::new(single(&mut rng.clone())));
        let double = BothWays::new((case.double)(&mut rng));
        let layout = double.there.params();
        if let Some(single) = &single {
            assert_eq!(layout, single.there.params(), "parameters in f64, and in f32");
        }
        assert_eq!(layout, double.back.params(), "parameters of T, and of T⁻¹");
        assert_eq!(double.there.dof(), double.back.dof(), "degrees of freedom of T, and of T⁻¹");
        let theta = draw::parameters_within(&mut rng, &layout, case.spread);
        let (domain, error, here) = (case.domain, case.error, Cpu::here());
        Self { round, domain, error, double, single, layout, theta, rng, here }
    }

    fn dof(&self) -> usize {
        self.double.there.dof()
    }

    /// The usual tolerance, or what this case needs.
    fn allowed(&self, usual: Tolerance) -> Tolerance {
        usual.at_least(self.error)
    }

    fn label(&self, what: &str, way: Way, batch: usize) -> String {
        let map = if way == Way::There { "T" } else { "T⁻¹" };
        format!("{what} (round {}, {map}, {} degrees of freedom, batch {batch})", self.round, self.dof())
    }

    /// A runner in f64.
    fn runner(&self, way: Way) -> Runner<'_, f64> {
        Runner::new(&self.here, self.double.layer(way), &self.theta)
    }

    /// Samples the layer may be applied to, shape `[batch, dof]`, exact in f32; for T⁻¹ they are images of such under T.
    fn points(&mut self, way: Way, batch: usize) -> Array2<f64> {
        let dof = self.dof();
        let x = draw::points(&mut self.rng, self.domain, batch, dof);
        match way {
            Way::There => x,
            Way::Back => self.runner(Way::There).forward(&x).y.mapv(|y| draw::single(self.domain, y)),
        }
    }

    /// A score or cotangent, shape `[batch, dof]`.
    fn covector(&mut self, batch: usize) -> Array2<f64> {
        let dof = self.dof();
        draw::normal(&mut self.rng, batch, dof, 1.0)
    }

    /// A weight w of order one.
    fn weight(&mut self) -> f64 {
        self.rng.random_range(-2.0..2.0)
    }
}
