//! Owns what an operator sets for a conference room. Does not own what happens in it (see `call::Conferences`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use model::{AgentId, ConferenceName};

/// A conference room, as it is set up.
#[derive(Clone, Debug, PartialEq)]
pub struct ConferenceProfile {
    /// Which.
    pub name: ConferenceName,
    /// What phones of the tenant dial; None: flows alone lead there.
    pub number: Option<Arc<str>>,
    /// What participants type; None: nobody is asked.
    pub pin: Option<Arc<str>>,
    /// What moderators type.
    pub moderator_pin: Option<Arc<str>>,
    /// Agents who moderate without a PIN.
    pub moderators: HashSet<AgentId>,
    /// At a time, 2–64.
    pub max_participants: usize,
    /// The longest conference.
    pub max_duration: Duration,
    /// Whether it is recorded, from the second participant on.
    pub record: bool,
    /// What the others hear when somebody comes or goes.
    pub tones: JoinTones,
    /// Whether participants come in muted.
    pub mute_on_entry: bool,
}

/// What the others hear when somebody comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinTones {
    /// One beep, two beeps.
    Beep,
    /// Nothing.
    Off,
}
