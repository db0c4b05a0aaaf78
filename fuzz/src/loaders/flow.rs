//! Descriptions of flows, as the field `flow` of a configuration and as callers in other languages have them.

use super::texts;
use crate::{check, is_small};
use upg_experiments::commands::tensors::{described, shapes};
use upg_experiments::config::catalogue::FLOWS;

pub fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(flow) = check(described(text)) else { return };
    if is_small(&flow) {
        check(shapes(&flow));
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(FLOWS.iter().map(|entry| entry.written(&[4, 4])))
}
