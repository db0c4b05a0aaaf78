//! Arrays of numbers, such as the log-weights of an evaluation, and the page that shows them, whatever they are.

use crate::check;
use std::fs;
use upg_experiments::io::samples::decode_numbers;
use upg_experiments::report::page::{Run, render};

/// More are read and not shown: drawing them takes longer than all the rest.
const SHOWN: usize = 8;

pub fn load(bytes: &[u8]) {
    let Some(numbers) = check(decode_numbers(bytes)) else { return };
    if numbers.len() <= SHOWN {
        let run = Run { name: "run".into(), log_weights: Some(numbers), ..Run::default() };
        assert!(render(&[run]).ends_with("</html>\n"));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let header = |dtype: &str, len: usize| {
        let text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({len},), }}");
        let text = format!("{text:<117}\n");
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
    };
    let of = |numbers: &[f64]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        [header("<f8", numbers.len()), bytes].concat()
    };
    let many: Vec<f64> = (0..40).map(|i| f64::from(i).sin()).collect();
    let mut seeds = vec![of(&[0.5, -1.25, 3.0]), of(&[f64::NAN, f64::INFINITY, -1e300, 0.0]), of(&many)];
    seeds.extend(crate::golden().iter().filter_map(|case| fs::read(case.join("z.npy")).ok()));
    seeds
}
