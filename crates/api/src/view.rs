//! Owns what live state looks like outside: plain JSON. Times are RFC 3339 texts.

use model::diversion::Diversion;
use model::event::{AgentActivity, AgentState, Direction};
use serde::{Deserialize, Serialize};

/// A call that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveCall {
    /// Its id.
    pub id: String,
    /// Whose.
    pub tenant: String,
    /// Which way.
    pub direction: Direction,
    /// What its caller is doing.
    pub state: LiveState,
    /// The hotline number.
    pub number: Option<String>,
    /// The trunk it came by.
    pub trunk: Option<String>,
    /// The caller.
    pub caller: String,
    /// The number dialled.
    pub called: String,
    /// The last queue.
    pub queue: Option<String>,
    /// The agent's number or bound phone that rings or talks.
    pub party: Option<String>,
    /// The node of the flow entered last.
    pub node: Option<String>,
    /// Whether what is said is kept.
    #[serde(default)]
    pub recording: RecordingView,
    /// Who is not heard.
    #[serde(default)]
    pub audio: AudioView,
    /// What people wrote on it, each with its writer.
    #[serde(default)]
    pub notes: Vec<String>,
    /// When it began.
    pub began: String,
    /// When the agent answered.
    pub agent_answered: Option<String>,
}

/// Whether what is said in a live call is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingView {
    /// No recording runs.
    #[default]
    Off,
    /// It is (录音中).
    On,
    /// Somebody paused the recording (录音暂停).
    Paused,
}

impl RecordingView {
    /// The word Chinese users know.
    pub const fn zh(self) -> &'static str {
        match self {
            RecordingView::Off => "",
            RecordingView::On => "录音中",
            RecordingView::Paused => "录音暂停",
        }
    }
}

/// How the two sides of a live conversation hear each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioView {
    /// Nothing is known to be wrong.
    #[default]
    Fine,
    /// They send each other a fax (传真).
    Fax,
    /// The caller is not heard (单通).
    CallerUnheard,
    /// Whom the caller talks with is not heard (单通).
    PartyUnheard,
    /// Neither is (双方无声).
    NobodyHeard,
}

impl AudioView {
    /// The words Chinese users know.
    pub const fn zh(self) -> &'static str {
        match self {
            AudioView::Fine => "",
            AudioView::Fax => "传真",
            AudioView::CallerUnheard => "单通: 听不到主叫",
            AudioView::PartyUnheard => "单通: 听不到被叫",
            AudioView::NobodyHeard => "双方无声",
        }
    }
}

/// A hotline number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberView {
    /// What callers dial.
    pub number: String,
    /// Whose.
    pub tenant: String,
    /// Other forms of it that the carrier sends.
    pub aliases: Vec<String>,
    /// What its callers enter.
    pub flow: String,
    /// What they enter while the night switch is on.
    pub night_flow: Option<String>,
    /// The night switch, while it is on.
    pub night: Option<NightView>,
    /// Calls at a time.
    pub max_calls: Option<usize>,
}

/// A mailbox and what lies in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxView {
    /// Its name.
    pub name: String,
    /// Whose.
    pub tenant: String,
    /// Messages not yet heard.
    pub new: u32,
    /// Messages heard and kept.
    pub old: u32,
    /// All of them, oldest first.
    pub messages: Vec<VoiceMessageView>,
}

/// A voice message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceMessageView {
    /// The recording that it is.
    pub id: String,
    /// The call in which it was left.
    pub call: String,
    /// Who left it.
    pub caller: String,
    /// When.
    pub began: String,
    /// How long it is, in milliseconds, when that is known.
    pub millis: Option<u64>,
    /// Whether it was heard.
    pub heard: bool,
}

/// A night switch that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NightView {
    /// Who switched it on.
    pub by: String,
    /// When.
    pub since: String,
}

/// A conference in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConferenceView {
    /// Its own record's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whose.
    pub tenant: String,
    /// Whether only moderators come in.
    pub locked: bool,
    /// Whether it is recorded now.
    pub recorded: bool,
    /// Those who are in.
    pub participants: Vec<ParticipantView>,
}

/// Somebody in a conference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParticipantView {
    /// The participant's call.
    pub call: String,
    /// Who, as people write it.
    pub who: String,
    /// Whether they moderate.
    pub moderator: bool,
    /// Whether nobody hears them.
    pub muted: bool,
}

