//! Owns the way of a fax through a room: UDPTL datagrams pass to whoever hears the port and has fax too, unread and
//! unchanged (ITU-T T.38 §9.1); they are in no recording and in no figure of audio.

use std::net::SocketAddr;

use clock::Instant;

use super::Room;
use crate::port::Carries;
use crate::rtp::{self, Header};
use crate::sink::{Channel, PortIndex, Sink};

impl Room {
    /// Takes a datagram that came to a port which has fax.
    #[cold]
    pub(super) fn pass_fax(
        &mut self,
        now: Instant,
        (index, channel): (PortIndex, Channel),
        source: SocketAddr,
        datagram: &[u8],
        sink: &mut impl Sink,
    ) {
        let Some(port) = self.port_at(index) else { return };
        // UDPTL has one port and no mark of its own: audio that was on its way is known by its stream.
        let is_late_audio = |header: Header| port.receive.is_of(header.ssrc);
        let is_stray =
            channel == Channel::Rtcp || rtp::is_rtcp(datagram) && is_report_of(port.receive.ssrc(), datagram);
        if is_stray || Header::parse(datagram).is_some_and(is_late_audio) {
            return;
        }
        if datagram.len() < SHORTEST || !port.source.believes(now, source, NO_SSRC) {
            port.dropped += 1;
            return;
        }
        for nth in 0..port.heard_by.len() {
            let Some(to) = self.listener(index, nth) else { continue };
            let Some(listener) = self.port_at(to).filter(|listener| listener.carries == Carries::Fax) else {
                continue;
            };
            if let Some(target) = listener.source.target() {
                sink.rtp(to, target, datagram);
            }
        }
    }
}

/// Whether RTCP that shares the port (RFC 5761) is about the stream that was heard.
fn is_report_of(ssrc: Option<u32>, datagram: &[u8]) -> bool {
    let sender = datagram.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    sender.is_some() && sender == ssrc
}

/// A sequence number and the length of a primary packet (ITU-T T.38 §9.1.1).
const SHORTEST: usize = 3;

/// UDPTL knows no streams: all that one source sends is one.
const NO_SSRC: u32 = 0;
