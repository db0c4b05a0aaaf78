//! The network backwards: netᵀ v and net_θᵀ v, tile by tile.

use super::architecture::{Part, Reads};
use super::gradient::Reorder;
use super::loops::{accumulate, square};
use super::product::Finish;
use super::{Cnn, CnnScratch, GradAcc, Kept, Packed};
use crate::simd;
use std::ops::Range;
use upg_core::Real;

impl Cnn {
    /// Computes netᵀ v of one tile: `v` is `[outputs][active][lane]`, `into` `[channels][frozen][lane]`, `kept` what `forward` read and
    /// left. With an accumulator, also adds net_θᵀ v to that.
    ///
    /// # Panics
    /// If a slice has the wrong length, or `packed` or the accumulator is of another network.
    pub fn vjp<T: Real>(
        &self,
        packed: &Packed<T>,
        kept: Kept<'_, T>,
        v: &[T],
        into: &mut [T],
        scratch: &mut CnnScratch<T>,
        mut grad: Option<&mut GradAcc<T>>,
    ) {
        assert_eq!(kept.tape.len(), self.tape_len::<T>(), "numbers on the tape, and hidden values of a tile");
        assert_eq!(v.len(), self.out_len::<T>(), "numbers in v, and outputs of a tile");
        scratch.reshape(self);
        let last = self.layers.len();
        let CnnScratch { by_site, squares, through, this, next } = scratch;
        let (mut this, mut next) = (this.as_mut_slice(), next.as_mut_slice());
        if let Some(sums) = &mut grad {
            self.add_output_gradient(self.input(last, kept), v, squares.as_mut_slice(), by_site.as_mut_slice(), sums);
        }
        if last == 0 {
            return self.output_back(packed, kept, v, through.as_mut_slice(), into);
        }
        for k in (1..=last).rev() {
            let below = &mut next[..self.fields[k].len::<T>()];
            match k == last {
                true => self.output_back(packed, kept, v, through.as_mut_slice(), below),
                false => self.hidden_layer_back(k, packed, kept, &this[..self.fields[k + 1].len::<T>()], below),
            }
            if let Some(sums) = &mut grad {
                self.add_gradient(k - 1, self.input(k - 1, kept), below, sums);
            }
            std::mem::swap(&mut this, &mut next);
        }
        self.convolve_back(0, packed, &this[..self.fields[1].len::<T>()], into, Finish::Keep);
    }

    /// The cotangent of the last hidden layer, before its activation; without any, that of the features.
    fn output_back<T: Real>(&self, packed: &Packed<T>, kept: Kept<'_, T>, v: &[T], through: &mut [T], below: &mut [T]) {
        let last = self.layers.len();
        if let [part @ Part { reads: Reads::Values, .. }] = &self.parts[..] {
            self.part_back(part, packed, v, below, self.finish_back(last, kept));
            return self.differentiate_unfinished(last, kept, below);
        }
        below.fill(T::zero());
        for part in &self.parts {
            let through = &mut through[..below.len()];
            self.part_back(part, packed, v, through, Finish::Keep);
            accumulate(through, (part.reads == Reads::Squares).then(|| self.input(last, kept)), below);
        }
        self.differentiate(last, kept, below);
    }

    /// The cotangent of what a block of outputs reads.
    fn part_back<T: Real>(&self, part: &Part, packed: &Packed<T>, v: &[T], below: &mut [T], finish: Finish<'_, T>) {
        let (layer, v) = (&part.convolution, (&v[part.range::<T>()], &part.field));
        let below = (below, &self.fields[self.layers.len()]);
        layer.transposed.convolve(self.instructions, packed.transposed(layer), v, below, finish);
    }

    /// The cotangent of hidden layer k ≥ 1, before its activation.
    fn hidden_layer_back<T: Real>(&self, k: usize, packed: &Packed<T>, kept: Kept<'_, T>, v: &[T], below: &mut [T]) {
        self.convolve_back(k, packed, v, below, self.finish_back(k, kept));
        self.differentiate_unfinished(k, kept, below);
    }

    fn convolve_back<T: Real>(&self, k: usize, packed: &Packed<T>, v: &[T], target: &mut [T], finish: Finish<'_, T>) {
        let (layer, source, target) = (&self.layers[k], (v, &self.fields[k + 1]), (target, &self.fields[k]));
        layer.transposed.convolve(self.instructions, packed.transposed(layer), source, target, finish);
    }

    /// act' of field k, if it is applied in registers.
    fn finish_back<'a, T: Real>(&self, k: usize, kept: Kept<'a, T>) -> Finish<'a, T> {
        match self.slope().filter(|_| k > 0) {
            Some(slope) => Finish::Differentiate { slope, hidden: self.input(k, kept) },
            None => Finish::Keep,
        }
    }

    /// v ← v · act' in field k, if that isn't done in registers.
    fn differentiate_unfinished<T: Real>(&self, k: usize, kept: Kept<'_, T>, v: &mut [T]) {
        if self.slope::<T>().is_none() {
            self.differentiate(k, kept, v);
        }
    }

    /// v ← v · act' in field k; the features have no activation.
    fn differentiate<T: Real>(&self, k: usize, kept: Kept<'_, T>, v: &mut [T]) {
        if k > 0 {
            let behind = if self.activation.stores_derivative() { self.hidden_len::<T>() } else { 0 };
            let Range { start, end } = self.hidden_range::<T>(k);
            self.activation.pull_back(&kept.tape[behind + start..behind + end], v);
        }
    }

    /// Adds the gradient of a convolution to a hidden layer.
    fn add_gradient<T: Real>(&self, k: usize, input: &[T], v: &[T], sums: &mut GradAcc<T>) {
        let (layer, input, v) = (&self.layers[k], (input, &self.fields[k]), (v, &self.fields[k + 1]));
        layer.forward.add_gradient(self.instructions, input, v, sums.layer_mut(layer));
    }

    /// Adds the gradient of the convolutions to the outputs; `by_site` is room for v in another order.
    fn add_output_gradient<T: Real>(
        &self,
        input: &[T],
        v: &[T],
        squares: &mut [T],
        by_site: &mut [T],
        sums: &mut GradAcc<T>,
    ) {
        square(input, squares);
        for part in &self.parts {
            let input = if part.reads == Reads::Values { input } else { &*squares };
            let (input, by_site) = ((input, &self.fields[self.layers.len()]), &mut by_site[..part.by_site.len::<T>()]);
            let from = (&v[part.range::<T>()], &part.field);
            simd::run_on(self.instructions, Reorder::new(from, (&mut *by_site, &part.by_site)));
            let v = (&*by_site, &part.by_site);
            part.addresses.add_gradient(self.instructions, input, v, sums.layer_mut(&part.convolution));
        }
    }
}
