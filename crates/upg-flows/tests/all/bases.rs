//! The bases with parameters: in the batteries, and against densities that are written down without Fourier modes.

use ndarray::Array2;
use rand::{Rng as _, RngExt};
use std::f64::consts::TAU;
use upg_core::{Base, Cpu, Real, Rng, SampleStream};
use upg_flows::{DiagonalNormal, FreeField, Orbits, RealNvp, TwoSigns, Z2Nice};
use upg_testkit::{
    base::Noise,
    base_battery,
    dense::Oracle,
    draw, finite,
    flow::Parts,
    flow_battery,
    runner::BaseRunner,
    tolerance::{Tolerance, assert_close, assert_same_bits},
};

base_battery! {
    diagonal_normal(rng) => DiagonalNormal::new(rng.random_range(1..6));
    free_field(rng) => any_free_field::<T>(&any_lattice(rng), rng);
    free_field_of_few_sites(rng) => any_free_field::<T>(&few_sites(rng), rng);
    two_signs(rng) with Noise::Choices => any_two_signs::<T>(&any_lattice(rng), rng);
    two_signs_of_few_sites(rng) with Noise::Choices => any_two_signs::<T>(&few_sites(rng), rng);
}

flow_battery! {
    on_a_diagonal_normal(rng) => on_lattice(&[5], |_, _| Box::new(DiagonalNormal::new(5)), rng);
    on_a_free_field(rng) => on_lattice(&[2, 3], |lattice, rng| Box::new(any_free_field::<T>(lattice, rng)), rng);
    on_two_signs(rng) => on_lattice(&[3, 2], |lattice, rng| Box::new(any_two_signs::<T>(lattice, rng)), rng);
}

/// Nine sites at most, in one to four dimensions.
fn any_lattice(rng: &mut Rng) -> Vec<usize> {
    let lattices: [&[usize]; 7] = [&[5], &[8], &[2, 3], &[3, 3], &[4, 2], &[1, 2, 3], &[2, 1, 2, 2]];
    lattices[rng.random_range(0..lattices.len())].to_vec()
}

fn few_sites(rng: &mut Rng) -> Vec<usize> {
    let lattices: [&[usize]; 3] = [&[1], &[2], &[1, 2]];
    lattices[rng.random_range(0..lattices.len())].to_vec()
}

fn any_free_field<T: Real>(lattice: &[usize], rng: &mut Rng) -> FreeField<T> {
    FreeField::new(lattice, rng.random_range(0.3..2.0), rng.random_range(0.0..0.4))
}

fn any_two_signs<T: Real>(lattice: &[usize], rng: &mut Rng) -> TwoSigns<T> {
    let (m2, kappa, v) = (rng.random_range(0.3..2.0), rng.random_range(0.0..0.4), rng.random_range(0.3..1.5));
    TwoSigns::new(lattice, m2, kappa, v)
}

type AnyBase<T> = Box<dyn Base<Cpu<T>>>;

/// A small flow on a base.
fn on_lattice<T: Real>(lattice: &[usize], base: impl Fn(&[usize], &mut Rng) -> AnyBase<T>, rng: &mut Rng) -> Parts<T> {
    let (lattice, hidden) = (lattice.to_vec(), vec![rng.random_range(4..9)]);
    let base = base(&lattice, rng);
    let flow = match rng.random() {
        true => RealNvp { lattice, couplings: 3, hidden, clamp: Some(1.0), ..RealNvp::default() }.build(),
        false => Z2Nice { lattice, couplings: 3, hidden, ..Z2Nice::default() }.build(),
    };
    Parts::on_base(flow.expect("a flow"), base, rng)
}

/// The bases at the parameters they start with.
fn start(base: &dyn Base<Cpu<f64>>) -> Vec<f64> {
    base.params().initialise(&mut draw::rng(0))
}

