//! A trained flow against what is known of it: q = p, a plain chain, a plain mean.

mod together;

use super::{PIECE, Trained};
use crate::evaluate::{Evaluation, EvaluationPlan, LogZ, extent::Extent};
use crate::maps::Origin;
use crate::method::{Divergence, Estimator, Method};
use crate::problem::Problem;
use crate::purpose::Purpose;
use crate::sample::{Draw, SamplePlan, Samples};
use crate::stats::{Estimate, WeightSums, independence_chain};
use crate::variance::{GROUPS, Repetitions};
use ndarray::{Array2, ArrayView2, arr2, s};
use std::sync::Arc;
use upg_core::{Cpu, DeviceError, EndSamples, Layer, Real, StandardNormal, Start};
use upg_flows::spec::{FieldSpec, ScalingSpec, TransformSpec};
use upg_flows::{BaseSpec, ContinuousFlow, LayerSpec, RealNvp, Scales, StartAt};
use upg_targets::{Gaussian, Gmm};

fn flow(start: StartAt) -> RealNvp {
    RealNvp { lattice: vec![2], couplings: 2, hidden: vec![4], start, ..RealNvp::default() }
}

/// N(0, 1) as a flow, for the target N(0, 1): q = p.
fn exact() -> Trained<Cpu<f64>> {
    let flow = flow(StartAt::Identity).build::<f64>().unwrap();
    let theta = flow.params().initialise(&mut Purpose::Weights.streams(1).next_stream());
    let target = Arc::new(Gaussian::new(&[0.0; 2], arr2(&[[1.0, 0.0], [0.0, 1.0]]).view()).unwrap());
    let problem =
        Problem::new(flow, StandardNormal::new(2), target.clone()).with_observables(target.clone()).with_exact(target);
    Trained::new(problem, Cpu::new(2), &theta)
}

/// A flow that is not the Gaussian mixture.
fn wrong<T: Real>() -> Trained<Cpu<T>> {
    let flow = flow(StartAt::Random).build::<T>().unwrap();
    let theta = flow.params().initialise(&mut Purpose::Weights.streams(7).next_stream());
    let target = Arc::new(Gmm::new(2).unwrap());
    Trained::new(Problem::new(flow, StandardNormal::new(2), target), Cpu::new(2), &theta)
}

fn close(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 1e-12)
}

#[test]
fn a_flow_that_is_its_target_is_worth_all() {
    let mut trained = exact();
    let data = Array2::from_shape_fn((300, 2), |(i, j)| (0.7 * i as f64 + 1.9 * j as f64).sin());
    let plan = EvaluationPlan { samples: 9000, blocks: 30, seed: 3 };
    let evaluation = trained.evaluate(plan, Some(&data)).unwrap();
    let summary = &evaluation.summary;
    assert_eq!((summary.samples, evaluation.log_weights.len(), evaluation.shown.dim()), (9000, 9000, (PIECE, 2)));
    for (value, expected) in [
        (summary.ess_reverse, 1.0),
        (summary.ess_forward, 1.0),
        (summary.acceptance, 1.0),
        (summary.log_z.number.value, std::f64::consts::TAU.ln()),
        (summary.log_z.number.exact, std::f64::consts::TAU.ln()),
        (summary.loss, -std::f64::consts::TAU.ln()),
        (summary.free_energy_per_site.value, -0.5 * std::f64::consts::TAU.ln()),
    ] {
        assert!(close(value, expected), "{value:?} for {expected}: {summary:?}");
    }
    assert!(summary.log_z.trusted, "{summary:?}");
    let nll = |row: ndarray::ArrayView1<'_, f64>| 0.5 * row.dot(&row) + std::f64::consts::TAU.ln();
    let mean = data.rows().into_iter().map(nll).sum::<f64>() / 300.0;
    assert!(close(summary.nll.map(|nll| nll.value), mean), "{:?} for {mean}", summary.nll);
    for (name, number) in &summary.observables {
        let (value, error, exact) = (number.value.unwrap(), number.error.unwrap(), number.exact.unwrap());
        assert!(error > 0.0 && (value - exact).abs() < 5.0 * error, "{name}: {value} ± {error}, exactly {exact}");
    }
    assert!(summary.observables.len() > 2);
    assert_eq!(trained.evaluate(plan, Some(&data)).unwrap(), evaluation, "decided by the seed");
}

