//! Owns the flow as data: nodes by name. Does not own its TOML (see `config`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::say::{Key, SayItem};
use model::{ConferenceName, DialTarget, FlowName, MailboxName, QueueName};

/// A node's name within its flow.
pub type NodeName = Arc<str>;

/// One flow (流程): a caller enters at `start` and leaves by hanging up or a `Hangup` node.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Flow {
    /// Its name.
    pub name: FlowName,
    /// Where a caller enters.
    pub start: NodeName,
    /// The nodes.
    pub nodes: BTreeMap<NodeName, Node>,
}

/// Whether keys end a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interrupt {
    /// A key ends the prompt and counts for the next menu.
    ByKey,
    /// The prompt plays to its end; keys typed meanwhile are kept for the next menu.
    Never,
}

/// One step of a flow. A `None` for where to go next means: hang up.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Node {
    /// Plays prompts.
    Play {
        /// What.
        say: Vec<SayItem>,
        /// Whether keys end it.
        interrupt: Interrupt,
        /// This is the recording notice (录音告知): its end is a fact on the CDR.
        notice: bool,
        /// Where to go then.
        next: Option<NodeName>,
    },
    /// Plays a menu and waits for one key.
    Menu {
        /// The menu's text.
        say: Vec<SayItem>,
        /// Where each key leads.
        keys: BTreeMap<Key, NodeName>,
        /// Silence after the text before the caller is asked again.
        timeout: Duration,
        /// How often the menu is played in all, wrong keys and silences counted together.
        tries: u8,
        /// Said after a wrong key.
        invalid: Vec<SayItem>,
        /// Said after a silence.
        silence: Vec<SayItem>,
        /// Where to go after the last try.
        failed: Option<NodeName>,
        /// The key is a secret: nothing of it is kept.
        mask: bool,
    },
    /// Collects digits (放音收码) and dials them as an extension.
    DialExtension {
        /// The request.
        say: Vec<SayItem>,
        /// How many digits at most; `#` ends earlier.
        max_digits: u8,
        /// Silence between digits that ends the number.
        timeout: Duration,
        /// How often it is asked in all.
        tries: u8,
        /// Said when the extension does not exist.
        invalid: Vec<SayItem>,
        /// How long the extension rings.
        ring: Duration,
        /// The extensions that may be reached.
        extensions: BTreeMap<Arc<str>, DialTarget>,
        /// After the conversation.
        next: Option<NodeName>,
        /// No answer, busy, unreachable, or out of tries.
        failed: Option<NodeName>,
        /// The digits are a secret: nothing of them is kept.
        mask: bool,
    },
    /// Gives the caller a place in a queue; the session is parked.
    Queue {
        /// The queue.
        queue: QueueName,
        /// Added priority.
        priority: i32,
        /// Said before.
        say: Vec<SayItem>,
        /// The agent hung up first.
        next: Option<NodeName>,
        /// The maximum wait passed.
        timeout: Option<NodeName>,
        /// No room.
        full: Option<NodeName>,
        /// Nobody is signed in.
        no_agent: Option<NodeName>,
    },
    /// Rings extensions or bound phones (绑定电话) without a queue; the session is parked.
    Dial {
        /// Whom.
        phones: Vec<BoundPhone>,
        /// 接听规则.
        rule: AnswerRule,
        /// Said before.
        say: Vec<SayItem>,
        /// The other side hung up first.
        next: Option<NodeName>,
        /// Nobody answered, all busy or unreachable.
        failed: Option<NodeName>,
    },
    /// Lets the caller into a conference room (会议室); the session is parked.
    Conference {
        /// Which.
        conference: ConferenceName,
        /// Said before.
        say: Vec<SayItem>,
        /// After the conference.
        next: Option<NodeName>,
        /// A wrong PIN, locked or full.
        failed: Option<NodeName>,
    },
    /// Lets the caller leave a message (留言); the session is parked.
    Voicemail {
        /// Where.
        mailbox: MailboxName,
        /// Said before the mailbox's greeting.
        say: Vec<SayItem>,
        /// A message was left.
        next: Option<NodeName>,
        /// The mailbox is full, or no message was left.
        failed: Option<NodeName>,
    },
    /// Lets the caller hear a mailbox (听留言); the session is parked.
    Mailbox {
        /// Which.
        mailbox: MailboxName,
        /// Said before.
        say: Vec<SayItem>,
        /// Where to go then.
        next: Option<NodeName>,
    },
    /// Asks for a rating (满意度调查).
    Survey {
        /// The question.
        say: Vec<SayItem>,
        /// The scale: key → the tenant's word.
        keys: BTreeMap<Key, Arc<str>>,
        /// Silence before it is asked again.
        timeout: Duration,
        /// How often it is asked in all.
        tries: u8,
        /// Said after a wrong key.
        invalid: Vec<SayItem>,
        /// Said after a rating.
        thanks: Vec<SayItem>,
        /// Where to go then.
        next: Option<NodeName>,
    },
    /// Hangs up, after saying something.
    Hangup {
        /// The goodbye.
        say: Vec<SayItem>,
    },
}

impl Node {
    /// Whether what the caller keys here is kept nowhere: in no recording and no fact.
    pub const fn is_secret(&self) -> bool {
        matches!(self, Node::Menu { mask: true, .. } | Node::DialExtension { mask: true, .. })
    }

    /// Everything that the node may say, in no order.
    pub fn says(&self) -> impl Iterator<Item = &SayItem> {
        let none: &[SayItem] = &[];
        let said: [&[SayItem]; 3] = match self {
            Node::Play { say, .. }
            | Node::Queue { say, .. }
            | Node::Dial { say, .. }
            | Node::Conference { say, .. }
            | Node::Voicemail { say, .. }
            | Node::Mailbox { say, .. }
            | Node::Hangup { say } => [say, none, none],
            Node::Menu { say, invalid, silence, .. } => [say, invalid, silence],
            Node::DialExtension { say, invalid, .. } => [say, invalid, none],
            Node::Survey { say, invalid, thanks, .. } => [say, invalid, thanks],
        };
        said.into_iter().flatten()
    }
}

/// One phone of a `Dial` node.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BoundPhone {
    /// Where.
    pub target: DialTarget,
    /// How long it rings.
    pub ring: Duration,
}

/// 接听规则: in which way bound phones are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerRule {
    /// One after the other; busy or no answer goes to the next (遇忙路由).
    InOrder,
    /// All at once; the first answer wins.
    AllAtOnce,
}
