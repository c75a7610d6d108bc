//! Owns what goes into and comes out of the conferences of a node. Does not own what they do with it (see
//! [`super::Conferences`]).

use std::sync::Arc;

use media::command::{Command, Language};
use model::command::ConferenceWish;
use model::event::Event;
use model::say::Key;
use model::{CallId, ConferenceName, LegId};
use routing::ConferenceProfile;

pub use model::event::ConferenceRole as Role;

/// Facts and wishes for the conferences of a node.
#[derive(Clone, Debug)]
pub enum ConferenceInput {
    /// (1) A caller wants in; answered by [`MemberWord::In`] or [`MemberWord::Over`].
    Join(Box<Joining>),
    /// A participant pressed a key.
    Key {
        /// Whose call.
        call: CallId,
        /// Which.
        key: Key,
    },
    /// (5) A participant is gone.
    Left {
        /// Whose call.
        call: CallId,
    },
    /// An operator's wish.
    Wish {
        /// Which conference.
        name: ConferenceName,
        /// What.
        wish: ConferenceWish,
    },
}

/// A caller at the door.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The room as it is set up; one that goes on keeps what it began with.
    pub profile: Arc<ConferenceProfile>,
    /// The caller's call.
    pub call: CallId,
    /// Its leg.
    pub leg: LegId,
    /// Who it is, as people write it.
    pub who: Arc<str>,
    /// Whether it needs no PIN and may moderate.
    pub role: Role,
    /// The language of prompts.
    pub language: Language,
}

/// What the conferences ask for.
#[derive(Clone, Debug)]
pub enum ConferenceOutput {
    /// For the media workers.
    Media(Command),
    /// A fact to journal.
    Event(Event),
    /// For the call of a participant.
    Tell {
        /// Which.
        call: CallId,
        /// What.
        word: MemberWord,
    },
}

/// What a participant's call is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberWord {
    /// (2) The caller is in.
    In {
        /// The conference, as records name it.
        conference: CallId,
    },
    /// (3), (5), (6) The caller is out: the port is in the call's own room again.
    Over(Parting),
}

/// Why a participant is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// The conference ended, or somebody let the participant go.
    Ended,
    /// The PIN was wrong too often, or was not given.
    WrongPin,
    /// A moderator locked the door.
    Locked,
    /// As many are in as may be.
    Full,
}

/// A conference in progress, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceView {
    /// As records name it.
    pub id: CallId,
    /// Which.
    pub name: ConferenceName,
    /// Whether nobody comes in any more.
    pub locked: bool,
    /// Whether it is recorded now.
    pub recorded: bool,
    /// Those who are in.
    pub members: Vec<MemberView>,
}

/// A participant, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// The participant's call.
    pub call: CallId,
    /// Who it is.
    pub who: Arc<str>,
    /// What they may do.
    pub role: Role,
    /// Whether nobody hears them.
    pub muted: bool,
}
