//! placeholder
use crate::{batch::Batch, real::Real, streams::Rng};
use rand_xoshiro::rand_core::Rng as _;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleStream(u64);
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
impl SampleStream {
    pub fn new(seed: u64, purpose: u64, step: u64) -> Self {
        Self(mix(mix(mix(seed) ^ purpose) ^ step))
    }
    pub fn generator(self, n: u64) -> Rng {
        use rand_xoshiro::rand_core::SeedableRng;
        Rng::seed_from_u64(mix(self.0.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }
    pub fn fill_normals<T: Real>(self, first: u64, z: &mut Batch<T>) {
        for b in 0..z.samples() {
            let mut g = self.generator(first + b as u64);
            for i in 0..z.rows() {
                let u = ((g.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
                let v = (g.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                z.row_mut(i)[b] = T::of((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos());
            }
        }
    }
    pub fn fill_uniform_angles<T: Real>(self, first: u64, z: &mut Batch<T>) {
        for b in 0..z.samples() {
            let mut g = self.generator(first + b as u64);
            for i in 0..z.rows() {
                let v = (g.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                let a = T::of(std::f64::consts::TAU * v);
                z.row_mut(i)[b] = if a < T::of(std::f64::consts::TAU) { a } else { T::zero() };
            }
        }
    }
}
