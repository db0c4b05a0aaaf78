//! Numbers on a grid as colours.
//!
//! A cell is a rectangle, but cells of one colour in a row are drawn as one, and all of one colour are one path: a field
//! of 64×64 sites takes about 60 kB.

use super::{
    axis::{Axis, Tick},
    chart::Scale,
    colour::Map,
    histogram::sorted,
    number::{power_of_ten, significant},
    svg::{Anchor, Px, heading, image, text},
};
use ndarray::Array2;
use std::f64::consts::TAU;
use std::fmt::Write;

/// Numbers as colours, with a scale beside them.
#[derive(Clone, Debug)]
pub struct Heatmap {
    /// The title; also read out by screen readers.
    pub title: String,
    /// Name of the horizontal axis.
    pub x_label: String,
    /// Name of the vertical axis.
    pub y_label: String,
    /// The numbers, shape `[rows, columns]`. What is not finite stays empty.
    pub values: Array2<f64>,
    /// How numbers become colours.
    pub shades: Shades,
    /// The meaning of rows and columns.
    pub extent: Extent,
}

/// How numbers become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shades {
    /// Dark to light, from the least to the largest number.
    Auto,
    /// Dark to light, from the first to the second number.
    Between(f64, f64),
    /// Angles, 0 to 2π; others are wrapped into that.
    Cyclic,
    /// Blue for negative, white for zero, orange for positive numbers.
    Symmetric,
}

/// The meaning of rows and columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extent {
    /// Indices from 0; row 0 is at the top.
    Sites,
    /// Bins of equal width, row 0 at the bottom.
    Bins {
        /// From the lower end of column 0 to the upper end of the last.
        x: (f64, f64),
        /// From the lower end of row 0 to the upper end of the last.
        y: (f64, f64),
    },
}

/// Colours that are told apart.
const LEVELS: usize = 64;

/// The longer side of the grid.
const SIDE: f64 = 200.0;

/// On screens edges lie between pixels. In print they can't, and what lies below shines through: nothing much lighter
/// should.
const CRISP: &str = "shape-rendering=\"crispEdges\"";

const LEFT: f64 = 52.0;
const TOP: f64 = 26.0;

impl Heatmap {
    /// The map as an `<svg>` element.
    ///
    /// # Panics
    /// If there are no cells, or a range of [`Shades::Between`] or [`Extent::Bins`] is not finite.
    #[track_caller]
    pub fn svg(&self) -> String {
        let (rows, columns) = self.values.dim();
        assert!(rows > 0 && columns > 0, "a heat map of {rows} rows and {columns} columns");
        let ends = [self.ends(), self.spans().0, self.spans().1];
        assert!(
            ends.iter().all(|ends| ends.0.is_finite() && ends.1.is_finite()),
            "{:?}, {:?}",
            self.shades,
            self.extent
        );
        let (width, height) = match self.extent {
            Extent::Sites => {
                let cell = SIDE / rows.max(columns) as f64;
                (cell * columns as f64, cell * rows as f64)
            }
            Extent::Bins { .. } => (SIDE, SIDE),
        };
        let body = [
            heading(&self.title),
            self.cells(width, height),
            self.axes(width, height),
            self.bar(LEFT + width + 14.0, height),
        ];
        image(LEFT + SIDE + 80.0, TOP + height.max(60.0) + 38.0, &self.title, &body.concat())
    }

    /// The numbers of the first and the last colour.
    fn ends(&self) -> (f64, f64) {
        match self.shades {
            Shades::Between(from, to) => (from, to),
            Shades::Cyclic => (0.0, TAU),
            Shades::Auto => {
                let sorted = sorted(self.values.iter().copied());
                sorted.first().map_or((0.0, 1.0), |&least| (least, sorted[sorted.len() - 1]))
            }
            Shades::Symmetric => {
                let largest = sorted(self.values.iter().map(|value| value.abs())).last().copied();
                largest.filter(|&largest| largest > 0.0).map_or((-1.0, 1.0), |largest| (-largest, largest))
            }
        }
    }

    /// The colour of a number on a scale that ends there, below [`LEVELS`]; None if it isn't finite.
    fn level(&self, value: f64, (from, to): (f64, f64)) -> Option<usize> {
        let share = match self.shades {
            Shades::Cyclic => value.rem_euclid(TAU) / TAU,
            _ if from < to => (value / 2.0 - from / 2.0) / (to / 2.0 - from / 2.0),
            _ => 0.5,
        };
        value.is_finite().then(|| ((share * LEVELS as f64) as usize).min(LEVELS - 1))
    }

