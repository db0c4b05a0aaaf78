//! A base with parameters: its gradients by every estimator, beside those of the flow.

use crate::layers::{
    bend::{Bend, Shape},
    chain,
    linear::Linear,
};
use ndarray::{Array2, Axis};
use std::f64::consts::TAU;
use upg_core::{
    Accum, Base, BasePass, Batch, Cpu, Cut, Engine, ForwardKl, GradSink, Init, OneWay, ParamLayout, Prepared,
    ReverseKl, SampleStream, Start, Target, Tensor,
};
use upg_testkit::flow::agreement::assert_paths_agree;
use upg_testkit::flow::zero::assert_zero_for_every_sample;
use upg_testkit::numeric::assert_gradient;
use upg_testkit::{draw, models::AnharmonicChain, tolerance::Tolerance};

/// z = m + e^s ε: N(m, e^{2s}) with learned mean and log-scale, e^s prepared.
#[derive(Clone, Copy)]
struct Diagonal {
    dof: usize,
}

#[derive(Default)]
struct Scales(Vec<f64>);

impl Base<Cpu<f64>> for Diagonal {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("mean", [self.dof], Init::Constant(0.0)));
        layout.push(Tensor::new("log_scale", [self.dof], Init::Constant(0.0)));
        layout
    }

    fn prepare(&self, _: &Cpu<f64>, theta: &[f64], prepared: &mut Prepared) {
        let scales = &mut prepared.get_mut::<Scales>().0;
        scales.clear();
        scales.extend(theta[self.dof..].iter().map(|s| s.exp()));
    }

    fn sample(&self, pass: &mut BasePass<'_, Cpu<f64>>, stream: SampleStream, first: u64, z: &mut Batch<f64>) {
        stream.fill_normals(first, z);
        let scales = &pass.prepared.get::<Scales>().0;
        for (i, (mean, scale)) in pass.theta.iter().zip(scales).enumerate() {
            z.row_mut(i).iter_mut().for_each(|z| *z = mean + scale * *z);
        }
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Cpu<f64>>,
        z: &Batch<f64>,
        log_density: &mut Vec<f64>,
        mut score: Option<&mut Batch<f64>>,
    ) {
        let scales = &pass.prepared.get::<Scales>().0;
        *log_density = vec![0.0; z.samples()];
        if let Some(score) = &mut score {
            score.reshape(self.dof, z.samples());
        }
        for (i, (mean, scale)) in pass.theta.iter().zip(scales).enumerate() {
            for (b, log_density) in log_density.iter_mut().enumerate() {
                let epsilon = (z.row(i)[b] - mean) / scale;
                *log_density -= 0.5 * (epsilon * epsilon + TAU.ln()) + scale.ln();
                if let Some(score) = &mut score {
                    score.row_mut(i)[b] = -epsilon / scale;
                }
            }
        }
    }

    fn pull_back(
        &self,
        pass: &mut BasePass<'_, Cpu<f64>>,
        z: &Batch<f64>,
        cotangent: Option<&Batch<f64>>,
        weight: f64,
        grad: GradSink<'_, Cpu<f64>>,
    ) {
        let scales = &pass.prepared.get::<Scales>().0;
        let mut sums = vec![0.0; 2 * self.dof];
        for i in 0..self.dof {
            for b in 0..z.samples() {
                let offset = z.row(i)[b] - pass.theta[i];
                let (a, epsilon) = (cotangent.map_or(0.0, |a| a.row(i)[b]), offset / scales[i]);
                sums[i] += a + weight * epsilon / scales[i];
                sums[self.dof + i] += a * offset + weight * (epsilon * epsilon - 1.0);
            }
        }
        for (to, sum) in grad.into.iter_mut().zip(sums) {
            *to = sum + if grad.accum == Accum::Add { *to } else { 0.0 };
        }
    }
}

const DOF: usize = 3;
const CUT: Cut = Cut { micro_batch: 4, lanes: 2 };

fn engine() -> (Engine<Cpu<f64>>, Vec<f64>) {
    let flow = chain::<f64>(vec![Box::new(Linear::new(DOF)), Box::new(Bend::new(DOF, Shape::Tanh))]);
    let target = AnharmonicChain::random(DOF, &mut draw::rng(1));
    let engine = Engine::new(Cpu::here(), flow, Diagonal { dof: DOF }, target, CUT);
    let theta = draw::parameters(&mut draw::rng(2), &engine.layout());
    (engine, theta)
}

fn drawn(samples: usize) -> Start<'static, f64> {
    Start::Draw { stream: SampleStream::new(5, 0, 0), first: 0, samples }
}

