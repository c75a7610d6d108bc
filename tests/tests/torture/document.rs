//! Owns the reading of `docs/rfc4475.md`: its tables, and the configuration in its fenced blocks.

use std::path::Path;

/// The document.
pub struct Document {
    /// File and text of each fenced block whose first line is `# path`.
    pub files: Vec<(String, String)>,
    text: String,
}

/// One row of a table.
pub struct Row {
    /// The first cell without its backticks.
    pub file: String,
    cells: Vec<(String, String)>,
}

impl Row {
    /// The cell in the column called `name`.
    pub fn cell(&self, name: &str) -> &str {
        let found = self.cells.iter().find(|(column, _)| column == name);
        &found.unwrap_or_else(|| panic!("{} has no column {name}", self.file)).1
    }
}

impl Document {
    /// As it lies in the repository.
    pub fn read() -> Document {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rfc4475.md");
        let text = std::fs::read_to_string(path).expect("docs/rfc4475.md");
        let blocks = text.split("```toml\n# ").skip(1);
        let file = |block: &str| {
            let (body, _) = block.split_once("\n```").expect("a block ends");
            let (file, body) = body.split_once('\n').expect("a path and a text");
            (file.to_owned(), body.to_owned())
        };
        let files = blocks.map(file).collect();
        Document { files, text }
    }

    /// The rows of the table under the heading that begins with `heading`.
    pub fn table(&self, heading: &str) -> Vec<Row> {
        let section = self.text.split("\n## ").find(|section| section.starts_with(heading));
        let section = section.unwrap_or_else(|| panic!("no heading {heading}"));
        let mut lines = section.lines().filter(|line| line.starts_with('|')).map(cells);
        let columns = lines.next().expect("a table");
        let row = |cells: Vec<String>| {
            let file = cells[0].trim_matches('`').to_owned();
            Row { file, cells: columns.iter().cloned().zip(cells).collect() }
        };
        lines.skip(1).map(row).collect()
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}
