//! What Rust code says when comments, texts and tests are taken out: its words and signs, and the paths among them.

/// The tokens of a file: words, `::`, and single signs. Comments, texts, characters and everything under `#[cfg(test)]` are left out.
pub fn tokens(text: &str) -> Vec<String> {
    without_tests(words_and_signs(text))
}

fn words_and_signs(text: &str) -> Vec<String> {
    let mut tokens = vec![];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            '\'' => character_or_lifetime(rest),
            ':' if rest.starts_with("::") => 2,
            c if is_of_word(c) => {
                let word = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                if matches!(&rest[..word], "r" | "br") {
                    raw_text(&rest[word..]).map_or(word, |len| word + len)
                } else {
                    word
                }
            }
            c => c.len_utf8(),
        };
        let token = &rest[..len];
        if token == "::" || token.chars().all(is_of_word) || (token.len() == 1 && !first.is_whitespace()) {
            tokens.push(token.to_owned());
        }
        rest = &rest[len..];
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of the text that begins with `"`.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// Length of a raw text behind its `r`.
fn raw_text(text: &str) -> Option<usize> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let inner = text[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(hashes + 1 + inner.find(&end)? + end.len())
}

/// Length of `'a'`, of `'\n'`, or of the sign alone in front of a lifetime.
fn character_or_lifetime(text: &str) -> usize {
    let inner = &text[1..];
    let end = match inner.strip_prefix('\\') {
        Some(escape) => escape.char_indices().skip(1).find(|&(_, c)| c == '\'').map(|(at, _)| 1 + at),
        None => inner.chars().next().map(char::len_utf8).filter(|&len| inner[len..].starts_with('\'')),
    };
    end.map_or(1, |end| 1 + end + 1)
}

/// Takes out whatever stands under `#[cfg(test)]`, up to its semicolon or the end of its braces.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = vec![];
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(MARK.len()).eq(&MARK) {
            at += MARK.len() + item_len(&tokens[at + MARK.len()..]);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Number of tokens of the item at the beginning.
fn item_len(tokens: &[String]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match &token[..] {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 && token == "}" {
                    // `use a::{b};` ends with its semicolon
                    return at + 1 + usize::from(tokens.get(at + 1).is_some_and(|next| next == ";"));
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// A `use` declaration, taken apart.
#[derive(Debug, PartialEq)]
pub struct Use {
    /// The full path; `*` at its end for everything.
    pub path: Vec<String>,
    /// The name it has here.
    pub name: String,
    /// Whether others may name it by way of this file.
    pub is_public: bool,
}

/// Takes the `use` declarations out of `tokens`.
pub fn take_uses(tokens: &mut Vec<String>) -> Vec<Use> {
    let mut uses = vec![];
    // `use<'a>` in a type says what it captures.
    let begins = |tokens: &Vec<String>| tokens.windows(2).position(|pair| pair[0] == "use" && pair[1] != "<");
    while let Some(at) = begins(tokens) {
        let len = tokens[at..].iter().position(|token| token == ";").expect("a use ends") + 1;
        let visibility = match &tokens[..at] {
            [.., last] if last == "pub" => 1,
            [.., last, _, _, close] if last == "pub" && close == ")" => 4, // pub(crate)
            _ => 0,
        };
        let tree: Vec<String> = tokens.drain(at - visibility..at + len).skip(visibility).collect();
        let is_public = visibility > 0;
        branches(&tree[1..len - 1], &[], &mut |path, name| uses.push(Use { path, name, is_public }));
    }
    uses
}

/// Calls `found` with path and name of every leaf of a tree of imports.
fn branches(tree: &[String], prefix: &[String], found: &mut impl FnMut(Vec<String>, String)) {
    let mut path = prefix.to_vec();
    for (at, token) in tree.iter().enumerate() {
        match &token[..] {
            "::" => {}
            "{" => return split(&tree[at + 1..tree.len() - 1]).for_each(|branch| branches(branch, &path, found)),
            "as" => return found(path, tree[at + 1].clone()),
            "self" if !path.is_empty() => {} // a::{self} is a
            name => path.push(name.to_owned()),
        }
    }
    if let Some(name) = path.last().cloned() {
        found(path, name);
    }
}

/// The parts between commas outside of braces; there is none behind the last comma.
fn split(tree: &[String]) -> impl Iterator<Item = &[String]> {
    let mut depth = 0_i32;
    let parts = tree.split(move |token| {
        depth += i32::from(token == "{") - i32::from(token == "}");
        token == "," && depth == 0
    });
    parts.filter(|part| !part.is_empty())
}

/// The paths `a::b::…` in `tokens`.
pub fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let is_word = |token: &String| token.chars().all(is_of_word);
    let mut paths: Vec<Vec<String>> = vec![];
    for (at, word) in tokens.iter().enumerate().filter(|(_, token)| is_word(token)) {
        match (paths.last_mut(), &tokens[at.saturating_sub(2)..at]) {
            (Some(path), [before, link]) if link == "::" && is_word(before) => path.push(word.clone()),
            _ => paths.push(vec![word.clone()]),
        }
    }
    paths.retain(|path| path.len() > 1);
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_texts_and_tests_say_nothing() {
        let text = "/* a /* b */ c */ fn f<'a>(x: &'a str) { // crate::d\n let (c, q) = ('\\'', '\"'); g(r#\"crate::\"h\"#, \"\\\"::\") }\n\
                    #[cfg(test)]\nmod tests { use super::*; }\n#[cfg(test)] use crate::{i};\n#[cfg(test)] mod j;\nfn k() {}";
        let expected = "fn f < a > ( x : & a str ) { let ( c , q ) = ( , ) ; g ( , ) } fn k ( ) { }";
        assert_eq!(tokens(text).join(" ").replace("' ", ""), expected);
    }

    #[test]
    fn uses_are_taken_apart() {
        let mut code =
            tokens("pub use a::{b, c::{self, d as e}, f::*,}; pub(crate) use g; use crate::h; fn i() { j::k::l(m) }");
        let uses: Vec<_> = take_uses(&mut code).into_iter().map(|u| (u.path.join("::"), u.name, u.is_public)).collect();
        let told: Vec<_> = uses.iter().map(|(path, name, public)| (&path[..], &name[..], *public)).collect();
        assert_eq!(
            told,
            [
                ("a::b", "b", true),
                ("a::c", "c", true),
                ("a::c::d", "e", true),
                ("a::f::*", "*", true),
                ("g", "g", true),
                ("crate::h", "h", false)
            ]
        );
        assert_eq!(paths(&code), [["j", "k", "l"]]);
    }
}
