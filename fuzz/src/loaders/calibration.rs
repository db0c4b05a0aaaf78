//! The lines of `evaluations.jsonl`, and the tables and the page that are made of them.

use crate::check;
use upg_experiments::commands::calibrate::tables_of;

pub fn load(bytes: &[u8]) {
    if let Some((text, page)) = check(tables_of(bytes)) {
        assert!(page.ends_with("</html>\n") && (text.is_empty() || text.ends_with('\n')));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let all = include_bytes!("../../seeds/evaluations.jsonl");
    let lines: Vec<_> = all.split_inclusive(|&byte| byte == b'\n').collect();
    vec![all.to_vec(), lines[..3].concat(), lines[..2].concat()]
}
