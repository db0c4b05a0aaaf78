//! The files of the table.

use super::error::TableError;
use super::html::html;
use super::latex::latex;
use super::rows::Row;
use crate::io::output::{OutputFile, Provenance};
use std::path::Path;

/// The folder the table goes to: its [`FILES`].
#[derive(Debug)]
pub struct Folder([OutputFile; 4]);

/// The list of rows as JSON, the table as a page and for LaTeX, and their origin.
pub const FILES: [&str; 4] = ["table2.json", "table2.html", "table2.tex", "provenance.json"];

impl Folder {
    /// Makes the folder if it is missing, and makes sure that it can be written to, before anything is measured.
    ///
    /// # Errors
    /// If that fails.
    pub fn create(path: &Path) -> Result<Self, TableError> {
        std::fs::create_dir_all(path).map_err(|source| TableError::Folder { path: path.to_owned(), source })?;
        let [json, page, tex, record] = FILES.map(|name| OutputFile::create(&path.join(name)));
        Ok(Self([json?, page?, tex?, record?]))
    }

    /// Writes all files.
    ///
    /// # Errors
    /// If that fails.
    pub fn write(self, rows: &[Row], provenance: &Provenance) -> Result<(), TableError> {
        let [json, page, tex, record] = self.0;
        json.commit(&serde_json::to_vec_pretty(rows).expect("strings and numbers"))?;
        page.commit(html(rows, provenance).as_bytes())?;
        tex.commit(latex(rows, provenance).as_bytes())?;
        record.commit(provenance.to_json().as_bytes())?;
        Ok(())
    }
}
