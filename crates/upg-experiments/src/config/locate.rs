//! Where the fields of a RON text stand: what an error message needs and serde doesn't keep.
//!
//! A field is an identifier followed by a colon; its path is that of the field around it, a dot, its name: in
//! `flow: RealNvp(lattice: [6, 4])` the path of the extents is `flow.lattice`, and in `layers: [(x: 1), (x: 2)]` that of the 2 is
//! `layers[1].x`. Elements that are more than a number, a string or a list are fields, too, here `layers[0]` and `layers[1]`. Texts that aren't RON give what can be found.

use crate::text::one_line;
use std::fmt;
use std::ops::Range;

/// A place in a text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Position {
    /// The position of byte `at`.
    pub(super) fn of(text: &str, at: usize) -> Self {
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// The byte that stands here; the end of the line or text if it is shorter.
    pub(super) fn byte(self, text: &str) -> usize {
        let line_start = match self.line {
            0 | 1 => 0,
            line => text.match_indices('\n').nth(line - 2).map_or(text.len(), |(i, _)| i + 1),
        };
        let line = text[line_start..].lines().next().unwrap_or_default();
        line_start + line.char_indices().nth(self.column.saturating_sub(1)).map_or(line.len(), |(i, _)| i)
    }
}

/// A field found in a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// Names joined by dots, outermost first.
    pub path: String,
    /// Bytes from the first of the name to the last of the value.
    pub range: Range<usize>,
    /// First byte of the value.
    pub value: usize,
}

impl Field {
    /// The text of the value in one line, shortened to what a message can hold.
    pub fn value_text(&self, text: &str) -> String {
        one_line(&text[self.value..self.range.end], 60)
    }
}

/// All fields of a RON text, in the order in which they begin.
pub(super) fn fields(text: &str) -> Vec<Field> {
    let mut scan = Scan { fields: vec![], open: vec![Open::default()] };
    let mut last = 0..0; // the token before
    for token in (Tokens { text, at: 0 }) {
        scan.begin_element(&text[token.clone()], token.start);
        match &text[token.clone()] {
            ":" => scan.begin(&text[last.clone()], last.start, token.end),
            "[" => scan.open.push(Open { field: None, element: Some(0) }),
            "(" | "{" => scan.open.push(Open::default()),
            ")" | "]" | "}" => {
                scan.end(last.end);
                if scan.open.len() > 1 {
                    scan.open.pop();
                }
            }
            "," => scan.next(last.end),
            _ => {}
        }
        last = token;
    }
    while !scan.open.is_empty() {
        scan.end(last.end);
        scan.open.pop();
    }
    // A value begins at the first token behind its colon.
    for field in &mut scan.fields {
        let blank = text[field.value..field.range.end].len() - text[field.value..field.range.end].trim_start().len();
        field.value += blank;
    }
    scan.fields
}

/// The innermost field that byte `at` belongs to.
pub(super) fn field_at(fields: &[Field], at: usize) -> Option<&Field> {
    fields.iter().rfind(|field| field.range.start <= at && at <= field.range.end)
}

/// Whether a field is `around` or lies in it: what is absent has its mistake where it should be.
pub(super) fn is_within(field: &str, around: &str) -> bool {
    field.strip_prefix(around).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a text is one value: something, all its brackets closed, and nothing that would begin another field or value.
pub(super) fn is_one_value(text: &str) -> bool {
    let (mut depth, mut empty) = (0_i32, true);
    for token in (Tokens { text, at: 0 }) {
        empty = false;
        match &text[token] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "," | ":" if depth == 0 => return false,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    !empty && depth == 0
}

/// The elements of a list, as they stand there; none if the text isn't one list.
pub(super) fn elements(text: &str) -> Option<Vec<&str>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let (mut depth, mut begin, mut found) = (0_i32, 0, vec![]);
    for token in (Tokens { text: inner, at: 0 }) {
        match &inner[token.clone()] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            "," if depth == 0 => {
                found.push(inner[begin..token.start].trim());
                begin = token.end;
            }
            _ => {}
        }
    }
    let last = inner[begin..].trim();
    if !last.is_empty() {
        found.push(last); // there may be a comma behind it
    }
    found.iter().all(|element| is_one_value(element)).then_some(found)
}

/// Fields in more brackets than these are not told: no configuration has them, and their paths would grow with the square of their number.
const DEEPEST: usize = 32;

/// Fields found so far, and every open bracket.
struct Scan {
    fields: Vec<Field>,
    open: Vec<Open>,
}

/// An open bracket.
#[derive(Default)]
struct Open {
    /// The field that is being read in it, by its number.
    field: Option<usize>,
    /// In a list, the number of the element that is being read.
    element: Option<usize>,
}

impl Scan {
    fn begin(&mut self, name: &str, start: usize, value: usize) {
        if self.open.len() > DEEPEST {
            return;
        }
        let path = match self.around() {
            Some(around) => format!("{around}.{name}"),
            None => name.to_owned(),
        };
        self.open.last_mut().expect("the text itself is never closed").field = Some(self.fields.len());
        self.fields.push(Field { path, range: start..value, value });
    }

    /// Begins an element of a list, if the token is the first of one that has a name or fields.
    fn begin_element(&mut self, token: &str, start: usize) {
        let has_parts = token.starts_with(|c: char| c == '(' || c.is_alphabetic() || c == '_');
        let open = self.open.last().expect("the text itself is never closed");
        if !has_parts || open.element.is_none() || open.field.is_some() || self.open.len() > DEEPEST {
            return;
        }
        if let Some(path) = self.around() {
            self.open.last_mut().expect("the text itself is never closed").field = Some(self.fields.len());
            self.fields.push(Field { path, range: start..start, value: start });
        }
    }

