//! Owns the thread that encodes prompts for codecs with a state, so that neither signalling nor packets wait for it.
//! Does not own the encoding (see [`media::Clip`]).

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::{io, thread};

use media::Clip;
use media::codec::Codec;

/// Clips that may wait. One that finds no room is asked for again by whoever plays it next.
const WAITING: usize = 1_024;

/// Asks for clips to be encoded. The thread ends with the last of its askers.
#[derive(Clone, Debug)]
pub(crate) struct Preparer {
    asked: SyncSender<(Arc<Clip>, Codec)>,
}

impl Preparer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn() -> io::Result<Preparer> {
        let (asked, clips) = sync_channel::<(Arc<Clip>, Codec)>(WAITING);
        thread::Builder::new().name("prompt-encoder".to_owned()).spawn(move || {
            clock::Precedence::Last.take();
            for (clip, codec) in clips {
                clip.prepare(codec);
            }
        })?;
        Ok(Preparer { asked })
    }

    /// Encodes those of `clips` soon that are not there in `codec`. Never waits.
    pub fn ask(&self, clips: &[Arc<Clip>], codec: Codec) {
        for clip in clips.iter().filter(|clip| !clip.is_prepared(codec)) {
            if self.asked.try_send((Arc::clone(clip), codec)).is_err() {
                tracing::debug!(?clip, ?codec, "too many prompts wait for their encoder");
                return;
            }
        }
    }
}
