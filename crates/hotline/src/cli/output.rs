//! Owns how a command ends: its exit code, and its last words when it failed.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

/// How a command ended that could run at all; one that could not is an error (exit code 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Fine: exit code 0.
    Yes,
    /// It ran, and the answer is no: exit code 1.
    No,
}

/// The exit code for `answer`; an error's words go to standard error.
pub(crate) fn exit(answer: anyhow::Result<Answer>) -> ExitCode {
    match answer {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        // Whoever read us closed the pipe: `hotline calls list | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("错误 / error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints `value` as JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(io_error)?;
    writeln!(out)?;
    Ok(())
}

fn io_error(error: serde_json::Error) -> anyhow::Error {
    match error.io_error_kind() {
        Some(kind) => io::Error::from(kind).into(),
        None => error.into(),
    }
}

/// Prints lines.
pub(crate) fn lines(lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A table whose columns are as wide as their widest cell; a Chinese character is two wide.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(heads: [&str; N]) -> Table {
        Table::of(heads.map(str::to_owned).to_vec())
    }

    /// A table whose columns are known only at run time.
    pub fn of(heads: Vec<String>) -> Table {
        Table { rows: vec![heads] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.add(cells.to_vec());
    }

    /// A row with as many cells as there are columns.
    pub fn add(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width_of = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width_of).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, wide)| {
                let padding = wide.saturating_sub(width(cell));
                format!("{cell}{:padding$}", "")
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }

    pub fn print(&self) -> anyhow::Result<()> {
        lines(self.lines())
    }
}

/// Columns of a terminal that `text` takes.
fn width(text: &str) -> usize {
    // CJK, fullwidth forms and kana are two columns wide; the rest that appears here is one.
    text.chars()
        .map(|c| {
            if ('\u{1100}'..='\u{ffdc}').contains(&c) && !('\u{2000}'..='\u{2e7f}').contains(&c) {
                2
            } else {
                1
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_under_chinese_heads() {
        let mut table = Table::new(["工号", "状态 / state"]);
        table.row(["8001".into(), "空闲".into()]);
        table.row(["9".into(), "–".into()]);
        assert_eq!(table.lines(), ["工号  状态 / state", "8001  空闲", "9     –"]);
    }
}
