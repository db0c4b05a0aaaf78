//! Every base passes the battery of the host's bases, one line each; random numbers are the host's.

use crate::support::{base_on_device, device};
use ndarray::Array2;
use rand::RngExt;
use upg_core::random::words_of_normals;
use upg_core::{Batch, Cpu, Memory, Real, Rng, SampleStream};
use upg_flows::BaseSpec;
use upg_testkit::base::Noise;
use upg_testkit::base_battery;
use upg_testkit::domain::Domain;
use upg_testkit::runner::BaseRunner;

base_battery! {
    standard_normal(rng) => base_on_device::<T>(&BaseSpec::StandardNormal, &[rng.random_range(1..20)]);
    uniform_torus(rng) on Domain::Circle => base_on_device::<T>(&BaseSpec::UniformTorus, &[rng.random_range(1..20)]);
    diagonal_normal(rng) => base_on_device::<T>(&BaseSpec::DiagonalNormal, &[rng.random_range(1..6)]);
    free_field(rng) => { let lattice = any_lattice(rng); base_on_device::<T>(&any_free_field(rng), &lattice) };
    two_signs(rng) with Noise::Choices => { let lattice = any_lattice(rng); base_on_device::<T>(&any_two_signs(rng), &lattice) };
}

/// Nine sites at most, in one to four dimensions.
pub fn any_lattice(rng: &mut Rng) -> Vec<usize> {
    let lattices: [&[usize]; 8] = [&[1], &[5], &[8], &[2, 3], &[3, 3], &[4, 2], &[1, 2, 3], &[2, 1, 2, 2]];
    lattices[rng.random_range(0..lattices.len())].to_vec()
}

pub fn any_free_field(rng: &mut Rng) -> BaseSpec {
    BaseSpec::free_field(rng.random_range(0.3..2.0), rng.random_range(0.0..0.4))
}

pub fn any_two_signs(rng: &mut Rng) -> BaseSpec {
    BaseSpec::two_signs(rng.random_range(0.3..2.0), rng.random_range(0.0..0.4), rng.random_range(0.3..1.5))
}

#[test]
fn words_are_those_of_the_host_to_the_bit() {
    let device = device::<f32>();
    for (seed, first, words, samples) in [(1, 0, 0..1, 1), (2, 77, 3..40, 65), (3, u64::MAX - 5, 10..11, 300)] {
        let (stream, mut expected) = (SampleStream::new(seed, 4, 5), vec![0; words.len() * samples]);
        stream.fill_words(first, words.clone(), &mut expected);
        let got = device.random_words(stream, first, words.clone(), samples).expect("the device works");
        assert_eq!(got, expected, "words {words:?} of samples from {first} on");
    }
}

/// Samples of a base without parameters.
fn drawn<T: Real>(spec: &BaseSpec, dof: usize, first: u64, samples: usize) -> [Array2<T>; 2] {
    let stream = SampleStream::new(9, 1, 2);
    let here = Cpu::<T>::here();
    let [on_device, on_host]: [Box<dyn upg_core::Base<Cpu<T>>>; 2] =
        [Box::new(base_on_device::<T>(spec, &[dof])), spec.build(&[dof])];
    [on_device, on_host].map(|base| BaseRunner::new(&here, &*base, &[]).sample(stream, first, samples))
}

/// How many numbers of the precision lie between two.
fn ulps<T: Real>(a: T, b: T) -> f64 {
    (a.wide() - b.wide()).abs() / (T::epsilon().wide() * a.wide().abs().max(f64::MIN_POSITIVE))
}

fn check_draws<T: Real>() {
    for (dof, first, samples) in
        [(1, 0, 1), (2, 5, 33), (27, 1000, 70), (28, 7, 32), (29, 3, 31), (113, u64::MAX - 20, 64)]
    {
        let [angles, expected] = drawn::<T>(&BaseSpec::UniformTorus, dof, first, samples);
        assert_eq!(angles, expected, "angles of {dof} degrees of freedom");
        let [normals, expected] = drawn::<T>(&BaseSpec::StandardNormal, dof, first, samples);
        let worst = normals.iter().zip(&expected).map(|(&a, &b)| ulps(a, b)).fold(0.0, f64::max);
        assert!(worst <= 4.0, "normals of {dof} degrees of freedom are off by {worst} ulp");
    }
}

#[test]
fn angles_are_those_of_the_host_to_the_bit_and_normals_to_4_ulp() {
    check_draws::<f64>();
    check_draws::<f32>();
}

#[test]
fn a_sign_is_the_word_behind_the_normals() {
    for lattice in [vec![3], vec![2, 2]] {
        let (sites, samples) = (lattice.iter().product(), 100);
        let base = base_on_device::<f64>(&BaseSpec::two_signs(1e6, 0.0, 1.0), &lattice);
        let (here, stream) = (Cpu::here(), SampleStream::new(1, 2, 3));
        let theta = upg_core::Base::params(&base).initialise(&mut upg_testkit::draw::rng(0));
        let z = BaseRunner::new(&here, &base, &theta).sample(stream, 11, samples);
        let word = words_of_normals(sites);
        let mut words = vec![0; samples];
        stream.fill_words(11, word..word + 1, &mut words);
        for (sample, word) in words.iter().enumerate() {
            assert_eq!(z[(sample, 0)] < 0.0, word >> 63 == 1, "sign of sample {sample} on {lattice:?}");
        }
    }
}

#[test]
fn a_device_draws_what_is_uploaded_to_it_shaped() {
    let (device, mut z) = (device::<f64>(), Default::default());
    device.reshape(&mut z, 6, 40);
    let base = device.base(&BaseSpec::StandardNormal, &[6]).expect("a base");
    base.draw(&device, SampleStream::new(1, 1, 1), 3, &mut z);
    let (mut got, mut expected) = (Array2::zeros((40, 6)), Batch::zeros(6, 40));
    device.download(&z, got.view_mut());
    SampleStream::new(1, 1, 1).fill_normals(3, &mut expected);
    let worst = got.iter().zip(&expected.to_samples()).map(|(&a, &b)| ulps(a, b)).fold(0.0, f64::max);
    assert!(worst <= 4.0, "off by {worst} ulp");
}
