//! The table as text.

use super::rows::Row;
use std::io::{self, Write};
use upg_train::method::{Divergence, Estimator, Method};

/// Range of Algorithm 1 over the ordinary gradient in the paper, on an A100.
const PAPER_FAST: &str = "1.4-2.3";

/// Range of Algorithm 2 over Algorithm 1 in the paper.
const PAPER_TWO_PASS: &str = "1.3-8";

/// Names of the columns, and whether numbers stand in them.
pub(super) const HEAD: [(&str, bool); 10] = [
    ("flow", false),
    ("target", false),
    ("KL", false),
    ("batch", true),
    ("estimator", false),
    ("seconds", true),
    ("samples/s", true),
    ("ratio", true),
    ("floor", true),
    ("paper (A100)", false),
];

/// Whether a group of estimators begins with `row`.
pub(super) fn begins_group(row: &Row) -> bool {
    row.estimator == row.baseline
}

/// Prints one line a row: what was measured, beside the floor in multiply-adds and what the paper reports.
///
/// # Errors
/// If `to` can't be written to.
pub fn print(rows: &[Row], to: &mut impl Write) -> io::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let (device, threads, products) = (&first.device, first.threads, in_products(first));
    writeln!(to, "{device}, {threads} threads, f32{products}; times are medians of one gradient")?;
    line(to, HEAD.map(|(name, _)| name.to_owned()))?;
    for (i, row) in rows.iter().enumerate() {
        if begins_group(row) && i > 0 {
            writeln!(to)?;
        }
        line(to, cells(row, rows))?;
    }
    Ok(())
}

/// The precision of the products, if it isn't full.
pub(super) fn in_products(row: &Row) -> String {
    if row.products.are_full() { String::new() } else { format!(", products in {}", row.products) }
}

fn line(
    to: &mut impl Write,
    [flow, target, kl, batch, estimator, seconds, rate, ratio, floor, paper]: [String; 10],
) -> io::Result<()> {
    writeln!(
        to,
        "{flow:<8} {target:<6} {kl:<7} {batch:>5}  {estimator:<18} {seconds:>9} {rate:>10}  {ratio:<15} {floor:<5}  {paper}"
    )
}

/// What stands in the columns.
pub(super) fn cells(row: &Row, rows: &[Row]) -> [String; 10] {
    [
        row.flow.into(),
        row.target.into(),
        row.divergence.to_string(),
        row.batch.to_string(),
        row.estimator.to_string(),
        format!("{:.4}", row.seconds.median),
        format!("{:.0}", row.samples_per_second),
        format!("{:.3} ± {:.3}", row.ratio.mean, row.ratio.std),
        floor(row),
        paper(row, rows),
    ]
}

/// Passes through the conditioners over those of the baseline, e.g. `4/3`.
fn floor(row: &Row) -> String {
    let passes = |estimator| Method::new(estimator, row.divergence).map_or(0, Method::passes);
    match (passes(row.estimator), passes(row.baseline)) {
        (own, base) if own % base == 0 => (own / base).to_string(),
        (own, base) => format!("{own}/{base}"),
    }
}

/// The paper's number for the row; for two passes beside our own factor over Algorithm 1.
fn paper(row: &Row, rows: &[Row]) -> String {
    match (row.divergence, row.estimator) {
        (Divergence::Reverse, Estimator::PathFast) => PAPER_FAST.into(),
        (Divergence::Reverse, Estimator::PathTwoPass) => {
            let group = |r: &&Row| (r.flow, r.divergence, r.batch) == (row.flow, row.divergence, row.batch);
            let fast = rows.iter().filter(group).find(|r| r.estimator == Estimator::PathFast);
            let own =
                fast.map_or(String::new(), |fast| format!(", here {:.2}", row.seconds.median / fast.seconds.median));
            format!("{PAPER_TWO_PASS} x path-fast{own}")
        }
        _ => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Group;
    use super::*;
    use crate::config::Products;

    #[test]
    fn floors_and_factors_stand_beside_the_measurement() {
        let group = Group {
            flow: "realnvp",
            target: "phi4",
            batch: 8,
            device: "a processor",
            threads: 3,
            products: Products::Tf32,
        };
        let methods: Vec<_> = Method::of(Divergence::Reverse).collect();
        let mut text = Vec::new();
        print(&group.rows(&methods, &[vec![3.0], vec![4.2], vec![6.3], vec![5.1]]), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
        assert!(line("a processor").contains("3 threads, f32, products in Tf32;"));
        assert!(line(" path-fast  ").contains("1.400 ± 0.000") && line(" path-fast  ").contains("4/3    1.4-2.3"));
        assert!(line("path-two-pass  ").contains(" 2      1.3-8 x path-fast, here 1.50"), "{text}");
        assert!(line("path-two-pass-lean").contains("5/3") && line("path-two-pass-lean").ends_with('-'));
    }
}
