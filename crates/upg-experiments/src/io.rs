//! Everything that is read from files and written to them.
//!
//! | module | file |
//! |---|---|
//! | [`weights`] | parameters and results, safetensors |
//! | [`samples`], [`data`] | batches of samples, `.npy`; samples of the target |
//! | [`output`] | files that are either complete or not there, and what made them |
//! | [`run_dir`], [`checkpoint`] | the folder of a run, and all a run needs to go on |
//! | `read` | whatever is read, no more of it than is sensible |
//! | [`metrics`] | `metrics.jsonl` |
//! | [`results`] | results in JSON, which know whether they were altered |
//! | [`memory`] | how much memory there is, and an end in one line where there is no more |
//! | [`console`], [`signals`] | standard output and standard error; the signals that end a process |
//! | [`program`] | how this program is called once more |

pub mod checkpoint;
pub mod console;
pub mod data;
pub mod memory;
pub mod metrics;
pub mod output;
pub mod program;
pub(crate) mod read;
pub(crate) mod refusal;
pub mod results;
pub mod run_dir;
pub mod samples;
pub mod signals;
pub mod weights;
