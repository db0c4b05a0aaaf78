//! A configuration as images: a scalar field, or links with their plaquettes.

use super::html::{heatmaps, name, section};
use super::run::{Field, FieldKind, Run};
use crate::report::plot::{Extent, Heatmap, Shades, minus, significant};
use ndarray::{Array2, ArrayView2, ArrayView3};
use std::f64::consts::{PI, TAU};

/// The longest side of an image in cells; larger lattices are shown by means over blocks.
const CELLS: usize = 128;

pub(super) fn html(runs: &[Run]) -> String {
    let shown = runs.iter().enumerate().filter_map(|(i, run)| {
        let (maps, remark) = images(run.field.as_ref()?);
        Some(format!("<h3>{}{remark}</h3>\n{}", name(i, run), heatmaps(&maps)))
    });
    section("One sample", "", &shown.collect::<String>())
}

/// The images of a field, and what is to be said of it.
#[track_caller]
fn images(field: &Field) -> (Vec<Heatmap>, String) {
    let Field { shape, values, kind } = field;
    assert_eq!(shape.iter().product::<usize>(), values.len(), "a field of shape {shape:?} has {} values", values.len());
    match (kind, &shape[..]) {
        (FieldKind::Sites, &[l0, l1]) => {
            let sites = ArrayView2::from_shape((l0, l1), values).expect("sizes agree");
            (vec![image("φ(x)", sites, Shades::Symmetric)], String::new())
        }
        (FieldKind::Links, &[2, l0, l1]) => {
            let links = ArrayView3::from_shape((2, l0, l1), values).expect("sizes agree");
            let (u0, u1) = (links.index_axis(ndarray::Axis(0), 0), links.index_axis(ndarray::Axis(0), 1));
            let plaquettes = plaquettes(u0, u1);
            let maps = [("u₀(x)", u0), ("u₁(x)", u1), ("P(x)", plaquettes.view())];
            let charge = format!(": <i>Q</i> = {}", written(charge(&plaquettes)));
            (maps.map(|(title, values)| image(title, values, Shades::Cyclic)).into(), charge)
        }
        _ => {
            panic!("a field on {kind:?} has shape {shape:?}, accepted are [L0, L1] for Sites and [2, L0, L1] for Links")
        }
    }
}

/// P(x) = u₀(x) + u₁(x+ê₀) − u₀(x+ê₁) − u₁(x), periodic.
fn plaquettes(u0: ArrayView2<f64>, u1: ArrayView2<f64>) -> Array2<f64> {
    let (l0, l1) = u0.dim();
    Array2::from_shape_fn((l0, l1), |(i, j)| u0[[i, j]] + u1[[(i + 1) % l0, j]] - u0[[i, (j + 1) % l1]] - u1[[i, j]])
}

/// The topological charge, 1/2π times the sum of the plaquettes in [−π, π).
fn charge(plaquettes: &Array2<f64>) -> f64 {
    let charge = plaquettes.iter().map(|p| (p + PI).rem_euclid(TAU) - PI).sum::<f64>() / TAU;
    if (charge - charge.round()).abs() < 1e-3 { charge.round() } else { charge }
}

fn written(charge: f64) -> String {
    if charge.fract() == 0.0 { minus(&format!("{charge:.0}")) } else { significant(charge, 3) }
}

fn image(title: &str, values: ArrayView2<f64>, shades: Shades) -> Heatmap {
    let block = values.nrows().max(values.ncols()).div_ceil(CELLS).max(1);
    let means = if block == 1 { "" } else { ", means over blocks" };
    let unit = |axis: &str| if block == 1 { axis.to_owned() } else { format!("{axis} / {block}") };
    Heatmap {
        title: format!("{title}{means}"),
        x_label: unit("x₁"),
        y_label: unit("x₀"),
        values: if block == 1 { values.to_owned() } else { coarse(values, block, shades) },
        shades,
        extent: Extent::Sites,
    }
}

/// Means over blocks: of angles that of the points on the circle.
fn coarse(values: ArrayView2<f64>, block: usize, shades: Shades) -> Array2<f64> {
    let blocks = (values.nrows().div_ceil(block), values.ncols().div_ceil(block));
    Array2::from_shape_fn(blocks, |(i, j)| {
        let (rows, columns) =
            (i * block..values.nrows().min((i + 1) * block), j * block..values.ncols().min((j + 1) * block));
        let cells = values.slice(ndarray::s![rows, columns]);
        match shades {
            Shades::Cyclic => cells.mapv(f64::sin).sum().atan2(cells.mapv(f64::cos).sum()),
            _ => cells.sum() / cells.len() as f64,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instanton_has_its_charge() {
        // u₁ = 2πn x₀/V with the jump of u₀ at the boundary: every plaquette is 2πn/V.
        let (l0, l1, n) = (5, 7, 3.0);
        let flux = TAU * n / (l0 * l1) as f64;
        let u1 = Array2::from_shape_fn((l0, l1), |(i, _)| flux * i as f64);
        let u0 = Array2::from_shape_fn((l0, l1), |(i, j)| if i == l0 - 1 { -flux * (l0 * j) as f64 } else { 0.0 });
        let plaquettes = plaquettes(u0.view(), u1.view());
        let off = plaquettes.iter().map(|p| (p - flux + PI).rem_euclid(TAU) - PI).fold(0.0, |m: f64, d| m.max(d.abs()));
        assert!(off < 1e-12, "{plaquettes}");
        assert_eq!(charge(&plaquettes), 3.0);
    }

    #[test]
    fn blocks_have_the_mean_of_their_cells() {
        let values = Array2::from_shape_fn((5, 3), |(i, j)| (10 * i + j) as f64);
        let means = coarse(values.view(), 2, Shades::Symmetric);
        assert_eq!(means, ndarray::array![[5.5, 7.0], [25.5, 27.0], [40.5, 42.0]]);
        let angles = ndarray::array![[TAU - 0.2, 0.1]];
        assert!((coarse(angles.view(), 2, Shades::Cyclic)[[0, 0]] + 0.05).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "a field on Links has shape [3, 2, 2]")]
    fn links_have_two_directions() {
        images(&Field { shape: vec![3, 2, 2], values: vec![0.0; 12], kind: FieldKind::Links });
    }
}
