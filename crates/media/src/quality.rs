//! Owns the figures of a port's media and the estimate of how it sounded. Does not own their collection (see
//! `rtp_receive`).

use std::time::Duration;

use crate::codec::Codec;

/// How one port's input went, over its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Believed RTP packets received, late and doubled ones and those of another kind included.
    pub received: u64,
    /// Packets lost by sequence number, never below 0.
    pub lost: u64,
    /// Packets dropped: wrong source, unknown payload type, not RTP, not authentic.
    pub dropped: u64,
    /// Of these, packets of SRTP whose tag was wrong, or that came before.
    pub unauthentic: u64,
    /// Packets came, and none had a sound (R37).
    pub silent: bool,
    /// What was spoken at the end.
    pub codec: Option<Codec>,
    /// RTP packets sent to the peer.
    pub sent: u64,
    /// Interarrival jitter at the end, in microseconds (RFC 3550 §6.4.1).
    pub jitter_us: u32,
    /// The largest interarrival jitter seen, in microseconds.
    pub jitter_max_us: u32,
    /// The last round trip by RTCP, in microseconds (RFC 3550 §6.4.1).
    pub round_trip_us: Option<u32>,
    /// Packets of ours that the peer says it lost (RFC 3550 §6.4.1).
    pub remote_lost: Option<u32>,
}

impl Quality {
    /// Share of packets lost, in thousandths.
    pub fn loss_permille(&self) -> u32 {
        let permille = (self.lost * 1_000).checked_div(self.received + self.lost).unwrap_or(0);
        u32::try_from(permille).unwrap_or(1_000)
    }

    /// Mean opinion score in hundredths (100–441), estimated by the E-model (ITU-T G.107 §7) from codec, loss, jitter and
    /// round trip.
    pub fn mos_centi(&self) -> u16 {
        let one_way =
            self.round_trip_us.map_or(Duration::ZERO, |us| Duration::from_micros(u64::from(us) / 2));
        // A jitter buffer of twice the jitter, and 20 ms of packet, stand between the wire and the ear.
        let delay_ms = one_way.as_secs_f64() * 1e3 + 2.0 * f64::from(self.jitter_us) / 1e3 + 20.0;
        let loss_percent = f64::from(self.loss_permille()) / 10.0;
        // ITU-T G.107 §7.4: the delay impairment, by its common two-piece line.
        let delay_impairment =
            0.024 * delay_ms + if delay_ms > 177.3 { 0.11 * (delay_ms - 177.3) } else { 0.0 };
        let (codec_impairment, robustness) = impairment(self.codec);
        // ITU-T G.107 §7.5: the effective equipment impairment with random loss.
        let equipment =
            codec_impairment + (95.0 - codec_impairment) * loss_percent / (loss_percent + robustness);
        let r = (93.2 - delay_impairment - equipment).clamp(0.0, 100.0);
        // ITU-T G.107 Annex B.
        let mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
        (mos.clamp(1.0, 4.5) * 100.0).round() as u16
    }
}

/// Ie and Bpl (ITU-T G.113 tables I.1 and I.4): G.711 with concealment, G.729A. G.722 and Opus are heard in their narrow
/// band, where they are no worse than G.711.
const fn impairment(codec: Option<Codec>) -> (f64, f64) {
    match codec {
        Some(Codec::G729) => (11.0, 19.0),
        Some(Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::Opus) | None => (0.0, 25.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_line_sounds_like_g711_and_a_lossy_one_worse() {
        let good = Quality { received: 1_000, ..Quality::default() };
        assert!((435..=441).contains(&good.mos_centi()), "{}", good.mos_centi());
        let mut before = good.mos_centi();
        for lost in [10, 30, 100, 500, 5_000] {
            let worse = Quality { lost, ..good };
            assert!(worse.mos_centi() < before, "{lost}: {}", worse.mos_centi());
            before = worse.mos_centi();
        }
        assert!(before >= 100);
    }

    #[test]
    fn delay_and_jitter_cost() {
        let good = Quality { received: 1_000, ..Quality::default() };
        let far = Quality { round_trip_us: Some(600_000), ..good };
        let shaky = Quality { jitter_us: 120_000, ..good };
        assert!(far.mos_centi() + 30 < good.mos_centi());
        assert!(shaky.mos_centi() + 20 < good.mos_centi());
    }

    #[test]
    fn a_codec_that_saves_bits_sounds_worse() {
        let of = |codec| Quality { received: 1_000, lost: 20, codec: Some(codec), ..Quality::default() };
        assert!(of(Codec::G729).mos_centi() + 20 < of(Codec::Pcma).mos_centi());
    }

    #[test]
    fn nothing_received_is_no_loss() {
        assert_eq!(Quality::default().loss_permille(), 0);
        assert_eq!(Quality { received: 999, lost: 1, ..Quality::default() }.loss_permille(), 1);
    }
}
