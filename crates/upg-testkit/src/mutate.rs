//! Ways to damage a file, drawn from a seed.

use rand::RngExt;
use std::ops::Range;
use upg_core::{Rng, Streams};

/// Numbers at the ends of what integers hold, for binary headers.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x0001_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Numbers as a text may hold them.
const NUMBERS: [&str; 22] = [
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "7",
    "64",
    "1000",
    "1000000",
    "1000000000000",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890123456789012345",
    "1e400",
    "-1e400",
    "1e-400",
    "NaN",
    "-inf",
    "inf",
    "-0.0",
];

/// Draws what is done.
#[derive(Clone, Debug)]
pub struct Mutator {
    rng: Rng,
}

impl Mutator {
    /// The damages of a seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: Streams::new(seed).next_stream() }
    }

    fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end.max(1))
    }

    fn pick<'a, V: ?Sized>(&mut self, all: &[&'a V]) -> &'a V {
        all[self.below(all.len())]
    }

    /// A place in `len` bytes: among the first 512, where the header is, among the last 512, where a checkpoint has a text, or anywhere.
    fn place(&mut self, len: usize) -> usize {
        match self.below(4) {
            0 | 1 => self.below(len.min(512)),
            2 => len - len.min(1 + self.below(512)),
            _ => self.below(len),
        }
    }

    fn range(&mut self, len: usize) -> Range<usize> {
        let (start, longest) = (self.place(len), 1 << self.below(10));
        start..(start + 1 + self.below(longest)).min(len)
    }

    /// `seed` with one to three changes, and what they are. `others` give parts.
    pub fn bytes(&mut self, seed: &[u8], others: &[&[u8]]) -> (Vec<u8>, String) {
        let (mut bytes, mut told) = (seed.to_vec(), vec![]);
        for _ in 0..1 + self.below(3) {
            told.push(self.change(&mut bytes, others));
        }
        (bytes, told.join(", "))
    }

    fn change(&mut self, bytes: &mut Vec<u8>, others: &[&[u8]]) -> String {
        let (at, range) = (self.place(bytes.len()), self.range(bytes.len()));
        match self.below(9) {
            0 if !bytes.is_empty() => {
                let bit = self.below(8);
                bytes[at] ^= 1 << bit;
                format!("bit {bit} of byte {at} flipped")
            }
            1 => {
                bytes.truncate(at);
                format!("cut to {at}")
            }
            2 => {
                let inserted: Vec<u8> = (0..1 + self.below(16)).map(|_| self.rng.random()).collect();
                bytes.splice(at..at, inserted);
                format!("random bytes inserted at {at}")
            }
            3 => {
                bytes.drain(range.clone());
                format!("{range:?} removed")
            }
            4 => {
                let copy = bytes[range.clone()].to_vec();
                bytes.splice(at..at, copy);
                format!("{range:?} repeated at {at}")
            }
            5 => {
                let other = self.pick(others);
                let from = self.place(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
                format!("from {at} on another file from {from} on")
            }
            6 => {
                let (edge, width) = (EDGES[self.below(EDGES.len())], 1 << self.below(4));
                let at = if self.rng.random() { 0 } else { at };
                let place = at..(at + width).min(bytes.len());
                let len = place.len();
                bytes[place].copy_from_slice(&edge.to_le_bytes()[..len]);
                format!("{width} bytes at {at} are {edge:#x}")
            }
            7 => {
                let number = self.pick(&NUMBERS);
                let Some(digits) = digits_after(bytes, at) else { return "nothing".into() };
                bytes.splice(digits.clone(), number.bytes());
                format!("digits {digits:?} are {number}")
            }
            _ => {
                let bracket =
                    self.pick(&["(", ")", "[", "]", "{", "}", "\"", "'", ",", ":", "\n", "\\", "\0", "\u{1b}"]);
                bytes.splice(at..at, bracket.bytes());
                format!("{bracket:?} inserted at {at}")
            }
        }
    }

    /// `seed` with one to three tokens exchanged, repeated or taken out. The tokens of `others` are put in.
    pub fn text(&mut self, seed: &str, others: &[(String, String)]) -> (Vec<u8>, String) {
        let mut tokens: Vec<String> = tokens(seed).into_iter().map(str::to_owned).collect();
        let mut told = vec![];
        for _ in 0..1 + self.below(3) {
            let (at, other) = (self.below(tokens.len()), self.below(others.len()));
            let words = words(&others[other].1);
            if tokens.is_empty() || words.is_empty() {
                break; // nothing is left of it, or nothing can be put in
            }
            let (new, also) = (self.pick(&words).to_owned(), self.below(tokens.len()));
            told.push(match self.below(5) {
                0 => format!("{:?} taken out", tokens.remove(at)),
                1 => format!("{:?} instead of {:?}", new, std::mem::replace(&mut tokens[at], new.clone())),
                2 => {
                    tokens.swap(at, also);
                    format!("tokens {at} and {also} swapped")
                }
                3 => {
                    tokens.insert(at, new.clone());
                    format!("{new:?} put in")
                }
                _ => {
                    let end = tokens.len().min(at + 1 + self.below(12));
                    let part = tokens[at..end].to_vec();
                    tokens.splice(also..also, part);
                    format!("tokens {at}..{end} repeated at {also}")
                }
            });
        }
        (tokens.concat().into_bytes(), told.join(", "))
    }
}

