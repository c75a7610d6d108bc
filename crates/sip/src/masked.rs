//! Owns what of a message nobody may read who looks at a trace of it: passwords' proofs, media keys, keys that callers
//! press. Does not own which messages are kept (see `sip-net`).

use std::ops::Range;

/// `message` with its secrets written over by `*`. No length changes, so that Content-Length stays true.
///
/// Masked are, of credentials and challenges, all of `response`, `rspauth` and `opaque` and all but the first four
/// characters of every nonce; passwords of URIs; in bodies, SDP's keys (RFC 4568 `a=crypto`, `k=`, `a=ice-pwd`) and the
/// keys of an INFO.
pub fn masked(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    let mut secrets = Vec::new();
    let mut kind = Line::Other;
    let mut lines = lines(message);
    let is_info = message.starts_with(b"INFO ");
    for (place, line) in lines.by_ref().enumerate() {
        let text = &message[line.clone()];
        if text.is_empty() {
            break;
        }
        // RFC 3261 §7.3.1: a line that begins with white space continues the one before.
        if place > 0 && !text[0].is_ascii_whitespace() {
            kind = Line::of(text);
        }
        match kind {
            Line::Credentials => mask_credentials(text, line.start, &mut secrets),
            Line::Other => mask_uri_passwords(text, line.start, &mut secrets),
        }
    }
    let body: Vec<Range<usize>> = lines.collect();
    let has_names = body.iter().any(|line| message[line.clone()].contains(&b'='));
    for line in body {
        let text = &message[line.clone()];
        if let Some(secret) = secret_of_sdp(text) {
            secrets.push(line.start + secret.start..line.start + secret.end);
        } else if is_info && let Some(secret) = pressed(text, has_names) {
            secrets.push(line.start + secret.start..line.start + secret.end);
        }
    }
    for secret in secrets {
        out[secret].fill(b'*');
    }
    out
}

/// What a header's line may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Credentials,
    Other,
}

impl Line {
    fn of(text: &[u8]) -> Line {
        let name = text.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        let is_of = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
        if CREDENTIALS.iter().any(is_of) { Line::Credentials } else { Line::Other }
    }
}

/// The lines of `message` without their ends.
fn lines(message: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= message.len() {
            return None;
        }
        let start = at;
        let end =
            message[start..].iter().position(|byte| *byte == b'\n').map_or(message.len(), |n| start + n);
        at = end + 1;
        let end = if message[start..end].ends_with(b"\r") { end - 1 } else { end };
        Some(start..end)
    })
}

/// RFC 7616 §3.3 to §3.5: parameters, quoted or not, after a scheme or a comma.
fn mask_credentials(text: &[u8], offset: usize, secrets: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while let Some(equals) = text[at..].iter().position(|byte| *byte == b'=').map(|n| at + n) {
        let name_start = text[..equals].iter().rposition(|byte| b", \t:".contains(byte)).map_or(0, |n| n + 1);
        let name = &text[name_start..equals];
        let mut start = equals + 1;
        let quoted = text.get(start) == Some(&b'"');
        start += usize::from(quoted);
        let ends = |byte: &u8| if quoted { *byte == b'"' } else { b", \t".contains(byte) };
        let end = text[start..].iter().position(ends).map_or(text.len(), |n| start + n);
        let is = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if is(&["response", "rspauth", "opaque"]) {
            secrets.push(offset + start..offset + end);
        } else if is(&["nonce", "cnonce", "nextnonce"]) {
            secrets.push(offset + (start + SHOWN_OF_NONCE).min(end)..offset + end);
        }
        at = (end + usize::from(quoted)).min(text.len());
    }
    // Basic and bearer tokens have no parameters: what follows the scheme is the secret.
    let value = text.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
    let rest = text[value..].trim_ascii_start();
    for scheme in ["basic ", "bearer "] {
        if rest.get(..scheme.len()).is_some_and(|word| word.eq_ignore_ascii_case(scheme.as_bytes())) {
            secrets.push(offset + text.len() - rest.len() + scheme.len()..offset + text.len());
        }
    }
}

/// RFC 3261 §19.1.1: `sip:user:password@host`.
fn mask_uri_passwords(text: &[u8], offset: usize, secrets: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while let Some(found) = find_scheme(&text[at..]).map(|n| at + n) {
        let rest = &text[found..];
        let end = rest.iter().position(|byte| b"@<>\" \t,".contains(byte)).unwrap_or(rest.len());
        if rest.get(end) == Some(&b'@')
            && let Some(colon) = rest[..end].iter().position(|byte| *byte == b':')
        {
            secrets.push(offset + found + colon + 1..offset + found + end);
        }
        at = found + end;
    }
}

