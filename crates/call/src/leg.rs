//! Owns one party's SIP session and media port. Does not own what the party means to the call (see `party`).

use std::net::SocketAddr;

use bytes::Bytes;
use media::command::Command;
use model::LegId;
use sdp::{Codec, Description, Direction, Local, Negotiated};
use sip::session::Session;

use crate::context::Context;

/// One party's SIP session and media port.
#[derive(Debug)]
pub(crate) struct Leg {
    pub id: LegId,
    pub session: Session,
    pub media: LegMedia,
}

/// Whether the peer lets us hear and be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Both ways are open.
    Open,
    /// The peer put us on hold.
    ByPeer,
}

/// The leg's side of the media agreement.
#[derive(Clone, Debug)]
pub(crate) struct LegMedia {
    port: SocketAddr,
    codecs: Vec<Codec>,
    numbers: sdp::Session,
    /// The offer of ours that awaits its answer.
    offered: Option<Description>,
    /// The peer's last description: our re-offers keep its streams in their places.
    peer: Option<Description>,
    pub agreed: Option<Negotiated>,
}

/// Why a description cannot be used: the status to refuse it with (RFC 3261 §21.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable(pub u16);

impl LegMedia {
    pub fn new(leg: LegId, port: SocketAddr, codecs: Vec<Codec>) -> LegMedia {
        // The o= id is below 2^63 for peers that keep it in a signed number.
        let numbers = sdp::Session { id: leg.raw() >> 2, version: 0 };
        LegMedia { port, codecs, numbers, offered: None, peer: None, agreed: None }
    }

    fn local(&self) -> Local {
        Local {
            address: self.port.ip(),
            port: self.port.port(),
            codecs: self.codecs.clone(),
            dtmf: true,
            session: self.numbers,
            direction: Direction::SendRecv,
        }
    }

    /// Answers the peer's offer (RFC 3264 §6). The agreed codec stays preferred, so that a re-offer changes nothing
    /// that it does not have to.
    pub fn answer(&mut self, offer: &[u8]) -> Result<Bytes, Unusable> {
        let offer = Description::parse(offer).map_err(|_| Unusable(400))?;
        let (answer, negotiated) = sdp::answer(&offer, &self.local()).map_err(|_| Unusable(488))?;
        self.numbers.version += 1;
        self.agreed = Some(negotiated);
        self.peer = Some(offer);
        Ok(answer)
    }

    /// Makes an offer of ours.
    pub fn offer(&mut self) -> Bytes {
        let local = self.local();
        self.numbers.version += 1;
        let text = match &self.peer {
            Some(peer) => sdp::reoffer(&local, peer),
            None => sdp::offer(&local),
        };
        self.offered = Description::parse(&text).ok();
        text
    }

    /// Takes the peer's answer to our last offer.
    pub fn accept(&mut self, answer: &[u8]) -> Result<(), Unusable> {
        let answer = Description::parse(answer).map_err(|_| Unusable(488))?;
        let offered = self.offered.as_ref().ok_or(Unusable(488))?;
        self.agreed = Some(sdp::accept(offered, &answer).map_err(|_| Unusable(488))?);
        self.peer = Some(answer);
        Ok(())
    }

    /// Codecs in the order in which this leg spoke or would speak them, for the other leg's offer.
    pub fn preference(&self) -> Vec<Codec> {
        let spoken = self.agreed.as_ref().map(|agreed| agreed.codec);
        let rest = self.codecs.iter().copied().filter(|codec| Some(*codec) != spoken);
        spoken.into_iter().chain(rest).collect()
    }
}

impl Leg {
    /// Tells media what was agreed.
    pub fn describe(&self, context: &mut Context<'_>) {
        if let Some(negotiated) = self.media.agreed {
            context.media(Command::Describe { port: self.id, negotiated });
        }
    }

    pub fn hold(&self) -> Hold {
        match &self.media.agreed {
            Some(agreed) if agreed.on_hold => Hold::ByPeer,
            _ => Hold::Open,
        }
    }
}
