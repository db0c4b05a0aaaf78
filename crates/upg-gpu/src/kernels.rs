//! The texts of the kernels, and what specialises them.

use crate::gpu::Source;
use upg_core::{Real, vmath};

/// A file of kernels, and the files of functions that it needs before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    name: &'static str,
    parts: &'static [&'static str],
}

const PRELUDE: &str = include_str!("kernels/prelude.cu");
const ELEMENTARY: &str = include_str!("kernels/elementary.cu");
const SUMS: &str = include_str!("kernels/sums.cu");
const ACTIVATION: &str = include_str!("kernels/activation.cu");
const TILE: &str = include_str!("kernels/product/tile.cu");

/// Arithmetic with whole batches, and the optimiser.
pub(crate) const VECTORS: Text = Text { name: "vectors.cu", parts: &[SUMS, include_str!("kernels/vectors.cu")] };
/// Matrix products on tensor cores.
pub(crate) const PRODUCT: Text = Text { name: "product.cu", parts: &[TILE, include_str!("kernels/product.cu")] };
/// Global scaling.
pub(crate) const SCALING: Text =
    Text { name: "scaling.cu", parts: &[ELEMENTARY, SUMS, include_str!("kernels/scaling.cu")] };
/// Rows that a mask names.
pub(crate) const MASKED: Text = Text { name: "masked.cu", parts: &[ELEMENTARY, include_str!("kernels/masked.cu")] };
/// A fully connected net, beside its products.
pub(crate) const MLP: Text =
    Text { name: "mlp.cu", parts: &[ELEMENTARY, SUMS, ACTIVATION, include_str!("kernels/mlp.cu")] };
/// Its products on tensor cores, with what follows them.
pub(crate) const MLP_PRODUCT: Text = Text {
    name: "mlp_product.cu",
    parts: &[ELEMENTARY, SUMS, ACTIVATION, TILE, include_str!("kernels/mlp_product.cu")],
};
/// A convolutional net on a lattice.
pub(crate) const LATTICE_NET: Text = Text {
    name: "lattice_net.cu",
    parts: &[
        ELEMENTARY,
        ACTIVATION,
        include_str!("kernels/lattice_net.cu"),
        include_str!("kernels/lattice_gradient.cu"),
    ],
};
/// Couplings, behind the functions of a transform.
pub(crate) const COUPLING: Text = Text { name: "coupling.cu", parts: &[SUMS, include_str!("kernels/coupling.cu")] };
/// Gauge couplings, behind the functions of a transform.
pub(crate) const GAUGE: Text = Text {
    name: "gauge.cu",
    parts: &[SUMS, FIELDS, CONVOLUTION, include_str!("kernels/gauge/gradient.cu"), include_str!("kernels/gauge.cu")],
};
/// Their weights.
pub(crate) const GAUGE_WEIGHTS: Text =
    Text { name: "pack.cu", parts: &[FIELDS, CONVOLUTION, include_str!("kernels/gauge/pack.cu")] };

const FIELDS: &str = include_str!("kernels/gauge/fields.cu");
const CONVOLUTION: &str = include_str!("kernels/gauge/convolution.cu");

/// Functions of the affine transform.
pub(crate) const AFFINE: &[&str] = &[ELEMENTARY, include_str!("kernels/transform/affine.cu")];
/// Functions of splines, both ways.
pub(crate) const SPLINE: &[&str] = &[ELEMENTARY, include_str!("kernels/transform/spline.cu")];
/// Functions of the mixture of logistic distributions, and of its inverse.
pub(crate) const LOGISTIC_MIXTURE: [&[&str]; 2] =
    [&[ELEMENTARY, BRACKET, OF_LOGISTICS, DIRECT], &[ELEMENTARY, BRACKET, OF_LOGISTICS, IMPLICIT]];
/// Functions of the mixture of tan transforms, and of its inverse.
pub(crate) const TAN_MIXTURE: [&[&str]; 2] =
    [&[ELEMENTARY, BRACKET, OF_TANS, DIRECT], &[ELEMENTARY, BRACKET, OF_TANS, IMPLICIT]];

const BRACKET: &str = include_str!("kernels/transform/bracket.cu");
const OF_LOGISTICS: &str = include_str!("kernels/transform/logistic_mixture.cu");
const OF_TANS: &str = include_str!("kernels/transform/tan_mixture.cu");
const DIRECT: &str = include_str!("kernels/transform/direct.cu");
const IMPLICIT: &str = include_str!("kernels/transform/implicit.cu");

