//! Owns one party's SIP session and media port. Does not own what the party means to the call (see `party`).

use std::net::SocketAddr;

use bytes::Bytes;
use media::command::Command;
use model::LegId;
use routing::{CodecChoice, KeyChoice, MediaChoice, SrtpChoice};
use sdp::{
    Codec, Codecs, Description, Direction, Fax, FaxTerms, KeyWay, Local, MasterKey, Negotiated, PTIME_MS,
    Secrecy,
};
use sip::session::Session;

use crate::context::Context;

/// One party's SIP session and media port.
#[derive(Debug)]
pub(crate) struct Leg {
    pub id: LegId,
    /// Boxed, as its media is: a leg moves from place to place within its call.
    pub session: Box<Session>,
    pub media: Box<LegMedia>,
}

/// Whether the peer lets us hear and be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Both ways are open.
    Open,
    /// The peer put us on hold.
    ByPeer,
}

/// What a leg may agree on.
#[derive(Clone, Debug)]
pub(crate) struct MediaTerms {
    /// The best first.
    pub codecs: Codecs,
    srtp: SrtpChoice,
    keys: KeyChoice,
    noise: bool,
    t38: bool,
    /// Milliseconds of audio per packet that it is asked for.
    ptime_ms: u16,
}

impl MediaTerms {
    /// An operator's choice.
    pub fn of(choice: &MediaChoice) -> MediaTerms {
        let codec = |choice: &CodecChoice| match choice {
            CodecChoice::Pcma => Codec::Pcma,
            CodecChoice::Pcmu => Codec::Pcmu,
            CodecChoice::G722 => Codec::G722,
            CodecChoice::G729 => Codec::G729,
            CodecChoice::Opus => Codec::Opus,
        };
        MediaTerms {
            codecs: choice.codecs.iter().map(codec).collect(),
            srtp: choice.srtp,
            keys: choice.keys,
            noise: choice.comfort_noise,
            t38: choice.t38,
            ptime_ms: PTIME_MS,
        }
    }

    /// The codecs of `first` that are ours too, then our others.
    pub fn preferring(mut self, first: &[Codec]) -> MediaTerms {
        let ours = |codec: &&Codec| self.codecs.contains(codec);
        let mut codecs: Codecs = first.iter().filter(ours).copied().collect();
        self.codecs.retain(|codec| !codecs.contains(codec));
        codecs.append(&mut self.codecs);
        MediaTerms { codecs, ..self }
    }

    /// The same for who is heard by a peer that agreed on `agreed`: it is asked for packets of the length that peer wants,
    /// since they are passed on as they come.
    pub fn heard_by(self, agreed: Option<&Negotiated>) -> MediaTerms {
        MediaTerms { ptime_ms: agreed.map_or(PTIME_MS, |agreed| agreed.ptime_ms), ..self }
    }

    /// What was agreed, with the way of keys that the operator wants.
    fn applied_to(&self, negotiated: Negotiated) -> Negotiated {
        let keys = match (self.keys, negotiated.keys) {
            (KeyChoice::Info, _) => KeyWay::Info,
            (KeyChoice::Rfc4733, KeyWay::Inband) => KeyWay::Nowhere,
            (_, way) => way,
        };
        Negotiated { keys, ..negotiated }
    }
}

/// The leg's side of the media agreement.
#[derive(Clone, Debug)]
pub(crate) struct LegMedia {
    port: SocketAddr,
    terms: MediaTerms,
    secrecy: Secrecy,
    numbers: sdp::Session,
    /// The offer of ours that awaits its answer.
    offered: Option<Offered>,
    /// The peer's last description, read when it is asked for: our re-offers keep its streams in their places.
    peer: Option<Bytes>,
    pub agreed: Option<Negotiated>,
    carries: Carries,
}

/// An offer of ours.
#[derive(Clone, Debug)]
enum Offered {
    /// The first description of the session: it says what the leg may agree on.
    First,
    /// One that follows a description of the peer, read when the answer comes.
    Further(Bytes),
}

