//! Owns what our caller hears of an outside party before it answers: the carrier's own ringing, or its words about a
//! number that cannot be reached. Does not own early media that a flow plays (see `arrive`).

use media::command::Command;
use model::event::CallFact;
use model::{DialTarget, LegId};
use routing::AnswerMode;

use super::{Call, Stage};
use crate::context::Context;

impl Call {
    /// A trunk sent a description before its answer: the caller is let hear it, where nothing else is played.
    pub(super) fn pass_early_media(&mut self, context: &mut Context<'_>, at: usize, leg: LegId) {
        let [party] = &self.parties[..] else { return };
        let alone =
            matches!(self.stage, Stage::Dialling { .. }) && matches!(party.target, DialTarget::Trunk { .. });
        let unheard = self.plan.answer == AnswerMode::ByParty;
        let known =
            self.parties[at].legs.iter().find(|known| known.id == leg && known.media.agreed.is_some());
        let (Some(known), Some(body), Some(caller)) = (known, &self.answer_body, &mut self.caller) else {
            return;
        };
        // A caller whose own offer has yet to be answered would take our description for that answer.
        if !(alone && unheard) || caller.media.agreed.is_none() {
            return;
        }
        known.describe(context);
        let listener = caller.id;
        if self.early.is_none() {
            caller.session.ring(context.now, context.endpoint, 183, Some(body.clone()));
        }
        if self.early.replace(leg).is_none() {
            self.fact(context, CallFact::EarlyMediaBegan);
        }
        context.media(Command::Hear { room: self.id, matrix: vec![(leg, listener)] });
    }
}
