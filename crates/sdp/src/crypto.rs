//! Owns SRTP keys in session descriptions (RFC 4568, SDES). Does not own their use (see `media`).

use std::fmt;

use crate::description::{Crypto, Media};

/// Whether a leg's media are encrypted, and our key for what we send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrecy {
    /// Plain RTP alone.
    #[default]
    Off,
    /// SRTP where the peer can, plain RTP where it cannot.
    Optional(MasterKey),
    /// SRTP or no call.
    Required(MasterKey),
}

impl Secrecy {
    /// Our key.
    pub const fn key(&self) -> Option<MasterKey> {
        match self {
            Secrecy::Off => None,
            Secrecy::Optional(key) | Secrecy::Required(key) => Some(*key),
        }
    }

    /// Whether plain RTP is out of the question.
    pub const fn is_required(&self) -> bool {
        matches!(self, Secrecy::Required(_))
    }
}

/// How packets are encrypted and authenticated (RFC 4568 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80`: a tag of 10 bytes.
    Aes128Sha1Tag80,
    /// `AES_CM_128_HMAC_SHA1_32`: a tag of 4 bytes.
    Aes128Sha1Tag32,
}

impl Suite {
    /// Those we speak, the best first.
    pub const ALL: [Suite; 2] = [Suite::Aes128Sha1Tag80, Suite::Aes128Sha1Tag32];

    /// Those we speak, each with the tag under which we offer it.
    pub(crate) fn tagged() -> impl Iterator<Item = (u32, Suite)> {
        (1..).zip(Suite::ALL)
    }

    /// The name in `a=crypto`.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::Aes128Sha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Aes128Sha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }
}

/// A master key of 16 bytes and its salt of 14 (RFC 3711 §8.2).
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MasterKey(pub [u8; MasterKey::BYTES]);

impl MasterKey {
    /// Key and salt.
    pub const BYTES: usize = 30;

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.0[..16]
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.0[16..]
    }

    fn to_text(self) -> String {
        // 30 bytes are 40 characters without padding.
        self.0
            .chunks(3)
            .flat_map(|three| {
                let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
                [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize]))
            })
            .collect()
    }

    fn parse(text: &[u8]) -> Option<MasterKey> {
        let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
        if text.len() != 40 {
            return None;
        }
        let mut key = [0; MasterKey::BYTES];
        for (four, three) in text.chunks(4).zip(key.chunks_mut(3)) {
            let mut bits = 0;
            for character in four {
                let place = ALPHABET.iter().position(|known| known == character)?;
                bits = bits << 6 | place as u32;
            }
            three.copy_from_slice(&bits.to_be_bytes()[1..]);
        }
        Some(MasterKey(key))
    }
}

// A key never reaches a log.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// What both ways of a stream are encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Srtp {
    /// How.
    pub suite: Suite,
    /// With which key we send.
    pub ours: MasterKey,
    /// With which key the peer sends.
    pub theirs: MasterKey,
}

/// What a peer's stream offers of SRTP: the first line that we can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Names the line.
    pub tag: u32,
    pub suite: Suite,
    pub theirs: MasterKey,
}

impl Chosen {
    /// RFC 4568 §5.1.2: the offerer's order decides among those that we can speak.
    pub fn of(media: &Media<'_>) -> Option<Chosen> {
        media.crypto().find_map(|line| Chosen::read(&line))
    }

    fn read(line: &Crypto<'_>) -> Option<Chosen> {
        let suite = Suite::ALL.into_iter().find(|suite| suite.name().as_bytes() == line.suite)?;
        // RFC 4568 §6.3: a line with a parameter that changes the stream and is not understood is not taken. A hint
        // for the replay window (WSH) changes nothing.
        let understood = line.parameters.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        if !understood.into_iter().all(|word| word.starts_with(b"WSH=")) {
            return None;
        }
        Some(Chosen { tag: line.tag, suite, theirs: inline(line.key)? })
    }

    /// The agreement, with our key.
    pub fn with(self, ours: MasterKey) -> Srtp {
        Srtp { suite: self.suite, ours, theirs: self.theirs }
    }
}

/// RFC 4568 §6.1: `inline:<key and salt>[|lifetime][|MKI:length]`. With an MKI each packet would carry another field.
fn inline(text: &[u8]) -> Option<MasterKey> {
    let prefix = text.get(..7).filter(|prefix| prefix.eq_ignore_ascii_case(b"inline:"))?;
    // More than one key, or a key that is named in packets.
    if text.contains(&b';') {
        return None;
    }
    let mut parts = text[prefix.len()..].split(|byte| *byte == b'|');
    let key = MasterKey::parse(parts.next()?)?;
    parts.all(|part| !part.contains(&b':')).then_some(key)
}

/// The line that offers or accepts `suite` under `tag`.
pub(crate) fn line(tag: u32, suite: Suite, key: MasterKey) -> String {
    format!("a=crypto:{tag} {} inline:{}\r\n", suite.name(), key.to_text())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_the_rfc_writes_them() {
        // RFC 4568 §6.1, the example: key and salt in base64.
        let key = inline(b"inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20").unwrap();
        assert_eq!(key.key(), b"wDfvg&T+)xG7@fb5");
        assert_eq!(key.salt(), b"jU,RaA}\\|p0%*#");
        assert_eq!(inline(format!("inline:{}", key.to_text()).as_bytes()), Some(key));
        let text = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        for bad in [format!("inline:{text}|2^20|1:4"), format!("inline:{text}|1:4"), "inline:QUJD".into()] {
            assert_eq!(inline(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }
}
