//! The header of a `.npy` file.
//!
//! Magic, version, length of a text (two bytes in version 1, four in versions 2 and 3), and the text: a Python dictionary with `descr`,
//! `fortran_order` and `shape`, then blanks and a line end. Source: the documentation of `numpy.lib.format`.
//!
//! Only what numpy writes is read, in one pass: what isn't looked at, the inside of a structured `descr`, is passed over by counting
//! brackets. A parser of any Python literal would go astray in texts that nest.

use super::error::SamplesProblem;
use crate::text::one_line;
use upg_core::Real;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest text that numpy itself reads.
const LONGEST: usize = 10_000;

/// The header: type, order and shape of the numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Header<'a> {
    /// The value of `descr` as it stands there, e.g. `'<f4'`.
    pub descr: &'a str,
    /// Whether the first index runs fastest.
    pub fortran_order: bool,
    /// The extents.
    pub shape: Vec<usize>,
}

impl<'a> Header<'a> {
    /// The header at the start of a file, and the bytes behind it.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), SamplesProblem> {
        let (text, numbers) = split(bytes).ok_or_else(|| wrong("the header is not whole"))?;
        if text.len() > LONGEST {
            return Err(wrong("the header is longer than 10000 bytes"));
        }
        let text = std::str::from_utf8(text).map_err(|_| wrong("the header is not a text"))?;
        Ok((Self::parse(text)?, numbers))
    }

    /// The type, e.g. `<f4`, if it isn't structured.
    pub fn dtype(&self) -> &'a str {
        unquoted(self.descr).unwrap_or(self.descr)
    }

    /// The problem of a type that isn't accepted.
    pub fn wrong_dtype(&self, accepted: &'static str) -> SamplesProblem {
        SamplesProblem::Dtype { found: one_line(self.descr, 60), accepted }
    }

    fn parse(text: &'a str) -> Result<Self, SamplesProblem> {
        let [mut descr, mut order, mut shape] = [None; 3];
        for (key, value) in entries(text).ok_or_else(|| wrong("the header is not a dictionary"))? {
            let place = match key {
                "descr" => &mut descr,
                "fortran_order" => &mut order,
                "shape" => &mut shape,
                _ => return Err(wrong("the header has an unknown entry")),
            };
            if place.replace(value).is_some() {
                return Err(wrong("the header has an entry twice"));
            }
        }
        let (Some(descr), Some(order), Some(shape)) = (descr, order, shape) else {
            return Err(wrong("the header lacks descr, fortran_order or shape"));
        };
        let fortran_order = match order {
            "True" => true,
            "False" => false,
            _ => return Err(wrong("fortran_order is neither True nor False")),
        };
        let shape = extents(shape).ok_or_else(|| wrong("shape is not a tuple of whole numbers"))?;
        Ok(Self { descr, fortran_order, shape })
    }
}

/// The header of an array in C order, version 1.0: blanks fill it up to a multiple of 64 bytes.
pub(super) fn encode<T: Real>(shape: &[usize]) -> Vec<u8> {
    let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
    // One extent keeps its comma, as a tuple in Python does.
    let extents = if shape.len() == 1 { extents.trim_end() } else { extents.trim_end_matches(", ") };
    let text = format!("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({extents}), }}", size_of::<T>());
    let mut header = [MAGIC, &[1, 0]].concat();
    let padded = (header.len() + 2 + text.len() + 1).next_multiple_of(64) - header.len() - 2;
    let len = u16::try_from(padded).expect("a shape of some extents");
    header.extend(len.to_le_bytes());
    header.extend(format!("{text:<width$}\n", width = padded - 1).bytes());
    header
}

fn wrong(what: &str) -> SamplesProblem {
    SamplesProblem::NotNpy(what.into())
}

/// The text of the header, and what is behind it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (version, rest) = bytes.strip_prefix(MAGIC)?.split_at_checked(2)?;
    let (len, rest) = match version {
        [1, 0] => (usize::from(u16::from_le_bytes(*rest.first_chunk()?)), &rest[2..]),
        [2 | 3, 0] => (usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?, &rest[4..]),
        _ => return None,
    };
    rest.split_at_checked(len)
}

/// Keys and values of a dictionary.
fn entries(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut entries = vec![];
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':')?;
        let (value, after) = after.split_at(value_len(after));
        entries.push((unquoted(key.trim())?, value.trim()));
        rest = after.strip_prefix(',').unwrap_or(after).trim();
    }
    Some(entries)
}

