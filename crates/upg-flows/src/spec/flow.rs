//! A flow as plain data.

use super::{base::BaseSpec, description::Description, layer::LayerSpec, outline::Outline};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    error::{FlowError, require},
    size::{self, Size},
};
use upg_core::{Cut, Domain, ParamLayout};

/// A flow as plain data.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "Layers", deny_unknown_fields)
)]
pub struct FlowSpec {
    /// Shape of one sample; the flat index is in C order. The lattice, for one number a site; `[2, L_0, L_1]` for the links of a lattice.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::extents"))]
    pub shape: Vec<usize>,
    /// The density that samples are drawn from.
    pub base: BaseSpec,
    /// The layers, in the order in which they are applied to a sample of the base.
    pub layers: Vec<LayerSpec>,
}

impl FlowSpec {
    /// Number of degrees of freedom.
    pub fn dof(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where the samples live.
    pub fn domain(&self) -> Domain {
        self.base.domain()
    }

    /// Whether the degrees of freedom are the links of a lattice, by the layers that act on them.
    pub fn acts_on_links(&self) -> bool {
        self.layers.iter().any(Description::on_links)
    }

    /// The flow with other numbers of steps in its continuous layers.
    pub fn map_steps(self, change: impl Fn(usize) -> usize) -> Self {
        Self { layers: self.layers.into_iter().map(|layer| layer.map_steps(&change)).collect(), ..self }
    }

    /// The flow with this size of φ in lattice fields that have none.
    pub fn with_default_scale(self, scale: f64) -> Self {
        Self { layers: self.layers.into_iter().map(|layer| layer.with_default_scale(scale)).collect(), ..self }
    }

    /// Steps of its continuous layers, the fewest; none if it has no such layer.
    pub fn steps(&self) -> Option<usize> {
        self.layers.iter().filter_map(LayerSpec::steps).min()
    }

    /// Extents of the lattice: the shape of a sample, without the direction of links.
    pub fn lattice(&self) -> &[usize] {
        if self.acts_on_links() { self.shape.get(1..).unwrap_or_default() } else { &self.shape }
    }

    /// Checks every field and how large the flow is, without making it.
    ///
    /// # Errors
    /// Names the first field that isn't accepted, and its layer.
    pub fn check(&self) -> Result<(), FlowError> {
        FlowError::first(self.errors())
    }

    /// Every field that isn't accepted: those of the layers by themselves, else what is wrong with them together.
    pub fn errors(&self) -> Vec<FlowError> {
        let shape = !self.shape.is_empty() && !self.shape.contains(&0);
        let shape = require(shape, "shape", &self.shape, "at least one extent, each at least 1");
        let mut errors = FlowError::failed([shape]);
        errors.extend(self.base.field_errors());
        errors.extend(self.each(LayerSpec::field_errors));
        if errors.is_empty() {
            errors.extend(self.size().err());
        }
        if errors.is_empty() {
            errors = self.each(|layer| FlowError::failed([layer.check_shape(&self.shape)]));
            let base = || self.check_base().and_then(|()| self.base.check_shape(&self.shape));
            errors.extend(self.check_domains().and_then(|()| base()).err());
        }
        errors
    }

    /// Layers of numbers and of angles don't go together.
    fn check_domains(&self) -> Result<(), FlowError> {
        let mut known = self.layers.iter().enumerate().filter_map(|(i, layer)| Some((i, layer.domain()?)));
        let Some((_, first)) = known.next() else { return Ok(()) };
        let Some((other, domain)) = known.find(|&(_, domain)| domain != first) else { return Ok(()) };
        let (value, accepted) = match domain {
            Domain::Line => ("a layer of numbers", "a layer of angles, as those before it"),
            Domain::Circle => ("a layer of angles", "a layer of numbers, as those before it"),
        };
        Err(FlowError::new("", value, accepted).with_value(value).in_layer(other))
    }

    fn check_base(&self) -> Result<(), FlowError> {
        let accepted = match self.layers.iter().filter_map(Description::domain).find(|&domain| domain != self.domain())
        {
            None => return Ok(()),
            Some(Domain::Line) => {
                "StandardNormal, DiagonalNormal, FreeField(...) or TwoSigns(...) with layers of numbers"
            }
            Some(Domain::Circle) => "UniformTorus with layers of angles",
        };
        Err(FlowError::new("base", self.base, accepted).with_value(self.base.name()))
    }

    /// The errors of every layer; the shape of the samples belongs to the flow, and is told once.
    fn each(&self, errors: impl Fn(&LayerSpec) -> Vec<FlowError>) -> Vec<FlowError> {
        let all = self.layers.iter().enumerate().flat_map(|(i, layer)| {
            errors(layer).into_iter().map(move |e| if e.field == "shape" { e } else { e.in_layer(i) })
        });
        let (of_shape, mut of_layers): (Vec<_>, Vec<_>) = all.partition(|error| error.field == "shape");
        of_layers.extend(of_shape.into_iter().next());
        of_layers
    }

    /// How large the flow is.
    ///
    /// # Errors
    /// If there are no layers, more than 10,000 of them, or more of anything than [`Size::LARGEST`].
    pub fn size(&self) -> Result<Size, FlowError> {
        if self.layers.is_empty() {
            return Err(FlowError::new("layers", &self.layers, "at least one layer"));
        }
        let many = |error: FlowError| error.with_value(format!("{} layers", self.layers.len()));
        size::check_layers("layers", self.layers.len()).map_err(many)?;
        self.outline().size()
    }

    /// How to cut a batch: see [`Cut`].
    pub fn cut(&self) -> Cut {
        self.outline().cut()
    }

    /// The parameters of base and layers: names, shapes and initial values, in the order of the flat buffer.
    ///
    /// # Errors
    /// If the flow isn't accepted.
    pub fn params(&self) -> Result<ParamLayout, FlowError> {
        self.check()?;
        let mut layout = ParamLayout::default();
        layout.nest("base.", &self.base.params(&self.shape));
        for (i, layer) in self.layers.iter().enumerate() {
            layout.nest(&format!("layers.{i}."), &layer.params(&self.shape));
        }
        Ok(layout)
    }

    /// F: multiply-adds of one forward pass of one sample through all layers. Sampling takes F, `reparam` and `max-likelihood` 3F,
    /// `path-fast` 4F of them. What the base takes comes on top. Counts saturate.
    pub fn multiply_adds(&self) -> u64 {
        self.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.multiply_adds(&self.shape)))
    }

    fn outline(&self) -> Outline<'_> {
        Outline { shape: &self.shape, base: &self.base, kinds: self.layers.iter().map(|layer| (1, layer)).collect() }
    }
}