    /// Path of the field, and the element of its list, whose value is being read.
    fn around(&self) -> Option<String> {
        let outer = self.open.iter().rev().skip(1).position(|open| open.field.is_some())?;
        let (brackets, inner) = self.open.split_at(self.open.len() - 1 - outer);
        let field = &self.fields[brackets.last()?.field?];
        let elements = inner.iter().filter_map(|open| open.element).map(|element| format!("[{element}]"));
        Some(elements.fold(field.path.clone(), |path, element| path + &element))
    }

    fn next(&mut self, at: usize) {
        self.end(at);
        if let Some(element) = self.open.last_mut().and_then(|open| open.element.as_mut()) {
            *element += 1;
        }
    }

    fn end(&mut self, at: usize) {
        if let Some(field) = self.open.last_mut().and_then(|open| open.field.take()) {
            let field = &mut self.fields[field];
            field.range.end = at.max(field.value);
        }
    }
}

/// Brackets, commas, colons, strings and words, comments left out.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            let (len, token) = match first {
                _ if first.is_whitespace() => (first.len_utf8(), false),
                _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
                _ if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |end| end + 2), false),
                '"' => (string_len(rest), true),
                '(' | ')' | '[' | ']' | '{' | '}' | ',' | ':' => (1, true),
                _ => (word_len(rest), true),
            };
            self.at += len;
            if token {
                return Some(self.at - len..self.at);
            }
        }
    }
}

/// Length of the string at the start of `rest`, quotes included.
fn string_len(rest: &str) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of the word at the start of `rest`: up to a blank, a bracket, a quote, a comma, a colon or a comment.
fn word_len(rest: &str) -> usize {
    let ends = |(i, c): (usize, char)| {
        i > 0
            && (c.is_whitespace()
                || "()[]{},:\"".contains(c)
                || rest[i..].starts_with("//")
                || rest[i..].starts_with("/*"))
    };
    rest.char_indices().find(|&at| ends(at)).map_or(rest.len(), |(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "(
    // flow: not this one
    flow: Nvp(lattice: [6, 4], /* b: 1, */ act: Leaky(0.2)),
    name: \"a: (b, \\\" c\", ü: 3, list: [(x: 1), (x: 2)],
)";

    #[test]
    fn fields_have_paths_and_values() {
        let found = fields(TEXT);
        let told: Vec<_> = found.iter().map(|f| (&f.path[..], f.value_text(TEXT))).collect();
        let expected = [
            ("flow", "Nvp(lattice: [6, 4], /* b: 1, */ act: Leaky(0.2))"),
            ("flow.lattice", "[6, 4]"),
            ("flow.act", "Leaky(0.2)"),
            ("name", "\"a: (b, \\\" c\""),
            ("ü", "3"),
            ("list", "[(x: 1), (x: 2)]"),
            ("list[0]", "(x: 1)"),
            ("list[0].x", "1"),
            ("list[1]", "(x: 2)"),
            ("list[1].x", "2"),
        ];
        assert_eq!(told, expected.map(|(path, value)| (path, value.to_owned())));
    }

    #[test]
    fn a_byte_belongs_to_the_innermost_field() {
        let found = fields(TEXT);
        let at = |part: &str| field_at(&found, TEXT.find(part).unwrap()).map(|f| &f.path[..]);
        assert_eq!(at("6, 4"), Some("flow.lattice"));
        assert_eq!(at("0.2"), Some("flow.act"));
        assert_eq!(at("Nvp"), Some("flow"));
        assert_eq!(at("(\n"), None);
    }

    #[test]
    fn positions_and_bytes_are_inverse() {
        for (at, _) in TEXT.char_indices() {
            assert_eq!(Position::of(TEXT, at).byte(TEXT), at);
        }
        assert_eq!(Position::of(TEXT, TEXT.find("3, list").unwrap()), Position { line: 4, column: 29 });
        assert_eq!(Position { line: 99, column: 9 }.byte(TEXT), TEXT.len());
    }

    #[test]
    fn one_value_is_told_from_others() {
        for one in ["1", " \"a: b, c)\" ", "Adam(rate: 1, b: [(2), 3])", "[]", "x // ,"] {
            assert!(is_one_value(one), "{one}");
        }
        for other in ["", " // 1", "1, b: 2", "a: 1", "1)", "(1", "1), x: (2"] {
            assert!(!is_one_value(other), "{other}");
        }
    }

    #[test]
    fn lists_are_taken_apart() {
        for (text, expected) in [
            ("[1e-3, 1e-4]", Some(&["1e-3", "1e-4"][..])),
            (
                " [ [3, 4], Adam(rate: 1, b: [2]), \"a, b]\", ] ",
                Some(&["[3, 4]", "Adam(rate: 1, b: [2])", "\"a, b]\""]),
            ),
            ("[]", Some(&[])),
            ("1", None),
            ("[1, , 2]", None),
            ("[1], [2]", None),
            ("[a: 1]", None),
        ] {
            assert_eq!(elements(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn broken_texts_end() {
        for broken in ["", "(", ")", ")))a: 1", "a:", ":", "(a: \"x", "(a: /* ", "[:,:"] {
            fields(broken);
        }
        assert_eq!(fields("(a: (b: 1")[1].value_text("(a: (b: 1"), "1");
        let deep = "(a: ".repeat(100_000);
        assert_eq!(fields(&deep).len(), DEEPEST - 1);
        assert_eq!(fields(&format!("{deep}{}b: 1", ")".repeat(100_000))).last().unwrap().path, "b");
    }
}
