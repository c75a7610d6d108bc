//! Owns a call that the switch makes for an agent (R21): the first side is called and becomes the caller, the second side is
//! dialled by a flow. Does not own whether there may be such a call (see the shard).
//!
//! ```text
//!              (1) the first side answers           (2) the second side answers
//!  Originating ──────────────────────────▶ InFlow ▶ Dialling ─────────────────▶ Talking
//!       │ (3) it does not                              │ (4) it does not: a busy tone, and goodbye
//!       ▼                                              ▼
//!      Over                                           Over
//! ```

use std::sync::Arc;
use std::time::Duration;

use media::command::Command;
use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, Termination};
use model::{DialTarget, OfferId};

use super::{Birth, Call, Stage};
use crate::context::Context;
use crate::party::PartyState;

impl Call {
    /// A call that nobody has called yet.
    pub fn originated(birth: Birth) -> Call {
        Call::born(birth, Stage::Originating)
    }

    /// Rings the side that is called first.
    pub fn call_first(&mut self, context: &mut Context<'_>, target: DialTarget, ring: Duration) {
        let party = self.flow_party(context, target, ring);
        self.offer_to(context, party, &Arc::from("双线外呼, 先呼 / called first"));
        self.settle(context);
    }

    /// (1) Whoever was called first is the caller from here on; the flow dials the other.
    pub(super) fn caller_reached(&mut self, context: &mut Context<'_>, offer: OfferId) {
        let Some(at) = self.parties.iter().position(|party| party.offer == offer) else { return };
        let mut party = self.parties.remove(at);
        let PartyState::Accepted(leg) = party.state else { return };
        let Some(place) = party.legs.iter().position(|known| known.id == leg) else { return };
        let is_agents = party.agent() == self.facts.calling_agent.as_ref();
        self.caller = Some(party.legs.swap_remove(place));
        self.tickets.extend(party.take_ticket());
        if !is_agents {
            let agent = party.agent().cloned();
            self.awaited = std::mem::replace(&mut self.facts.calling_agent, agent);
        }
        if let DialTarget::Phone(aor) = party.target {
            self.facts.calling_phone = Some(aor);
        }
        self.stage = Stage::InFlow;
        self.fact(context, CallFact::CallerReached { offer, leg });
        context.media(Command::Watch { port: leg, rtp_timeout: self.settings.plan.rtp_timeout });
        self.flow(context, ivr::Input::Begin);
    }

    /// (3) Nobody is left of the first side.
    pub(super) fn caller_unreached(&mut self, context: &mut Context<'_>) {
        let told = self.unanswered;
        let (status, result) = told.map_or((480, CallResult::Failure), |told| (told.status, told.result));
        self.note_reason(context, HungUpBy::Switch, told.map(|told| told.why.to_owned()));
        self.release(context, HungUpBy::Switch, Termination::Refused(status), Some(result));
    }
}