/// Sums are those over all samples; what is kept of the first ones alone serves τ_int and the largest tenth.
#[test]
fn what_is_kept_of_the_first_samples_alone_changes_no_sum() {
    let flow = RealNvp { couplings: 1, ..flow(StartAt::Random) }.build::<f64>().unwrap();
    let theta = flow.params().initialise(&mut Purpose::Weights.streams(3).next_stream());
    let target = Arc::new(Gmm::new(2).unwrap());
    let problem = Problem::new(flow, StandardNormal::new(2), target.clone()).with_observables(target);
    let mut trained = Trained::new(problem, Cpu::new(2), &theta);
    let all = Extent::new(PIECE + 4000, 40);
    let primaries = trained.known.primaries().len();
    let few = Extent { log_weights: 5000, along_chain: 6000 * primaries, ..all };
    let [all, few] =
        [all, few].map(|extent| trained.evaluate_to(extent, 2, None, &mut || Ok::<_, DeviceError>(())).unwrap());
    assert_eq!((all.log_weights.len(), few.log_weights.len()), (PIECE + 4000, 5000));
    assert_eq!(few.log_weights[..], all.log_weights[..5000]);
    let (all, few) = (all.summary, few.summary);
    assert_ne!((all.tau_int, all.tail_index_of_tenth), (few.tau_int, few.tail_index_of_tenth), "of fewer states");
    assert!((all.tau_int.unwrap() / few.tau_int.unwrap() - 1.0).abs() < 0.2, "{:?} {:?}", all.tau_int, few.tau_int);
    let sums = |of: &crate::evaluate::Summary| {
        (of.log_z.number, of.ess_reverse, of.loss, of.acceptance, of.tail_index, of.observables.clone())
    };
    assert!(sums(&all) == sums(&few), "{all:?}\n{few:?}");
    // Errors along the chain come from its beginning.
    for (name, of_all) in &all.observables_chain {
        let [few, all] = [few.observables_chain[name].number, of_all.number]
            .map(|number| (number.value.unwrap(), number.error.unwrap()));
        assert!((few.0 - all.0).abs() < 0.2 * all.1 && (few.1 / all.1 - 1.0).abs() < 0.5, "{name}: {few:?} {all:?}");
    }
}

#[test]
fn a_target_of_which_nothing_is_known_is_evaluated_too() {
    let plan = EvaluationPlan { samples: 500, blocks: 10, seed: 1 };
    let summary = wrong::<f32>().evaluate(plan, None).unwrap().summary;
    assert!(summary.ess_reverse.is_some_and(|ess| ess > 0.0 && ess < 0.999), "{summary:?}");
    assert!(summary.observables.is_empty() && summary.log_z.number.exact.is_none() && summary.nll.is_none());
}

/// More samples than are drawn at a time: the chain is that over all of them.
#[test]
fn the_chain_goes_over_the_pieces() {
    let (mut trained, samples) = (wrong::<f64>(), PIECE + 500);
    let Samples { x: proposals, log_weights: weights, .. } = trained.samples(5, samples, Draw::Independent).unwrap();
    let Samples { x: states, log_weights: chain_weights, drawn } =
        trained.samples(5, samples, Draw::Metropolis).unwrap();
    let (path, acceptance) = independence_chain(&weights, &mut Purpose::Metropolis.streams(5).next_stream());
    for (n, &at) in path.iter().enumerate() {
        assert_eq!((states.row(n), chain_weights[n]), (proposals.row(at), weights[at]), "state {n}");
    }
    assert_eq!((drawn.acceptance, drawn.not_finite), (acceptance, 0));
    assert!(acceptance.is_some_and(|rate| rate > 0.2 && rate < 0.99), "{acceptance:?}");
}

