//! Products of our own on the emulator, which has the tensor core's layout of fragments and its truncation, against sums in f64.

use super::call;
use crate::cuda::Cuda;
use crate::emulator::Emulator;
use crate::gpu::{Matrix, Transposed};
use crate::kernels;
use upg_core::{Memory, Rng};
use upg_testkit::draw;

type Device = Cuda<f32, Emulator>;

/// A matrix of a product, `lines` rows of `stride` numbers, and what the product takes of it: [m, k] or [k, n].
struct Given {
    values: Vec<f32>,
    stride: usize,
    transposed: Transposed,
}

impl Given {
    fn new(rng: &mut Rng, [rows, columns]: [usize; 2], transposed: Transposed, gap: usize) -> Self {
        let [lines, width] = if transposed == Transposed::Yes { [columns, rows] } else { [rows, columns] };
        let stride = width + gap;
        let values = draw::normal(rng, lines * stride, 1, 1.0).iter().map(|&x| x as f32).collect();
        Self { values, stride, transposed }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        let (line, place) = if self.transposed == Transposed::Yes { (column, row) } else { (row, column) };
        f64::from(self.values[line * self.stride + place])
    }
}

/// The largest deviation of α A B + β C from sums in f64, relative to the largest element; and that of sums in f32, term after term.
fn errors_of(
    rng: &mut Rng,
    [m, n, k]: [usize; 3],
    [of_a, of_b]: [Transposed; 2],
    gap: usize,
    [alpha, beta]: [f64; 2],
) -> [f64; 2] {
    let device: Device = Emulator::new().and_then(Cuda::new).unwrap();
    let own = device.kernels(kernels::PRODUCT, vec![]).unwrap();
    let (a, b) = (Given::new(rng, [m, k], of_a, gap), Given::new(rng, [k, n], of_b, gap));
    let c = Given::new(rng, [m, n], Transposed::No, gap);
    let [on_a, on_b, on_c] = [&a, &b, &c].map(|given| device.buffer(&given.values));
    let matrix = |at, given: &Given| Matrix { at, stride: given.stride, transposed: given.transposed };
    let made = call([m, n, k], alpha, [matrix(on_a.at(), &a), matrix(on_b.at(), &b)], beta, (on_c.at(), c.stride));
    device.launch(&own, made.kernel, made.spread, &made.arguments);
    device.status().unwrap();
    let result = device.to_host(&on_c);
    let (mut errors, mut size) = ([0.0_f64; 2], 0.0_f64);
    for row in 0..m {
        for column in 0..n {
            let sum: f64 = (0..k).map(|k| a.at(row, k) * b.at(k, column)).sum();
            let exact = alpha * sum + beta * c.at(row, column);
            let single = (0..k).fold(0.0_f32, |sum, k| (a.at(row, k) as f32).mul_add(b.at(k, column) as f32, sum));
            let single = alpha * f64::from(single) + beta * c.at(row, column);
            let of_element = [f64::from(result[row * c.stride + column]), single].map(|x| (x - exact).abs());
            errors = std::array::from_fn(|i| errors[i].max(of_element[i]));
            size = size.max(exact.abs());
        }
        let beyond = row * c.stride + n..(row + 1) * c.stride;
        assert_eq!(result[beyond.clone()], c.values[beyond], "what lies between the rows of C stays");
    }
    errors.map(|error| error / size)
}

#[test]
#[ignore = "takes g++"]
fn split_products_are_as_accurate_as_f32() {
    use Transposed::{No, Yes};
    let rng = &mut draw::rng(5);
    for factors in [[No, No], [Yes, No], [No, Yes]] {
        for (shape, gap) in
            [([130, 140, 37], 0), ([128, 128, 32], 4), ([1, 129, 5], 3), ([257, 3, 100], 0), ([20, 30, 1000], 0)]
        {
            for numbers in [[1.0, 0.0], [-0.5, 1.0]] {
                let [error, single] = errors_of(rng, shape, factors, gap, numbers);
                let limit = single.max(3e-7);
                assert!(
                    error < limit,
                    "{factors:?} {shape:?} {numbers:?}: off by {error:e}, sums in f32 by {single:e}"
                );
            }
        }
    }
}
