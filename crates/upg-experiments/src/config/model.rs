//! From the description of an experiment to everything an engine is made of.

use super::data::Data;
use super::experiment::Config;
use super::from_target;
use super::invalid::{AllInvalid, Invalid};
use super::limits;
use super::place::Place;
use super::target::AnyTarget;
use crate::text::shape_text;
use std::sync::Arc;
use upg_core::{Base, Cpu, Cut, Domain, Invertible, ParamLayout, Real, Target};
use upg_flows::FlowSpec;
use upg_targets::{Misfit, space::check_fit};
use upg_train::{Annealing, Keep, Problem};

pub use upg_flows::spec::AnyBase;

/// A flow with twice the steps of its integrator.
pub struct Doubled<D: Place> {
    /// Steps of the flow of the problem.
    pub steps: usize,
    /// With twice as many.
    pub flow: Box<dyn Invertible<D>>,
    /// Its base.
    pub base: Box<dyn Base<D>>,
}

/// Everything an engine on a device is made of.
pub struct Model<D: Place> {
    /// The flow.
    pub flow: Box<dyn Invertible<D>>,
    /// How it likes its batches cut.
    pub cut: Cut,
    /// The base density.
    pub base: Box<dyn Base<D>>,
    /// The target.
    pub target: Arc<dyn Target<D>>,
    /// The target on the host, with all that is known of it.
    pub theory: AnyTarget<D::Real>,
    /// Shape of a single sample, `[lattice…]` or `[2, lattice…]`; its product is the number of degrees of freedom.
    pub sample_shape: Vec<usize>,
    /// Number of sites; of degrees of freedom where there is no lattice.
    pub sites: usize,
    /// The flow with twice the steps of its integrator, if it has one and is to be evaluated.
    pub doubled: Option<Doubled<D>>,
}

impl<D: Place> Model<D> {
    /// Layout of the parameters: the base's, if it has any, then the flow's.
    pub fn layout(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.nest("base.", &self.base.params());
        layout.nest("", &self.flow.params());
        layout
    }

    /// The problem to be trained and evaluated.
    pub fn problem(self) -> Problem<D> {
        let Self { flow, cut, base, target, theory, sites, doubled, .. } = self;
        let problem = Problem::new(flow, base, target)
            .with_cut(cut)
            .with_sites(sites)
            .with_observables(theory.clone())
            .with_exact(theory.clone())
            .with_sampler(theory);
        match doubled {
            Some(Doubled { steps, flow, base }) => problem.with_doubled_steps(steps, flow, base),
            None => problem,
        }
    }
}

impl Config {
    /// Checks all that can be checked without building anything: the flow, the ranges of the sections beside it, and how much is asked
    /// for.
    ///
    /// # Errors
    /// Every field whose value isn't accepted.
    pub fn check(&self) -> Result<(), AllInvalid> {
        AllInvalid::none_of(self.invalid())
    }

    /// Checks that a training fits into so many bytes of memory, before anything is made.
    ///
    /// # Errors
    /// As [`check`](Self::check), and the field that takes most of the memory if all together take more than that.
    pub fn check_memory(&self, bytes: u64) -> Result<(), AllInvalid> {
        self.check()?;
        // A number that is left to a target which isn't accepted: what is wrong with that is said when it is made.
        let Ok(spec) = self.flow_spec() else { return Ok(()) };
        Ok(limits::check_memory(self, &spec, bytes)?)
    }

    /// Makes the flow and the target, on the host.
    ///
    /// # Errors
    /// Every field whose value isn't accepted; else if the target doesn't live where the flow does.
    pub fn build<T: Real>(&self) -> Result<Model<Cpu<T>>, AllInvalid> {
        self.build_on(&Cpu::here())
    }

    /// Makes the flow and the target, on `device`.
    ///
    /// # Errors
    /// As [`build`](Self::build); else if the device has no kernels for a layer, the base or the target.
    pub fn build_on<D: Place>(&self, device: &D) -> Result<Model<D>, AllInvalid> {
        let theory = self.target.build::<D::Real>();
        AllInvalid::none_of(self.invalid().into_iter().chain(theory.as_ref().err().cloned()))?;
        self.assemble(device, theory?, self.flow_spec().map_err(Invalid::from)?)
    }

    /// The same for the tests of a training, if the flow is continuous: it makes twice its steps.
    ///
    /// # Errors
    /// As [`build_on`](Self::build_on).
    pub fn build_for_tests<D: Place>(&self, device: &D) -> Result<Option<Model<D>>, AllInvalid> {
        let model = self.build_on(device)?;
        let spec = self.flow_spec().map_err(Invalid::from)?;
        if spec.steps().is_none() {
            return Ok(None);
        }
        Ok(Some(self.assemble(device, model.theory, spec.map_steps(|steps| 2 * steps))?))
    }

    /// The same for an evaluation: a continuous flow makes `evaluation.ode_steps` steps, if there are some, and comes with one that makes
    /// twice as many.
    ///
    /// # Errors
    /// As [`build_on`](Self::build_on).
    pub fn build_for_evaluation<D: Place>(&self, device: &D) -> Result<Model<D>, AllInvalid> {
        let model = self.build_on(device)?;
        let spec = self.flow_spec().map_err(Invalid::from)?;
        let Some(trained) = spec.steps() else { return Ok(model) };
        let steps = self.evaluation.ode_steps.unwrap_or(trained);
        let spec = spec.map_steps(|own| steps * own / trained); // of several layers with different steps, each in proportion
        let doubled = spec.clone().map_steps(|steps| 2 * steps);
        let flow = device.flow(&doubled).map_err(Invalid::from)?;
        let base = device.base(&doubled).map_err(Invalid::from)?;
        let model = self.assemble(device, model.theory, spec)?;
        Ok(Model { doubled: Some(Doubled { steps, flow, base }), ..model })
    }

