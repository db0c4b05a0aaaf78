//! Transforms without a closed-form inverse: their partials, the solver, and flows of them in the batteries of `upg-testkit`.

mod arguments;
mod partials;
mod solver;
mod transforms;

use rand::RngExt;
use transforms::Cubic;
use upg_core::{Chain, Cpu, Invertible, Real, Rng};
use upg_flows::{Activation, Bias, Coupling, Elementwise, LogisticMixture, Mask, Mlp, StartAt, TanMixture};
use upg_testkit::{flow::Parts, flow_battery, layer_battery};

// The lift of the tan mixture is a bijection of the line; angles are the matter of the gauge couplings.
layer_battery! {
    tan_mixture(rng) => coupling::<T, _>(TanMixture { mixtures: rng.random_range(1..5) }, rng);
    logistic_mixture(rng) => coupling::<T, _>(LogisticMixture { mixtures: rng.random_range(1..5) }, rng);
    rising_cubic(rng) => coupling::<T, _>(Cubic::Rising, rng);
    falling_cubic(rng) => coupling::<T, _>(Cubic::Falling, rng);
    chain_of_mixtures(rng) => any_chain::<T>(rng);
}

flow_battery! {
    tan_flow(rng) => Parts::on_line(chain::<T, _>(TanMixture { mixtures: rng.random_range(1..5) }, rng), rng);
    logistic_flow(rng) => Parts::on_line(chain::<T, _>(LogisticMixture { mixtures: rng.random_range(1..5) }, rng), rng);
    cubic_flow(rng) => Parts::on_line(chain::<T, _>(Cubic::Falling, rng), rng);
    mixed_flow(rng) => Parts::on_line(any_chain::<T>(rng), rng);
}

fn coupling<T: Real, E: Elementwise<T>>(transform: E, rng: &mut Rng) -> Box<dyn Invertible<Cpu<T>>> {
    let dof = rng.random_range(2..8);
    masked(transform, dof, rng.random_range(0..2), rng)
}

/// A coupling that transforms every second of `dof` degrees of freedom.
fn masked<T: Real, E: Elementwise<T>>(
    transform: E,
    dof: usize,
    odd: usize,
    rng: &mut Rng,
) -> Box<dyn Invertible<Cpu<T>>> {
    let mask = Mask::new(dof, |i| i % 2 == odd);
    let outputs = transform.width() * mask.transformed().len();
    let hidden = [rng.random_range(4..12)];
    let net = Mlp::new(mask.kept().len(), &hidden, outputs, Activation::Tanh, Bias::Yes, StartAt::Random).unwrap();
    Box::new(Coupling::new(mask, net, transform))
}

type Flow<T> = Chain<Box<dyn Invertible<Cpu<T>>>>;

fn chain<T: Real, E: Elementwise<T>>(transform: E, rng: &mut Rng) -> Flow<T> {
    let (dof, layers) = (rng.random_range(2..7), rng.random_range(2..5));
    Chain::new::<Cpu<T>>((0..layers).map(|layer| masked(transform.clone(), dof, layer % 2, rng)).collect())
}

fn any_chain<T: Real>(rng: &mut Rng) -> Flow<T> {
    let (dof, mixtures) = (rng.random_range(2..7), rng.random_range(1..4));
    Chain::new::<Cpu<T>>(vec![
        masked(LogisticMixture { mixtures }, dof, 0, rng),
        masked(TanMixture { mixtures }, dof, 1, rng),
        masked(Cubic::Rising, dof, 0, rng),
    ])
}
