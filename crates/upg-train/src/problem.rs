//! The problem: a flow between a base and a target, and what is known of the target.

use ndarray::Array2;
use std::sync::Arc;
use upg_core::{Base, Batch, Cpu, Cut, Device, Engine, Invertible, ParamLayout, Real, Rng, Target};
use upg_targets::{ChainPlan, ChainReport, DataSampler, Exact, Observable, Observables, TargetError};

/// A flow q_θ, its base q₀ and the target p ∝ e^{−S}; observables, exact values and a sampler of data where there are some.
///
/// ```
/// use std::sync::Arc;
/// use upg_core::{Cpu, StandardNormal};
/// use upg_flows::RealNvp;
/// use upg_targets::Gmm;
/// use upg_train::Problem;
///
/// let flow = RealNvp { lattice: vec![4], couplings: 4, hidden: vec![16], ..Default::default() };
/// let target = Arc::new(Gmm::new(4)?);
/// let problem = Problem::<Cpu<f32>>::new(flow.build()?, StandardNormal::new(4), target.clone())
///     .with_cut(flow.cut())
///     .with_observables(target.clone())
///     .with_exact(target.clone())
///     .with_sampler(target);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Problem<D: Device> {
    pub(crate) flow: Box<dyn Invertible<D>>,
    pub(crate) base: Box<dyn Base<D>>,
    pub(crate) target: Arc<dyn Target<D>>,
    pub(crate) cut: Cut,
    pub(crate) known: Known<D>,
    doubled: Option<Doubled<D>>,
}

/// The flow of a problem with twice the steps of an integrator, and a base for it.
struct Doubled<D: Device> {
    flow: Box<dyn Invertible<D>>,
    base: Box<dyn Base<D>>,
    steps: usize,
}

/// Samples of a target, shape `[samples, dof]`, and how their drawing went.
pub type Drawn<T> = (Array2<T>, ChainReport);

/// The knowledge of a target beside its action.
pub(crate) struct Known<D: Device> {
    observables: Option<Arc<dyn Observables<D::Real>>>,
    exact: Option<Arc<dyn Exact + Send + Sync>>,
    pub sampler: Option<Arc<dyn DataSampler<D::Real>>>,
    /// Number of sites.
    pub sites: usize,
    /// Whether exact values are to be passed over.
    is_forgotten: bool,
}

impl<D: Device> Problem<D> {
    /// `flow` between `base` and `target`, of which nothing else is known.
    ///
    /// # Panics
    /// If the numbers of degrees of freedom differ.
    #[track_caller]
    pub fn new(flow: impl Invertible<D> + 'static, base: impl Base<D> + 'static, target: Arc<dyn Target<D>>) -> Self {
        assert_eq!(base.dof(), flow.dof(), "degrees of freedom of the base, and of the flow");
        assert_eq!(target.dof(), flow.dof(), "degrees of freedom of the target, and of the flow");
        let known = Known { observables: None, exact: None, sampler: None, sites: flow.dof(), is_forgotten: false };
        let cut = Cut { micro_batch: 512, lanes: 8 };
        Self { flow: Box::new(flow), base: Box::new(base), target, cut, known, doubled: None }
    }

    /// Cuts batches as the flow likes it; without this, as is right for a small net.
    pub fn with_cut(mut self, cut: Cut) -> Self {
        self.cut = cut;
        self
    }

    /// With observables, which an evaluation then measures.
    pub fn with_observables(mut self, observables: Arc<dyn Observables<D::Real>>) -> Self {
        self.known.observables = Some(observables);
        self
    }

    /// With an exact log Z, which an evaluation then compares with.
    pub fn with_exact(mut self, exact: Arc<dyn Exact + Send + Sync>) -> Self {
        self.known.exact = Some(exact);
        self
    }

    /// With a sampler of the target.
    pub fn with_sampler(mut self, sampler: Arc<dyn DataSampler<D::Real>>) -> Self {
        self.known.sampler = Some(sampler);
        self
    }

