//! Small targets for tests of flows, so that those need no other crate; and the density of a flow as a target.

use crate::{
    domain::Domain,
    numeric::Along,
    runner::{BaseRunner, Mapped, Runner},
};
use ndarray::Array2;
use rand::RngExt;
use upg_core::{Base, Batch, Cpu, Invertible, Real, Rng, Target};

/// S = Σ_i [ ½ m x_i² + ¼ λ x_i⁴ + h_i x_i − κ x_i x_{i+1} ], periodic in i: neither Gaussian nor symmetric.
#[derive(Clone, Debug)]
pub struct AnharmonicChain {
    mass: f64,
    quartic: f64,
    hopping: f64,
    field: Vec<f64>,
}

impl AnharmonicChain {
    /// A chain of `dof` sites with couplings of order one.
    pub fn random(dof: usize, rng: &mut Rng) -> Self {
        Self {
            mass: rng.random_range(0.5..2.0),
            quartic: rng.random_range(0.1..0.5),
            hopping: rng.random_range(-0.5..0.5),
            field: (0..dof).map(|_| rng.random_range(-1.0..1.0)).collect(),
        }
    }
}

impl<T: Real> Target<Cpu<T>> for AnharmonicChain {
    fn dof(&self) -> usize {
        self.field.len()
    }

    /// −∂S/∂x_i = −m x_i − λ x_i³ − h_i + κ (x_{i−1} + x_{i+1}).
    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        let n = self.field.len();
        assert_eq!(x.rows(), n, "rows of x, and sites of the chain");
        let [mass, quartic, hopping] = [self.mass, self.quartic, self.hopping].map(T::of);
        let (half, quarter) = (T::of(0.5), T::of(0.25));
        fill_rows(x, action, force, |i, b| {
            let [left, here, right] = [(i + n - 1) % n, i, (i + 1) % n].map(|i| x.row(i)[b]);
            let (field, square) = (T::of(self.field[i]), here * here);
            let term = (half * mass + quarter * quartic * square) * square + (field - hopping * right) * here;
            (term, hopping * (left + right) - (mass + quartic * square) * here - field)
        });
    }
}

/// S = −Σ_i [ β cos(x_i − x_{i+1}) + h cos(x_i − φ_i) ], periodic in i, for angles.
#[derive(Clone, Debug)]
pub struct Rotors {
    coupling: f64,
    field: f64,
    angles: Vec<f64>,
}

impl Rotors {
    /// `dof` rotors with couplings of order one.
    pub fn random(dof: usize, rng: &mut Rng) -> Self {
        Self {
            coupling: rng.random_range(0.5..1.5),
            field: rng.random_range(0.2..1.0),
            angles: (0..dof).map(|_| rng.random_range(0.0..std::f64::consts::TAU)).collect(),
        }
    }
}

impl<T: Real> Target<Cpu<T>> for Rotors {
    fn dof(&self) -> usize {
        self.angles.len()
    }

    /// −∂S/∂x_i = −β [ sin(x_i − x_{i−1}) + sin(x_i − x_{i+1}) ] − h sin(x_i − φ_i).
    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        let n = self.angles.len();
        assert_eq!(x.rows(), n, "rows of x, and rotors");
        let (coupling, field) = (T::of(self.coupling), T::of(self.field));
        fill_rows(x, action, force, |i, b| {
            let [left, here, right] = [(i + n - 1) % n, i, (i + 1) % n].map(|i| x.row(i)[b]);
            let tilt = here - T::of(self.angles[i]);
            let term = -coupling * (here - right).cos() - field * tilt.cos();
            (term, -coupling * ((here - left).sin() + (here - right).sin()) - field * tilt.sin())
        });
    }
}

/// Fills action and force of every sample b from `site(i, b)` = (term of S that belongs to site i, force on it).
fn fill_rows<T: Real>(
    x: &Batch<T>,
    action: &mut Vec<f64>,
    mut force: Option<&mut Batch<T>>,
    site: impl Fn(usize, usize) -> (T, T),
) {
    action.clear();
    action.resize(x.samples(), 0.0);
    if let Some(force) = &mut force {
        force.reshape(x.rows(), x.samples());
    }
    for i in 0..x.rows() {
        for (b, action) in action.iter_mut().enumerate() {
            let (term, push) = site(i, b);
            *action += term.wide();
            if let Some(force) = &mut force {
                force.row_mut(i)[b] = push;
            }
        }
    }
}