/// Samples drawn piece by piece are those of one stream, each once.
#[test]
fn pieces_are_parts_of_one_stream() {
    let (mut trained, samples) = (wrong::<f64>(), PIECE + 500);
    let Samples { x: drawn, log_weights: weights, .. } = trained.samples(5, samples, Draw::Independent).unwrap();
    let plan = EvaluationPlan { samples, blocks: 10, seed: 5 };
    let evaluation = trained.evaluate(plan, None).unwrap();
    let mut at_once = |purpose: Purpose| {
        let start = upg_core::Start::Draw { stream: purpose.samples(5), first: 0, samples };
        let drawn = trained.engine.sample(&trained.theta, start).unwrap();
        (drawn.end.to_owned(), drawn.log_weights.to_vec())
    };
    assert!((drawn, weights) == at_once(Purpose::Samples));
    assert!(evaluation.log_weights == at_once(Purpose::Evaluation).1);
}

/// Data are squeezed to 1e-26 on the way back and then shifted: nothing is left of them.
#[test]
fn an_inverse_that_loses_its_data_is_noticed() {
    let mut spec = RealNvp { transform: TransformSpec::Additive, ..flow(StartAt::Random) }.spec().unwrap();
    spec.layers.push(LayerSpec::Scaling(ScalingSpec { scales: Scales::One }));
    let data = Array2::from_shape_fn((50, 2), |(i, j)| 1.0 + (0.7 * i as f64 + 1.9 * j as f64).sin());
    let missed = |log_scale: f64| {
        let flow = spec.build::<f64>().unwrap();
        let mut theta = flow.params().initialise(&mut Purpose::Weights.streams(1).next_stream());
        *theta.last_mut().unwrap() = log_scale;
        let problem = Problem::new(flow, StandardNormal::new(2), Arc::new(Gmm::new(2).unwrap()));
        let plan = EvaluationPlan { samples: 100, blocks: 10, seed: 1 };
        let summary = Trained::new(problem, Cpu::new(1), &theta).evaluate(plan, Some(&data)).unwrap().summary;
        let told = summary.log_z.warnings.iter().any(|warning| warning.contains("the inverse misses 50 of 50 data"));
        (summary.missed_by_inverse, told)
    };
    assert_eq!((missed(0.5), missed(60.0)), ((Some(0), false), (Some(50), true)));
}

/// Samples from a number on, with the base samples they are made of: x = T(z), log q(x) from z and from x.
#[test]
fn samples_come_with_their_latent_ones_and_their_density() {
    for draw in [Draw::Independent, Draw::Metropolis] {
        let mut trained = wrong::<f64>();
        let plan = SamplePlan { seed: 5, first: 40, samples: 300, draw, latent: true };
        let (mut x, mut z, mut log_weights) = (vec![], vec![], vec![]);
        let mut take = |piece: crate::sample::Piece<'_, f64>| {
            (x, z) = (piece.x.iter().copied().collect(), piece.latent.iter().copied().collect());
            log_weights = piece.log_weights.to_vec();
            Ok::<_, upg_core::DeviceError>(())
        };
        trained.sample(plan, &mut take).unwrap();
        let [x, z] = [x, z].map(|numbers| Array2::from_shape_vec((300, 2), numbers).unwrap());
        let again = trained.engine.sample(&trained.theta, upg_core::Start::Given(z.view())).unwrap();
        assert!(again.end == x && again.log_weights == log_weights, "{draw:?}");
        if draw == Draw::Independent {
            let all = trained.samples(5, 340, draw).unwrap();
            assert_eq!(all.x.slice(ndarray::s![40.., ..]), x, "whatever they are drawn together with");
        }
        let (mut action, target) = (vec![0.0; 300], Gmm::new(2).unwrap());
        let mut of_target = upg_core::Batch::default();
        of_target.assign_samples(x.view());
        upg_core::Target::<Cpu<f64>>::action_and_force(&target, &Cpu::here(), &of_target, &mut action, None);
        let take = |of: crate::log_prob::Densities<'_, f64>| {
            assert!((&of.latent - &z).iter().all(|d| d.abs() < 1e-12) && of.missed == 0);
            for (i, log_prob) in of.log_prob.iter().enumerate() {
                assert!((log_prob + action[i] + log_weights[i]).abs() < 1e-11, "{log_prob}");
            }
            Ok::<_, upg_core::DeviceError>(())
        };
        trained.log_prob(x.view(), take).unwrap();
    }
}

