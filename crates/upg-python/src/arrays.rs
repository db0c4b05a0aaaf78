//! Arrays of NumPy as points, and numbers as arrays.

use numpy::ndarray::ArrayViewD;
use numpy::{IntoPyArray, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use upg_experiments::commands::arrays::{Numbers, Points};

/// An array of numbers of one of the two precisions.
#[derive(FromPyObject)]
pub enum Array<'py> {
    Single(PyReadonlyArrayDyn<'py, f32>),
    Double(PyReadonlyArrayDyn<'py, f64>),
}

/// A look at an array, which needs no interpreter.
pub enum View<'a> {
    Single(ArrayViewD<'a, f32>),
    Double(ArrayViewD<'a, f64>),
}

impl Array<'_> {
    pub fn view(&self) -> View<'_> {
        match self {
            Self::Single(x) => View::Single(x.as_array()),
            Self::Double(x) => View::Double(x.as_array()),
        }
    }

    /// A copy.
    pub fn into_numbers(self) -> Numbers {
        match self {
            Self::Single(x) => Numbers::F32(x.as_array().to_owned()),
            Self::Double(x) => Numbers::F64(x.as_array().to_owned()),
        }
    }
}

impl<'a> View<'a> {
    pub fn points(&self) -> Points<'_, 'a> {
        match self {
            Self::Single(x) => Points::F32(x),
            Self::Double(x) => Points::F64(x),
        }
    }
}

/// An array that takes the numbers over: they aren't copied.
pub fn array(py: Python<'_>, numbers: Numbers) -> Bound<'_, PyAny> {
    match numbers {
        Numbers::F32(x) => x.into_pyarray(py).into_any(),
        Numbers::F64(x) => x.into_pyarray(py).into_any(),
    }
}
