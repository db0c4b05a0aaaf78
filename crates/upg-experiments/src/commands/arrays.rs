//! Numbers of either precision on their way from and to callers with arrays of their own.

use crate::Error;
use crate::io::weights::OutTensor;
use crate::text::shape_text;
use ndarray::{Array2, ArrayD, ArrayViewD, CowArray, Ix2};
use std::any::Any;
use upg_core::{Domain, Real};

/// Numbers in the precision of a run, or in the one asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Single.
    F32(ArrayD<f32>),
    /// Double.
    F64(ArrayD<f64>),
}

impl Numbers {
    pub(super) fn of<T: Real>(array: ArrayD<T>) -> Self {
        let any: Box<dyn Any> = Box::new(array);
        any.downcast()
            .map(|array| Self::F32(*array))
            .or_else(|any| any.downcast().map(|array| Self::F64(*array)))
            .expect("f32 or f64")
    }

    /// Their shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(array) => array.shape(),
            Self::F64(array) => array.shape(),
        }
    }

    /// As a tensor to be written.
    pub(super) fn tensor(&self, name: &str) -> OutTensor {
        match self {
            Self::F32(array) => OutTensor::new(name, array.shape(), array),
            Self::F64(array) => OutTensor::new(name, array.shape(), array),
        }
    }

    /// Rows as points of the shape `sample`.
    pub(super) fn of_rows<T: Real>(rows: Array2<T>, sample: &[usize]) -> Self {
        let shape = [&[rows.nrows()], sample].concat();
        Self::of(rows.into_shape_with_order(shape).expect("as many numbers"))
    }
}

/// Numbers that the caller lends.
#[derive(Clone, Copy, Debug)]
pub enum Points<'v, 'a> {
    /// Single.
    F32(&'v ArrayViewD<'a, f32>),
    /// Double.
    F64(&'v ArrayViewD<'a, f64>),
}

impl Points<'_, '_> {
    /// Their shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(x) => x.shape(),
            Self::F64(x) => x.shape(),
        }
    }

    /// Whether they lie beside each other in the order of their indices.
    pub(super) fn is_contiguous(&self) -> bool {
        match self {
            Self::F32(x) => x.is_standard_layout(),
            Self::F64(x) => x.is_standard_layout(),
        }
    }

    /// The points called `name` as `[points, dof]` in the precision `T`, where a point has the shape `sample` or is a row, angles modulo 2π: not
    /// copied where they are contiguous numbers of that precision.
    ///
    /// # Errors
    /// If they have another shape.
    pub(super) fn of_space<T: Real>(
        &self,
        name: &str,
        sample: &[usize],
        domain: Domain,
    ) -> Result<CowArray<'_, T, Ix2>, Error> {
        let dof = sample.iter().product();
        check_shape(name, self.shape(), sample, dof)?;
        let rows = self.arranged((self.shape()[0], dof));
        Ok(match domain {
            Domain::Line => rows,
            Domain::Circle => {
                let mut wrapped = rows.into_owned();
                wrapped.mapv_inplace(|x| domain.wrap(x));
                wrapped.into()
            }
        })
    }

    /// The same numbers in the precision `T` and the order of their indices.
    pub(super) fn flat<T: Real>(&self) -> Vec<T> {
        let numbers = self.shape().iter().product();
        self.arranged::<T>((1, numbers)).iter().copied().collect()
    }

    fn arranged<T: Real>(&self, shape: (usize, usize)) -> CowArray<'_, T, Ix2> {
        match self {
            Self::F32(x) => rows(x, shape),
            Self::F64(x) => rows(x, shape),
        }
    }
}

fn rows<'v, S: Real, T: Real>(x: &'v ArrayViewD<'_, S>, shape: (usize, usize)) -> CowArray<'v, T, Ix2> {
    let same: Option<&ArrayViewD<'_, T>> = cast(x);
    match same {
        _ if x.is_empty() => Array2::zeros(shape).into(), // strides of nothing may be any
        Some(x) => x.to_shape(shape).expect("as many numbers"),
        None => {
            let converted: Vec<_> = x.iter().map(|number| T::of(number.wide())).collect(); // in the order of the indices, whatever that of x
            CowArray::from(Array2::from_shape_vec(shape, converted).expect("as many numbers"))
        }
    }
}

/// The view as one of numbers `T`, if it is one.
fn cast<'v, 'a, S: Real, T: Real>(x: &'v ArrayViewD<'a, S>) -> Option<&'v ArrayViewD<'a, T>> {
    let is_the_same = std::any::TypeId::of::<S>() == std::any::TypeId::of::<T>();
    // SAFETY: S and T are the same type.
    is_the_same.then(|| unsafe { &*std::ptr::from_ref(x).cast::<ArrayViewD<'a, T>>() })
}

/// Points are rows, or arranged as samples.
fn check_shape(name: &str, found: &[usize], sample: &[usize], dof: usize) -> Result<(), Error> {
    if found.split_first().is_some_and(|(_, shape)| shape == sample || shape == [dof]) {
        return Ok(());
    }
    let (found, rows) = (shape_text(found), shape_text(sample));
    Err(Error::Usage(format!("{name} of shape {found}: accepted is [points, {dof}], or points of shape {rows} each")))
}
