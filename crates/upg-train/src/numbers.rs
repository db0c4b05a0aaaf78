//! Whole numbers in plans: which are accepted, and what is said about the others.
//!
//! Asked for *any* value, a format says what it found, e.g. a float or a negative number.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// A whole number from a file, at most `MOST`.
struct Count<const MOST: u64>(u64);

impl<'de, const MOST: u64> Deserialize<'de> for Count<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor::<MOST>)
    }
}

struct CountVisitor<const MOST: u64>;

impl<const MOST: u64> de::Visitor<'_> for CountVisitor<MOST> {
    type Value = Count<MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number up to {MOST}")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Count<MOST>, E> {
        if value <= MOST { Ok(Count(value)) } else { Err(E::invalid_value(de::Unexpected::Unsigned(value), &self)) }
    }

    /// 1e4, say.
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Count<MOST>, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0; // beyond 2⁵³ not every whole number is a float
        match value {
            0.0..=EXACT if value.fract() == 0.0 => self.visit_u64(value as u64),
            _ => Err(E::invalid_type(de::Unexpected::Float(value), &self)),
        }
    }
}

/// The largest number of steps a file may ask for.
const STEPS: u64 = 1_000_000_000_000;

/// The largest number of samples: each takes memory.
const SAMPLES: u64 = 1_000_000_000;

/// A number of steps, up to 10¹².
///
/// # Errors
/// Anything else.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(Count::<STEPS>::deserialize(deserializer)?.0)
}

/// A number of steps that may be left out.
///
/// # Errors
/// Anything else.
pub fn optional_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Count<STEPS>>::deserialize(deserializer)?.map(|Count(value)| value))
}

/// A seed.
///
/// # Errors
/// Anything but a whole number.
pub fn seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(Count::<{ u64::MAX }>::deserialize(deserializer)?.0)
}

/// A number of samples, up to 10⁹.
///
/// # Errors
/// Anything else.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let Count(value) = Count::<SAMPLES>::deserialize(deserializer)?;
    usize::try_from(value).map_err(|_| de::Error::custom("Expected a number that fits this machine"))
}
