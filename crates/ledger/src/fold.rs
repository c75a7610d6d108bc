//! Owns the fold: one stamped event after the other in, call records out. Does not own the sums (see
//! [`crate::Figures`]).

mod lengths;

use std::collections::hash_map::Entry;
use std::time::Duration;

use clock::{MintedMap, WallTime};
use model::event::{CallFact, Event, RecordingFact, Stamped, TransferOutcome};
use model::outcome::{CallResult, EntryOutcome, HungUpBy, Termination, Unheard, WithdrawCause};
use model::{CallId, EntryId, OfferId, RecordingId, TenantId};
use serde::{Deserialize, Serialize};

use crate::cdr::{
    Amendment, Cdr, Ending, FlowFailure, Hold, KeyPress, Lengths, Menu, Note, Parties, Quality, Recording,
    RecordingState, Segment, SegmentOutcome, Step, Survey, SurveyAnswer, Times, Transfer, Visit, Way,
};

/// The fold of all events of a node. Reading the same events again changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// By a pointer: half of a table's places are empty.
    open: MintedMap<CallId, Box<Draft>>,
    last_seq: u64,
    strays: u64,
}

/// What an event changed in the records.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// A call ended: its record is complete.
    Closed(Box<Cdr>),
    /// Something was learned of a call that had ended.
    Amended {
        /// Whose.
        tenant: TenantId,
        /// Which call.
        call: CallId,
        /// What.
        amendment: Amendment,
    },
}

impl Ledger {
    /// A ledger that takes up behind event `seq`: that one and earlier ones are passed over.
    pub fn after(seq: u64) -> Ledger {
        Ledger { last_seq: seq, ..Ledger::default() }
    }

    /// Reads one event. Events at or before the last one read are passed over.
    pub fn fold(&mut self, stamped: &Stamped) -> Option<Update> {
        if stamped.seq <= self.last_seq {
            return None;
        }
        self.last_seq = stamped.seq;
        match &stamped.event {
            Event::Call { tenant, call, fact } => self.fold_call(stamped, tenant, *call, fact),
            Event::Recording { tenant, call, recording, fact } => {
                let state = state_of(fact)?;
                self.learn_of_recording(stamped.at, tenant, *call, *recording, state)
            }
            Event::Agent { .. }
            | Event::Phone { .. }
            | Event::Number { .. }
            | Event::Mailbox { .. }
            | Event::Trunk { .. }
            | Event::Node { .. } => None,
        }
    }

    /// The sequence of the last event read.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The event behind which a new ledger must begin to know every open call as this one does.
    pub fn low_water(&self) -> u64 {
        self.open.values().map(|draft| draft.first_seq - 1).min().unwrap_or(self.last_seq)
    }

    /// How many facts did not fit: of a call that never began, began twice or had ended.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// The open calls as records, in no order, each as if the switch had crashed at its last event.
    pub fn open_calls(&self) -> impl Iterator<Item = &Cdr> {
        self.open.values().map(|draft| &draft.cdr)
    }

    /// For each open call, in order of ids, the fact that ends it after a crash, with the time to stamp it with:
    /// that of its last event, or of its last packet where `last_packet` knows a later one.
    pub fn close_open(&self, last_packet: impl Fn(CallId) -> Option<WallTime>) -> Vec<(WallTime, Event)> {
        let mut drafts: Vec<&Draft> = self.open.values().map(|draft| &**draft).collect();
        drafts.sort_by_key(|draft| draft.cdr.id);
        let close = |draft: &&Draft| {
            let Cdr { id, tenant, times, ending, .. } = &draft.cdr;
            let at = last_packet(*id).map_or(times.ended, |packet| packet.max(times.ended));
            let fact = CallFact::Ended { result: ending.result, by: ending.by, cause: ending.cause };
            (at, Event::Call { tenant: tenant.clone(), call: *id, fact })
        };
        drafts.iter().map(close).collect()
    }

    fn fold_call(
        &mut self,
        stamped: &Stamped,
        tenant: &TenantId,
        call: CallId,
        fact: &CallFact,
    ) -> Option<Update> {
        if let CallFact::Began { .. } = fact {
            match (self.open.entry(call), Draft::begin(stamped, tenant, call, fact)) {
                (Entry::Vacant(place), Some(draft)) => {
                    place.insert(Box::new(draft));
                }
                _ => self.strays += 1,
            }
            return None;
        }
        let Some(draft) = self.open.get_mut(&call) else {
            return self.learn_late(tenant, call, fact);
        };
        draft.tenant_is(tenant);
        if !draft.note(stamped.at, fact) {
            self.strays += 1;
        }
        let CallFact::Ended { result, by, cause } = fact else { return None };
        let draft = self.open.remove(&call)?;
        Some(Update::Closed(draft.close(Ending { result: *result, by: *by, cause: *cause })))
    }

