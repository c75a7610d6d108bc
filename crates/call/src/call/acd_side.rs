//! Owns carrying out what the tenant's ACD asks for: offers, withdrawals, announcements, the end of the place.

use media::command::PlayMode;
use model::outcome::{EntryOutcome, WithdrawCause};
use model::{EntryId, OfferId};

use super::transfer::Served;
use super::{Call, Playing, Stage};
use crate::context::Context;
use crate::party::{AskedBy, Party, PartyState};

impl Call {
    /// The ACD asks for something. What comes too late is answered as such.
    pub fn on_acd(&mut self, context: &mut Context<'_>, output: acd::Output) {
        match output {
            acd::Output::Offer { offer, entry, agent, target, queue, .. } => {
                if !self.waits_as(entry) {
                    let input = acd::Input::OfferEnded { offer, result: acd::OfferResult::Gone };
                    return context.acd(&self.tenant, input);
                }
                let label = agent.name.clone();
                self.call_party(context, offer, AskedBy::Acd { agent, queue }, label, target);
            }
            acd::Output::Withdraw { offer, cause, .. } => self.withdraw(context, offer, cause),
            acd::Output::Say { entry, items, .. } => {
                if !self.waits_as(entry) {
                    return;
                }
                self.stop_music(context);
                self.play_to_caller(context, Playing::Announcement(entry), items, PlayMode::Once);
            }
            acd::Output::Left { entry, outcome, .. } => {
                if self.waits_as(entry) {
                    self.leave_queue(context, outcome);
                }
            }
            acd::Output::Event(_) => {}
        }
        self.settle(context);
    }

    fn waits_as(&self, wanted: EntryId) -> bool {
        matches!(&self.stage, Stage::Queued { entry, .. } if *entry == wanted)
    }

    /// An announcement ended: music again.
    pub(super) fn on_said(&mut self, context: &mut Context<'_>, entry: EntryId) {
        context.acd(&self.tenant, acd::Input::Said { entry });
        if self.waits_as(entry) {
            self.play_music(context);
        }
    }

    pub(super) fn stop_music(&mut self, context: &mut Context<'_>) {
        let Stage::Queued { music, .. } = &mut self.stage else { return };
        let play = music.take();
        if let Some(port) = self.caller.as_ref().map(|caller| caller.id) {
            self.stop_playing(context, port, play);
        }
    }

    fn withdraw(&mut self, context: &mut Context<'_>, offer: OfferId, cause: WithdrawCause) {
        let Some(at) = self.parties.iter().position(|party| party.offer == offer) else {
            // It ended by itself and said so; the two crossed.
            return;
        };
        match self.parties[at].state {
            PartyState::Talking(_) => {}
            // The answer crossed the withdrawal: the ACD judges it when it hears of it, and `Left` tells.
            PartyState::Accepted(_) if matches!(self.stage, Stage::Queued { .. }) => {}
            // `Left` came before: somebody else has the caller, and the place is gone.
            PartyState::Accepted(_) => {
                self.drop_party(context, at, Some(hang_up_reason(WithdrawCause::AnsweredElsewhere)));
                context.acd(&self.tenant, acd::Input::OfferEnded { offer, result: acd::OfferResult::Gone });
                context.acd(&self.tenant, acd::Input::ConversationEnded { offer });
            }
            PartyState::Calling | PartyState::Ringing => {
                self.drop_party(context, at, Some(hang_up_reason(cause)));
                let input = acd::Input::OfferEnded { offer, result: acd::OfferResult::Gone };
                context.acd(&self.tenant, input);
            }
        }
    }

    /// The place ended: (5) by an answer, or (4) without one.
    fn leave_queue(&mut self, context: &mut Context<'_>, outcome: EntryOutcome) {
        let Stage::Queued { entry, .. } = &self.stage else { return };
        let (entry, served) =
            (*entry, if outcome == EntryOutcome::Answered { Served::Yes } else { Served::No });
        let how = match outcome {
            EntryOutcome::Answered => {
                self.left_queue_of_transfer(context, entry, served);
                self.stop_music(context);
                // The ACD hears of answers in the order in which they came: the first one wins.
                let accepted = |party: &Party| matches!(party.state, PartyState::Accepted(_));
                let answers = self.parties.iter().enumerate().filter(|(_, party)| accepted(party));
                let winner = answers.min_by_key(|(_, party)| party.answered_as).map(|(at, _)| at);
                match winner {
                    Some(at) => self.talk(context, at),
                    // It hung up at once.
                    None => self.resume_flow(context, ivr::Parked::Failed),
                }
                return self.drop_losers(context);
            }
            // The caller's own doing is known here already.
            EntryOutcome::Abandoned => return,
            EntryOutcome::TimedOut => ivr::Parked::TimedOut,
            EntryOutcome::Full => ivr::Parked::Full,
            EntryOutcome::NoAgent => ivr::Parked::NoAgent,
            EntryOutcome::KeyPressed(_) | EntryOutcome::Failed => ivr::Parked::Failed,
        };
        self.stop_music(context);
        self.drop_losers(context);
        if self.left_queue_of_transfer(context, entry, served) {
            return;
        }
        self.resume_flow(context, how);
    }

    /// Answers that came too late: their phones are hung up on.
    fn drop_losers(&mut self, context: &mut Context<'_>) {
        let late = |party: &Party| matches!(party.state, PartyState::Accepted(_));
        while let Some(at) = self.parties.iter().position(late) {
            let offer = self.parties[at].offer;
            self.drop_party(context, at, Some(hang_up_reason(WithdrawCause::AnsweredElsewhere)));
            context.acd(&self.tenant, acd::Input::ConversationEnded { offer });
        }
    }
}

/// RFC 3326: other phones of the one that answered show no missed call.
fn hang_up_reason(cause: WithdrawCause) -> &'static str {
    match cause {
        WithdrawCause::AnsweredElsewhere => "SIP;cause=200;text=\"Call completed elsewhere\"",
        WithdrawCause::RingTimeout | WithdrawCause::QueueTimeout => "SIP;cause=408;text=\"No answer\"",
        WithdrawCause::CallerGone | WithdrawCause::AgentGone => "SIP;cause=487;text=\"Request terminated\"",
    }
}
