//! The loops of the plaquette field, samples in registers. Fields are `[field][site or mode][sample]`.

mod modes;
mod sites;

pub(super) use modes::{Kernels, Mix, mix, orbit_sums, quadratic_form};
pub(super) use sites::{AtSites, project, pull_back, value, wave_sums, waves};
