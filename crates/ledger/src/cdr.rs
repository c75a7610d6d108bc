//! Owns the call detail record (通话记录): one per call, with one segment per offer. Does not own how it is made
//! (see [`crate::Ledger`]) or shown (see [`crate::Exporter`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::WallTime;
use model::event::{CallFact, Direction, TransferKind, TransferOutcome};
use model::outcome::{CallResult, EntryOutcome, HungUpBy, RefusalCause, Termination, WithdrawCause};
use model::recording::TalkShares;
use model::say::Key;
use model::{
    AgentId, CallId, EntryId, FlowName, HotlineNumber, LegId, OfferId, QueueName, RecordingId, TenantId,
    TrunkName,
};
use serde::{Deserialize, Serialize};

/// One call, from its first INVITE to its one release. Written down, what is nothing is left out: most of a record is.
/// [`Way`] and [`Quality`] keep their every field: they are exported as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cdr {
    /// Which call.
    pub id: CallId,
    /// Whose; the node's own tenant when no number was found.
    pub tenant: TenantId,
    /// Which way.
    pub direction: Direction,
    /// Who took part.
    pub parties: Parties,
    /// When things happened.
    pub times: Times,
    /// How long they took.
    pub lengths: Lengths,
    /// What the caller met before and after the conversation.
    pub menu: Menu,
    /// The caller's places in queues, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visits: Vec<Visit>,
    /// One per offer, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// Who sent whom where, in order (转接).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// What people wrote on it, in order (备注).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The call that this one's legs went over to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub went_into: Option<CallId>,
    /// Its recordings; a call has one unless a recording had to begin anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recordings: Vec<Recording>,
    /// When it should have been recorded and was not, the disk being full or refusing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_recorded: Option<WallTime>,
    /// When its two sides first went over to T.38 (传真).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax: Option<WallTime>,
    /// The media figures of each leg.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quality: Vec<Quality>,
    /// How it ended.
    pub ending: Ending,
    /// What the last peer that hung up or refused gave as its reason (RFC 3326), such as `Q.850;cause=16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// Who took part in a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parties {
    /// The trunk it came by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<TrunkName>,
    /// The source of its first packet.
    pub source: SocketAddr,
    /// SIP Call-ID of the caller's leg.
    pub sip_call_id: Arc<str>,
    /// 呼入号码: the caller, normalised where known.
    pub caller: Arc<str>,
    /// The caller as the peer wrote it.
    pub caller_raw: Arc<str>,
    /// The number dialled, as the peer wrote it.
    pub called: Arc<str>,
    /// The hotline number (400 号码) that the number plan found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<HotlineNumber>,
    /// The last queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// The agent who answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// The agent who called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calling_agent: Option<AgentId>,
    /// 接听号码: the agent's number or bound phone that answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<Arc<str>>,
}

impl Parties {
    /// 工号: the agent who answered last, else the one who called.
    pub fn agent_of_record(&self) -> Option<&AgentId> {
        self.agent.as_ref().or(self.calling_agent.as_ref())
    }
}

/// When things happened in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// The first INVITE.
    pub began: WallTime,
    /// 200 sent to the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_answered: Option<WallTime>,
    /// First place in a queue taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<WallTime>,
    /// A phone rang for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ring: Option<WallTime>,
    /// An agent or bound phone answered for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_answered: Option<WallTime>,
    /// The release.
    pub ended: WallTime,
}

/// How long the parts of a call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// In queues.
    #[serde(default, with = "crate::micros", skip_serializing_if = "Duration::is_zero")]
    pub wait: Duration,
    /// While at least one phone rang.
    #[serde(default, with = "crate::micros", skip_serializing_if = "Duration::is_zero")]
    pub ring: Duration,
    /// While at least one agent was connected and nobody held: from the agent's answer, the announcement of the
    /// agent's number included.
    #[serde(default, with = "crate::micros", skip_serializing_if = "Duration::is_zero")]
    pub talk: Duration,
    /// While at least one agent was connected and somebody held.
    #[serde(default, with = "crate::micros", skip_serializing_if = "Duration::is_zero")]
    pub hold: Duration,
}

/// What the caller met in the flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Menu {
    /// The nodes entered, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Step>,
    /// The keys that the flow used, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyPress>,
    /// When the recording notice had played to its end (录音告知).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_played: Option<WallTime>,
    /// The satisfaction survey, when it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<Survey>,
    /// Why the flow could not go on, in words, with the node at which it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FlowFailure>,
}

/// Why a flow could not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowFailure {
    /// The node at which it stopped.
    pub node: Arc<str>,
    /// Why, in words.
    pub error: Arc<str>,
}

/// A node of a flow that was entered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The flow.
    pub flow: FlowName,
    /// The node's name in it.
    pub node: Arc<str>,
    /// When.
    pub at: WallTime,
}

