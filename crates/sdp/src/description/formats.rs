//! Owns what the payload types of a stream mean (RFC 8866 §6.6, RFC 3551 §6). Does not own the stream's lines (see
//! [`super::Media`]).

use smallvec::SmallVec;

use super::{number, word};
use crate::Codec;

/// The payload types of a stream with what they mean.
#[derive(Clone, Debug)]
pub struct Formats<'a> {
    list: SmallVec<[(u8, Option<RtpMap<'a>>); 8]>,
}

impl<'a> Formats<'a> {
    /// What `payload_types` mean by `maps`: each once, by the first map that names it.
    pub(super) fn of(
        payload_types: impl Iterator<Item = u8>,
        maps: impl Iterator<Item = RtpMap<'a>>,
    ) -> Formats<'a> {
        let mut seen = 0_u128;
        let mut is_new = |number: &u8| {
            let known = seen;
            seen |= 1 << *number;
            seen != known
        };
        let mut list: SmallVec<[(u8, Option<RtpMap<'a>>); 8]> =
            payload_types.filter(|number| is_new(number)).map(|number| (number, None)).collect();
        for map in maps {
            if let Some((_, meaning)) = list.iter_mut().find(|(number, _)| *number == map.payload_type) {
                meaning.get_or_insert(map);
            }
        }
        Formats { list }
    }

    /// Payload types of ours, which are named each.
    pub(crate) fn named(maps: impl Iterator<Item = RtpMap<'a>>) -> Formats<'a> {
        Formats { list: maps.map(|map| (map.payload_type, Some(map))).collect() }
    }

    /// The payload types, each once, in the peer's order of preference.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.list.iter().map(|(number, _)| *number)
    }

    /// What `payload_type` means, from its `a=rtpmap`.
    pub fn rtpmap(&self, payload_type: u8) -> Option<&RtpMap<'a>> {
        self.list.iter().find(|(number, _)| *number == payload_type)?.1.as_ref()
    }

    /// The payload type that carries `codec`: named by an `a=rtpmap`, else the static one (RFC 3551 §6).
    pub fn payload_type_of(&self, codec: Codec) -> Option<u8> {
        self.find(|number, map| carries(number, map, codec))
    }

    /// The payload types that carry a codec of ours, each with it.
    pub fn codecs(&self) -> impl Iterator<Item = (u8, Codec)> {
        self.list.iter().filter_map(|(number, map)| {
            Some((*number, Codec::ALL.into_iter().find(|codec| carries(*number, map.as_ref(), *codec))?))
        })
    }

    /// The payload type of telephone-event at `clock_rate` Hz (RFC 4733 §7.1.1).
    pub fn telephone_event(&self, clock_rate: u32) -> Option<u8> {
        self.find(|_, map| map.is_some_and(|map| map.is("telephone-event", clock_rate)))
    }

    /// The payload type of comfort noise at 8 kHz (RFC 3389 §4): 13, or another that is named so.
    pub fn comfort_noise(&self) -> Option<u8> {
        self.find(|number, map| match map {
            Some(map) => map.is("CN", 8_000),
            None => number == 13,
        })
    }

    fn find(&self, is_it: impl Fn(u8, Option<&RtpMap<'a>>) -> bool) -> Option<u8> {
        self.list.iter().find(|(number, map)| is_it(*number, map.as_ref())).map(|(number, _)| *number)
    }
}

/// Whether `payload_type`, which means `map`, carries `codec`.
fn carries(payload_type: u8, map: Option<&RtpMap<'_>>, codec: Codec) -> bool {
    match map {
        // RFC 7587 §6.1: Opus says two channels however many it has; some write none.
        Some(map) if codec == Codec::Opus => map.is(codec.name(), codec.clock_rate()),
        // RFC 3551 §4.5.2 says 8,000 for G.722; some write the true 16,000 and count by 8,000 all the same.
        Some(map) if codec == Codec::G722 => {
            (map.is(codec.name(), 8_000) || map.is(codec.name(), 16_000)) && map.is_mono()
        }
        Some(map) => map.is(codec.name(), codec.clock_rate()) && map.is_mono(),
        None => codec.is_static() && payload_type == codec.payload_type(),
    }
}

/// What a payload type means (RFC 8866 §6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpMap<'a> {
    /// Which payload type, 0–127.
    pub payload_type: u8,
    /// The encoding's name, as the peer wrote it.
    pub encoding: &'a [u8],
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Encoding parameters: for audio the number of channels.
    pub parameters: Option<&'a [u8]>,
}

impl<'a> RtpMap<'a> {
    pub(super) fn read(value: &'a [u8]) -> Option<RtpMap<'a>> {
        let (payload_type, rest) = word(value)?;
        let (encoding, rest) = divided(rest);
        let (clock_rate, parameters) = divided(rest?);
        Some(RtpMap {
            payload_type: number(payload_type).filter(|number| *number < 128)?,
            encoding,
            clock_rate: number(clock_rate)?,
            parameters: parameters.map(<[u8]>::trim_ascii),
        })
    }

    fn is(&self, encoding: &str, clock_rate: u32) -> bool {
        self.clock_rate == clock_rate && self.encoding.eq_ignore_ascii_case(encoding.as_bytes())
    }

    fn is_mono(&self) -> bool {
        self.parameters.is_none_or(|channels| channels == b"1" || channels.is_empty())
    }
}

/// What stands before the first `/`, trimmed, and what stands behind it.
fn divided(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'/', text) {
        Some(slash) => (text[..slash].trim_ascii(), Some(&text[slash + 1..])),
        None => (text.trim_ascii(), None),
    }
}
