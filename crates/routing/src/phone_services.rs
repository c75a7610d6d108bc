//! Owns what an operator sets for what phones do beside calling: registering, watching, writing to each other.

use std::time::Duration;

/// What phones may do beside calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneServices {
    /// Registrations.
    pub registrar: RegistrarLimits,
    /// Subscriptions: busy lamps and message lamps.
    pub subscriptions: SubscriptionLimits,
    /// Text messages.
    pub messages: MessagePolicy,
}

/// Limits of registrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarLimits {
    /// Shorter wishes are refused.
    pub min_expires: Duration,
    /// When a phone names no time.
    pub default_expires: Duration,
    /// Longer wishes are cut to this.
    pub max_expires: Duration,
    /// How long a phone may use one nonce.
    pub nonce_life: Duration,
    /// How often a phone with an outbound flow is to show that it lives; None: as it likes.
    pub flow_timer: Option<Duration>,
    /// How often a NAT before a phone on UDP is kept open; None: never.
    pub nat_keep_alive: Option<Duration>,
}

/// Limits of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionLimits {
    /// Subscriptions of the node at a time.
    pub most: usize,
    /// Subscriptions of one phone at a time.
    pub most_per_phone: usize,
    /// Shorter wishes are refused.
    pub min_expires: Duration,
    /// Longer wishes are cut to this; it is granted when a phone names no time.
    pub max_expires: Duration,
    /// The shortest distance of two notifications of one subscription.
    pub throttle: Duration,
    /// Whether a notification about calls names only those that changed.
    pub partial: bool,
}

/// Whether phones may write to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePolicy {
    /// Who may.
    pub relay: MessageRelay,
    /// The longest text, in bytes.
    pub max_bytes: usize,
}

/// Who may write to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageRelay {
    /// Nobody.
    Off,
    /// Phones of one tenant, to each other.
    Inside,
}

impl Default for PhoneServices {
    /// What a configuration without these sections has.
    fn default() -> PhoneServices {
        PhoneServices {
            registrar: RegistrarLimits {
                min_expires: Duration::from_secs(60),
                default_expires: Duration::from_secs(3600),
                max_expires: Duration::from_secs(7200),
                nonce_life: Duration::from_secs(300),
                flow_timer: Some(Duration::from_secs(120)),
                nat_keep_alive: Some(Duration::from_secs(25)),
            },
            subscriptions: SubscriptionLimits {
                most: 10_000,
                most_per_phone: 100,
                min_expires: Duration::from_secs(60),
                max_expires: Duration::from_secs(3600),
                throttle: Duration::from_secs(1),
                partial: false,
            },
            messages: MessagePolicy { relay: MessageRelay::Off, max_bytes: 1300 },
        }
    }
}
