//! Elementwise transforms y = g(t; φ) on a device: which text has the functions of each, and the numbers that specialise it.
//!
//! A file of kernels/transform defines, over the macros `WIDTH` (numbers φ of an element) and `KEPT` (numbers kept of an element):
//!
//! ```text
//! template <class Phi> DEVICE REAL transform_value(REAL& t, Phi phi);                         // t ← g(t; φ); returns λ
//! template <class Phi> DEVICE REAL transform_evaluate(REAL& t, Phi phi, REAL (&kept)[KEPT]);  // the same; kept[0] = ∂g/∂t, kept[1] = ∂λ/∂t
//! template <class Phi, class Out>                                                            // v_p = alpha_a ∂g/∂φ_p + beta ∂λ/∂φ_p
//! DEVICE void transform_vjp(REAL alpha_a, REAL beta, const REAL (&kept)[KEPT], Phi phi, Out v);
//! ```
//!
//! `phi(p)` reads φ_p, `v(p, value)` takes v_p; what is kept behind the first two numbers is the transform's own.
//! The equations are those of the file of the same name in upg-flows.

#[cfg(all(test, feature = "emulator"))]
mod tests;

use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Gpu, Source};
use crate::kernels::{self, Text};
use std::f64::consts::TAU;
use std::sync::Arc;
use upg_core::{DeviceError, Real};
use upg_flows::FlowError;
use upg_flows::spec::{AngleTransformSpec, TransformSpec};
use upg_flows::spline::{Form, Spline};

/// Whether a transform is g or g⁻¹.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// g.
    There = 0,
    /// g⁻¹.
    Back = 1,
}

/// The functions of a transform, as text.
#[derive(Clone, Debug)]
pub(crate) struct Transform {
    parts: &'static [&'static str],
    defines: Vec<(&'static str, String)>,
    /// Numbers φ of an element.
    pub width: usize,
    /// Numbers kept of an element.
    pub kept: usize,
}

impl Transform {
    /// A transform of numbers.
    ///
    /// # Errors
    /// Names the transform that has no functions.
    pub fn of_numbers(spec: &TransformSpec, way: Way) -> Result<Self, FlowError> {
        let width = spec.width();
        match *spec {
            TransformSpec::Affine { clamp } => Ok(affine(clamp, width, way)),
            TransformSpec::LogisticMixture { mixtures } => {
                Ok(mixture(kernels::LOGISTIC_MIXTURE, mixtures, [width, 10], way))
            }
            TransformSpec::Spline { bins, interval } => Ok(spline(Form::Line { interval }, bins, way)),
            TransformSpec::OddSpline { bins, interval } => Ok(spline(Form::Odd { interval }, bins, way)),
            TransformSpec::Additive => Err(FlowError::new("transform", spec, "on a CUDA device one that scales")),
        }
    }

    /// A transform of angles.
    pub fn of_angles(spec: &AngleTransformSpec, way: Way) -> Self {
        match *spec {
            AngleTransformSpec::TanMixture { mixtures } => {
                mixture(kernels::TAN_MIXTURE, mixtures, [spec.width(), 5], way)
            }
            AngleTransformSpec::CircularSpline { bins } => spline(Form::Circle, bins, way),
        }
    }

    /// This text over the functions, in precision `T`.
    pub fn source<T: Real>(&self, text: Text, mut defines: Vec<(&'static str, String)>) -> Source {
        defines.extend(self.defines.iter().cloned());
        defines.extend([("WIDTH", self.width.to_string()), ("KEPT", self.kept.to_string())]);
        text.source_behind::<T>(self.parts, defines)
    }

    /// The kernels of this text over the functions.
    ///
    /// # Errors
    /// If they can't be compiled.
    pub fn kernels<T: Real, G: Gpu>(
        &self,
        device: &Cuda<T, G>,
        text: Text,
        defines: Vec<(&'static str, String)>,
    ) -> Result<Arc<Kernels<G>>, DeviceError> {
        device.compiled(self.source::<T>(text, defines))
    }
}

fn affine(clamp: Option<f64>, width: usize, way: Way) -> Transform {
    let clamp = clamp.map(|c| ("CLAMP", number(c)));
    let kept = if clamp.is_some() { 4 } else { 3 };
    let defines = inverse(way).into_iter().chain(clamp).collect();
    Transform { parts: kernels::AFFINE, defines, width, kept }
}

/// A mixture, whose texts are those of the map and of its inverse.
fn mixture(parts: [&'static [&'static str]; 2], mixtures: usize, [width, kept]: [usize; 2], way: Way) -> Transform {
    let defines = vec![("MIXTURES", mixtures.to_string())];
    Transform { parts: parts[way as usize], defines, width, kept }
}

fn spline(form: Form, bins: usize, way: Way) -> Transform {
    let (name, low, length) = match form {
        Form::Line { interval } => ("ON_LINE", -interval, 2.0 * interval),
        Form::Odd { interval } => ("ODD", 0.0, interval),
        Form::Circle => ("ON_CIRCLE", 0.0, TAU),
    };
    let mut defines =
        vec![("FORM", name.into()), ("BINS", bins.to_string()), ("LOW", number(low)), ("LENGTH", number(length))];
    defines.extend(inverse(way));
    Transform { parts: kernels::SPLINE, defines, width: Spline { form, bins }.width_of(), kept: 11 }
}

/// What says that the inverse is wanted.
fn inverse(way: Way) -> Option<(&'static str, String)> {
    (way == Way::Back).then(|| ("INVERSE", "1".into()))
}

/// A number as C has it, exactly.
fn number(x: f64) -> String {
    format!("{x:e}")
}

/// Every transform both ways, specialised as an example.
pub(crate) fn examples() -> Vec<Transform> {
    let numbers = [
        TransformSpec::Affine { clamp: None },
        TransformSpec::Affine { clamp: Some(1.5) },
        TransformSpec::LogisticMixture { mixtures: 8 },
        TransformSpec::Spline { bins: 8, interval: 3.0 },
        TransformSpec::OddSpline { bins: 8, interval: 3.0 },
    ];
    let angles = [AngleTransformSpec::TanMixture { mixtures: 6 }, AngleTransformSpec::CircularSpline { bins: 8 }];
    let both = |spec| [Way::There, Way::Back].map(|way| Transform::of_numbers(spec, way).expect("it has functions"));
    let both_of_angles = |spec| [Way::There, Way::Back].map(|way| Transform::of_angles(spec, way));
    numbers.iter().flat_map(both).chain(angles.iter().flat_map(both_of_angles)).collect()
}