/// Where what follows the next `sip:` or `sips:` begins.
fn find_scheme(text: &[u8]) -> Option<usize> {
    let is_at = |at: usize, word: &str| {
        text.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    (0..text.len())
        .find_map(|at| ["sip:", "sips:"].iter().find(|word| is_at(at, word)).map(|word| at + word.len()))
}

fn secret_of_sdp(line: &[u8]) -> Option<Range<usize>> {
    if line.starts_with(b"k=") {
        return Some(2..line.len());
    }
    if line.starts_with(b"a=ice-pwd:") {
        return Some(b"a=ice-pwd:".len()..line.len());
    }
    if !line.starts_with(b"a=crypto:") {
        return None;
    }
    // RFC 4568 §9.1: `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:32;inline:…`.
    let words = line.windows(7).position(|word| word == b"inline:");
    Some(words.map_or(b"a=crypto:".len(), |at| at + 7)..line.len())
}

/// The key in a line of `application/dtmf-relay` (`Signal=5`) or, where nothing has a name, of `application/dtmf`.
fn pressed(line: &[u8], has_names: bool) -> Option<Range<usize>> {
    if !has_names {
        return Some(0..line.len());
    }
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let name = line[..equals].trim_ascii();
    ["signal", "d", "digit", "digits"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        .then_some(equals + 1..line.len())
}

const CREDENTIALS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
];
/// Enough to tell two nonces apart.
const SHOWN_OF_NONCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_written_over_and_nothing_else_changes() {
        let table: [(&str, &str); 11] = [
            (
                "INVITE sip:a@b SIP/2.0\r\nAuthorization: Digest username=\"9001\", nonce=\"abcdefgh\",\r\n cnonce=abcdef, response=\"0123\", qop=auth\r\n\r\n",
                "INVITE sip:a@b SIP/2.0\r\nAuthorization: Digest username=\"9001\", nonce=\"abcd****\",\r\n cnonce=abcd**, response=\"****\", qop=auth\r\n\r\n",
            ),
            (
                "SIP/2.0 407 x\r\nproxy-authenticate : Digest realm=\"a, response=b\", nonce=\"12345\", opaque=\"zz\"\r\n\r\n",
                "SIP/2.0 407 x\r\nproxy-authenticate : Digest realm=\"a, response=b\", nonce=\"1234*\", opaque=\"**\"\r\n\r\n",
            ),
            (
                "A x SIP/2.0\r\nAuthorization: Basic YTpi\r\n\r\n",
                "A x SIP/2.0\r\nAuthorization: Basic ****\r\n\r\n",
            ),
            (
                "INVITE sip:u:pw@h SIP/2.0\r\nTo: <SIPS:a:secret@h:5061>\r\nContact: <sip:h:5060>\r\n\r\n",
                "INVITE sip:u:**@h SIP/2.0\r\nTo: <SIPS:a:******@h:5061>\r\nContact: <sip:h:5060>\r\n\r\n",
            ),
            (
                "INVITE x SIP/2.0\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20\r\nk=clear:pw\r\na=sendrecv\r\n",
                "INVITE x SIP/2.0\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:********\r\nk=********\r\na=sendrecv\r\n",
            ),
            ("SIP/2.0 200 OK\r\n\r\na=ice-pwd:abcd\r\n", "SIP/2.0 200 OK\r\n\r\na=ice-pwd:****\r\n"),
            (
                "INFO x SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal= 5\r\nDuration=160\r\n",
                "INFO x SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=**\r\nDuration=160\r\n",
            ),
            (
                "INFO x SIP/2.0\r\nc: application/dtmf\r\n\r\n5",
                "INFO x SIP/2.0\r\nc: application/dtmf\r\n\r\n*",
            ),
            ("MESSAGE x SIP/2.0\r\n\r\nSignal=5", "MESSAGE x SIP/2.0\r\n\r\nSignal=5"),
            ("", ""),
            (
                "INVITE x SIP/2.0\r\nAuthorization: response=\"ab",
                "INVITE x SIP/2.0\r\nAuthorization: response=\"**",
            ),
        ];
        for (message, expected) in table {
            assert_eq!(String::from_utf8(masked(message.as_bytes())).unwrap(), expected);
        }
    }

    #[test]
    fn rubbish_keeps_its_length() {
        let mut bytes: Vec<u8> = (0..=255).cycle().take(2_000).collect();
        bytes.splice(0..0, *b"INFO sip:a:b\r\nAuthorization: nonce=\"\r\n=\r\n\r\n=\r\nk=");
        assert_eq!(masked(&bytes).len(), bytes.len());
    }
}