/// m² + 2κ (−Δ) on the sites, Δ the Laplacian of the periodic lattice.
fn kernel(lattice: &[usize], m2: f64, kappa: f64) -> Array2<f64> {
    let sites: usize = lattice.iter().product();
    let mut kernel = Array2::from_diag_elem(sites, m2);
    for x in 0..sites {
        for axis in 0..lattice.len() {
            let (extent, stride) = (lattice[axis], lattice[axis + 1..].iter().product::<usize>());
            let at = x / stride % extent;
            for to in [at + 1, at + extent - 1].map(|to| x - at * stride + to % extent * stride) {
                kernel[(x, x)] += 2.0 * kappa;
                kernel[(x, to)] -= 2.0 * kappa;
            }
        }
    }
    kernel
}

/// log N(z; 0, K⁻¹) and its score −K z, without Fourier modes.
#[test]
fn a_free_field_starts_as_the_free_theory() {
    for lattice in [&[1][..], &[2], &[5], &[4, 3], &[4, 4], &[3, 2, 2], &[2, 3, 1, 2]] {
        let (m2, kappa) = (0.7, 0.35);
        let kernel = kernel(lattice, m2, kappa);
        let base = FreeField::new(lattice, m2, kappa);
        let (here, z) = (Cpu::here(), draw::normal(&mut draw::rng(3), 5, kernel.nrows(), 1.3));
        let (log_density, score) = BaseRunner::new(&here, &base, &start(&base)).log_density_and_score(&z);
        let norm = 0.5 * (Oracle::all()[0].log_abs_det(kernel.view()) - kernel.nrows() as f64 * TAU.ln());
        let expected: Vec<f64> = z.rows().into_iter().map(|z| norm - 0.5 * z.dot(&kernel.dot(&z))).collect();
        let what = format!("{lattice:?}");
        assert_close(&what, &log_density, &expected, Tolerance::theorem::<f64>());
        let expected = -z.dot(&kernel);
        assert_close(&what, &flat(&score), &flat(&expected), Tolerance::theorem::<f64>());
    }
}

/// q₀ = ½ N(v·1, C) + ½ N(−v·1, C), with the density of the free field at the same parameters.
#[test]
fn two_signs_are_two_free_fields() {
    let (lattice, here) = ([3, 2], Cpu::here());
    let (two, one) = (TwoSigns::new(&lattice, 0.5, 0.2, 0.8), FreeField::new(&lattice, 0.5, 0.2));
    let theta = draw::parameters(&mut draw::rng(1), &Base::<Cpu<f64>>::params(&two));
    let (v, log_scale) = theta.split_last().expect("v");
    let mut free = BaseRunner::new(&here, &one, log_scale);
    let z = draw::normal(&mut draw::rng(2), 9, 6, 1.5);
    let [up, down] = [free.log_density(&(&z - *v)), free.log_density(&(&z + *v))];
    let expected: Vec<f64> = up.iter().zip(&down).map(|(a, b)| (0.5 * (a.exp() + b.exp())).ln()).collect();
    let got = BaseRunner::new(&here, &two, &theta).log_density(&z);
    assert_close("log q₀", &got, &expected, Tolerance::theorem::<f64>());
}

/// z = s v (1, …, 1) + y: over the same numbers as the free field, and the sign of MATH (16).
#[test]
fn the_sign_is_the_highest_bit_of_the_word_behind_the_normals() {
    let stream = SampleStream::new(3, 1, 4);
    for lattice in [vec![5], vec![2, 3]] {
        let sites: usize = lattice.iter().product();
        let (two, one) = (TwoSigns::new(&lattice, 0.5, 0.2, 0.8), FreeField::new(&lattice, 0.5, 0.2));
        let (here, theta) = (Cpu::here(), start(&two));
        let z = BaseRunner::new(&here, &two, &theta).sample(stream, 10, 40);
        let y = BaseRunner::new(&here, &one, &theta[..theta.len() - 1]).sample(stream, 10, 40);
        for (n, (z, y)) in z.rows().into_iter().zip(y.rows()).enumerate() {
            let mut generator = stream.generator(10 + n as u64);
            let words = (0..=sites + sites % 2).map(|_| generator.next_u64());
            let sign = if words.last().expect("a word") >> 63 == 1 { -1.0 } else { 1.0 };
            let shift: Vec<f64> = z.iter().zip(y).map(|(z, y)| z - y).collect();
            assert_close("shift", &shift, &vec![0.8 * sign; sites], Tolerance::theorem::<f64>());
        }
    }
}

