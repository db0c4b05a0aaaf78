//! A flow by itself, or with a target: all that is needed where nothing is trained.

use super::data::{Data, Hmc};
use super::experiment::Config;
use super::flow::FlowConfig;
use super::from_target;
use super::invalid::{AllInvalid, Invalid};
use super::mistakes::{ConfigError, Mistake, Origin};
use super::notation;
use super::parse::parse;
use super::place::Place;
use super::target::{AnyTarget, TargetConfig};
use crate::text::one_line;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use upg_core::{Real, Target};
use upg_flows::FlowSpec;

/// The sections `flow` and, if there is one, `target`; others are passed over.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename = "Config")]
pub struct SoleFlow {
    /// The flow.
    pub flow: FlowConfig,
    /// The target that it is for: what the flow leaves open is decided by it.
    #[serde(default)]
    pub target: Option<TargetConfig>,
}

impl SoleFlow {
    /// Reads both sections from a text; files that they name are relative to `folder`.
    ///
    /// # Errors
    /// If it isn't RON, or a field is missing, unknown or of the wrong type.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let mut sole: Self = parse(Path::new(""), text)?;
        if let Some(target) = &mut sole.target {
            target.resolve(folder);
        }
        Ok(sole)
    }

    /// Reads a target for this flow from its text.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_target(&self, text: &str, folder: &Path) -> Result<TargetConfig, ConfigError> {
        let flow = notation::options().to_string(&self.flow).expect("a flow has a text");
        let both = Self::parse(&format!("(flow: {flow}, target: {text})"), folder)?;
        Ok(both.target.expect("it is in the text"))
    }

    /// Both sections in one line of RON; those of a whole configuration, if there is a target.
    pub fn to_ron(&self) -> String {
        match &self.target {
            Some(target) => Config::new(self.flow.clone(), target.clone()).to_ron(),
            None => format!("(flow: {})", self.flow_text()),
        }
    }

    /// The flow, as it is written by hand.
    pub fn flow_text(&self) -> String {
        notation::plain_text(&self.flow)
    }

    /// The target, as it is written by hand.
    pub fn target_text(&self) -> Option<String> {
        self.target.as_ref().map(notation::plain_text)
    }

    /// A list of layers in one line of RON.
    pub fn text_of(layers: &FlowSpec) -> String {
        notation::options().to_string(layers).expect("a flow has a text")
    }

    /// The flow as a list of layers, with so many steps of its integrator in the place of its own, in each layer in proportion.
    ///
    /// # Errors
    /// Every field that isn't accepted.
    pub fn spec(&self, ode_steps: Option<usize>) -> Result<FlowSpec, ConfigError> {
        self.layers(ode_steps).map_err(|invalid| told(&invalid))
    }

    fn layers(&self, ode_steps: Option<usize>) -> Result<FlowSpec, AllInvalid> {
        let flow = self.target.as_ref().map_or_else(|| self.flow.clone(), |target| self.flow.completed(target));
        let explained = |error| match &self.target {
            Some(target) => from_target::explained(error, target),
            None => Some(Invalid::from(error)),
        };
        let spec = flow.spec().map_err(|error| {
            match AllInvalid::none_of(flow.errors().into_iter().filter_map(explained)) {
                Err(all) => all,
                Ok(()) => Invalid::from(error).into(),
            }
        })?;
        match (ode_steps, spec.steps()) {
            (None, _) => Ok(spec),
            (Some(steps), Some(own)) => Ok(spec.map_steps(|of_layer| steps * of_layer / own)),
            (Some(steps), None) => {
                let accepted = "None, as no layer of this flow is continuous".into();
                Err(Invalid { field: "ode_steps".into(), value: steps.to_string(), accepted }.into())
            }
        }
    }

    /// A target on `device`, for this flow, whose layers are `spec`.
    ///
    /// # Errors
    /// As [`Config::target_on`].
    pub fn target_on<D: Place>(
        &self,
        device: &D,
        target: &TargetConfig,
        spec: &FlowSpec,
    ) -> Result<Arc<dyn Target<D>>, ConfigError> {
        Config::new(self.flow.clone(), target.clone()).target_on(device, spec).map_err(|invalid| told(&invalid))
    }
}

