//! Owns a port's RTCP: when reports go out, and what the peer's say (RFC 3550 §6). Does not own their bytes (see
//! [`crate::rtcp`]).

use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;

use crate::rtcp::{self, ReportBlock, Rtcp};

/// Between two reports, on average (RFC 3550 §6.2).
const INTERVAL: Duration = Duration::from_secs(5);

/// Reports of one port, both ways.
#[derive(Clone, Debug)]
pub(crate) struct PortReport {
    next_at: Instant,
    /// Spreads the intervals.
    seed: u64,
    /// Where the peer's reports come from.
    pub source: Option<SocketAddr>,
    /// The middle of the last sender report's clock, and when it came.
    last_report: Option<(u32, Instant)>,
    round_trip: Option<Duration>,
    remote_lost: Option<u32>,
}

impl PortReport {
    pub fn new(now: Instant, seed: u64) -> PortReport {
        let mut report = PortReport {
            next_at: now,
            seed,
            source: None,
            last_report: None,
            round_trip: None,
            remote_lost: None,
        };
        report.wait(now);
        report
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next_at)
    }

    /// RFC 3550 §6.3.1: half to one and a half of the interval, so that ports do not report in step.
    pub fn wait(&mut self, now: Instant) {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = u32::try_from(self.seed >> 33 & 0x3ff).unwrap_or(0);
        self.next_at = now + INTERVAL / 2 + INTERVAL * share / 1_024;
    }

    /// Names us in source descriptions.
    pub fn cname(&self, ssrc: u32) -> u64 {
        // The SSRC keeps for the port's life; a multiplication hides it.
        u64::from(ssrc).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Takes one packet of the peer's; `ours` is the SSRC of what we send it.
    pub fn take(&mut self, now: Instant, packet: &Rtcp<'_>, ours: u32) {
        let reports = match packet {
            Rtcp::SenderReport { info, reports, .. } => {
                self.last_report = Some((rtcp::middle(info.ntp), now));
                reports
            }
            Rtcp::ReceiverReport { reports, .. } => reports,
            Rtcp::Bye { .. } | Rtcp::Other => return,
        };
        let Some(block) = reports.about(ours) else { return };
        self.remote_lost = Some(u32::try_from(block.lost).unwrap_or(0));
        if block.last_report != 0 {
            // RFC 3550 §6.4.1: A − LSR − DLSR; less than nothing is a clock's rounding.
            let since = rtcp::middle(rtcp::ntp(now)).wrapping_sub(block.last_report);
            let trip = since.wrapping_sub(block.since_last_report).cast_signed().max(0);
            self.round_trip = Some(Duration::from_micros((u64::from(trip.unsigned_abs()) * 1_000_000) >> 16));
        }
    }

    /// Fills in what the peer's last report said.
    pub fn complete(&self, now: Instant, block: &mut ReportBlock) {
        if let Some((middle, at)) = self.last_report {
            block.last_report = middle;
            let since = u64::try_from(now.since(at).as_micros()).unwrap_or(u64::MAX).min(60_000_000_000);
            block.since_last_report = ((since << 16) / 1_000_000) as u32;
        }
    }

    pub fn round_trip_us(&self) -> Option<u32> {
        self.round_trip.map(|trip| u32::try_from(trip.as_micros()).unwrap_or(u32::MAX))
    }

    pub fn remote_lost(&self) -> Option<u32> {
        self.remote_lost
    }
}
