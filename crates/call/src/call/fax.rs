//! Owns a fax in a conversation: how its two sides go over from audio to T.38, and back (ITU-T T.38 Annex D). Each side
//! is asked on the other's terms, which pass as they came. Does not own the datagrams (see `media::Room`).
//!
//! ```text
//!             (1) one side offers T.38           (2) the other takes it
//!  (audio) ─────────────────────────────▶ Asked ──────────────────────▶ Sent
//!     ▲ ▲   (3) the other does not: 488     │                             │
//!     │ └───────────────────────────────────┘                             │
//!     └───────────────────────────────────────────────────────────────────┘
//!        (4) one side offers audio, or the conversation is no longer theirs alone
//! ```

use media::command::{Command, Mark};
use model::LegId;
use model::event::CallFact;
use model::outcome::Termination;
use sdp::{Description, FaxTerms};

use super::{Call, Stage};
use crate::context::Context;

/// A fax, or the wish for one.
#[derive(Debug)]
pub(super) struct Fax {
    by: Side,
    to: Side,
    state: State,
}

#[derive(Debug)]
struct Side {
    leg: LegId,
    terms: FaxTerms,
}

#[derive(Debug)]
enum State {
    /// The offer of `by` waits for the answer of `to`.
    Asked(Box<(Description, sdp::Fax)>),
    Sent,
}

impl Call {
    /// (1) A side offers T.38 in the place of audio.
    pub(super) fn on_fax_offered(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        (offer, fax): (Description, sdp::Fax),
    ) {
        match self.fax.take() {
            Some(Fax { by, to, state: State::Sent }) if leg == by.leg || leg == to.leg => {
                // A refresh, or a new address.
                let (mut own, other) = if leg == by.leg { (by, to) } else { (to, by) };
                own.terms = fax.terms.clone();
                self.accept_fax_of(context, leg, (offer, fax), &other.terms);
                self.fax = Some(Fax { by: own, to: other, state: State::Sent });
            }
            Some(Fax { by, to, state: State::Asked(asked) }) if leg == to.leg => {
                // Both want it at once: what each offers answers the other.
                let to = Side { terms: fax.terms.clone(), ..to };
                self.accept_fax_of(context, leg, (offer, fax), &by.terms);
                self.fax_taken(context, (by, to), *asked);
            }
            other => {
                self.fax = other;
                self.ask_for_fax(context, leg, (offer, fax));
            }
        }
    }

    fn ask_for_fax(&mut self, context: &mut Context<'_>, leg: LegId, (offer, fax): (Description, sdp::Fax)) {
        let may = |call: &Call, leg| call.legs().any(|known| known.id == leg && known.media.may_fax());
        let other =
            self.alone_with(leg).filter(|other| self.fax.is_none() && may(self, leg) && may(self, *other));
        let Some(other) = other else {
            let unable = self.alone_with(leg).filter(|_| may(self, leg)).unwrap_or(leg);
            return self.refuse_fax(context, leg, (unable, 488));
        };
        let Some(asked) = self.legs_mut().find(|known| known.id == other) else { return };
        let ours = asked.media.offer_fax(&fax.terms);
        asked.session.offer(context.now, context.endpoint, ours);
        self.fax = Some(Fax {
            by: Side { leg, terms: fax.terms.clone() },
            to: Side { leg: other, terms: FaxTerms::default() },
            state: State::Asked(Box::new((offer, fax))),
        });
    }

    /// Whether a fax is under way.
    pub(super) fn has_fax(&self) -> bool {
        self.fax.as_ref().is_some_and(|fax| matches!(fax.state, State::Sent))
    }

    /// Whom `leg` talks with, while nothing else happens in the conversation.
    fn alone_with(&self, leg: LegId) -> Option<LegId> {
        let Stage::Talking(talk) = &self.stage else { return None };
        let undisturbed = talk.announcing.is_none()
            && talk.holders.is_empty()
            && self.transfer.is_none()
            && self.asking.is_none();
        let talks = leg == talk.leg || self.is_caller(leg);
        if undisturbed && talks { self.opposite(talk, leg) } else { None }
    }

    fn accept_fax_of(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        (offer, fax): (Description, sdp::Fax),
        terms: &FaxTerms,
    ) {
        let Some(known) = self.legs_mut().find(|known| known.id == leg) else { return };
        let Some(answer) = known.media.answer_fax(offer, terms) else { return };
        known.session.accept_offer(context.now, context.endpoint, answer);
        context.media(Command::DescribeFax { port: leg, remote: fax.remote });
    }

