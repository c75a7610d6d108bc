//! Owns what the peer says it can do: Allow and Supported, in one byte each.

use crate::headers::{HeaderName, Headers};
use crate::message::Method;

/// What the peer says it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Peer {
    allow: u16,
    supported: u8,
}

impl Peer {
    /// Takes over Allow and Supported where a message carries them.
    pub(super) fn learn(&mut self, headers: &Headers) {
        if headers.has(HeaderName::Allow) {
            self.allow = METHODS
                .iter()
                .enumerate()
                .filter(|(_, method)| headers.lists(HeaderName::Allow, method.as_str()))
                .fold(0, |bits, (place, _)| bits | 1 << place);
        }
        if headers.has(HeaderName::Supported) || headers.has(HeaderName::Require) {
            self.supported = TAGS
                .iter()
                .enumerate()
                .filter(|(_, tag)| {
                    headers.lists(HeaderName::Supported, tag) || headers.lists(HeaderName::Require, tag)
                })
                .fold(0, |bits, (place, _)| bits | 1 << place);
        }
    }

    pub(super) fn allows(self, method: &Method) -> bool {
        METHODS.iter().position(|known| known == method).is_some_and(|place| self.allow >> place & 1 == 1)
    }

    /// The peer refused `method` as unknown, whatever its Allow says.
    pub(super) fn forget(&mut self, method: &Method) {
        if let Some(place) = METHODS.iter().position(|known| known == method) {
            self.allow &= !(1 << place);
        }
    }

    pub(super) fn supports(self, tag: &str) -> bool {
        TAGS.iter().position(|known| *known == tag).is_some_and(|place| self.supported >> place & 1 == 1)
    }
}

const METHODS: [Method; 9] = [
    Method::Update,
    Method::Prack,
    Method::Info,
    Method::Refer,
    Method::Notify,
    Method::Options,
    Method::Message,
    Method::Subscribe,
    Method::Invite,
];

const TAGS: [&str; 4] = ["100rel", "timer", "replaces", "norefersub"];
