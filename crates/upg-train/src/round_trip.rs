//! Whether the inverse of a flow is one: the way from data to the base and back.
//!
//! Where the slope of a layer is below the precision, its inverse is not determined: T(T⁻¹(x)) is another point than x, and log q(x), the
//! forward ESS and the forward KL mean nothing there, though every number is finite.

use ndarray::{ArrayView1, ArrayView2};
use std::f64::consts::TAU;
use upg_core::{Device, DeviceError, EndSamples, Engine, Real, Start};

/// How many of `data`, shape `[samples, dof]`, the way back from their images `latent` misses by more than ε^¼ (1 + |x|); an
/// image that isn't finite is counted elsewhere.
///
/// # Errors
/// If the device fails.
pub(crate) fn missed<D: Device>(
    engine: &mut Engine<D>,
    theta: &D::Buffer,
    data: ArrayView2<'_, D::Real>,
    latent: ArrayView2<'_, D::Real>,
) -> Result<u64, DeviceError> {
    engine.set_end_samples(EndSamples::Keep);
    let back = engine.sample(theta, Start::Given(latent))?.end;
    let tolerance = tolerance::<D::Real>();
    let is_missed = |x: ArrayView1<'_, D::Real>, back: ArrayView1<'_, D::Real>| {
        !x.iter().zip(back).all(|(x, back)| distance(x.wide(), back.wide()) <= tolerance * (1.0 + x.wide().abs()))
    };
    let ways = data.rows().into_iter().zip(latent.rows()).zip(back.rows());
    let is_finite = |z: &ArrayView1<'_, D::Real>| z.iter().all(|z| z.wide().is_finite());
    Ok(ways.filter(|((x, z), back)| is_finite(z) && is_missed(*x, *back)).count() as u64)
}

/// ε^¼: far more than the rounding of any number of layers.
fn tolerance<T: Real>() -> f64 {
    T::epsilon().wide().powf(0.25)
}

/// |a − b|, of angles as well: no number is off by a whole turn by chance.
fn distance(a: f64, b: f64) -> f64 {
    let straight = (a - b).abs();
    straight.min((straight - TAU).abs())
}
