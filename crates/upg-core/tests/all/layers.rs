//! Layers whose Jacobians aren't of coupling form, and flows made of them.

pub mod bend;
pub mod linear;

use bend::{Bend, Shape};
use linear::Linear;
use rand::RngExt;
use upg_core::{Chain, Cpu, Invertible, Real, Rng};

/// Any invertible layer.
pub type AnyLayer<T> = Box<dyn Invertible<Cpu<T>>>;

/// One layer after the other.
pub fn chain<T: Real>(layers: Vec<AnyLayer<T>>) -> Chain<AnyLayer<T>> {
    Chain::new(layers)
}

/// Linear maps with bends between them, nested: dense Jacobians, dense ∇ℓ. 2 to 5 degrees of freedom.
pub fn nested<T: Real>(rng: &mut Rng) -> Chain<AnyLayer<T>> {
    let dof = rng.random_range(2..6);
    let pair = || chain::<T>(vec![Box::new(Linear::new(dof)), Box::new(Bend::new(dof, Shape::Tanh))]);
    chain(vec![Box::new(pair()), Box::new(chain(vec![Box::new(pair()), Box::new(pair())])), Box::new(Linear::new(dof))])
}

/// Three bends of the circle. 2 to 5 angles.
pub fn turns<T: Real>(rng: &mut Rng) -> Chain<AnyLayer<T>> {
    let dof = rng.random_range(2..6);
    chain((0..3).map(|_| Box::new(Bend::new(dof, Shape::Sine)) as AnyLayer<T>).collect())
}
