//! Owns what we say of ourselves in a session: Contact, session timer, reliable provisional responses.

use std::time::Duration;

/// What we say of ourselves in a session.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Local {
    /// The value of our Contact header, such as `<sip:4008001234@198.51.100.1:5060>`.
    pub contact: String,
    /// RFC 4028.
    pub timer: SessionTimer,
    /// RFC 3262.
    pub rel100: Rel100,
    /// Where requests within the dialog are sent.
    pub reach: Reach,
}

impl Local {
    /// The value of our Supported header.
    pub(super) fn supported(&self) -> &'static str {
        match (self.timer, self.rel100) {
            (SessionTimer::Off, Rel100::Off) => "replaces",
            (SessionTimer::On { .. }, Rel100::Off) => "replaces, timer",
            (SessionTimer::Off, Rel100::Supported | Rel100::Required) => "replaces, 100rel",
            (SessionTimer::On { .. }, Rel100::Supported | Rel100::Required) => "replaces, timer, 100rel",
        }
    }
}

/// Session timers (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionTimer {
    /// Not asked for; a peer's wish is taken note of and not confirmed.
    Off,
    /// Asked for and confirmed.
    On {
        /// The interval we ask for: 1,800 s.
        expires: Duration,
        /// The shortest interval we accept (Min-SE): 90 s or more.
        min: Duration,
    },
}

impl SessionTimer {
    /// RFC 4028 §4's recommendation: 1,800 s, not below 90 s.
    pub const RECOMMENDED: SessionTimer =
        SessionTimer::On { expires: Duration::from_secs(1800), min: Duration::from_secs(90) };
}

/// Reliable provisional responses (RFC 3262).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rel100 {
    /// Never.
    Off,
    /// When the peer can.
    Supported,
    /// Insisted on.
    Required,
}

/// Where requests within the dialog are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// To where the peer's messages come from: phones, which may be behind a NAT.
    #[default]
    Source,
    /// To the address in the first Route, else in the Contact, when it is a number (RFC 3261 §12.2.1.1); else as
    /// `Source`.
    Target,
}
