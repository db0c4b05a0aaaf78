//! The README shows programs as they are.

use crate::root;

#[test]
fn the_readme_shows_the_example_as_it_is() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let example = read("examples/own_problem/src/main.rs");
    assert!(read("README.md").contains(&format!("```rust,ignore\n{example}```")), "examples/own_problem has changed");
}
