//! Owns the one release of a call: other legs, media, recording, ACD, result. It never plays and never waits.

use media::command::Command;
use model::event::{CallFact, TransferOutcome};
use model::outcome::{CallResult, HungUpBy, Termination};

use super::talk::Then;
use super::{Call, PortIs, Stage};
use sip::HeaderName;

use crate::context::Context;
use crate::leg::Leg;
use crate::party::AskedBy;
use crate::visit::Word;

impl Call {
    /// (8) Ends everything of the call, exactly once. Without a `result`, what happened so far decides it.
    pub(super) fn release(
        &mut self,
        context: &mut Context<'_>,
        by: HungUpBy,
        cause: Termination,
        result: Option<CallResult>,
    ) {
        if self.is_over() {
            return;
        }
        // Who hangs up in the middle of a message has left it.
        self.end_message(context);
        let result = result.unwrap_or_else(|| self.result_now(by));
        self.drop_transfer(context, TransferOutcome::CallOver);
        for ticket in self.tickets.drain(..) {
            context.admission.lock().release(ticket);
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        self.session = None;
        self.playing.clear();
        let at_home = !matches!(stage, Stage::Conferring { .. });
        match stage {
            Stage::Talking(talk) => self.end_talk(context, &talk, (by, cause), Then::Ends),
            Stage::Queued { entry, .. } => context.acd(&self.tenant, acd::Input::Leave { entry }),
            Stage::Arriving(arrival) => {
                let media = crate::leg::LegMedia::new(arrival.leg, UNBOUND, arrival.media, |leg| {
                    context.media_key(leg)
                });
                self.caller = Some(Leg { id: arrival.leg, session: arrival.session, media });
            }
            Stage::Conferring { conference } => self.leave_conference(context, conference),
            Stage::Visiting { host, summoned } => {
                self.leave_host(context, (host, summoned), (by, cause));
            }
            Stage::Originating
            | Stage::InFlow
            | Stage::Summoning(_)
            | Stage::Dialling { .. }
            | Stage::Leaving(_)
            | Stage::Listening(_)
            | Stage::Over => {}
        }
        self.end_recording(context);
        while !self.parties.is_empty() {
            let (offer, asked_by) = (self.parties[0].offer, self.parties[0].asked_by.clone());
            let talked = matches!(self.parties[0].state, crate::party::PartyState::Talking(_));
            let accepted = matches!(self.parties[0].state, crate::party::PartyState::Accepted(_));
            self.drop_party(context, 0, reason_of(cause));
            match asked_by {
                AskedBy::Acd { .. } if talked => {}
                AskedBy::Acd { .. } if accepted => {
                    context.acd(&self.tenant, acd::Input::ConversationEnded { offer });
                }
                AskedBy::Acd { .. } => {
                    let input = acd::Input::OfferEnded { offer, result: acd::OfferResult::Gone };
                    context.acd(&self.tenant, input);
                }
                AskedBy::Flow { .. } if talked => {}
                AskedBy::Flow { .. } => {
                    let cause = model::outcome::WithdrawCause::CallerGone;
                    self.fact(context, CallFact::OfferWithdrawn { offer, cause });
                }
            }
        }
        if let Some(mut caller) = self.caller.take() {
            let status = match cause {
                Termination::Refused(status) => status,
                Termination::Shutdown | Termination::Internal => 503,
                _ => 480,
            };
            caller.session.hang_up(context.now, context.endpoint, reason_of(cause), status);
            if self.port == PortIs::SentOut && at_home {
                context.media(Command::ClosePort { port: caller.id });
            }
            self.closing.push(caller);
        }
        context.media(Command::CloseRoom { room: self.id });
        self.facts.calling_agent = None;
        self.fact(context, CallFact::Ended { result, by, cause });
    }

    /// Refuses the caller before an answer, with its record.
    pub fn refuse(
        &mut self,
        context: &mut Context<'_>,
        status: u16,
        headers: &[(HeaderName, &str)],
        result: CallResult,
    ) {
        let session = match (&mut self.stage, &mut self.caller) {
            (Stage::Arriving(arrival), _) => Some(&mut arrival.session),
            (_, Some(caller)) => Some(&mut caller.session),
            (_, None) => None,
        };
        if let Some(session) = session {
            session.refuse(context.now, context.endpoint, status, headers);
        }
        self.release(context, HungUpBy::Switch, Termination::Refused(status), Some(result));
    }

    /// Releases a call that the switch itself ends.
    pub fn release_by_switch(&mut self, context: &mut Context<'_>, cause: Termination) {
        self.release(context, HungUpBy::Switch, cause, None);
        self.settle(context);
    }

    /// Hangs up on everybody, after a defect: what it owed to others was told by the shard.
    pub fn give_up(&mut self, context: &mut Context<'_>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        for guest in self.guests.drain(..) {
            context.tell(guest.visit, Word::HostGone);
        }
        if let Stage::Conferring { .. } = stage {
            self.leave_conference(context, None);
        }
        if let Stage::Visiting { host, .. } = stage {
            // Its record was closed by the shard.
            self.leave_host(context, (host, None), (HungUpBy::Switch, Termination::Internal));
        }
        self.session = None;
        self.playing.clear();
        self.measured.clear();
        self.recording = None;
        self.transfer = None;
        self.asking = None;
        for ticket in self.tickets.drain(..) {
            context.admission.lock().release(ticket);
        }
        let arriving = match stage {
            Stage::Arriving(arrival) => {
                let media = crate::leg::LegMedia::new(arrival.leg, UNBOUND, arrival.media, |leg| {
                    context.media_key(leg)
                });
                Some(Leg { id: arrival.leg, session: arrival.session, media })
            }
            _ => None,
        };
        let mut legs: Vec<Leg> = arriving.into_iter().chain(self.caller.take()).collect();
        for mut party in self.parties.drain(..) {
            if let Some(ticket) = party.take_ticket() {
                context.admission.lock().release(ticket);
            }
            legs.append(&mut party.legs);
        }
        for mut leg in legs {
            leg.session.hang_up(context.now, context.endpoint, None, 500);
            self.closing.push(leg);
        }
        self.settle(context);
    }