    fn cells(&self, width: f64, height: f64) -> String {
        let (rows, columns) = self.values.dim();
        let mut svg = format!(
            "<svg x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {columns} {rows}\" \
             preserveAspectRatio=\"none\" {CRISP}>\n",
            Px(width),
            Px(height)
        );
        let map = self.shades.map();
        let paths = self.paths();
        if self.values.iter().all(|value| value.is_finite()) {
            let commonest = (0..LEVELS).max_by_key(|&level| paths[level].len()).unwrap_or(0);
            let _ =
                writeln!(svg, "<rect width=\"{columns}\" height=\"{rows}\" fill=\"{}\"/>", map.at(middle(commonest)));
        }
        for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let _ = writeln!(svg, "<path fill=\"{}\" d=\"{path}\"/>", map.at(middle(level)));
        }
        svg + "</svg>\n"
    }

    /// For each colour the runs of cells that have it.
    fn paths(&self) -> Vec<String> {
        let ends = self.ends();
        let mut paths = vec![String::new(); LEVELS];
        let rows = self.values.nrows();
        for (row, values) in self.values.outer_iter().enumerate() {
            let y = if self.extent == Extent::Sites { row } else { rows - 1 - row };
            let levels: Vec<_> = values.iter().map(|&value| self.level(value, ends)).collect();
            let mut x = 0;
            for run in levels.chunk_by(|a, b| a == b) {
                if let Some(level) = run[0] {
                    let _ = write!(paths[level], "M{x} {y}h{0}v1h-{0}z", run.len());
                }
                x += run.len();
            }
        }
        paths
    }

    /// The ranges of the axes, horizontal and vertical.
    fn spans(&self) -> ((f64, f64), (f64, f64)) {
        let (rows, columns) = self.values.dim();
        match self.extent {
            Extent::Bins { x, y } => (x, y),
            Extent::Sites => ((-0.5, columns as f64 - 0.5), (-0.5, rows as f64 - 0.5)),
        }
    }

    fn axes(&self, width: f64, height: f64) -> String {
        let (x, y) = self.spans();
        let [x, y] = [(x, width), (y, height)]
            .map(|((from, to), length)| Axis::new(Scale::Linear, from, to, ((length / 45.0) as usize).clamp(2, 5)));
        // Between sites there is nothing to name.
        let named = |value: f64| self.extent != Extent::Sites || value.fract() == 0.0;
        let (mut marks, mut svg) = (String::new(), String::new());
        for tick in x.ticks.iter().filter(|tick| named(tick.value)) {
            let at = LEFT + x.position(tick.value) * width;
            let _ = write!(marks, "M{} {}v4", Px(at), Px(TOP + height));
            svg += &text(at, TOP + height + 15.0, Anchor::Middle, tick.label.as_deref().unwrap_or_default(), "");
        }
        for tick in y.ticks.iter().filter(|tick| named(tick.value)) {
            let share =
                if self.extent == Extent::Sites { y.position(tick.value) } else { 1.0 - y.position(tick.value) };
            let at = TOP + share * height;
            let _ = write!(marks, "M{LEFT} {}h-4", Px(at));
            svg += &text(LEFT - 7.0, at + 4.0, Anchor::End, tick.label.as_deref().unwrap_or_default(), "");
        }
        let _ = write!(marks, "M{LEFT} {TOP}h{}v{}h-{0}z", Px(width), Px(height));
        let middle = TOP + height / 2.0;
        svg += &format!("<path d=\"{marks}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".6\"/>\n");
        svg += &text(LEFT + width / 2.0, TOP + height + 31.0, Anchor::Middle, &self.x_label, "");
        svg + &text(
            12.0,
            middle,
            Anchor::Middle,
            &self.y_label,
            &format!(" transform=\"rotate(-90 12 {})\"", Px(middle)),
        )
    }

    /// The colours from bottom to top with some of their numbers.
    fn bar(&self, x: f64, height: f64) -> String {
        let height = height.max(60.0);
        let map = self.shades.map();
        let mut svg = format!(
            "<svg x=\"{}\" y=\"{TOP}\" width=\"12\" height=\"{}\" viewBox=\"0 0 1 {LEVELS}\" preserveAspectRatio=\"none\" \
             {CRISP}>\n",
            Px(x),
            Px(height)
        );
        // Each down to the bottom, the lower ones over the higher.
        for level in (0..LEVELS).rev() {
            let top = LEVELS - 1 - level;
            let _ = write!(svg, "<path fill=\"{}\" d=\"M0 {top}h1V{LEVELS}h-1z\"/>", map.at(middle(level)));
        }
        svg += "</svg>\n";
        let (labels, exponent) = self.shades.labels(self.ends());
        for (share, label) in labels {
            svg += &text(x + 17.0, TOP + (1.0 - share) * height + 4.0, Anchor::Start, &label, "");
        }
        let power = if exponent == 0 { String::new() } else { format!("×{}", power_of_ten(exponent)) };
        svg + &text(x, TOP - 6.0, Anchor::Start, &power, "")
    }
}

/// Where on the map the colour `level` is taken.
fn middle(level: usize) -> f64 {
    (level as f64 + 0.5) / LEVELS as f64
}

impl Shades {
    fn map(self) -> Map {
        match self {
            Self::Auto | Self::Between(..) => Map::Sequential,
            Self::Cyclic => Map::Cyclic,
            Self::Symmetric => Map::Diverging,
        }
    }

    /// Places on the scale, 0 at its lower end, with their labels, and the power of ten that these lack.
    fn labels(self, (from, to): (f64, f64)) -> (Vec<(f64, String)>, i32) {
        if self == Self::Cyclic {
            return ([(0.0, "0"), (0.5, "π"), (1.0, "2π")].map(|(share, label)| (share, label.into())).into(), 0);
        }
        if from >= to {
            return (vec![(0.5, significant(from, 3))], 0);
        }
        let axis = Axis::new(Scale::Linear, from, to, 4);
        let label = |tick: &Tick| (axis.position(tick.value), tick.label.clone().unwrap_or_default());
        (axis.ticks.iter().map(label).collect(), axis.exponent)
    }
}
