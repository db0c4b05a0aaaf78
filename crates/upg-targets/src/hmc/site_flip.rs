//! Moves between the wells of single sites.

use super::Proposal;
use rand::RngExt;
use upg_core::{Batch, Real, Rng};

/// x_i → −x_i for one degree of freedom i of each sample, drawn anew: where a barrier keeps the sign of every one.
#[derive(Clone, Copy, Debug)]
pub struct SiteFlip;

impl<T: Real> Proposal<T> for SiteFlip {
    fn propose(&self, rng: &mut Rng, x: &mut Batch<T>) {
        for sample in 0..x.samples() {
            let site = rng.random_range(0..x.rows());
            let x = &mut x.row_mut(site)[sample];
            *x = -*x;
        }
    }
}
