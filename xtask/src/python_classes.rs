//! `cargo xtask python-classes`: the classes of the Python package that describe flows, targets and all else that a configuration may say.
//!
//! They are written from what the reader of configurations knows ([`choices`](upg_experiments::config::choices)) and from the words of
//! `upg config schema`; a test compares the files with what would be written now. So a new recipe or field is never forgotten: write them
//! again. Defaults aren't written here: a field that isn't given is left to upg.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use upg_experiments::config::catalogue::flow_named;
use upg_experiments::config::choices::{Choice, Content, Field, Grammar, Kind, Variant};
use upg_experiments::config::schema::{EXAMPLE, of_flow};

/// Where the files are, from the root of the workspace.
const FOLDER: &str = "crates/upg-python/python/upg";

/// The header for targets in libraries, which the wheel brings along.
const HEADER: &str = include_str!("../../crates/upg-experiments/include/upg_target.h");

const HEAD: &str =
    "# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.\n";

/// Writes the files.
pub fn run() -> ExitCode {
    let folder = root().join(FOLDER);
    for (name, text) in files() {
        if let Err(error) = std::fs::write(folder.join(&name), text) {
            eprintln!("error: {}: {error}", folder.join(name).display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Names and contents of all files.
fn files() -> Vec<(String, String)> {
    let grammar = Grammar::of_configurations();
    let classes = (0..grammar.choices.len()).filter(|&at| !is_names(&grammar.choices[at]));
    let modules = classes.map(|at| (format!("{}.py", house(&grammar, at).0), module(&grammar, at)));
    let header = ("include/upg_target.h".to_owned(), HEADER.to_owned());
    modules.chain([("sections.py".to_owned(), sections(&grammar)), header]).collect()
}

/// Whether a choice is one between names.
fn is_names(choice: &Choice) -> bool {
    choice.variants.iter().all(|variant| variant.content == Content::Nothing)
}

/// The module and the class of a choice, by the field that it is found in, and how many such there are before.
fn house(grammar: &Grammar, at: usize) -> (String, String) {
    let field = &grammar.choices[at].field;
    let same = |choice: &&Choice| choice.field == *field && !is_names(choice);
    let (module, class) = match (&field[..], grammar.choices[..at].iter().filter(same).count()) {
        ("layers", 0) => ("layers", "Layer"),
        ("anneal", 0) => ("anneals", "Anneal"),
        ("train", 0) => ("sources", "Source"),
        ("mask", 1) => ("layer_masks", "LayerMask"),
        ("transform", 1) => ("angle_transforms", "AngleTransform"),
        (field, 0) => return (format!("{field}s"), format!("{}Spec", capital(field))),
        (field, nth) => return (format!("{field}s_{}", nth + 1), format!("{}Spec{}", capital(field), nth + 1)),
    };
    (module.to_owned(), format!("{class}Spec"))
}

fn capital(name: &str) -> String {
    name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The file of a choice.
fn module(grammar: &Grammar, at: usize) -> String {
    let choice = &grammar.choices[at];
    let (name, base) = house(grammar, at);
    let mut types = Types { grammar, own: name, named: vec![] };
    let mut body = format!("class {base}(Spec):\n    \"\"\"One of the classes below.\"\"\"\n");
    for variant in &choice.variants {
        body += &class(&mut types, &choice.field, &base, variant);
    }
    let names: Vec<_> = choice.variants.iter().map(|variant| variant.name).chain([&base[..]]).collect();
    let all = names.iter().map(|name| format!("    \"{name}\",\n")).collect::<String>();
    let notation = ["UNSET", "Spec", "Unset", "text"].into_iter();
    let unset = notation
        .filter(|name| body.contains(name) && (*name != "text" || body.contains("text(")))
        .collect::<Vec<_>>()
        .join(", ");
    let title = format!("\"\"\"What may stand in the field ``{}``.\"\"\"", choice.field);
    let imports = types.imports(&body);
    format!(
        "{HEAD}{title}\n\nfrom __future__ import annotations\n\n{imports}from .notation import {unset}\n\n{}__all__ = [\n{all}]\n\n\n{body}",
        types.others()
    )
}

/// The class of a variant.
fn class(types: &mut Types<'_>, field: &str, base: &str, Variant { name, content }: &Variant) -> String {
    let mut text =
        format!("\n\nclass {name}({base}):\n    \"\"\"{}\"\"\"\n\n    _variant = \"{name}\"\n", about(field, name));
    match content {
        Content::Nothing => {
            text += "    _is_name = True\n\n    def __init__(self) -> None:\n        super().__init__({})\n"
        }
        Content::Named(fields) => {
            text += "\n    def __init__(\n        self,\n";
            if !fields.is_empty() {
                text += "        *,\n";
            }
            let (required, others): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.is_required);
            for field in required.into_iter().chain(others) {
                let end = if field.is_required { "" } else { " | Unset | None = UNSET" };
                let _ = writeln!(text, "        {}: {}{end},", python_name(field.name), types.of(&field.kind));
            }
            let held = fields.iter().map(|field| format!("\"{}\": {}", field.name, held(field))).collect::<Vec<_>>();
            let _ = write!(text, "    ) -> None:\n        super().__init__({{{}}})\n", held.join(", "));
        }
        Content::Placed(Kind::Other) => {
            text += "\n    def __init__(self, *values: object, **fields: object) -> None:\n        super().__init__(fields, values)\n";
        }
        Content::Placed(kind) => {
            let value = if *kind == Kind::Text { "text(value)" } else { "value" };
            let kind = types.of(kind);
            let _ = write!(
                text,
                "\n    def __init__(self, value: {kind}) -> None:\n        super().__init__({{}}, ({value},))\n"
            );
        }
    }
    text
}

fn python_name(name: &str) -> String {
    let is_word = ["lambda", "from", "in", "is", "not", "with", "as", "class", "def"].contains(&name);
    if is_word { format!("{name}_") } else { name.to_owned() }
}

/// What a class holds of an argument.
fn held(field: &Field) -> String {
    let name = python_name(field.name);
    if field.kind == Kind::Text { format!("text({name})") } else { name }
}

/// Python's types, and what they need to be imported.
struct Types<'a> {
    grammar: &'a Grammar,
    /// The module that they are written in.
    own: String,
    /// Classes of other modules.
    named: Vec<(String, String)>,
}

impl Types<'_> {
    fn of(&mut self, kind: &Kind) -> String {
        match kind {
            Kind::Choice(at) if is_names(&self.grammar.choices[*at]) => {
                let names = self.grammar.choices[*at].variants.iter().map(|variant| format!("\"{}\"", variant.name));
                format!("Literal[{}]", names.collect::<Vec<_>>().join(", "))
            }
            Kind::Choice(at) => {
                let (module, class) = house(self.grammar, *at);
                let named = (module, class.clone());
                if named.0 != self.own && !self.named.contains(&named) {
                    self.named.push(named);
                }
                format!("{class} | str")
            }
            Kind::Record(_) => "Mapping[str, object]".to_owned(),
            Kind::Number => "float".to_owned(),
            Kind::Whole => "int".to_owned(),
            Kind::Text => "str | PathLike[str]".to_owned(),
            Kind::List(of) => {
                format!("Sequence[{}]", self.of(of))
            }
            Kind::Other => "object".to_owned(),
        }
    }

    /// Imports of the library of Python, of the names that stand in `body`.
    fn imports(&self, body: &str) -> String {
        let of = |module: &str, names: &[&str]| {
            let has = |name: &&&str| match **name {
                "TYPE_CHECKING" => !self.named.is_empty(),
                name => body.contains(&format!("{name}[")) || body.contains(&format!("({name},")),
            };
            let used: Vec<_> = names.iter().filter(has).copied().collect();
            if used.is_empty() { String::new() } else { format!("from {module} import {}\n", used.join(", ")) }
        };
        let all = [
            of("collections.abc", &["Mapping", "Sequence"]),
            of("os", &["PathLike"]),
            of("typing", &["TYPE_CHECKING", "Literal", "TypedDict"]),
        ];
        let text = all.concat();
        if text.is_empty() { text } else { text + "\n" }
    }

    /// Imports of other modules, for the types alone.
    fn others(&self) -> String {
        let mut named = self.named.clone();
        named.sort();
        let lines = named.iter().map(|(module, class)| format!("    from .{module} import {class}\n"));
        let lines: String = lines.collect();
        if lines.is_empty() { lines } else { format!("if TYPE_CHECKING:\n{lines}\n") }
    }
}

/// The sections of a configuration as types of arguments.
fn sections(grammar: &Grammar) -> String {
    let (own, named) = ("sections".to_owned(), vec![]);
    let mut types = Types { grammar, own, named };
    let (mut body, mut paths) = (String::new(), vec![]);
    for section in &grammar.sections {
        let Kind::Record(fields) = &section.kind else { continue };
        record(&mut types, &capital(section.name), &[section.name], fields, &mut body, &mut paths);
    }
    let (imports, others) = (types.imports(&body), types.others());
    let paths = paths.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "{HEAD}\"\"\"The sections of a configuration behind the flow and the target.\"\"\"\n\nfrom __future__ import annotations\n\n{imports}\
         {others}PATHS = frozenset([{paths}])\n\"\"\"Fields that hold the name of a file or a folder.\"\"\"\n{body}"
    )
}

/// The type of fields without a name before them; those inside first.
fn record(
    types: &mut Types<'_>,
    class: &str,
    place: &[&str],
    fields: &[Field],
    body: &mut String,
    paths: &mut Vec<&'static str>,
) {
    let words = in_docstring(&lines_of(place).join("\n    "));
    let mut text = format!(
        "\n\nclass {class}Fields(TypedDict, total=False):\n    \"\"\"The fields of ``{}``: an example of each, what it accepts and its default, as \
         configurations are written.\n\n    {words}\n    \"\"\"\n\n",
        place.join(".")
    );
    for field in fields {
        let kind = match &field.kind {
            Kind::Record(inner) => {
                let inside = format!("{class}{}", capital(field.name));
                record(types, &inside, &[place, &[field.name]].concat(), inner, body, paths);
                format!("{inside}Fields | str")
            }
            kind => types.of(kind),
        };
        if field.kind == Kind::Text {
            paths.push(field.name);
        }
        let _ = writeln!(text, "    {}: {kind} | None", field.name);
    }
    *body += &text;
}

/// What the schema says of a variant.
fn about(field: &str, name: &str) -> String {
    let entry = (field == "flow").then(|| flow_named(name)).flatten();
    let good_for = entry.map(|entry| format!("Good for {}.", entry.good_for));
    let words = match entry {
        Some(_) => Some(without_marks(of_flow(name)).join("\n    ")),
        None => explained(field, name),
    };
    let text = [good_for, words].into_iter().flatten().collect::<Vec<_>>().join("\n\n    ");
    let text = if text.is_empty() { format!("``{name}`` of the field ``{field}``.") } else { text };
    in_docstring(&text)
}

fn in_docstring(text: &str) -> String {
    text.replace('\\', "\\\\").replace("\"\"\"", "'''")
}

/// Lines of the schema without the marks of lines that are comments, and without spaces at their ends.
fn without_marks(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let unmarked = |line: &str| {
        let text = line.trim_start();
        let depth = line.len() - text.len();
        let text = text.strip_prefix("// ").unwrap_or(text);
        format!("{}{}", " ".repeat(depth), text).trim_end().to_owned()
    };
    lines.into_iter().map(|line| unmarked(line.as_ref())).collect()
}

/// The lines of the schema about a section, or a part of one, without those that open and close it.
fn lines_of(place: &[&str]) -> Vec<String> {
    let mut lines: Vec<&str> = EXAMPLE.lines().collect();
    for (depth, name) in place.iter().enumerate() {
        let indent = " ".repeat(4 * (depth + 1));
        let (opens, closes) = (format!("{indent}{name}: ("), format!("{indent}),"));
        let inside = lines.iter().skip_while(|line| !line.starts_with(&opens)).skip(1);
        lines = inside.take_while(|line| !line.starts_with(&closes)).copied().collect();
    }
    let indent = 4 * (place.len() + 1);
    without_marks(lines.into_iter().map(|line| line.get(indent..).unwrap_or_default()))
}

/// The lines about a name in the schema, behind the heading of its section.
fn explained(field: &str, name: &str) -> Option<String> {
    let from = if field == "target" { EXAMPLE.find("// The target p")? } else { 0 };
    let lines: Vec<_> = EXAMPLE[from..].lines().collect();
    let content = |line: &&str| line.trim_start().strip_prefix("//").map(str::to_owned);
    let starts = |line: &&str| {
        let text = content(line).unwrap_or_default();
        let text = text.trim_start();
        text.strip_prefix(name).is_some_and(|rest| rest.starts_with(['(', ':']))
    };
    let first = lines.iter().position(starts)?;
    let depth = |line: &str| line.len() - line.trim_start().len();
    let texts = lines[first..].iter().map_while(content).collect::<Vec<_>>();
    let deeper = texts[1..].iter().take_while(|line| depth(line) > depth(&texts[0]));
    let text = [&texts[0]].into_iter().chain(deeper).map(|line| line.trim_end().to_owned());
    let shift = depth(&texts[0]);
    Some(text.map(|line| line[shift..].to_owned()).collect::<Vec<_>>().join("\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_of_python_are_those_that_would_be_written() {
        for (name, text) in files() {
            let path = root().join(FOLDER).join(&name);
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(found == text, "{}: `cargo xtask python-classes` writes it", path.display());
        }
    }

    #[test]
    fn every_flow_and_target_has_its_class() {
        let grammar = Grammar::of_configurations();
        let files = files();
        for field in ["flow", "target", "base", "layers"] {
            let at = grammar.choices.iter().position(|choice| choice.field == field).unwrap();
            let name = format!("{}.py", house(&grammar, at).0);
            let text = &files.iter().find(|(found, _)| *found == name).unwrap().1;
            for Variant { name, .. } in &grammar.choices[at].variants {
                assert!(text.contains(&format!("\nclass {name}(")), "{name}");
            }
        }
    }
}
