//! Several runs as one curve.

use crate::report::plot::{Colour, Scale, Series, Style};
use upg_train::stats::Moments;

/// The mean of the curves of several runs, `[run][point]`, in a band of one standard deviation; on a logarithmic axis both are those of the
/// logarithms, and what isn't positive is left out.
pub(crate) fn mean(name: &str, colour: usize, runs: &[Vec<(f64, f64)>], scale: Scale) -> Series {
    let (mut points, mut band) = (vec![], vec![]);
    for at in 0..runs.iter().map(Vec::len).min().unwrap_or(0) {
        let (mut x, mut y) = (Moments::default(), Moments::default());
        for run in runs {
            x.push(run[at].0);
            match scale {
                Scale::Linear => y.push(run[at].1),
                Scale::Log if run[at].1 > 0.0 => y.push(run[at].1.ln()),
                Scale::Log => (),
            }
        }
        let (Some(x), Some(mean)) = (x.mean(), y.mean()) else { continue };
        let spread = y.variance().map_or(0.0, f64::sqrt);
        let shown = |y: f64| if scale == Scale::Log { y.exp() } else { y };
        points.push((x, shown(mean)));
        band.push((shown(mean - spread), shown(mean + spread)));
    }
    Series { band: Some(band), ..Series::new(name, Colour::Palette(colour), Style::Line, points) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_geometric_on_a_logarithmic_axis() {
        let runs = [vec![(1.0, 1.0), (2.0, 0.0)], vec![(1.0, 100.0), (2.0, 4.0)]];
        assert_eq!(mean("", 0, &runs, Scale::Linear).points, [(1.0, 50.5), (2.0, 2.0)]);
        let log = mean("", 0, &runs, Scale::Log).points;
        assert!((log[0].1 - 10.0).abs() < 1e-12 && (log[1].1 - 4.0).abs() < 1e-12, "{log:?}");
        assert_eq!(mean("", 0, &[vec![(1.0, 0.0)]], Scale::Log).points, []);
    }

    #[test]
    fn runs_of_different_length_have_their_common_tests() {
        let runs = [vec![(1.0, 1.0), (2.0, 2.0)], vec![(1.0, 3.0)]];
        let series = mean("", 0, &runs, Scale::Linear);
        assert_eq!((series.points, series.band.unwrap().len()), (vec![(1.0, 2.0)], 1));
    }
}
