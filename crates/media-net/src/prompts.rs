//! Owns what can be said: the built-in prompts, those of each tenant, and clips made once and shared. Does not own
//! which atoms a number needs (see [`media::speech`]), nor the playing (see `media::room`), nor how a file becomes a
//! prompt (see [`media::import`]).

mod files;
mod prepare;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clock::WallTime;
use media::Clip;
use media::command::{Language, Voice};
use media::import::{self, ImportError, Limits, Loudness, Purpose};
use media::speech::{Atom, DigitOne, atoms};
use model::say::{SayItem, Tone};
use model::{RecordingId, TenantId};

pub use files::PromptError;
pub(crate) use prepare::Preparer;

/// How prompts are taken and said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PromptRules {
    /// What a file may cost.
    pub limits: Limits,
    /// Whether files are made equally loud.
    pub loudness: Loudness,
    /// How 1 is read digit by digit in Chinese.
    pub one: DigitOne,
}

/// All prompts of the node, encoded. Built once per configuration; a reload builds another, which keeps the clips whose
/// files did not change.
#[derive(Debug)]
pub struct PromptCache {
    built_in: Arc<BuiltIn>,
    uploaded: HashMap<Upload, files::Uploaded>,
    one: DigitOne,
}

/// What is the same under every configuration.
#[derive(Debug)]
struct BuiltIn {
    /// By (folder, id): encoded when first said, so that a start costs nothing.
    clips: Mutex<HashMap<(&'static str, &'static str), Arc<Clip>>>,
    silences: Mutex<HashMap<u32, Arc<Clip>>>,
    tones: [Arc<Clip>; Tone::ALL.len()],
}

/// Whose prompt, in which folder, by which name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Upload {
    tenant: TenantId,
    folder: &'static str,
    name: Arc<str>,
}

/// A prompt that was named but does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "没有语音「{name}」：prompts/{folder}/ 里没有这个文件，也非内置 / no prompt «{name}»: neither in prompts/{folder}/ nor built in"
)]
pub struct MissingPrompt {
    /// Its name.
    pub name: Arc<str>,
    /// The language's folder.
    pub folder: &'static str,
}

/// A prompt that somebody has.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Its name.
    pub name: Arc<str>,
    /// Its folder: a language, `moh`, or none for all languages.
    pub folder: &'static str,
    /// The tenant's file; `None`: built in.
    pub file: Option<PathBuf>,
    /// Its sound.
    pub clip: Arc<Clip>,
    /// What was found in the file.
    pub facts: Option<import::Facts>,
}

impl PromptCache {
    /// The built-in prompts alone.
    pub fn built_in() -> PromptCache {
        PromptCache { built_in: Arc::default(), uploaded: HashMap::new(), one: DigitOne::default() }
    }

    /// The built-in prompts and the audio files below each tenant's folder (`zh-CN/`, `en/`, `moh/` for music, and the
    /// folder itself for all languages), which come before the built-in ones of the same name. A folder that does not
    /// exist adds nothing. Every file that cannot be used is reported with its tenant; the others are there. Files that `before` has
    /// and that did not change are not read again.
    pub fn load(
        rules: PromptRules,
        tenants: &[(TenantId, PathBuf)],
        before: Option<&PromptCache>,
    ) -> (PromptCache, Vec<(TenantId, PromptError)>) {
        let mut cache = PromptCache {
            built_in: before.map(|before| Arc::clone(&before.built_in)).unwrap_or_default(),
            uploaded: HashMap::new(),
            one: rules.one,
        };
        let mut errors = Vec::new();
        for (tenant, folder) in tenants {
            for kind in [ZH, EN, MUSIC, ANY] {
                let found = files::Found { tenant, kind, folder: folder.join(kind) };
                let faults = found.read(&rules, before, &mut cache.uploaded);
                errors.extend(faults.into_iter().map(|fault| (tenant.clone(), fault)));
            }
        }
        (cache, errors)
    }

