//! What a configuration leaves to its target.

use crate::config::Config;
use rand::SeedableRng;
use upg_core::{Batch, Cpu};
use upg_flows::BaseSpec;

/// A flow of this base, and a target.
fn based(base: &str, target: &str) -> Config {
    let flow = format!("RealNvp(lattice: [4, 3], couplings: 2, hidden: [3], base: {base})");
    Config::parse(&format!("(flow: {flow}, target: {target})")).unwrap()
}

#[test]
fn numbers_of_a_base_are_left_to_a_target() {
    let base = |base: &str, target: &str| based(base, target).flow_spec().unwrap().base;
    let of_two_minima = "Phi4(lattice: [4, 3], kappa: 0.3, lambda: 0.022)"; // μ = 1 − 0.044 − 1.2 = −0.244
    let BaseSpec::TwoSigns { m2: Some(m2), kappa: Some(kappa), v: Some(v) } = base("TwoSigns()", of_two_minima) else {
        panic!("complete")
    };
    assert!((m2 - 0.976).abs() < 1e-12 && kappa == 0.3 && (v - (0.244_f64 / 0.044).sqrt()).abs() < 1e-12);
    assert_eq!(base("TwoSigns(m2: 2, v: 3)", of_two_minima), BaseSpec::two_signs(2.0, 0.3, 3.0));
    let BaseSpec::FreeField { m2: Some(m2), kappa: Some(kappa) } =
        base("FreeField()", "Phi4(lattice: [4, 3], kappa: 0.2, lambda: 0.05)")
    else {
        panic!("complete")
    };
    assert!((m2 - 0.2).abs() < 1e-12 && kappa == 0.2);
    assert_eq!(base("FreeField(m2: 0.3, kappa: 0.1)", "Gmm(dim: 12)"), BaseSpec::free_field(0.3, 0.1));
    let mass = |m2: f64, convention: &str| {
        let target = format!("Phi4(lattice: [4, 3], mass_squared: {m2}, lambda: 6, convention: {convention})");
        base(if m2 > 0.0 { "FreeField()" } else { "TwoSigns()" }, &target)
    };
    assert_eq!(mass(0.5, "NoHalves"), BaseSpec::free_field(1.0, 1.0));
    assert_eq!(mass(0.5, "Canonical"), BaseSpec::free_field(0.5, 0.5));
    assert_eq!(mass(-0.75, "NoHalves"), BaseSpec::two_signs(3.0, 1.0, 0.25));
    assert_eq!(mass(-0.5, "Canonical"), BaseSpec::two_signs(1.0, 0.5, 0.5_f64.sqrt()));
}

/// The constant field ±v is stationary, and the field of momentum p has the curvature m² + 2κ p̂² about it.
#[test]
fn default_bases_have_the_curvature_of_the_target() {
    for (kappa, lambda) in [(0.3, 0.022), (0.27, 0.3), (0.1, 1.2)] {
        let target = format!("Phi4(lattice: [4, 3], kappa: {kappa}, lambda: {lambda})");
        let mu = 1.0 - 2.0 * lambda - 4.0 * kappa;
        let config = based(if mu < 0.0 { "TwoSigns()" } else { "FreeField()" }, &target);
        let (m2, v) = match config.flow_spec().unwrap().base {
            BaseSpec::FreeField { m2, .. } => (m2.unwrap(), 0.0),
            BaseSpec::TwoSigns { m2, v, .. } => (m2.unwrap(), v.unwrap()),
            other => panic!("{other:?}"),
        };
        let theory = config.target.build::<f64>().unwrap();
        let slope = |along: &dyn Fn(usize) -> f64, t: f64| {
            let mut x = Batch::from_samples(ndarray::Array2::from_shape_fn((1, 12), |(_, x)| v + t * along(x)).view());
            let (mut action, mut force) = (vec![], Batch::default());
            theory.action_and_force(&Cpu::here(), &x, &mut action, Some(&mut force));
            x.reshape(0, 0);
            -(0..12).map(|x| force.row(x)[0] * along(x)).sum::<f64>() / 12.0
        };
        let alternating = |x: usize| if (x / 3).is_multiple_of(2) { 1.0 } else { -1.0 }; // p = (π, 0), p̂² = 4
        for (along, expected) in [(&(|_| 1.0) as &dyn Fn(usize) -> f64, m2), (&alternating, m2 + 8.0 * kappa)] {
            assert!(slope(along, 0.0).abs() < 1e-9, "stationary");
            let curvature = (slope(along, 1e-4) - slope(along, -1e-4)) / 2e-4;
            assert!((curvature - expected).abs() < 1e-6, "{curvature} for {expected} at {kappa}, {lambda}");
        }
    }
}

