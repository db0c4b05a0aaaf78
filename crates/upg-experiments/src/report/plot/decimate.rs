//! Fewer points that look the same: of each run of consecutive points the lowest and the highest.

/// The drawable stretches of a curve as indices into `points`, about `limit` in all: each stretch ends before a point
/// that isn't drawable. Where there are more gaps than could be seen, they are closed.
pub(super) fn stretches(points: &[(f64, f64)], drawable: impl Fn((f64, f64)) -> bool, limit: usize) -> Vec<Vec<usize>> {
    let indices: Vec<usize> = (0..points.len()).collect();
    let mut stretches: Vec<Vec<usize>> =
        indices.split(|&i| !drawable(points[i])).filter(|stretch| !stretch.is_empty()).map(<[_]>::to_vec).collect();
    let total: usize = stretches.iter().map(Vec::len).sum();
    if total <= limit {
        return stretches;
    }
    if stretches.len() > limit / 4 {
        stretches = vec![stretches.concat()];
    }
    stretches.into_iter().map(|stretch| thinned(points, &stretch, limit * stretch.len() / total)).collect()
}

/// The first, the last, and the lowest and highest of each of about `keep`/2 pieces of `stretch`.
fn thinned(points: &[(f64, f64)], stretch: &[usize], keep: usize) -> Vec<usize> {
    let height = |&&a: &&usize, &&b: &&usize| points[a].1.total_cmp(&points[b].1);
    let mut kept = vec![stretch[0]];
    for piece in stretch.chunks(stretch.len().div_ceil((keep / 2).max(1))) {
        let low = *piece.iter().min_by(height).expect("chunks are not empty");
        let high = *piece.iter().max_by(height).expect("chunks are not empty");
        kept.extend([low.min(high), low.max(high)]);
    }
    kept.extend(stretch.last());
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finite((x, y): (f64, f64)) -> bool {
        x.is_finite() && y.is_finite()
    }

    /// Numbers that look random: the fractional parts of multiples of the golden ratio.
    fn curve(n: usize) -> Vec<(f64, f64)> {
        (0..n).map(|i| (i as f64, (i as f64 * 0.618_033_988_749_895).fract())).collect()
    }

    #[test]
    fn few_points_stay_and_gaps_divide() {
        let mut points = curve(9);
        points[0].1 = f64::NAN;
        points[4].0 = f64::INFINITY;
        points[5].1 = f64::NEG_INFINITY;
        assert_eq!(stretches(&points, finite, 1000), [vec![1, 2, 3], vec![6, 7, 8]]);
        assert_eq!(stretches(&[], finite, 10), [[0usize; 0]; 0]);
        assert_eq!(stretches(&[(f64::NAN, 1.0)], finite, 10), [[0usize; 0]; 0]);
    }

    #[test]
    fn extremes_survive() {
        let mut points = curve(100_003);
        points[40_000].1 = f64::NAN;
        points[77_777].1 = 5.0;
        points[33_333].1 = -5.0;
        let kept = stretches(&points, finite, 1000);
        assert_eq!(kept.len(), 2);
        assert!(kept.concat().is_sorted() && kept.concat().len() <= 1010);
        assert!(kept[0].contains(&33_333) && kept[1].contains(&77_777));
        assert_eq!([kept[0][0], *kept[0].last().unwrap(), kept[1][0]], [0, 39_999, 40_001]);
        // The envelope: any stretch of 400 points keeps its highest up to one piece's reach.
        for window in points.chunks(1000).filter(|w| w.iter().all(|&p| finite(p))) {
            let highest = window.iter().map(|p| p.1).fold(f64::MIN, f64::max);
            let seen = kept
                .concat()
                .iter()
                .map(|&i| points[i])
                .filter(|p| p.0 >= window[0].0 && p.0 <= window[999.min(window.len() - 1)].0)
                .map(|p| p.1)
                .fold(f64::MIN, f64::max);
            assert!(seen == highest, "{seen} {highest}");
        }
    }

    #[test]
    fn a_curve_full_of_gaps_is_still_small() {
        let mut points = curve(50_000);
        points.iter_mut().step_by(2).for_each(|point| point.1 = f64::NAN);
        let kept = stretches(&points, finite, 1000);
        assert!(kept.len() == 1 && kept[0].len() <= 1002 && kept[0].iter().all(|&i| finite(points[i])));
    }
}
