//! A target and a layer of one's own: trained on the reverse KL with the path gradient, evaluated, sampled.

mod layer;

use layer::Bend;
use std::sync::Arc;
use upg_core::{Batch, Chain, Cpu, Invertible, StandardNormal, Target};
use upg_train::optimiser::Rule;
use upg_train::{DataSets, Draw, EvaluationPlan, Exact, Observable, Observables, Problem, Trainer, TrainingPlan};

/// S = ½ x₀² + (x₁ − x₀²)²/(2σ²): a banana.
struct Banana {
    sigma: f64,
}

impl Target<Cpu<f64>> for Banana {
    fn dof(&self) -> usize {
        2
    }

    fn action_and_force(&self, _: &Cpu<f64>, x: &Batch<f64>, action: &mut Vec<f64>, force: Option<&mut Batch<f64>>) {
        let variance = self.sigma * self.sigma;
        let off = |i: usize| x.row(1)[i] - x.row(0)[i].powi(2);
        *action = (0..x.samples()).map(|i| 0.5 * x.row(0)[i].powi(2) + off(i).powi(2) / (2.0 * variance)).collect();
        let Some(force) = force else { return };
        force.reshape(2, x.samples());
        for i in 0..x.samples() {
            force.row_mut(0)[i] = -x.row(0)[i] + 2.0 * x.row(0)[i] * off(i) / variance;
            force.row_mut(1)[i] = -off(i) / variance;
        }
    }
}

impl Observables<f64> for Banana {
    fn primaries(&self) -> Vec<String> {
        vec!["height".into()]
    }

    fn measure(&self, x: &Batch<f64>, out: &mut Batch<f64>) {
        out.reshape(1, x.samples());
        out.row_mut(0).copy_from_slice(x.row(1));
    }

    fn observables(&self) -> Vec<Observable> {
        vec![Observable::mean("height", Some(1.0), 0)] // ⟨x₁⟩ = ⟨x₀²⟩
    }
}

impl Exact for Banana {
    fn log_z(&self) -> Option<f64> {
        Some((std::f64::consts::TAU * self.sigma).ln())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = Arc::new(Banana { sigma: 0.3 });
    let layers: Vec<Box<dyn Invertible<Cpu<f64>>>> = vec![Box::new(Bend), Box::new(Bend)];
    let problem = Problem::new(Chain::new(layers), StandardNormal::new(2), target.clone())
        .with_observables(target.clone())
        .with_exact(target);
    let plan = TrainingPlan { steps: 600, batch: 256, optimiser: Rule::adam(0.02), ..TrainingPlan::default() };

    let mut trainer = Trainer::new(problem, Cpu::all_cores(), plan, DataSets::default())?;
    trainer.run(|step, tested| {
        if let Some(fault) = &step.fault {
            println!("step {} skipped: {fault}", step.step);
        }
        if let Some(tested) = tested {
            println!("step {}: loss {:.4}, ESS {:?}", step.step, step.loss, tested.ess_reverse);
        }
    })?;

    let mut trained = trainer.into_trained();
    let summary = trained.evaluate(EvaluationPlan { samples: 20_000, ..EvaluationPlan::default() }, None)?.summary;
    println!("log Z {:?}\n<x_1> {:?}", summary.log_z.number, summary.observables["height"]);
    let samples = trained.samples(1, 1000, Draw::Metropolis)?.x;
    println!("{} samples of the target, the first {:?}", samples.nrows(), samples.row(0).to_vec());

    // This flow can be exact, and then the path gradient has no noise left to stop it.
    assert!(summary.ess_reverse > Some(0.999) && summary.log_z.trusted, "{summary:?}");
    Ok(())
}

// The force against the action.
#[cfg(test)]
upg_testkit::target_battery! {
    banana(rng) in f64 => Banana { sigma: 0.3 };
}
