//! Layers of the device agree with those of the host, number by number, at the same parameters and samples, both ways.

use crate::support::on_device;
use ndarray::Array2;
use rand::RngExt;
use upg_core::{Cpu, Layer, Rng};
use upg_flows::LayerSpec;
use upg_testkit::domain::Domain;
use upg_testkit::draw;
use upg_testkit::runner::{Mapped, Pulled, Runner};
use upg_testkit::tolerance::{Tolerance, assert_close_on_scale, largest};

/// Checks the layer and its inverse in f64: values, log-dets, covectors of both verbs and gradients, at random parameters and samples.
///
/// # Panics
/// If a result differs by more than round-off; the message names it.
pub fn check_agreement(spec: &LayerSpec, shape: &[usize], domain: Domain, rng: &mut Rng) {
    let theta = draw::parameters(rng, &spec.params(shape));
    for spec in [spec.clone(), LayerSpec::Inverse(Box::new(spec.clone()))] {
        let input = Input::draw(shape.iter().product(), domain, rng);
        let host = input.results(&*spec.build::<f64>(shape).expect("the host accepts it"), &theta);
        let device = input.results(&on_device::<f64>(&spec, shape), &theta);
        for ((name, host), (_, device)) in host.iter().zip(&device) {
            let what = format!("{name} of {spec:?}");
            assert_close_on_scale(&what, device, host, largest(host).max(1.0), Tolerance::theorem::<f64>());
        }
    }
}

struct Input {
    x: Array2<f64>,
    covector: Array2<f64>,
    weight: f64,
}

type Named = Vec<(&'static str, Vec<f64>)>;

impl Input {
    fn draw(dof: usize, domain: Domain, rng: &mut Rng) -> Self {
        let samples = rng.random_range(1..70);
        let x = draw::points(rng, domain, samples, dof);
        Self { x, covector: draw::normal(rng, samples, dof, 1.0), weight: rng.random_range(-2.0..2.0) }
    }

    fn results(&self, layer: &dyn Layer<Cpu<f64>>, theta: &[f64]) -> Named {
        let here = Cpu::here();
        let mut runner = Runner::new(&here, layer, theta);
        let flat = |array: Array2<f64>| array.into_iter().collect::<Vec<f64>>();
        let Mapped { y: value, log_det: of_value } = runner.forward_without_tape(&self.x);
        let Mapped { y, log_det } = runner.forward(&self.x);
        let Pulled { cotangent: pushed, grad: of_push } = runner.push(&self.covector, self.weight);
        let score = runner.push_score(&self.covector);
        let Pulled { cotangent: pulled, grad } = runner.pull_back(&self.covector, self.weight);
        let (Mapped { y: alongside, log_det: of_alongside }, pushed_alongside) =
            runner.forward_with_score(&self.x, &self.covector);
        vec![
            ("x with a score", flat(alongside)),
            ("log-det with a score", of_alongside),
            ("score alongside", flat(pushed_alongside)),
            ("x without a tape", flat(value)),
            ("log-det without a tape", of_value),
            ("x", flat(y)),
            ("log-det", log_det),
            ("pushed covector", flat(pushed)),
            ("gradient of a push", of_push),
            ("score", flat(score)),
            ("cotangent", flat(pulled)),
            ("gradient", grad),
        ]
    }
}
