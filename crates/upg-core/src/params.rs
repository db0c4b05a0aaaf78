//! Parameters: one flat buffer with named ranges.

use crate::{real::Real, staircase::Staircase, streams::Rng};
use rand::RngExt;
use std::ops::Range;

/// How a tensor of parameters starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// Uniform in [−bound, bound].
    Uniform {
        /// The largest magnitude drawn.
        bound: f64,
    },
    /// All elements equal.
    Constant(f64),
    /// A value for each element, in C order.
    Each(Vec<f64>),
    /// Of a matrix: uniform in [−bound, bound] where the mask leaves an entry, zero elsewhere. What is zero stays so: a layer
    /// never reads masked entries, and their gradient is zero.
    Masked {
        /// The largest magnitude drawn.
        bound: f64,
        /// Which entries there are.
        mask: Staircase,
    },
}

/// One named tensor inside the flat buffer, in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name, e.g. `layers.0.net.1.weight`.
    pub name: String,
    /// Shape, e.g. `[out, in]`.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
}

impl Tensor {
    /// A tensor description.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>, init: Init) -> Self {
        Self { name: name.into(), shape: shape.into(), init }
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The tensors of a layer, in the order in which they lie in its flat buffer.
///
/// ```
/// use upg_core::{Init, ParamLayout, Tensor};
/// let mut layout = ParamLayout::default();
/// layout.push(Tensor::new("weight", [3, 2], Init::Constant(0.5)));
/// layout.push(Tensor::new("bias", [3], Init::Constant(0.0)));
/// assert_eq!(layout.size(), 9);
/// assert_eq!(layout.range("bias"), Some(6..9));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParamLayout {
    tensors: Vec<Tensor>,
}

impl ParamLayout {
    /// Appends a tensor.
    pub fn push(&mut self, tensor: Tensor) {
        self.tensors.push(tensor);
    }

    /// Appends all tensors of `inner`, their names behind `prefix`.
    pub fn nest(&mut self, prefix: &str, inner: &ParamLayout) {
        self.tensors.extend(inner.tensors.iter().map(|t| Tensor { name: format!("{prefix}{}", t.name), ..t.clone() }));
    }

    /// The tensors, in order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensors with their ranges in the flat buffer.
    pub fn ranges(&self) -> impl Iterator<Item = (&Tensor, Range<usize>)> {
        self.tensors.iter().scan(0, |start, tensor| {
            let range = *start..*start + tensor.size();
            *start = range.end;
            Some((tensor, range))
        })
    }

    /// The range of the tensor called `name`.
    pub fn range(&self, name: &str) -> Option<Range<usize>> {
        self.ranges().find(|(tensor, _)| tensor.name == name).map(|(_, range)| range)
    }

    /// Number of parameters: length of the flat buffer.
    pub fn size(&self) -> usize {
        self.tensors.iter().map(Tensor::size).sum()
    }

    /// A flat buffer of initial values, drawn tensor by tensor.
    pub fn initialise<T: Real>(&self, rng: &mut Rng) -> Vec<T> {
        let mut flat = Vec::with_capacity(self.size());
        for tensor in &self.tensors {
            let mut uniform = |bound: f64| T::of(bound * (2.0 * rng.random::<f64>() - 1.0));
            let draw = |i: usize| match &tensor.init {
                Init::Uniform { bound } => uniform(*bound),
                Init::Constant(value) => T::of(*value),
                Init::Each(values) => T::of(values[i]),
                Init::Masked { bound, mask } => {
                    let [row, column] = [i / mask.columns.count, i % mask.columns.count];
                    if column < mask.visible(row) { uniform(*bound) } else { T::zero() }
                }
            };
            flat.extend((0..tensor.size()).map(draw));
        }
        flat
    }
}
