//! Files that the documentation names are there.

use crate::root;

/// The words in backticks that name a file or a folder of the repository from its root.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        ["crates/", "xtask/", "docs/", "examples/", "configs/"].iter().any(|start| word.starts_with(start))
    })
}

#[test]
fn every_path_that_is_named_exists() {
    let mut missing = vec![];
    for name in
        ["ARCHITECTURE.md", "README.md", "docs/ADDING.md", "docs/ENDURANCE.md", "docs/WEIGHTS.md", "fuzz/README.md"]
    {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        // A file that is to be made has a name of one's own.
        let named = paths(&text).filter(|path| !path.contains("my_") && !path.contains(['*', '…', ' ']));
        missing.extend(named.filter(|path| !root().join(path).exists()).map(|path| format!("{name}: {path}")));
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn paths_are_found() {
    let text = "| `crates/a/src/b.rs`, `x` | as in `docs/c.md` and crates/d |";
    assert_eq!(paths(text).collect::<Vec<_>>(), ["crates/a/src/b.rs", "docs/c.md"]);
}
