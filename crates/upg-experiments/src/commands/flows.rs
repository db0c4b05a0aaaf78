//! `upg flows`: the flows that a configuration can name, with what they take on a given lattice; or all about one of them.

mod measured;
mod text;

use crate::Error;
use crate::config::catalogue::{Entry, FLOWS, flow_named};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use measured::{Details, Row};
use std::str::FromStr;
use upg_flows::numbers::{LARGEST, MOST_EXTENTS};

/// Options of `upg flows`.
#[derive(Clone, Debug, Args)]
pub struct FlowsArgs {
    /// One flow: its fields, layers and tensors, and an experiment with it. The text is itself a configuration.
    #[arg(value_parser = name_parser(), hide_possible_values = true)]
    pub name: Option<&'static Entry>,
    /// Extents of the lattice, with commas between them; one number for so many numbers without a lattice.
    #[arg(long, value_name = "EXTENTS", default_value = "16,8")]
    pub lattice: Lattice,
    /// JSON in the place of a text.
    #[arg(long)]
    pub json: bool,
}

/// Extents of a lattice, in an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lattice(pub Vec<usize>);

impl FromStr for Lattice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let extents = text.split(',').map(|extent| extent.trim().parse().ok().filter(|&extent| extent > 0));
        let extents: Option<Vec<usize>> = extents.collect();
        let fits = |extents: &Vec<usize>| {
            let sites = extents.iter().try_fold(1_usize, |sites, &extent| sites.checked_mul(extent));
            extents.len() <= MOST_EXTENTS && sites.is_some_and(|sites| sites <= LARGEST)
        };
        let accepted = || {
            format!(
                "accepted are extents of at least 1, as 16,8, of at most {LARGEST} sites in {MOST_EXTENTS} directions"
            )
        };
        extents.filter(fits).map(Self).ok_or_else(accepted)
    }
}

fn name_parser() -> impl TypedValueParser<Value = &'static Entry> {
    PossibleValuesParser::new(FLOWS.iter().map(|entry| entry.name))
        .map(|name| flow_named(&name).expect("one of the names"))
}

/// Returns the text that is asked for.
///
/// # Errors
/// If the flow that is asked for doesn't live on the lattice.
pub fn run(args: &FlowsArgs) -> Result<String, Error> {
    let Lattice(lattice) = &args.lattice;
    let Some(entry) = args.name else { return Ok(all(lattice, args.json)) };
    let refuse = |problem| Error::Usage(format!("--lattice = {lattice:?}: {problem}"));
    entry.check(lattice).map_err(refuse)?;
    let details = Details::of(entry, lattice).map_err(refuse)?;
    Ok(if args.json { json(&details) } else { text::details(&details) })
}

/// All flows; one that doesn't live on the lattice says so.
fn all(lattice: &[usize], as_json: bool) -> String {
    let rows: Vec<_> = FLOWS.iter().map(|entry| Row::of(entry, lattice)).collect();
    if as_json { json(&rows) } else { text::table(&rows, lattice) }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("names and numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lattice_is_extents_with_commas() {
        for (text, extents) in [("16,8", &[16, 8][..]), ("6", &[6]), ("4, 4,2 ", &[4, 4, 2])] {
            assert_eq!(text.parse(), Ok(Lattice(extents.to_vec())), "{text}");
        }
        for text in [
            "",
            "4,",
            "0",
            "4,0",
            "-4",
            "4x4",
            "[4, 4]",
            "1.5",
            "1000001",
            "99999999999,99999999999",
            &["1"; 21].join(","),
        ] {
            assert!(text.parse::<Lattice>().unwrap_err().starts_with("accepted are extents"), "{text}");
        }
    }

    #[test]
    fn flows_without_kernels_are_of_the_cpu_alone() {
        let rows: Vec<serde_json::Value> = serde_json::from_str(&all(&[4, 4], true)).unwrap();
        let on_cards = |row: &&serde_json::Value| row["counts"]["devices"] == serde_json::json!(["cpu", "cuda"]);
        let others: Vec<_> =
            rows.iter().filter(|row| !on_cards(row)).map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(others, ["Maf", "Iaf"]);
    }

    #[test]
    fn every_flow_is_told_of_on_every_lattice() {
        for lattice in [&[16, 8][..], &[1], &[3, 5, 2], &[1000, 1000]] {
            let table = all(lattice, false);
            let rows: Vec<serde_json::Value> = serde_json::from_str(&all(lattice, true)).unwrap();
            for (entry, row) in FLOWS.iter().zip(&rows) {
                assert!(table.contains(&format!("\n{} ", entry.name)), "{table}");
                assert_eq!(row["name"], entry.name);
                assert!(row["counts"].is_object() != row["refused"].is_string(), "{row}");
            }
        }
    }
}
