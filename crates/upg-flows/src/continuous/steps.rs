//! The classical Runge–Kutta method of order 4: its times, weights and stages.

use super::field::Moment;
use upg_core::vmath::{Kernel, MulAdd, dispatch};
use upg_core::{Batch, Real};

/// b.
const WEIGHTS: [f64; Stage::IN_A_STEP] = [1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0];
/// c.
const TIMES: [f64; Stage::IN_A_STEP] = [0.0, 0.5, 0.5, 1.0];

/// N steps, forth or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    count: usize,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forth,
    Back,
}

/// The stages of one step.
pub(super) type Stages = [Stage; Stage::IN_A_STEP];

/// One stage of one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    /// h b_i.
    pub weight: f64,
    /// h c_{i+1}, by which the input of the next stage goes on along k_i; 0 for the last stage.
    pub reach: f64,
    time: f64,
    index: usize,
}

impl Steps {
    #[track_caller]
    pub fn forth(count: usize) -> Self {
        assert!(count > 0, "steps = 0: at least 1");
        Self { count, way: Way::Forth }
    }

    pub fn reversed(self) -> Self {
        let way = match self.way {
            Way::Forth => Way::Back,
            Way::Back => Way::Forth,
        };
        Self { way, ..self }
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// The times of all stages, ascending: every half step.
    pub fn times(self) -> impl Iterator<Item = f64> {
        (0..=2 * self.count).map(move |half| half as f64 / (2 * self.count) as f64)
    }

    /// The stages of all steps, in the order in which they are made.
    pub fn all(self) -> impl Iterator<Item = Stages> {
        (0..self.count).map(move |step| self.stages(step))
    }

    /// The stages of one step.
    pub fn stages(self, step: usize) -> Stages {
        std::array::from_fn(|i| self.stage(step, i))
    }

    fn stage(self, step: usize, i: usize) -> Stage {
        let halves = 2 * step + (2.0 * TIMES[i]) as usize;
        let (h, index) = match self.way {
            Way::Forth => (1.0 / self.count as f64, halves),
            Way::Back => (-1.0 / self.count as f64, 2 * self.count - halves),
        };
        let reach = h * TIMES.get(i + 1).unwrap_or(&0.0);
        Stage { weight: h * WEIGHTS[i], reach, time: index as f64 / (2 * self.count) as f64, index }
    }
}

impl Stage {
    pub const IN_A_STEP: usize = 4;

    pub fn moment<'a, T, P>(&self, theta: &'a [T], prepared: &'a P) -> Moment<'a, T, P> {
        Moment { time: self.time, index: self.index, theta, prepared }
    }
}

/// y ← y + α x.
pub(super) fn add_scaled<T: Real>(alpha: f64, x: &Batch<T>, y: &mut Batch<T>) {
    dispatch(AddScaled { alpha: T::of(alpha), x: x.as_slice(), y: y.as_mut_slice() });
}

/// z ← α x + β y.
pub(super) fn combine<T: Real>(alpha: f64, x: &Batch<T>, beta: f64, y: &Batch<T>, z: &mut Batch<T>) {
    z.reshape(x.rows(), x.samples());
    let (alpha, beta) = (T::of(alpha), T::of(beta));
    dispatch(Combine { alpha, x: x.as_slice(), beta, y: y.as_slice(), z: z.as_mut_slice() });
}

struct AddScaled<'a, T> {
    alpha: T,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Kernel for AddScaled<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        for (y, &x) in self.y.iter_mut().zip(self.x) {
            *y = M::mul_add(self.alpha, x, *y);
        }
    }
}

struct Combine<'a, T> {
    alpha: T,
    x: &'a [T],
    beta: T,
    y: &'a [T],
    z: &'a mut [T],
}

impl<T: Real> Kernel for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        for (z, (&x, &y)) in self.z.iter_mut().zip(self.x.iter().zip(self.y)) {
            *z = M::mul_add(self.alpha, x, self.beta * y);
        }
    }
}
