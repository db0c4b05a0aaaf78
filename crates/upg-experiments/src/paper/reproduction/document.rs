//! A text of headings, paragraphs and tables, written as Markdown or as HTML.

use crate::report::page::{document, plain_table};
use crate::report::plot::escape;

/// A part of a text; all of it is plain text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    Heading(String),
    Text(String),
    Table { head: Vec<String>, rows: Vec<Vec<String>> },
}

impl Block {
    /// A table, unless it is empty.
    pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> Option<Self> {
        let head = head.iter().map(|&name| name.to_owned()).collect();
        (!rows.is_empty()).then_some(Self::Table { head, rows })
    }
}

/// The text as Markdown.
pub(super) fn markdown(title: &str, blocks: &[Block]) -> String {
    let line = |cells: &[String]| {
        format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
    };
    let block = |block: &Block| match block {
        Block::Heading(text) => format!("\n## {text}\n"),
        Block::Text(text) => format!("\n{text}\n"),
        Block::Table { head, rows } => {
            let rule = format!("|{}\n", "---|".repeat(head.len()));
            format!("\n{}{rule}{}", line(head), rows.iter().map(|row| line(row)).collect::<String>())
        }
    };
    format!("# {title}\n{}", blocks.iter().map(block).collect::<String>())
}

/// The text as a page.
pub(super) fn html(title: &str, blocks: &[Block]) -> String {
    let block = |block: &Block| match block {
        Block::Heading(text) => format!("<h2>{}</h2>\n", escape(text)),
        Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Table { head, rows } => {
            let escaped = |cells: &Vec<String>| cells.iter().map(|cell| escape(cell)).collect::<Vec<_>>();
            let rows: Vec<_> = rows.iter().map(escaped).collect();
            plain_table(&escaped(head), rows.iter().map(Vec::as_slice))
        }
    };
    let body: String = blocks.iter().map(block).collect();
    document(title, &format!("<h1>{}</h1>\n{body}", escape(title)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_in_two_notations() {
        let table = Block::table(&["a", "b"], vec![vec!["1 < 2".into(), "x|y".into()]]).unwrap();
        let blocks = [Block::Heading("Costs".into()), Block::Text("So & so.".into()), table];
        assert_eq!(markdown("T", &blocks), "# T\n\n## Costs\n\nSo & so.\n\n| a | b |\n|---|---|\n| 1 < 2 | x\\|y |\n");
        let page = html("T", &blocks);
        for part in ["<h1>T</h1>", "<h2>Costs</h2>", "<p>So &amp; so.</p>", "<td>1 &lt; 2</td><td>x|y</td>"] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert_eq!(Block::table(&["a"], vec![]), None);
    }
}