/// d/dθ ∫ q₀(z; θ) f(z) dz = ∫ q₀ (∂z/∂θ)ᵀ ∇f dz on one site, where this determines the pull-back.
#[test]
fn the_mean_over_signs_gives_the_exact_gradient() {
    let (base, here, step) = (TwoSigns::new(&[1], 0.6, 0.2, 1.1), Cpu::here(), 0.01);
    let theta = start(&base);
    let z = Array2::from_shape_fn((4000, 1), |(i, _)| (i as f64 - 2000.0) * step);
    let value = |z: f64| (0.7 * z).sin() + 0.3 * z * z + (z - 0.4).tanh();
    let slope = |z: f64| 0.7 * (0.7 * z).cos() + 0.6 * z + 1.0 - (z - 0.4).tanh().powi(2);
    let mut runner = BaseRunner::new(&here, &base, &theta);
    let density = runner.log_density(&z);
    let cotangent = Array2::from_shape_fn(z.dim(), |(i, _)| step * density[i].exp() * slope(z[(i, 0)]));
    let grad = runner.pull_back(&z, Some(&cotangent), 0.0);
    let mean = |theta: &[f64]| {
        runner.set(theta);
        let density = runner.log_density(&z);
        z.iter().zip(density).map(|(&z, log)| step * log.exp() * value(z)).sum::<f64>()
    };
    let numeric = finite::gradient(mean, &theta).value;
    assert_close("∂θ ⟨f⟩", &grad, &numeric, Tolerance::differences());
}

/// Far from both peaks the density is that of the nearer one, in f32 as well, and the other leaves nothing behind.
#[test]
fn far_tails_are_finite() {
    let base = TwoSigns::<f32>::new(&[4, 4], 0.5, 0.2, 3.0);
    let (here, theta) = (Cpu::here(), base.params().initialise(&mut draw::rng(0)));
    let z = Array2::from_shape_fn((4, 16), |(b, _)| [1e3_f32, -1e3, 20.0, 0.0][b]);
    let mut runner = BaseRunner::new(&here, &base, &theta);
    let (log_density, score) = runner.log_density_and_score(&z);
    let norm = -8.0 * TAU.ln()
        - theta[..theta.len() - 1]
            .iter()
            .zip(Orbits::new(&[4, 4]).members())
            .map(|(s, &n)| f64::from(*s) * n as f64)
            .sum::<f64>();
    let expected = [997.0_f64, 997.0, 17.0].map(|offset| norm - 2.0_f64.ln() - 0.5 * 16.0 * 0.5 * offset * offset);
    assert_close("log q₀", &log_density[..3], &expected, Tolerance::theorem::<f32>());
    assert_close("score", &score.row(1).to_vec(), &[0.5 * 997.0; 16], Tolerance::theorem::<f32>());
    assert!(score.row(3).iter().all(|&s| s == 0.0), "the score between the peaks");
    assert!(runner.pull_back(&z, Some(&score), 1.0).iter().all(|g| g.is_finite()));
}

/// T(−z) = −T(z) and even bases: a Z₂ flow stays one.
#[test]
fn fields_are_even() {
    for base in
        [Box::new(FreeField::new(&[4, 3], 0.5, 0.2)) as AnyBase<f64>, Box::new(TwoSigns::new(&[4, 3], 0.5, 0.2, 0.9))]
    {
        let (here, z) = (Cpu::here(), draw::normal(&mut draw::rng(3), 9, 12, 1.5));
        let mut runner = BaseRunner::new(&here, &*base, &start(&*base));
        let ((here, score), (there, mirrored)) = (runner.log_density_and_score(&z), runner.log_density_and_score(&-&z));
        assert_same_bits("log q₀(z), and of −z", &here, &there);
        assert_same_bits("scores", &flat(&score), &flat(&-mirrored));
    }
}

fn flat(a: &Array2<f64>) -> Vec<f64> {
    a.iter().copied().collect()
}
