//! How a problem is trained, from its configuration.

use crate::config::{Config, Source};
use crate::report::plot::escape;

/// The settings and the whole configuration, HTML.
pub(super) fn html(config: &Config) -> String {
    let training = &config.training;
    let rule = format!("rate {:e}, {:?}", training.optimiser.rate(), training.schedule);
    let clip = training.clip.map_or("none".to_owned(), |clip| clip.to_string());
    let lines = [
        ("steps", training.steps.to_string()),
        ("samples per step", training.batch.to_string()),
        ("Adam", rule),
        ("clip", clip),
        ("data", data(config)),
        ("tests", tests(config)),
    ];
    let line = |(name, value): &(&str, String)| format!("<dt>{name}</dt><dd>{}</dd>\n", escape(value));
    let lines: String = lines.iter().map(line).collect();
    let whole = escape(&config.to_pretty_ron());
    format!(
        "<dl>{lines}</dl>\n<details><summary>Configuration (objective and seed vary)</summary><pre>{whole}</pre></details>\n"
    )
}

fn tests(config: &Config) -> String {
    let every = format!("every {} steps", config.training.validation.every);
    let steps = config.flow_spec().ok().and_then(|spec| spec.steps());
    match steps.zip(config.evaluation.ode_steps) {
        Some((own, tested)) => format!("{every}, with {tested} steps of the integrator instead of {own}"),
        None => every,
    }
}

/// The settings in a line.
pub(super) fn in_short(config: &Config) -> String {
    let training = &config.training;
    format!("{} steps of {} samples, rate {:e}", training.steps, training.batch, training.optimiser.rate())
}

fn data(config: &Config) -> String {
    let number = |source: &Source| match source {
        Source::Draw(samples) => samples.to_string(),
        Source::File(path) => path.display().to_string(),
    };
    let data = config.data().unwrap_or_default();
    format!("{} to train on, {} to test on", number(&data.train), number(&data.test))
}
