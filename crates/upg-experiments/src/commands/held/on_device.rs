//! A flow on a device.

use super::{
    Densities, Drawn, Draws, Facts, Gradient, GradientOf, GradientRequest, Mapped, Told, Verbs, Way, check_memory,
};
use crate::Error;
use crate::commands::arrays::{Numbers, Points};
use crate::commands::caller::{Caller, go_on};
use crate::commands::place;
use crate::commands::sample::check_chain;
use crate::config::{Flat, Invalid, Place, SoleFlow, TargetConfig};
use crate::io::checkpoint::save_weights;
use crate::io::output::Provenance;
use crate::text::{shape_text, unravel};
use ndarray::{Array2, ArrayD, ArrayView2, CowArray, Ix2, s};
use std::path::Path;
use std::sync::Arc;
use upg_core::{ParamLayout, Real, Target};
use upg_train::maps::{self, Origin};
use upg_train::method::Method;
use upg_train::{Problem, SamplePlan, Trained};

/// The flow, its weights, and the target that its samples are weighed by at present.
pub(super) struct OnDevice<D: Place> {
    trained: Trained<D>,
    facts: Facts,
    layout: ParamLayout,
    /// The target of the engine; `None`: none, S = 0.
    weighed_by: Option<TargetConfig>,
    /// The last target that was made.
    made: Option<(TargetConfig, Arc<dyn Target<D>>)>,
}

impl<D: Place> OnDevice<D> {
    /// A flow of a description, with weights of its layout.
    pub fn untrained(
        device: D,
        facts: Facts,
        weights: impl FnOnce(&ParamLayout) -> Result<Vec<D::Real>, Error>,
    ) -> Result<Self, Error> {
        let Facts { spec, .. } = &facts;
        let made = device.flow(spec).and_then(|flow| Ok((flow, device.base(spec)?)));
        place::settle(&device)?;
        let (flow, base) = made.map_err(Invalid::from)?;
        let problem = Problem::new(flow, base, Arc::new(Flat { dof: spec.dof() })).with_cut(device.cut(spec));
        let theta = weights(&problem.layout())?;
        let trained = Trained::new(problem, device, &theta);
        Ok(Self { weighed_by: None, ..Self::trained(trained, facts) })
    }

    /// That of a run, with the target of the run.
    pub fn trained(trained: Trained<D>, facts: Facts) -> Self {
        let (layout, weighed_by) = (trained.layout(), facts.sole.target.clone());
        Self { trained, facts, layout, weighed_by, made: None }
    }

    /// Makes the flow's own target, if it has one.
    pub fn check_target(&mut self) -> Result<(), Error> {
        let Some(target) = self.facts.sole.target.clone() else { return Ok(()) };
        self.weigh_by(Some(&target))
    }

    /// Has samples weighed by a target, or by none.
    fn weigh_by(&mut self, target: Option<&TargetConfig>) -> Result<(), Error> {
        if self.weighed_by.as_ref() == target && !target.is_some_and(is_handed_in) {
            return Ok(());
        }
        let made: Arc<dyn Target<D>> = match target {
            None => Arc::new(Flat { dof: self.trained.dof() }),
            Some(target) => self.target(target)?,
        };
        self.trained.set_target(made);
        self.weighed_by = target.cloned();
        Ok(())
    }

    /// The target, made unless it was the last one that was.
    fn target(&mut self, target: &TargetConfig) -> Result<Arc<dyn Target<D>>, Error> {
        if let Some((of, made)) = &self.made
            && of == target
            && !is_handed_in(target)
        {
            return Ok(made.clone());
        }
        let Facts { sole, spec, .. } = &self.facts;
        let made = sole.target_on(self.trained.device(), target, spec);
        place::settle(self.trained.device())?;
        let made = made?;
        self.made = Some((target.clone(), made.clone()));
        Ok(made)
    }

    /// Forgets a target that has failed: it would say so for ever.
    fn kept<O>(&mut self, outcome: Result<O, Error>) -> Result<O, Error> {
        if outcome.is_err() {
            self.made = None;
            self.weigh_by(None)?;
        }
        outcome
    }

