//! Configurations drawn from all that may be said: those that are refused are so in a line, those that are accepted train, with the same bits for any
//! number of threads.

use super::experiment::Experiment;
use super::outcome::Outcome;
use super::program::How;
use super::round::Round;
use rand::RngExt;
use std::fmt::Write;
use upg_core::Rng;
use upg_experiments::config::catalogue::FLOWS;
use upg_experiments::config::choices::{Choice, Content, Field, Grammar, Kind};
use upg_experiments::config::{Config, ConfigFile};
use upg_testkit::left::Left;

/// Configurations that are read in a round, and those of them that are trained.
const READ: usize = 400;
const TRAINED: usize = 6;

/// Larger flows aren't trained here.
const MOST: u64 = 1 << 14;

/// A round of them.
pub(super) fn round(round: &mut Round<'_>) -> Outcome {
    let grammar = Grammar::of_configurations();
    let mut trained = 0;
    for _ in 0..READ {
        round.go_on()?;
        let text = Draw { grammar: &grammar, rng: &mut round.rng }.config();
        round.count("configurations", 1);
        match read(&text) {
            Err(told) => {
                round.find_if(odd(&told).map(|odd| format!("a refusal is {odd}: {text}")));
                round.count("refused", 1);
            }
            Ok(config) if trained < TRAINED && is_soon_trained(&config) => {
                trained += 1;
                train(round, &text, trained)?;
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Reads and checks; nothing is made.
fn read(text: &str) -> Result<Config, String> {
    let file = ConfigFile::parse("config.ron".as_ref(), text.to_owned()).map_err(|error| error.to_string())?;
    file.check().map_err(|error| error.to_string())?;
    file.check_memory().map_err(|error| error.to_string())?;
    Ok(file.config)
}

/// What is odd about a message.
fn odd(told: &str) -> Option<&'static str> {
    let is_long = told.lines().any(|line| line.len() > 2000);
    let is_rude = told.chars().any(|c| c.is_control() && c != '\n') || told.lines().any(str::is_empty);
    if told.is_empty() {
        Some("empty")
    } else if is_long {
        Some("too long")
    } else {
        is_rude.then_some("not a line")
    }
}

fn is_soon_trained(config: &Config) -> bool {
    let size = config.flow_spec().ok().and_then(|spec| spec.size().ok());
    size.is_some_and(|size| size.parameters.max(size.indices) <= MOST)
}

/// Trains with one thread and with two: the same end, the same line if it failed, the same bits if not.
fn train(round: &mut Round<'_>, text: &str, number: usize) -> Outcome {
    let experiment = Experiment::write(round, text, 0)?;
    let mut ends = vec![];
    for threads in ["1", "2"] {
        let run = format!("config{number}-{threads}");
        let train = experiment.train(round, &run, &["--threads", threads, "--steps", "20"]);
        let ended = round.let_end_with(&[0, 1, 2], text, train)?;
        let left = (ended.how == How::Status(0)).then(|| Left::of(&experiment.path(&run)));
        ends.push((ended.how, ended.error().replace(&run, "RUN"), left));
    }
    round.count("trained", 1);
    match &ends[..] {
        [(How::Status(0), _, Some(Ok(one))), (How::Status(0), _, Some(Ok(two)))] => {
            round.count("steps", 40);
            round.find_if(two.difference(one).map(|difference| format!("with two threads {difference}: {text}")));
        }
        [(one, one_told, None), (two, two_told, None)] if (one, one_told) == (two, two_told) => {
            round.count("trainings that failed in a line", 1);
        }
        _ => round.find(format!("one thread and two threads end in different ways, {ends:?}: {text}")),
    }
    Ok(())
}

/// Draws texts.
struct Draw<'a> {
    grammar: &'a Grammar,
    rng: &'a mut Rng,
}

/// Numbers that fields are often given, and bad ones.
const NUMBERS: [&str; 12] = ["0.5", "0.1", "1.0", "2.0", "0.001", "4.0", "1e-5", "0.9", "-1.0", "0.0", "1e40", "NaN"];
const WHOLES: [&str; 12] = ["1", "2", "3", "4", "2", "3", "5", "8", "0", "20", "-1", "18446744073709551615"];
const LATTICES: [&str; 5] = ["[4, 4]", "[4]", "[2, 2]", "[4, 2]", "[2, 4, 4]"];

impl Draw<'_> {
    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.rng.random_range(0..all.len())]
    }

    /// A flow and a target that fit each other, from the catalogue, or drawn as all else is; then the sections.
    fn config(&mut self) -> String {
        let mut text = String::from("(");
        let of_catalogue = self.rng.random_bool(0.7);
        if of_catalogue {
            let entry = &FLOWS[self.rng.random_range(0..FLOWS.len())];
            let lattice = [vec![4, 4], vec![4, 8], vec![4, 4]][self.rng.random_range(0..3)].clone();
            let experiment = entry.experiment(&lattice).replace("[64, 64]", "[4]").replace("[128, 128]", "[5, 3]");
            let (flow_and_target, _) = experiment.split_once("    training:").unwrap_or((&experiment, ""));
            text = flow_and_target.trim_end().to_owned();
        }
        for field in &self.grammar.sections {
            let is_drawn = match field.name {
                "flow" | "target" => !of_catalogue,
                "training" => true,
                "data" => self.rng.random_bool(0.6),
                _ => self.rng.random_bool(0.2),
            };
            if is_drawn {
                let value = self.value(&field.kind, field.name, 0);
                let _ = write!(text, " {}: {value},", field.name);
            }
        }
        text + ")"
    }

    fn value(&mut self, kind: &Kind, name: &str, depth: usize) -> String {
        match (name, kind) {
            ("steps" | "every" | "batch" | "warm_up" | "samples" | "thin" | "chains" | "modes", Kind::Whole) => {
                return self.pick(&["7", "5", "16", "8", "12", "20", "3", "0"]).to_owned();
            }
            ("train" | "test", _) if self.rng.random_bool(0.9) => return "Draw(30)".into(),
            ("lattice" | "shape" | "cells", _) => return self.pick(&LATTICES).to_owned(),
            ("dim" | "dof", _) => return self.pick(&["4", "2", "16", "0"]).to_owned(),
            ("hidden", _) => return self.pick(&["[4]", "[3, 5]", "[]", "[0]"]).to_owned(),
            ("threads", _) => return "1".into(),
            _ => {}
        }
        match kind {
            Kind::Choice(at) => self.choice(&self.grammar.choices[*at], depth),
            Kind::Record(fields) => format!("({})", self.fields(fields, depth)),
            Kind::Number => self.pick(&NUMBERS).to_owned(),
            Kind::Whole => self.pick(&WHOLES).to_owned(),
            Kind::Text => "\"none\"".into(),
            Kind::List(of) => {
                let len = self.rng.random_range(0..3);
                let values: Vec<_> = (0..len).map(|_| self.value(of, name, depth + 1)).collect();
                format!("[{}]", values.join(", "))
            }
            Kind::Other => self.pick(&["1", "[1, 2]", "[[1.0, 0.0], [0.0, 1.0]]", "None"]).to_owned(),
        }
    }

    fn choice(&mut self, choice: &Choice, depth: usize) -> String {
        let most = if depth > 6 { 1 } else { choice.variants.len() };
        let variant = &choice.variants[self.rng.random_range(0..most)];
        match &variant.content {
            Content::Nothing => variant.name.to_owned(),
            Content::Named(fields) => format!("{}({})", variant.name, self.fields(fields, depth)),
            Content::Placed(kind) => format!("{}({})", variant.name, self.value(kind, &choice.field, depth + 1)),
        }
    }

    /// What is required, and now and then the rest.
    fn fields(&mut self, fields: &[Field], depth: usize) -> String {
        let mut text = String::new();
        for field in fields {
            let is_drawn = match field.name {
                "start_from" => false, // there is nothing to start from
                "steps" | "batch" | "validation" => depth == 0 || field.is_required,
                _ => field.is_required || self.rng.random_bool(0.15),
            };
            if is_drawn && self.rng.random_bool(0.995) {
                let value = self.value(&field.kind, field.name, depth + 1);
                let _ = write!(text, "{}: {value}, ", field.name);
            }
        }
        text
    }
}
