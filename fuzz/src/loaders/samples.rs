//! Samples, of the shapes of the golden cases.

use crate::{check, golden};
use std::fs;
use upg_experiments::io::samples::decode_samples;

pub fn load(bytes: &[u8]) {
    for shape in [&[6][..], &[4, 4], &[2, 4, 4], &[2, 8, 4]] {
        if let Some(samples) = check(decode_samples::<f32>(bytes, shape)) {
            assert_eq!(samples.values.ncols(), shape.iter().product::<usize>());
            assert!(samples.values.iter().all(|x| x.is_finite()));
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let files = golden().into_iter().flat_map(|case| ["z.npy", "x_data.npy"].map(|file| case.join(file)));
    files.filter_map(|file| fs::read(file).ok()).collect()
}