    /// With a number of sites, if it isn't that of the degrees of freedom: the free energy is given per site.
    pub fn with_sites(mut self, sites: usize) -> Self {
        self.known.sites = sites;
        self
    }

    /// With the same flow at twice the steps of its integrator, `steps` in the flow of the problem, and the same base once more: an evaluation then
    /// measures by how much the results depend on the steps.
    ///
    /// # Panics
    /// If it has other parameters.
    #[track_caller]
    pub fn with_doubled_steps(
        mut self,
        steps: usize,
        flow: impl Invertible<D> + 'static,
        base: impl Base<D> + 'static,
    ) -> Self {
        assert_eq!(flow.params(), self.flow.params(), "parameters of the flow with more steps, and of the flow");
        assert_eq!(base.params(), self.base.params(), "parameters of its base, and of the base");
        self.doubled = Some(Doubled { flow: Box::new(flow), base: Box::new(base), steps });
        self
    }

    /// Number of degrees of freedom.
    pub fn dof(&self) -> usize {
        self.flow.dof()
    }

    /// Samples of the target, shape `[samples, dof]`, decided by `plan` and `rng`, with how their drawing went; `None` without a sampler.
    ///
    /// # Errors
    /// If the sampler doesn't accept the plan.
    pub fn draw_data(&self, plan: &ChainPlan, rng: Rng) -> Option<Result<Drawn<D::Real>, TargetError>> {
        Some(self.known.sampler.as_ref()?.draw_data(plan, rng))
    }

    /// Layout of the parameters: the base's, if it has any, then the flow's.
    pub fn layout(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.nest("base.", &self.base.params());
        layout.nest("", &self.flow.params());
        layout
    }

    /// The engine of the problem, and what is known besides.
    pub(crate) fn into_engine(self, device: D) -> (Engine<D>, Arc<dyn Target<D>>, Known<D>) {
        let Self { flow, base, target, cut, known, .. } = self;
        (Engine::new(device, flow, base, target.clone(), cut), target, known)
    }

    /// The engine with twice the steps, and the steps of the flow.
    pub(crate) fn take_doubled(&mut self, device: &D) -> Option<(Engine<D>, usize)>
    where
        D: Clone,
    {
        let Doubled { flow, base, steps } = self.doubled.take()?;
        Some((Engine::new(device.clone(), flow, base, self.target.clone(), self.cut), steps))
    }
}

impl<T: Real> Known<Cpu<T>> {
    /// What a target with a sampler tells by itself.
    pub fn of_sampler(observables: Arc<dyn Observables<T>>, sampler: Arc<dyn DataSampler<T>>) -> Self {
        Self { observables: Some(observables), exact: None, sampler: Some(sampler), sites: 0, is_forgotten: false }
    }
}

impl<D: Device> Known<D> {
    /// Names of what is measured on a sample.
    pub fn primaries(&self) -> Vec<String> {
        self.observables.as_ref().map_or(vec![], |observables| observables.primaries())
    }

    /// Fills `out`, shape `[primaries, samples]`, with what is measured on the samples `x`, shape `[dof, samples]`.
    pub fn measure(&self, x: &Batch<D::Real>, out: &mut Batch<f64>) {
        match &self.observables {
            Some(observables) => observables.measure(x, out),
            None => out.reshape(0, x.samples()),
        }
    }

    /// The observables with their exact values.
    pub fn observables(&self) -> Vec<Observable> {
        let mut all = self.observables.as_ref().map_or(vec![], |observables| observables.observables());
        if self.is_forgotten {
            all.iter_mut().for_each(|observable| observable.exact = None);
        }
        all
    }

    /// From now on no exact value is known.
    pub fn forget_exact(&mut self) {
        (self.is_forgotten, self.exact) = (true, None);
    }

    /// log Z, where it is known.
    pub fn log_z(&self) -> Option<f64> {
        self.exact.as_ref().and_then(|exact| exact.log_z())
    }
}
