//! Flows in memory on two devices; the numbers of the commands are compared by the tests of the Python package.

use super::*;
use crate::commands::caller::nobody;
use crate::config::{DeviceName, SoleFlow};
use ndarray::ArrayD;
use upg_train::method::{Divergence, Estimator};

const MIRROR: DeviceName = DeviceName::Cuda(7);
const FLOW: &str = "RealNvp(lattice: [4], couplings: 2, hidden: [5])";

fn description(device: DeviceName, target: &str) -> Description {
    let sole = SoleFlow::parse(&format!("(flow: {FLOW}, target: {target})"), Path::new("")).unwrap();
    let place = PlaceArgs { device, threads: Some(2) };
    Description { sole, precision: Precision::F64, seed: 3, weights: None, place, ode_steps: None }
}

fn draws(told: Told) -> Draws {
    Draws { seed: Some(5), first: 1, samples: 40, draw: Draw::Independent, told }
}

fn double(numbers: &Numbers) -> ArrayD<f64> {
    match numbers {
        Numbers::F64(numbers) => numbers.clone(),
        Numbers::F32(_) => panic!("single precision"),
    }
}

/// All that a flow tells.
fn told(flow: &mut Held) -> (Drawn, Drawn, Densities, [Mapped; 2], Numbers, Gradient, Gradient) {
    let weighted = flow.sample(&draws(Told::LogWeight), &nobody).unwrap();
    let drawn = flow.sample(&draws(Told::LogProb), &nobody).unwrap();
    let x = double(&drawn.x);
    let (x, z) = (x.view(), double(&flow.map(Way::Inverse, Points::F64(&x.view()), &nobody).unwrap().end));
    let densities = flow.log_prob(Points::F64(&x), &nobody).unwrap();
    let maps = [(Way::Inverse, &x), (Way::Forward, &z.view())]
        .map(|(way, points)| flow.map(way, Points::F64(points), &nobody).unwrap());
    let scores = flow.scores(Points::F64(&x), &nobody).unwrap();
    let reverse = Method::new(Estimator::PathFast, Divergence::Reverse).unwrap();
    let of = GradientOf::Draw { seed: Some(5), first: 1, samples: 40 };
    let own = flow.gradient(&GradientRequest { target: None, method: reverse, of }).unwrap();
    let forward = Method::new(Estimator::Gdreg, Divergence::Forward).unwrap();
    let of = GradientOf::Given(Points::F64(&x));
    let other = flow.gradient(&GradientRequest { target: Some("Banana(dim: 4)"), method: forward, of }).unwrap();
    (weighted, drawn, densities, maps, scores, own, other)
}

#[test]
fn flows_are_the_same_on_every_device() {
    let [mut here, mut there] =
        [DeviceName::Cpu, MIRROR].map(|device| Held::new(&description(device, "Gmm(dim: 4)")).unwrap());
    let all = told(&mut here);
    assert!(all == told(&mut there) && all == told(&mut here), "and whatever came before");
    let (weighted, drawn, densities, _, _, own, _) = all;
    assert!(weighted.x == drawn.x && own.end == drawn.x && own.log_weights == weighted.told);
    assert!(drawn.told.iter().zip(&densities.log_prob).all(|(there, back)| (there - back).abs() < 1e-12));
    assert!(weighted.told != drawn.told && densities.missed == 0);
}

#[test]
fn weights_are_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let mut flow = Held::new(&description(DeviceName::Cpu, "Gmm(dim: 4)")).unwrap();
    let parameters = flow.parameters().unwrap();
    let halved: Vec<_> = parameters.iter().map(|(name, numbers)| (name.clone(), double(numbers) * 0.5)).collect();
    let views: Vec<_> = halved.iter().map(|(name, numbers)| (name.clone(), numbers.view())).collect();
    let points: Vec<_> = views.iter().map(|(name, view)| (name.clone(), Points::F64(view))).collect();
    flow.set_parameters(&points).unwrap();
    flow.save(&path).unwrap();
    let place = PlaceArgs { device: MIRROR, threads: None };
    let found = Description::of_file(&path, None, None, place, None).unwrap();
    assert!(found.precision == Precision::F64 && found.seed == 3 && found.sole == flow.facts().sole);
    let mut loaded = Held::new(&found).unwrap();
    assert!(told(&mut loaded) == told(&mut flow) && loaded.parameters().unwrap() != parameters);
}

#[test]
fn a_caller_ends_a_call_and_the_flow_goes_on() {
    let mut flow = Held::new(&description(DeviceName::Cpu, "Gmm(dim: 4)")).unwrap();
    let before = told(&mut flow);
    for kind in [Told::LogWeight, Told::LogProb] {
        let ended = flow.sample(&draws(kind), &|| Some("a test")).unwrap_err().to_string();
        assert_eq!(ended, "stopped by a test");
    }
    assert!(told(&mut flow) == before);
}