/// A target by itself, and how HMC draws of it where it has no exact sampler.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename = "Config", deny_unknown_fields)]
pub struct SoleTarget {
    /// The target.
    pub target: TargetConfig,
    /// As in the section `data`.
    #[serde(default)]
    pub hmc: Hmc,
}

impl SoleTarget {
    /// Reads both from a text; files that they name are relative to `folder`.
    ///
    /// # Errors
    /// As [`SoleFlow::parse`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let mut sole: Self = parse(Path::new(""), text)?;
        sole.target.resolve(folder);
        Ok(sole)
    }

    /// Checks how HMC is to draw.
    ///
    /// # Errors
    /// Every field that isn't accepted.
    pub fn check(&self) -> Result<(), ConfigError> {
        let data = Data { hmc: self.hmc.clone(), ..Data::default() };
        let alone = |invalid: Invalid| Invalid { field: invalid.field.trim_start_matches("data.").into(), ..invalid };
        AllInvalid::none_of(data.invalid().into_iter().map(alone)).map_err(|invalid| told(&invalid))
    }

    /// The target on the host.
    ///
    /// # Errors
    /// If a value of it isn't accepted.
    pub fn theory<T: Real>(&self) -> Result<AnyTarget<T>, ConfigError> {
        self.target.build().map_err(|invalid| told(&invalid.into()))
    }
}

/// What is said of fields that stand in no file.
fn told(invalid: &AllInvalid) -> ConfigError {
    let mistakes = invalid.iter().map(|Invalid { field, value, accepted }| Mistake {
        origin: Origin::File(None),
        field: Some((field.clone(), one_line(value, 100))),
        problem: format!("accepted is {accepted}"),
    });
    ConfigError::all(Path::new(""), mistakes.collect()).expect("there is a first one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SoleFlow, ConfigError> {
        SoleFlow::parse(text, Path::new(""))
    }

    #[test]
    fn a_flow_is_read_with_a_target_and_without() {
        let flow = "RealNvp(lattice: [4], couplings: 2, hidden: [3])";
        let alone = read(&format!("(flow: {flow})")).unwrap();
        assert!(alone.target.is_none() && alone.target_text().is_none());
        assert_eq!(read(&alone.to_ron()).unwrap(), alone);
        let both = read(&format!("(flow: {flow}, target: Gmm(dim: 4), training: (steps: 3))")).unwrap();
        assert_eq!((both.target_text().unwrap(), &both.flow), ("Gmm(dim: 4)".into(), &alone.flow));
        assert_eq!(read(&both.to_ron()).unwrap(), both);
        let layers = SoleFlow::text_of(&alone.spec(None).unwrap());
        let again = read(&format!("(flow: Layers{layers})")).unwrap();
        assert_eq!(again.spec(None).unwrap(), alone.spec(None).unwrap());
    }

    #[test]
    fn what_is_wrong_is_told_as_of_a_text() {
        let told = |text: &str, steps| read(text).unwrap().spec(steps).unwrap_err().to_string();
        let two = told("(flow: RealNvp(lattice: [4], couplings: 0, hidden: [0]))", None);
        assert!(two.starts_with("flow.couplings = 0: accepted is") && two.lines().count() == 2, "{two}");
        let steps = told("(flow: RealNvp(lattice: [4], couplings: 2, hidden: [3]))", Some(3));
        assert_eq!(steps, "ode_steps = 3: accepted is None, as no layer of this flow is continuous");
        let flow = read("(flow: RealNvp(lattice: [4], couplings: 2, hidden: [3]))").unwrap();
        let target = flow.parse_target("Gmm(dim: 3)", Path::new("")).unwrap();
        let spec = flow.spec(None).unwrap();
        let misfit = flow.target_on(&upg_core::Cpu::<f32>::here(), &target, &spec).err().unwrap().to_string();
        assert!(misfit.starts_with("target.dim = 3: accepted is as many"), "{misfit}");
        let unknown = flow.parse_target("Gmm(size: 3)", Path::new("")).unwrap_err().to_string();
        assert!(unknown.starts_with("target.") && !unknown.contains('\n'), "{unknown}");
        let hmc = SoleTarget::parse("(target: Gmm(dim: 3), hmc: (chains: 0))", Path::new("")).unwrap();
        assert_eq!(hmc.check().unwrap_err().to_string(), "hmc.chains = 0: accepted is a whole number of at least 1");
    }
}
