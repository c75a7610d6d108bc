//! Owns `check`, `init` and `schema`: a configuration folder without a switch.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use config::{Color, Diagnostics};

use super::{Answer, Global, output};
use crate::node::settings;

/// Reports everything that is wrong with a folder.
pub(crate) fn check(global: &Global, folder: Option<PathBuf>) -> anyhow::Result<Answer> {
    let folder = folder_of(global, folder);
    let sources = settings::sources(&folder)?;
    let (found, answer) = match config::load(&sources) {
        Ok(loaded) => (loaded.warnings, Answer::Yes),
        Err(found) => (found, Answer::No),
    };
    if global.json {
        output::json(&found.to_json())?;
    } else {
        print!("{}", found.render(color(&std::io::stdout())));
        if answer == Answer::Yes {
            let files = sources.files.len();
            println!("{}: {files} 个文件,可以使用 / files, fine", folder.display());
        }
    }
    Ok(answer)
}

/// Writes the starter set, never over a file that is there.
pub(crate) fn init(global: &Global, folder: Option<PathBuf>) -> anyhow::Result<Answer> {
    let folder = folder_of(global, folder);
    let starter = config::starter();
    let taken: Vec<PathBuf> =
        starter.iter().map(|(path, _)| folder.join(path)).filter(|path| path.exists()).collect();
    if !taken.is_empty() {
        eprintln!("以下文件已存在,什么都没有写 / these exist already; nothing was written:");
        for path in taken {
            eprintln!("  {}", path.display());
        }
        return Ok(Answer::No);
    }
    let mut written = Vec::new();
    for (path, text) in starter {
        let path = folder.join(path);
        write_new(&path, text)?;
        written.push(path.display().to_string());
    }
    if global.json {
        output::json(&written)?;
        return Ok(Answer::Yes);
    }
    for path in written {
        println!("  {path}");
    }
    println!("下一步 / next: hotline check {0} && hotline run --config {0}", folder.display());
    Ok(Answer::Yes)
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("写不了 {0} / cannot write {0}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(failed)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)
}

/// Prints the JSON Schema of a configuration.
pub(crate) fn schema() -> anyhow::Result<Answer> {
    output::json(&config::schema())?;
    Ok(Answer::Yes)
}

fn folder_of(global: &Global, folder: Option<PathBuf>) -> PathBuf {
    folder.or_else(|| global.config.clone()).unwrap_or_else(|| PathBuf::from("."))
}

/// Colours for people at a terminal who did not ask for none.
pub(crate) fn color(out: &impl IsTerminal) -> Color {
    if out.is_terminal() && std::env::var_os("NO_COLOR").is_none() { Color::Ansi } else { Color::Plain }
}

/// What is wrong with a folder, on standard error.
pub(crate) fn report(found: &Diagnostics) {
    eprint!("{}", found.render(color(&std::io::stderr())));
}
