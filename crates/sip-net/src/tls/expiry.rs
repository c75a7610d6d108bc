//! Owns reading from when until when a certificate is valid. RFC 5280 §4.1.2.5. Does not own its validity (see `rustls`).

/// From when until when a DER certificate is valid, in seconds since 1970; `None` when it has no such shape.
pub(super) fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest, VERSION)?.1;
    }
    // Serial number, signature algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (begin, rest) = time(validity)?;
    let (end, _) = time(rest)?;
    Some((begin, end))
}

/// The time at the start in seconds since 1970, and what follows it.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let tag = *bytes.first()?;
    let (text, after) = any(bytes)?;
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME if digits.len() == 12 => {
            let year: i64 = digits.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, digits.get(2..)?)
        }
        GENERALIZED_TIME if digits.len() == 14 => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let seconds = part(4)? * 3_600 + part(6)? * 60 + part(8)?;
    Some((days_from_civil(year, month, day)? * 86_400 + seconds, after))
}

/// The contents of the element at the start, which must have that tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    (*bytes.first()? == tag).then(|| any(bytes)).flatten()
}

/// The contents of the element at the start, and what follows it.
fn any(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = *bytes.get(1)?;
    let (length, at) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let length = bytes.get(2..2 + count)?.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
        (length, 2 + count)
    };
    let end = at.checked_add(length)?;
    Some((bytes.get(at..end)?, bytes.get(end..)?))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that a leap day is a year's last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, seconds) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 951_782_400),
            ((2026, 11, 26), 1_795_651_200),
            ((2100, 3, 1), 4_107_542_400),
        ] {
            assert_eq!(days_from_civil(date.0, date.1, date.2).map(|days| days * 86_400), Some(seconds));
        }
        assert_eq!(days_from_civil(2026, 13, 1), None);
    }

    #[test]
    fn both_forms_of_time_are_read_and_rubbish_is_none() {
        for (year, month, day) in [(2049, 12, 31), (2050, 1, 1), (2031, 2, 3)] {
            let mut parameters = rcgen::CertificateParams::new(vec!["sip.example.cn".to_owned()]).unwrap();
            parameters.not_before = rcgen::date_time_ymd(2020, 1, 2);
            parameters.not_after = rcgen::date_time_ymd(year, month, day);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = parameters.self_signed(&key).unwrap();
            let days = days_from_civil(year.into(), month.into(), day.into()).unwrap();
            let begin = days_from_civil(2020, 1, 2).unwrap();
            assert_eq!(validity(certificate.der()), Some((begin * 86_400, days * 86_400)));
            for cut in 0..certificate.der().len().min(200) {
                assert_eq!(validity(&certificate.der()[..cut]), None, "cut at {cut}");
            }
        }
        assert_eq!(validity(b"\x30\xff\xff\xff"), None);
    }
}