/// Where q = p the path gradients are zero for every sample, and have no variance; the ordinary ones keep theirs.
#[test]
fn the_variance_of_path_gradients_is_zero_for_the_target_itself() {
    let data = Array2::from_shape_fn((64, 2), |(i, j)| (0.7 * i as f64 + 1.9 * j as f64).sin());
    let noise = exact().variance(Repetitions { number: 40, batch: 16 }, 1, Some(&data)).unwrap();
    assert_eq!(noise.len(), 7);
    for of in &noise {
        let ordinary = matches!(of.estimator, Estimator::Reparam | Estimator::MaxLikelihood);
        let variance = of.variance.value;
        assert!(if ordinary { variance > 0.1 } else { variance.abs() < 1e-20 }, "{}: {variance}", of.estimator);
        assert!((of.by_layer.iter().sum::<f64>() - variance).abs() <= 1e-12 * variance.abs());
    }
}

/// MATH (15) one number at a time.
#[test]
fn the_variance_is_the_naive_one() {
    let (mut trained, batch, repetitions) = (wrong::<f64>(), 8, 30);
    let noise = trained.variance(Repetitions { number: repetitions, batch }, 4, None).unwrap();
    assert_eq!(noise.len(), 4);
    let mut gradients = vec![];
    for repetition in 0..repetitions {
        let stream = Purpose::Variance(repetition as u64).samples(4);
        let start = upg_core::Start::Draw { stream, first: 0, samples: batch };
        let gradient = trained.engine.reverse_kl(upg_core::ReverseKl::Reparam, &trained.theta, start).unwrap();
        gradients.push(gradient.grad.clone());
    }
    let n = repetitions as f64;
    let (mut variance, mut norm) = (0.0, 0.0);
    for i in 0..gradients[0].len() {
        let mean = gradients.iter().map(|g| g[i]).sum::<f64>() / n;
        variance += gradients.iter().map(|g| (g[i] - mean).powi(2)).sum::<f64>() / (n - 1.0);
        norm += mean * mean;
    }
    let expected = [batch as f64 * variance, norm - variance / n];
    let found = [noise[0].variance.value, noise[0].squared_norm.value];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12 * expected.abs(), "{found} for {expected}");
    }
}

/// The distance of mean gradients one number at a time, and that it is none; that of path gradients of samples that aren't the target's is one.
#[test]
fn mean_gradients_are_told_apart_where_they_differ() {
    let (mut trained, batch, repetitions) = (wrong::<f64>(), 8, 200);
    let data = Array2::from_shape_fn((1600, 2), |(i, j)| (0.7 * i as f64 + 1.9 * j as f64).sin());
    let noise = trained.variance(Repetitions { number: repetitions, batch }, 4, Some(&data)).unwrap();
    for of in &noise {
        let ordinary = matches!(of.estimator, Estimator::Reparam | Estimator::MaxLikelihood);
        assert_eq!(of.distance.is_none(), ordinary, "{}", of.estimator);
        let Some(Estimate { value, error }) = of.distance else { continue };
        let differ = value > 5.0 * error;
        assert!(error > 0.0 && differ == (of.divergence == Divergence::Forward), "{}: {value} ± {error}", of.estimator);
    }
    let mut differences = vec![vec![0.0; trained.theta.len()]; GROUPS];
    for repetition in 0..repetitions {
        let stream = Purpose::Variance(repetition as u64).samples(4);
        let start = || upg_core::Start::Draw { stream, first: 0, samples: batch };
        for (how, sign) in [(upg_core::ReverseKl::PathFast, 1.0), (upg_core::ReverseKl::Reparam, -1.0)] {
            let gradient = trained.engine.reverse_kl(how, &trained.theta, start()).unwrap();
            let of_group = &mut differences[repetition % GROUPS];
            of_group
                .iter_mut()
                .zip(gradient.grad)
                .for_each(|(sum, g)| *sum += sign * g / (repetitions / GROUPS) as f64);
        }
    }
    let pairs = (0..GROUPS).flat_map(|g| (0..g).map(move |h| (g, h)));
    let products: Vec<f64> =
        pairs.map(|(g, h)| differences[g].iter().zip(&differences[h]).map(|(a, b)| a * b).sum()).collect();
    let mean = products.iter().sum::<f64>() / 45.0;
    let found = noise.iter().find(|of| of.estimator == Estimator::PathFast).unwrap().distance.unwrap();
    assert!((found.value - mean).abs() < 1e-12 * found.error, "{found:?} for {mean}");
}

