//! Owns what is seen of a request before it is parsed: enough to pass over those who only look for doors.

use std::sync::Arc;

use crate::header_lines;

/// Whether a request names one of `words` (lower case) as its User-Agent or in its From or To: `friendly-scanner`.
pub fn is_of_scanner(message: &[u8], words: &[Arc<str>]) -> bool {
    let told = |value: &[u8]| words.iter().any(|word| contains(value, word.as_bytes()));
    header_lines(message)
        .any(|(name, value)| is(name, &[b"user-agent", b"from", b"f", b"to", b"t"]) && told(value))
}

/// Whether this is an OPTIONS outside of any dialog.
pub fn is_strange_options(message: &[u8]) -> bool {
    let has_tag = |(name, value): (&[u8], &[u8])| is(name, &[b"to", b"t"]) && contains(value, b";tag=");
    message.starts_with(b"OPTIONS ") && !header_lines(message).any(has_tag)
}

fn is(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether `value` contains `word`, which is lower case, in any case.
fn contains(value: &[u8], word: &[u8]) -> bool {
    !word.is_empty() && value.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Vec<Arc<str>> {
        vec![Arc::from("friendly-scanner"), Arc::from("sipvicious")]
    }

    #[test]
    fn a_scanner_is_known_by_what_it_calls_itself_and_not_by_what_it_carries() {
        let scan = b"OPTIONS sip:100@h SIP/2.0\r\nVia: x\r\nUser-Agent: Friendly-Scanner\r\n\r\n";
        let from = b"REGISTER sip:h SIP/2.0\nf: \"SIPvicious\"<sip:100@1.1.1.1>;tag=1\n\n";
        let phone = b"REGISTER sip:h SIP/2.0\r\nUser-Agent: Yealink\r\n\r\nUser-Agent: friendly-scanner\r\n";
        assert!(is_of_scanner(scan, &words()) && is_of_scanner(from, &words()));
        assert!(!is_of_scanner(phone, &words()) && !is_of_scanner(scan, &[]));
        assert!(!is_of_scanner(b"", &words()) && !is_of_scanner(b"\xff\n:\n\n", &words()));
    }

    #[test]
    fn an_options_of_a_dialog_is_nobody_strange() {
        assert!(is_strange_options(b"OPTIONS sip:h SIP/2.0\r\nTo: <sip:h>\r\n\r\n"));
        assert!(!is_strange_options(b"OPTIONS sip:h SIP/2.0\r\nt: <sip:h>;tag=1\r\n\r\n"));
        assert!(!is_strange_options(b"INVITE sip:h SIP/2.0\r\nTo: <sip:h>\r\n\r\n"));
    }
}
