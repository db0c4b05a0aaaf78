//! Samples, of the shapes of the golden cases.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upg_experiments::io::samples::decode_samples;
use upg_fuzz::check;

fuzz_target!(|bytes: &[u8]| {
    for shape in [&[6][..], &[4, 4], &[2, 4, 4], &[2, 8, 4]] {
        if let Some(samples) = check(decode_samples::<f32>(bytes, shape)) {
            assert_eq!(samples.values.ncols(), shape.iter().product::<usize>());
            assert!(samples.values.iter().all(|x| x.is_finite()));
        }
    }
});
