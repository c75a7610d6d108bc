//! Owns SIP messages: what came from the network, and fresh ones to be sent. RFC 3261 §7.
//! Does not own the split of a stream into messages (see [`crate::framing`]) nor their order (see the transactions).

use std::borrow::Cow;

use bytes::Bytes;

use crate::headers::{HeaderError, HeaderName, Headers};
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
        let uri = self.uri.as_bytes();
        let method = self.method.as_str().as_bytes();
        write(&[method, b" ", uri, b" SIP/2.0\r\n"], &self.headers, &self.body)
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
        let mut headers = Headers::with_room(from.len() + 4, 512);
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
        let to = self.headers.to()?;
        if to.tag().is_none() {
            self.headers.set(HeaderName::To, to.with_tag(tag));
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
        write(&[b"SIP/2.0 ", status.digits(), b" ", &self.reason, b"\r\n"], &self.headers, &self.body)
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

fn write(start_line: &[&[u8]], headers: &Headers, body: &[u8]) -> Bytes {
    let start: usize = start_line.iter().map(|part| part.len()).sum();
    let written = || headers.iter().filter(|field| field.name != HeaderName::ContentLength);
    let fields: usize = written().map(|field| field.name_text.len() + field.value.len() + 4).sum();
    let length = Decimal::of(body.len());
    let end = CONTENT_LENGTH.len() + length.digits().len() + 4;
    // Exact: bytes without slack are shared without another allocation.
    let mut out = Vec::with_capacity(start + fields + end + body.len());
    for part in start_line {
        out.extend_from_slice(part);
    }
    for field in written() {
        out.extend_from_slice(field.name_text);
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(CONTENT_LENGTH);
    out.extend_from_slice(length.digits());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
    Bytes::from(out)
}

const CONTENT_LENGTH: &[u8] = b"Content-Length: ";

/// A number as it is written, without a place on the heap: each message has one or two.
struct Decimal {
    text: [u8; 20],
    start: usize,
}

impl Decimal {
    fn of(mut number: usize) -> Decimal {
        let mut decimal = Decimal { text: [0; 20], start: 20 };
        loop {
            decimal.start -= 1;
            decimal.text[decimal.start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    fn digits(&self) -> &[u8] {
        &self.text[self.start..]
    }
}
