//! Owns what keeps sound out of a recording that runs: secrets that are keyed, and pauses. Does not own when a recording
//! begins and ends (see [`super::talk`]).

use media::command::{Command, Mark, MaskCause};
use model::RecordingId;
use model::event::CallFact;

use super::Call;
use crate::context::Context;

/// Whether a recording keeps what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Not from now on, until it is wished again.
    Nothing,
    /// From now on.
    Sound,
}

impl Call {
    /// An operator pauses the recording that runs, or lets it go on. Without one, or where it is so already, nothing
    /// happens. A pause ends with its recording.
    pub fn keep(&mut self, context: &mut Context<'_>, keep: Keep) {
        let Some(recording) = self.recording else { return };
        let paused = self.masks.has(MaskCause::Paused);
        match (keep, paused) {
            (Keep::Nothing, false) => {
                self.mask(context, Mark::Mask(MaskCause::Paused));
                self.fact(context, CallFact::RecordingPaused { recording });
            }
            (Keep::Sound, true) => {
                self.mask(context, Mark::Unmask(MaskCause::Paused));
                self.fact(context, CallFact::RecordingResumed { recording });
            }
            (Keep::Nothing, true) | (Keep::Sound, false) => {}
        }
    }

    /// Remembers a mask and tells a recording that runs.
    pub(super) fn mask(&mut self, context: &mut Context<'_>, mark: Mark) {
        self.masks.note(mark);
        self.mark(context, mark);
    }

    /// Puts `mark` on the timeline of the recording that runs, if one does.
    pub(super) fn mark(&mut self, context: &mut Context<'_>, mark: Mark) {
        if let Some(recording) = self.recording {
            context.media(Command::MarkRecording { recording, mark });
        }
    }

    /// A recording that begins within a secret begins masked.
    pub(super) fn mask_from_its_beginning(&self, context: &mut Context<'_>, recording: RecordingId) {
        if self.masks.has(MaskCause::Secret) {
            let mark = Mark::Mask(MaskCause::Secret);
            context.media(Command::MarkRecording { recording, mark });
        }
    }

    /// What operators see of it.
    pub(super) fn live_recording(&self) -> crate::LiveRecording {
        match self.recording {
            None => crate::LiveRecording::Off,
            Some(_) if self.masks.has(MaskCause::Paused) => crate::LiveRecording::Paused,
            Some(_) => crate::LiveRecording::On,
        }
    }
}
