//! Owns the encryption of one port's packets (RFC 3711 with keys of RFC 4568). Does not own how the keys were agreed
//! (see [`sdp::Srtp`]), nor whose packets are believed (see [`crate::port_source`]).
//!
//! A stream (an SSRC) has a context of its own, which begins with its first authentic packet. Packets of unknown streams
//! are tried with a context that is thrown away before it remembers more than a few of them, so that forged packets
//! cost no memory.

use std::fmt;

use rtc_srtp::context::Context;
use rtc_srtp::crypto::providers::RingCrypto;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;
use sdp::{MasterKey, Srtp, Suite};
use smallvec::SmallVec;

/// Numbers behind the highest that are still told from replays (RFC 3711 §3.3.2 wants 64 at least).
const WINDOW: usize = 128;

/// Streams of one peer at a time: its own, those of servers before it, and their RTCP.
const STREAMS: usize = 8;

/// Forged packets of unknown streams until their context is thrown away.
const TRIES: u16 = 64;

/// Bytes that encryption adds to a packet at most: index and tag of SRTCP.
pub const OVERHEAD: usize = 14;

/// Both ways of a port.
pub struct Secured {
    agreed: Srtp,
    out: Context,
    streams: SmallVec<[(u32, Context); 2]>,
    probe: Context,
    tried: u16,
}

/// Why a packet was not let through: it is not the peer's, or it came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// What a packet is, for its encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rtp,
    Rtcp,
}

impl Secured {
    /// Contexts that have seen no packet; `None` when the machine's cryptography refuses the keys.
    pub fn new(agreed: Srtp) -> Option<Secured> {
        Some(Secured {
            agreed,
            out: context(agreed.suite, &agreed.ours)?,
            streams: SmallVec::new(),
            probe: context(agreed.suite, &agreed.theirs)?,
            tried: 0,
        })
    }

    /// Takes a new agreement. A key that stays keeps its counters: the same key and number never encrypt twice.
    pub fn rekey(&mut self, agreed: Srtp) -> Option<()> {
        let same_suite = agreed.suite == self.agreed.suite;
        if !same_suite || agreed.ours != self.agreed.ours {
            self.out = context(agreed.suite, &agreed.ours)?;
        }
        if !same_suite || agreed.theirs != self.agreed.theirs {
            self.streams.clear();
            self.probe = context(agreed.suite, &agreed.theirs)?;
            self.tried = 0;
        }
        self.agreed = agreed;
        Some(())
    }

    /// Decrypts an RTP packet where it lies and says how long it is.
    pub fn open_rtp(&mut self, datagram: &mut [u8]) -> Result<usize, Refused> {
        let ssrc = ssrc_at(datagram, 8)?;
        self.open(Kind::Rtp, ssrc, datagram)
    }

    /// Decrypts an RTCP compound where it lies and says how long it is.
    pub fn open_rtcp(&mut self, datagram: &mut [u8]) -> Result<usize, Refused> {
        let ssrc = ssrc_at(datagram, 4)?;
        // RFC 3711 §3.4: a report that says it is not encrypted (E = 0) is not the peer's, who encrypts all of them.
        let flag = datagram.len().checked_sub(OVERHEAD).and_then(|at| datagram.get(at)).ok_or(Refused)?;
        if flag & 0x80 == 0 {
            return Err(Refused);
        }
        self.open(Kind::Rtcp, ssrc, datagram)
    }

    /// Encrypts an RTP packet; `None` when its key is used up, which ends the stream (RFC 3711 §9.2).
    pub fn seal_rtp(&mut self, packet: &[u8]) -> Option<bytes::BytesMut> {
        self.out.encrypt_rtp(packet).ok()
    }

    /// Encrypts an RTCP compound.
    pub fn seal_rtcp(&mut self, compound: &[u8]) -> Option<bytes::BytesMut> {
        self.out.encrypt_rtcp(compound).ok()
    }

    fn open(&mut self, kind: Kind, ssrc: u32, datagram: &mut [u8]) -> Result<usize, Refused> {
        let known = self.streams.iter_mut().find(|(stream, _)| *stream == ssrc);
        let is_known = known.is_some();
        let context = known.map_or(&mut self.probe, |(_, context)| context);
        let opened = match kind {
            Kind::Rtp => context.decrypt_rtp(datagram),
            Kind::Rtcp => context.decrypt_rtcp(datagram),
        };
        let Ok(plain) = opened else {
            if !is_known {
                self.forget_tries();
            }
            return Err(Refused);
        };
        if !is_known {
            self.welcome(ssrc);
        }
        let length = plain.len();
        datagram.get_mut(..length).ok_or(Refused)?.copy_from_slice(&plain);
        Ok(length)
    }

    /// The probe has opened the first packet of `ssrc` and knows its number: it becomes the stream's own.
    fn welcome(&mut self, ssrc: u32) {
        let Some(next) = context(self.agreed.suite, &self.agreed.theirs) else { return };
        let own = std::mem::replace(&mut self.probe, next);
        self.tried = 0;
        if self.streams.len() == STREAMS {
            self.streams.remove(0);
        }
        self.streams.push((ssrc, own));
    }

    #[cold]
    fn forget_tries(&mut self) {
        self.tried += 1;
        if self.tried >= TRIES
            && let Some(next) = context(self.agreed.suite, &self.agreed.theirs)
        {
            self.probe = next;
            self.tried = 0;
        }
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secured({} streams)", self.streams.len())
    }
}

fn context(suite: Suite, key: &MasterKey) -> Option<Context> {
    let profile = match suite {
        Suite::Aes128Sha1Tag80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::Aes128Sha1Tag32 => ProtectionProfile::Aes128CmHmacSha1_32,
    };
    let (rtp, rtcp) = (srtp_replay_protection(WINDOW), srtcp_replay_protection(WINDOW));
    Context::new(key.key(), key.salt(), profile, Some(rtp), Some(rtcp), &RingCrypto).ok()
}

fn ssrc_at(datagram: &[u8], at: usize) -> Result<u32, Refused> {
    let bytes = datagram.get(at..at + 4).and_then(|bytes| bytes.first_chunk::<4>());
    bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or(Refused)
}

#[cfg(test)]
mod tests;
