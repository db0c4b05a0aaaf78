//! `upg config schema`: a documented example of every field, which is itself a valid configuration.

/// The example, RON with comments.
pub const EXAMPLE: &str = include_str!("schema.ron");

/// The lines that explain the flow called `name`; behind them those of the fields that it has in common with the example.
pub fn of_flow(name: &str) -> Vec<String> {
    let recipe = recipe(name);
    let text = recipe.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let in_common = |field: &str| {
        text.contains(&format!(", {field} = ")) || text.contains(&format!("{field} as below")) || name == "RealNvp"
    };
    let fields = fields_of_example().into_iter().filter(|(field, _)| in_common(field));
    recipe.iter().copied().chain(fields.flat_map(|(_, lines)| lines)).map(str::to_owned).collect()
}

/// The lines of a flow in the list of all of them.
fn recipe(name: &str) -> Vec<&'static str> {
    let first = format!("{name}(");
    let list = EXAMPLE.lines().map_while(|line| (!line.starts_with("    flow:")).then_some(line));
    let mut lines = list.filter_map(|line| line.strip_prefix("    //   ")).skip_while(|line| !line.starts_with(&first));
    let head = lines.next();
    head.into_iter().chain(lines.take_while(|line| line.starts_with(' '))).collect()
}

/// The fields of the flow that is the example, each with the lines about it.
fn fields_of_example() -> Vec<(&'static str, Vec<&'static str>)> {
    let section = EXAMPLE.lines().skip_while(|line| !line.starts_with("    flow:")).skip(1);
    let (mut fields, mut lines) = (vec![], vec![]);
    for line in section.map_while(|line| line.strip_prefix("        ")) {
        lines.push(line);
        if let Some((field, _)) = line.split_once(':').filter(|_| !line.starts_with("//")) {
            fields.push((field, std::mem::take(&mut lines)));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::super::{Config, locate};
    use super::{EXAMPLE, of_flow};

    #[test]
    fn a_flow_is_explained_by_its_lines_and_by_those_of_its_fields() {
        let [glow, links, all] = ["Glow", "U1", "RealNvp"].map(of_flow);
        let has = |lines: &[String], start: &str| lines.iter().any(|line| line.starts_with(start));
        assert!(
            glow[0].starts_with("Glow(lattice, steps") && glow[2].starts_with("    steps of three layers"),
            "{glow:?}"
        );
        assert!(has(&glow, "base: ") && has(&glow, "//   FreeField") && has(&glow, "mask: "), "{glow:?}");
        assert!(has(&links, "init: ") && !has(&links, "base: ") && !has(&links, "transform: "), "{links:?}");
        assert!(
            has(&all, "couplings: ") && has(&all, "clamp: ") && all.iter().all(|line| !line.contains("Z2Nice(")),
            "{all:?}"
        );
        assert!(of_flow("None").is_empty());
    }

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
            "ConvNvp(",
            "Layers(",
            " Coupling(",
            "GaugeCoupling(",
            "Scaling(",
            "Autoregressive(",
            "Maf(",
            "Iaf(",
            "Inverse(",
            "Mlp(",
            "Cnn(",
            "symmetry = Z2",
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
