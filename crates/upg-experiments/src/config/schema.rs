//! `upg config schema`: a documented example of every field, which is itself a valid configuration.

/// The example, RON with comments.
pub const EXAMPLE: &str = include_str!("schema.ron");

#[cfg(test)]
mod tests {
    use super::super::{Config, locate};
    use super::EXAMPLE;

    #[test]
    fn the_example_is_an_experiment_that_names_every_field_of_every_section() {
        let config = Config::parse(EXAMPLE).unwrap();
        config.build::<f32>().unwrap();
        let named: Vec<_> = locate::fields(EXAMPLE).into_iter().map(|field| field.path).collect();
        for field in locate::fields(&config.to_ron()) {
            assert!(named.contains(&field.path), "{} is not explained", field.path);
        }
        for all in [
            "Reparam",
            "PathTwoPassLean",
            "MaxLikelihood",
            "Gdreg",
            "Sgd(",
            "Plateau(",
            "Z2Nice(",
            "Layers(",
            " Coupling(",
            "GaugeCoupling(",
            "Scaling(",
            "Autoregressive(",
            "Maf(",
            "Iaf(",
            "Inverse(",
            "Mlp(",
            "LogisticMixture(",
            "TanMixture(",
            "DiagonalNormal",
            "FreeField(",
            "TwoSigns(",
            " Spline(",
            "OddSpline(",
            "CircularSpline(",
            "AngleCoupling(",
            "SplineNvp(",
            "TorusSpline(",
            "U1(",
            "Gmm(",
            "Gaussian(",
            "RandomGaussians(",
            "ManyWell(",
            "Funnel(",
            "Banana(",
            "mass_squared",
            "NoHalves",
            "Canonical",
            "MassSquared(",
        ] {
            assert!(EXAMPLE.contains(all), "{all} is not explained");
        }
    }

    #[test]
    fn the_defaults_it_states_are_the_defaults() {
        let text = "(flow: Z2Nice(lattice: [2], couplings: 1, hidden: [3]), target: Gmm(dim: 2), data: ())";
        let defaults = Config::parse(text).unwrap().to_ron();
        let explained = locate::fields(EXAMPLE);
        let mut compared = 0;
        for field in locate::fields(&defaults).into_iter().filter(|field| !field.path.starts_with("flow")) {
            let Some(place) = explained.iter().find(|told| told.path == field.path) else { continue };
            let line = EXAMPLE[place.value..].lines().next().unwrap();
            let Some((_, told)) = line.rsplit_once("default ") else { continue };
            let (told, value) = (told.split(';').next().unwrap(), field.value_text(&defaults));
            let numbers = told.parse::<f64>().ok().zip(value.parse::<f64>().ok());
            assert!(told == value || numbers.is_some_and(|(a, b)| a == b), "{}: {value}, told {told}", field.path);
            compared += 1;
        }
        assert!(compared > 12, "only {compared} defaults were found: is the wording still the same?");
    }
}
