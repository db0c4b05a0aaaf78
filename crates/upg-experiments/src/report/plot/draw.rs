//! A chart as SVG: legend, axes, curves.

use super::{
    chart::{Chart, Colour, Range, Series, Style},
    colour,
    decimate::stretches,
    frame::{Frame, HEIGHT, WIDTH},
    number::{power_of_ten, significant},
    svg::{Anchor, Px, escape, heading, image, shortened, text, width_of},
};
use std::fmt::Write;

/// Points drawn of one series.
const POINTS: usize = 1000;

/// Letters of a name in the legend.
const NAME: usize = 36;

impl Chart {
    /// The chart as an `<svg>` element.
    ///
    /// # Panics
    /// If a band has another length than its points, or a fixed range is empty, not finite or, on a logarithmic axis,
    /// not positive.
    #[track_caller]
    pub fn svg(&self) -> String {
        for Series { name, points, band, .. } in &self.series {
            let ends = band.as_ref().map_or(points.len(), Vec::len);
            assert_eq!(ends, points.len(), "series {name:?} has {} points, its band has {ends}", points.len());
        }
        if let Range::Fixed(from, to) = self.y_range {
            let shown = from < to && from.is_finite() && to.is_finite() && self.y_scale.has(from);
            assert!(shown, "the range {from} to {to} can't be shown on a {:?} axis", self.y_scale);
        }
        drawn(self)
    }
}

fn drawn(chart: &Chart) -> String {
    let (legend, rows) = legend(&chart.series);
    let frame = Frame::of(chart, 26.0 + 15.0 * rows as f64);
    let Frame { left, top, width, height, .. } = frame;
    // An inner <svg> cuts what reaches beyond the frame, up to half the width of a line.
    let viewport = format!(
        "<svg x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" viewBox=\"-3 -3 {2} {3}\">\n",
        Px(left - 3.0),
        Px(top - 3.0),
        Px(width + 6.0),
        Px(height + 6.0)
    );
    let curves: String = chart.series.iter().map(|series| curve(chart, series, &frame)).collect();
    let body = [
        heading(&chart.title),
        legend,
        axes(chart, &frame),
        viewport,
        levels(chart, &frame),
        curves,
        "</svg>\n".into(),
        notes(&frame),
    ];
    image(WIDTH, HEIGHT, &chart.title, &body.concat())
}

/// The named series in rows below the title, and the number of rows.
fn legend(series: &[Series]) -> (String, usize) {
    let (mut svg, mut x, mut rows) = (String::new(), 2.0, 0);
    for series in series.iter().filter(|series| !series.name.is_empty()) {
        let name = shortened(&series.name, NAME);
        let width = 22.0 + width_of(&name);
        if rows == 0 || x + width > WIDTH {
            (x, rows) = (2.0, rows + 1);
        }
        let y = 14.0 + 15.0 * rows as f64;
        let _ = write!(svg, "<g{}>{}</g>", colours(series.colour), sample(series.style, x, y - 4.0));
        svg += &text(x + 22.0, y, Anchor::Start, &name, "");
        x += width + 14.0;
    }
    (svg, rows)
}

/// A small piece of a curve, 16 wide, around height `y`.
fn sample(style: Style, x: f64, y: f64) -> String {
    let (x, y) = (Px(x), Px(y));
    match style {
        Style::Line | Style::Steps => format!("<path d=\"M{x} {y}h16\" stroke=\"currentColor\" stroke-width=\"2.5\"/>"),
        Style::Points => dots(&format!("M{} {y}h0", Px(x.0 + 8.0))),
        Style::Bars => {
            format!("<path d=\"M{x} {}h16v8h-16z\" fill=\"currentColor\" fill-opacity=\".35\"/>", Px(y.0 - 4.0))
        }
    }
}

fn colours(colour: Colour) -> String {
    match colour {
        Colour::Palette(index) => colour::of_series(index),
        Colour::Neutral => " opacity=\".6\"".into(),
    }
}

