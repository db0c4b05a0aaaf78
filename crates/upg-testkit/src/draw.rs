//! Random test input: samples, scores, parameters. Everything drawn is exact in f32, so both precisions see the same numbers.

use crate::domain::Domain;
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use upg_core::{Init, ParamLayout, Real, Rng, Tensor};

/// The generator of test `seed`.
pub fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// Independent normal numbers of the given standard deviation, shape `[samples, dof]`.
pub fn normal(rng: &mut Rng, samples: usize, dof: usize, deviation: f64) -> Array2<f64> {
    Array2::from_shape_simple_fn((samples, dof), || {
        let draw: f64 = StandardNormal.sample(rng);
        single(Domain::Line, deviation * draw)
    })
}

/// Points of `domain`, shape `[samples, dof]`: normal of deviation 1.5 on the line, uniform on the circle.
///
/// On the circle every eighth angle is within 0.01 of 0, π or 2π, where wrapping and tan(p/2) are delicate.
pub fn points(rng: &mut Rng, domain: Domain, samples: usize, dof: usize) -> Array2<f64> {
    match domain {
        Domain::Line => normal(rng, samples, dof, 1.5),
        Domain::Circle => Array2::from_shape_simple_fn((samples, dof), || angle(rng)),
    }
}

fn angle(rng: &mut Rng) -> f64 {
    let uniform = rng.random_range(0.0..std::f64::consts::TAU);
    let near = rng.random_range(0..3_u8);
    let delicate = f64::from(near) * std::f64::consts::PI + rng.random_range(-0.01..0.01);
    let chosen = if rng.random_range(0..8_u8) == 0 { delicate } else { uniform };
    single(Domain::Circle, chosen)
}

/// Parameters for a test: in the default initialisation range where there is one; where a tensor starts constant,
/// spread about that constant by 1/√(inputs) (a weight) or ½ (anything else), so that no test runs at the identity.
/// Masked entries are drawn like the others: a layer that reads them is caught.
pub fn parameters(rng: &mut Rng, layout: &ParamLayout) -> Vec<f64> {
    parameters_within(rng, layout, 1.0)
}

/// The same, spread by `spread` times as much.
pub fn parameters_within(rng: &mut Rng, layout: &ParamLayout, spread: f64) -> Vec<f64> {
    let mut flat = Vec::with_capacity(layout.size());
    for tensor in layout.tensors() {
        let bound = spread * bound(tensor);
        let value = |i| single(Domain::Line, centre(tensor, i) + bound * rng.random_range(-1.0..=1.0));
        flat.extend((0..tensor.size()).map(value));
    }
    flat
}

/// Where element `i` lies in the middle.
fn centre(tensor: &Tensor, i: usize) -> f64 {
    match &tensor.init {
        Init::Uniform { .. } | Init::Masked { .. } => 0.0,
        Init::Constant(centre) => *centre,
        Init::Each(centres) => centres[i],
    }
}

/// How far elements lie from there at most.
fn bound(tensor: &Tensor) -> f64 {
    let inputs: usize = tensor.shape.iter().skip(1).product();
    match tensor.init {
        Init::Uniform { bound } | Init::Masked { bound, .. } => bound,
        _ if tensor.shape.len() > 1 => 1.0 / (inputs as f64).sqrt(),
        _ => 0.5,
    }
}

/// The nearest point of `domain` that f32 holds; on the circle always below 2π as f32 rounds it.
pub fn single(domain: Domain, value: f64) -> f64 {
    let nearest = f32::of(domain.wrap(value));
    if domain.contains(nearest) { nearest.wide() } else { 0.0 }
}

/// The same numbers in another precision.
pub fn cast<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::of(v)).collect()
}
