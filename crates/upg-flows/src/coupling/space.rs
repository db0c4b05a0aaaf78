//! The space of the degrees of freedom of a coupling: what its net reads of those that are kept, and where those that move end.

use crate::features::{fill_features, pull_back_features};
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};
use upg_core::{Batch, Real};

/// Where the degrees of freedom of a coupling live.
pub trait Space: Copy + Send + Sync + 'static {
    /// Inputs of the net for so many degrees of freedom that are kept.
    fn inputs(self, kept: usize) -> usize;

    /// Fills `input` with the net's input from the rows `kept` of x. `memory` may be overwritten.
    fn gather<T: Real>(self, x: &Batch<T>, kept: &[usize], input: &mut Batch<T>, memory: &mut Batch<T>);

    /// Adds the cotangent of the net's input, pulled back to the rows `kept`, to the covector.
    fn add<T: Real>(
        self,
        through_net: &Batch<T>,
        input: &Batch<T>,
        kept: &[usize],
        covector: &mut Batch<T>,
        memory: &mut Batch<T>,
    );

    /// The points of the space that a row stands for.
    fn wrap<T: Real>(self, row: &mut [T]);
}

/// Numbers; the net reads them.
#[derive(Clone, Copy, Debug)]
pub struct Line;

/// Angles in [0, 2π); the net reads the cosines of all, then the sines.
#[derive(Clone, Copy, Debug)]
pub struct Circle;

impl Space for Line {
    fn inputs(self, kept: usize) -> usize {
        kept
    }

    fn gather<T: Real>(self, x: &Batch<T>, kept: &[usize], input: &mut Batch<T>, _: &mut Batch<T>) {
        input.gather(x, kept);
    }

    fn add<T: Real>(
        self,
        through_net: &Batch<T>,
        _: &Batch<T>,
        kept: &[usize],
        covector: &mut Batch<T>,
        _: &mut Batch<T>,
    ) {
        add_rows(through_net, kept, covector);
    }

    fn wrap<T: Real>(self, _: &mut [T]) {}
}

impl Space for Circle {
    fn inputs(self, kept: usize) -> usize {
        2 * kept
    }

    fn gather<T: Real>(self, x: &Batch<T>, kept: &[usize], input: &mut Batch<T>, memory: &mut Batch<T>) {
        memory.gather(x, kept);
        input.reshape(2 * kept.len(), x.samples());
        fill_features(memory.as_slice(), input.as_mut_slice());
    }

    fn add<T: Real>(
        self,
        through_net: &Batch<T>,
        input: &Batch<T>,
        kept: &[usize],
        covector: &mut Batch<T>,
        memory: &mut Batch<T>,
    ) {
        memory.reshape(kept.len(), covector.samples());
        pull_back_features(input.as_slice(), through_net.as_slice(), memory.as_mut_slice());
        add_rows(memory, kept, covector);
    }

    fn wrap<T: Real>(self, row: &mut [T]) {
        dispatch(Wrap(row));
    }
}

fn add_rows<T: Real>(from: &Batch<T>, rows: &[usize], to: &mut Batch<T>) {
    for (row, &dof) in rows.iter().enumerate() {
        to.row_mut(dof).iter_mut().zip(from.row(row)).for_each(|(to, &from)| *to += from);
    }
}

struct Wrap<'a, T>(&'a mut [T]);

impl<T: Real> Kernel for Wrap<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        self.0.iter_mut().for_each(|angle| *angle = scalar::wrap_angle(*angle));
    }
}
