//! How a configuration is written.

use ron::extensions::Extensions;

/// RON as used here: `RealNvp(lattice: …)` without a second pair of parentheses, `clamp: 2.0` without `Some(…)`.
pub(crate) fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::UNWRAP_VARIANT_NEWTYPES | Extensions::IMPLICIT_SOME)
}

/// A value in one line, as it is written by hand.
pub(crate) fn plain_text(value: &impl serde::Serialize) -> String {
    let pretty = ron::ser::PrettyConfig::new().depth_limit(0).extensions(Extensions::empty());
    options().to_string_pretty(value, pretty).expect("a description has a text")
}
