//! Small targets for tests of flows, so that those need no other crate; and the density of a flow as a target.

use crate::domain::Domain;
use rand::RngExt;
use upg_core::{Base, Batch, Cpu, Density, Layer, Pass, Real, Rng, Target, Workspace};

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
pub struct Pushforward<T: Real> {
    /// T⁻¹.
    pub inverse: Box<dyn Layer<Cpu<T>>>,
    /// q₀.
    pub base: AnyBase<T>,
    /// θ.
    pub theta: Vec<T>,
}

impl<T: Real> Target<Cpu<T>> for Pushforward<T> {
    fn dof(&self) -> usize {
        self.inverse.dof()
    }

    /// log q(x) = log q₀(z) + log|det J_{T⁻¹}|, z = T⁻¹(x), and its gradient by one pull-back with w = 1.
    fn action_and_force(&self, device: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        let (mut tape, mut scratch) = (Workspace::default(), Workspace::default());
        let mut pass = Pass { device, theta: &self.theta, tape: &mut tape, scratch: &mut scratch };
        let (mut z, mut log_det, mut score) = (x.clone(), vec![0.0; x.samples()], Batch::default());
        self.inverse.forward(&mut pass, &mut z, &mut log_det);
        self.base.log_density_and_score(device, &z, action, Some(&mut score));
        action.iter_mut().zip(&log_det).for_each(|(action, log_det)| *action = -*action - log_det);
        if let Some(force) = force {
            self.inverse.pull_back(&mut pass, &mut score, 1.0, None);
            force.copy_from(&score);
        }
    }
}

/// Any base.
pub struct AnyBase<T: Real>(pub Box<dyn Base<Cpu<T>>>);

impl<T: Real> Density<Cpu<T>> for AnyBase<T> {
    fn dof(&self) -> usize {
        self.0.dof()
    }

    fn log_density_and_score(
        &self,
        device: &Cpu<T>,
        x: &Batch<T>,
        log_density: &mut Vec<f64>,
        score: Option<&mut Batch<T>>,
    ) {
        self.0.log_density_and_score(device, x, log_density, score);
    }
}

impl<T: Real> Base<Cpu<T>> for AnyBase<T> {
    fn sample(&self, device: &Cpu<T>, rng: &mut Rng, z: &mut Batch<T>) {
        self.0.sample(device, rng, z);
    }
}

/// The target of the tests for a flow on `domain`.
pub fn any_target<T: Real>(domain: Domain, dof: usize, rng: &mut Rng) -> Box<dyn Target<Cpu<T>>> {
    match domain {
        Domain::Line => Box::new(AnharmonicChain::random(dof, rng)),
        Domain::Circle => Box::new(Rotors::random(dof, rng)),
    }
}