    fn learn_late(&mut self, tenant: &TenantId, call: CallId, fact: &CallFact) -> Option<Update> {
        let Some(quality) = Quality::of(fact) else {
            self.strays += 1;
            return None;
        };
        Some(Update::Amended { tenant: tenant.clone(), call, amendment: Amendment::Quality(quality) })
    }

    fn learn_of_recording(
        &mut self,
        at: WallTime,
        tenant: &TenantId,
        call: CallId,
        recording: RecordingId,
        state: RecordingState,
    ) -> Option<Update> {
        match self.open.get_mut(&call) {
            Some(draft) => {
                draft.cdr.set_recording(recording, at, state);
                None
            }
            None => {
                let amendment = Amendment::Recording { recording, at, state };
                Some(Update::Amended { tenant: tenant.clone(), call, amendment })
            }
        }
    }
}

/// The state that `fact` leads to, if it changes it.
fn state_of(fact: &RecordingFact) -> Option<RecordingState> {
    Some(match fact.clone() {
        RecordingFact::Finished { path, millis, bytes, sha256, shares } => {
            RecordingState::Finished { path, millis, bytes, sha256, shares }
        }
        RecordingFact::Failed { error } => RecordingState::Failed { error },
        RecordingFact::Expired { path, sha256 } => RecordingState::Expired { path, sha256 },
        RecordingFact::Listened { .. } => return None,
    })
}

/// A call that has not ended. Its record is at every moment what it would be if the switch crashed now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Draft {
    cdr: Cdr,
    first_seq: u64,
    /// Who holds, and since when somebody does.
    holders: Vec<HungUpBy>,
    hold_since: Option<WallTime>,
    /// Since when at least one phone rings, one agent is connected.
    ringing_since: Option<WallTime>,
    connected_since: Option<WallTime>,
    #[serde(with = "crate::micros")]
    connected: Duration,
}

impl Draft {
    fn begin(stamped: &Stamped, tenant: &TenantId, call: CallId, fact: &CallFact) -> Option<Draft> {
        let CallFact::Began { direction, trunk, source, caller, caller_raw, called, sip_call_id, leg: _ } =
            fact
        else {
            return None;
        };
        let cdr = Cdr {
            id: call,
            tenant: tenant.clone(),
            direction: *direction,
            parties: Parties {
                trunk: trunk.clone(),
                source: *source,
                sip_call_id: sip_call_id.clone(),
                caller: caller.clone(),
                caller_raw: caller_raw.clone(),
                called: called.clone(),
                number: None,
                queue: None,
                agent: None,
                calling_agent: None,
                answered_by: None,
            },
            times: Times {
                began: stamped.at,
                switch_answered: None,
                queued: None,
                first_ring: None,
                agent_answered: None,
                ended: stamped.at,
            },
            lengths: Lengths::default(),
            menu: Menu::default(),
            visits: Vec::new(),
            segments: Vec::new(),
            transfers: Vec::new(),
            notes: Vec::new(),
            went_into: None,
            recordings: Vec::new(),
            not_recorded: None,
            fax: None,
            quality: Vec::new(),
            ending: Ending { result: CallResult::Failure, by: HungUpBy::Switch, cause: Termination::Crashed },
            reason: None,
        };
        Some(Draft {
            cdr,
            first_seq: stamped.seq,
            holders: Vec::new(),
            hold_since: None,
            ringing_since: None,
            connected_since: None,
            connected: Duration::ZERO,
        })
    }

    /// The number plan may find another tenant than the node's own.
    fn tenant_is(&mut self, tenant: &TenantId) {
        if self.cdr.tenant != *tenant {
            self.cdr.tenant = tenant.clone();
        }
    }

