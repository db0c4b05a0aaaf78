//! Texts that fit into a message: one line, however long or odd the thing it speaks of.

use std::path::Path;

/// `text` in one line of about `longest` characters: what a file holds, or a parser says about it, may be of any length, and may hold
/// line ends and what a terminal obeys.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let words = text.split_whitespace().flat_map(|word| [" ", word]).skip(1);
    for (length, c) in words.flat_map(str::chars).enumerate() {
        match c {
            _ if length == longest => {
                line.push('…');
                break;
            }
            _ if c.is_control() => line.extend(c.escape_default()),
            _ => line.push(c),
        }
    }
    line
}

/// A path in a message: what breaks a line, or what a terminal obeys, is escaped.
pub(crate) trait Shown {
    /// The text.
    fn shown(&self) -> String;
}

impl Shown for Path {
    fn shown(&self) -> String {
        let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        self.to_string_lossy().chars().map(escaped).collect()
    }
}

/// A shape, shortened if it has many extents.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    one_line(&format!("{shape:?}"), 60)
}

/// The index in C order of element `flat` of an array of shape `shape`.
pub(crate) fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &extent) in index.iter_mut().zip(shape).rev() {
        *i = flat % extent;
        flat /= extent;
    }
    index
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_text_becomes_a_line() {
        for (text, line) in [
            ("a\r\n  b\tc ", "a b c"),
            ("", ""),
            (" \n", ""),
            ("\u{1b}[2J\0", "\\u{1b}[2J\\u{0}"),
            ("äöüß ääää", "äöüß ää…"),
            ("1234567", "1234567"),
            ("12345678", "1234567…"),
        ] {
            assert_eq!(super::one_line(text, 7), line, "{text:?}");
        }
        assert_eq!(super::shape_text(&[3, 4]), "[3, 4]");
        assert!(super::shape_text(&[1; 999]).len() < 80);
    }

    #[test]
    fn a_path_is_a_line() {
        use super::Shown;
        assert_eq!(std::path::Path::new("a\nb\u{1b}[31m/ü c").shown(), "a\\nb\\u{1b}[31m/ü c");
    }

    #[test]
    fn unravel_is_c_order() {
        assert_eq!(super::unravel(23, &[3, 2, 5]), [2, 0, 3]);
        assert_eq!(super::unravel(0, &[]), [0; 0]);
    }
}
