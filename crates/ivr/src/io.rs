//! Owns what goes into and comes out of one caller's session.

use model::event::CallFact;
use model::say::{Key, SayItem};
use model::{ConferenceName, MailboxName, QueueName};

use crate::{AnswerRule, BoundPhone};

/// Facts for a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The caller can hear and press keys.
    Begin,
    /// The caller pressed a key (not while parked: those go to whoever parked it).
    Key(Key),
    /// The playing ended: played out or stopped.
    Played {
        /// Which.
        play: u32,
    },
    /// The playing was impossible (a sound is missing): the session goes on as after `Played`, but the caller has
    /// not heard it.
    NotPlayed {
        /// Which.
        play: u32,
    },
    /// What parked the session ended.
    Resumed(Parked),
}

/// How the thing that parked a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Parked {
    /// A conversation took place and the other side left.
    PartyLeft,
    /// The maximum wait passed.
    TimedOut,
    /// The queue has no room.
    Full,
    /// Nobody is signed in.
    NoAgent,
    /// Nobody of a `Dial` answered.
    Unanswered,
    /// The caller was in a conference, which ended.
    Conferred,
    /// The conference did not let the caller in: a wrong PIN, locked, full.
    NotConferred,
    /// The caller left a message.
    MessageLeft,
    /// The caller could not leave one, or did not.
    NoMessage,
    /// The caller has heard the mailbox.
    MailboxClosed,
    /// The switch failed.
    Failed,
}

/// What a session asks for. `call` carries it out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Play to the caller; answered by `Played` or `NotPlayed` with the same number.
    Play {
        /// This playing, ascending within the session.
        play: u32,
        /// What.
        items: Vec<SayItem>,
    },
    /// Stop that playing; answered by `Played`.
    StopPlay {
        /// Which.
        play: u32,
    },
    /// Give the caller a place; answered by `Resumed`.
    Enqueue {
        /// Where.
        queue: QueueName,
        /// Added priority.
        priority: i32,
    },
    /// Ring these phones; answered by `Resumed`.
    Dial {
        /// Whom.
        phones: Vec<BoundPhone>,
        /// How.
        rule: AnswerRule,
    },
    /// A secret is keyed from here: nothing that the caller says is kept.
    Mask,
    /// The secret was keyed, or the caller went on without.
    Unmask,
    /// Let the caller into a conference; answered by `Resumed`.
    Confer {
        /// Which.
        conference: ConferenceName,
    },
    /// Let the caller leave a message; answered by `Resumed`.
    TakeMessage {
        /// Where.
        mailbox: MailboxName,
    },
    /// Let the caller hear a mailbox; answered by `Resumed`.
    OpenMailbox {
        /// Which.
        mailbox: MailboxName,
    },
    /// The flow ended: release the call.
    HangUp {
        /// The caller was served by the menu alone, or left it unserved.
        served: Served,
    },
    /// A fact of the caller's call to journal.
    Fact(CallFact),
}

/// How a flow that ended by itself served its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Served {
    /// It reached a `Hangup` node or a prompt's natural end.
    ByMenu,
    /// A last try, a wait or a dialling failed and the flow says nothing about it, or the flow is broken.
    GaveUp,
}
