//! Where a chart's axes begin and end, and where they lie on the image.

use super::{
    axis::Axis,
    chart::{Chart, Range, Scale, Series, Style},
    histogram::{sorted, without_outliers},
};

/// Size of the image.
pub(super) const WIDTH: f64 = 420.0;
pub(super) const HEIGHT: f64 = 280.0;

/// Room right of the axes, for the last label, and below them.
const RIGHT: f64 = 20.0;
const BELOW: f64 = 40.0;

/// The rectangle between the axes.
pub(super) struct Frame {
    pub x: Axis,
    pub y: Axis,
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    /// How far the values go below and above what is shown, if they do.
    pub beyond: (Option<f64>, Option<f64>),
}

impl Frame {
    /// Lays out `chart` below `top`.
    pub fn of(chart: &Chart, top: f64) -> Self {
        let height = HEIGHT - BELOW - top;
        let values = heights(chart);
        let (from, to) = shown(chart, &values);
        let y = Axis::new(chart.y_scale, from, to, ((height / 30.0) as usize).max(2));
        let left = 30.0 + y.widest();
        let width = WIDTH - left - RIGHT;
        let (first, last) = extent(chart);
        // As many labels as have room.
        let with = |wanted| Axis::new(chart.x_scale, first, last, wanted);
        let fits = |axis: &Axis| {
            (axis.widest() + 12.0) * axis.ticks.iter().filter(|t| t.label.is_some()).count() as f64 <= width
        };
        let x = (3..7).rev().map(with).find(fits).unwrap_or_else(|| with(2));
        let (least, most) = (values.first().copied(), values.last().copied());
        let beyond = (least.filter(|&least| least < from), most.filter(|&most| most > to));
        Self { x, y, left, top, width, height, beyond }
    }

    /// Horizontal coordinate within the frame.
    pub fn x(&self, value: f64) -> f64 {
        self.x.position(value) * self.width
    }

    /// Vertical coordinate within the frame, downwards.
    pub fn y(&self, value: f64) -> f64 {
        (1.0 - self.y.position(value)) * self.height
    }

    /// Where bars stand.
    pub fn foot(&self) -> f64 {
        self.y(0.0).clamp(0.0, self.height)
    }
}

/// The values that the vertical axis is for, sorted.
fn heights(chart: &Chart) -> Vec<f64> {
    let points = chart.series.iter().flat_map(|series| {
        let drawn = series.points.iter().filter(|point| chart.x_scale.has(point.0)).map(|point| point.1);
        drawn.chain(series.band.iter().flatten().flat_map(|&(low, high)| [low, high]))
    });
    sorted(points.filter(|&value| chart.y_scale.has(value)))
}

/// The range of the vertical axis.
fn shown(chart: &Chart, values: &[f64]) -> (f64, f64) {
    let stands = |series: &Series| matches!(series.style, Style::Bars | Style::Steps);
    let (least, most) = match values {
        [] => return if chart.y_scale == Scale::Log { (0.1, 10.0) } else { (0.0, 1.0) },
        [least, .., most] => (*least, *most),
        [only] => (*only, *only),
    };
    match chart.y_range {
        Range::Fixed(from, to) => (from, to),
        _ if chart.y_scale == Scale::Log => {
            let room = (most / least).powf(0.05).max(if chart.series.iter().any(stands) { 1.6 } else { 1.0 });
            (least / room, most * room)
        }
        Range::FromZero => with_room(least.min(0.0), most.max(0.0), 0.0),
        Range::Robust => {
            let (low, high) = without_outliers(values, 0.05).unwrap_or((least, most));
            with_room(low, high, f64::NAN)
        }
        Range::Auto => with_room(least, most, if chart.series.iter().any(stands) { 0.0 } else { f64::NAN }),
    }
}

/// 5 % more to either side, but no room beyond `wall`.
fn with_room(from: f64, to: f64, wall: f64) -> (f64, f64) {
    let room = 0.05 * (to - from);
    (if from == wall { from } else { from - room }, if to == wall { to } else { to + room })
}

/// The range of the horizontal axis: the points, and zero if they begin near it.
fn extent(chart: &Chart) -> (f64, f64) {
    let points = chart.series.iter().flat_map(|series| series.points.iter().map(|point| point.0));
    match sorted(points.filter(|&x| chart.x_scale.has(x)))[..] {
        [] => (1.0, 2.0),
        [first, .., last] if chart.x_scale == Scale::Linear && first > 0.0 && first < 0.25 * last => (0.0, last),
        [first, .., last] => (first, last),
        [only] => (only, only),
    }
}
