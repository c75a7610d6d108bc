//! Owns what can be said: the built-in prompts, those of each tenant, and clips made once and shared. Does not own
//! which atoms a number needs (see [`media::speech`]), nor the playing (see `media::room`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use media::Clip;
use media::command::{Language, Voice};
use media::speech::{Atom, atoms};
use media::wav::{self, WavError};
use model::TenantId;
use model::say::{SayItem, Tone};

/// All prompts of the node, encoded. Built once per configuration; a reload builds another.
#[derive(Debug)]
pub struct PromptCache {
    /// Built-in clips by (folder, id): encoded when first said, so that a start costs nothing.
    built_in: Mutex<HashMap<(&'static str, &'static str), Arc<Clip>>>,
    uploaded: HashMap<Upload, Arc<Clip>>,
    silences: Mutex<HashMap<u32, Arc<Clip>>>,
    tones: [Arc<Clip>; 4],
}

/// Whose prompt, in which language (`None`: music, the same in all), by which name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Upload {
    tenant: TenantId,
    folder: &'static str,
    name: Arc<str>,
}

/// A prompt that was named but does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "没有语音「{name}」：{folder}/{name}.wav 既未上传也非内置 / no prompt «{name}»: {folder}/{name}.wav is neither uploaded nor built in"
)]
pub struct MissingPrompt {
    /// Its name.
    pub name: Arc<str>,
    /// The language's folder.
    pub folder: &'static str,
}

/// Why a tenant's prompts could not be loaded.
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
    #[error("语音文件 {path} 无法使用：{source} / the prompt {path} cannot be used")]
    Wav {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: WavError,
    },
}

impl PromptCache {
    /// The built-in prompts alone.
    pub fn built_in() -> PromptCache {
        let tone = |tone| Arc::new(Clip::from_samples(&media::tone::samples(tone)));
        PromptCache {
            built_in: Mutex::default(),
            uploaded: HashMap::new(),
            silences: Mutex::default(),
            tones: [Tone::Ringback, Tone::Busy, Tone::Congestion, Tone::Beep].map(tone),
        }
    }

    /// Adds the WAV files below `folder` (`zh-CN/`, `en/`, and `moh/` for music) as `tenant`'s own, which come before
    /// the built-in ones of the same name. A folder that does not exist adds nothing. Every file that cannot be used
    /// is reported; the others are added.
    pub fn add_tenant(&mut self, tenant: &TenantId, folder: &Path) -> Vec<PromptError> {
        let mut errors = Vec::new();
        for kind in [ZH, EN, MUSIC] {
            match wav_files(&folder.join(kind)) {
                Ok(files) => {
                    for file in files {
                        match load(&file) {
                            Ok(clip) => {
                                let name = file.file_stem().unwrap_or_default().to_string_lossy();
                                let upload =
                                    Upload { tenant: tenant.clone(), folder: kind, name: Arc::from(name) };
                                self.uploaded.insert(upload, Arc::new(clip));
                            }
                            Err(error) => errors.push(error),
                        }
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Whether `tenant` can say `name` in `language`.
    pub fn has(&self, tenant: &TenantId, language: Language, name: &str) -> bool {
        let folders = [folder_of(language), MUSIC];
        folders.iter().any(|folder| {
            built_in_file(folder, name).is_some()
                || self.uploaded.contains_key(&Upload {
                    tenant: tenant.clone(),
                    folder,
                    name: Arc::from(name),
                })
        })
    }

    /// The names of the built-in prompts of `language`.
    pub fn built_in_names(language: Language) -> impl Iterator<Item = &'static str> {
        let wanted = folder_of(language);
        EMBEDDED.iter().filter(move |(folder, _, _)| *folder == wanted).map(|(_, name, _)| *name)
    }

    /// The names of the built-in music.
    pub fn built_in_music() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().filter(|(folder, _, _)| *folder == MUSIC).map(|(_, name, _)| *name)
    }

    /// The clips of `items` in `voice`, in order. The tenant's own come first, then the built-in ones; a name that no
    /// language has is looked for in the music.
    ///
    /// # Errors
    /// The first prompt that does not exist.
    pub fn expand(&self, items: &[SayItem], voice: &Voice) -> Result<Vec<Arc<Clip>>, MissingPrompt> {
        let folder = folder_of(voice.language);
        atoms(items, voice.language)
            .into_iter()
            .map(|atom| match atom {
                Atom::Word(name) => self.clip(&voice.tenant, folder, name),
                Atom::Prompt(name) => self.clip(&voice.tenant, folder, &name),
                Atom::Silence(millis) => Ok(self.silence(millis)),
                Atom::Tone(tone) => Ok(Arc::clone(&self.tones[tone as usize])),
            })
            .collect()
    }

    fn clip(&self, tenant: &TenantId, folder: &'static str, name: &str) -> Result<Arc<Clip>, MissingPrompt> {
        [folder, MUSIC]
            .into_iter()
            .find_map(|folder| {
                let upload = Upload { tenant: tenant.clone(), folder, name: Arc::from(name) };
                self.uploaded.get(&upload).cloned().or_else(|| self.embedded(folder, name))
            })
            .ok_or_else(|| MissingPrompt { name: Arc::from(name), folder })
    }

    fn embedded(&self, folder: &str, name: &str) -> Option<Arc<Clip>> {
        let (folder, name, bytes) = built_in_file(folder, name)?;
        let mut made = self.built_in.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clip) = made.get(&(folder, name)) {
            return Some(Arc::clone(clip));
        }
        // Each embedded file is read by a test.
        let clip = Arc::new(Clip::from_samples(&wav::read(bytes).ok()?));
        made.insert((folder, name), Arc::clone(&clip));
        Some(clip)
    }

    fn silence(&self, millis: u32) -> Arc<Clip> {
        let frames = millis.min(LONGEST_PAUSE_MS).div_ceil(20) * 20;
        let mut made = self.silences.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(made.entry(frames).or_insert_with(|| Arc::new(Clip::silence(frames))))
    }
}

fn folder_of(language: Language) -> &'static str {
    match language {
        Language::Zh => ZH,
        Language::En => EN,
    }
}

fn built_in_file(folder: &str, name: &str) -> Option<&'static (&'static str, &'static str, &'static [u8])> {
    EMBEDDED.iter().find(|(f, n, _)| *f == folder && *n == name)
}

/// The WAV files of a folder, sorted; none when there is no folder.
fn wav_files(folder: &Path) -> Result<Vec<PathBuf>, PromptError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(PromptError::Io { path: folder.to_owned(), source }),
    };
    let mut files = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| PromptError::Io { path: folder.to_owned(), source })?;
    files.retain(|file| file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")));
    files.sort();
    Ok(files)
}

fn load(file: &Path) -> Result<Clip, PromptError> {
    let bytes = fs::read(file).map_err(|source| PromptError::Io { path: file.to_owned(), source })?;
    let samples = wav::read(&bytes).map_err(|source| PromptError::Wav { path: file.to_owned(), source })?;
    Ok(Clip::from_samples(&samples))
}

const ZH: &str = "zh-CN";
const EN: &str = "en";
const MUSIC: &str = "moh";

/// A pause that somebody writes by mistake does not fill the memory.
const LONGEST_PAUSE_MS: u32 = 60_000;

/// (folder, name, file) of every built-in prompt.
static EMBEDDED: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/prompts.rs"));

#[cfg(test)]
mod tests;
