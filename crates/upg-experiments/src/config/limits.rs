//! How much a configuration may ask for. A wrong digit must not ask for a terabyte; nobody meets these limits who means what they write.
//!
//! | field | at most |
//! |---|---|
//! | `training.batch`, `training.validation.samples`, `evaluation.samples` | 10⁹ samples: some numbers are kept of each |
//! | `training.batch` with a forward KL, `data.train`, `data.test`: `Draw` | 2³³ numbers, samples times degrees of freedom: all are kept |
//! | `evaluation.blocks` | 10⁶ |
//!
//! Those of the flow are [`Size::LARGEST`](upg_flows::Size::LARGEST).

use super::data::{Data, Source};
use super::experiment::Config;
use super::invalid::Invalid;

/// Samples of which a few numbers each are kept.
pub const MOST_SAMPLES: usize = 1_000_000_000;
/// Numbers of samples that are kept as a whole.
const MOST_NUMBERS: u64 = 1 << 33;
/// Blocks of the jackknife.
const MOST_BLOCKS: usize = 1_000_000;

/// Checks what is asked for together by the numbers of samples and the degrees of freedom of one.
pub(super) fn check(config: &Config, dof: usize) -> Result<(), Invalid> {
    let training = &config.training;
    for (field, samples, most) in [
        ("training.batch", training.batch, MOST_SAMPLES),
        ("training.validation.samples", training.validation.samples, MOST_SAMPLES),
        ("evaluation.samples", config.evaluation.samples, MOST_SAMPLES),
        ("evaluation.blocks", config.evaluation.blocks, MOST_BLOCKS),
    ] {
        if samples > most {
            return Err(refuse(field, samples.to_string(), format!("a whole number up to {most}")));
        }
    }
    if training.objective.needs_data() {
        check_kept("training.batch", training.batch, dof, training.batch.to_string())?;
    }
    let Some(Data { train, test, .. }) = config.data() else { return Ok(()) };
    for (field, source) in [("data.train", train), ("data.test", test)] {
        if let Source::Draw(samples) = source {
            check_kept(field, samples, dof, format!("Draw({samples})"))?;
        }
    }
    Ok(())
}

fn check_kept(field: &str, samples: usize, dof: usize, value: String) -> Result<(), Invalid> {
    let dof = dof as u64;
    if (samples as u64).saturating_mul(dof) <= MOST_NUMBERS {
        return Ok(());
    }
    let most = MOST_NUMBERS / dof.max(1);
    Err(refuse(field, value, format!("at most {most} samples of {dof} numbers each")))
}

fn refuse(field: &str, value: String, accepted: String) -> Invalid {
    Invalid { field: field.into(), value, accepted }
}
