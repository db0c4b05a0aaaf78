//! `upg variance`: how noisy each estimator of the gradient is at the present weights.
//!
//! MATH (15): with g_r the gradient of repetition r = 1 … R, a mean over B samples, and ḡ their mean, per parameter and summed over parameters:
//!
//! | number | how |
//! |---|---|
//! | variance of a sample's gradient | B Σ_r \|g_r − ḡ\|²/(R − 1) |
//! | squared norm of the gradient | \|ḡ\|² − Σ_r \|g_r − ḡ\|²/((R − 1) R), without bias |
//! | signal-to-noise ratio of a sample | squared norm over variance |
//!
//! The ordinary gradient keeps a variance where q = p; that of the path gradient goes to zero there. Errors are jackknife errors over ten
//! groups of repetitions. All estimators of a divergence see the same samples.

use crate::Error;
use crate::commands::run_weights::{Loaded, RunArgs};
use crate::config::Precision;
use crate::io::data::Batches;
use crate::io::output::OutputFile;
use crate::io::run_dir::RunDir;
use clap::Args;
use ndarray::Array2;
use serde::Serialize;
use std::fmt::Write;
use upg_core::{EndSamples, Real, Start};
use upg_train::Purpose;
use upg_train::method::{Divergence, Method};
use upg_train::stats::Estimate;

/// What `upg variance` is asked for.
#[derive(Clone, Debug, Args)]
pub struct VarianceArgs {
    /// The run and its weights.
    #[command(flatten)]
    pub run: RunArgs,
    /// Number of gradients of each estimator.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(20..))]
    pub repetitions: u32,
    /// Samples of each gradient.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
}

/// The noise of one estimator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Noise {
    /// The divergence.
    pub divergence: Divergence,
    /// The estimator.
    pub estimator: upg_train::method::Estimator,
    /// Variance of a single sample's gradient, summed over the parameters.
    pub variance: Estimate,
    /// The same over that of the ordinary gradient.
    pub variance_ratio: Estimate,
    /// Squared norm of the gradient.
    pub squared_norm: Estimate,
    /// Squared norm over variance.
    pub signal_to_noise: Estimate,
    /// Variance by layer, in the order of the layers.
    pub by_layer: Vec<f64>,
}

/// Estimates, writes `variance.json`, and returns the table to be shown.
///
/// # Errors
/// If the run or an argument is wrong, or the file can't be written.
pub fn run(args: &VarianceArgs) -> Result<String, Error> {
    let (dir, precision) = args.run.open()?;
    match precision {
        Precision::F32 => run_in::<f32>(args, &dir),
        Precision::F64 => run_in::<f64>(args, &dir),
    }
}

fn run_in<T: Real>(args: &VarianceArgs, dir: &RunDir) -> Result<String, Error> {
    let mut loaded = Loaded::<T>::new(dir, &args.run, EndSamples::Discard)?;
    let path = dir.file("variance.json");
    let out = OutputFile::create(&path)?;
    let trains_on_data = loaded.config.training.objective.needs_data();
    let data = loaded.data(dir, if trains_on_data { Purpose::TrainData } else { Purpose::TestData })?;
    let plan = Repetitions { number: args.repetitions as usize, batch: args.batch as usize };
    let noise = measure(&mut loaded, plan, data);
    let object = serde_json::json!({
        "weights": loaded.weights,
        "repetitions": plan.number,
        "batch": plan.batch,
        "estimators": noise,
        "provenance": loaded.provenance(),
    });
    out.commit(serde_json::to_string_pretty(&object).expect("names and numbers").as_bytes())?;
    Ok(format!("{}written to {}", table(&noise), path.display()))
}

/// How many gradients of how many samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetitions {
    /// Gradients of each estimator, at least [`GROUPS`].
    pub number: usize,
    /// Samples of each.
    pub batch: usize,
}

/// Groups of repetitions for the jackknife.
pub const GROUPS: usize = 10;

/// The noise of every estimator at the weights of `loaded`; of the forward KL if there are data, shape `[samples, dof]`.
///
/// # Panics
/// If there are fewer repetitions than groups.
pub fn measure<T: Real>(loaded: &mut Loaded<T>, plan: Repetitions, data: Option<Array2<T>>) -> Vec<Noise> {
    assert!(plan.number >= GROUPS, "{} repetitions, and {GROUPS} groups of them", plan.number);
    let mut batches = data.map(|data| Batches::new(data, plan.batch, loaded.config.training.seed));
    let mut noise = vec![];
    for divergence in [Divergence::Reverse, Divergence::Forward] {
        if divergence == Divergence::Forward && batches.is_none() {
            continue;
        }
        let mut ordinary = None;
        for method in Method::of(divergence) {
            let left_out = Sums::collect(loaded, plan, method, batches.as_mut()).left_out(plan.batch);
            noise.push(left_out.noise(method, ordinary.get_or_insert_with(|| left_out.clone())));
        }
    }
    noise
}

/// Sums over the repetitions, by group: ten numbers a parameter.
struct Sums {
    /// Repetitions of each group.
    count: Vec<f64>,
    /// Σ_r g_r of each group.
    sum: Vec<Vec<f64>>,
    /// Σ_r |g_r|² of each group and layer.
    squares: Vec<Vec<f64>>,
    /// The range of each layer in the gradient.
    layers: Vec<std::ops::Range<usize>>,
}

