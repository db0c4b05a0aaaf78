//! Properties of every chart and map, whatever the data: read back by an XML parser.

use super::*;
use ndarray::Array2;
use roxmltree::Document;
use std::f64::consts::{PI, TAU};

const STYLES: [Style; 4] = [Style::Line, Style::Points, Style::Steps, Style::Bars];
const SCALES: [Scale; 2] = [Scale::Linear, Scale::Log];
const RANGES: [Range; 4] = [Range::Auto, Range::FromZero, Range::Robust, Range::Fixed(0.5, 2.0)];

/// The numbers of all paths; fails on what isn't a number.
fn numbers(svg: &str) -> Vec<f64> {
    let document = Document::parse(svg).unwrap_or_else(|e| panic!("{e}: {svg}"));
    let paths = document.descendants().filter_map(|node| node.attribute("d"));
    let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("{word:?} in {svg}"));
    let separators = |c: char| c == ' ' || (c.is_alphabetic() && c != 'N');
    paths.flat_map(|d| d.split(separators).filter(|word| !word.is_empty()).map(number).collect::<Vec<f64>>()).collect()
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    document.descendants().filter(|n| n.has_tag_name("text")).map(|n| n.text().unwrap_or_default().to_owned()).collect()
}

/// The path of the first curve, as pairs of coordinates.
fn curve(svg: &str) -> String {
    let document = Document::parse(svg).unwrap();
    let group = document
        .descendants()
        .find(|n| {
            n.attribute("class") == Some("s0")
                && n.parent_element().is_some_and(|p| p.has_attribute("viewBox") && p.has_attribute("x"))
        })
        .unwrap();
    group.children().find_map(|n| n.attribute("d")).unwrap().to_owned()
}

fn chart(series: Vec<Series>) -> Chart {
    Chart { series, ..Chart::new("a <title> & \"more\"\u{0}", "step", "loss") }
}

fn line(points: &[(f64, f64)]) -> Series {
    Series::new("run", Colour::Palette(0), Style::Line, points.to_vec())
}

#[test]
fn odd_data_gives_a_well_formed_image() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1e300, f64::MAX, f64::MIN_POSITIVE, 1e-9];
    let mut data: Vec<Vec<(f64, f64)>> = vec![vec![], vec![(1.0, 2.0)], vec![(f64::NAN, 1.0)], vec![(3.0, 1.0); 5]];
    data.push(odd.iter().flat_map(|&x| odd.iter().map(move |&y| (x, y))).collect());
    data.extend(odd.iter().map(|&y| (0..7).map(|i| (f64::from(i), y)).collect()));
    for points in &data {
        for (style, y_range) in STYLES.into_iter().flat_map(|style| RANGES.map(|range| (style, range))) {
            for (x_scale, y_scale) in SCALES.into_iter().flat_map(|x| SCALES.map(|y| (x, y))) {
                let band = Some(points.iter().map(|&(x, y)| (y - 1.0, x)).collect());
                let series = Series { band, ..Series::new("<&>", Colour::Palette(3), style, points.clone()) };
                let chart =
                    Chart { x_scale, y_scale, y_range, levels: vec![0.0, f64::NAN, 3.0], ..chart(vec![series]) };
                assert!(numbers(&chart.svg()).iter().all(|n| n.is_finite()));
            }
        }
    }
    assert!(
        chart(vec![line(&data[2])]).is_empty() && chart(vec![]).is_empty() && !chart(vec![line(&data[1])]).is_empty()
    );
    assert!(Chart { y_scale: Scale::Log, ..chart(vec![line(&[(1.0, 0.0)])]) }.is_empty());
}

#[test]
fn a_screen_reader_hears_the_title() {
    let svg = chart(vec![line(&[(0.0, 1.0), (1.0, 2.0)])]).svg();
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let title = root.first_element_child().unwrap();
    assert_eq!((title.tag_name().name(), title.text()), ("title", Some("a <title> & \"more\"\u{fffd}")));
}

