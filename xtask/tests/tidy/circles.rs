//! No circle of imports among the files of a crate.
//!
//! A file *imports* another one of its crate if it names something that the other one defines: in a `use`, or in a path `crate::…`, `super::…`,
//! `self::…`, `child::…`. Re-exports are followed to the definition. Three things are no imports: `mod child;`, to re-export a name that the
//! file itself doesn't speak of, and what a file in a folder takes from the file that the folder belongs to (`a/b.rs` from `a.rs`), since it is
//! the inside of that file. So `a.rs` may use `a/b.rs` and be used by it; but `a/b.rs` may not use what uses `a.rs`, nor its sisters each other in a
//! circle. Tests are left out, they may look at everything.

use crate::code::{self, Use};
use crate::{root, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module from the root of its crate: empty for `lib.rs`.
type Module = Vec<String>;

/// The files of a crate, each a module.
#[derive(Default)]
struct Crate(BTreeMap<Module, File>);

/// A file by what it says.
struct File {
    uses: Vec<Use>,
    /// Its code without the `use` declarations.
    code: Vec<String>,
}

impl Crate {
    /// The library or program whose root is one of `src/lib.rs` and `src/main.rs`.
    fn read(src: &Path) -> Self {
        let mut read = Self::default();
        for path in sources(src) {
            let module = module_of(path.strip_prefix(src).unwrap());
            // Programs beside a library are crates of one file, test modules are tests.
            if module.first().is_none_or(|first| first != "bin") && !module.iter().any(|name| name == "tests") {
                read.add(module, &std::fs::read_to_string(&path).unwrap());
            }
        }
        read
    }

    fn add(&mut self, module: Module, text: &str) {
        let mut code = code::tokens(text);
        let uses = code::take_uses(&mut code);
        self.0.insert(module, File { uses, code });
    }

    /// The modules that `module` imports.
    fn imports(&self, module: &Module) -> BTreeSet<&Module> {
        let File { uses, code } = &self.0[module];
        let speaks_of = |name: &String| name != "*" && code.contains(name);
        let used = uses.iter().filter(|u| !u.is_public || speaks_of(&u.name)).map(|u| u.path.clone());
        let named = used.chain(code::paths(code)).filter_map(|path| self.resolve(module, &path));
        named.filter(|found| !module.starts_with(found)).collect()
    }

    /// The module that defines what `path` means in `module`; none if that is outside of the crate.
    fn resolve(&self, module: &Module, path: &[String]) -> Option<&Module> {
        let (first, _) = path.split_first()?;
        let mut at = match &first[..] {
            "crate" => vec![],
            "self" => module.clone(),
            "super" => parent(module),
            child => [&module[..], &[child.to_owned()]].concat(),
        };
        let mut rest = &path[1..];
        while let [next, behind @ ..] = rest {
            match &next[..] {
                "super" => at = parent(&at),
                name if self.0.contains_key(&child(&at, name)) => at = child(&at, name),
                _ => break,
            }
            rest = behind;
        }
        let (found, file) = self.0.get_key_value(&at)?;
        let imported = rest.first().and_then(|name| file.uses.iter().find(|u| u.name == *name));
        imported.map_or(Some(found), |imported| self.resolve(found, &imported.path))
    }

    /// A circle, if there is one: every module imports the next, the last one the first.
    fn circle(&self) -> Option<Vec<&Module>> {
        let imports: BTreeMap<_, _> = self.0.keys().map(|module| (module, self.imports(module))).collect();
        // Whoever imports nothing that is left, or is imported by nothing that is left, is in no circle.
        let mut left: BTreeSet<&Module> = imports.keys().copied().collect();
        loop {
            let before = left.len();
            let imported: BTreeSet<_> = left.iter().flat_map(|module| &imports[*module]).copied().collect();
            let goes_on = |module: &&Module| imports[*module].iter().any(|next| left.contains(next));
            left = left.iter().copied().filter(|module| imported.contains(module)).filter(goes_on).collect();
            if left.len() == before {
                break;
            }
        }
        let mut path = vec![*left.first()?];
        loop {
            let next = imports[path[path.len() - 1]].iter().find(|next| left.contains(*next)).expect("it goes on");
            if let Some(start) = path.iter().position(|module| module == next) {
                return Some(path.split_off(start));
            }
            path.push(next);
        }
    }
}

fn parent(module: &[String]) -> Module {
    module[..module.len().saturating_sub(1)].to_vec()
}

fn child(module: &[String], name: &str) -> Module {
    [module, &[name.to_owned()]].concat()
}

/// The module of a file, by its path below `src`.
fn module_of(path: &Path) -> Module {
    let names: Vec<_> = path.with_extension("").iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    match names.split_last() {
        Some((last, folders)) if ["lib", "main", "mod"].contains(&&last[..]) => folders.to_vec(),
        _ => names,
    }
}

/// The folders with the sources of every crate.
fn crates() -> Vec<PathBuf> {
    let of_folder =
        |folder: &str| root().join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path().join("src"));
    let others = ["xtask", "benches"].map(|name| root().join(name).join("src"));
    let mut all: Vec<_> = of_folder("crates").chain(others).filter(|src| src.is_dir()).collect();
    all.sort();
    all
}

fn told(circle: &[&Module]) -> String {
    let name = |module: &&Module| if module.is_empty() { "the root".to_owned() } else { module.join("::") };
    circle.iter().chain(circle.first()).map(name).collect::<Vec<_>>().join(" imports ")
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    let crates = crates();
    assert!(crates.len() > 5, "{crates:?}");
    let mut found = vec![];
    for src in crates {
        let read = Crate::read(&src);
        if let Some(circle) = read.circle() {
            found.push(format!("{}: {}", src.display(), told(&circle)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn circles_are_found_and_fronts_are_none() {
    let made_of = |files: &[(&str, &str)]| {
        let mut made = Crate::default();
        files.iter().for_each(|(path, text)| made.add(module_of(path.as_ref()), text));
        made.circle().map(|circle| told(&circle))
    };
    let front = "pub mod a; pub use a::A;";
    let straight =
        [("lib.rs", front), ("a.rs", "use crate::b::B; mod c; pub use c::C; struct A;"), ("b.rs", "struct B;")];
    assert_eq!(made_of(&straight), None);
    let with_a_front = [straight[0], straight[1], straight[2], ("a/c.rs", "use super::A; struct C;")];
    assert_eq!(made_of(&with_a_front), None);
    let uses_its_child = [straight[0], ("a.rs", "mod c; pub use c::C; struct A(C);"), ("a/c.rs", "use super::A;")];
    assert_eq!(made_of(&uses_its_child), None, "the inside of a file");
    let through_its_child = [
        straight[0],
        ("a.rs", "mod c; fn f() { c::g(1) } struct A;"),
        ("a/c.rs", "use crate::b::B;"),
        ("b.rs", "use crate::A;"),
    ];
    assert_eq!(made_of(&through_its_child).unwrap(), "a imports a::c imports b imports a");
    let sisters = [("a.rs", "mod c; mod d;"), ("a/c.rs", "use super::d::D;"), ("a/d.rs", "fn f() -> super::c::C {}")];
    assert_eq!(made_of(&sisters).unwrap(), "a::c imports a::d imports a::c");
    let by_root = [straight[0], straight[1], ("b.rs", "use crate::{A as X};")];
    assert_eq!(made_of(&by_root).unwrap(), "a imports b imports a");
    let in_a_test = [straight[0], straight[1], ("b.rs", "#[cfg(test)] mod tests { use crate::A; }")];
    assert_eq!(made_of(&in_a_test), None);
}