    /// (2) Both sides have it.
    fn fax_taken(
        &mut self,
        context: &mut Context<'_>,
        (by, to): (Side, Side),
        (offer, fax): (Description, sdp::Fax),
    ) {
        self.accept_fax_of(context, by.leg, (offer, fax), &to.terms);
        self.fax = Some(Fax { by, to, state: State::Sent });
        self.mark_fax(context, Mark::FaxBegan);
        self.fact(context, CallFact::FaxBegan);
    }

    /// An offer of ours was answered; whether that was one of T.38, and nothing is left to do.
    pub(super) fn fax_answered(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        answer: Option<&[u8]>,
    ) -> bool {
        match self.fax.take() {
            Some(Fax { by, to, state: State::Asked(asked) }) if to.leg == leg => {
                let known = self.legs_mut().find(|known| known.id == leg);
                let taken = known.zip(answer).and_then(|(known, answer)| known.media.accept_fax(answer).ok());
                match taken {
                    Some(theirs) => {
                        context.media(Command::DescribeFax { port: leg, remote: theirs.remote });
                        let to = Side { terms: theirs.terms, ..to };
                        self.fax_taken(context, (by, to), *asked);
                    }
                    // It said yes to something else: audio must be agreed on anew.
                    None => {
                        self.refuse_fax(context, by.leg, (leg, 488));
                        self.offer_audio(context, leg);
                    }
                }
                true
            }
            other => {
                self.fax = other;
                false
            }
        }
    }

    /// (3) An offer of ours was refused: what was agreed before stands.
    pub(super) fn on_offer_refused(&mut self, context: &mut Context<'_>, leg: LegId, status: u16) {
        match self.fax.take() {
            Some(Fax { by, to, state: State::Asked(_) }) if to.leg == leg => {
                self.refuse_fax(context, by.leg, (leg, status));
            }
            None if self.legs().any(|known| known.id == leg && known.media.is_fax()) => {
                // One side is back at audio and the other does not come along.
                self.release_by_switch(context, Termination::MediaTimeout);
            }
            other => self.fax = other,
        }
    }

    fn refuse_fax(&mut self, context: &mut Context<'_>, asker: LegId, (unable, status): (LegId, u16)) {
        if let Some(known) = self.legs_mut().find(|known| known.id == asker) {
            known.session.refuse_offer(context.now, context.endpoint, 488);
        }
        let by = self.side(unable);
        self.fact(context, CallFact::FaxRefused { by, status });
    }

    /// (4) A side agreed on audio again by itself: the other follows.
    pub(super) fn fax_left_by(&mut self, context: &mut Context<'_>, leg: LegId) {
        let other = match &self.fax {
            Some(Fax { by, to, state: State::Sent }) if by.leg == leg => to.leg,
            Some(Fax { by, to, state: State::Sent }) if to.leg == leg => by.leg,
            _ => return,
        };
        self.fax = None;
        self.offer_audio(context, other);
        self.fax_ended(context);
    }

    /// (4) Whether the conversation is still theirs alone; else both go back to audio.
    pub(super) fn check_fax(&mut self, context: &mut Context<'_>) {
        let undisturbed = self.fax.as_ref().is_none_or(|fax| self.alone_with(fax.by.leg) == Some(fax.to.leg));
        if let (false, Some(fax)) = (undisturbed, &self.fax) {
            let both = [fax.by.leg, fax.to.leg];
            self.leave_fax(context, &both);
        }
    }

    /// (4) The conversation is over, or no longer theirs alone: those who stay are asked for audio.
    pub(super) fn leave_fax(&mut self, context: &mut Context<'_>, stay: &[LegId]) {
        let Some(Fax { by, to, state }) = self.fax.take() else { return };
        match state {
            State::Asked(_) => {
                self.refuse_fax(context, by.leg, (to.leg, 488));
                if stay.contains(&to.leg) {
                    self.offer_audio(context, to.leg);
                }
            }
            State::Sent => {
                for leg in [by.leg, to.leg].into_iter().filter(|leg| stay.contains(leg)) {
                    self.offer_audio(context, leg);
                }
                self.fax_ended(context);
            }
        }
    }

    fn fax_ended(&self, context: &mut Context<'_>) {
        self.mark_fax(context, Mark::FaxEnded);
        self.fact(context, CallFact::FaxEnded);
    }

    fn mark_fax(&self, context: &mut Context<'_>, mark: Mark) {
        if let Some(recording) = self.recording {
            context.media(Command::MarkRecording { recording, mark });
        }
    }

    fn offer_audio(&mut self, context: &mut Context<'_>, leg: LegId) {
        if let Some(known) = self.legs_mut().find(|known| known.id == leg) {
            let offer = known.media.offer();
            known.session.offer(context.now, context.endpoint, offer);
        }
    }
}