/// The density of a flow at fixed parameters as a target: S = −log q(x), so p = q when the parameters are the flow's own.
pub struct Pushforward {
    /// T.
    pub flow: Box<dyn Invertible<Cpu<f64>>>,
    /// q₀.
    pub base: Box<dyn Base<Cpu<f64>>>,
    /// θ: the parameters of the base, then those of the flow.
    pub theta: Vec<f64>,
    /// Where its samples live.
    pub domain: Domain,
    /// How the force is computed.
    pub force: Force,
}

/// How the force ∇log q(x) of a [`Pushforward`] is computed: an estimator is tested with one that it doesn't share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Through T⁻¹: the score of the base pulled back with w = 1.
    PullBack,
    /// Through T at z = T⁻¹(x): the score of the base pushed.
    Push,
    /// By finite differences of T⁻¹ and its log-det, without any verb but `forward`.
    Differences,
}

impl Pushforward {
    /// log q and, if wanted, its gradient at x, shape `[batch, dof]`.
    fn log_density_and_score(
        &self,
        device: &Cpu<f64>,
        x: &Array2<f64>,
        score: bool,
    ) -> (Vec<f64>, Option<Array2<f64>>) {
        let inverse = self.flow.inverse();
        let (of_base, of_flow) = self.theta.split_at(self.base.params().size());
        let mut back = Runner::new(device, &*inverse, of_flow);
        let Mapped { y: z, log_det } = back.forward(x);
        let (log_base, score_of_base) = BaseRunner::new(device, &*self.base, of_base).log_density_and_score(&z);
        let log_density = log_base.iter().zip(&log_det).map(|(base, log_det)| base + log_det).collect();
        let score = score.then(|| match self.force {
            Force::PullBack => back.pull_back_into(&score_of_base, 1.0, None),
            Force::Push => {
                let mut there = Runner::new(device, &*self.flow, of_flow);
                there.forward(&z);
                there.push_score(&score_of_base)
            }
            Force::Differences => self.by_differences(&mut back, x, &score_of_base),
        });
        (log_density, score)
    }

    /// J_{T⁻¹}ᵀ ∇log q₀ + ∇ log|det J_{T⁻¹}|, column by column of the Jacobian.
    fn by_differences(
        &self,
        inverse: &mut Runner<'_, f64>,
        x: &Array2<f64>,
        score_of_base: &Array2<f64>,
    ) -> Array2<f64> {
        let mut score = Array2::zeros(x.dim());
        for j in 0..x.ncols() {
            let mut unit = Array2::zeros(x.dim());
            unit.column_mut(j).fill(1.0);
            let along = Along::of(inverse, self.domain, x, &unit);
            for b in 0..x.nrows() {
                let through_z: f64 = along.y.row(b).iter().zip(score_of_base.row(b)).map(|(d, s)| d * s).sum();
                score[(b, j)] = through_z + along.log_det[b];
            }
        }
        score
    }
}

impl Target<Cpu<f64>> for Pushforward {
    fn dof(&self) -> usize {
        self.flow.dof()
    }

    fn action_and_force(
        &self,
        device: &Cpu<f64>,
        x: &Batch<f64>,
        action: &mut Vec<f64>,
        force: Option<&mut Batch<f64>>,
    ) {
        let (log_density, score) = self.log_density_and_score(device, &x.to_samples(), force.is_some());
        action.clear();
        action.extend(log_density.iter().map(|l| -l));
        if let (Some(force), Some(score)) = (force, score) {
            force.assign_samples(score.view());
        }
    }
}

/// The target of the tests for a flow on `domain`.
pub fn any_target<T: Real>(domain: Domain, dof: usize, rng: &mut Rng) -> Box<dyn Target<Cpu<T>>> {
    match domain {
        Domain::Line => Box::new(AnharmonicChain::random(dof, rng)),
        Domain::Circle => Box::new(Rotors::random(dof, rng)),
    }
}
