//! The functions of a transform, in the kernels of couplings, agree with the transform of the host.

use super::{Transform, Way};
use crate::Cuda;
use crate::emulator::Emulator;
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::Sums;
use upg_core::{Memory, Real};
use upg_flows::elementwise::{Covector, Elementwise, Partials, PartialsRef, Phi, PhiMut};
use upg_flows::spec::{AngleTransformSpec, TransformSpec};
use upg_flows::spline::{Form, Spline};
use upg_flows::tan_mixture::TanMixture;
use upg_flows::{Affine, Implicit, LogisticMixture};
use upg_testkit::draw;

/// Elements and samples.
const N: usize = 3;
const SAMPLES: usize = 41;
/// β.
const BETA: f64 = 0.7;

/// Arguments `[N, SAMPLES]`, φ `[width N, SAMPLES]`, and α a.
struct Given<T> {
    t: Vec<T>,
    phi: Vec<T>,
    a: Vec<T>,
}

/// y, ∂g/∂t, ∂λ/∂t and v, like what is given; Σ λ of each sample.
struct Found {
    y: Vec<f64>,
    slope: Vec<f64>,
    dlambda: Vec<f64>,
    v: Vec<f64>,
    lambda: Vec<f64>,
}

fn wide<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|x| x.wide()).collect()
}

impl<T: Real> Given<T> {
    /// Arguments of size 2, edges of intervals among them; φ of the size `spread`.
    fn draw(width: usize, spread: f64) -> Self {
        let numbers = |seed, len, deviation| -> Vec<T> {
            draw::cast(&draw::normal(&mut draw::rng(seed), len, 1, deviation).into_iter().collect::<Vec<_>>())
        };
        let mut t = numbers(1, N * SAMPLES, 2.0);
        for (t, edge) in t.iter_mut().zip([-3.0, 3.0, 0.0, -1e-3, 1e-7, 40.0, -40.0]) {
            *t = T::of(edge);
        }
        Self { t, phi: numbers(2, width * N * SAMPLES, spread), a: numbers(3, N * SAMPLES, 1.0) }
    }

    fn as_f64(&self) -> Given<f64> {
        Given { t: wide(&self.t), phi: wide(&self.phi), a: wide(&self.a) }
    }

    fn on_host<E: Elementwise<T>>(&self, g: &E) -> Found {
        let (mut y, mut v) = (self.t.clone(), vec![T::zero(); self.phi.len()]);
        let [mut slope, mut dlambda, mut lambda] = [vec![], vec![], vec![0.0; SAMPLES]];
        for i in 0..N {
            let of_i = i * SAMPLES..(i + 1) * SAMPLES;
            let mut block = vec![T::zero(); g.kept_rows() * SAMPLES];
            g.evaluate(&mut y[of_i.clone()], Phi::of(&self.phi, i, N, SAMPLES), Partials::of(&mut block, SAMPLES));
            let partials = PartialsRef::of(&block, SAMPLES);
            slope.extend(wide(partials.dg_dt()));
            dlambda.extend(wide(partials.dlambda_dt()));
            lambda.iter_mut().zip(partials.lambda()).for_each(|(sum, x)| *sum += x.wide());
            let covector = Covector { a: &self.a[of_i], alpha: T::one(), beta: T::of(BETA) };
            g.vjp(covector, partials, PhiMut::of(&mut v, i, N, SAMPLES));
        }
        Found { y: wide(&y), slope, dlambda, v: wide(&v), lambda }
    }