    /// Takes one fact in; says whether it fits what is known. A wall clock set back does not turn time around.
    fn note(&mut self, at: WallTime, fact: &CallFact) -> bool {
        let at = at.max(self.cdr.times.ended);
        self.cdr.times.ended = at;
        match fact {
            CallFact::Began { .. } => return false,
            CallFact::Routed { .. }
            | CallFact::CallerIs { .. }
            | CallFact::SwitchAnswered
            | CallFact::EarlyMediaBegan
            | CallFact::NoticePlayed
            | CallFact::NodeEntered { .. }
            | CallFact::KeyPressed { .. }
            | CallFact::FlowFailed { .. }
            | CallFact::SurveyAsked { .. }
            | CallFact::SurveyAnswered { .. } => self.note_flow(at, fact),
            CallFact::Queued { entry, queue, priority } => {
                self.cdr.times.queued.get_or_insert(at);
                self.cdr.parties.queue = Some(queue.clone());
                self.cdr.visits.push(Visit {
                    entry: *entry,
                    queue: queue.clone(),
                    priority: *priority,
                    joined: at,
                    left: None,
                });
            }
            CallFact::PositionTold { entry, .. } => return self.visit(*entry).is_some(),
            CallFact::Dequeued { entry, outcome } => return self.leave_queue(at, *entry, *outcome),
            CallFact::Offered { .. }
            | CallFact::WayTried { .. }
            | CallFact::WayFailed { .. }
            | CallFact::Ringing { .. }
            | CallFact::OfferRefused { .. }
            | CallFact::OfferWithdrawn { .. }
            | CallFact::AgentAnswered { .. }
            | CallFact::CallerReached { .. }
            | CallFact::Bridged { .. }
            | CallFact::AgentLeft { .. } => return self.note_offer(at, fact),
            CallFact::Noted { by, text } => {
                self.cdr.notes.push(Note { at, by: by.clone(), text: text.clone() });
            }
            CallFact::TransferBegan { kind, by, to } => {
                let (kind, by, to) = (*kind, by.clone(), to.clone());
                self.cdr.transfers.push(Transfer { kind, by, to, asked: at, ended: None });
            }
            CallFact::TransferEnded { outcome } => {
                let open = self.cdr.transfers.last_mut().filter(|transfer| transfer.ended.is_none());
                return open.map(|transfer| transfer.ended = Some((at, *outcome))).is_some();
            }
            CallFact::WentInto { call } => self.cdr.went_into = Some(*call),
            CallFact::LegReplaced { .. }
            | CallFact::ConsultationBegan { .. }
            | CallFact::ConsultationEnded => {}
            CallFact::HoldBegan { by } => return self.hold(at, *by),
            CallFact::HoldEnded { by } => return self.resume(at, *by),
            CallFact::RecordingBegan { recording } => {
                let state = RecordingState::Running;
                self.cdr.recordings.push(Recording { id: *recording, began: at, ended: None, state });
            }
            CallFact::NotRecorded => drop(self.cdr.not_recorded.get_or_insert(at)),
            CallFact::RecordingPaused { recording } | CallFact::RecordingResumed { recording } => {
                return self.cdr.recordings.iter().any(|known| known.id == *recording);
            }
            CallFact::RecordingEnded { recording } => return self.end_recording(at, *recording),
            // The audit trail is the events themselves; a record has its parts by them alone.
            CallFact::SupervisionBegan { .. }
            | CallFact::SupervisionChanged { .. }
            | CallFact::SupervisionEnded { .. }
            | CallFact::SupervisionRefused { .. }
            | CallFact::TakenOver { .. }
            | CallFact::EndedBySupervisor { .. }
            | CallFact::Visited { .. }
            | CallFact::ConferenceJoined { .. }
            | CallFact::ConferenceLeft { .. }
            | CallFact::ParticipantJoined { .. }
            | CallFact::ParticipantMuted { .. }
            | CallFact::ParticipantUnmuted { .. }
            | CallFact::ConferenceLocked
            | CallFact::ConferenceUnlocked
            | CallFact::ParticipantLeft { .. }
            | CallFact::MessageBegan { .. }
            | CallFact::MessageEnded { .. }
            | CallFact::OutOfHours
            | CallFact::WentToNight { .. } => {}
            CallFact::FaxBegan => drop(self.cdr.fax.get_or_insert(at)),
            CallFact::FaxEnded | CallFact::FaxRefused { .. } => {}
            CallFact::ReasonGiven { reason, .. } => self.cdr.reason = Some(reason.clone()),
            CallFact::Unheard { how: Unheard::NoSound, .. } | CallFact::HeardAgain { .. } => {}
            CallFact::MediaLost { leg } | CallFact::Unheard { leg, how: Unheard::NoPackets } => {
                let known = self.cdr.quality.iter().find(|q| q.leg == *leg).cloned();
                let known = known.unwrap_or_else(|| Quality::unknown(*leg));
                self.cdr.set_quality(Quality { went_silent: true, ..known });
            }
            CallFact::Quality { .. } => {
                if let Some(quality) = Quality::of(fact) {
                    self.cdr.set_quality(quality);
                }
            }
            CallFact::Ended { .. } => {}
        }
        true
    }

