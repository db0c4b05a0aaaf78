//! `metrics.jsonl` as a run that goes on takes it apart: what is kept are lines of the file.

use upg_experiments::io::metrics::lines_up_to;

pub fn load(bytes: &[u8]) {
    let kept = lines_up_to(bytes, 6).kept;
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    for line in kept.split_inclusive(|&byte| byte == b'\n') {
        assert!(lines.any(|other| other == line), "{}", line.escape_ascii());
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let all = include_bytes!("../../seeds/metrics.jsonl");
    let lines: Vec<_> = all.split_inclusive(|&byte| byte == b'\n').collect();
    vec![all.to_vec(), lines[0].to_vec(), lines[..2].concat()]
}
