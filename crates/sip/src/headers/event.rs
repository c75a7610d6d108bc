//! Owns Event and Subscription-State. RFC 6665 §8.4.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::params::Params;
use crate::scan;

use super::name_addr::seconds;

/// What is subscribed to, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The package with its templates: `refer`, `presence.winfo`.
    pub package: String,
    /// Which of several subscriptions in one dialog.
    pub id: Option<String>,
}

impl Event {
    /// Parses `refer;id=93809824`.
    pub fn parse(raw: &[u8]) -> Option<Event> {
        let (package, params) = word_and_params(raw)?;
        Some(Event { package, id: params.text("id").map(|id| id.into_owned()) })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        match &self.id {
            Some(id) => write!(f, ";id={id}"),
            None => Ok(()),
        }
    }
}

/// How a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Accepted; more may come, for as long as said.
    Active { expires: Option<Duration> },
    /// Not decided yet.
    Pending { expires: Option<Duration> },
    /// Over, and why (`noresource`, `timeout`…).
    Terminated { reason: Option<String> },
    /// A state that RFC 6665 does not name.
    Other(String),
}

impl SubscriptionState {
    /// Parses `active;expires=60` or `terminated;reason=noresource`.
    pub fn parse(raw: &[u8]) -> Option<SubscriptionState> {
        let (state, params) = word_and_params(raw)?;
        let expires =
            params.get("expires").and_then(seconds).map(|length| Duration::from_secs(length.into()));
        Some(match state.to_ascii_lowercase().as_str() {
            "active" => SubscriptionState::Active { expires },
            "pending" => SubscriptionState::Pending { expires },
            "terminated" => {
                SubscriptionState::Terminated { reason: params.text("reason").map(|text| text.into_owned()) }
            }
            _ => SubscriptionState::Other(state),
        })
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, expires) = match self {
            SubscriptionState::Active { expires } => ("active", expires),
            SubscriptionState::Pending { expires } => ("pending", expires),
            SubscriptionState::Terminated { reason: Some(reason) } => {
                return write!(f, "terminated;reason={reason}");
            }
            SubscriptionState::Terminated { reason: None } => return f.write_str("terminated"),
            SubscriptionState::Other(state) => return f.write_str(state),
        };
        f.write_str(state)?;
        match expires {
            Some(length) => write!(f, ";expires={}", length.as_secs()),
            None => Ok(()),
        }
    }
}

fn word_and_params(raw: &[u8]) -> Option<(String, Params)> {
    let end = memchr::memchr(b';', raw).unwrap_or(raw.len());
    let word = scan::trim(&raw[..end]);
    if !scan::token(word) {
        return None;
    }
    let params = Params::parse(Bytes::copy_from_slice(&raw[end..]))?;
    Some((String::from_utf8_lossy(word).into_owned(), params))
}
