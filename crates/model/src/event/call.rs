//! Owns the facts of one call. Does not own what is folded from them (see `ledger`).

use std::net::SocketAddr;
use std::sync::Arc;

use clock::WallTime;

use crate::outcome::{CallResult, EntryOutcome, HungUpBy, RefusalCause, Termination, Unheard, WithdrawCause};
use crate::say::Key;
use crate::supervision::Verb;
use crate::voicemail::MessageFate;
use crate::{
    AgentId, CallId, EntryId, FlowName, HotlineNumber, LegId, MailboxName, OfferId, QueueName, RecordingId,
    TrunkName,
};

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a trunk to a hotline number.
    In,
    /// From an agent to an outside number.
    Out,
    /// Between our own phones, or to a feature code.
    Internal,
}

/// Facts of one call, in the order they happen.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum CallFact {
    /// The first INVITE was accepted for routing.
    Began {
        /// Which way.
        direction: Direction,
        /// The trunk it came by.
        trunk: Option<TrunkName>,
        /// The packet's source.
        source: SocketAddr,
        /// The caller as shown in records: normalised where known, `anonymous` otherwise.
        caller: Arc<str>,
        /// The caller as the peer wrote it.
        caller_raw: Arc<str>,
        /// The number dialled, as the peer wrote it.
        called: Arc<str>,
        /// SIP Call-ID of the caller's leg.
        sip_call_id: Arc<str>,
        /// The caller's leg.
        leg: LegId,
    },
    /// The number plan found whose call it is.
    Routed {
        /// The hotline number.
        number: HotlineNumber,
    },
    /// The number's night switch is on: its caller enters the night flow (非工作时间).
    WentToNight {
        /// Who switched it on.
        by: Arc<str>,
        /// When.
        since: WallTime,
    },
    /// The number is not open at this time: its caller enters the night flow (非工作时间).
    OutOfHours,
    /// An agent's own phone calls, or an agent is to be called first.
    CallerIs {
        /// Who.
        agent: AgentId,
    },
    /// The switch answered the caller (200 sent).
    SwitchAnswered,
    /// Early media began (183 sent).
    EarlyMediaBegan,
    /// The recording notice played to its end (录音告知).
    NoticePlayed,
    /// The flow began or moved on.
    NodeEntered {
        /// The flow.
        flow: FlowName,
        /// The node's name in the flow.
        node: Arc<str>,
    },
    /// The caller pressed a key that the flow used.
    KeyPressed {
        /// The key.
        key: Key,
        /// The node that took it.
        node: Arc<str>,
    },
    /// The caller took a place in a queue.
    Queued {
        /// The place.
        entry: EntryId,
        /// The queue.
        queue: QueueName,
        /// Higher goes first.
        priority: i32,
    },
    /// The caller was told how many wait ahead.
    PositionTold {
        /// The place.
        entry: EntryId,
        /// How many are ahead.
        ahead: u32,
    },
    /// The place ended.
    Dequeued {
        /// The place.
        entry: EntryId,
        /// How.
        outcome: EntryOutcome,
    },
    /// An agent or bound phone was chosen.
    Offered {
        /// The attempt.
        offer: OfferId,
        /// The place it serves, when a queue made it.
        entry: Option<EntryId>,
        /// The agent, when it is one.
        agent: Option<AgentId>,
        /// Who is shown as 接听号码: the agent's number or the bound phone's.
        party: Arc<str>,
        /// Why this one was chosen, in the strategy's words.
        reason: Arc<str>,
    },
    /// A call out goes by this trunk.
    WayTried {
        /// The attempt.
        offer: OfferId,
        /// The trunk.
        trunk: TrunkName,
        /// Where the INVITE is sent.
        to: SocketAddr,
    },
    /// A trunk was passed over, or did not take the call.
    WayFailed {
        /// The attempt.
        offer: OfferId,
        /// The trunk.
        trunk: TrunkName,
        /// Where the INVITE was sent; None: nowhere.
        to: Option<SocketAddr>,
        /// The SIP status, when there was one.
        status: Option<u16>,
        /// Why, in words (Chinese, then English).
        why: Arc<str>,
    },
    /// Its phone rings (180 or 183 came).
    Ringing {
        /// The attempt.
        offer: OfferId,
    },
    /// The attempt ended without an answer.
    OfferRefused {
        /// The attempt.
        offer: OfferId,
        /// Why.
        cause: RefusalCause,
        /// The SIP status, when there was one.
        status: Option<u16>,
    },
    /// The switch took the attempt back.
    OfferWithdrawn {
        /// The attempt.
        offer: OfferId,
        /// Why.
        cause: WithdrawCause,
    },
    /// The agent or bound phone answered.
    AgentAnswered {
        /// The attempt.
        offer: OfferId,
        /// The agent's leg.
        leg: LegId,
    },
    /// Who was to be called first has answered, and is the call's caller from here on.
    CallerReached {
        /// The attempt.
        offer: OfferId,
        /// The caller's leg.
        leg: LegId,
    },
    /// Caller and agent hear each other.
    Bridged {
        /// The attempt.
        offer: OfferId,
    },
    /// A party put the other on hold.
    HoldBegan {
        /// Who holds.
        by: HungUpBy,
    },
    /// The hold ended.
    HoldEnded {
        /// Who held.
        by: HungUpBy,
    },
    /// The conversation with this agent ended.
    AgentLeft {
        /// The attempt that became the conversation.
        offer: OfferId,
        /// Who ended it.
        by: HungUpBy,
        /// Why.
        cause: Termination,
    },
    /// A leg has the place of another one from here on.
    LegReplaced {
        /// The one that was.
        old: LegId,
        /// The one that is.
        new: LegId,
        /// Who it is, as people write it.
        party: Arc<str>,
    },
    /// Somebody wrote a note on it (备注).
    Noted {
        /// Who; None: an operator.
        by: Option<AgentId>,
        /// What it says.
        text: Arc<str>,
    },
    /// Somebody sends the other side elsewhere (转接).
    TransferBegan {
        /// In which manner.
        kind: TransferKind,
        /// Who, as people write it; None: an operator.
        by: Option<Arc<str>>,
        /// Where to, as people write it.
        to: Arc<str>,
    },
    /// The transfer came to its end.
    TransferEnded {
        /// How.
        outcome: TransferOutcome,
    },
    /// Two of three talk while the third waits (咨询); ends with the next `ConsultationEnded` or the transfer.
    ConsultationBegan {
        /// Whom the one who asks talks with.
        offer: OfferId,
    },
    /// All hear each other again, or one of them has left.
    ConsultationEnded,
    /// The call's legs went over to another call.
    WentInto {
        /// Which.
        call: CallId,
    },
    /// A supervisor came into the call (R54).
    SupervisionBegan {
        /// The supervisor's own call.
        visit: CallId,
        /// Who.
        by: AgentId,
        /// What the supervisor does.
        verb: Verb,
    },
    /// A supervisor in the call does something else from here on.
    SupervisionChanged {
        /// The supervisor's own call.
        visit: CallId,
        /// Who.
        by: AgentId,
        /// What the supervisor does now.
        verb: Verb,
    },
    /// A supervisor left the call.
    SupervisionEnded {
        /// The supervisor's own call.
        visit: CallId,
        /// Who.
        by: AgentId,
    },
    /// Somebody asked for what is no right of theirs (R53).
    SupervisionRefused {
        /// Who; None: a phone that is no agent's.
        by: Option<AgentId>,
        /// What was asked for.
        verb: Verb,
        /// Why not, in words (Chinese, then English).
        why: Arc<str>,
    },
    /// A supervisor took the agent's place.
    TakenOver {
        /// Who.
        by: AgentId,
    },
    /// A supervisor ended the call.
    EndedBySupervisor {
        /// Who.
        by: AgentId,
    },
    /// This call is a supervisor's, and went into another.
    Visited {
        /// Which.
        call: CallId,
    },
    /// The caller is in a conference.
    ConferenceJoined {
        /// The conference, whose own record has this id.
        conference: CallId,
    },
    /// The caller is in the conference no more.
    ConferenceLeft {
        /// The conference.
        conference: CallId,
    },
    /// This record is a conference's, and somebody came in.
    ParticipantJoined {
        /// The participant's call.
        call: CallId,
        /// Who, as people write it.
        who: Arc<str>,
        /// What they may do.
        #[serde(default)]
        role: ConferenceRole,
    },
    /// Nobody hears the participant from here on.
    ParticipantMuted {
        /// The participant's call.
        call: CallId,
    },
    /// The participant is heard again.
    ParticipantUnmuted {
        /// The participant's call.
        call: CallId,
    },
    /// Only moderators come in from here on.
    ConferenceLocked,
    /// Everybody may come in again.
    ConferenceUnlocked,
    /// Somebody left the conference.
    ParticipantLeft {
        /// The participant's call.
        call: CallId,
    },
    /// The caller leaves a message: it is in the mailbox from now on, even if nothing more is heard of the call.
    MessageBegan {
        /// Where.
        mailbox: MailboxName,
        /// The recording that it is.
        message: RecordingId,
        /// Who leaves it, as records show it.
        caller: Arc<str>,
        /// When it began, by which its recording is found.
        began: WallTime,
    },
    /// The caller is done with the message.
    MessageEnded {
        /// Which.
        message: RecordingId,
        /// What became of it.
        fate: MessageFate,
        /// How long it is, in milliseconds.
        millis: u64,
    },
    /// The survey was asked.
    SurveyAsked {
        /// The node.
        node: Arc<str>,
    },
    /// The caller answered the survey.
    SurveyAnswered {
        /// The key.
        key: Key,
        /// The tenant's word for it: 满意, 一般, 不满意.
        label: Arc<str>,
    },
    /// The flow could not go on; the call is released.
    FlowFailed {
        /// The node at which it stopped.
        node: Arc<str>,
        /// Why, in words (Chinese, then English).
        error: Arc<str>,
    },
    /// Audio began to be kept.
    RecordingBegan {
        /// The recording.
        recording: RecordingId,
    },
    /// The call should be recorded, and is not: the disk of recordings is full or refuses.
    NotRecorded,
    /// Somebody paused the recording.
    RecordingPaused {
        /// The recording.
        recording: RecordingId,
    },
    /// The pause is over.
    RecordingResumed {
        /// The recording.
        recording: RecordingId,
    },
    /// Audio is no longer kept.
    RecordingEnded {
        /// The recording.
        recording: RecordingId,
    },
    /// Caller and party send each other a fax by T.38.
    FaxBegan,
    /// They are back at audio.
    FaxEnded,
    /// One side asked for T.38, and the other does not do it: the call goes on in audio.
    FaxRefused {
        /// Who does not.
        by: HungUpBy,
        /// The status of its refusal; 488 where it was not asked.
        status: u16,
    },
    /// A party of a conversation has not been heard for the time that raises the alarm.
    Unheard {
        /// Its leg.
        leg: LegId,
        /// Why.
        how: Unheard,
    },
    /// It is heard again.
    HeardAgain {
        /// Its leg.
        leg: LegId,
    },
    /// No RTP came from a leg for the configured time.
    MediaLost {
        /// The leg.
        leg: LegId,
    },
    /// A leg's media figures at its end.
    Quality {
        /// The leg.
        leg: LegId,
        /// Packets received.
        received: u64,
        /// Packets lost by sequence number.
        lost: u64,
        /// Interarrival jitter in microseconds (RFC 3550 §6.4.1).
        jitter_us: u32,
        /// The last round trip in microseconds, when the peer's reports told it (RFC 3550 §6.4.1).
        #[serde(default)]
        round_trip_us: Option<u32>,
        /// Mean opinion score in hundredths, 100–441, estimated (ITU-T G.107); 0 when nothing was received.
        #[serde(default)]
        mos_centi: u16,
        /// Packets came, and none had a sound (无声来电).
        #[serde(default)]
        silent: bool,
        /// Packets that were not taken: of strangers, of kinds that were not agreed, not authentic.
        #[serde(default)]
        dropped: u64,
        /// Of these, packets of SRTP whose tag was wrong, or that came before.
        #[serde(default)]
        unauthentic: u64,
    },
    /// A peer said why it hung up or refused (RFC 3326).
    ReasonGiven {
        /// Who said it.
        by: HungUpBy,
        /// The value of its Reason header, such as `Q.850;cause=16`.
        reason: Arc<str>,
    },
    /// The call ended: its one release.
    Ended {
        /// Its one result.
        result: CallResult,
        /// Who hung up.
        by: HungUpBy,
        /// Why.
        cause: Termination,
    },
}

/// In which manner somebody is sent elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// 盲转: without a word to the new one.
    Blind,
    /// 咨询转: after talking with the new one, or while it rings.
    Attended,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TransferOutcome {
    /// The other side is there.
    Done,
    /// The new one could not be had; the call goes back to who sent it, else to its queue.
    Failed {
        /// Why.
        cause: RefusalCause,
        /// The SIP status, when there was one.
        status: Option<u16>,
    },
    /// Who began it took it back.
    TakenBack,
    /// The call ended before.
    CallOver,
}

/// What a participant of a conference may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConferenceRole {
    /// Speak and hear.
    #[default]
    Participant,
    /// Everything.
    Moderator,
}