/// A continuous flow of four sites, with twice its steps beside it.
fn continuous(steps: usize) -> Trained<Cpu<f64>> {
    continuous_of(steps, 0.4)
}

/// The same with weights of this size.
fn continuous_of(steps: usize, size: f64) -> Trained<Cpu<f64>> {
    let field = FieldSpec::lattice(2, 2);
    let spec = ContinuousFlow { lattice: vec![4], field, steps, base: BaseSpec::StandardNormal }.spec().unwrap();
    let weights = |i: usize| size * (1.7 * i as f64).sin(); // those of a new flow are 0
    let theta: Vec<f64> = (0..spec.params().unwrap().size()).map(weights).collect();
    let doubled = spec.clone().map_steps(|steps| 2 * steps);
    let problem = Problem::new(spec.build::<f64>().unwrap(), spec.build_base(), Arc::new(Gmm::new(4).unwrap()))
        .with_doubled_steps(steps, doubled.build().unwrap(), doubled.build_base());
    Trained::new(problem, Cpu::new(2), &theta)
}

/// What twice the steps change is the difference of the two flows, and falls with the fourth power of the step.
#[test]
fn the_error_of_an_integrator_is_measured_in_both_directions() {
    let data = Array2::from_shape_fn((300, 4), |(i, j)| (0.7 * i as f64 + 1.9 * j as f64).sin());
    let plan = EvaluationPlan { samples: 1000, blocks: 10, seed: 3 };
    let [coarse, fine] = [2, 8].map(|steps| continuous(steps).evaluate(plan, Some(&data)).unwrap());
    let [at_2, at_8] = [&coarse, &fine].map(|evaluation| evaluation.summary.integration.unwrap());
    assert_eq!((at_2.steps, at_2.of_samples.samples, at_2.of_data.unwrap().samples), (2, 1000, 300));

    let at_4 = continuous(4).evaluate(plan, Some(&data)).unwrap();
    let differences =
        at_4.log_weights.iter().zip(&coarse.log_weights).map(|(doubled, log_weight)| doubled - log_weight);
    let mean = differences.sum::<f64>() / 1000.0;
    assert!(close(at_2.of_samples.log_weight_mean, mean), "{at_2:?}, {mean}");
    let log_z = |evaluation: &Evaluation| {
        let mut sums = WeightSums::default();
        sums.extend(&evaluation.log_weights);
        sums.log_mean().unwrap()
    };
    assert!(close(at_2.of_samples.log_z, log_z(&at_4) - log_z(&coarse)), "{at_2:?}");
    let forward = |evaluation: &Evaluation| evaluation.summary.log_z_forward.unwrap().value;
    let (found, expected) = (at_2.of_data.unwrap().log_z.unwrap(), forward(&at_4) - forward(&coarse));
    assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}"); // those to second order

    // The scores, too: plainly, one flow after the other.
    let mut pair = [2, 4].map(continuous);
    let of_samples = pair.each_mut().map(|trained| {
        trained.engine.set_end_samples(EndSamples::Scores);
        let start = Start::Draw { stream: Purpose::Evaluation.samples(3), first: 0, samples: 1000 };
        trained.engine.sample(&trained.theta, start).unwrap().end.to_owned()
    });
    assert!(close(at_2.of_samples.score, relative_change(of_samples)), "{at_2:?}");
    let of_data =
        pair.each_mut().map(|trained| trained.engine.weigh(&trained.theta, data.view()).unwrap().end.to_owned());
    assert!(close(at_2.of_data.unwrap().score, relative_change(of_data)), "{at_2:?}");

    for (coarse, fine) in [(at_2.of_samples, at_8.of_samples), (at_2.of_data.unwrap(), at_8.of_data.unwrap())] {
        for (coarse, fine) in [(coarse.log_weight_std, fine.log_weight_std), (coarse.score, fine.score)] {
            let order = (coarse.unwrap() / fine.unwrap()).log2() / 2.0;
            assert!((3.0..5.5).contains(&order), "order {order}: {at_2:?}, {at_8:?}");
        }
    }
    assert_eq!(wrong::<f64>().evaluate(plan, None).unwrap().summary.integration, None);
}

