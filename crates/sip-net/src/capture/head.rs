//! Owns what the head of a message says to those who keep it: whose it is, and what it does to its leg. Does not own
//! parsing (see `sip`): a message that is kept may be one that nobody could parse.

use routing::{hash_of_call_id, header_lines};

/// What of a message decides whether it is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// The hash of its Call-ID; two legs that share one would be shown in one trace, once in many thousand years.
    pub call_id: u64,
    pub said: Said,
}

/// What a message does to its leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Invite,
    /// A 2xx response to an INVITE.
    Answer,
    /// Another final response to an INVITE.
    Refusal,
    /// Of an INVITE, and none of the above.
    OfInvite,
    Bye,
    Other,
}

impl Said {
    /// Whether it is an INVITE, its ACK or CANCEL, or a response to one.
    pub fn is_of_invite(self) -> bool {
        !matches!(self, Said::Bye | Said::Other)
    }

    fn by_request(message: &[u8]) -> Said {
        let begins = |method: &[u8]| message.starts_with(method);
        match message {
            _ if begins(b"INVITE ") => Said::Invite,
            _ if begins(b"ACK ") || begins(b"CANCEL ") => Said::OfInvite,
            _ if begins(b"BYE ") => Said::Bye,
            _ => Said::Other,
        }
    }

    fn by_response(message: &[u8], cseq: &[u8]) -> Said {
        if !cseq.ends_with(b"INVITE") {
            return Said::Other;
        }
        match message.get(b"SIP/2.0 ".len()) {
            Some(b'2') => Said::Answer,
            Some(b'3'..=b'6') => Said::Refusal,
            _ => Said::OfInvite,
        }
    }
}

impl Head {
    /// None: it has no Call-ID.
    pub fn of(message: &[u8]) -> Option<Head> {
        let is_response = message.starts_with(b"SIP/");
        let mut said = (!is_response).then(|| Said::by_request(message));
        let mut call_id = None;
        for (name, value) in header_lines(message) {
            let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
            match name.len() {
                1 | 7 if call_id.is_none() && (is(b"i") || is(b"call-id")) => {
                    call_id = Some(hash_of_call_id(value))
                }
                4 if said.is_none() && is(b"cseq") => said = Some(Said::by_response(message, value)),
                _ => continue,
            }
            if let (Some(call_id), Some(said)) = (call_id, said) {
                return Some(Head { call_id, said });
            }
        }
        Some(Head { call_id: call_id?, said: Said::Other })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(message: &str) -> Option<(u64, Said)> {
        Head::of(message.as_bytes()).map(|head| (head.call_id, head.said))
    }

    #[test]
    fn a_head_is_read_in_both_forms_and_any_order() {
        let id = hash_of_call_id(b"abc@host");
        let cases = [
            ("INVITE sip:a@b SIP/2.0\r\nVia: x\r\nCall-ID: abc@host\r\n\r\n", Said::Invite),
            ("ACK sip:a@b SIP/2.0\r\ni :  abc@host \r\n\r\n", Said::OfInvite),
            ("CANCEL sip:a@b SIP/2.0\nCALL-ID:abc@host\n\n", Said::OfInvite),
            ("BYE sip:a@b SIP/2.0\r\nCall-ID: abc@host\r\n\r\n", Said::Bye),
            ("INFO sip:a@b SIP/2.0\r\nCall-ID: abc@host\r\nCSeq: 1 INVITE\r\n\r\n", Said::Other),
            ("SIP/2.0 100 Trying\r\nCall-ID: abc@host\r\nCSeq: 1 INVITE\r\n\r\n", Said::OfInvite),
            ("SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nCall-ID: abc@host\r\n\r\n", Said::Answer),
            ("SIP/2.0 487 x\r\nCSeq: 1 INVITE\r\nCall-ID: abc@host\r\n\r\n", Said::Refusal),
            ("SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\nCall-ID: abc@host\r\n\r\n", Said::Other),
            ("SIP/2.0 200 OK\r\nCall-ID: abc@host\r\nTo: x\r\n\r\n", Said::Other),
        ];
        for (message, said) in cases {
            assert_eq!(head(message), Some((id, said)), "{message}");
        }
    }

    #[test]
    fn a_body_is_never_searched_and_rubbish_is_nobodys() {
        for message in
            ["", "\r\n", "INVITE", "SIP/2.0", "MESSAGE sip:a@b SIP/2.0\r\nTo: x\r\n\r\nCall-ID: body\r\n"]
        {
            assert_eq!(head(message), None, "{message}");
        }
    }
}
