//! Equations are numbered in docs/MATH.md and nowhere else: every number the code cites must exist there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files below `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && entry.file_name().is_some_and(|name| name != "target") {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// The numbers n that stand between `before` and `after` in `text`.
fn numbers<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = u32> + 'a {
    text.split(before).skip(1).filter_map(move |rest| rest.split(after).next()?.parse().ok())
}

#[test]
fn cited_equations_exist() {
    let mathematics = std::fs::read_to_string(root().join("docs/MATH.md")).unwrap();
    let equations: BTreeSet<u32> = numbers(&mathematics, "**(", ")**").collect();
    let mut files = vec![];
    for folder in ["crates", "benches", "xtask/src"] {
        sources(&root().join(folder), &mut files);
    }
    let mut cited = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for number in numbers(&text, "MATH (", ")") {
            assert!(equations.contains(&number), "{} cites MATH ({number}); there are {equations:?}", file.display());
            cited += 1;
        }
    }
    assert!(cited > 20, "only {cited} citations were found: is the pattern still right?");
}