    fn note_flow(&mut self, at: WallTime, fact: &CallFact) {
        let Cdr { menu, times, parties, .. } = &mut self.cdr;
        match fact {
            CallFact::Routed { number } => parties.number = Some(number.clone()),
            CallFact::CallerIs { agent } => parties.calling_agent = Some(agent.clone()),
            CallFact::SwitchAnswered => {
                times.switch_answered.get_or_insert(at);
            }
            CallFact::NoticePlayed => {
                menu.notice_played.get_or_insert(at);
            }
            CallFact::NodeEntered { flow, node } => {
                // The flow of many calls has one node; a vector that grows by itself begins with room for four.
                if menu.path.is_empty() {
                    menu.path.reserve_exact(1);
                }
                menu.path.push(Step { flow: flow.clone(), node: node.clone(), at });
            }
            CallFact::KeyPressed { key, node } => {
                menu.keys.push(KeyPress { key: *key, node: node.clone(), at })
            }
            CallFact::FlowFailed { node, error } => {
                menu.failure = Some(FlowFailure { node: node.clone(), error: error.clone() });
            }
            CallFact::SurveyAsked { .. } => {
                menu.survey.get_or_insert(Survey { asked: at, answer: None });
            }
            CallFact::SurveyAnswered { key, label } => {
                let survey = menu.survey.get_or_insert(Survey { asked: at, answer: None });
                // One result per call: the last answer counts (another try after a wrong key).
                survey.answer = Some(SurveyAnswer { key: *key, label: label.clone() });
            }
            _ => {}
        }
    }

    fn note_offer(&mut self, at: WallTime, fact: &CallFact) -> bool {
        match fact {
            CallFact::Offered { offer, entry, agent, party, reason } => {
                // Most calls have one; a vector that grows by itself begins with room for four.
                self.cdr.segments.reserve_exact(1);
                self.cdr.segments.push(Segment {
                    offer: *offer,
                    entry: *entry,
                    agent: agent.clone(),
                    party: party.clone(),
                    reason: reason.clone(),
                    offered: at,
                    ways: Vec::new(),
                    rang: None,
                    answered: None,
                    bridged: None,
                    hold: Hold::default(),
                    left: None,
                });
                true
            }
            CallFact::WayTried { offer, trunk, to } => {
                let Some(segment) = self.segment(*offer) else { return false };
                let way = Way { trunk: trunk.clone(), to: Some(*to), status: None, failed: None };
                segment.ways.push(way);
                true
            }
            CallFact::WayFailed { offer, trunk, to, status, why } => {
                let Some(segment) = self.segment(*offer) else { return false };
                let (status, failed) = (*status, Some(why.clone()));
                match segment.ways.iter_mut().rev().find(|way| way.trunk == *trunk && way.to == *to) {
                    Some(way) => (way.status, way.failed) = (status, failed),
                    None => segment.ways.push(Way { trunk: trunk.clone(), to: *to, status, failed }),
                }
                true
            }
            CallFact::Ringing { offer } => self.ring(at, *offer),
            CallFact::OfferRefused { offer, cause, status } => {
                self.end_offer(at, *offer, SegmentOutcome::Refused { cause: *cause, status: *status })
            }
            CallFact::OfferWithdrawn { offer, cause } => {
                self.end_offer(at, *offer, SegmentOutcome::Withdrawn { cause: *cause })
            }
            CallFact::AgentAnswered { offer, .. } => self.answer(at, *offer),
            CallFact::CallerReached { offer, .. } => {
                self.cdr.times.switch_answered.get_or_insert(at);
                self.end_offer(at, *offer, SegmentOutcome::BecameCaller)
            }
            CallFact::Bridged { offer } => {
                let Some(segment) = self.segment(*offer) else { return false };
                if segment.answered.is_some() {
                    segment.bridged.get_or_insert(at);
                }
                segment.answered.is_some()
            }
            CallFact::AgentLeft { offer, by, cause } => {
                self.end_offer(at, *offer, SegmentOutcome::Left { by: *by, cause: *cause })
            }
            _ => false,
        }
    }

    fn ring(&mut self, at: WallTime, offer: OfferId) -> bool {
        let Some(segment) = self.segment(offer) else { return false };
        // Every further 180 is harmless; one that comes behind the answer rings nowhere.
        if segment.rang.is_some() || segment.answered.is_some() {
            return segment.answered.is_none();
        }
        segment.rang = Some(at);
        self.ringing_since.get_or_insert(at);
        self.cdr.times.first_ring.get_or_insert(at);
        true
    }