impl Sums {
    fn collect<T: Real>(
        loaded: &mut Loaded<T>,
        plan: Repetitions,
        method: Method,
        mut batches: Option<&mut Batches<T>>,
    ) -> Self {
        let layers = layers_of(&loaded.layout);
        let mut sums = Self {
            count: vec![0.0; GROUPS],
            sum: vec![vec![0.0; loaded.theta.len()]; GROUPS],
            squares: vec![vec![0.0; layers.len()]; GROUPS],
            layers,
        };
        for repetition in 0..plan.number {
            let stream = Purpose::Variance(repetition as u64).samples(loaded.config.training.seed);
            let gradient = match (method, &mut batches) {
                (Method::Reverse(how), _) => {
                    let start = Start::Draw { stream, first: 0, samples: plan.batch };
                    loaded.engine.reverse_kl(how, &loaded.theta, start)
                }
                (Method::Forward(how), Some(batches)) => {
                    loaded.engine.forward_kl(how, &loaded.theta, batches.of_step(repetition as u64))
                }
                (Method::Forward(_), None) => unreachable!("a forward KL comes with its data"),
            }
            .expect("the processor doesn't fail");
            sums.take(repetition % GROUPS, gradient.grad);
        }
        sums
    }

    fn take<T: Real>(&mut self, group: usize, grad: &[T]) {
        self.count[group] += 1.0;
        for (sum, g) in self.sum[group].iter_mut().zip(grad) {
            *sum += g.wide();
        }
        for (square, range) in self.squares[group].iter_mut().zip(&self.layers) {
            *square += grad[range.clone()].iter().map(|g| g.wide() * g.wide()).sum::<f64>();
        }
    }

    /// Variance of a sample and squared norm for every layer, from all groups but one.
    fn without(&self, left_out: Option<usize>, batch: usize) -> Vec<[f64; 2]> {
        let groups: Vec<usize> = (0..GROUPS).filter(|&group| Some(group) != left_out).collect();
        let count: f64 = groups.iter().map(|&group| self.count[group]).sum();
        let of_layer = |(layer, range): (usize, &std::ops::Range<usize>)| {
            let squares: f64 = groups.iter().map(|&group| self.squares[group][layer]).sum();
            let mean = |i: usize| groups.iter().map(|&group| self.sum[group][i]).sum::<f64>() / count;
            let norm: f64 = range.clone().map(|i| mean(i).powi(2)).sum();
            let variance = (squares - count * norm) / (count - 1.0);
            [batch as f64 * variance, norm - variance / count]
        };
        self.layers.iter().enumerate().map(of_layer).collect()
    }

    fn left_out(&self, batch: usize) -> LeftOut {
        let totals = |layers: Vec<[f64; 2]>| layers.iter().fold([0.0; 2], |sum, of| [sum[0] + of[0], sum[1] + of[1]]);
        let all = self.without(None, batch);
        LeftOut {
            by_layer: all.iter().map(|[variance, _]| *variance).collect(),
            all: totals(all),
            without: (0..GROUPS).map(|group| totals(self.without(Some(group), batch))).collect(),
        }
    }
}

/// Variance of a sample and squared norm, from all groups and from all but one.
#[derive(Clone, Debug)]
struct LeftOut {
    by_layer: Vec<f64>,
    all: [f64; 2],
    without: Vec<[f64; 2]>,
}

impl LeftOut {
    fn noise(&self, method: Method, ordinary: &Self) -> Noise {
        let numbers = |&[variance, norm]: &[f64; 2], [reference, _]: &[f64; 2]| {
            [variance, variance / reference, norm, norm / variance]
        };
        let all = numbers(&self.all, &ordinary.all);
        let left_out: Vec<_> =
            self.without.iter().zip(&ordinary.without).map(|(own, other)| numbers(own, other)).collect();
        let [variance, variance_ratio, squared_norm, signal_to_noise] =
            std::array::from_fn(|i| jackknife(all[i], left_out.iter().map(|numbers| numbers[i])));
        let by_layer = self.by_layer.clone();
        let (divergence, estimator) = (method.divergence(), method.estimator());
        Noise { divergence, estimator, variance, variance_ratio, squared_norm, signal_to_noise, by_layer }
    }
}

/// The value with the jackknife error from its values without one group each.
fn jackknife(value: f64, without: impl Iterator<Item = f64> + Clone) -> Estimate {
    let n = GROUPS as f64;
    let mean = without.clone().sum::<f64>() / n;
    let spread: f64 = without.map(|x| (x - mean).powi(2)).sum();
    Estimate { value, error: ((n - 1.0) / n * spread).sqrt() }
}

/// The ranges of the tensors `layers.{l}.…`, layer by layer.
fn layers_of(layout: &upg_core::ParamLayout) -> Vec<std::ops::Range<usize>> {
    let mut layers: Vec<(String, std::ops::Range<usize>)> = vec![];
    for (tensor, range) in layout.ranges() {
        let name: String = tensor.name.split('.').take(2).collect::<Vec<_>>().join(".");
        match layers.last_mut() {
            Some((last, whole)) if *last == name => whole.end = range.end,
            _ => layers.push((name, range)),
        }
    }
    layers.into_iter().map(|(_, range)| range).collect()
}

fn table(noise: &[Noise]) -> String {
    let mut out = String::new();
    let mut line = |cells: [String; 6]| {
        let [divergence, estimator, variance, ratio, norm, snr] = cells;
        writeln!(out, "{divergence:<8} {estimator:<18} {variance:>23} {ratio:>23} {norm:>23} {snr:>23}")
            .expect("memory takes all");
    };
    let head = ["KL", "estimator", "variance per sample", "over the ordinary one", "|gradient|^2", "signal to noise"];
    line(head.map(str::to_owned));
    let shown = |e: Estimate| format!("{:.4e} ± {:.1e}", e.value, e.error);
    for of in noise {
        line([
            of.divergence.to_string(),
            of.estimator.to_string(),
            shown(of.variance),
            shown(of.variance_ratio),
            shown(of.squared_norm),
            shown(of.signal_to_noise),
        ]);
    }
    out
}