/// Random numbers of samples.
pub(crate) const RANDOM: Text = Text {
    name: "random.cu",
    parts: &[ELEMENTARY, include_str!("kernels/generator.cu"), include_str!("kernels/random.cu")],
};
/// Normal densities.
pub(crate) const BASE: Text = Text { name: "base.cu", parts: &[ELEMENTARY, SUMS, include_str!("kernels/base.cu")] };
/// The transform to the modes of a lattice.
pub(crate) const MODES: Text = Text { name: "modes.cu", parts: &[include_str!("kernels/modes.cu")] };
/// Gaussian fields.
pub(crate) const FIELD: Text = Text { name: "field.cu", parts: &[ELEMENTARY, SUMS, include_str!("kernels/field.cu")] };
/// φ⁴ theory.
pub(crate) const PHI4: Text = Text { name: "phi4.cu", parts: &[SUMS, include_str!("kernels/phi4.cu")] };
/// U(1) gauge theory.
pub(crate) const U1: Text = Text { name: "u1.cu", parts: &[ELEMENTARY, SUMS, include_str!("kernels/u1.cu")] };
/// The Gaussian mixture.
pub(crate) const GMM: Text = Text { name: "gmm.cu", parts: &[ELEMENTARY, SUMS, include_str!("kernels/gmm.cu")] };
/// The Gaussian.
pub(crate) const GAUSSIAN: Text = Text { name: "gaussian.cu", parts: &[SUMS, include_str!("kernels/gaussian.cu")] };
/// Rows of batches, moved, shifted and summed.
pub(crate) const ROWS: Text = Text { name: "rows.cu", parts: &[SUMS, include_str!("kernels/rows.cu")] };
/// ActNorm.
pub(crate) const ACT_NORM: Text =
    Text { name: "act_norm.cu", parts: &[ELEMENTARY, SUMS, include_str!("kernels/act_norm.cu")] };
/// Products of reflections.
pub(crate) const HOUSEHOLDER: Text = Text { name: "householder.cu", parts: &[include_str!("kernels/householder.cu")] };
/// Linear layers by their LU factors.
pub(crate) const LU: Text = Text { name: "lu.cu", parts: &[ELEMENTARY, SUMS, include_str!("kernels/lu.cu")] };

/// What isn't specialised.
pub(crate) const PLAIN: [Text; 19] = [
    VECTORS,
    PRODUCT,
    MASKED,
    MLP,
    MLP_PRODUCT,
    LATTICE_NET,
    SCALING,
    RANDOM,
    BASE,
    MODES,
    FIELD,
    PHI4,
    U1,
    GMM,
    GAUSSIAN,
    ROWS,
    ACT_NORM,
    HOUSEHOLDER,
    LU,
];

/// Continuous flows of the lattice field.
pub(crate) const LATTICE_FIELD: Text = Text {
    name: "lattice_field.cu",
    parts: &[
        ELEMENTARY,
        SUMS,
        LATTICE_MODES,
        LATTICE_THREADS,
        include_str!("kernels/lattice_field.cu"),
        WAY,
        COORDINATES,
        CONTINUOUS,
    ],
};
/// Continuous flows of links by the field of plaquettes.
pub(crate) const PLAQUETTE_FIELD: Text = Text {
    name: "plaquette_field.cu",
    parts: &[
        ELEMENTARY,
        SUMS,
        LATTICE_MODES,
        LATTICE_THREADS,
        include_str!("kernels/plaquette_field.cu"),
        include_str!("kernels/plaquette_parameters.cu"),
        WAY,
        include_str!("kernels/continuous/links.cu"),
        CONTINUOUS,
    ],
};
/// Continuous flows of the shallow field.
pub(crate) const SHALLOW_FIELD: Text = Text {
    name: "shallow_field.cu",
    parts: &[ELEMENTARY, SUMS, include_str!("kernels/shallow_field.cu"), WAY, COORDINATES, CONTINUOUS],
};

const LATTICE_MODES: &str = include_str!("kernels/lattice_modes.cu");
const LATTICE_THREADS: &str = include_str!("kernels/lattice_threads.cu");
const WAY: &str = include_str!("kernels/continuous/way.cu");
const COORDINATES: &str = include_str!("kernels/continuous/coordinates.cu");
const CONTINUOUS: &str = include_str!("kernels/continuous.cu");

impl Text {
    /// The text in precision `T`, specialised.
    pub fn source<T: Real>(self, defines: Vec<(&'static str, String)>) -> Source {
        self.source_behind::<T>(&[], defines)
    }

    /// The same, with other parts in front of its own, e.g. the functions of a transform.
    pub fn source_behind<T: Real>(self, before: &[&str], mut defines: Vec<(&'static str, String)>) -> Source {
        if size_of::<T>() == size_of::<f64>() {
            defines.push(("REAL_IS_DOUBLE", "1".into()));
        }
        let coefficients = coefficients::<T>();
        let parts = [PRELUDE, &coefficients].into_iter().chain(before.iter().chain(self.parts).copied());
        let text = parts.collect::<Vec<_>>().join("\n");
        Source { name: self.name, text, defines }
    }
}

/// The numbers of the elementary functions as the host has them, e.g. `#define SIN_COEFFICIENTS -0.16666655, …`.
fn coefficients<T: Real>() -> String {
    let suffix = if size_of::<T>() == size_of::<f64>() { "" } else { "f" };
    let number = |x: &T| format!("{:e}{suffix}", x.wide());
    let line = |(name, values): &(&str, Vec<T>)| {
        let values: Vec<String> = values.iter().map(number).collect();
        format!("#define {name} {}\n", values.join(", "))
    };
    vmath::constants::<T>().iter().map(line).collect()
}