/// What is exchanged with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Audio,
    /// T.38; what was agreed of audio waits for its end.
    Fax,
}

/// Why a description cannot be used: the status to refuse it with (RFC 3261 §21.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable(pub u16);

impl LegMedia {
    /// `key` makes the leg's key where one is needed.
    pub fn new(
        leg: LegId,
        port: SocketAddr,
        terms: MediaTerms,
        key: impl FnOnce(LegId) -> MasterKey,
    ) -> Box<LegMedia> {
        let secrecy = match terms.srtp {
            SrtpChoice::Off => Secrecy::Off,
            SrtpChoice::Optional => Secrecy::Optional(key(leg)),
            SrtpChoice::Required => Secrecy::Required(key(leg)),
        };
        // The o= id is below 2^63 for peers that keep it in a signed number.
        let numbers = sdp::Session { id: leg.raw() >> 2, version: 0 };
        Box::new(LegMedia {
            port,
            terms,
            secrecy,
            numbers,
            offered: None,
            peer: None,
            agreed: None,
            carries: Carries::Audio,
        })
    }

    fn local(&self) -> Local {
        Local {
            address: self.port.ip(),
            port: self.port.port(),
            codecs: self.terms.codecs.clone(),
            dtmf: matches!(self.terms.keys, KeyChoice::Auto | KeyChoice::Rfc4733),
            noise: self.terms.noise,
            secrecy: self.secrecy,
            ptime_ms: self.terms.ptime_ms,
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
        self.agreed = Some(self.terms.applied_to(negotiated));
        self.carries = Carries::Audio;
        self.peer = Some(offer.into_bytes());
        Ok(answer)
    }

    /// Answers a further offer of the peer's. Where that comes to what we `said` last, it is said again in the same words
    /// and with the same version (RFC 3264 §8): a peer that only refreshes its session sees that nothing changed.
    pub fn answer_again(&mut self, offer: &[u8], said: Option<&Bytes>) -> Result<Bytes, Unusable> {
        let answer = self.answer(offer)?;
        match said {
            Some(said) if sdp::says_the_same(said, &answer) => {
                self.numbers.version -= 1;
                Ok(said.clone())
            }
            _ => Ok(answer),
        }
    }

    /// Makes an offer of ours.
    pub fn offer(&mut self) -> Bytes {
        let local = self.local();
        self.numbers.version += 1;
        let Some(peer) = self.last_of_peer() else {
            self.offered = Some(Offered::First);
            return sdp::offer(&local);
        };
        let text = sdp::reoffer(&local, &peer);
        self.offered = Some(Offered::Further(text.clone()));
        text
    }

    /// Takes the peer's answer to our last offer.
    pub fn accept(&mut self, answer: &[u8]) -> Result<(), Unusable> {
        let answer = Description::parse(answer).map_err(|_| Unusable(488))?;
        let negotiated = match &self.offered {
            Some(Offered::First) => sdp::accept_first(&self.local(), &answer),
            Some(Offered::Further(text)) => sdp::accept(&read_again(text)?, &answer),
            None => return Err(Unusable(488)),
        };
        let negotiated = negotiated.map_err(|_| Unusable(488))?;
        self.agreed = Some(self.terms.applied_to(negotiated));
        self.carries = Carries::Audio;
        self.peer = Some(answer.into_bytes());
        Ok(())
    }

    /// Whether audio may make room for T.38: never where it is encrypted, since UDPTL is not.
    pub fn may_fax(&self) -> bool {
        self.terms.t38 && self.agreed.is_some_and(|agreed| agreed.srtp.is_none())
    }

    /// Whether T.38 has taken the audio's place.
    pub fn is_fax(&self) -> bool {
        self.carries == Carries::Fax
    }

    /// The T.38 stream of a peer's offer, if that is what it asks for.
    pub fn fax_in(&self, offer: &[u8]) -> Option<(Description, Fax)> {
        let offer = Description::parse(offer).ok()?;
        let fax = sdp::fax(&offer, &self.local())?.ok()?;
        Some((offer, fax))
    }

    /// Makes an offer of T.38 on the other side's terms.
    pub fn offer_fax(&mut self, terms: &FaxTerms) -> Bytes {
        let local = self.local();
        self.numbers.version += 1;
        let text = sdp::offer_fax(&local, terms, self.last_of_peer().as_ref());
        self.offered = Some(Offered::Further(text.clone()));
        text
    }

    /// Answers an offer in which [`LegMedia::fax_in`] found T.38, on the other side's terms.
    pub fn answer_fax(&mut self, offer: Description, terms: &FaxTerms) -> Option<Bytes> {
        let text = sdp::answer_fax(&offer, &self.local(), terms)?;
        self.numbers.version += 1;
        self.carries = Carries::Fax;
        self.peer = Some(offer.into_bytes());
        Some(text)
    }

    /// Takes the peer's answer to our offer of T.38.
    pub fn accept_fax(&mut self, answer: &[u8]) -> Result<Fax, Unusable> {
        let answer = Description::parse(answer).map_err(|_| Unusable(488))?;
        let Some(Offered::Further(text)) = &self.offered else { return Err(Unusable(488)) };
        let fax = sdp::accept_fax(&read_again(text)?, &answer, &self.local()).map_err(|_| Unusable(488))?;
        self.carries = Carries::Fax;
        self.peer = Some(answer.into_bytes());
        Ok(fax)
    }

    fn last_of_peer(&self) -> Option<Description> {
        // invariant: it was read when it came.
        self.peer.clone().and_then(|text| Description::parse_bytes(text).ok())
    }

    /// Codecs in the order in which this leg spoke or would speak them, for the other leg's offer.
    pub fn preference(&self) -> Codecs {
        let spoken = self.agreed.as_ref().map(|agreed| agreed.codec);
        let rest = self.terms.codecs.iter().copied().filter(|codec| Some(*codec) != spoken);
        spoken.into_iter().chain(rest).collect()
    }
}

/// What we wrote.
fn read_again(text: &Bytes) -> Result<Description, Unusable> {
    // invariant: descriptions of ours can be read.
    Description::parse_bytes(text.clone()).map_err(|_| Unusable(488))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What an SBC offers, again and again.
    const OFFER: &str = "v=0\r\no=- 7 7 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
        m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

    fn version(text: &[u8]) -> u64 {
        let text = Description::parse(text).unwrap();
        let version = text.origin().unwrap().version;
        std::str::from_utf8(version).unwrap().parse().unwrap()
    }

    #[test]
    fn a_refresh_is_answered_in_the_same_words_and_a_change_with_the_next_version() {
        let leg = LegId::from(77);
        let port = "192.0.2.1:20000".parse().unwrap();
        let mut media =
            LegMedia::new(leg, port, MediaTerms::of(&MediaChoice::default()), |_| unreachable!("no SRTP"));
        let first = media.answer(OFFER.as_bytes()).unwrap();
        assert_eq!(version(&first), 0);
        for _ in 0..2 {
            assert_eq!(media.answer_again(OFFER.as_bytes(), Some(&first)).unwrap(), first);
        }
        let hold = format!("{OFFER}a=sendonly\r\n");
        let held = media.answer_again(hold.as_bytes(), Some(&first)).unwrap();
        assert_eq!(version(&held), 1, "RFC 3264 §8: by one");
        let resumed = media.answer_again(OFFER.as_bytes(), Some(&held)).unwrap();
        assert_eq!(version(&resumed), 2, "the words of version 0, which was not said last");
        // What was said last is an offer of ours: its answer reads otherwise.
        let offer = media.offer();
        assert_eq!(
            (version(&offer), version(&media.answer_again(OFFER.as_bytes(), Some(&offer)).unwrap())),
            (3, 4)
        );
    }
}