    fn on_device(&self, transform: &Transform) -> Found {
        let device = Cuda::<T, _>::new(Emulator::new().expect("g++ is there")).expect("kernels compile");
        let kernels = transform.kernels(&device, kernels::COUPLING, vec![]).expect("they compile");
        let (rows, phi) = (device.table(&[0, 1, 2]), device.buffer(&self.phi));
        let (x, a, v) = (device.buffer(&self.t), device.buffer(&self.a), device.buffer(&self.phi));
        let (kept, mut lambda) = (device.zeros(transform.kept * N * SAMPLES), Sums::default());
        device.clear(&mut lambda, SAMPLES);
        let (none, over) = (crate::gpu::Address(0), Spread::elements(N * SAMPLES));
        let arguments =
            arguments![x.at(), rows.at(), phi.at(), none, kept.at(), lambda.at(), none, none, N, 0_usize, SAMPLES];
        device.launch(&kernels, "coupling_evaluate", Spread::rows(SAMPLES), arguments);
        let beta = device.real(BETA);
        let arguments = arguments![a.at(), rows.at(), phi.at(), none, kept.at(), v.at(), beta, N, SAMPLES];
        device.launch(&kernels, "coupling_pull", over, arguments);
        let found = |buffer| wide(&device.to_host(buffer));
        let of_kept = found(&kept);
        let row = |k: usize| of_kept.chunks(SAMPLES).skip(k).step_by(transform.kept).flatten().copied();
        let mut sums = vec![0.0; SAMPLES];
        device.read(&lambda, &mut sums);
        let evaluated =
            Found { y: found(&x), slope: row(0).collect(), dlambda: row(1).collect(), v: found(&v), lambda: sums };

        let x = device.buffer(&self.t);
        device.clear(&mut lambda, SAMPLES);
        let arguments = arguments![x.at(), rows.at(), phi.at(), none, lambda.at(), N, SAMPLES];
        device.launch(&kernels, "coupling_value", Spread::rows(SAMPLES), arguments);
        let mut sums = vec![0.0; SAMPLES];
        device.read(&lambda, &mut sums);
        close("value", &found(&x), &evaluated.y, 4.0 * T::epsilon().wide());
        close("λ of value", &sums, &evaluated.lambda, 16.0 * T::epsilon().wide());
        evaluated
    }
}

/// |here − there| ≤ tolerance (1 + |there|), number for number.
#[track_caller]
fn close(what: &str, here: &[f64], there: &[f64], tolerance: f64) {
    let worst = distance(here, there);
    assert!(worst <= tolerance, "{what}: apart by {worst:e}, not {tolerance:e}");
}

/// The largest distance of two numbers; none where both are infinite or not a number.
fn distance(here: &[f64], there: &[f64]) -> f64 {
    assert_eq!(here.len(), there.len());
    let of_two =
        |(&x, &y): (&f64, &f64)| if x == y || x.is_nan() && y.is_nan() { 0.0 } else { (x - y).abs() / (1.0 + y.abs()) };
    here.iter().zip(there).map(of_two).fold(0.0, |worst, x| if x <= worst { worst } else { x })
}