/// The frame, ticks with labels, and the names of the axes.
fn axes(chart: &Chart, frame: &Frame) -> String {
    let Frame { left, top, width, height, .. } = *frame;
    let (bottom, right) = (top + height, left + width);
    let (mut grid, mut small, mut labels) = (String::new(), String::new(), String::new());
    for tick in &frame.x.ticks {
        let x = left + frame.x(tick.value);
        let _ = write!(small, "M{} {}v{}", Px(x), Px(bottom), if tick.label.is_some() { 4 } else { 2 });
        if let Some(label) = &tick.label {
            let _ = write!(grid, "M{} {}V{}", Px(x), Px(top), Px(bottom));
            labels += &text(x, bottom + 15.0, Anchor::Middle, label, "");
        }
    }
    for tick in &frame.y.ticks {
        let y = top + frame.y(tick.value);
        let _ = write!(small, "M{} {}h-{}", Px(left), Px(y), if tick.label.is_some() { 4 } else { 2 });
        if let Some(label) = &tick.label {
            let _ = write!(grid, "M{} {}H{}", Px(left), Px(y), Px(right));
            labels += &text(left - 7.0, y + 4.0, Anchor::End, label, "");
        }
    }
    let _ = write!(small, "M{} {}V{}H{}", Px(left), Px(top), Px(bottom), Px(right));
    let grid = format!("<path d=\"{grid}\" stroke=\"currentColor\" stroke-opacity=\".12\"/>\n");
    let small = format!("<path d=\"{small}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".6\"/>\n");
    [grid, small, labels, names(chart, frame)].concat()
}

/// The names of the axes, each with the power of ten that its labels lack.
fn names(chart: &Chart, frame: &Frame) -> String {
    let with_power = |name: &str, exponent: i32| match exponent {
        0 => name.to_owned(),
        exponent => format!("{name} / {}", power_of_ten(exponent)),
    };
    let (x, y) = (frame.left + frame.width / 2.0, frame.top + frame.height / 2.0);
    let turned = format!(" transform=\"rotate(-90 12 {})\"", Px(y));
    [
        text(x, HEIGHT - 6.0, Anchor::Middle, &with_power(&chart.x_label, frame.x.exponent), ""),
        text(12.0, y, Anchor::Middle, &with_power(&chart.y_label, frame.y.exponent), &turned),
    ]
    .concat()
}

/// How far the curves go beyond the frame.
fn notes(frame: &Frame) -> String {
    let right = frame.left + frame.width - 4.0;
    let note = |y, arrow, value: Option<f64>| {
        let told =
            |value| text(right, y, Anchor::End, &format!("{arrow} {}", significant(value, 2)), " opacity=\".7\"");
        value.map_or(String::new(), told)
    };
    note(frame.top + 11.0, "cut ↑ to", frame.beyond.1)
        + &note(frame.top + frame.height - 5.0, "cut ↓ to", frame.beyond.0)
}

fn levels(chart: &Chart, frame: &Frame) -> String {
    let level = |&value: &f64| format!("M0 {}H{}", Px(frame.y(value)), Px(frame.width));
    let lines: String = chart.levels.iter().filter(|&&value| chart.y_scale.has(value)).map(level).collect();
    if lines.is_empty() {
        return lines;
    }
    format!("<path d=\"{lines}\" stroke=\"currentColor\" stroke-opacity=\".7\" stroke-dasharray=\"6 4\"/>\n")
}

