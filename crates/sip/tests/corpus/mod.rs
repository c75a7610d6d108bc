//! Owns the reading of the test messages: RFC 4475's, written from its text, and those of the field.

use std::path::PathBuf;

/// One message and what its table says of it.
pub struct Case {
    /// Its file.
    pub file: String,
    /// The further cells of its row.
    pub cells: Vec<String>,
    folder: PathBuf,
}

impl Case {
    /// The bytes of the message.
    pub fn raw(&self) -> Vec<u8> {
        let path = self.folder.join(&self.file);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// The cases that `folder/expected.tsv` lists.
pub fn cases(folder: &str) -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let table = std::fs::read_to_string(folder.join("expected.tsv")).expect("a table beside the messages");
    let rows = table.lines().skip(1).filter(|line| !line.is_empty());
    rows.map(|line| {
        let mut cells = line.split('\t').map(str::to_owned);
        let file = cells.next().expect("a file name");
        Case { file, cells: cells.collect(), folder: folder.clone() }
    })
    .collect()
}
