//! Owns reading a tenant's audio files, and knowing those that did not change. Does not own what a file becomes (see
//! [`media::import`]).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fs, io};

use media::Clip;
use media::import::{self, Facts, ImportError};
use model::TenantId;
use model::say::prompt_of_file;

use super::{Prompt, PromptCache, PromptRules, Upload, purpose_of, upload};

/// Why a tenant's prompt cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A folder or file cannot be read.
    #[error("无法读取 {path}：{source} / cannot read {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A file is not a prompt.
    #[error("语音文件 {path} 无法使用：{source}")]
    Refused {
        /// Which.
        path: PathBuf,
        /// What is wrong, in both languages.
        #[source]
        source: ImportError,
    },
    /// Two files have one name.
    #[error("{path} 没有使用：同名的 {used} 已在用 / {path} is not used: {used} has the same name")]
    Twice {
        /// Which.
        path: PathBuf,
        /// Whose clip is used.
        used: PathBuf,
    },
}

/// A tenant's prompt.
#[derive(Debug)]
pub(super) struct Uploaded {
    pub clip: Arc<Clip>,
    stamp: Stamp,
    facts: Facts,
}

/// What a file looked like when it was read, and by which rules.
#[derive(Clone, Debug, PartialEq)]
struct Stamp {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
    rules: PromptRules,
}

/// A folder of a tenant's prompts.
pub(super) struct Found<'a> {
    pub tenant: &'a TenantId,
    pub kind: &'static str,
    pub folder: PathBuf,
}

impl Uploaded {
    pub fn prompt(&self, upload: &Upload) -> Prompt {
        Prompt {
            name: Arc::clone(&upload.name),
            folder: upload.folder,
            file: Some(self.stamp.path.clone()),
            clip: Arc::clone(&self.clip),
            facts: Some(self.facts.clone()),
        }
    }
}

impl Found<'_> {
    /// Adds all files of the folder, and says which cannot be used.
    pub fn read(
        &self,
        rules: &PromptRules,
        before: Option<&PromptCache>,
        into: &mut HashMap<Upload, Uploaded>,
    ) -> Vec<PromptError> {
        let files = match audio_files(&self.folder) {
            Ok(files) => files,
            Err(error) => return vec![error],
        };
        let mut errors = Vec::new();
        for (name, path) in files {
            let key = upload(self.tenant, self.kind, &name);
            if let Some(used) = into.get(&key) {
                errors.push(PromptError::Twice { path, used: used.stamp.path.clone() });
                continue;
            }
            let earlier = before.and_then(|before| before.uploaded.get(&key));
            match self.file(path, rules, earlier) {
                Ok(uploaded) => drop(into.insert(key, uploaded)),
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    fn file(
        &self,
        path: PathBuf,
        rules: &PromptRules,
        earlier: Option<&Uploaded>,
    ) -> Result<Uploaded, PromptError> {
        let unreadable = |source| PromptError::Io { path: path.clone(), source };
        let refused = |source| PromptError::Refused { path: path.clone(), source };
        let metadata = fs::metadata(&path).map_err(unreadable)?;
        let stamp = Stamp {
            path: path.clone(),
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            rules: *rules,
        };
        if let Some(earlier) = earlier.filter(|earlier| earlier.stamp == stamp) {
            return Ok(Uploaded { clip: Arc::clone(&earlier.clip), stamp, facts: earlier.facts.clone() });
        }
        // A file that is too big is not even read.
        if metadata.len() > rules.limits.bytes {
            let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
            let (has, most) = (megabytes(metadata.len()), megabytes(rules.limits.bytes));
            return Err(refused(ImportError::TooBig(has, most)));
        }
        let bytes = fs::read(&path).map_err(unreadable)?;
        let sound = import::import(&bytes, &rules.limits, purpose_of(self.kind), rules.loudness);
        let sound = sound.map_err(refused)?;
        let facts = sound.facts.clone();
        Ok(Uploaded { clip: Arc::new(Clip::from_sound(sound)), stamp, facts })
    }
}

/// The prompts of a folder, by name and file, sorted; none when there is no folder.
fn audio_files(folder: &Path) -> Result<Vec<(String, PathBuf)>, PromptError> {
    let unreadable = |source| PromptError::Io { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(prompt_of_file);
        if let Some(name) = name.map(str::to_owned)
            && path.is_file()
        {
            files.push((name, path));
        }
    }
    files.sort();
    Ok(files)
}
