//! A chart as data: curves, their styles, and the axes they want.

use super::histogram::{quantile, sorted};

/// Curves over common axes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The title; also read out by screen readers.
    pub title: String,
    /// Name of the horizontal axis.
    pub x_label: String,
    /// Name of the vertical axis.
    pub y_label: String,
    /// Horizontal scale.
    pub x_scale: Scale,
    /// Vertical scale.
    pub y_scale: Scale,
    /// The part of the vertical axis that is shown.
    pub y_range: Range,
    /// The curves, drawn in this order.
    pub series: Vec<Series>,
    /// Dashed lines, at these heights, to compare with; they don't widen the axes.
    pub levels: Vec<f64>,
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in the legend; without one it isn't listed.
    pub name: String,
    /// (x, y). What is not finite, or not positive on a logarithmic axis, is left out, and a line breaks there.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper end of an error band, one for each point.
    pub band: Option<Vec<(f64, f64)>>,
    /// How it is drawn.
    pub style: Style,
    /// Its colour.
    pub colour: Colour,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Straight lines between the points.
    Line,
    /// Dots.
    Points,
    /// The y of a point holds up to the x of the next point.
    Steps,
    /// The y of a point is the height of a bar up to the x of the next point.
    Bars,
}

/// The colour of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One of eight colours, from 0; past them the colours repeat with dashed lines.
    Palette(usize),
    /// That of the text: for data to compare with.
    Neutral,
}

/// Scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal distances are equal differences.
    Linear,
    /// Equal distances are equal ratios.
    Log,
}

/// The part of an axis that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Everything.
    Auto,
    /// Everything, and zero.
    FromZero,
    /// All but outliers, see [`robust_range`](super::robust_range); a note in the chart says how far they go.
    Robust,
    /// From the first to the second number.
    Fixed(f64, f64),
}

impl Chart {
    /// An empty chart with linear axes that show everything.
    pub fn new(title: &str, x_label: &str, y_label: &str) -> Self {
        Self {
            title: title.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            y_range: Range::Auto,
            series: vec![],
            levels: vec![],
        }
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.series.iter().all(|series| !series.points.iter().any(|&point| self.drawable(point)))
    }

    /// Whether both coordinates have a place on the axes. The foot of steps and bars is below any logarithmic axis.
    pub(super) fn drawable(&self, (x, y): (f64, f64)) -> bool {
        self.x_scale.has(x) && self.y_scale.has(y)
    }
}

impl Scale {
    /// Whether `value` has a place on the scale.
    pub(super) fn has(self, value: f64) -> bool {
        value.is_finite() && (self == Self::Linear || value > 0.0)
    }
}

impl Series {
    /// A curve without a band.
    pub fn new(name: &str, colour: Colour, style: Style, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, band: None, style, colour }
    }

    /// A noisy curve made readable: of each of `pieces` runs of consecutive points the median, in a band from the 16 %
    /// to the 84 % quantile. A curve of few points stays as it is.
    ///
    /// # Panics
    /// If `pieces` is 0.
    #[track_caller]
    pub fn trend(name: &str, colour: Colour, points: Vec<(f64, f64)>, pieces: usize) -> Self {
        assert!(pieces > 0, "{} points in 0 pieces", points.len());
        if points.len() < 3 * pieces {
            return Self::new(name, colour, Style::Line, points);
        }
        let piece = |points: &[(f64, f64)]| {
            let x = points.iter().map(|point| point.0).sum::<f64>() / points.len() as f64;
            let y = sorted(points.iter().map(|point| point.1));
            let at = |share| quantile(&y, share).unwrap_or(f64::NAN);
            ((x, at(0.5)), (at(0.16), at(0.84)))
        };
        let (points, band): (_, Vec<_>) = points.chunks(points.len().div_ceil(pieces)).map(piece).unzip();
        Self { band: Some(band), ..Self::new(name, colour, Style::Line, points) }
    }
}