/// What the caller of a live call is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    /// In the flow (导航中)
    Menu,
    /// In a queue (排队中)
    Waiting,
    /// A phone rings for it (振铃)
    Ringing,
    /// With an agent (通话中)
    Talking,
}

impl LiveState {
    /// The word Chinese users know.
    pub const fn zh(self) -> &'static str {
        match self {
            LiveState::Menu => "导航中",
            LiveState::Waiting => "排队中",
            LiveState::Ringing => "振铃",
            LiveState::Talking => "通话中",
        }
    }
}

/// An agent (坐席).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// 工号
    pub id: String,
    /// The name shown.
    pub name: String,
    /// Whose.
    pub tenant: String,
    /// What the agent chose.
    pub state: AgentState,
    /// What the agent is seen doing.
    pub activity: AgentActivity,
    /// The phone it is reached at.
    pub phone: Option<String>,
    /// Since when.
    pub since: String,
    /// In which call.
    pub call: Option<String>,
    /// The queues it serves.
    pub queues: Vec<String>,
}

/// A queue (队列).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Whose.
    pub tenant: String,
    /// How many callers wait.
    pub waiting: u32,
    /// How long the first of them has waited, in whole seconds.
    pub longest_wait_seconds: u64,
    /// The callers, first one first.
    pub entries: Vec<EntryView>,
    /// The agents who serve it, by number.
    pub agents: Vec<String>,
    /// How many of them are ready and idle.
    pub agents_free: u32,
}

/// A caller's place in a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryView {
    /// The call.
    pub call: String,
    /// The caller.
    pub caller: String,
    /// Higher goes first.
    pub priority: i32,
    /// Since when.
    pub since: String,
}

/// A trunk (中继).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrunkView {
    /// Its name.
    pub name: String,
    /// Whether it answers; `None` when nobody asks it.
    pub up: Option<bool>,
    /// Whether the carrier knows us; `None` where we do not register.
    #[serde(default)]
    pub registered: Option<bool>,
    /// Since when it is up or down.
    pub since: Option<String>,
    /// The last error and its likely cause, in words, while it lasts.
    pub error: Option<String>,
    /// The last error, over or not.
    #[serde(default)]
    pub last_error: Option<TrunkError>,
    /// Calls that are up on it.
    pub calls: u32,
    /// How many it may have; `None` without a limit.
    pub max_calls: Option<u32>,
}

/// An error of a trunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrunkError {
    /// When it was met.
    pub at: String,
    /// What happened and its likely cause, in words.
    pub words: String,
}

/// A source that is not heard (封禁).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BanView {
    /// Its address; of IPv6 the first of its /64.
    pub source: String,
    /// `flood`, `logins` or `scanner`.
    pub cause: String,
    /// Until when.
    pub until: String,
}

/// A registered phone (话机).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhoneView {
    /// Its address of record.
    pub aor: String,
    /// Whose.
    pub tenant: String,
    /// The agent whose phone it is, by number.
    #[serde(default)]
    pub agent: Option<String>,
    /// When it registered last, bound still or not; `None` when it has not since the switch runs.
    #[serde(default)]
    pub last_seen: Option<String>,
    /// Its bindings.
    pub bindings: Vec<BindingView>,
    /// Its forwards, as dialled, and whether it is to be disturbed.
    #[serde(default)]
    pub diversion: Diversion,
}

/// One binding of a phone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BindingView {
    /// The contact's URI.
    pub contact: String,
    /// The packet's source.
    pub source: String,
    /// The transport, in lower case.
    pub transport: String,
    /// The phone's own name.
    pub user_agent: Option<String>,
    /// Whether calls ring it: `rings`, `stands_by` (another connection of the same phone is rung), `unreachable` (it does
    /// not answer).
    pub state: String,
    /// When it was last registered or refreshed.
    #[serde(default)]
    pub registered: String,
    /// When it ends.
    pub expires: String,
}

/// A message of a call as it passed, its secrets masked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageView {
    /// When.
    pub at: String,
    /// When, in microseconds since 1970.
    pub micros: i64,
    /// We sent it; else we received it.
    pub sent: bool,
    /// The transport, in lower case.
    pub transport: String,
    /// Our address and port.
    pub local: String,
    /// The peer's.
    pub remote: String,
    /// The message; base 16 outside.
    #[serde(with = "base16")]
    pub bytes: Vec<u8>,
}

/// Bytes that may be no text, as base 16 (RFC 4648 §8).
mod base16 {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half & 15)]);
        let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect();
        out.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.ok_or_else(|| D::Error::custom("not base 16"))
    }
}
