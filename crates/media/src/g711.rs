//! Owns G.711: A-law and µ-law to and from linear samples, exact by ITU-T G.711 on all inputs, and from one law to
//! the other. Does not own the codecs that have a state (see [`crate::codec`]).

use sdp::Codec;

/// Which of the two laws; one byte is one sample of 8 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// A-law: 国内 and Europe.
    Pcma,
    /// µ-law: North America and Japan.
    Pcmu,
}

impl Law {
    /// The law of a codec that is G.711.
    #[inline]
    pub const fn of(codec: Codec) -> Option<Law> {
        match codec {
            Codec::Pcma => Some(Law::Pcma),
            Codec::Pcmu => Some(Law::Pcmu),
            Codec::G722 | Codec::G729 | Codec::Opus => None,
        }
    }
}

/// Silence: the code for the smallest positive amplitude.
pub const fn silence(law: Law) -> u8 {
    match law {
        Law::Pcma => 0xd5,
        Law::Pcmu => 0xff,
    }
}

/// The linear sample (16 bit) of one code.
#[inline]
pub const fn decode(law: Law, code: u8) -> i16 {
    match law {
        Law::Pcma => FROM_PCMA[code as usize],
        Law::Pcmu => FROM_PCMU[code as usize],
    }
}

/// The code of one linear sample (16 bit).
#[inline]
pub fn encode(law: Law, sample: i16) -> u8 {
    match law {
        Law::Pcma => encode_pcma(sample),
        Law::Pcmu => encode_pcmu(sample),
    }
}

/// Turns a payload of one law into another in place, byte by byte.
#[inline]
pub fn transcode(from: Law, to: Law, payload: &mut [u8]) {
    let table = match (from, to) {
        (Law::Pcma, Law::Pcmu) => &PCMA_TO_PCMU,
        (Law::Pcmu, Law::Pcma) => &PCMU_TO_PCMA,
        (Law::Pcma, Law::Pcma) | (Law::Pcmu, Law::Pcmu) => return,
    };
    for byte in payload {
        *byte = table[*byte as usize];
    }
}

/// ITU-T G.711 §3 table 1, as ITU-T G.191 `alaw_compress` computes it.
const fn encode_pcma(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample } as u16) >> 4;
    let code = if magnitude < 16 {
        magnitude as u8
    } else {
        // 16–31 is segment 1; each doubling is one more.
        let segment = 12 - magnitude.leading_zeros() as u16;
        (segment << 4 | (magnitude >> (segment - 1)) & 0xf) as u8
    };
    (if sample < 0 { code } else { code | 0x80 }) ^ 0x55
}

/// ITU-T G.711 §3 table 2, as ITU-T G.191 `ulaw_compress` computes it.
const fn encode_pcmu(sample: i16) -> u8 {
    let mut magnitude = ((if sample < 0 { !sample } else { sample } as u16) >> 2) + 33;
    if magnitude > 0x1fff {
        magnitude = 0x1fff;
    }
    // 33–63 is segment 1; each doubling is one more.
    let segment = 11 - magnitude.leading_zeros() as u16;
    let code = ((8 - segment) << 4 | (0xf - ((magnitude >> segment) & 0xf))) as u8;
    if sample < 0 { code } else { code | 0x80 }
}

const fn decode_pcma(code: u8) -> i16 {
    let plain = code ^ 0x55;
    let segment = (plain & 0x7f) >> 4;
    let mut magnitude = (plain & 0xf) as i16;
    if segment > 0 {
        magnitude += 16;
    }
    magnitude = (magnitude << 4) + 8;
    if segment > 1 {
        magnitude <<= segment - 1;
    }
    if plain & 0x80 != 0 { magnitude } else { -magnitude }
}

const fn decode_pcmu(code: u8) -> i16 {
    let plain = !code;
    let segment = (plain >> 4) & 7;
    let mantissa = (plain & 0xf) as i16;
    let step = 8i16 << segment;
    let magnitude = (0x80i16 << segment) + step * mantissa + step / 2 - 4 * 33;
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

static FROM_PCMA: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = decode_pcma(code as u8);
        code += 1;
    }
    table
};