    fn own_target(&self) -> Result<TargetConfig, Error> {
        let missing = || Error::Usage("target: missing: accepted is one, as this flow has none of its own".into());
        self.facts.sole.target.clone().ok_or_else(missing)
    }

    /// Points as rows.
    fn rows<'v>(&self, name: &str, points: &'v Points<'_, '_>) -> Result<CowArray<'v, D::Real, Ix2>, Error> {
        if !points.is_contiguous() {
            check_memory(name, points.shape().first().copied().unwrap_or(0), self.facts.bytes())?;
        }
        points.of_space(name, &self.facts.spec.shape, self.facts.spec.domain())
    }

    fn as_samples(&self, rows: Array2<D::Real>) -> Numbers {
        Numbers::of_rows(rows, &self.facts.spec.shape)
    }

    /// Numbers in the layout of the parameters, by name.
    fn by_name(&self, flat: &[D::Real]) -> Vec<(String, Numbers)> {
        let tensors = self.layout.ranges().map(|(tensor, range)| {
            let array = ArrayD::from_shape_vec(&tensor.shape[..], flat[range].to_vec()).expect("as many numbers");
            (tensor.name.clone(), Numbers::of(array))
        });
        tensors.collect()
    }
}

impl<D: Place> Verbs for OnDevice<D> {
    fn sample(&mut self, seed: u64, draws: &Draws, caller: Caller<'_>) -> Result<Drawn, Error> {
        let &Draws { first, samples, draw, told, .. } = draws;
        let target = if told == Told::LogWeight { Some(self.own_target()?) } else { None };
        self.weigh_by(target.as_ref())?;
        let plan = SamplePlan { seed, first, samples, draw, latent: false };
        let (mut x, mut of_each) = (Array2::zeros((samples, self.trained.dof())), Vec::with_capacity(samples));
        let drawn = self.trained.sample(plan, |piece| {
            append(&mut x, of_each.len(), piece.x);
            match told {
                Told::LogWeight => of_each.extend_from_slice(piece.log_weights),
                Told::LogProb => of_each.extend(piece.log_weights.iter().map(|weight| -weight)),
            }
            go_on(caller)
        });
        let how = self.kept(drawn)?;
        check_chain(&plan, &how, of_each.first().copied(), D::Real::NAME)?;
        let acceptance = how.acceptance;
        Ok(Drawn { x: self.as_samples(x), told: of_each, acceptance })
    }

    fn log_prob(&mut self, x: Points<'_, '_>, caller: Caller<'_>) -> Result<Densities, Error> {
        let x = self.rows("x", &x)?;
        self.weigh_by(None)?;
        let mut densities = Densities { log_prob: Vec::with_capacity(x.nrows()), missed: 0 };
        self.trained.log_prob(x.view(), |of| {
            densities.log_prob.extend_from_slice(of.log_prob);
            densities.missed += of.missed;
            go_on(caller)
        })?;
        Ok(densities)
    }

