//! What a flow takes, by its description alone.

use crate::config::catalogue::Entry;
use crate::config::plain_text;
use serde::Serialize;
use upg_core::ParamLayout;
use upg_flows::FlowSpec;
use upg_gpu::has_kernels;

/// A flow of the list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub name: &'static str,
    /// Where its samples live.
    pub domain: &'static str,
    pub good_for: &'static str,
    /// The section `flow` of a configuration.
    pub flow: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Why it can't be on this lattice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// How large and how dear.
#[derive(Debug, Serialize)]
pub(super) struct Counts {
    /// Shape of a sample.
    pub shape: Vec<usize>,
    pub parameters: u64,
    pub multiply_adds: MultiplyAdds,
    /// Where it can be trained: `cpu`, `cuda`.
    pub devices: Vec<&'static str>,
}

/// Of a sample, without those of the base.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct MultiplyAdds {
    /// F: a pass.
    pub sampling: u64,
    /// 3F: the ordinary gradient.
    pub ordinary: u64,
    /// 4F: the path gradient.
    pub path_fast: u64,
}

impl MultiplyAdds {
    fn of_passes(pass: u64) -> Self {
        Self { sampling: pass, ordinary: pass.saturating_mul(3), path_fast: pass.saturating_mul(4) }
    }
}

impl Row {
    pub fn of(entry: &Entry, lattice: &[usize]) -> Self {
        let spec = spec(entry, lattice);
        let counts = spec.and_then(|spec| Counts::of(&spec));
        let (counts, refused) = match counts {
            Ok(counts) => (Some(counts), None),
            Err(problem) => (None, Some(problem)),
        };
        let Entry { name, good_for, lives, .. } = entry;
        Self { name, domain: lives.name(), good_for, flow: entry.written(lattice), counts, refused }
    }
}

impl Counts {
    fn of(spec: &FlowSpec) -> Result<Self, String> {
        Ok(Self {
            shape: spec.shape.clone(),
            parameters: size(&params(spec)?, ""),
            multiply_adds: MultiplyAdds::of_passes(spec.multiply_adds()),
            devices: if spec.layers.iter().all(has_kernels) { vec!["cpu", "cuda"] } else { vec!["cpu"] },
        })
    }
}

/// All about one flow.
#[derive(Debug, Serialize)]
pub(super) struct Details {
    #[serde(flatten)]
    pub row: Row,
    /// What the fields are, line by line.
    pub fields: Vec<String>,
    pub base: String,
    pub layers: Vec<LayerCounts>,
    pub tensors: Vec<TensorSize>,
    /// An experiment: the text of a configuration.
    pub experiment: String,
}

/// A layer.
#[derive(Debug, Serialize)]
pub(super) struct LayerCounts {
    pub parameters: u64,
    pub multiply_adds: u64,
    /// How it is written in a list of layers.
    pub layer: String,
}

/// A tensor of parameters.
#[derive(Debug, Serialize)]
pub(super) struct TensorSize {
    pub name: String,
    pub shape: Vec<usize>,
    pub parameters: u64,
}

impl Details {
    pub fn of(entry: &Entry, lattice: &[usize]) -> Result<Self, String> {
        let spec = spec(entry, lattice)?;
        let layout = params(&spec)?;
        Ok(Self {
            row: Row::of(entry, lattice),
            fields: entry.fields(),
            base: plain_text(&spec.base),
            layers: layers(&spec, &layout),
            tensors: tensors(&layout),
            experiment: entry.experiment(lattice),
        })
    }
}

fn spec(entry: &Entry, lattice: &[usize]) -> Result<FlowSpec, String> {
    let accepted = |error: upg_flows::FlowError| format!("flow.{error}");
    entry.flow(lattice)?.spec().map_err(accepted)
}

fn params(spec: &FlowSpec) -> Result<ParamLayout, String> {
    spec.params().map_err(|error| format!("flow.{error}"))
}

/// Parameters of the tensors whose names begin so.
fn size(layout: &ParamLayout, prefix: &str) -> u64 {
    layout.tensors().iter().filter(|tensor| tensor.name.starts_with(prefix)).map(|tensor| tensor.size() as u64).sum()
}

fn layers(spec: &FlowSpec, layout: &ParamLayout) -> Vec<LayerCounts> {
    let alone = |layer| FlowSpec { layers: vec![layer], ..spec.clone() };
    let each = spec.layers.iter().enumerate().map(|(i, layer)| LayerCounts {
        parameters: size(layout, &format!("layers.{i}.")),
        multiply_adds: alone(layer.clone()).multiply_adds(),
        layer: plain_text(layer),
    });
    each.collect()
}

fn tensors(layout: &ParamLayout) -> Vec<TensorSize> {
    let each = layout.tensors().iter().map(|tensor| TensorSize {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        parameters: tensor.size() as u64,
    });
    each.collect()
}
