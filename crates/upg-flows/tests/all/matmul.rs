//! Matrix products against their definition.

use rand::RngExt;
use rand_xoshiro::rand_core::SeedableRng;
use upg_core::{Accum, Real};
use upg_flows::matmul::{Mat, Tile, product, transpose};

fn draw(rng: &mut upg_core::Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| rng.random::<f64>() - 0.5).collect()
}

/// The product by its definition.
fn naive(a: Mat<'_, f64>, b: Mat<'_, f64>) -> Vec<f64> {
    let ([rows, inner], [_, cols]) = (a.shape(), b.shape());
    let element = |i, j| (0..inner).map(|k| a.at(i, k) * b.at(k, j)).sum();
    (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
}

#[test]
fn products_are_those_of_the_definition() {
    let mut rng = upg_core::Rng::seed_from_u64(1);
    for (m, k, n) in [(1, 1, 1), (3, 5, 2), (17, 1, 33), (130, 70, 131), (300, 129, 64), (64, 65, 600)] {
        let (a, b, c0) = (draw(&mut rng, m * k), draw(&mut rng, k * n), draw(&mut rng, m * n));
        for transposed in [false, true] {
            let (a, b) = match transposed {
                false => (Mat::new(&a, m, k), Mat::new(&b, k, n)),
                true => (Mat::new(&a, k, m).t(), Mat::new(&b, n, k).t()),
            };
            let want = naive(a, b);
            let close =
                |c: &[f64], scale: f64| c.iter().zip(&want).all(|(c, w)| (c - scale * w).abs() < 1e-13 * k as f64);
            for tile in [Tile { rows: 512, cols: 512 }, Tile { rows: 16, cols: 1000 }, Tile { rows: 48, cols: 32 }] {
                let mut c = c0.clone();
                product(&mut c, a, b, Accum::Replace, tile, |_, _, part| part.iter_mut().for_each(|c| *c *= 3.0));
                assert!(close(&c, 3.0), "replaced and finished {m} {k} {n} {tile:?}");
                product(&mut c, a, b, Accum::Add, tile, |_, _, _| ());
                assert!(close(&c, 4.0), "added {m} {k} {n} {tile:?}");
            }
        }
    }
}

/// A sample is a column: it must not depend on how many are multiplied together.
#[test]
fn columns_are_the_same_bits_alone_and_together() {
    fn check<T: Real>() {
        let mut rng = upg_core::Rng::seed_from_u64(2);
        for (m, k) in
            [(1, 1), (1, 40), (5, 3), (16, 16), (33, 70), (100, 1), (64, 300), (64, 1000), (8, 1300), (65, 1000)]
        {
            let numbers = |rng: &mut upg_core::Rng, len| draw(rng, len).into_iter().map(T::of).collect::<Vec<T>>();
            let (a, b) = (numbers(&mut rng, m * k), numbers(&mut rng, k * 130));
            let of_columns = |columns: usize| {
                let part: Vec<T> = b.chunks(130).flat_map(|row| &row[..columns]).copied().collect();
                let mut c = vec![T::nan(); m * columns];
                let (a, part) = (Mat::new(&a, m, k), Mat::new(&part, k, columns));
                product(&mut c, a, part, Accum::Replace, Tile { rows: 512, cols: 512 }, |_, _, _| ());
                c
            };
            let all = of_columns(130);
            for columns in [1, 2, 3, 7, 8, 15, 16, 17, 33, 63, 64, 65, 129] {
                let expected: Vec<T> = all.chunks(130).flat_map(|row| &row[..columns]).copied().collect();
                assert!(of_columns(columns) == expected, "{m}×{k}, {columns} columns, {}", T::NAME);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn finish_is_told_where_its_part_lies() {
    let (a, b) = (vec![1.0f32; 1000 * 700], vec![1.0f32; 700 * 100]);
    let mut c = vec![0.0f32; 1000 * 100];
    let (a, b) = (Mat::new(&a, 1000, 700), Mat::new(&b, 700, 100));
    product(&mut c, a, b, Accum::Replace, Tile { rows: 300, cols: 40 }, |i, j, part| {
        for (k, c) in part.iter_mut().enumerate() {
            assert_eq!(*c, 700.0);
            *c = (100 * i + j + k) as f32;
        }
    });
    assert!(c.iter().enumerate().all(|(i, &c)| c == i as f32));
}

#[test]
fn transpose_moves_every_element() {
    for (samples, rows) in [(1, 1), (3, 50), (64, 1000), (5, 16), (129, 131)] {
        let from: Vec<f64> = (0..samples * rows).map(|i| i as f64).collect();
        let mut to = vec![0.0; samples * rows];
        transpose(&mut to, &from, rows, |i, row| row.iter_mut().for_each(|x| *x += 0.5 * i as f64));
        for (i, row) in to.chunks(samples).enumerate() {
            assert!(row.iter().enumerate().all(|(j, &x)| x == (j * rows + i) as f64 + 0.5 * i as f64));
        }
    }
}
