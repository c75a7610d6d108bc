//! Owns a peer's T.38: it offers it, takes it, sends and hears UDPTL datagrams. What they say is for the scenario.

use std::net::SocketAddr;

use bytes::Bytes;
use clock::Instant;
use sdp::{Description, Direction};

use crate::peer::{Happening, Output, Peer};

impl Peer {
    /// Offers T.38 in the place of audio.
    pub(crate) fn offer_fax(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        call.version += 1;
        let text = self.fax_description();
        let Some(call) = &mut self.call else { return };
        call.offer = Description::parse(&text).ok();
        call.session.offer(now, &mut self.endpoint, text);
    }

    /// Sends a datagram of fax.
    pub(crate) fn send_fax(&mut self, bytes: Bytes) {
        let to = self.call.as_ref().and_then(|call| call.fax);
        self.out.extend(to.map(|to| Output::Rtp { to, bytes }));
    }

    /// Whether `offer` asks for T.38; it is answered then.
    pub(crate) fn is_offered_fax(&mut self, now: Instant, offer: &Description) -> bool {
        let Some(remote) = image_of(offer) else { return false };
        self.fax_told = Some(text_of(offer));
        let able = self.fax_terms.is_some();
        let text = self.fax_description();
        let Some(call) = &mut self.call else { return false };
        if able {
            call.fax = Some(remote);
            call.session.accept_offer(now, &mut self.endpoint, text);
            self.happened(Happening::Faxing);
        } else {
            call.session.refuse_offer(now, &mut self.endpoint, 488);
        }
        true
    }

    /// Whether an answer is one of T.38.
    pub(crate) fn takes_fax(&mut self, answer: &Description) -> bool {
        let offered = self.call.as_ref().and_then(|call| call.offer.as_ref()).and_then(image_of);
        let Some((remote, call)) = offered.and_then(|_| image_of(answer)).zip(self.call.as_mut()) else {
            return false;
        };
        call.fax = Some(remote);
        self.fax_told = Some(text_of(answer));
        self.happened(Happening::Faxing);
        true
    }

    fn fax_description(&self) -> Bytes {
        let version = self.call.as_ref().map_or(1, |call| call.version);
        let local = self.local(version, Direction::SendRecv);
        let (ip, port, id) = (local.address, local.port, local.session.id);
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let terms = self.fax_terms.as_deref().unwrap_or_default();
        format!(
            "v=0\r\no=- {id} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=image {port} udptl t38\r\n{terms}"
        )
        .into()
    }
}

fn text_of(description: &Description) -> String {
    String::from_utf8_lossy(&description.to_bytes()).into_owned()
}

/// Where the image stream of a description goes.
fn image_of(description: &Description) -> Option<SocketAddr> {
    let media = description.media().find(|media| media.kind() == b"image" && media.port() != 0)?;
    match media.connection()? {
        sdp::Connection::Address(ip) => Some(SocketAddr::new(ip, media.port())),
        sdp::Connection::Multicast(_) | sdp::Connection::Name(_) => None,
    }
}
