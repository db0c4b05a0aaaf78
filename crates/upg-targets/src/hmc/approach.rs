//! The way from a start to the bulk of the target: single leapfrog steps, each chain with a step size of its own.
//!
//! Far out the force may be so large that no step of the bulk is ever accepted there, and one that is would take ages in the bulk. A chain
//! therefore goes by one step of the leapfrog at a time, which grows when it is accepted and shrinks when it is refused, at such rates that
//! about seven of ten are accepted. (With one step to a trajectory this is the Metropolis-adjusted Langevin algorithm.)

use super::Hmc;
use upg_core::{Batch, Cpu, Real};

/// Moves that bring a chain to the bulk.
const MOVES: usize = 50;
/// Tries at most.
const TRIES: usize = 1000;
/// Factors of the step size, after a move and after a refusal.
const GROW: f64 = 1.25;
const SHRINK: f64 = 0.6;

impl<T: Real> Hmc<'_, T> {
    /// Brings every chain near the bulk: goes on until each has moved 50 times, or 1000 times in all. Comes before [`Hmc::warm_up`].
    pub fn approach(&mut self) {
        let mut steps = vec![0.1 * self.options.length; self.x.samples()];
        let mut moves = vec![0; steps.len()];
        for _ in 0..TRIES {
            if moves.iter().all(|&moves| moves >= MOVES) {
                return;
            }
            self.step_each(&steps);
            self.accept();
            for ((step, moves), &accepted) in steps.iter_mut().zip(&mut moves).zip(&self.accepted) {
                *step *= if accepted { GROW } else { SHRINK };
                *moves += usize::from(accepted);
            }
        }
    }

    /// Proposes one step of the leapfrog, of each chain with its own size; −H before and after.
    fn step_each(&mut self, steps: &[f64]) {
        let here = Cpu::here();
        let halves: Vec<f64> = steps.iter().map(|step| 0.5 * step).collect();
        self.draw_momentum();
        self.proposed.copy_from(&self.x);
        self.energy_before();
        add_each(&halves, &self.force, &mut self.momentum);
        add_each(steps, &self.momentum, &mut self.proposed);
        self.target.action_and_force(&here, &self.proposed, &mut self.log_after, Some(&mut self.force));
        add_each(&halves, &self.force, &mut self.momentum);
        self.energy_after();
    }
}

/// y += a x, with an a of each chain's own.
fn add_each<T: Real>(a: &[f64], x: &Batch<T>, y: &mut Batch<T>) {
    for i in 0..x.rows() {
        for ((y, &x), &a) in y.row_mut(i).iter_mut().zip(x.row(i)).zip(a) {
            *y += T::of(a) * x;
        }
    }
}