#[test]
fn parameters_of_the_base_come_first() {
    let (engine, _) = engine();
    let layout = engine.layout();
    let names: Vec<&str> = layout.tensors().iter().map(|tensor| &*tensor.name).collect();
    assert_eq!(names[..3], ["base.mean", "base.log_scale", "layers.0.weight"]);
    assert_eq!(engine.flow_range(), 2 * DOF..layout.size());
}

/// Over the same random numbers, samples of the base move with its parameters.
#[test]
fn ordinary_gradients_are_derivatives_of_the_losses() {
    let (mut engine, theta) = engine();
    let layout = engine.layout();
    let x = draw::normal(&mut draw::rng(3), 9, DOF, 1.0);
    let grad = engine.reverse_kl(ReverseKl::Reparam, &theta, drawn(9)).unwrap().grad.clone();
    let loss = |theta: &[f64]| engine.sample(&theta.to_vec(), drawn(9)).unwrap().loss;
    assert_gradient("reparam", &mut draw::rng(4), &layout, &theta, &grad, loss);
    let grad = engine.forward_kl(ForwardKl::MaxLikelihood, &theta, x.view()).unwrap().grad.clone();
    let loss = |theta: &[f64]| engine.weigh(&theta.to_vec(), x.view()).unwrap().loss;
    assert_gradient("max-likelihood", &mut draw::rng(4), &layout, &theta, &grad, loss);
}

#[test]
fn path_gradients_agree() {
    let (mut engine, theta) = engine();
    let (z, x) = (draw::normal(&mut draw::rng(3), 9, DOF, 1.0), draw::normal(&mut draw::rng(4), 9, DOF, 1.0));
    assert_paths_agree("a trained base", &mut engine, &theta, &z, &x, Tolerance::theorem::<f64>());
}

/// S = Σ ½ ((x − m) e^{−s})².
struct Gaussian(Vec<f64>);

impl Target<Cpu<f64>> for Gaussian {
    fn dof(&self) -> usize {
        DOF
    }

    fn action_and_force(
        &self,
        _: &Cpu<f64>,
        x: &Batch<f64>,
        action: &mut Vec<f64>,
        mut force: Option<&mut Batch<f64>>,
    ) {
        *action = vec![0.0; x.samples()];
        if let Some(force) = &mut force {
            force.reshape(DOF, x.samples());
        }
        for i in 0..DOF {
            for (b, action) in action.iter_mut().enumerate() {
                let precision = (-2.0 * self.0[DOF + i]).exp();
                let offset = x.row(i)[b] - self.0[i];
                *action += 0.5 * precision * offset * offset;
                if let Some(force) = &mut force {
                    force.row_mut(i)[b] = -precision * offset;
                }
            }
        }
    }
}

/// The base alone is the target, the flow a linear map at A = 1, b = 0: every path gradient is zero, of the base's parameters too.
#[test]
fn path_gradients_are_zero_where_the_base_is_the_target() {
    let mut theta = draw::parameters(&mut draw::rng(6), &Base::<Cpu<f64>>::params(&Diagonal { dof: DOF }));
    let target = Gaussian(theta.clone());
    theta.resize(2 * DOF + DOF * DOF + DOF, 0.0);
    let mut engine = Engine::new(Cpu::here(), Linear::new(DOF), Diagonal { dof: DOF }, target, CUT);
    let (z, x) = (draw::normal(&mut draw::rng(3), 9, DOF, 1.0), draw::normal(&mut draw::rng(4), 9, DOF, 1.0));
    assert_zero_for_every_sample("q₀ = p", &mut engine, &theta, &z, &x, Tolerance::theorem::<f64>());
}

/// Path and ordinary gradient have the same mean over draws of the flow, here of 200 batches.
#[test]
fn path_and_ordinary_gradients_have_the_same_mean() {
    let (mut engine, theta) = engine();
    let difference = |how: OneWay, step: u64, engine: &mut Engine<Cpu<f64>>| {
        let start = Start::Draw { stream: SampleStream::new(7, 0, step), first: 0, samples: 64 };
        engine.reverse_kl(how.into(), &theta, start).unwrap().grad.clone()
    };
    let mut rows = Array2::zeros((200, theta.len()));
    for (step, mut row) in (0..).zip(rows.rows_mut()) {
        let path = difference(OneWay::PathFast, step, &mut engine);
        let ordinary = difference(OneWay::Ordinary, step, &mut engine);
        row.iter_mut().zip(path.iter().zip(&ordinary)).for_each(|(d, (p, o))| *d = p - o);
    }
    let (mean, deviation) = (rows.mean_axis(Axis(0)).expect("rows"), rows.std_axis(Axis(0), 1.0));
    for (i, (mean, deviation)) in mean.iter().zip(&deviation).enumerate() {
        let error = deviation / 200.0_f64.sqrt();
        assert!(mean.abs() <= 5.0 * error, "parameter {i}: {mean} ± {error}");
    }
}