/// |s' − s|/|s| of all scores together.
fn relative_change([s, doubled]: [Array2<f64>; 2]) -> f64 {
    ((&doubled - &s).mapv(|d| d * d).sum() / s.mapv(|s| s * s).sum()).sqrt()
}

/// What too few steps change is a warning; only the first samples are looked at; and what is kept of an evaluation are samples, before and after.
#[test]
fn the_integrator_is_judged_by_some_samples() {
    let mut trained = continuous_of(1, 1.5);
    let plan = EvaluationPlan { samples: 4200, blocks: 10, seed: 3 };
    let first = trained.evaluate(plan, None).unwrap();
    let integration = first.summary.integration.unwrap();
    assert_eq!((integration.of_samples.samples, integration.of_data), (4096, None));
    let warnings = &first.summary.log_z.warnings;
    assert!(warnings.iter().any(|warning| warning.starts_with("2 steps of the integrator")), "{warnings:?}");
    assert_eq!(trained.evaluate(plan, None).unwrap().shown, first.shown);
}

/// Maps in pieces: there and back, their log-dets, the density, and the score as its derivative.
#[test]
fn maps_are_those_of_the_density() {
    let mut trained = wrong::<f64>();
    let x = Array2::from_shape_fn((PIECE + 10, 2), |(i, j)| (0.3 * i as f64 + 1.7 * j as f64).sin());
    let (mut z, mut log_det) = (Array2::zeros(x.dim()), vec![]);
    let taken = trained.inverse(x.view(), |piece| {
        let first = log_det.len();
        z.slice_mut(s![first..first + piece.log_det.len(), ..]).assign(&piece.end);
        log_det.extend_from_slice(piece.log_det);
        Ok::<_, DeviceError>(())
    });
    taken.unwrap();
    let (mut back, mut there) = (vec![], vec![]);
    let taken = trained.forward(z.view(), |piece| {
        back.extend(piece.end.iter().copied());
        there.extend_from_slice(piece.log_det);
        Ok::<_, DeviceError>(())
    });
    taken.unwrap();
    assert!(back.iter().zip(&x).all(|(back, x)| (back - x).abs() < 1e-12));
    assert!(there.iter().zip(&log_det).all(|(there, back)| (there + back).abs() < 1e-12));
    let mut log_prob = |x: ArrayView2<'_, f64>| {
        let mut found = vec![];
        let taken = trained.log_prob(x, |of| {
            found.extend_from_slice(of.log_prob);
            Ok::<_, DeviceError>(())
        });
        taken.unwrap();
        found
    };
    let normal = |z: ndarray::ArrayView1<'_, f64>| -0.5 * z.dot(&z) - std::f64::consts::TAU.ln();
    let at_x = log_prob(x.view());
    for ((z, log_det), log_prob) in z.rows().into_iter().zip(&log_det).zip(&at_x) {
        assert!((normal(z) + log_det - log_prob).abs() < 1e-12);
    }
    let shifted =
        |i: usize, by: f64| Array2::from_shape_fn(x.dim(), |(n, j)| x[(n, j)] + if i == j { by } else { 0.0 });
    let slopes: Vec<Vec<f64>> = (0..2)
        .map(|i| {
            let (up, down) = (log_prob(shifted(i, 1e-5).view()), log_prob(shifted(i, -1e-5).view()));
            up.iter().zip(&down).map(|(up, down)| (up - down) / 2e-5).collect()
        })
        .collect();
    let mut scores = vec![];
    let taken = trained.scores(x.view(), |piece| {
        scores.extend(piece.iter().copied());
        Ok::<_, DeviceError>(())
    });
    taken.unwrap();
    for (n, score) in scores.chunks(2).enumerate() {
        assert!((0..2).all(|i| (score[i] - slopes[i][n]).abs() < 1e-6), "{score:?} at {n}");
    }
}