    fn result_now(&self, by: HungUpBy) -> CallResult {
        match (&self.stage, by) {
            (Stage::Talking(_), _) => CallResult::Answered,
            (Stage::Queued { .. }, HungUpBy::Caller) => self.talked_or(CallResult::AbandonedInQueue),
            (Stage::Originating | Stage::Dialling { .. }, HungUpBy::Caller) => {
                self.talked_or(CallResult::RingNoAnswer)
            }
            (Stage::Conferring { .. } | Stage::Listening(_), _) => CallResult::SelfServed,
            (Stage::Visiting { summoned: Some(_), .. }, _) => CallResult::Answered,
            (Stage::Visiting { summoned: None, .. }, _) => CallResult::SelfServed,
            (Stage::Summoning(_), _) => CallResult::RingNoAnswer,
            (Stage::Arriving(_) | Stage::InFlow | Stage::Leaving(_), HungUpBy::Caller) => {
                self.so_far.result().unwrap_or(CallResult::EndedInMenu)
            }
            (_, HungUpBy::Agent | HungUpBy::Switch) => self.so_far.result().unwrap_or(CallResult::Failure),
            (Stage::Over, HungUpBy::Caller) => CallResult::Failure,
        }
    }

    fn talked_or(&self, otherwise: CallResult) -> CallResult {
        if self.so_far.talked { CallResult::Answered } else { otherwise }
    }
}

/// What a BYE, CANCEL or refusal of ours says of the cause (RFC 3326); `None` where the status says all.
fn reason_of(cause: Termination) -> Option<&'static str> {
    Some(match cause {
        Termination::Normal | Termination::FlowEnded | Termination::Cancelled => {
            "Q.850;cause=16;text=\"Normal call clearing\""
        }
        Termination::Refused(_) => return None,
        Termination::MediaTimeout => "SIP;cause=408;text=\"No RTP received\"",
        Termination::SessionExpired => "SIP;cause=408;text=\"Session expired\"",
        Termination::SignallingTimeout => "Q.850;cause=102;text=\"Recovery on timer expiry\"",
        Termination::TransportFailed => "Q.850;cause=38;text=\"Network out of order\"",
        Termination::Transferred => "SIP;cause=200;text=\"Call completed elsewhere\"",
        Termination::Commanded => "Q.850;cause=31;text=\"Ended by an operator\"",
        Termination::Shutdown | Termination::Crashed | Termination::Internal => {
            "Q.850;cause=41;text=\"Temporary failure\""
        }
        Termination::Limit => "Q.850;cause=31;text=\"Longest duration reached\"",
    })
}

/// The place of a port that was never opened.
const UNBOUND: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
