//! Owns the formats that descriptions of ours name, and what an offer of ours says as far as its answer is measured by it:
//! known from what it was written of, or read from its text. Does not own what is agreed (see [`super::accept`]).

use std::net::IpAddr;

use smallvec::SmallVec;

use super::{COMFORT_NOISE, Numbers, Protocol, is_secure, push_number};
use crate::crypto::Chosen;
use crate::description::{Connection, Formats, Media, RtpMap};
use crate::{Codec, Direction, Local, MasterKey, Suite};

/// One format as we write it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub number: u8,
    name: &'static str,
    clock: u32,
    channels: &'static str,
    parameters: Option<&'static str>,
}

impl Written {
    /// `codec` under `number`.
    pub fn codec(number: u8, codec: Codec) -> Written {
        let (name, clock) = (codec.name(), codec.clock_rate());
        let (channels, parameters) = (codec.rtpmap_channels(), codec.format_parameters());
        Written { number, name, clock, channels, parameters }
    }

    /// Comfort noise at 8 kHz under `number`.
    pub fn noise(number: u8) -> Written {
        Written { number, name: "CN", clock: 8_000, channels: "", parameters: None }
    }

    /// telephone-event at `clock` Hz under `number`. RFC 4733 §2.4.1: events 0–15 are the telephone's keys.
    pub fn events(number: u8, clock: u32) -> Written {
        Written { number, name: "telephone-event", clock, channels: "", parameters: Some("0-15") }
    }

    /// What an offer of `local` names, in its order.
    pub fn offered(local: &Local, numbers: &Numbers) -> SmallVec<[Written; 8]> {
        let codecs = local.codecs.iter().map(|codec| Written::codec(numbers.of(*codec), *codec));
        // RFC 3389 §4: 13 is static, and for codecs of 8 kHz.
        let noise = local.noise && local.codecs.iter().any(|codec| *codec != Codec::Opus);
        let noise = noise.then(|| Written::noise(COMFORT_NOISE));
        let spoken = |clock: u32| {
            local.dtmf && local.codecs.iter().any(|codec| codec.clock_rate() == clock || clock == 8_000)
        };
        let clocks = numbers.events.into_iter().zip([8_000, 48_000]);
        let events = clocks.filter(|(_, clock)| spoken(*clock));
        codecs.chain(noise).chain(events.map(|(number, clock)| Written::events(number, clock))).collect()
    }

    /// Writes what its number means.
    pub fn push(self, text: &mut String) {
        text.push_str("a=rtpmap:");
        push_number(text, self.number.into());
        text.push(' ');
        text.push_str(self.name);
        text.push('/');
        push_number(text, self.clock.into());
        text.push_str(self.channels);
        text.push_str("\r\n");
        if let Some(parameters) = self.parameters {
            text.push_str("a=fmtp:");
            push_number(text, self.number.into());
            text.push(' ');
            text.push_str(parameters);
            text.push_str("\r\n");
        }
    }

    fn map(self) -> RtpMap<'static> {
        RtpMap {
            payload_type: self.number,
            encoding: self.name.as_bytes(),
            clock_rate: self.clock,
            parameters: self.channels.strip_prefix('/').map(str::as_bytes),
        }
    }
}

/// What our stream in an offer says.
pub(super) struct Ours<'a> {
    pub formats: Formats<'a>,
    pub direction: Direction,
    /// The answer's address must be of the same version of IP.
    pub address: IpAddr,
    /// Whether its profile is that of SRTP.
    pub is_secure: bool,
    /// The key of all its lines.
    pub key: Option<MasterKey>,
    /// Its lines' tags and suites (RFC 4568 §4).
    pub lines: SmallVec<[(u32, Suite); 2]>,
    pub rtcp_mux: bool,
}

impl<'a> Ours<'a> {
    /// Of the offer that [`super::offer`] writes of `local`.
    pub fn of(local: &Local) -> Ours<'static> {
        let numbers = Numbers::ours();
        let maps = Written::offered(local, &numbers).into_iter().map(Written::map);
        let key = local.secrecy.key();
        Ours {
            formats: Formats::named(maps),
            direction: local.direction,
            address: local.address,
            is_secure: numbers.protocol.is_secure(local),
            key,
            lines: key.into_iter().flat_map(|_| Suite::tagged()).collect(),
            rtcp_mux: false,
        }
    }

    /// Of the stream `media` in an offer's text.
    pub fn read(media: &Media<'a>) -> Ours<'a> {
        let suite = |name: &[u8]| Suite::ALL.into_iter().find(|suite| suite.name().as_bytes() == name);
        let address = match media.connection() {
            Some(Connection::Address(ip) | Connection::Multicast(ip)) => ip,
            Some(Connection::Name(_)) | None => IpAddr::from([0, 0, 0, 0]),
        };
        Ours {
            formats: media.formats_read(),
            direction: media.direction(),
            address,
            is_secure: is_secure(media),
            key: Chosen::of(media).map(|chosen| chosen.theirs),
            lines: media.crypto().filter_map(|line| Some((line.tag, suite(line.suite)?))).collect(),
            rtcp_mux: media.rtcp_mux(),
        }
    }
}

impl Protocol {
    /// Whether our stream's profile is that of SRTP.
    pub fn is_secure(self, local: &Local) -> bool {
        local.secrecy.is_required() || local.secrecy.key().is_some() && self == Protocol::Secure
    }
}
