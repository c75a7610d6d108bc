//! Owns Privacy: what a caller wants withheld. RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1.

use crate::headers::{HeaderName, Headers};

/// The wishes of a message's Privacy header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Privacy(u8);

/// One wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivacyWish {
    /// Header fields that tell of the caller are obscured.
    Header,
    /// The session's addresses are.
    Session,
    /// What the caller's own user agent would have withheld is.
    User,
    /// The asserted identity is (RFC 3325).
    Id,
    /// Nothing may be withheld.
    None,
    /// Rather no call than one without the privacy asked for.
    Critical,
    /// History-Info is withheld (RFC 7044).
    History,
}

impl PrivacyWish {
    /// All wishes.
    pub const ALL: [PrivacyWish; 7] = [
        PrivacyWish::Header,
        PrivacyWish::Session,
        PrivacyWish::User,
        PrivacyWish::Id,
        PrivacyWish::None,
        PrivacyWish::Critical,
        PrivacyWish::History,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            PrivacyWish::Header => "header",
            PrivacyWish::Session => "session",
            PrivacyWish::User => "user",
            PrivacyWish::Id => "id",
            PrivacyWish::None => "none",
            PrivacyWish::Critical => "critical",
            PrivacyWish::History => "history",
        }
    }
}

impl Privacy {
    pub(crate) fn of(headers: &Headers) -> Privacy {
        let asked =
            PrivacyWish::ALL.into_iter().filter(|wish| headers.lists(HeaderName::Privacy, wish.as_str()));
        Privacy(asked.fold(0, |bits, wish| bits | 1 << wish as u8))
    }

    /// Whether `wish` is among them.
    pub const fn asks(self, wish: PrivacyWish) -> bool {
        self.0 >> wish as u8 & 1 == 1
    }

    /// Whether the caller's number may not reach whom is outside the trust domain (RFC 3325 §7): phones, and trunks
    /// that are not trusted with it.
    pub const fn withholds_caller(self) -> bool {
        self.asks(PrivacyWish::Id) || self.asks(PrivacyWish::Header) || self.asks(PrivacyWish::User)
    }
}
