//! Owns the ids of calls and what belongs to them, and the generator that mints them.

use std::fmt;
use std::str::FromStr;

/// Mints ids that never clash across nodes, shards or restarts, without a lock.
///
/// An id is 64 bits: 48 bits that start at the second of the generator's start (since 2020) × 65,536 and count
/// up, 8 bits of node, 8 bits of shard. Ids of one generator ascend; two starts of one shard clash only if the
/// first minted more than 65,536 ids per second of its whole life.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdGen {
    next: u64,
    origin: u64,
}

impl IdGen {
    /// A generator for `shard` of `node` that started `start_secs` after 1970.
    pub fn new(node: u8, shard: u8, start_secs: i64) -> IdGen {
        const EPOCH_2020: i64 = 1_577_836_800;
        let secs = u64::try_from(start_secs - EPOCH_2020).unwrap_or(0) & 0xffff_ffff;
        IdGen { next: secs << 16, origin: u64::from(node) << 8 | u64::from(shard) }
    }

    /// The next raw id.
    pub fn next_raw(&mut self) -> u64 {
        self.next += 1;
        self.next << 16 | self.origin
    }

    /// The next id of any kind.
    pub fn mint<T: From<u64>>(&mut self) -> T {
        T::from(self.next_raw())
    }
}

/// The shard in whose generator `raw` was minted.
const fn shard_of(raw: u64) -> u8 {
    (raw & 0xff) as u8
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Lets `take` have `raw` as text.
fn with_base32<T>(raw: u64, take: impl FnOnce(&str) -> T) -> T {
    let mut text = [0u8; 13];
    for (place, slot) in text.iter_mut().rev().enumerate() {
        *slot = ALPHABET[(raw >> (5 * place) & 31) as usize];
    }
    take(std::str::from_utf8(&text).unwrap_or_default())
}

/// A text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("«{0}» 不是有效的编号 / is not an id (13 characters of 0-9 a-z without i l o u)")]
pub struct ParseIdError(pub String);

fn parse_base32(text: &str) -> Result<u64, ParseIdError> {
    let fail = || ParseIdError(text.to_owned());
    if text.len() != 13 {
        return Err(fail());
    }
    let mut raw: u64 = 0;
    for byte in text.bytes().map(|b| b.to_ascii_lowercase()) {
        let digit = ALPHABET.iter().position(|c| *c == byte).ok_or_else(fail)? as u64;
        raw = raw.checked_mul(32).and_then(|r| r.checked_add(digit)).ok_or_else(fail)?;
    }
    Ok(raw)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The 64 bits of the id.
            pub const fn raw(self) -> u64 {
                self.0
            }

            /// The shard that minted it.
            pub const fn shard(self) -> u8 {
                shard_of(self.0)
            }
        }

        impl From<u64> for $name {
            fn from(raw: u64) -> $name {
                $name(raw)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                with_base32(self.0, |text| f.write_str(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                with_base32(self.0, |text| f.write_str(text))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<$name, ParseIdError> {
                parse_base32(text).map($name)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                with_base32(self.0, |text| serializer.serialize_str(text))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// One call: everything between a caller's INVITE (or our first) and its one release.
    CallId;
    /// One party's SIP dialog and media port within a call.
    LegId;
    /// A caller's place in a queue.
    EntryId;
    /// One attempt to give an entry to an agent.
    OfferId;
    /// One recording.
    RecordingId;
    /// One playing of a list of prompts.
    PlayId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_carry_their_shard_and_survive_their_text() {
        let mut ids = IdGen::new(3, 7, 1_795_000_000);
        let (a, b): (CallId, CallId) = (ids.mint(), ids.mint());
        assert!(a < b && a.to_string() < b.to_string());
        assert_eq!(a.shard(), 7);
        assert_eq!(a.to_string().parse(), Ok(a));
        assert_eq!(serde_json::from_str::<CallId>(&serde_json::to_string(&a).unwrap()).unwrap(), a);
    }

    #[test]
    fn generators_of_other_shards_and_starts_do_not_clash() {
        let of = |shard, start| IdGen::new(0, shard, start).next_raw();
        let all = [of(0, 1_795_000_000), of(1, 1_795_000_000), of(0, 1_795_000_001)];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    }

    #[test]
    fn rubbish_is_no_id() {
        for text in ["", "0123", "iiiiiiiiiiiii", "zzzzzzzzzzzzz", "呼叫"] {
            assert!(text.parse::<CallId>().is_err(), "{text}");
        }
    }
}