#[test]
fn a_file_names_its_language_and_the_element_names_no_address() {
    let svg = chart(vec![]).svg();
    assert!(!svg.contains("http"));
    let file = standalone(&svg);
    let document = Document::parse(&file).unwrap();
    assert_eq!(document.root_element().tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
}

#[test]
fn points_stand_where_the_axes_say() {
    // Within the frame (0, 0) is top left; a straight line stays straight, on either scale.
    let linear = chart(vec![line(&[(0.0, 4.0), (1.0, 3.0), (4.0, 0.0)])]);
    let path = numbers(&format!("<a><path d=\"{}\"/></a>", curve(&linear.svg())));
    let slope = |a: usize, b: usize| (path[2 * b + 1] - path[2 * a + 1]) / (path[2 * b] - path[2 * a]);
    assert!(path[0] == 0.0 && path[4] > 300.0 && path[5] > path[1], "{path:?}");
    assert!((slope(0, 1) - slope(1, 2)).abs() < 0.01, "{path:?}");
    let log = Chart { y_scale: Scale::Log, ..chart(vec![line(&[(0.0, 1.0), (1.0, 10.0), (4.0, 10_000.0)])]) };
    let path = numbers(&format!("<a><path d=\"{}\"/></a>", curve(&log.svg())));
    let slope = |a: usize, b: usize| (path[2 * b + 1] - path[2 * a + 1]) / (path[2 * b] - path[2 * a]);
    assert!((slope(0, 1) - slope(1, 2)).abs() < 0.01 && slope(0, 1) < 0.0, "{path:?}");
}

#[test]
fn lines_break_at_what_is_not_finite_and_lone_points_are_dots() {
    let nan = f64::NAN;
    let svg =
        chart(vec![line(&[(0.0, 1.0), (1.0, 2.0), (2.0, nan), (3.0, 1.0), (4.0, nan), (5.0, 2.0), (6.0, 1.0)])]).svg();
    assert_eq!(curve(&svg).matches('M').count(), 2);
    assert_eq!(svg.matches("h0\"").count(), 1);
}

#[test]
fn long_curves_are_small() {
    let wave = |n: usize| (0..n).map(|i| (i as f64, (i as f64 * 0.37).sin())).collect::<Vec<_>>();
    let svg = chart(vec![line(&wave(200_000))]).svg();
    assert!(curve(&svg).matches(' ').count() < 2200 && svg.len() < 16_000, "{} bytes", svg.len());
}

#[test]
fn outliers_are_cut_and_told() {
    let mut points: Vec<_> = (0..1000).map(|i| (f64::from(i), f64::from(i % 10))).collect();
    points[17].1 = 1e7;
    let robust = Chart { y_range: Range::Robust, ..chart(vec![line(&points)]) };
    assert!(texts(&robust.svg()).contains(&"cut ↑ to 1.0×10⁷".to_owned()));
    assert!(!texts(&chart(vec![line(&points)]).svg()).concat().contains("cut"));
}

#[test]
fn the_legend_names_the_named() {
    let names = ["one", "", "a/very/long/path/that/goes/on/and/on/to/the_run_of_seed_17", "<&>"];
    let series = names.iter().enumerate().map(|(i, name)| Series {
        name: (*name).into(),
        colour: Colour::Palette(i),
        ..line(&[(0.0, 1.0)])
    });
    let told = texts(&chart(series.collect()).svg());
    assert_eq!([&told[1], &told[3]], ["one", "<&>"]);
    assert!(told[2].starts_with('…') && told[2].ends_with("the_run_of_seed_17") && told[2].chars().count() == 36);
}

#[test]
fn a_trend_lies_between_its_quantiles() {
    let noisy: Vec<_> = (0..9000).map(|i| (f64::from(i), (f64::from(i) * 0.618_033_988_749_895).fract())).collect();
    let trend = Series::trend("", Colour::Neutral, noisy.clone(), 90);
    assert_eq!(trend.points.len(), 90);
    for (&(_, y), &(low, high)) in trend.points.iter().zip(trend.band.as_ref().unwrap()) {
        assert!((y - 0.5).abs() < 0.03 && (low - 0.16).abs() < 0.03 && (high - 0.84).abs() < 0.03, "{low} {y} {high}");
    }
    assert!(trend.points.iter().enumerate().all(|(i, point)| point.0 == 100.0 * i as f64 + 49.5));
    assert_eq!(Series::trend("", Colour::Neutral, noisy[..200].to_vec(), 90).points, noisy[..200]);
    let lost = Series::trend("", Colour::Neutral, vec![(1.0, f64::NAN); 10], 1);
    assert!(lost.points[0].1.is_nan());
}

fn heatmap(values: Array2<f64>, shades: Shades) -> Heatmap {
    let label = "<x>".to_owned();
    Heatmap { title: "field".into(), x_label: label.clone(), y_label: label, values, shades, extent: Extent::Sites }
}

/// Cells covered by the rectangles of each colour of the map, scale excluded.
fn covered(svg: &str) -> Vec<(String, Vec<(usize, usize)>)> {
    let document = Document::parse(svg).unwrap();
    let cells = document.descendants().find(|n| n.attribute("preserveAspectRatio").is_some()).unwrap();
    let paths = cells.children().filter(|n| n.has_attribute("d"));
    let rectangles = |d: &str| -> Vec<(usize, usize)> {
        let numbers = |part: &str| part.split([' ', 'h', 'v']).map(|n| n.parse().unwrap()).collect::<Vec<usize>>();
        let parts = d.split('M').skip(1).map(|part| numbers(part.split('v').next().unwrap()));
        parts.flat_map(|n| (n[0]..n[0] + n[2]).map(move |x| (x, n[1]))).collect()
    };
    paths.map(|n| (n.attribute("fill").unwrap().to_owned(), rectangles(n.attribute("d").unwrap()))).collect()
}

#[test]
fn every_finite_cell_is_drawn_once() {
    let values =
        Array2::from_shape_fn((9, 14), |(i, j)| if (i + j) % 5 == 0 { f64::NAN } else { (i * j) as f64 % 7.0 });
    for shades in [Shades::Auto, Shades::Between(2.0, 3.0), Shades::Cyclic, Shades::Symmetric] {
        let mut cells: Vec<_> = covered(&heatmap(values.clone(), shades).svg()).into_iter().flat_map(|c| c.1).collect();
        cells.sort();
        let expected = (0..14).flat_map(|x| (0..9).map(move |y| (x, y))).filter(|(x, y)| (x + y) % 5 != 0);
        assert_eq!(cells, expected.collect::<Vec<_>>());
    }
}

#[test]
fn bins_have_their_first_row_at_the_bottom() {
    let values = Array2::from_shape_vec((2, 1), vec![0.0, 1.0]).unwrap();
    let sites = heatmap(values, Shades::Auto);
    let bins = Heatmap { extent: Extent::Bins { x: (0.0, 1.0), y: (-1.0, 1.0) }, ..sites.clone() };
    assert_eq!(covered(&sites.svg())[0].1, [(0, 0)]);
    assert_eq!(covered(&bins.svg())[0].1, [(0, 1)]);
}

#[test]
fn angles_are_wrapped() {
    let values = Array2::from_shape_vec((1, 4), vec![0.3, 0.3 + TAU, 0.3 - TAU, 0.3 + PI]).unwrap();
    let cells = covered(&heatmap(values, Shades::Cyclic).svg());
    assert_eq!(cells.len(), 2);
    assert_eq!(cells[0].1, [(0, 0), (1, 0), (2, 0)]);
}

#[test]
fn odd_fields_have_an_image_of_bounded_size() {
    for (shape, value) in [((1, 1), f64::NAN), ((1, 1), 5.0), ((3, 200), 0.0), ((40, 1), -1e300), ((1, 2), f64::MAX)] {
        for shades in [Shades::Auto, Shades::Between(1.0, 1.0), Shades::Cyclic, Shades::Symmetric] {
            let svg = heatmap(Array2::from_elem(shape, value), shades).svg();
            assert!(numbers(&svg).iter().all(|n| n.is_finite()));
        }
    }
    let noise = Array2::from_shape_fn((64, 64), |(i, j)| (i as f64 * 0.618 + j as f64 * 0.7548).sin() * 3.0);
    let length = heatmap(noise, Shades::Symmetric).svg().len();
    assert!(length < 90_000, "{length} bytes");
}

#[test]
#[should_panic(expected = "series \"run\" has 1 points, its band has 0")]
fn a_band_of_another_length_is_refused() {
    let _ = chart(vec![Series { band: Some(vec![]), ..line(&[(1.0, 1.0)]) }]).svg();
}

#[test]
#[should_panic(expected = "the range 0 to 1 can't be shown on a Log axis")]
fn a_fixed_range_must_lie_on_the_axis() {
    let _ = Chart { y_scale: Scale::Log, y_range: Range::Fixed(0.0, 1.0), ..chart(vec![]) }.svg();
}
