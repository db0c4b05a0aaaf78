//! Safetensors files with a checksum, and what no such file may hold.

use super::WeightsProblem;
use crate::text::one_line;
use safetensors::SafeTensors;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// Name of the tensor that holds the checksum of the whole file.
pub(super) const CHECKSUM: &str = "state.checksum";

/// The tensors in the bytes of a file, whose checksum is compared if it carries one.
pub(crate) fn open(bytes: &[u8]) -> Result<SafeTensors<'_>, WeightsProblem> {
    let (file, place) = open_unchecked(bytes)?;
    match place {
        Some(place) if bytes[place.clone()] != checksum(bytes, place.clone()) => Err(WeightsProblem::Altered),
        _ => Ok(file),
    }
}

/// As [`open`], for files that are never written without a checksum: where it is missing, its name may be what is damaged.
pub(crate) fn open_sealed(bytes: &[u8]) -> Result<SafeTensors<'_>, WeightsProblem> {
    let file = open(bytes)?;
    file.tensor(CHECKSUM).map_err(|_| WeightsProblem::NoChecksum)?;
    Ok(file)
}

/// The tensors, and where the checksum stands among the bytes, if there is one.
fn open_unchecked(bytes: &[u8]) -> Result<(SafeTensors<'_>, Option<Range<usize>>), WeightsProblem> {
    let wrong = |problem: &str| WeightsProblem::NotSafetensors(one_line(problem, 300));
    let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(&e.to_string()))?;
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| wrong(&e.to_string()))?;
    let data = size_of::<u64>() + header;
    if let Some(name) = first_duplicate(&bytes[size_of::<u64>()..data]) {
        return Err(wrong(&format!("{name} stands twice in it")));
    }
    let place = metadata.info(CHECKSUM).map(|info| data + info.data_offsets.0..data + info.data_offsets.1);
    Ok((file, place))
}

/// The first name that stands twice in the header, of which a map would keep the last.
fn first_duplicate(header: &[u8]) -> Option<String> {
    let Names(names) = serde_json::from_slice(header).ok()?;
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(name.clone()))
}

/// The names of an object's fields, all of them.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Names, A::Error> {
                let mut names = vec![];
                while let Some((name, IgnoredAny)) = fields.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// XXH3-128 of all bytes but those at `place`, little-endian.
fn checksum(bytes: &[u8], place: Range<usize>) -> [u8; 16] {
    let mut hash = Xxh3::new();
    hash.update(&bytes[..place.start]);
    hash.update(&bytes[place.end..]);
    hash.digest128().to_le_bytes()
}

/// Gives the bytes of a file the checksum that fits them, if they are a safetensors file with a place for one.
///
/// For tests that alter a file and want to know what is behind the checksum.
pub fn seal(bytes: &mut [u8]) {
    if let Some(place) = open_unchecked(bytes).ok().and_then(|(_, place)| place) {
        let sum = checksum(bytes, place.clone());
        bytes[place].copy_from_slice(&sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::{Dtype, tensor::TensorView};

    fn file(tensors: &[(&str, &[u8])]) -> Vec<u8> {
        let view = |bytes| TensorView::new(Dtype::U8, vec![<[u8]>::len(bytes)], bytes).unwrap();
        safetensors::serialize(tensors.iter().map(|&(name, bytes)| (name, view(bytes))), None).unwrap()
    }

    fn problem(bytes: &[u8]) -> String {
        open(bytes).map(|_| ()).unwrap_err().to_string()
    }

    /// Two tensors of one name and one place, as a map would have it.
    #[test]
    fn a_name_that_stands_twice_is_refused() {
        let mut bytes = file(&[("a", b"xy"), ("b", b"xy")]);
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        open(&bytes).unwrap();
        let text = String::from_utf8(bytes[8..8 + header].to_vec()).unwrap();
        let once = text.trim_end().replace(r#""b":"#, r#""a":"#).replace("[2,4]", "[0,2]");
        let twice = format!("{once:header$}");
        assert_eq!((twice.len(), once.matches(r#""a":"#).count()), (header, 2), "{twice}");
        bytes[8..8 + header].copy_from_slice(twice.as_bytes());
        bytes.truncate(8 + header + 2);
        assert_eq!(problem(&bytes), "not a complete safetensors file: a stands twice in it");
    }

    #[test]
    fn a_checksum_of_another_size_is_none() {
        for size in [0, 8, 17] {
            let bytes = file(&[("a", b"xy"), (CHECKSUM, &[7; 20][..size])]);
            assert!(matches!(open(&bytes), Err(WeightsProblem::Altered)), "{size}");
            assert!(matches!(open_sealed(&bytes), Err(WeightsProblem::Altered)), "{size}");
        }
        let mut bytes = file(&[("a", b"xy"), (CHECKSUM, &[7; 16])]);
        seal(&mut bytes);
        open_sealed(&bytes).unwrap();
        assert!(matches!(open_sealed(&file(&[("a", b"xy")])), Err(WeightsProblem::NoChecksum)));
    }
}
