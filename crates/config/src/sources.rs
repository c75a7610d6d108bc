//! Owns the text of a configuration folder. Does not own its meaning (see `loaded`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use model::say::prompt_of_file;
use model::{PromptName, TenantId};

/// One file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path below the folder, with `/` between parts: `queues/sales.toml`.
    pub path: String,
    /// Its contents; what is not UTF-8 in it is replaced.
    pub text: String,
    /// Where it stops being UTF-8, in bytes.
    pub not_utf8_from: Option<usize>,
}

impl SourceFile {
    fn new(path: String, text: String) -> SourceFile {
        SourceFile { path, text, not_utf8_from: None }
    }

    /// A file of these bytes. A text of another encoding is a mistake in the file, told with all others.
    fn of_bytes(path: String, bytes: Vec<u8>) -> SourceFile {
        match String::from_utf8(bytes) {
            Ok(text) => SourceFile::new(path, text),
            Err(error) => SourceFile {
                path,
                text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                not_utf8_from: Some(error.utf8_error().valid_up_to()),
            },
        }
    }
}

/// All files of a folder, in the order of their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The files.
    pub files: Vec<SourceFile>,
    /// Prompts that lie in the folder itself (`prompts/<lang>/NAME.wav` or another audio file,
    /// `prompts/NAME.wav` for all languages, `tenants/T/prompts/…`).
    pub own_prompts: BTreeSet<PromptName>,
    /// Prompts that every tenant has; None: names of prompts are not checked.
    pub built_in_prompts: Option<BTreeSet<String>>,
}

impl Sources {
    /// A folder made of `(path, text)`.
    pub fn from_files<P: Into<String>, T: Into<String>>(files: impl IntoIterator<Item = (P, T)>) -> Sources {
        let files = files.into_iter();
        let mut files: Vec<SourceFile> =
            files.map(|(path, text)| SourceFile::new(path.into(), text.into())).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Sources { files, ..Sources::default() }
    }

    /// Reads every `.toml` file of `folder` and its folders, those of folders with unknown names too, so that a
    /// misspelt folder is told instead of passed over.
    ///
    /// The one place of this crate that touches files: what belongs to a folder is knowledge of the configuration,
    /// and every caller (run, check, reload, tests) must agree on it.
    ///
    /// # Errors
    /// When the folder, or a file in it, cannot be read.
    pub fn read_dir(folder: &Path) -> Result<Sources, ReadError> {
        let mut sources = Sources::default();
        sources.read_tree(folder, "", &TenantId::default())?;
        let tenants = folder.join("tenants");
        if tenants.is_dir() {
            for entry in entries(&tenants)? {
                let name = entry.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
                if entry.is_dir() && !name.starts_with('.') {
                    sources.read_tree(&entry, &format!("tenants/{name}/"), &TenantId::new(&name))?;
                }
            }
        }
        sources.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(sources)
    }

    /// The same folder with the names of built-in prompts known, so that prompt names are checked.
    #[must_use]
    pub fn with_prompts<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Sources {
        self.built_in_prompts = Some(names.into_iter().map(str::to_owned).collect());
        self
    }

    fn read_tree(&mut self, root: &Path, prefix: &str, tenant: &TenantId) -> Result<(), ReadError> {
        for path in entries(root)? {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            if path.is_file() && is_toml(&path) {
                self.read_file(&path, format!("{prefix}{name}"))?;
            } else if path.is_dir() && !name.starts_with('.') && !NOT_CONFIGURATION.contains(&name.as_str()) {
                for file in entries(&path)?.into_iter().filter(|p| p.is_file() && is_toml(p)) {
                    let stem = file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
                    self.read_file(&file, format!("{prefix}{name}/{stem}"))?;
                }
            } else if path.is_dir() && name == "prompts" {
                self.list_prompts(&path, tenant)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path, relative: String) -> Result<(), ReadError> {
        let bytes = fs::read(path).map_err(|source| ReadError { path: path.to_owned(), source })?;
        self.files.push(SourceFile::of_bytes(relative, bytes));
        Ok(())
    }

    fn list_prompts(&mut self, prompts: &Path, tenant: &TenantId) -> Result<(), ReadError> {
        let (languages, mut files): (Vec<_>, Vec<_>) =
            entries(prompts)?.into_iter().partition(|p| p.is_dir());
        for language in languages {
            files.extend(entries(&language)?);
        }
        for file in files {
            let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if let Some(name) = prompt_of_file(name) {
                self.own_prompts.insert(PromptName::new(tenant, name));
            }
        }
        Ok(())
    }
}

/// A folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("读不到 {path} / cannot read {path}: {source}", path = path.display())]
pub struct ReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

/// Folders whose files belong to a configuration.
pub(crate) const FOLDERS: [&str; 8] =
    ["trunks", "numbers", "flows", "queues", "conferences", "mailboxes", "agents", "phones"];

/// Folders that hold something else than configuration, or are read by themselves.
const NOT_CONFIGURATION: [&str; 3] = ["data", "prompts", "tenants"];

fn is_toml(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    name.ends_with(".toml") && !name.starts_with('.')
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let fail = |source| ReadError { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort();
    Ok(paths)
}