/// A key that the flow used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyPress {
    /// The key.
    pub key: Key,
    /// The node that took it.
    pub node: Arc<str>,
    /// When.
    pub at: WallTime,
}

/// A satisfaction survey (满意度调查).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// When it was asked first.
    pub asked: WallTime,
    /// Its one answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<SurveyAnswer>,
}

/// The answer to a survey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurveyAnswer {
    /// The key.
    pub key: Key,
    /// The tenant's word for it.
    pub label: Arc<str>,
}

/// A caller's place in a queue, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// The place.
    pub entry: EntryId,
    /// The queue.
    pub queue: QueueName,
    /// Higher goes first.
    pub priority: i32,
    /// When it was taken.
    pub joined: WallTime,
    /// When and how it ended; of an open call not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<(WallTime, EntryOutcome)>,
}

/// One offer of a call to an agent or bound phone, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The attempt.
    pub offer: OfferId,
    /// The place it served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The agent, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// The agent's number or the bound phone's.
    pub party: Arc<str>,
    /// Why this one was chosen, in the strategy's words.
    pub reason: Arc<str>,
    /// When it was made.
    pub offered: WallTime,
    /// The trunks that were tried for it, or passed over, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Way>,
    /// When its phone rang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rang: Option<WallTime>,
    /// When it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<WallTime>,
    /// When caller and agent first heard each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridged: Option<WallTime>,
    /// How often and how long it was held.
    #[serde(default, skip_serializing_if = "Hold::is_none")]
    pub hold: Hold,
    /// When and how it ended; of an open call not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<(WallTime, SegmentOutcome)>,
}

/// A note on a call (备注).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When it was written.
    pub at: WallTime,
    /// Whose it is; None: an operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AgentId>,
    /// What it says.
    pub text: Arc<str>,
}

/// A transfer (转接), from the wish for it to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// In which manner.
    pub kind: TransferKind,
    /// Who, as people write it; None: an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
    /// Where to, as people write it.
    pub to: Arc<str>,
    /// When it was asked for.
    pub asked: WallTime,
    /// When and how it ended; of an open call not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<(WallTime, TransferOutcome)>,
}

/// A trunk that was tried for a segment, or passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The trunk.
    pub trunk: TrunkName,
    /// Where the INVITE was sent; None: it was passed over.
    #[serde(default)]
    pub to: Option<std::net::SocketAddr>,
    /// The SIP status of its refusal, when there was one.
    #[serde(default)]
    pub status: Option<u16>,
    /// Why it did not take the call, in words; None: it took it, or was not waited for.
    #[serde(default)]
    pub failed: Option<Arc<str>>,
}

/// Holds of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// How often a hold began.
    pub count: u32,
    /// For how long in all; overlapping holds of both sides count once.
    #[serde(default, with = "crate::micros", skip_serializing_if = "Duration::is_zero")]
    pub total: Duration,
}

/// How an offer, or the conversation it became, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum SegmentOutcome {
    /// The phone or agent did not take it.
    Refused {
        /// Why.
        cause: RefusalCause,
        /// The SIP status, when there was one.
        status: Option<u16>,
    },
    /// The switch took it back.
    Withdrawn {
        /// Why.
        cause: WithdrawCause,
    },
    /// It was answered first, and became the call's caller.
    BecameCaller,
    /// It was answered, and the conversation ended.
    Left {
        /// By whom.
        by: HungUpBy,
        /// Why.
        cause: Termination,
    },
}

/// A recording of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Which.
    pub id: RecordingId,
    /// When audio began to be kept.
    pub began: WallTime,
    /// When audio was no longer kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<WallTime>,
    /// What became of it.
    pub state: RecordingState,
}

/// What became of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RecordingState {
    /// Audio is being kept.
    Running,
    /// Audio is no longer kept; the playable file is not there yet.
    Finishing,
    /// The playable file is complete.
    Finished {
        /// Path below the data folder.
        path: Arc<str>,
        /// Length in milliseconds.
        millis: u64,
        /// Size in bytes.
        bytes: u64,
        /// SHA-256 of the file, hex.
        sha256: Arc<str>,
        /// Who speaks for how long, when that was found out.
        #[serde(default)]
        shares: Option<TalkShares>,
    },
    /// It could not be made.
    Failed {
        /// Why, in words.
        error: Arc<str>,
    },
    /// Its time was over, and its file is deleted.
    Expired {
        /// Where it was, below the data folder.
        path: Arc<str>,
        /// SHA-256 of the file that was, hex.
        sha256: Arc<str>,
    },
}

