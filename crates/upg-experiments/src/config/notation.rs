//! How a configuration is written.

use ron::extensions::Extensions;

/// RON as used here: `RealNvp(lattice: …)` without a second pair of parentheses, `clamp: 2.0` without `Some(…)`.
pub(crate) fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME)
}
