//! Owns who calls and what was dialled, read from an INVITE. Does not own the number plan (see `routing`).

use std::sync::Arc;

use sip::{HeaderName, Request, Uri};

/// Who calls, as the peer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// As the peer wrote it; empty when withheld.
    pub raw: Arc<str>,
    /// From's user and host, for telling phones from trunks.
    pub from_user: String,
    pub from_host: String,
}

/// The caller: P-Asserted-Identity (RFC 3325 §9.1; of several the one with a number), else From.
pub(crate) fn caller(request: &Request) -> Caller {
    let from = request.headers.from().ok();
    let from_uri = from.as_ref().map(|from| from.uri());
    let asserted = request.headers.addresses(HeaderName::PAssertedIdentity).unwrap_or_default();
    let number =
        asserted.iter().filter_map(|address| number_of(address.uri())).find(|number| !number.is_empty());
    let raw = number.or_else(|| from_uri.and_then(number_of)).unwrap_or_default();
    Caller {
        raw: Arc::from(raw),
        from_user: from_uri.and_then(|uri| uri.user()).map(|user| user.into_owned()).unwrap_or_default(),
        from_host: from_uri.map(|uri| uri.host().to_owned()).unwrap_or_default(),
    }
}

/// The numbers that an INVITE may have been dialled by, the best first: Request-URI, else To.
pub(crate) fn called(request: &Request) -> Vec<String> {
    let to = request.headers.to().ok();
    let uris = std::iter::once(&request.uri).chain(to.as_ref().map(|to| to.uri()));
    let mut numbers: Vec<String> = uris.filter_map(number_of).filter(|number| !number.is_empty()).collect();
    numbers.dedup();
    numbers
}

/// The number or user of a tel: or sip: URI, a global number with its `+` (RFC 3966 §5.1.5: `phone-context` is
/// put before a local number).
fn number_of(uri: &Uri) -> Option<String> {
    let user = uri.number().or_else(|| uri.user().map(|user| user.into_owned()))?;
    // A user part may carry parameters of its own (RFC 3261 §19.1.6).
    let number = user.split(';').next().unwrap_or_default();
    match uri.param("phone-context") {
        Some(context) if context.starts_with('+') && !number.starts_with('+') => {
            Some(format!("{context}{number}"))
        }
        _ => Some(number.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sip::Message;

    fn invite(lines: &str) -> Request {
        let text = format!(
            "INVITE sip:4008001234@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nTo: <sip:02865551234@h>\r\n\
             Call-ID: a\r\nCSeq: 1 INVITE\r\nMax-Forwards: 9\r\n{lines}\r\n\r\n"
        );
        match Message::parse_datagram(Bytes::from(text)).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!(),
        }
    }

    #[test]
    fn the_asserted_identity_goes_before_from() {
        let request = invite(
            "From: <sip:anonymous@anonymous.invalid>;tag=1\r\n\
             P-Asserted-Identity: <sip:+8613800138000@ims.gd.cn;user=phone>, <tel:+8613800138000>",
        );
        assert_eq!(&*caller(&request).raw, "+8613800138000");
    }

    #[test]
    fn a_tel_identity_is_read_as_a_number() {
        let request = invite("From: \"x\" <sip:1@h>;tag=1\r\nP-Asserted-Identity: tel:+86-755-2878-0808");
        assert_eq!(&*caller(&request).raw, "+8675528780808");
    }

    #[test]
    fn without_an_asserted_identity_from_counts() {
        let request = invite("From: <tel:28780808;phone-context=+86755>;tag=1");
        assert_eq!(&*caller(&request).raw, "+8675528780808");
    }

    #[test]
    fn the_request_uri_goes_before_to() {
        let request = invite("From: <sip:1@h>;tag=1");
        assert_eq!(called(&request), ["4008001234", "02865551234"]);
    }
}
