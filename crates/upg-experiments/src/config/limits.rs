//! How much a configuration may ask for. A wrong digit must not ask for a terabyte; nobody meets these limits who means what they write.
//!
//! | field | at most |
//! |---|---|
//! | `training.batch`, `training.validation.samples`, `evaluation.samples` | 10⁹ samples: some numbers are kept of each |
//! | `training.batch` with a forward KL, `data.train`, `data.test`: `Draw` | 2³³ numbers, samples times degrees of freedom: all are kept |
//! | `evaluation.blocks` | 10⁵ |
//!
//! Those of the flow are [`Size::LARGEST`](upg_flows::Size::LARGEST). What a training takes at the least is compared with the memory of the
//! machine, too, before anything is made: [`check_memory`].

use super::data::{Data, Source};
use super::experiment::Config;
use super::invalid::Invalid;
use super::training::Precision;
use crate::io::memory::Bytes;
use upg_core::Cut;
use upg_flows::FlowSpec;

/// Samples of which a few numbers each are kept.
pub const MOST_SAMPLES: usize = 1_000_000_000;
/// Numbers of samples that are kept as a whole.
const MOST_NUMBERS: u64 = 1 << 33;
/// Blocks of the jackknife.
const MOST_BLOCKS: usize = 100_000;

/// Every field that asks for too much, by the numbers of samples and the degrees of freedom of one.
pub(super) fn invalid(config: &Config, dof: usize) -> Vec<Invalid> {
    let (training, mut invalid) = (&config.training, vec![]);
    for (field, samples, most) in [
        ("training.batch", training.batch, MOST_SAMPLES),
        ("training.validation.samples", training.validation.samples, MOST_SAMPLES),
        ("evaluation.samples", config.evaluation.samples, MOST_SAMPLES),
        ("evaluation.blocks", config.evaluation.blocks, MOST_BLOCKS),
    ] {
        if samples > most {
            invalid.push(refuse(field, samples.to_string(), format!("a whole number up to {most}")));
        }
    }
    if training.objective.needs_data() {
        invalid.extend(too_many("training.batch", training.batch, dof, training.batch.to_string()));
    }
    let Some(Data { train, test, .. }) = config.data() else { return invalid };
    for (field, source) in [("data.train", train), ("data.test", test)] {
        if let Source::Draw(samples) = source {
            invalid.extend(too_many(field, samples, dof, format!("Draw({samples})")));
        }
    }
    invalid
}

/// Refuses a training of `flow` that takes more than `memory` bytes, in the name of the field that takes most of them.
pub(super) fn check_memory(config: &Config, flow: &FlowSpec, memory: u64) -> Result<(), Invalid> {
    let needs = needs(config, flow)?;
    let all = needs.iter().fold(0_u64, |sum, need| sum.saturating_add(need.bytes));
    match needs.into_iter().max_by_key(|need| need.bytes) {
        Some(most) if all > memory => {
            let (all, memory) = (Bytes(all), Bytes(memory));
            let accepted =
                format!("what fits into the {memory} of memory there are; this training takes at least {all}");
            Err(refuse(most.field, most.value, accepted))
        }
        _ => Ok(()),
    }
}

/// Memory that a training takes for the sake of a field, at the least.
struct Need {
    field: &'static str,
    value: String,
    bytes: u64,
}

fn needs(config: &Config, flow: &FlowSpec) -> Result<Vec<Need>, Invalid> {
    let (training, size, cut) = (&config.training, flow.size()?, flow.cut());
    let number: u64 = match training.precision {
        Precision::F32 => 4,
        Precision::F64 => 8,
    };
    let (batch, dof) = (training.batch as u64, flow.dof() as u64);
    let shape = || format!("{:?}", config.flow.extents().1);
    let samples = |cut: Cut| (cut.micro_batch * cut.lanes) as u64; // whose tapes are kept
    let tapes = (size.kept / samples(cut)).saturating_mul(batch.min(samples(config.target.cut(cut))));
    let vectors = 2 + training.optimiser.moment_names().len() as u64 + u64::from(training.ema.is_some());
    let data_of_batch = if training.objective.needs_data() { batch.saturating_mul(dof * number) } else { 0 };
    let per_samples = |samples: usize| 32 * samples as u64; // a log-weight and a log-determinant, of a lane and of all
    let mut needs = vec![
        Need { field: "flow", value: shape(), bytes: tapes.saturating_add(vectors * size.parameters) * number },
        Need {
            field: "training.batch",
            value: batch.to_string(),
            bytes: per_samples(training.batch).saturating_add(data_of_batch),
        },
    ];
    let Some(data) = config.data() else { return Ok(needs) };
    for (field, source) in [("data.train", data.train), ("data.test", data.test)] {
        if let Source::Draw(samples) = source {
            let bytes = (samples as u64).saturating_mul(dof * number);
            needs.push(Need { field, value: format!("Draw({samples})"), bytes });
        }
    }
    Ok(needs)
}

/// What is said about samples that are too many to be kept.
fn too_many(field: &str, samples: usize, dof: usize, value: String) -> Option<Invalid> {
    let dof = dof as u64;
    if (samples as u64).saturating_mul(dof) <= MOST_NUMBERS {
        return None;
    }
    let most = MOST_NUMBERS / dof.max(1);
    Some(refuse(field, value, format!("at most {most} samples of {dof} numbers each")))
}

fn refuse(field: &str, value: String, accepted: String) -> Invalid {
    Invalid { field: field.into(), value, accepted }
}
