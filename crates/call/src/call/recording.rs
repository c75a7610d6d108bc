//! Owns what keeps sound out of a recording that runs: secrets that are keyed, and pauses; and queues that want no call
//! without one. Does not own when a recording begins and ends (see [`super::talk`]).

use media::command::{Command, Mark, MaskCause};
use model::event::CallFact;
use model::outcome::CallResult;
use model::{QueueName, RecordingId};
use routing::{RecordPolicy, WhenDiskFull};
use sip::HeaderName;

use super::{Call, Stage};
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

    /// The conversation came about by a transfer.
    pub(super) fn mark_transferred(&mut self, context: &mut Context<'_>) {
        if let Stage::Talking(talk) = &self.stage {
            let leg = talk.leg;
            self.mark(context, Mark::Transferred(leg));
        }
    }

    /// A recording that begins within a secret begins masked.
    pub(super) fn mask_from_its_beginning(&self, context: &mut Context<'_>, recording: RecordingId) {
        if self.masks.has(MaskCause::Secret) {
            let mark = Mark::Mask(MaskCause::Secret);
            context.media(Command::MarkRecording { recording, mark });
        }
    }

    /// Whether `queue` takes no call that cannot be recorded, and this one cannot.
    pub(super) fn refuses_unrecorded(&self, context: &Context<'_>, queue: &QueueName) -> bool {
        let asked = self.settings.plan.queues.get(queue).map(|queue| queue.when_disk_full);
        let kept = self.plan.record == RecordPolicy::Off
            || self.recording.is_some()
            || context.disk.keeps_recordings();
        asked == Some(WhenDiskFull::Refuse) && !kept
    }

    /// To the carrier a 503, so that it tries the number's other place; to a caller who was answered, a full queue.
    pub(super) fn turn_away_unrecorded(&mut self, context: &mut Context<'_>) {
        self.fact(context, CallFact::NotRecorded);
        if self.answer_body.is_some() {
            return self.refuse(context, 503, &[(HeaderName::RetryAfter, "30")], CallResult::Limit);
        }
        self.resume_flow(context, ivr::Parked::Full);
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