impl Found {
    fn all(&self) -> [(&'static str, &[f64]); 5] {
        let Self { y, slope, dlambda, v, lambda } = self;
        [("y", y), ("∂g/∂t", slope), ("∂λ/∂t", dlambda), ("v", v), ("λ", lambda)]
    }
}

/// In f64 as the host to round-off; in f32 as far from f64 as the host.
fn check<E: Elementwise<f64> + Elementwise<f32>>(
    what: &str,
    g: &E,
    transform: &Transform,
    spread: f64,
    tolerance: f64,
) {
    assert_eq!(transform.width, Elementwise::<f64>::width(g), "{what}: numbers φ");
    let given = Given::<f64>::draw(transform.width, spread);
    for ((name, here), (_, there)) in given.on_device(transform).all().into_iter().zip(given.on_host(g).all()) {
        close(&format!("{what}, {name}"), here, there, tolerance);
    }
    let given = Given::<f32>::draw(transform.width, spread);
    let (device, host, exact) = (given.on_device(transform), given.on_host(g), given.as_f64().on_host(g));
    for (((name, device), (_, host)), (_, exact)) in device.all().into_iter().zip(host.all()).zip(exact.all()) {
        let of_host = distance(host, exact);
        close(&format!("{what}, {name} in f32"), device, exact, 3.0 * of_host + 1e-6);
    }
}

/// Both ways.
fn check_both<E>(what: &str, g: &E, transform: impl Fn(Way) -> Transform, spread: f64, tolerance: f64)
where
    E: Elementwise<f64> + Elementwise<f32, Inverse = <E as Elementwise<f64>>::Inverse>,
    <E as Elementwise<f64>>::Inverse: Elementwise<f32>,
{
    check(what, g, &transform(Way::There), spread, tolerance);
    check(&format!("inverse of {what}"), &Elementwise::<f64>::inverse(g), &transform(Way::Back), spread, tolerance);
}

fn of_numbers(spec: TransformSpec) -> impl Fn(Way) -> Transform {
    move |way| Transform::of_numbers(&spec, way).expect("it has functions")
}

fn of_angles(spec: AngleTransformSpec) -> impl Fn(Way) -> Transform {
    move |way| Transform::of_angles(&spec, way)
}

#[test]
#[ignore = "takes g++"]
fn affine_transforms_are_those_of_the_host() {
    let clamp = Some(1.5);
    check_both("affine", &Affine { clamp }, of_numbers(TransformSpec::Affine { clamp }), 1.0, 1e-13);
}

#[test]
#[ignore = "takes g++"]
fn splines_are_those_of_the_host() {
    let (bins, interval) = (5, 3.0);
    for spread in [1.0, 6.0] {
        let line = Spline { form: Form::Line { interval }, bins };
        check_both("line", &line, of_numbers(TransformSpec::Spline { bins, interval }), spread, 1e-13);
        let odd = Spline { form: Form::Odd { interval }, bins };
        check_both("odd", &odd, of_numbers(TransformSpec::OddSpline { bins, interval }), spread, 1e-13);
        let circle = Spline { form: Form::Circle, bins };
        check_both("circle", &circle, of_angles(AngleTransformSpec::CircularSpline { bins }), spread, 1e-13);
    }
}

#[test]
#[ignore = "takes g++"]
fn splines_of_the_fewest_and_of_the_most_bins_are_those_of_the_host() {
    for bins in [2, 999] {
        let line = Spline { form: Form::Line { interval: 3.0 }, bins };
        check_both("line", &line, of_numbers(TransformSpec::Spline { bins, interval: 3.0 }), 1.0, 1e-13);
        let circle = Spline { form: Form::Circle, bins };
        check_both("circle", &circle, of_angles(AngleTransformSpec::CircularSpline { bins }), 1.0, 1e-13);
    }
}

#[test]
#[ignore = "takes g++"]
fn mixtures_are_those_of_the_host() {
    for (mixtures, spread) in [(1, 1.0), (4, 0.5), (4, 3.0)] {
        let logistics = of_numbers(TransformSpec::LogisticMixture { mixtures });
        check_both("logistics", &LogisticMixture { mixtures }, logistics, spread, 1e-13);
        let tans = of_angles(AngleTransformSpec::TanMixture { mixtures });
        check_both("tans", &TanMixture { mixtures }, tans, spread, 1e-13);
    }
}

/// Solutions where Newton's method seldom helps, and where there is none.
fn check_solutions<T: Real, E: Elementwise<T>>(g: &E, transform: &Transform) {
    let mut given = Given::<T>::draw(transform.width, 15.0);
    given.t[..4].copy_from_slice(&[f64::NAN, f64::INFINITY, 1e30, -1e30].map(T::of));
    for p in 0..transform.width {
        given.phi[p * N * SAMPLES + 4] = T::nan();
        given.phi[p * N * SAMPLES + 5] = T::infinity();
    }
    let (device, host) = (given.on_device(transform), given.on_host(g));
    close("solutions", &device.y, &host.y, 16.0 * T::epsilon().wide());
    assert!([0, 1, 4, 5].iter().all(|&i| device.y[i].is_nan()), "no solution: {:?}", &device.y[..6]);
}

#[test]
#[ignore = "takes g++"]
fn solutions_are_those_of_the_host_on_staircases_too() {
    let mixtures = 4;
    let logistics = of_numbers(TransformSpec::LogisticMixture { mixtures })(Way::Back);
    check_solutions::<f64, _>(&Implicit::of(LogisticMixture { mixtures }), &logistics);
    check_solutions::<f32, _>(&Implicit::of(LogisticMixture { mixtures }), &logistics);
    let tans = of_angles(AngleTransformSpec::TanMixture { mixtures })(Way::Back);
    check_solutions::<f64, _>(&Implicit::of(TanMixture { mixtures }), &tans);
    check_solutions::<f32, _>(&Implicit::of(TanMixture { mixtures }), &tans);
}
