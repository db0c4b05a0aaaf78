//! Equations are numbered in docs/MATH.md and nowhere else: every number the code cites must exist there.

use crate::{root, sources};
use std::collections::BTreeSet;

/// The words between the numbers of one citation: `MATH (4) and (5)`, `MATH (1), (2)`; `to` names those between as well.
const LINKS: [&str; 3] = [", (", " and (", " to ("];

/// The numbers that `text` cites as `MATH (n)`.
fn cited(text: &str) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    for mut rest in text.split("MATH (").skip(1) {
        let Some(mut last) = take_number(&mut rest) else { continue };
        numbers.insert(last);
        while let Some(link) = LINKS.into_iter().find(|link| rest.starts_with(link)) {
            rest = &rest[link.len()..];
            let Some(number) = take_number(&mut rest) else { break };
            numbers.extend(if link == " to (" { last..=number } else { number..=number });
            last = number;
        }
    }
    numbers
}

/// The number that `rest` begins with, up to its bracket, which is passed over.
fn take_number(rest: &mut &str) -> Option<u32> {
    let (number, behind) = rest.split_once(')')?;
    *rest = behind;
    number.parse().ok()
}

/// The text of a file without line ends and comment signs, so that a citation may go on in the next line.
fn running_text(text: &str) -> String {
    let words = |line: &str| line.trim().trim_start_matches(['/', '!']).trim().to_owned();
    text.lines().map(words).collect::<Vec<_>>().join(" ")
}

#[test]
fn cited_equations_exist() {
    let mathematics = std::fs::read_to_string(root().join("docs/MATH.md")).unwrap();
    let stated = mathematics.split("**(").skip(1);
    let equations: BTreeSet<u32> = stated.filter_map(|rest| rest.split(")**").next()?.parse().ok()).collect();
    let files = ["crates", "benches", "xtask/src"].into_iter().flat_map(|folder| sources(&root().join(folder)));
    let mut citations = 0;
    for file in files {
        for number in cited(&running_text(&std::fs::read_to_string(&file).unwrap())) {
            assert!(equations.contains(&number), "{} cites MATH ({number}); there are {equations:?}", file.display());
            citations += 1;
        }
    }
    assert!(citations > 30, "only {citations} citations were found: is the pattern still right?");
}

#[test]
fn every_number_of_a_citation_is_read() {
    for (text, numbers) in [
        ("/// MATH (4) and (5) hold", vec![4, 5]),
        ("// MATH (12) to (14)", vec![12, 13, 14]),
        ("MATH (1), (2) and (7) to (9), then (3)", vec![1, 2, 7, 8, 9]),
        ("//! as in MATH (4)\n//! and (5)", vec![4, 5]),
        ("MATH (n), MATH §\"Gauge theory\" (3)", vec![]),
        ("MATH (6), from (x)", vec![6]),
    ] {
        assert_eq!(cited(&running_text(text)).into_iter().collect::<Vec<_>>(), numbers, "{text}");
    }
}
