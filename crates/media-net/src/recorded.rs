//! Owns playing what was recorded, such as voice messages: its file is read and decoded on a thread of its own, so that
//! neither signalling nor packets wait. Does not own files' making (see [`crate::finish`]) nor the playing (see `media::room`).

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use clock::WallTime;
use media::Clip;
use media::command::{Command, Event, PlayEnd};
use media::import::{self, Limits, Loudness, Purpose};
use model::say::SayItem;
use model::{LegId, PlayId, RecordingId, TenantId};

use crate::MediaNet;

/// Playings whose recordings are being read.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    /// Where recordings are.
    pub data: PathBuf,
    wanted: Mutex<HashMap<LegId, PlayId>>,
    threads: AtomicUsize,
}

/// Whether `items` hold something that was recorded.
pub(crate) fn is_recorded(items: &[SayItem]) -> bool {
    items.iter().any(|item| matches!(item, SayItem::Recorded { .. }))
}

impl Loading {
    pub fn new(data: PathBuf) -> Loading {
        Loading { data, ..Loading::default() }
    }

    fn wanted(&self) -> MutexGuard<'_, HashMap<LegId, PlayId>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something else is played to `port`, or nothing: what was being read for it is not. Returns that playing; with
    /// `only`, if it is that one.
    pub fn forget(&self, port: LegId, only: Option<PlayId>) -> Option<PlayId> {
        let mut wanted = self.wanted();
        let loading = wanted.get(&port).copied().filter(|play| only.is_none_or(|only| only == *play))?;
        wanted.remove(&port);
        Some(loading)
    }

    fn is_wanted(&self, port: LegId, play: PlayId) -> bool {
        self.wanted().get(&port) == Some(&play)
    }

    /// The sound of a recording. One that ended a moment ago has its file soon: it is waited for while it is wanted.
    fn clip(
        &self,
        tenant: &TenantId,
        recording: (RecordingId, WallTime),
        wanted: impl Fn() -> bool,
    ) -> Option<Arc<Clip>> {
        let path = self.data.join(crate::finish::path_of(tenant, recording.0, recording.1));
        let mut waits = 0;
        let bytes = loop {
            match fs::read(&path) {
                Ok(bytes) => break bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && waits < MOST_WAITS => {
                    if !wanted() {
                        return None;
                    }
                    waits += 1;
                    // Nobody unparks this thread: it waits for the journal and the finisher.
                    thread::park_timeout(BETWEEN_LOOKS);
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "录音读不出 / a recording cannot be read");
                    return None;
                }
            }
        };
        let limits = Limits { bytes: MOST_BYTES, longest: LONGEST };
        match import::import(&bytes, &limits, Purpose::Speech, Loudness::Evened) {
            Ok(sound) => Some(Arc::new(Clip::from_sound(sound))),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "录音无法播放 / a recording cannot be played");
                None
            }
        }
    }
}

impl MediaNet {
    /// Carries out a [`Command::Play`] that holds something recorded: begins once it is read. What is played or stopped
    /// meanwhile on the port takes its place.
    pub(crate) fn play_recorded(&self, command: Command) {
        let Command::Play { port, play, .. } = &command else { return };
        let (port, play) = (*port, *play);
        let loading = self.loading();
        if let Some(before) = loading.wanted().insert(port, play) {
            self.played(port, before, PlayEnd::Stopped);
        }
        let busy = loading.threads.fetch_add(1, Ordering::AcqRel) >= MOST_THREADS;
        let media = self.clone();
        let read = move || {
            clock::Precedence::Later.take();
            media.read_and_play(command);
            media.loading().threads.fetch_sub(1, Ordering::AcqRel);
        };
        let spawned = if busy {
            None
        } else {
            thread::Builder::new().name("recording-reader".to_owned()).spawn(read).ok()
        };
        if spawned.is_none() {
            loading.threads.fetch_sub(1, Ordering::AcqRel);
            if loading.forget(port, Some(play)).is_some() {
                self.played(port, play, PlayEnd::Failed("too many recordings are played at once".to_owned()));
            }
        }
    }

    fn read_and_play(&self, command: Command) {
        let Command::Play { port, play, items, mode, voice } = command else { return };
        let loading = self.loading();
        let wanted = || loading.is_wanted(port, play);
        let found = self.prompts().expand_with(&items, &voice, |recording, began| {
            loading.clip(&voice.tenant, (recording, began), wanted)
        });
        // Under the lock: who stops it meanwhile stops it before or after, and not in between.
        let mut all = loading.wanted();
        if all.get(&port) != Some(&play) {
            return;
        }
        all.remove(&port);
        match found {
            Ok(clips) => self.play_clips(port, (play, mode), clips),
            Err(error) => {
                drop(all);
                self.played(port, play, PlayEnd::Failed(error.to_string()));
            }
        }
    }

    /// What was being read for `port` is wanted no more.
    pub(crate) fn stop_loading(&self, port: LegId, only: Option<PlayId>) -> bool {
        match self.loading().forget(port, only) {
            Some(play) => {
                self.played(port, play, PlayEnd::Stopped);
                true
            }
            None => false,
        }
    }

    fn played(&self, port: LegId, play: PlayId, how: PlayEnd) {
        if let Some(room) = self.room_of(port) {
            self.report(Event::Played { room, port, play, how });
        }
    }
}

/// Recordings that are read at a time.
const MOST_THREADS: usize = 32;
/// How long a recording's file is waited for: a tenth of a second between two looks, ten seconds in all.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const MOST_WAITS: u32 = 100;
/// The longest recording that is played.
const LONGEST: Duration = Duration::from_secs(3_700);
const MOST_BYTES: u64 = 128 << 20;
