//! Products against the sums that they are. All numbers are whole and so small that sums are exact, and so large that another precision isn't.

use crate::support::*;
use upg_gpu::emulator::Emulator;
use upg_gpu::gpu::{Address, Gpu, Matrix, Numbers, Product, Products, Transposed};

const SHAPES: [[usize; 3]; 6] = [[1, 1, 1], [5, 19, 7], [4, 8, 30], [3, 33, 1], [9, 1, 20], [6, 70, 13]];

/// A matrix on the host and on the device, rows `stride` apart; NaN between them.
struct Stored {
    values: Vec<f64>,
    stride: usize,
    at: Address,
}

impl Stored {
    fn new(gpu: &Emulator, numbers: Numbers, [rows, columns]: [usize; 2], salt: usize, range: i64) -> Self {
        let stride = columns + 3;
        let mut values = vec![f64::NAN; (rows - 1) * stride + columns];
        for i in 0..rows {
            for j in 0..columns {
                values[i * stride + j] = ((i * 31 + j * 17 + salt) as i64 * 7919 % (2 * range + 1) - range) as f64;
            }
        }
        let bytes = bytes_of(numbers, &values);
        let at = gpu.allocate(bytes.len()).unwrap();
        gpu.write(&bytes, at).unwrap();
        Self { values, stride, at }
    }

    /// op(M)[i, j], where the matrix has as many columns as it needs.
    fn at(&self, transposed: Transposed, i: usize, j: usize) -> f64 {
        match transposed {
            Transposed::No => self.values[i * self.stride + j],
            Transposed::Yes => self.values[j * self.stride + i],
        }
    }

    fn matrix(&self, transposed: Transposed) -> Matrix {
        Matrix { at: self.at, stride: self.stride, transposed }
    }
}

fn bytes_of(numbers: Numbers, values: &[f64]) -> Vec<u8> {
    match numbers {
        Numbers::Single => values.iter().flat_map(|&x| (x as f32).to_ne_bytes()).collect(),
        Numbers::Double => values.iter().flat_map(|x| x.to_ne_bytes()).collect(),
    }
}

fn numbers_of(numbers: Numbers, bytes: &[u8]) -> Vec<f64> {
    match numbers {
        Numbers::Single => bytes.chunks_exact(4).map(|x| f32::from_ne_bytes(x.try_into().unwrap()).into()).collect(),
        Numbers::Double => bytes.chunks_exact(8).map(|x| f64::from_ne_bytes(x.try_into().unwrap())).collect(),
    }
}

fn shape(transposed: Transposed, rows: usize, columns: usize) -> [usize; 2] {
    match transposed {
        Transposed::No => [rows, columns],
        Transposed::Yes => [columns, rows],
    }
}

/// A whole number of up to 13 bits rounded to 11, half to even.
fn tf32(x: f64) -> f64 {
    let step = 2f64.powi((x.abs().max(1.0).log2().floor() as i32 - 10).max(0));
    (x / step).round_ties_even() * step
}

fn check(
    gpu: &Emulator,
    numbers: Numbers,
    products: Products,
    size: [usize; 3],
    transposed: [Transposed; 2],
    beta: f64,
) {
    let ([m, n, k], [ta, tb]) = (size, transposed);
    let range = if numbers == Numbers::Double { 1 << 40 } else { 8191 };
    let a = Stored::new(gpu, numbers, shape(ta, m, k), 5, range);
    let b = Stored::new(gpu, numbers, shape(tb, k, n), 11, 7);
    let c = Stored::new(gpu, numbers, [m, n], 3, 100);
    let product = Product {
        numbers,
        products,
        shape: size,
        alpha: -0.5,
        a: a.matrix(ta),
        b: b.matrix(tb),
        beta,
        c: c.at,
        c_stride: c.stride,
    };
    gpu.product(&product).unwrap();
    let mut expected = c.values.clone();
    for i in 0..m {
        for j in 0..n {
            let round = |x| if numbers == Numbers::Single && products == Products::Tf32 { tf32(x) } else { x };
            let sum: f64 = (0..k).map(|l| round(a.at(ta, i, l)) * b.at(tb, l, j)).sum();
            expected[i * c.stride + j] = -0.5 * sum + beta * c.values[i * c.stride + j];
        }
    }
    let mut out = vec![0; bytes_of(numbers, &expected).len()];
    gpu.read(c.at, &mut out).unwrap();
    let same = |(x, y): (f64, &f64)| x == *y || x.is_nan() && y.is_nan();
    let equal = numbers_of(numbers, &out).into_iter().zip(&expected).all(same);
    assert!(
        equal,
        "{numbers:?} {products} {size:?} {transposed:?} beta {beta}: {:?} {expected:?}",
        numbers_of(numbers, &out)
    );
    for stored in [a, b, c] {
        gpu.free(stored.at);
    }
}

#[test]
fn products_of_all_kinds_are_exact() {
    use Transposed::{No, Yes};
    let gpu = Emulator::new().unwrap();
    for numbers in [Numbers::Single, Numbers::Double] {
        for products in [Products::Full, Products::Tf32] {
            for size in SHAPES {
                for transposed in [[No, No], [No, Yes], [Yes, No], [Yes, Yes]] {
                    for beta in [0.0, 1.0, -0.5] {
                        check(&gpu, numbers, products, size, transposed, beta);
                    }
                }
            }
        }
    }
    assert_eq!(gpu.allocated(), 0);
}

#[test]
fn without_beta_the_old_values_are_not_read() {
    let gpu = Emulator::new().unwrap();
    let (a, b, c) = (upload(&gpu, &[2.0]), upload(&gpu, &[3.0, 5.0]), gpu.allocate(8).unwrap());
    gpu.product(&row_by_row(a, b, c)).unwrap();
    assert_eq!(download(&gpu, c, 2), [6.0, 10.0]);
    assert_eq!((gpu.counts().products, gpu.counts().product_multiply_adds), (1, 2));
}

#[test]
fn products_that_reach_beyond_memory() {
    let gpu = Emulator::new().unwrap();
    let (a, b, c) = (upload(&gpu, &[2.0]), upload(&gpu, &[3.0, 5.0]), gpu.allocate(8).unwrap());
    let right = row_by_row(a, b, c);
    let refused = |parts: &[&str], product: Product| assert_panics(parts, || gpu.product(&product).unwrap());
    refused(
        &["product of [1, 2, 1]: B: 8 bytes from byte 0 of an allocation of 4"],
        Product { b: Matrix { at: a, ..right.b }, ..right },
    );
    refused(&["C: 8 bytes from byte 4 of an allocation of 8"], Product { c: c.offset(4), ..right });
    refused(&["A: 0x8 is in no allocation"], Product { a: Matrix { at: Address(8), ..right.a }, ..right });
    refused(&["C: 1 rows of 2 elements, a row every 1 elements"], Product { c_stride: 1, ..right });
    refused(&["product of [1, 2, 0]: A: 1 rows of 0 elements"], Product { shape: [1, 2, 0], ..right });
}

/// [1, 2] = [1, 1] [1, 2].
fn row_by_row(a: Address, b: Address, c: Address) -> Product {
    let row = |at, stride| Matrix { at, stride, transposed: Transposed::No };
    Product {
        numbers: Numbers::Single,
        products: Products::Full,
        shape: [1, 2, 1],
        alpha: 1.0,
        a: row(a, 1),
        b: row(b, 2),
        beta: 0.0,
        c,
        c_stride: 2,
    }
}
