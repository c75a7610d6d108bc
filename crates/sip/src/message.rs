//! Owns SIP messages: what came from the network, and fresh ones to be sent. RFC 3261 §7.
//! Does not own the split of a stream into messages (see [`crate::framing`]) nor their order (see the transactions).

use std::borrow::Cow;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::headers::{HeaderError, HeaderName, Headers, NameAddr};
use crate::params;
use crate::scan::Decimal;
use crate::uri::Uri;

mod error;
mod method;
mod parse;
mod status;
#[cfg(test)]
mod tests;
mod validate;

pub use error::{Fault, ParseError};
pub use method::Method;
pub use status::reason_phrase;

/// One SIP message.
#[derive(Clone, Debug)]
pub enum Message {
    Request(Request),
    Response(Response),
}

/// A request, parsed or fresh.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// The header fields; Content-Length is written by [`Request::to_bytes`], whatever stands here.
    pub headers: Headers,
    /// The body, as long as Content-Length says.
    pub body: Bytes,
}

/// A response, parsed or fresh.
#[derive(Clone, Debug)]
pub struct Response {
    /// 100–699.
    pub status: u16,
    /// The reason phrase as it came.
    pub reason: Bytes,
    /// The header fields; Content-Length is written by [`Response::to_bytes`], whatever stands here.
    pub headers: Headers,
    /// The body, as long as Content-Length says.
    pub body: Bytes,
}

impl Message {
    /// The header fields.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The header fields, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Message::Request(request) => &mut request.headers,
            Message::Response(response) => &mut response.headers,
        }
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }

    /// The message as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// A fresh request without header fields.
    pub fn new(method: Method, uri: Uri) -> Request {
        // What a request of ours has, and room for what the endpoint adds.
        Request { method, uri, headers: Headers::with_room(16, 768), body: Bytes::new() }
    }

    /// Puts `body` with its Content-Type in place of what was there.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
    }

    /// The request as it goes on the wire, with the Content-Length of its body last.
    pub fn to_bytes(&self) -> Bytes {
        self.written(&[], &[])
    }

    /// The request as it goes on the wire with `via` on top of its hops, and with what every request carries.
    pub(crate) fn stamped(&self, via: &str, user_agent: &str) -> Bytes {
        let lacks = |name: HeaderName| !self.headers.has(name);
        let mut more: SmallVec<[(HeaderName, &str); 2]> = SmallVec::new();
        // RFC 3261 §8.1.1.6: 70.
        if lacks(HeaderName::MaxForwards) {
            more.push((HeaderName::MaxForwards, "70"));
        }
        if !user_agent.is_empty() && lacks(HeaderName::UserAgent) {
            more.push((HeaderName::UserAgent, user_agent));
        }
        self.written(&[(HeaderName::Via, via)], &more)
    }

    fn written(&self, first: &[(HeaderName, &str)], last: &[(HeaderName, &str)]) -> Bytes {
        let uri = self.uri.as_bytes();
        let method = self.method.as_str().as_bytes();
        let start_line = &[method, b" ", uri, b" SIP/2.0\r\n"];
        write(Written { start_line, first, headers: &self.headers, last, body: &self.body })
    }

    /// Whether the request belongs to a dialog: its To has a tag.
    pub fn is_within_dialog(&self) -> bool {
        self.headers.tag_raw(HeaderName::To).is_some()
    }

    /// The tag of To, when the request belongs to a dialog.
    pub fn to_tag(&self) -> Option<&str> {
        self.headers.tag(HeaderName::To)
    }
}

impl Response {
    /// A fresh response to `request`: Via, From, To, Call-ID and CSeq copied (RFC 3261 §8.2.6.2), Record-Route
    /// where it may form a dialog (§12.1.1), Timestamp in a 100 (§8.2.6.1).
    pub fn to(request: &Request, status: u16) -> Response {
        Response::to_headers(&request.method, &request.headers, status)
    }

    pub(crate) fn to_headers(method: &Method, from: &Headers, status: u16) -> Response {
        let mut headers = Headers::beside(from, from.len() + 4, 384);
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
        {
            headers.copy_from(from, name);
        }
        let forms_dialog =
            matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify);
        if forms_dialog && (101..300).contains(&status) {
            headers.copy_from(from, HeaderName::RecordRoute);
        }
        if status == 100 {
            headers.copy_from(from, HeaderName::Timestamp);
        }
        let reason = Bytes::from_static(reason_phrase(status).as_bytes());
        Response { status, reason, headers, body: Bytes::new() }
    }

    /// Sets the tag of To unless it has one: RFC 3261 §8.2.6.2.
    ///
    /// # Errors
    /// When To is missing or malformed.
    pub fn set_to_tag(&mut self, tag: &str) -> Result<(), HeaderError> {
        let name = HeaderName::To;
        let to = self.headers.only(name)?.ok_or(HeaderError::Missing(name))?;
        match NameAddr::param_of(to, "tag").ok_or(HeaderError::Malformed(name))? {
            // RFC 3261 §20.10: what follows `;` is the header's, with and without `<…>`.
            None => {
                let mut more: SmallVec<[u8; 64]> = SmallVec::new();
                params::push_into(&mut more, "tag", tag);
                self.headers.extend(name, &more);
            }
            Some(b"") => {
                let to = self.headers.to()?.with_tag(tag);
                self.headers.set(name, to);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Puts `body` with its Content-Type in place of what was there.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
    }

    /// The reason phrase; bytes that are not UTF-8 are replaced.
    pub fn reason(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.reason)
    }

    /// Whether the transaction goes on: 100–199.
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// Whether the request was granted: 200–299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The response as it goes on the wire, with the Content-Length of its body last.
    pub fn to_bytes(&self) -> Bytes {
        let status = Decimal::of(self.status.into());
        let start_line = &[b"SIP/2.0 ", status.digits(), b" ", &self.reason, b"\r\n"];
        write(Written { start_line, first: &[], headers: &self.headers, last: &[], body: &self.body })
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Message {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Message {
        Message::Response(response)
    }
}

/// What a message is written of.
struct Written<'a> {
    start_line: &'a [&'a [u8]],
    /// Fields before the others.
    first: &'a [(HeaderName, &'a str)],
    headers: &'a Headers,
    /// Fields behind the others.
    last: &'a [(HeaderName, &'a str)],
    body: &'a [u8],
}

fn write(message: Written<'_>) -> Bytes {
    let Written { start_line, first, headers, last, body } = message;
    let added = |fields: &[(HeaderName, &str)]| -> usize {
        fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
    };
    let start: usize = start_line.iter().map(|part| part.len()).sum();
    let length = Decimal::of(body.len() as u64);
    let end = CONTENT_LENGTH.len() + length.digits().len() + 4;
    let fields = added(first) + headers.written_len() + added(last);
    // Exact: bytes without slack are shared without another allocation.
    let mut out = Vec::with_capacity(start + fields + end + body.len());
    for part in start_line {
        out.extend_from_slice(part);
    }
    for (name, value) in first {
        push_field(&mut out, name.as_str().as_bytes(), value.as_bytes());
    }
    for field in headers.iter().filter(|field| field.name != HeaderName::ContentLength) {
        push_field(&mut out, field.name_text, field.value);
    }
    for (name, value) in last {
        push_field(&mut out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(CONTENT_LENGTH);
    out.extend_from_slice(length.digits());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
    Bytes::from(out)
}

fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

const CONTENT_LENGTH: &[u8] = b"Content-Length: ";
