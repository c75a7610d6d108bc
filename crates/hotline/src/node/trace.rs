//! Owns what an operator is shown of a call's messages: masked, with addresses and times. Does not own keeping them
//! (see `sip_net::Capture`).

use api::view::MessageView;
use model::{CallId, TenantId};
use sip_net::{CaptureLimits, Kept, Way};

use super::switch::NodeSwitch;

/// How much is kept, as configured.
pub(super) fn limits(loaded: &config::Loaded) -> CaptureLimits {
    let trace = &loaded.trace;
    match trace.age.is_zero() {
        true => CaptureLimits::OFF,
        false => CaptureLimits { messages: trace.messages, bytes: trace.bytes, age: trace.age },
    }
}

impl NodeSwitch {
    /// The messages of a call of `tenant`, oldest first; none when none are kept.
    pub(super) fn message_views(&self, tenant: &TenantId, call: CallId) -> Vec<MessageView> {
        let found = self.capture.of_call(self.clock.now(), call).filter(|(owner, _)| owner == tenant);
        let (_, kept) = found.unwrap_or_default();
        kept.iter().map(|kept| self.message_view(kept)).collect()
    }

    fn message_view(&self, kept: &Kept) -> MessageView {
        let wall = self.clock.anchor().wall(kept.at);
        let place = usize::from(kept.flow.interface);
        let bound = self.local.get(place).copied();
        // Bound to every address, the one that peers are told stands for it.
        let local = bound.map(|bound| {
            match (bound.ip().is_unspecified(), self.reloader.current.load().plan.interfaces.get(place)) {
                (true, Some(interface)) => (interface.advertise, bound.port()).into(),
                _ => bound,
            }
        });
        MessageView {
            at: self.exporter.time(wall),
            micros: wall.0,
            sent: kept.way == Way::Out,
            transport: kept.flow.transport.via().to_ascii_lowercase(),
            local: local.map(|local| local.to_string()).unwrap_or_default(),
            remote: kept.flow.remote.to_string(),
            bytes: sip::masked::masked(&kept.bytes),
        }
    }
}
