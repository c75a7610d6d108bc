//! Owns the RTP header: a view of one that came, and the writing of ours (RFC 3550 §5.1). Does not own what a
//! stream of them means (see [`crate::rtp_receive`] and [`crate::rtp_send`]).

use std::ops::Range;

/// Bytes of the fixed header, which is all of ours.
pub const HEADER: usize = 12;

/// An RTP header and where its payload lies. Nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The marker: a talkspurt or event begins.
    pub marker: bool,
    /// 0–127.
    pub payload_type: u8,
    /// Ascends by one per packet, modulo 65,536.
    pub sequence: u16,
    /// Media time of the first sample, modulo 2³².
    pub timestamp: u32,
    /// Names the stream.
    pub ssrc: u32,
    start: u16,
    end: u16,
}

impl Header {
    /// Reads the header of a datagram; `None` when it is not RTP, or parts reach beyond its end.
    #[inline]
    pub fn parse(datagram: &[u8]) -> Option<Header> {
        let fixed = datagram.first_chunk::<HEADER>()?;
        // RFC 3550 §5.1: V=2, P, X, CC.
        if fixed[0] >> 6 != 2 || datagram.len() > usize::from(u16::MAX) {
            return None;
        }
        let mut start = HEADER + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            // RFC 3550 §5.3.1: the extension's length is in words, without its own four bytes.
            let length = datagram.get(start + 2..start + 4)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
        }
        let mut end = datagram.len();
        if fixed[0] & 0x20 != 0 {
            // The last byte counts the padding, itself included.
            let padding = usize::from(datagram[end - 1]);
            if padding == 0 {
                return None;
            }
            end = end.checked_sub(padding)?;
        }
        if start > end {
            return None;
        }
        Some(Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            // invariant: both are at most the datagram's length, which fits.
            start: start as u16,
            end: end as u16,
        })
    }

    /// Where the payload lies in the datagram.
    #[inline]
    pub fn payload(&self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

/// Writes a fixed header.
#[inline]
pub fn write_header(out: &mut [u8; HEADER], marker: Marker, payload_type: u8, at: (u16, u32), ssrc: u32) {
    let (sequence, timestamp) = at;
    out[0] = 0x80;
    out[1] = payload_type & 0x7f | marker.bit();
    out[2..4].copy_from_slice(&sequence.to_be_bytes());
    out[4..8].copy_from_slice(&timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

/// Whether a packet is the first of a talkspurt or event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// It is.
    First,
    /// It follows others.
    Following,
}

impl Marker {
    const fn bit(self) -> u8 {
        match self {
            Marker::First => 0x80,
            Marker::Following => 0,
        }
    }
}

/// Whether a datagram on an RTP socket is RTCP (RFC 5761 §4: the second byte is 192–223).
#[inline]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [_, 192..=223, ..])
}

#[cfg(test)]
mod tests;
