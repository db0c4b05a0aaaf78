//! Whole numbers in the text of a description: what is accepted, and what is said about others.
//!
//! For `#[serde(deserialize_with = …)]`. Asked for *any* value, a reader of RON says what it found, e.g. a float or a negative number.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// The largest count or number of sites a text may ask for; what is larger is a slip of the pen.
pub const LARGEST: usize = 1_000_000;

/// The most extents of a lattice: with more of them above 1 it would have too many sites.
pub const MOST_EXTENTS: usize = 20;

/// A whole number, at most [`LARGEST`].
struct Whole(usize);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl de::Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number up to {LARGEST}")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Whole, E> {
        match usize::try_from(value) {
            Ok(value) if value <= LARGEST => Ok(Whole(value)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)),
        }
    }
}

/// One whole number.
///
/// # Errors
/// If it is another value, or larger than [`LARGEST`].
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    Ok(Whole::deserialize(deserializer)?.0)
}

/// A list of whole numbers.
///
/// # Errors
/// If one of them is another value, or larger than [`LARGEST`].
pub fn wholes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    Ok(Vec::<Whole>::deserialize(deserializer)?.into_iter().map(|Whole(value)| value).collect())
}

/// A list of whole numbers, or none.
///
/// # Errors
/// As [`wholes`].
pub fn optional_wholes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<usize>>, D::Error> {
    let list = Option::<Vec<Whole>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.into_iter().map(|Whole(value)| value).collect()))
}

/// The extents of a lattice; their product can be formed.
///
/// # Errors
/// If it is something else, or has more than [`LARGEST`] sites or [`MOST_EXTENTS`] extents.
pub fn extents<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    let lattice = wholes(deserializer)?;
    match lattice.iter().try_fold(1_usize, |sites, &extent| sites.checked_mul(extent)) {
        Some(sites) if sites <= LARGEST && lattice.len() <= MOST_EXTENTS => Ok(lattice),
        _ => {
            let accepted = format_args!("Expected a lattice of at most {LARGEST} sites and {MOST_EXTENTS} extents");
            Err(de::Error::custom(accepted))
        }
    }
}
