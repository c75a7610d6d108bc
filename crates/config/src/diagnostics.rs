//! Owns what is told about a folder: mistakes and warnings with their places. Does not own how they are found.

use std::fmt;

/// Everything found in one folder, in the order of files and places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// The findings.
    pub items: Vec<Diagnostic>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it keeps the folder from being used.
    pub severity: Severity,
    /// A short unchanging word for programs: `unknown-key`, `wrong-type`, `dangling`, …
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// What, in Chinese.
    pub zh: String,
    /// What, in English.
    pub en: String,
    /// The nearest word that would be right.
    pub suggestion: Option<String>,
}

/// Whether a finding keeps a folder from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The folder cannot be used.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the folder.
    pub file: String,
    /// The line, from 1; 0: the file as a whole.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters the finding covers, at least 1.
    pub width: usize,
    /// The whole line.
    pub source: String,
}

/// Whether a text may carry terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// ANSI colours.
    Ansi,
    /// None.
    Plain,
}

impl Diagnostics {
    /// Whether anything keeps the folder from being used.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|d| d.severity == Severity::Error)
    }

    /// For people: file, line, column, the line itself with a caret, Chinese first.
    pub fn render(&self, color: Color) -> String {
        let mut text = String::new();
        for item in &self.items {
            item.render(color, &mut text);
        }
        text
    }

    /// For programs: an array of objects.
    pub fn to_json(&self) -> serde_json::Value {
        self.items.iter().map(Diagnostic::to_json).collect()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Color::Plain))
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostic {
    fn render(&self, color: Color, text: &mut String) {
        let (red, yellow, blue, bold, off) = match color {
            Color::Ansi => ("\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"),
            Color::Plain => ("", "", "", "", ""),
        };
        let (hue, word) = match self.severity {
            Severity::Error => (red, "错误 error"),
            Severity::Warning => (yellow, "警告 warning"),
        };
        *text += &format!("{hue}{word}[{}]{off}{bold}: {}{off}\n", self.code, self.zh);
        *text += &format!("{:13}{}\n", "", self.en);
        let place = &self.place;
        if place.line == 0 {
            *text += &format!("  {blue}-->{off} {}\n", place.file);
        } else {
            let number = place.line.to_string();
            let gutter = " ".repeat(number.len());
            *text += &format!("{gutter} {blue}-->{off} {}:{}:{}\n", place.file, place.line, place.column);
            *text += &format!("{gutter} {blue}|{off}\n");
            *text += &format!("{blue}{number} |{off} {}\n", place.source.replace('\t', " "));
            *text += &format!("{gutter} {blue}|{off} {}{hue}{}{off}\n", blank(place), caret(place));
        }
        if let Some(word) = &self.suggestion {
            *text += &format!("  {blue}={off} 您是不是想写 «{word}»? / did you mean \"{word}\"?\n");
        }
        *text += "\n";
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "severity": self.severity, "code": self.code, "file": self.place.file, "line": self.place.line,
            "column": self.place.column, "width": self.place.width, "source": self.place.source,
            "zh": self.zh, "en": self.en, "suggestion": self.suggestion,
        })
    }
}

/// How many terminal cells `c` takes: Chinese characters and full-width punctuation take two.
fn cells(c: char) -> usize {
    let wide = matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}');
    1 + usize::from(wide)
}

fn blank(place: &Place) -> String {
    " ".repeat(place.source.chars().take(place.column - 1).map(cells).sum())
}

fn caret(place: &Place) -> String {
    let covered: usize = place.source.chars().skip(place.column - 1).take(place.width).map(cells).sum();
    "^".repeat(covered.max(1))
}