/// The first run of digits at or behind `at`.
fn digits_after(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at + bytes[at.min(bytes.len())..].iter().position(u8::is_ascii_digit)?;
    let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some(start..start + len)
}

/// Words, blanks, and single other characters; comments fall apart.
fn tokens(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        _ if c.is_alphanumeric() || "_.+-".contains(c) => 0,
        _ if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut tokens = vec![];
    let mut start = 0;
    let classes: Vec<_> = text.char_indices().map(|(i, c)| (i, class(c))).collect();
    for pair in classes.windows(2) {
        if pair[0].1 != pair[1].1 || pair[0].1 == 2 {
            tokens.push(&text[start..pair[1].0]);
            start = pair[1].0;
        }
    }
    tokens.push(&text[start..]);
    tokens
}

/// The tokens that are no blanks.
fn words(text: &str) -> Vec<&str> {
    tokens(text).into_iter().filter(|token| !token.trim().is_empty()).collect()
}

/// Every number of a text replaced with every other: the number, what it becomes, and the text.
pub fn numbers_of(text: &str) -> impl Iterator<Item = (&str, &'static str, String)> {
    let tokens = tokens(text);
    let is_number = |token: &&str| token.starts_with(|c: char| c.is_ascii_digit());
    let places: Vec<usize> = (0..tokens.len()).filter(|&at| is_number(&tokens[at])).collect();
    places.into_iter().flat_map(move |at| {
        let tokens = tokens.clone();
        NUMBERS.into_iter().map(move |number| {
            let (before, after) = (tokens[..at].concat(), tokens[at + 1..].concat());
            (tokens[at], number, format!("{before}{number}{after}"))
        })
    })
}

/// `.npy` files whose header claims to be long, or nests `n` times.
pub fn headers_of(n: usize) -> Vec<(String, Vec<u8>)> {
    let file = |version: u8, text: String, claimed: u32| {
        let bytes = [b"\x93NUMPY", &[version, 0][..], &claimed.to_le_bytes(), text.as_bytes()].concat();
        (format!("version {version}, {n} times {:?}, {claimed} claimed", &text[..text.len().min(40)]), bytes)
    };
    let mut files = vec![file(2, "{".into(), u32::MAX), file(3, "{".into(), u32::MAX / 2)];
    for part in ["(", "[", "{", "{'a': ", "1, ", "'", "\\", "1"] {
        for (start, end) in
            [("", "\n"), ("{'descr': ", "}\n"), ("{'descr': '<f8', 'fortran_order': False, 'shape': (", ")}\n")]
        {
            let text = format!("{start}{}{end}", part.repeat(n));
            let len = text.len() as u32;
            files.push(file(2, text, len));
        }
    }
    files
}

/// Texts that nest, repeat or go on `n` times.
pub fn texts_of(n: usize) -> Vec<(String, String)> {
    let flow = "flow: Z2Nice(lattice: [2], couplings: 1, hidden: [3])";
    let with = |what: &str, open: &str, middle: &str, close: &str| {
        let (open, close) = (open.repeat(n), close.repeat(n));
        [
            (format!("{what} nested"), format!("{open}{middle}{close}")),
            (format!("{what} nested as a target"), format!("({flow}, target: {open}{middle}{close})")),
            (format!("{what} open"), format!("({flow}, target: Gmm(dim: {open}{middle}")),
        ]
    };
    let mut texts: Vec<_> = [
        with("parentheses", "(", "1", ")"),
        with("brackets", "[", "1", "]"),
        with("braces", "{", "1: 1", "}"),
        with("options", "Some(", "1", ")"),
        with("fields", "a:(", "b: 1", ")"),
        with("comments", "/*", "1", "*/"),
        with("fields without brackets", "a:", "1", ","),
        with("minus signs", "-", "1", "+"),
        with("strings", "\"\\\"", "1", "\""),
        with("raw strings", "r#", "\"", "#"),
        with("extensions", "#![enable(implicit_some)]", "()", ""),
        with("a long word", "a", "1", "a"),
        with("digits", "1", ".", "1"),
        with("accents", "é", "1", "ü"),
        with("line ends", "\r\n", "1", "\n"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let many = |list: &str| format!("(flow: Z2Nice(lattice: {list}), target: Gmm(dim: 2))");
    let ones = "1, ".repeat(n);
    texts.push(("many extents".into(), many(&format!("[{ones}2], couplings: 1, hidden: []"))));
    texts.push(("many widths".into(), many(&format!("[2], couplings: 1, hidden: [{ones}0]"))));
    texts.push(("a long mask".into(), many(&format!("[2], couplings: 1, hidden: [], mask: Custom([[{ones}]])"))));
    texts.push(("a long unknown field".into(), format!("({flow}, {}: 1)", "x".repeat(n))));
    texts.push(("a long row".into(), format!("({flow}, target: Gaussian(mean: [1, 1], covariance: [[{ones}], [1]]))")));
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_altered_there_is_a_file() {
        let mut mutator = Mutator::new(1);
        for seed in ["", "4", "a b", "(x: 1)"] {
            let others = [(String::new(), "4".to_owned()), (String::new(), String::new())];
            for _ in 0..2000 {
                mutator.text(seed, &others);
                mutator.bytes(seed.as_bytes(), &[b"", b"12"]);
            }
        }
    }
}