#[test]
fn a_gradient_is_of_the_samples_that_are_drawn() {
    let mut trained = wrong::<f64>();
    let Samples { x, log_weights, .. } = trained.samples(5, 40, Draw::Independent).unwrap();
    let how = Method::ALL[1];
    let drawn = trained.gradient(how, Origin::Draw { seed: 5, first: 3, samples: 37 }).unwrap();
    assert!(drawn.end == x.slice(s![3.., ..]) && drawn.log_weights == &log_weights[3..]);
    let mean = -log_weights[3..].iter().sum::<f64>() / 37.0;
    assert!((drawn.loss - mean).abs() < 1e-12);
    trained.set_target(Arc::new(Gaussian::new(&[0.0; 2], arr2(&[[1.0, 0.0], [0.0, 1.0]]).view()).unwrap()));
    let other = trained.gradient(how, Origin::Draw { seed: 5, first: 3, samples: 37 }).unwrap();
    assert!(other.end == x.slice(s![3.., ..]) && other.log_weights != &log_weights[3..]);
    let mut weights = trained.weights();
    weights.iter_mut().for_each(|weight| *weight *= 0.5);
    trained.set_weights(&weights);
    assert!(trained.samples(5, 40, Draw::Independent).unwrap().x != x);
}

/// Whoever asks for an end gets no numbers, and what they said.
#[test]
fn evaluations_end_when_asked_to() {
    let mut trained = wrong::<f64>();
    let ended = || DeviceError::Unavailable { device: "nobody".into(), reason: "asked for".into() };
    let mut asked = 0;
    let plan = EvaluationPlan { samples: 5 * PIECE, blocks: 10, seed: 1 };
    let mut go_on = || {
        asked += 1;
        if asked > 2 { Err(ended()) } else { Ok(()) }
    };
    assert_eq!(trained.evaluate_while(plan, None, &mut go_on), Err(ended()));
    assert_eq!(asked, 3);
    let plan = Repetitions { number: 20, batch: 4 };
    let mut left = 30;
    let outcome = trained.variance_while(plan, 1, None, &mut || {
        left -= 1;
        if left == 0 { Err(ended()) } else { Ok(()) }
    });
    assert_eq!((outcome, left), (Err(ended()), 0));
}

/// What log-weights alone say is what an evaluation says of a target of which nothing is known.
#[test]
fn log_z_of_log_weights_is_that_of_the_evaluation() {
    let plan = EvaluationPlan { samples: 5000, blocks: 10, seed: 1 };
    let Evaluation { summary, log_weights, .. } = wrong::<f64>().evaluate(plan, None).unwrap();
    assert_eq!(LogZ::of(&log_weights), summary.log_z);
    let heavy: Vec<f64> = (1..=5000).map(|i| -0.9 * (f64::from(i) / 5001.0).ln()).collect();
    let LogZ { trusted, warnings, .. } = LogZ::of(&heavy);
    assert!(!trusted && warnings.iter().any(|warning| warning.contains("tail")), "{warnings:?}");
}