    fn assemble<D: Place>(
        &self,
        device: &D,
        theory: AnyTarget<D::Real>,
        spec: FlowSpec,
    ) -> Result<Model<D>, AllInvalid> {
        self.check_fit(&theory, &spec)?;
        let flow = device.flow(&spec).map_err(Invalid::from)?;
        let base = device.base(&spec).map_err(Invalid::from)?;
        let target = device.target(&self.target, &theory)?;
        let (cut, sites) = (self.target.cut(device.cut(&spec)), self.flow.lattice().iter().product());
        Ok(Model { flow, cut, base, target, theory, sample_shape: spec.shape, sites, doubled: None })
    }

    /// The target on `device`, for a flow that is there already.
    ///
    /// # Errors
    /// If a value of it isn't accepted, it doesn't live where the flow does, or the device has no kernels for it.
    pub fn target_on<D: Place>(&self, device: &D, spec: &FlowSpec) -> Result<Arc<dyn Target<D>>, AllInvalid> {
        let theory = self.target.build::<D::Real>()?;
        self.check_fit(&theory, spec)?;
        Ok(device.target(&self.target, &theory)?)
    }

    /// Whether the target lives where the flow does, and its force is that of its action.
    fn check_fit<T: Real>(&self, theory: &AnyTarget<T>, spec: &FlowSpec) -> Result<(), AllInvalid> {
        let fit = check_fit(&**theory, theory.dof(), &spec.shape, spec.domain());
        fit.map_err(|misfit| self.misfit(&misfit, spec))?;
        Ok(self.target.check_force(spec)?)
    }

    /// The course of the coupling that moves during a training, if one does.
    ///
    /// # Panics
    /// If the configuration isn't accepted.
    pub fn annealing<D: Place>(&self, device: &D) -> Option<Annealing<D>> {
        let anneal = self.training.anneal.clone()?;
        let (ramp, to, target) = (*anneal.ramp(), self.target.coupling(&anneal), self.target.clone());
        let (device, accepted) = (device.clone(), "every value between two accepted ones is accepted");
        Some(Annealing::new(ramp, to, move |value| {
            let moved = target.annealed(&anneal, value).expect(accepted);
            moved.theory().and_then(|theory| device.target(&moved, &theory)).expect(accepted)
        }))
    }

    /// Every field that [`check`](Self::check) doesn't accept. A value is held against another only if that is accepted itself.
    fn invalid(&self) -> Vec<Invalid> {
        let mut invalid = self.training.invalid();
        invalid.extend(self.data.iter().flat_map(Data::invalid));
        invalid.extend(self.evaluation.invalid());
        invalid.extend(self.invalid_keep());
        match self.flow_spec() {
            Ok(spec) => {
                invalid.extend(limits::invalid(self, spec.dof()));
                invalid.extend(self.invalid_ode_steps(&spec));
            }
            Err(_) => {
                let errors = self.flow.completed(&self.target).errors();
                invalid.extend(errors.into_iter().filter_map(|error| from_target::explained(error, &self.target)));
            }
        }
        invalid.extend(self.invalid_anneal());
        invalid
    }

    /// A criterion for the best weights that needs test data, without any.
    fn invalid_keep(&self) -> Option<Invalid> {
        let lacks = self.training.validation.keep == Keep::ForwardEss && self.data().is_none();
        lacks.then(|| Invalid {
            field: "training.validation.keep".into(),
            value: "ForwardEss".into(),
            accepted: "Loss, ReverseEss or Last without a section data".into(),
        })
    }

    /// Steps of an integrator that the flow hasn't got.
    fn invalid_ode_steps(&self, spec: &FlowSpec) -> Option<Invalid> {
        let steps = self.evaluation.ode_steps.filter(|_| spec.steps().is_none())?;
        Some(Invalid {
            field: "evaluation.ode_steps".into(),
            value: steps.to_string(),
            accepted: "None, as no layer of this flow is continuous".into(),
        })
    }

    fn invalid_anneal(&self) -> Option<Invalid> {
        let anneal = self.training.anneal.as_ref()?;
        let invalid = self.target.annealed(anneal, anneal.ramp().from).err()?;
        let not_of_target = invalid.field == "training.anneal" || self.target.build::<f64>().is_ok();
        not_of_target.then_some(invalid)
    }

    /// What is said about a target that doesn't live where the flow does.
    fn misfit(&self, misfit: &Misfit, flow: &FlowSpec) -> Invalid {
        let (field, extents) = self.flow.extents();
        let of_flow = format!("flow.{field} = {}", shape_text(extents));
        let of_target = format!("target.{}", self.target.extents_field());
        match misfit {
            Misfit::Domain { domain, .. } => Invalid {
                field: "target".into(),
                value: inhabitants(*domain).into(),
                accepted: format!("a target of {}, as the flow's", inhabitants(flow.domain())),
            },
            Misfit::Lattice(_) => Invalid {
                field: of_target,
                value: shape_text(self.target.lattice()),
                accepted: format!("the flow's, {of_flow}"),
            },
            Misfit::Dof(_) => Invalid {
                field: of_target,
                value: self.target.extents_value(),
                accepted: format!("as many degrees of freedom as the flow has, {} with {of_flow}", flow.dof()),
            },
        }
    }
}

/// What lives there.
fn inhabitants(domain: Domain) -> &'static str {
    match domain {
        Domain::Line => "real numbers",
        Domain::Circle => "angles",
    }
}
