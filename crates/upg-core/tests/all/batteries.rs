//! Layers whose Jacobians aren't of coupling form, compositions of them, and flows, in the batteries.

use crate::layers::{
    bend::{Bend, Shape},
    chain,
    linear::Linear,
    nested, turns,
};
use rand::RngExt;
use upg_testkit::{domain::Domain, flow::Parts, flow_battery, layer_battery};

layer_battery! {
    linear(rng) => Linear::new(rng.random_range(1..7));
    bend(rng) => Bend::new(rng.random_range(1..7), Shape::Tanh);
    bend_of_the_circle(rng) on Domain::Circle => Bend::new(rng.random_range(1..7), Shape::Sine);
    chain_of_one(rng) => chain::<T>(vec![Box::new(Linear::new(rng.random_range(1..7)))]);
    chain_of_chains(rng) => nested::<T>(rng);
    chain_on_the_circle(rng) on Domain::Circle => turns::<T>(rng);
}

flow_battery! {
    single_linear_layer(rng) => Parts::on_line(Linear::new(rng.random_range(2..6)), rng);
    dense_flow(rng) => Parts::on_line(nested::<T>(rng), rng);
    flow_on_the_torus(rng) => Parts::on_circle(turns::<T>(rng), rng);
}
