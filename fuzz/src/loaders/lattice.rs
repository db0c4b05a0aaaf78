//! Extents of a lattice as `upg flows` takes them.

use super::texts;
use crate::check;
use upg_experiments::commands::flows::Lattice;
use upg_experiments::config::catalogue::FLOWS;

pub fn load(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(Lattice(extents)) = check(text.parse::<Lattice>()) else { return };
    assert!(!extents.is_empty() && !extents.contains(&0));
    if extents.iter().product::<usize>() <= 16 {
        for entry in FLOWS {
            check(entry.flow(&extents));
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    texts(["16,8", "4", "2, 2,2", "1000000", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"])
}
