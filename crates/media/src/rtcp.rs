//! Owns RTCP packets: views of those that came and the writing of ours (RFC 3550 §6). Does not own the figures in
//! them (see [`crate::rtp_receive`] and [`crate::rtp_send`]).

use clock::Instant;

/// Bytes of the longest compound packet that [`write_report`] or [`write_bye`] makes.
pub const MAX_COMPOUND: usize = 28 + 24 + 28 + 8;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Its clock, in 2⁻³² s.
    pub ntp: u64,
    /// The same moment in its media time.
    pub rtp: u32,
    /// Packets sent since the stream began.
    pub packets: u32,
    /// Payload bytes sent since the stream began.
    pub octets: u32,
}

/// What a receiver says of a stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// Which stream.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative with duplicates.
    pub lost: i32,
    /// The highest sequence number, extended by its wraps.
    pub highest: u32,
    /// Interarrival jitter in samples.
    pub jitter: u32,
    /// The middle 32 bits of `ntp` of the last sender report from there; 0 for none.
    pub last_report: u32,
    /// Since then, in 2⁻¹⁶ s.
    pub since_last_report: u32,
}

/// A packet of a compound that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rtcp<'a> {
    /// A sender's report.
    SenderReport {
        /// Who.
        ssrc: u32,
        /// About itself.
        info: SenderInfo,
        /// About others.
        reports: Reports<'a>,
    },
    /// A receiver's report.
    ReceiverReport {
        /// Who.
        ssrc: u32,
        /// About others.
        reports: Reports<'a>,
    },
    /// The sender of the first stream named leaves.
    Bye {
        /// Who.
        ssrc: u32,
    },
    /// Another kind.
    Other,
}

/// The report blocks of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports<'a>(&'a [u8]);

impl Reports<'_> {
    /// The block about `ssrc`.
    pub fn about(&self, ssrc: u32) -> Option<ReportBlock> {
        self.0.chunks_exact(24).map(block).find(|block| block.ssrc == ssrc)
    }

    /// All blocks.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> {
        self.0.chunks_exact(24).map(block)
    }
}

/// The packets of a compound datagram, up to the first that is malformed (RFC 3550 A.2).
pub fn packets(datagram: &[u8]) -> impl Iterator<Item = Rtcp<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<4>()?;
        let length = 4 + 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] >> 6 != 2 || length > rest.len() {
            rest = &[];
            return None;
        }
        let (packet, behind) = rest.split_at(length);
        rest = behind;
        Some(read(header[1], usize::from(header[0] & 0x1f), &packet[4..]).unwrap_or(Rtcp::Other))
    })
}

fn read(kind: u8, count: usize, body: &[u8]) -> Option<Rtcp<'_>> {
    let ssrc = word(body, 0)?;
    match kind {
        SENDER_REPORT => Some(Rtcp::SenderReport {
            ssrc,
            info: SenderInfo {
                ntp: u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?),
                rtp: word(body, 12)?,
                packets: word(body, 16)?,
                octets: word(body, 20)?,
            },
            reports: Reports(body.get(24..24 + 24 * count)?),
        }),
        RECEIVER_REPORT => {
            Some(Rtcp::ReceiverReport { ssrc, reports: Reports(body.get(4..4 + 24 * count)?) })
        }
        BYE if count > 0 => Some(Rtcp::Bye { ssrc }),
        _ => None,
    }
}

/// `bytes` has 24.
fn block(bytes: &[u8]) -> ReportBlock {
    let at = |offset| word(bytes, offset).unwrap_or(0);
    let second = at(4);
    ReportBlock {
        ssrc: at(0),
        fraction_lost: (second >> 24) as u8,
        // 24 bits, signed.
        lost: (second << 8).cast_signed() >> 8,
        highest: at(8),
        jitter: at(12),
        last_report: at(16),
        since_last_report: at(20),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

/// Writes a report with its source description (RFC 3550 §6.1) and says how long it is: a sender's when there is
/// `sender`, else a receiver's.
pub fn write_report(
    out: &mut [u8; MAX_COMPOUND],
    ssrc: u32,
    cname: u64,
    sender: Option<SenderInfo>,
    report: Option<ReportBlock>,
) -> usize {
    let mut to = Writer { out, at: 0 };
    let blocks = u8::from(report.is_some());
    let words = 1 + if sender.is_some() { 5 } else { 0 } + 6 * u16::from(blocks);
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    to.header(blocks, kind, words, ssrc);
    if let Some(info) = sender {
        to.word((info.ntp >> 32) as u32);
        to.word(info.ntp as u32);
        to.word(info.rtp);
        to.word(info.packets);
        to.word(info.octets);
    }
    if let Some(block) = report {
        to.word(block.ssrc);
        to.word(u32::from(block.fraction_lost) << 24 | block.lost.cast_unsigned() & 0xff_ffff);
        to.word(block.highest);
        to.word(block.jitter);
        to.word(block.last_report);
        to.word(block.since_last_report);
    }
    to.source_description(ssrc, cname);
    to.at
}

/// Writes an empty receiver's report, the source description and BYE (RFC 3550 §6.6), and says how long it is.
pub fn write_bye(out: &mut [u8; MAX_COMPOUND], ssrc: u32, cname: u64) -> usize {
    let mut to = Writer { out, at: 0 };
    to.header(0, RECEIVER_REPORT, 1, ssrc);
    to.source_description(ssrc, cname);
    to.header(1, BYE, 1, ssrc);
    to.at
}

struct Writer<'a> {
    out: &'a mut [u8; MAX_COMPOUND],
    at: usize,
}

impl Writer<'_> {
    fn header(&mut self, count: u8, kind: u8, words: u16, ssrc: u32) {
        let length = words.to_be_bytes();
        self.bytes(&[0x80 | count, kind, length[0], length[1]]);
        self.word(ssrc);
    }

    /// RFC 3550 §6.5.1; RFC 7022 §4.2: a CNAME of random bits that says nothing about the host.
    fn source_description(&mut self, ssrc: u32, cname: u64) {
        self.header(1, SOURCE_DESCRIPTION, 6, ssrc);
        self.bytes(&[1, 16]);
        for place in (0..16).rev() {
            self.bytes(&[b"0123456789abcdef"[(cname >> (4 * place) & 0xf) as usize]]);
        }
        // The list ends with a zero and is filled to a whole word.
        self.bytes(&[0, 0]);
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        // invariant: the three kinds of compound fit MAX_COMPOUND, which a test shows.
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

/// Our clock for reports: time since the process's origin, in 2⁻³² s. RFC 3550 §4 allows elapsed time in place of
/// wall time, since only differences are used.
pub fn ntp(now: Instant) -> u64 {
    let micros = now.as_micros();
    ((micros / 1_000_000) << 32) | (((micros % 1_000_000) << 32) / 1_000_000)
}

/// The middle 32 bits, as reports carry them: units of 2⁻¹⁶ s.
pub fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests;