    /// Whether `tenant` can say `name` in `language`.
    pub fn has(&self, tenant: &TenantId, language: Language, name: &str) -> bool {
        let language = folder_of(language);
        [language, ANY, MUSIC].into_iter().any(|folder| {
            built_in_file(folder, name).is_some() || self.uploaded.contains_key(&upload(tenant, folder, name))
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

    /// All that `tenant` can say, its own first, each by folder and name; what its own replaces is left out.
    pub fn list(&self, tenant: &TenantId) -> Vec<Prompt> {
        let own = self.uploaded.iter().filter(|(upload, _)| upload.tenant == *tenant);
        let mut prompts: Vec<Prompt> = own.map(|(upload, uploaded)| uploaded.prompt(upload)).collect();
        prompts.sort_by(|a, b| (a.folder, &a.name).cmp(&(b.folder, &b.name)));
        let built_in = EMBEDDED
            .iter()
            .filter(|(folder, name, _)| !self.uploaded.contains_key(&upload(tenant, folder, name)))
            .filter_map(|(folder, name, _)| {
                let clip = self.built_in.clip(folder, name)?;
                Some(Prompt { name: Arc::from(*name), folder, file: None, clip, facts: None })
            });
        prompts.extend(built_in);
        prompts
    }

    /// The clips of `items` in `voice`, in order. The tenant's own come first, then the built-in ones; a name that no
    /// language has is looked for in the music.
    ///
    /// # Errors
    /// The first prompt that does not exist.
    pub fn expand(&self, items: &[SayItem], voice: &Voice) -> Result<Vec<Arc<Clip>>, MissingPrompt> {
        self.expand_with(items, voice, |_, _| None)
    }

    /// The same, where something recorded is found by `recorded`.
    ///
    /// # Errors
    /// The first prompt or recording that does not exist.
    pub fn expand_with(
        &self,
        items: &[SayItem],
        voice: &Voice,
        recorded: impl Fn(RecordingId, WallTime) -> Option<Arc<Clip>>,
    ) -> Result<Vec<Arc<Clip>>, MissingPrompt> {
        let missing = |recording: RecordingId| MissingPrompt {
            name: recording.to_string().into(),
            folder: "recordings",
        };
        atoms(items, voice.language, self.one)
            .into_iter()
            .map(|atom| match atom {
                Atom::Word(name) => self.clip(voice, name),
                Atom::Prompt(name) => self.clip(voice, &name),
                Atom::Silence(millis) => Ok(self.built_in.silence(millis)),
                Atom::Recorded(recording, began) => {
                    recorded(recording, began).ok_or_else(|| missing(recording))
                }
                Atom::Tone(tone) => Ok(Arc::clone(&self.built_in.tones[tone as usize])),
            })
            .collect()
    }

    fn clip(&self, voice: &Voice, name: &str) -> Result<Arc<Clip>, MissingPrompt> {
        let folder = folder_of(voice.language);
        let own = |folder| self.uploaded.get(&upload(&voice.tenant, folder, name));
        let own = |folder| own(folder).map(|own| Arc::clone(&own.clip));
        own(folder)
            .or_else(|| own(ANY))
            .or_else(|| self.built_in.clip(folder, name))
            .or_else(|| own(MUSIC))
            .or_else(|| self.built_in.clip(MUSIC, name))
            .ok_or_else(|| MissingPrompt { name: Arc::from(name), folder })
    }
}

impl Default for BuiltIn {
    fn default() -> BuiltIn {
        let tone = |tone| Arc::new(Clip::from_samples(&media::tone::samples(tone)));
        BuiltIn { clips: Mutex::default(), silences: Mutex::default(), tones: Tone::ALL.map(tone) }
    }
}

impl BuiltIn {
    fn clip(&self, folder: &str, name: &str) -> Option<Arc<Clip>> {
        let (folder, name, bytes) = built_in_file(folder, name)?;
        let known = |clips: &HashMap<_, Arc<Clip>>| clips.get(&(*folder, *name)).map(Arc::clone);
        if let Some(clip) = known(&self.clips.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Some(clip);
        }
        // Each embedded file is read by a test.
        let clip = Arc::new(Clip::from_sound(sound_of(folder, bytes).ok()?));
        let mut clips = self.clips.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(clips.entry((folder, name)).or_insert(clip)))
    }

    fn silence(&self, millis: u32) -> Arc<Clip> {
        let frames = millis.min(LONGEST_PAUSE_MS).div_ceil(20) * 20;
        let mut made = self.silences.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(made.entry(frames).or_insert_with(|| Arc::new(Clip::silence(frames))))
    }
}

/// A built-in file's sound: words equally loud, music as loud as it was composed.
fn sound_of(folder: &str, bytes: &[u8]) -> Result<import::Sound, ImportError> {
    let loudness = if folder == MUSIC { Loudness::Kept } else { Loudness::Evened };
    import::import(bytes, &Limits::default(), purpose_of(folder), loudness)
}

fn upload(tenant: &TenantId, folder: &'static str, name: &str) -> Upload {
    Upload { tenant: tenant.clone(), folder, name: Arc::from(name) }
}

fn folder_of(language: Language) -> &'static str {
    match language {
        Language::Zh => ZH,
        Language::En => EN,
    }
}

fn purpose_of(folder: &str) -> Purpose {
    if folder == MUSIC { Purpose::Music } else { Purpose::Speech }
}

fn built_in_file(folder: &str, name: &str) -> Option<&'static (&'static str, &'static str, &'static [u8])> {
    EMBEDDED.iter().find(|(f, n, _)| *f == folder && *n == name)
}

const ZH: &str = "zh-CN";
const EN: &str = "en";
const MUSIC: &str = "moh";
const ANY: &str = "";

/// A pause that somebody writes by mistake does not fill the memory.
const LONGEST_PAUSE_MS: u32 = 60_000;

/// (folder, name, file) of every built-in prompt.
static EMBEDDED: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/prompts.rs"));

#[cfg(test)]
mod tests;
