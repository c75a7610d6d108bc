//! Owns a MESSAGE that is passed on from one of our phones to another: RFC 3428. The text is passed on, the message is
//! written anew: nothing of the sender's headers gets through that is not on the list. Does not own who may write to
//! whom (see the node's policy).

use model::Aor;

use crate::headers::{HeaderName, NameAddr};
use crate::message::{Method, Request};
use crate::registrar::Binding;
use crate::uri::Uri;

/// A refusal: a status and a header that goes with it.
pub type Refusal = (u16, Option<(HeaderName, &'static str)>);

/// Whether the text of `request` may be passed on.
///
/// # Errors
/// 413 for more than `max_bytes` (RFC 3428 §8: 1,300 unless the way is known to carry more), 415 for anything but text.
pub fn check(request: &Request, max_bytes: usize) -> Result<(), Refusal> {
    if request.body.len() > max_bytes {
        return Err((413, None));
    }
    let kind = request.headers.content_type().map_err(|_| (400, None))?;
    if !request.body.is_empty() && !kind.is_some_and(|kind| kind.is("text", "plain")) {
        return Err((415, Some((HeaderName::Accept, "text/plain"))));
    }
    let encoding = request.headers.get(HeaderName::ContentEncoding);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err((415, Some((HeaderName::AcceptEncoding, "identity"))));
    }
    Ok(())
}

/// The message for one phone of `receiver`: From is who the sender has proven to be. `name` is a new Call-ID and tag.
/// `None` when an address cannot be written as a URI.
pub fn fresh(
    request: &Request,
    (sender, receiver): (&Aor, &Aor),
    binding: &Binding,
    name: &str,
) -> Option<Request> {
    let address = |aor: &Aor| Uri::sip(Some(aor.user()), aor.domain(), None).ok();
    let mut fresh = Request::new(Method::Message, binding.contact.without_headers());
    for hop in &binding.path {
        fresh.headers.push(HeaderName::Route, hop);
    }
    fresh.headers.push(HeaderName::From, NameAddr::new(None, &address(sender)?).with_tag(name));
    fresh.headers.push(HeaderName::To, NameAddr::new(None, &address(receiver)?));
    fresh.headers.push(HeaderName::CallId, format!("message-{name}"));
    fresh.headers.push(HeaderName::CSeq, "1 MESSAGE");
    for passed in PASSED_ON {
        fresh.headers.copy_from(&request.headers, passed);
    }
    fresh.body = request.body.clone();
    Some(fresh)
}

/// What of the sender's headers is passed on: how the text is to be read.
const PASSED_ON: [HeaderName; 2] = [HeaderName::ContentType, HeaderName::ContentLanguage];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use clock::{Instant, WallTime};

    use super::*;
    use crate::endpoint::Flow;
    use crate::message::Message;

    fn message(lines: &str, body: &str) -> Request {
        let text = format!(
            "MESSAGE sip:9002@pbx.local SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: \"Chairman\" <sip:9001@pbx.local>;tag=1\r\nTo: <sip:9002@pbx.local>\r\nCall-ID: m1\r\n\
             CSeq: 1 MESSAGE\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        match Message::parse_datagram(Bytes::from(text)) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    const TEXT: &str = "Content-Type: text/plain;charset=UTF-8\r\n";

    #[test]
    fn text_is_passed_on_and_nothing_else() {
        assert_eq!(check(&message(TEXT, "你好"), 1300), Ok(()));
        let refused = |lines: &str, body: &str, most: usize| {
            check(&message(lines, body), most).map_err(|(status, _)| status)
        };
        assert_eq!(refused(TEXT, "你好", 5), Err(413));
        assert_eq!(refused("Content-Type: text/html\r\n", "<b>", 1300), Err(415));
        assert_eq!(refused("", "text without a type", 1300), Err(415));
        assert_eq!(refused(&format!("{TEXT}Content-Encoding: gzip\r\n"), "x", 1300), Err(415));
    }

    #[test]
    fn the_message_is_written_anew_with_the_proven_sender() {
        let lines = format!(
            "{TEXT}Content-Language: zh\r\nP-Asserted-Identity: <sip:boss@pbx.local>\r\nX-Evil: 1\r\n\
             Contact: <sip:9001@10.0.0.5>\r\nAuthorization: Digest username=\"9001\"\r\n"
        );
        let sent = message(&lines, "你好");
        let contact = NameAddr::parse(&b"<sip:9002@10.0.0.6:5070>;q=0.5"[..]).unwrap();
        let flow = Flow::udp(0, "203.0.113.7:40000".parse().unwrap());
        let until = Instant::ZERO + Duration::from_secs(60);
        let binding = Binding::new(&contact, flow, until, WallTime(0), &sent);
        let (from, to) = (Aor::new("9001", "pbx.local"), Aor::new("9002", "pbx.local"));
        let fresh = fresh(&sent, (&from, &to), &binding, "n1").unwrap();
        let names: Vec<String> = fresh.headers.iter().map(|field| field.name.as_str().to_owned()).collect();
        assert_eq!(names, ["From", "To", "Call-ID", "CSeq", "Content-Type", "Content-Language"]);
        assert_eq!(fresh.headers.text(HeaderName::From), Some("<sip:9001@pbx.local>;tag=n1"));
        assert_eq!(
            (fresh.uri.to_string(), &fresh.body[..]),
            ("sip:9002@10.0.0.6:5070".into(), "你好".as_bytes())
        );
    }
}
