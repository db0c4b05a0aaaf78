//! Table 2 on the card, and what share of the card's peaks it reaches.

use super::agreement;
use super::card::Card;
use super::finding::Findings;
use crate::config::Config;
use crate::paper::table2::{self, Case, Plan, Row};
use std::error::Error;
use std::time::Duration;
use upg_gpu::gpu::Gpu;
use upg_gpu::{Cuda, Precision};
use upg_train::method::{Divergence, Estimator, Method};

/// Flows of the table by the time that is left: the paper's first.
const FLOWS: [&str; 5] = ["realnvp", "u1", "z2nice", "continuous", "spline"];

/// Their configurations.
pub(super) fn configs() -> Result<Vec<Config>, Box<dyn Error>> {
    Ok(cases(false)?.into_iter().map(|case| case.config).collect())
}

/// The cases of the table; for the emulator, small flows of the same families.
fn cases(emulated: bool) -> Result<Vec<Case>, Box<dyn Error>> {
    let mut cases = vec![];
    for flow in FLOWS {
        let case = table2::only(table2::cases(), &[flow.to_owned()])?.remove(0);
        cases.push(if emulated { Case { config: agreement::config(flow)?, ..case } } else { case });
    }
    Ok(cases)
}

/// Those that are measured without graphs, too.
const ESTIMATORS: [Estimator; 2] = [Estimator::Reparam, Estimator::PathFast];

/// Times of all estimators; multiply-adds a second of path-fast; times of small batches without graphs.
///
/// # Errors
/// If a flow can't be measured.
pub(super) fn measure<G: Gpu>(card: &Card<G>, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let device = Cuda::<f32, G>::new(card.open()?)?;
    let no_graphs = Cuda::<f32, G>::new(card.open_without_graphs()?)?;
    let peaks = device.gpu().facts().peaks();
    for precision in [Precision::Full, Precision::Split, Precision::Tf32] {
        let device = device.clone().with_precision(precision)?;
        // What the card reaches in one product of large matrices.
        let rows = if card.emulated { 160 } else { 4096 };
        let of_products = 2.0 * (rows as f64).powi(3) / device.time_products(rows, 5)?;
        let flows = if precision == Precision::Full { FLOWS.len() } else { 1 };
        for case in cases(card.emulated)?.into_iter().take(flows) {
            let flow = case.flow;
            if let Err(error) = case.config.build_on(&device) {
                findings.not_run(flow, error.to_string());
                continue;
            }
            let of_a_pass = case.config.flow_spec()?.multiply_adds() as f64;
            let rows = table2::run(std::slice::from_ref(&case), &plan(card.emulated), &device)?;
            if precision == Precision::Full {
                without_graphs(&case, &rows, &no_graphs, card.emulated, findings)?;
            }
            for row in rows {
                // A multiply-add is two operations.
                let passes = f64::from(Method::new(row.estimator, row.divergence)?.passes());
                let rate = 2.0 * passes * of_a_pass * row.batch as f64 / row.seconds.median;
                let name = format!("{flow}, {}, {}, batch {}, {precision}", row.estimator, row.divergence, row.batch);
                findings.figure(format!("{name}: time"), 1e3 * row.seconds.median, "ms");
                findings.figure(format!("{name}: over {}", row.baseline), row.ratio.mean, "");
                findings.figure(format!("{name}: rate"), rate / 1e12, "TFLOP/s");
                findings.figure(format!("{name}: share of the rate of products"), rate / of_products, "");
                if let Some([single, tf32]) = peaks {
                    let peak = if precision == Precision::Full { single } else { tf32 };
                    findings.figure(format!("{name}: share of the peak"), rate / peak, "");
                }
            }
        }
    }
    findings.say("graphs", device.gpu().remarks());
    Ok(())
}

/// Times of the smallest batch launch by launch, beside those of `with`: what a replay of CUDA graphs spares.
fn without_graphs<G: Gpu>(
    case: &Case,
    with: &[Row],
    device: &Cuda<f32, G>,
    emulated: bool,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let case = Case { divergences: &[Divergence::Reverse], ..case.clone() };
    for row in table2::run(&[case], &plan(emulated)[..1], device)? {
        let same =
            |with: &&Row| (with.estimator, with.divergence, with.batch) == (row.estimator, row.divergence, row.batch);
        let (true, Some(with)) = (ESTIMATORS.contains(&row.estimator), with.iter().find(same)) else { continue };
        let name = format!("{}, {}, batch {}", row.flow, row.estimator, row.batch);
        findings.figure(format!("{name}, with graphs: time"), 1e3 * with.seconds.median, "ms");
        findings.figure(format!("{name}, without graphs: time"), 1e3 * row.seconds.median, "ms");
    }
    Ok(())
}

/// Samples of a gradient.
pub(super) const BATCHES: [usize; 3] = [64, 1024, 8192];

fn plan(emulated: bool) -> Vec<Plan> {
    let plan = |batch, rounds, milliseconds| Plan { batch, rounds, budget: Duration::from_millis(milliseconds) };
    match emulated {
        true => vec![plan(2, 1, 0)],
        false => BATCHES
            .iter()
            .zip([(40, 700), (20, 1000), (6, 2500)])
            .map(|(&batch, (rounds, time))| plan(batch, rounds, time))
            .collect(),
    }
}
