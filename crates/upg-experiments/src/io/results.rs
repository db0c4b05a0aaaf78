//! Results as JSON objects that know whether they were altered, and checksums of the files beside them.

use super::run_dir::RunError;
use serde_json::Value;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

/// The field with the checksum.
const FIELD: &str = "checksum";
/// The place of a checksum until it is known.
const NONE: &str = "00000000000000000000000000000000";

/// The text of an object with its own checksum in it: that of the text with zeros in its place.
///
/// # Panics
/// If it isn't an object.
pub fn seal(mut object: Value) -> String {
    object[FIELD] = Value::String(NONE.into());
    let text = serde_json::to_string_pretty(&object).expect("names and numbers");
    let sum = checksum(text.as_bytes());
    text.replacen(&entry(NONE), &entry(&sum), 1)
}

/// Reads an object; one without a checksum is taken as it is.
///
/// # Errors
/// [`RunError::Altered`] if it isn't JSON, or has the checksum of another text.
pub fn open(path: &Path, text: &str) -> Result<Value, RunError> {
    let altered = |problem: String| RunError::Altered { path: path.to_owned(), problem };
    let object: Value = serde_json::from_str(text).map_err(|e| altered(format!("not JSON: {e}")))?;
    match object.get(FIELD).and_then(Value::as_str) {
        Some(sum) if checksum(text.replacen(&entry(sum), &entry(NONE), 1).as_bytes()) != sum => {
            Err(altered("the checksum is that of other content".into()))
        }
        _ => Ok(object),
    }
}

/// The field as it stands in a text.
fn entry(sum: &str) -> String {
    format!("\"{FIELD}\": \"{sum}\"")
}

/// XXH3, 128 bits in hexadecimal.
pub fn checksum(content: &[u8]) -> String {
    format!("{:032x}", xxh3_128(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_noticed() {
        let text = seal(serde_json::json!({"value": 2.5, "names": ["a", "b"], "none": null}));
        let path = Path::new("summary.json");
        assert_eq!(open(path, &text).unwrap()["value"], 2.5);
        for (at, byte) in text.bytes().enumerate() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if byte == b'1' { b'2' } else { b'1' };
            let altered = String::from_utf8(altered).unwrap();
            let noticed = open(path, &altered).is_err();
            assert!(noticed || !altered.contains("\"checksum\""), "byte {at}");
        }
        assert_eq!(open(path, "{}").unwrap(), serde_json::json!({}));
    }
}
