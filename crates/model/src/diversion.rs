//! Owns what a phone has set for calls that come to it (呼叫转移, 免打扰). Does not own what a forwarded number means (see
//! `routing`).

use std::sync::Arc;

/// Which calls are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardWhen {
    /// Every call (无条件).
    Always,
    /// Calls that find the phone busy, refusing, or not to be disturbed (遇忙).
    Busy,
    /// Calls that nobody answers in time, or whose phone is not registered (无应答).
    NoAnswer,
}

/// What becomes of calls to a phone. Numbers are as its user dialled them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Diversion {
    /// Where every call goes.
    pub always: Option<Arc<str>>,
    /// Where calls go that find it busy.
    pub busy: Option<Arc<str>>,
    /// Where calls go that nobody answers.
    pub no_answer: Option<Arc<str>>,
    /// Whether it rings at all.
    pub disturb: Disturb,
}

/// Whether a phone rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disturb {
    /// It rings.
    #[default]
    Yes,
    /// 免打扰.
    No,
}

impl Diversion {
    /// Where such calls go.
    pub fn to(&self, when: ForwardWhen) -> Option<&Arc<str>> {
        match when {
            ForwardWhen::Always => self.always.as_ref(),
            ForwardWhen::Busy => self.busy.as_ref(),
            ForwardWhen::NoAnswer => self.no_answer.as_ref(),
        }
    }

    /// Sends such calls there from now on; None: nowhere else.
    pub fn set(&mut self, when: ForwardWhen, to: Option<Arc<str>>) {
        match when {
            ForwardWhen::Always => self.always = to,
            ForwardWhen::Busy => self.busy = to,
            ForwardWhen::NoAnswer => self.no_answer = to,
        }
    }
}