/// A series with its band; pointing at it tells its name.
fn curve(chart: &Chart, series: &Series, frame: &Frame) -> String {
    let stands = matches!(series.style, Style::Bars | Style::Steps);
    let drawable = |(x, y): (f64, f64)| chart.drawable((x, y)) || stands && chart.x_scale.has(x) && y.is_finite();
    let stretches = stretches(&series.points, drawable, POINTS);
    let mut body = String::new();
    if !series.name.is_empty() {
        let _ = write!(body, "<title>{}</title>", escape(&series.name));
    }
    for stretch in &stretches {
        body += &series.band.as_ref().map_or(String::new(), |band| shade(band, series, stretch, frame));
    }
    body += &match series.style {
        Style::Line => lines(series, &stretches, frame),
        Style::Steps => stroke(&stretches.iter().map(|stretch| steps(series, stretch, frame)).collect::<String>()),
        Style::Points => {
            dots(&stretches.concat().iter().map(|&i| at("M", series.points[i], frame) + "h0").collect::<String>())
        }
        Style::Bars => bars(series, &stretches, frame),
    };
    format!("<g{}>{body}</g>\n", colours(series.colour))
}

/// A command of a path that goes to a point.
fn at(command: &str, (x, y): (f64, f64), frame: &Frame) -> String {
    format!("{command}{} {}", Px(frame.x(x)), Px(frame.y(y)))
}

fn stroke(path: &str) -> String {
    format!("<path d=\"{path}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.6\" stroke-linejoin=\"round\"/>")
}

fn dots(path: &str) -> String {
    format!(
        "<path d=\"{path}\" stroke=\"currentColor\" stroke-width=\"5\" stroke-linecap=\"round\" stroke-dasharray=\"none\"/>"
    )
}

/// Straight lines; a point without neighbours is a dot.
fn lines(series: &Series, stretches: &[Vec<usize>], frame: &Frame) -> String {
    let (mut line, mut alone) = (String::new(), String::new());
    for stretch in stretches {
        line += &match stretch[..] {
            [only] => {
                alone += &(at("M", series.points[only], frame) + "h0");
                continue;
            }
            _ => stretch.iter().enumerate().map(|(k, &i)| at(if k == 0 { "M" } else { " " }, series.points[i], frame)),
        }
        .collect::<String>();
    }
    let part = |path: String, draw: fn(&str) -> String| if path.is_empty() { path } else { draw(&path) };
    part(line, stroke) + &part(alone, dots)
}

fn steps(series: &Series, stretch: &[usize], frame: &Frame) -> String {
    let step = |&i: &usize| format!("H{}V{}", Px(frame.x(series.points[i].0)), Px(frame.y(series.points[i].1)));
    at("M", series.points[stretch[0]], frame) + &stretch[1..].iter().map(step).collect::<String>()
}

/// One shape for all bars, so that neighbours have no seam.
fn bars(series: &Series, stretches: &[Vec<usize>], frame: &Frame) -> String {
    let outline = |stretch: &Vec<usize>| {
        let x = |i: usize| Px(frame.x(series.points[i].0));
        let foot = Px(frame.foot());
        let top = |pair: &[usize]| format!("H{}V{}H{}", x(pair[0]), Px(frame.y(series.points[pair[0]].1)), x(pair[1]));
        format!("M{} {foot}{}V{foot}z", x(stretch[0]), stretch.windows(2).map(top).collect::<String>())
    };
    let path: String = stretches.iter().map(outline).collect();
    format!("<path d=\"{path}\" fill=\"currentColor\" fill-opacity=\".35\"/>")
}

/// The band over a stretch: its upper ends, and back along its lower ends.
fn shade(band: &[(f64, f64)], series: &Series, stretch: &[usize], frame: &Frame) -> String {
    let there: Vec<usize> =
        stretch.iter().copied().filter(|&i| band[i].0.is_finite() && band[i].1.is_finite()).collect();
    let upper = there.iter().map(|&i| (series.points[i].0, band[i].1));
    let lower = there.iter().rev().map(|&i| (series.points[i].0, band[i].0));
    let path: String =
        upper.chain(lower).enumerate().map(|(k, point)| at(if k == 0 { "M" } else { " " }, point, frame)).collect();
    format!("<path d=\"{path}z\" fill=\"currentColor\" fill-opacity=\".18\" stroke=\"none\"/>")
}