/// Media figures of one leg. Zeros are not written: a silent call's record would be a quarter longer for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// The leg.
    pub leg: LegId,
    /// Packets received.
    #[serde(default, skip_serializing_if = "is_default")]
    pub received: u64,
    /// Packets lost by sequence number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: u64,
    /// Interarrival jitter in microseconds (RFC 3550 §6.4.1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub jitter_us: u32,
    /// Whether no RTP came for the configured time (无声).
    #[serde(default, skip_serializing_if = "is_default")]
    pub went_silent: bool,
    /// The last round trip in microseconds (RFC 3550 §6.4.1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub round_trip_us: Option<u32>,
    /// Mean opinion score in hundredths, estimated (ITU-T G.107); 0 when nothing was received.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mos_centi: u16,
    /// Packets came, and none had a sound (R37 无声来电).
    #[serde(default, skip_serializing_if = "is_default")]
    pub silent: bool,
    /// Packets that were not taken: of strangers, of kinds that were not agreed, not authentic.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dropped: u64,
    /// Of these, packets of SRTP whose tag was wrong, or that came before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unauthentic: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Quality {
    /// A leg of which nothing is known yet.
    pub fn unknown(leg: LegId) -> Quality {
        Quality {
            leg,
            received: 0,
            lost: 0,
            jitter_us: 0,
            went_silent: false,
            round_trip_us: None,
            mos_centi: 0,
            silent: false,
            dropped: 0,
            unauthentic: 0,
        }
    }

    /// What a leg's figures say; None for another fact.
    pub fn of(fact: &CallFact) -> Option<Quality> {
        let CallFact::Quality {
            leg,
            received,
            lost,
            jitter_us,
            round_trip_us,
            mos_centi,
            silent,
            dropped,
            unauthentic,
        } = fact
        else {
            return None;
        };
        Some(Quality {
            received: *received,
            lost: *lost,
            jitter_us: *jitter_us,
            round_trip_us: *round_trip_us,
            mos_centi: *mos_centi,
            silent: *silent,
            dropped: *dropped,
            unauthentic: *unauthentic,
            ..Quality::unknown(*leg)
        })
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Its one result.
    pub result: CallResult,
    /// Who hung up.
    pub by: HungUpBy,
    /// Why.
    pub cause: Termination,
}

/// What is learned of a call after its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "amendment", rename_all = "snake_case")]
pub enum Amendment {
    /// What became of a recording.
    Recording {
        /// Which.
        recording: RecordingId,
        /// When that was known.
        at: WallTime,
        /// What.
        state: RecordingState,
    },
    /// Media figures that came late.
    Quality(Quality),
}

impl Amendment {
    /// Writes it into the record. Repeating it changes nothing.
    pub fn apply(&self, cdr: &mut Cdr) {
        match self {
            Amendment::Recording { recording, at, state } => {
                cdr.set_recording(*recording, *at, state.clone())
            }
            Amendment::Quality(quality) => cdr.set_quality(quality.clone()),
        }
    }
}

impl Cdr {
    /// From its first INVITE to its release.
    pub fn duration(&self) -> Duration {
        self.times.ended.since(self.times.began)
    }

    /// Whether the caller asked for a person (人工请求): took a place in a queue, or a phone was offered the call.
    pub fn asked_for_a_person(&self) -> bool {
        !self.visits.is_empty() || !self.segments.is_empty()
    }

    /// The recording that a listener wants: the first that is finished, else the first.
    pub fn main_recording(&self) -> Option<&Recording> {
        let finished = |r: &&Recording| matches!(r.state, RecordingState::Finished { .. });
        self.recordings.iter().find(finished).or(self.recordings.first())
    }

    pub(crate) fn set_recording(&mut self, id: RecordingId, at: WallTime, state: RecordingState) {
        match self.recordings.iter_mut().find(|r| r.id == id) {
            Some(recording) => recording.state = state,
            // A recording whose beginning was not journaled is still this call's.
            None => self.recordings.push(Recording { id, began: at, ended: Some(at), state }),
        }
    }

    pub(crate) fn set_quality(&mut self, mut quality: Quality) {
        match self.quality.iter_mut().find(|q| q.leg == quality.leg) {
            Some(known) => {
                quality.went_silent |= known.went_silent;
                *known = quality;
            }
            None => self.quality.push(quality),
        }
    }
}

impl Hold {
    /// Whether nobody held.
    fn is_none(&self) -> bool {
        *self == Hold::default()
    }
}

impl Visit {
    /// How long the place was held; zero of an open call.
    pub fn wait(&self) -> Duration {
        self.left.as_ref().map(|(at, _)| at.since(self.joined)).unwrap_or_default()
    }
}

impl Segment {
    /// How long its phone rang; zero while it rings.
    pub fn ring(&self) -> Duration {
        let stopped = self.answered.or(self.left.map(|(at, _)| at));
        self.rang.zip(stopped).map(|(rang, stopped)| stopped.since(rang)).unwrap_or_default()
    }

    /// How long it talked, hold not counted; zero while it talks.
    pub fn talk(&self) -> Duration {
        let talked = self.answered.zip(self.left).map(|(answered, (at, _))| at.since(answered));
        talked.unwrap_or_default().saturating_sub(self.hold.total)
    }
}