#[test]
fn a_base_without_its_numbers_is_refused_in_one_line() {
    let told = |base: &str, target: &str| based(base, target).check().unwrap_err().to_string();
    let of_one_minimum = "Phi4(lattice: [4, 3], kappa: 0.1, lambda: 0.1)";
    for (base, target, lines) in [
        (
            "FreeField(kappa: 0.1)",
            "Gmm(dim: 12)",
            "config: flow.base.m2 = absent: accepted is a finite number above 0, as this target gives no default: Phi4 does, \
             if its quadratic term isn't 0",
        ),
        (
            "TwoSigns()",
            of_one_minimum,
            "config: flow.base.v = absent: accepted is a finite number above 0, as this target gives no default: Phi4 with \
             two minima does",
        ),
        ("FreeField(m2: -1)", of_one_minimum, "config: flow.base.m2 = -1.0: accepted is a finite number above 0"),
    ] {
        assert_eq!(told(base, target), lines);
    }
    // What is left to a target that isn't accepted isn't told.
    let config = based("TwoSigns()", "Phi4(lattice: [4, 3], kappa: inf, lambda: 0.1)");
    let lines = config.build::<f64>().map(drop).unwrap_err().to_string();
    assert!(lines.starts_with("config: target.kappa = inf: ") && !lines.contains('\n'), "{lines}");
}

/// The text of a configuration keeps what it leaves open, so that another value for the target has its effect; what is recorded of the flow
/// is complete.
#[test]
fn bases_survive_their_text_and_follow_the_target() {
    let target = "Phi4(lattice: [4, 3], kappa: 0.3, lambda: 0.022)";
    let config = based("TwoSigns(v: 2)", target);
    assert_eq!(Config::parse(&config.to_ron()).unwrap(), config);
    assert!(config.to_ron().contains("base:TwoSigns(v:2.0)"), "{}", config.to_ron());
    let recorded = config.flow_to_ron().unwrap();
    assert!(recorded.contains("kappa:0.3") && recorded.contains("m2:0.97"), "{recorded}");
    let model = config.build::<f64>().unwrap();
    assert_eq!(model.layout().tensors()[1].name, "base.v");
}

/// How large the field is: a constant field of this size has an action of 1 per site.
#[test]
fn a_lattice_field_gets_the_size_of_the_target() {
    let with = |target: &str| {
        let field = "field: Lattice(frequencies: 3, times: 2), steps: 2";
        [
            format!("(flow: Continuous(lattice: [4, 3], {field}), target: {target})"),
            format!("(flow: Layers(shape: [4, 3], base: StandardNormal, layers: [Inverse(Continuous({field}))]), target: {target})"),
        ]
        .map(|text| Config::parse(&text).unwrap())
    };
    let frequencies = |config: &Config| -> Vec<f64> {
        let layout = config.build::<f64>().unwrap().layout();
        let theta: Vec<f64> = layout.initialise(&mut upg_core::Rng::seed_from_u64(0));
        theta[theta.len() - 3..].iter().map(|log_omega| log_omega.exp()).collect()
    };
    for target in [
        "Phi4(lattice: [4, 3], kappa: 0.3, lambda: 0.022)",
        "Phi4(lattice: [4, 3], mass_squared: -4, lambda: 6, convention: NoHalves)",
        "Phi4(lattice: [4, 3], kappa: 0.2, lambda: 0.1)",
        "Phi4(lattice: [4, 3], kappa: 0.05, lambda: 0)",
    ] {
        for config in with(target) {
            let found = frequencies(&config);
            let size = 2.3 / found[0];
            assert!((found[2] * size - 13.0).abs() < 1e-9 && (found[1] * size - 7.65).abs() < 1e-9, "{found:?}");
            let theory = config.target.build::<f64>().unwrap();
            let x = Batch::from_samples(ndarray::Array2::from_elem((1, 12), size).view());
            let mut action = vec![];
            theory.action_and_force(&Cpu::here(), &x, &mut action, None);
            assert!((action[0] - 12.0).abs() < 1e-9, "{action:?} of a constant field {size} in {target}");
        }
    }
    let [config, _] = with("Gmm(dim: 12)");
    assert!((frequencies(&config)[0] - 2.3 / 4.0).abs() < 1e-12);
    let text = config.to_ron();
    assert!(!text.contains("scale"), "{text}");
    let own = Config::parse(
        &text
            .replace("times:2", "times:2,scale:0.5")
            .replace("Gmm(dim:12)", "Phi4(lattice:[4,3],kappa:0.3,lambda:0.022)"),
    );
    assert!((frequencies(&own.unwrap())[0] - 4.6).abs() < 1e-12);
    let told = Config::parse(&text.replace("times:2", "times:2,scale:0.0")).unwrap().check().unwrap_err().to_string();
    assert_eq!(told, "config: flow.field.scale = 0.0: accepted is a number > 0");
}
