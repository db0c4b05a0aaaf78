//! The base density of an engine on its own.

use upg_core::{BasePass, Device, Engine, Prepared, Workspace};

/// Does `work` with the base of `engine`, prepared at θ.
pub(crate) fn with_base<D: Device>(engine: &Engine<D>, theta: &D::Buffer, work: impl FnOnce(&mut BasePass<'_, D>)) {
    let (device, base) = (engine.device(), engine.base());
    let theta = D::slice(device.params(theta), 0..engine.flow_range().start);
    let (mut prepared, mut scratch) = (Prepared::default(), Workspace::default());
    base.prepare(device, theta, &mut prepared);
    work(&mut BasePass { device, theta, prepared: &prepared, scratch: &mut scratch });
}