    fn map(&mut self, way: Way, points: Points<'_, '_>, caller: Caller<'_>) -> Result<Mapped, Error> {
        let points = self.rows(if way == Way::Forward { "z" } else { "x" }, &points)?;
        self.weigh_by(None)?;
        let (mut end, mut log_det) = (Array2::zeros(points.dim()), Vec::with_capacity(points.nrows()));
        let take = |piece: maps::Mapped<'_, D::Real>| {
            append(&mut end, log_det.len(), piece.end);
            log_det.extend_from_slice(piece.log_det);
            go_on(caller)
        };
        match way {
            Way::Forward => self.trained.forward(points.view(), take)?,
            Way::Inverse => self.trained.inverse(points.view(), take)?,
        }
        Ok(Mapped { end: self.as_samples(end), log_det })
    }

    fn scores(&mut self, x: Points<'_, '_>, caller: Caller<'_>) -> Result<Numbers, Error> {
        let x = self.rows("x", &x)?;
        self.weigh_by(None)?;
        let (mut scores, mut first) = (Array2::zeros(x.dim()), 0);
        self.trained.scores(x.view(), |piece| {
            append(&mut scores, first, piece);
            first += piece.nrows();
            go_on(caller)
        })?;
        Ok(self.as_samples(scores))
    }

    fn gradient(&mut self, seed: u64, request: &GradientRequest<'_, '_>) -> Result<Gradient, Error> {
        let target = match request.target {
            Some(text) => self.facts.sole.parse_target(text, &std::env::current_dir().unwrap_or_default())?,
            None => self.own_target()?,
        };
        let points = match &request.of {
            GradientOf::Draw { .. } => None,
            GradientOf::Given(points) => {
                let name = if matches!(request.method, Method::Forward(_)) { "x" } else { "z" };
                let rows = self.rows(name, points)?;
                if rows.nrows() == 0 {
                    return Err(Error::Usage(format!("{name}: 0 samples: accepted is at least 1")));
                }
                Some(rows)
            }
        };
        let origin = match (request.of, &points) {
            (GradientOf::Draw { first, samples, .. }, _) => Origin::Draw { seed, first, samples },
            (GradientOf::Given(_), points) => Origin::Given(points.as_ref().expect("these").view()),
        };
        self.weigh_by(Some(&target))?;
        let device = self.trained.device().clone();
        let outcome = self.trained.gradient(request.method, origin).map_err(Error::from).and_then(|of| {
            let (grad, end) = (device.to_host(of.grad), of.end.to_owned());
            device.status()?;
            Ok((of.loss, grad, end, of.log_det.to_vec(), of.log_weights.to_vec()))
        });
        let (loss, grad, end, log_det, log_weights) = self.kept(outcome)?;
        Ok(Gradient { loss, grad: self.by_name(&grad), end: self.as_samples(end), log_det, log_weights })
    }

    fn parameters(&self) -> Result<Vec<(String, Numbers)>, Error> {
        let weights = self.trained.weights();
        self.trained.device().status()?;
        Ok(self.by_name(&weights))
    }

    fn set_parameters(&mut self, given: &[(String, Points<'_, '_>)]) -> Result<(), Error> {
        let mut weights = self.trained.weights();
        for (name, points) in given {
            let found = self.layout.ranges().find(|(tensor, _)| tensor.name == *name);
            let Some((tensor, range)) = found else {
                let names: Vec<_> = self.layout.tensors().iter().map(|tensor| &tensor.name[..]).collect();
                return Err(Error::Usage(format!("{name}: accepted are parameters of the flow: {}", names.join(", "))));
            };
            if points.shape() != tensor.shape {
                let (found, accepted) = (shape_text(points.shape()), shape_text(&tensor.shape));
                return Err(Error::Usage(format!("{name} of shape {found}: accepted is {accepted}")));
            }
            let numbers = points.flat::<D::Real>();
            if let Some(at) = numbers.iter().position(|number| !number.wide().is_finite()) {
                let (value, index) = (numbers[at].wide(), unravel(at, &tensor.shape));
                let accepted = format!("accepted are finite numbers of {}", D::Real::NAME);
                return Err(Error::Usage(format!("{name} has the value {value} at {index:?}: {accepted}")));
            }
            weights[range].copy_from_slice(&numbers);
        }
        self.trained.set_weights(&weights);
        self.facts.origin = None;
        Ok(self.trained.device().status()?)
    }

    fn save(&self, path: &Path) -> Result<(), Error> {
        let Facts { config, seed, origin, sole, .. } = &self.facts;
        let (device, weights) = (self.trained.device(), self.trained.weights());
        device.status()?;
        let record = place::provenance(device, Some(*seed), config.clone());
        let layers = sole.spec(None)?; // with the steps of the training
        let record = Provenance { flow: Some(SoleFlow::text_of(&layers)), weights: origin.clone(), ..record };
        Ok(save_weights(path, &weights, &self.layout, &record)?)
    }
}

/// Puts a piece of rows in its place.
fn append<T: Copy>(rows: &mut Array2<T>, first: usize, piece: ArrayView2<'_, T>) {
    rows.slice_mut(s![first..first + piece.nrows(), ..]).assign(&piece);
}

/// Whether a program hands the target in, each time another perhaps, of the same name.
fn is_handed_in(target: &TargetConfig) -> bool {
    matches!(target, TargetConfig::Python(_))
}
