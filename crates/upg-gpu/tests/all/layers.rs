//! Every layer passes the battery of the host's layers, one line each.

use crate::support::on_device;
use rand::RngExt;
use upg_flows::spec::ScalingSpec;
use upg_flows::{LayerSpec, Scales};
use upg_testkit::layer_battery;

layer_battery! {
    scaling(rng) => on_device::<T>(&LayerSpec::Scaling(ScalingSpec { scales: Scales::One }), &[rng.random_range(1..20)]);
    scaling_of_each(rng) => on_device::<T>(&LayerSpec::Scaling(ScalingSpec { scales: Scales::PerDof }), &[rng.random_range(1..20)]);
}