/// Length of the value at the start of `text`: up to a comma outside of strings and brackets.
fn value_len(text: &str) -> usize {
    let (mut depth, mut quote) = (0_usize, None);
    for (i, c) in text.char_indices() {
        match (c, quote) {
            (_, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('(' | '[' | '{', None) => depth += 1,
            (')' | ']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => return i,
            _ => {}
        }
    }
    text.len()
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

/// The numbers of a tuple: `()`, `(3,)`, `(3, 4)`, `(3, 4,)`.
fn extents(text: &str) -> Option<Vec<usize>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?.trim();
    if inner.is_empty() {
        return Some(vec![]);
    }
    let is_tuple = inner.contains(',');
    let numbers = inner.strip_suffix(',').unwrap_or(inner).split(',').map(str::trim);
    let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?;
    is_tuple.then(|| numbers.map(number).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, text: &str) -> Vec<u8> {
        let len = text.len() as u32;
        let len = if version == 1 { (len as u16).to_le_bytes().to_vec() } else { len.to_le_bytes().to_vec() };
        [MAGIC, &[version, 0], &len, text.as_bytes(), b"behind"].concat()
    }

    fn problem(bytes: &[u8]) -> String {
        Header::read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_numpy_writes_is_read() {
        for (version, text, descr, fortran_order, shape) in [
            (1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }    \n", "'<f8'", false, vec![3, 4]),
            (2, "{'descr': '>f4', 'fortran_order': True, 'shape': (7,), }\n", "'>f4'", true, vec![7]),
            (3, "{'shape': (), 'fortran_order': False, 'descr': '|u1'}", "'|u1'", false, vec![]),
            (1, "{\"descr\":\"<f8\",\"fortran_order\":False,\"shape\":(0,2,1)}", "\"<f8\"", false, vec![0, 2, 1]),
            (
                1,
                "{'descr': [('a, :}', '<f4'), ('b', [('c', '<f4', (2, 2))])], 'fortran_order': False, 'shape': (2,), }\n",
                "[('a, :}', '<f4'), ('b', [('c', '<f4', (2, 2))])]",
                false,
                vec![2],
            ),
        ] {
            let bytes = file(version, text);
            let (header, behind) = Header::read(&bytes).unwrap();
            assert_eq!((header, behind), (Header { descr, fortran_order, shape }, &b"behind"[..]), "{text}");
        }
    }

    /// The rules of the format: the numbers begin at a multiple of 64 bytes, behind a line end.
    #[test]
    fn headers_follow_the_format_whatever_the_shape() {
        let long = [usize::MAX; 30];
        for shape in [&[][..], &[7], &[0, 2], &[1_000_000, 16, 8], &long[..2], &long[..3], &long] {
            let bytes = encode::<f32>(shape);
            assert!(
                bytes.len().is_multiple_of(64) && bytes.starts_with(b"\x93NUMPY\x01\x00") && bytes.ends_with(b" \n"),
                "{shape:?}"
            );
            let (header, behind) = Header::read(&bytes).unwrap();
            assert_eq!(header, Header { descr: "'<f4'", fortran_order: false, shape: shape.to_vec() });
            assert!(behind.is_empty());
        }
    }

    /// The golden cases were written by numpy.
    #[test]
    fn headers_are_those_of_numpy() {
        for file in ["gmm_6/z", "phi4_4x4/x_data", "u1_8x4/z"] {
            let golden = format!("{}/tests/golden/{file}.npy", env!("CARGO_MANIFEST_DIR"));
            let golden = std::fs::read(golden).unwrap();
            let (header, _) = Header::read(&golden).unwrap();
            let ours = encode::<f64>(&header.shape);
            assert_eq!(ours.escape_ascii().to_string(), golden[..ours.len()].escape_ascii().to_string(), "{file}");
        }
    }

    #[test]
    fn all_else_is_refused() {
        let with = |shape: &str| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
        for shape in [
            "3",
            "(3)",
            "[3, 4]",
            "(3 4,)",
            "(-3, 4)",
            "(+3, 4)",
            "(3.0, 4)",
            "(,)",
            "(3,,4)",
            "(3, 4",
            "(99999999999999999999,)",
        ] {
            assert!(problem(&file(1, &with(shape))).contains("shape is not a tuple"), "{shape}");
        }
        for (text, fragment) in [
            ("", "not a dictionary"),
            ("{", "not a dictionary"),
            ("['descr']", "not a dictionary"),
            ("{descr: '<f8'}", "not a dictionary"),
            ("{}", "lacks"),
            ("{'descr': '<f8', 'shape': (1,)}", "lacks"),
            ("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "twice"),
            ("{'descr': '<f8', 'order': 'C', 'fortran_order': False, 'shape': (1,)}", "unknown"),
            ("{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}", "fortran_order"),
        ] {
            assert!(problem(&file(1, text)).contains(fragment), "{text}: {}", problem(&file(1, text)));
        }
        assert!(problem(&file(1, &with("(1,)"))[..40]).contains("not whole"));
        assert!(problem(&file(4, &with("(1,)"))).contains("not whole"));
    }

    /// A length of 4 GB, and texts in which a parser that tries one rule after the other loses its way or its stack.
    #[test]
    fn no_header_is_hard_to_read() {
        let claims = [MAGIC, &[2, 0, 0xff, 0xff, 0xff, 0xff], b"{}"].concat();
        assert!(problem(&claims).contains("not whole"));
        for open in ["(", "[", "{", "{'a':", "'", "\\", "{'descr': ["] {
            for n in [40, 3000, 100_000] {
                problem(&file(2, &open.repeat(n)));
            }
        }
    }
}
