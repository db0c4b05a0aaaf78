//! The first weights of a run: drawn, and then fitted to a batch by the layers that ask for one.

use crate::base::with_base;
use crate::fault::Replay;
use ndarray::s;
use upg_core::{Device, Engine, Layer, ways::Ways};

/// Most samples that layers start by: memory doesn't grow with the batch.
const MOST_SAMPLES: usize = 4096;

/// Fits `weights` to the samples of the first step: by the data, on their way through T⁻¹, where the objective has some; else by the base
/// samples, on theirs through T.
pub(super) fn fit<D: Device>(engine: &Engine<D>, first: &Replay<'_, D>, weights: &mut [D::Real]) {
    let (ways, device) = (engine.ways(), engine.device());
    let map: &dyn Layer<D> =
        if first.data.is_some() { ways.inverse() } else { ways.map() }.expect("an engine with both ways");
    let Some(layers) = map.batch_start() else { return };
    let mut x = D::Batch::default();
    let samples = match (first.data, first.base) {
        (Some(data), _) => {
            let samples = data.nrows().min(MOST_SAMPLES);
            device.upload(data.slice(s![..samples, ..]), &mut x);
            samples
        }
        (None, Some((stream, batch))) => {
            let samples = batch.min(MOST_SAMPLES);
            device.reshape(&mut x, engine.dof(), samples);
            with_base(engine, first.theta, |pass| engine.base().sample(pass, stream, 0, &mut x));
            samples
        }
        (None, None) => panic!("an objective has samples"),
    };
    let of_flow = &mut weights[engine.flow_range()];
    device.install(|| layers.start(device, &x, samples, of_flow));
}