static FROM_PCMU: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = decode_pcmu(code as u8);
        code += 1;
    }
    table
};

static PCMA_TO_PCMU: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode_pcmu(decode_pcma(code as u8));
        code += 1;
    }
    table
};

static PCMU_TO_PCMA: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode_pcma(decode_pcmu(code as u8));
        code += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// ITU-T G.191 release 2023, `alaw_compress`, written out as it stands there.
    fn g191_alaw(sample: i16) -> u8 {
        let mut ix = if sample < 0 { !sample >> 4 } else { sample >> 4 };
        if ix > 15 {
            let mut iexp = 1;
            while ix > 16 + 15 {
                ix >>= 1;
                iexp += 1;
            }
            ix -= 16;
            ix += iexp << 4;
        }
        if sample >= 0 {
            ix |= 0x80;
        }
        (ix ^ 0x55) as u8
    }

    /// ITU-T G.191 release 2023, `ulaw_compress`, written out as it stands there.
    fn g191_ulaw(sample: i16) -> u8 {
        let mut absno = if sample < 0 { (!sample >> 2) + 33 } else { (sample >> 2) + 33 };
        if absno > 0x1fff {
            absno = 0x1fff;
        }
        let mut i = absno >> 6;
        let mut segno = 1;
        while i != 0 {
            segno += 1;
            i >>= 1;
        }
        let high = 8 - segno;
        let low = 0xf - ((absno >> segno) & 0xf);
        let code = (high << 4 | low) as u8;
        if sample >= 0 { code | 0x80 } else { code }
    }

    #[test]
    fn all_65536_samples_encode_as_the_itu_reference_does() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(encode(Law::Pcma, sample), g191_alaw(sample), "A-law of {sample}");
            assert_eq!(encode(Law::Pcmu, sample), g191_ulaw(sample), "µ-law of {sample}");
        }
    }

    #[test]
    fn known_codes_decode_to_the_values_of_the_itu_tables() {
        // ITU-T G.711 tables 1a, 2a: decoder output values, scaled to 16 bit (×8, ×4).
        for (code, value) in [(0xd5, 8), (0x55, -8), (0xaa, 32256), (0x2a, -32256), (0x80, 5504), (0xd4, 24)]
        {
            assert_eq!(decode(Law::Pcma, code), value, "A-law {code:#x}");
        }
        for (code, value) in [(0xff, 0), (0x7f, 0), (0x80, 32124), (0x00, -32124), (0xfe, 8), (0xf0, 120)] {
            assert_eq!(decode(Law::Pcmu, code), value, "µ-law {code:#x}");
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=255 {
            assert_eq!(encode(Law::Pcma, decode(Law::Pcma, code)), code);
            // Negative zero of µ-law is the one code whose value has another code.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(encode(Law::Pcmu, decode(Law::Pcmu, code)), expected);
        }
    }

    #[test]
    fn a_tone_keeps_its_power_from_law_to_law() {
        let tone: Vec<i16> = (0..8_000)
            .map(|n| (9_000.0 * (2.0 * std::f64::consts::PI * 440.0 * f64::from(n) / 8e3).sin()) as i16)
            .collect();
        let power = |samples: &[i16]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        for (from, to) in [(Law::Pcma, Law::Pcmu), (Law::Pcmu, Law::Pcma)] {
            let mut bytes: Vec<u8> = tone.iter().map(|s| encode(from, *s)).collect();
            transcode(from, to, &mut bytes);
            let heard: Vec<i16> = bytes.iter().map(|b| decode(to, *b)).collect();
            let noise: Vec<i16> = heard.iter().zip(&tone).map(|(h, t)| h - t).collect();
            let ratio_db = 10.0 * (power(&tone) / power(&noise)).log10();
            assert!(ratio_db > 33.0, "{from:?} to {to:?}: {ratio_db} dB");
            assert!((power(&heard) / power(&tone) - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn silence_is_the_smallest_amplitude() {
        assert_eq!(decode(Law::Pcma, silence(Law::Pcma)), 8);
        assert_eq!(decode(Law::Pcmu, silence(Law::Pcmu)), 0);
    }
}
