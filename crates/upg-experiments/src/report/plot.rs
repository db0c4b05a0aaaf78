//! Small static charts: data in, SVG text out.
//!
//! | type | what it shows |
//! |---|---|
//! | [`Chart`] | lines with error bands, points, steps and bars over linear or logarithmic axes |
//! | [`Bars`] | counts of numbers in bins, to be shown by a [`Chart`] |
//! | [`Heatmap`] | a field or a two-dimensional histogram |
//!
//! The text is an `<svg>` element that stands in an HTML page as it is; [`standalone`] makes a file of it. Lines and
//! letters have the colour of the text around them, so a page may be light or dark. Series take the eight colours of
//! M. Okabe and K. Ito ("Color universal design", 2008), which people with colour-vision deficiencies can tell apart;
//! the classes `s0` … `s7` let a page adjust them. Lengths are those of the view box, one unit about one CSS pixel.

mod axis;
mod chart;
mod colour;
mod decimate;
mod draw;
mod frame;
mod heatmap;
mod histogram;
mod number;
mod svg;

pub use chart::{Chart, Colour, Range, Scale, Series, Style};
pub use heatmap::{Extent, Heatmap, Shades};
pub use histogram::{Bars, histogram, robust_range};
pub(crate) use number::{minus, not_finite, power_of_ten, significant};
pub use svg::{escape, standalone};

#[cfg(test)]
mod tests;
