//! Owns running cargo from the workspace's root, saying what runs and how long it took.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One run of cargo.
pub struct Cargo {
    command: Command,
    words: String,
}

impl Cargo {
    /// `cargo` with these arguments, at the workspace's root.
    pub fn new(arguments: &[&str]) -> Cargo {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).current_dir(root());
        Cargo { command, words: arguments.join(" ") }
    }

    /// Sets a variable of its environment.
    pub fn env(&mut self, name: &str, value: &str) {
        self.command.env(name, value);
    }

    /// Runs it; its output goes to ours.
    pub fn run(mut self) -> Result<()> {
        eprintln!("▶ cargo {}", self.words);
        let status = self.command.status().context("cargo")?;
        if !status.success() {
            bail!("失败 / failed: cargo {}", self.words);
        }
        Ok(())
    }

    /// Runs it and returns what it prints.
    pub fn output(mut self) -> Result<Vec<u8>> {
        let output = self.command.output().context("cargo")?;
        if !output.status.success() {
            bail!("失败 / failed: cargo {}\n{}", self.words, String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.stdout)
    }
}

/// The workspace's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What cargo says of the workspace and all its dependencies.
pub fn metadata() -> Result<serde_json::Value> {
    let output = Cargo::new(&["metadata", "--format-version", "1", "--locked"]).output()?;
    Ok(serde_json::from_slice(&output)?)
}

/// Where cargo puts what it builds.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    Ok(metadata["target_directory"].as_str().context("target_directory")?.into())
}