    fn answer(&mut self, at: WallTime, offer: OfferId) -> bool {
        let Some(segment) = self.segment(offer) else { return false };
        if segment.answered.is_some() {
            return false;
        }
        segment.answered = Some(at);
        let (agent, party, entry) = (segment.agent.clone(), segment.party.clone(), segment.entry);
        self.cdr.parties.agent = agent;
        self.cdr.parties.answered_by = Some(party);
        self.cdr.times.agent_answered.get_or_insert(at);
        self.connected_since.get_or_insert(at);
        self.stop_ringing(at);
        // The caller waits no longer, even if the queue says so a moment later.
        if let Some(entry) = entry {
            self.leave_queue(at, entry, EntryOutcome::Answered);
        }
        true
    }

    fn end_offer(&mut self, at: WallTime, offer: OfferId, outcome: SegmentOutcome) -> bool {
        let hold_since = self.hold_since;
        let Some(segment) = self.segment(offer) else { return false };
        if let (Some(since), Some(answered)) = (hold_since, segment.answered) {
            segment.hold.total += at.since(since.max(answered));
        }
        let fits = segment.answered.is_some() == matches!(outcome, SegmentOutcome::Left { .. });
        segment.left = Some((at, outcome));
        self.stop_ringing(at);
        self.stop_talking(at);
        fits
    }

    fn leave_queue(&mut self, at: WallTime, entry: EntryId, outcome: EntryOutcome) -> bool {
        let Some(visit) = self.visit(entry) else { return false };
        // A caller who was answered has left; what the queue adds is not news.
        if visit.left.is_none() {
            visit.left = Some((at, outcome));
            self.cdr.lengths.wait = self.cdr.visits.iter().map(Visit::wait).sum();
        }
        true
    }

    fn end_recording(&mut self, at: WallTime, id: RecordingId) -> bool {
        let Some(recording) = self.cdr.recordings.iter_mut().find(|r| r.id == id) else { return false };
        recording.ended.get_or_insert(at);
        if recording.state == RecordingState::Running {
            recording.state = RecordingState::Finishing;
        }
        true
    }

    /// Ends what the call's end implies, and gives the record.
    fn close(mut self: Box<Self>, ending: Ending) -> Box<Cdr> {
        let at = self.cdr.times.ended;
        self.cdr.ending = ending;
        let unfinished = |s: &Segment| s.left.is_none().then_some((s.offer, s.answered.is_some()));
        let offers: Vec<(OfferId, bool)> = self.cdr.segments.iter().filter_map(unfinished).collect();
        for (offer, answered) in offers {
            let outcome = if answered {
                SegmentOutcome::Left { by: ending.by, cause: ending.cause }
            } else {
                SegmentOutcome::Withdrawn { cause: WithdrawCause::CallerGone }
            };
            self.end_offer(at, offer, outcome);
        }
        let entries: Vec<EntryId> =
            self.cdr.visits.iter().filter(|v| v.left.is_none()).map(|v| v.entry).collect();
        for entry in entries {
            let outcome = match ending.by {
                HungUpBy::Caller => EntryOutcome::Abandoned,
                HungUpBy::Agent | HungUpBy::Switch => EntryOutcome::Failed,
            };
            self.leave_queue(at, entry, outcome);
        }
        if let Some(transfer) = self.cdr.transfers.last_mut() {
            transfer.ended.get_or_insert((at, TransferOutcome::CallOver));
        }
        let recordings: Vec<RecordingId> = self.cdr.recordings.iter().map(|r| r.id).collect();
        for recording in recordings {
            self.end_recording(at, recording);
        }
        Box::new(self.cdr)
    }

    /// The place `entry`; while it is held, else as it was left.
    fn visit(&mut self, entry: EntryId) -> Option<&mut Visit> {
        let visits = &self.cdr.visits;
        let held = visits.iter().rposition(|visit| visit.entry == entry && visit.left.is_none());
        let place = held.or_else(|| visits.iter().rposition(|visit| visit.entry == entry))?;
        self.cdr.visits.get_mut(place)
    }

    /// The unfinished segment of `offer`.
    fn segment(&mut self, offer: OfferId) -> Option<&mut Segment> {
        self.cdr.segments.iter_mut().rev().find(|segment| segment.offer == offer && segment.left.is_none())
    }

    fn connected_segments(&mut self) -> impl Iterator<Item = &mut Segment> {
        self.cdr.segments.iter_mut().filter(|s| s.answered.is_some() && s.left.is_none())
    }
}

#[cfg(test)]
mod tests;
