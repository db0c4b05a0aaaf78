//! Products of row-major matrices by a library whose matrices are column-major, against a loop.

use crate::stubs::{ALL, Setup, log, run};
use upg_gpu::driver::Driver;
use upg_gpu::gpu::{Gpu, Matrix, Numbers, Product, Products, Transposed};

const TRANSPOSITIONS: [Transposed; 2] = [Transposed::No, Transposed::Yes];

/// A matrix as it lies in memory: rows, columns, and from one row to the next; small whole numbers, so that sums are exact.
struct Lying {
    columns: usize,
    stride: usize,
    values: Vec<f64>,
}

impl Lying {
    fn new(rows: usize, columns: usize, gap: usize, seed: usize) -> Self {
        let stride = columns + gap;
        let values = (0..rows * stride).map(|i| ((i * 7 + seed * 5) % 11) as f64 - 5.0).collect();
        Self { columns, stride, values }
    }

    /// That of op(·) with shape [rows, columns].
    fn of(rows: usize, columns: usize, transposed: Transposed, gap: usize, seed: usize) -> Self {
        match transposed {
            Transposed::No => Self::new(rows, columns, gap, seed),
            Transposed::Yes => Self::new(columns, rows, gap, seed),
        }
    }

    fn at(&self, row: usize, column: usize, transposed: Transposed) -> f64 {
        match transposed {
            Transposed::No => self.values[row * self.stride + column],
            Transposed::Yes => self.values[column * self.stride + row],
        }
    }

    fn bytes(&self, numbers: Numbers) -> Vec<u8> {
        match numbers {
            Numbers::Single => self.values.iter().flat_map(|&x| (x as f32).to_ne_bytes()).collect(),
            Numbers::Double => self.values.iter().flat_map(|x| x.to_ne_bytes()).collect(),
        }
    }
}

/// Numbers from their bytes.
fn numbers_of(bytes: &[u8], numbers: Numbers) -> Vec<f64> {
    match numbers {
        Numbers::Single => bytes.chunks(4).map(|x| f64::from(f32::from_ne_bytes(x.try_into().unwrap()))).collect(),
        Numbers::Double => bytes.chunks(8).map(|x| f64::from_ne_bytes(x.try_into().unwrap())).collect(),
    }
}

fn check(driver: &Driver, numbers: Numbers, [m, n, k]: [usize; 3], transposed: [Transposed; 2], beta: f64) {
    let a = Lying::of(m, k, transposed[0], 2, 1);
    let b = Lying::of(k, n, transposed[1], 3, 2);
    let mut c = Lying::new(m, n, 1, 3);
    let on_card = |matrix: &Lying| {
        let bytes = matrix.bytes(numbers);
        let at = driver.allocate(bytes.len()).unwrap();
        driver.write(&bytes, at).unwrap();
        at
    };
    let (at_a, at_b, at_c) = (on_card(&a), on_card(&b), on_card(&c));
    let matrix = |at, of: &Lying, transposed| Matrix { at, stride: of.stride, transposed };
    let product = Product {
        numbers,
        products: Products::Full,
        shape: [m, n, k],
        alpha: -2.0,
        a: matrix(at_a, &a, transposed[0]),
        b: matrix(at_b, &b, transposed[1]),
        beta,
        c: at_c,
        c_stride: c.stride,
    };
    driver.product(&product).unwrap();
    let mut bytes = c.bytes(numbers);
    driver.read(at_c, &mut bytes).unwrap();
    [at_a, at_b, at_c].into_iter().for_each(|address| driver.free(address));
    for row in 0..m {
        for column in 0..c.columns {
            let sum: f64 = (0..k).map(|l| a.at(row, l, transposed[0]) * b.at(l, column, transposed[1])).sum();
            let at = row * c.stride + column;
            c.values[at] = -2.0 * sum + beta * c.values[at];
        }
    }
    assert_eq!(numbers_of(&bytes, numbers), c.values, "{product:?}");
}

#[test]
fn row_major_in_all_transpositions() {
    run("products::row_major_in_all_transpositions", Setup { libraries: ALL, ..Setup::default() }, || {
        let driver = Driver::new(0).unwrap();
        for numbers in [Numbers::Single, Numbers::Double] {
            for a in TRANSPOSITIONS {
                for b in TRANSPOSITIONS {
                    for (shape, beta) in [([2, 3, 4], 0.0), ([5, 2, 3], 1.0), ([1, 7, 1], -3.0), ([3, 1, 2], 0.0)] {
                        check(&driver, numbers, shape, [a, b], beta);
                    }
                }
            }
        }
    });
}

/// A product of 1 × 1 matrices.
fn smallest(driver: &Driver, numbers: Numbers, products: Products) -> Product {
    let at = driver.allocate(8).unwrap();
    let matrix = Matrix { at, stride: 1, transposed: Transposed::No };
    let c = driver.allocate(8).unwrap();
    Product { numbers, products, shape: [1; 3], alpha: 1.0, a: matrix, b: matrix, beta: 0.0, c, c_stride: 1 }
}

#[test]
fn modes_of_the_library() {
    run("products::modes_of_the_library", Setup { libraries: ALL, ..Setup::default() }, || {
        let driver = Driver::new(0).unwrap();
        let said = |log: Vec<String>| log.into_iter().filter(|line| line.starts_with("cuBLAS")).collect::<Vec<_>>();
        let prepared = ["cuBLAS stream", "cuBLAS workspace 33554432", "cuBLAS pointers 0", "cuBLAS atomics 0"];
        assert_eq!(said(log()), prepared);
        use {Numbers::*, Products::*};
        for (numbers, products) in [(Single, Full), (Single, Tf32), (Single, Tf32), (Double, Tf32)] {
            driver.product(&smallest(&driver, numbers, products)).unwrap();
        }
        driver.read(driver.allocate(8).unwrap(), &mut [0; 8]).unwrap();
        assert_eq!(said(log())[prepared.len()..], ["cuBLAS mode 0", "cuBLAS mode 3", "cuBLAS mode 0"]);
    });
}

#[test]
fn sizes_beyond_the_library() {
    run("products::sizes_beyond_the_library", Setup { libraries: ALL, ..Setup::default() }, || {
        let driver = Driver::new(0).unwrap();
        let product = Product { shape: [1, 1 << 31, 1], ..smallest(&driver, Numbers::Single, Products::Full) };
        let error = driver.product(&product).unwrap_err().to_string();
        assert!(error.starts_with("cuda:0: a product with sizes beyond 2^31 - 1"), "{error}");
        let product = Product { shape: [2, 2, 2], ..product };
        driver.product(&product).unwrap();
        let error = driver.read(product.c, &mut [0; 4]).unwrap_err().to_string();
        assert_eq!(error, "cuda:0: lost: cuBLAS: CUBLAS_STATUS_INVALID_VALUE");
    });
}
