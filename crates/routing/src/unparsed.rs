//! Owns what can be read of a message that nobody has parsed, and that perhaps nobody can: its header lines, and a hash of
//! its Call-ID. Does not own parsing (see `sip`).

/// Names and values of the header lines, trimmed; a folded line has no name and is passed over.
pub fn header_lines(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = Some(message);
    let mut next = move || {
        let text = rest?;
        let (line, behind) = match memchr::memchr(b'\n', text) {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        rest = behind;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    };
    // The first line is no header.
    next();
    std::iter::from_fn(next).take_while(|line| !line.is_empty()).filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
    })
}

/// FNV-1a of a Call-ID: short keys, and nothing hangs on it that an adversary gains by choosing them.
pub fn hash_of_call_id(call_id: &[u8]) -> u64 {
    call_id
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_up_to_the_empty_one_or_the_end_and_folded_ones_are_nobodys() {
        let message = b"INVITE sip:a@b SIP/2.0\r\nVia: x\r\n folded\nTo :  y \r\n\r\nbody: z\r\n";
        let lines: Vec<_> = header_lines(message).collect();
        assert_eq!(lines, [(&b"Via"[..], &b"x"[..]), (b"To", b"y")]);
        assert_eq!(header_lines(b"INVITE\nf: cut").collect::<Vec<_>>(), [(&b"f"[..], &b"cut"[..])]);
        for rubbish in [&b""[..], b"INVITE", b"\n", b"\n\nf: body"] {
            assert_eq!(header_lines(rubbish).count(), 0, "{rubbish:?}");
        }
    }
}
