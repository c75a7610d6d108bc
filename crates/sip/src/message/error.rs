//! Owns what is wrong with a message, and the answer it gets.

use crate::headers::{HeaderError, HeaderName, Headers};
use crate::uri::UriError;

use super::{Message, Method, Response};

/// A message that cannot be accepted.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct ParseError {
    /// What is wrong.
    #[source]
    pub fault: Fault,
    /// Method and header fields of a request, as far as they could be read.
    pub(crate) request: Option<Box<(Method, Headers)>>,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("not SIP")]
    NotSip,
    #[error("only line ends")]
    KeepAlive,
    #[error("malformed start line")]
    StartLine,
    #[error("version other than SIP/2.0")]
    Version,
    #[error("malformed Request-URI: {0}")]
    RequestUri(UriError),
    #[error("a header line without name and colon, or with a bare carriage return")]
    HeaderLine,
    #[error("no empty line after the header fields")]
    Truncated,
    #[error("malformed or contradicting Content-Length")]
    ContentLength,
    #[error("no Content-Length on a stream")]
    NoContentLength,
    #[error("Content-Length says {expected} bytes, {came} came")]
    BodyShort { expected: usize, came: usize },
    #[error("start line and header fields too long")]
    HeadTooLarge,
    #[error("too many header fields")]
    TooManyFields,
    #[error("body too long")]
    BodyTooLarge,
    #[error("Request-URI too long")]
    UriTooLong,
    #[error(transparent)]
    Header(HeaderError),
    #[error("method in CSeq differs from the start line's")]
    MethodMismatch,
}

impl Fault {
    /// The status that says so to the sender of a request.
    pub fn status(self) -> u16 {
        match self {
            Fault::Version => 505,
            Fault::UriTooLong => 414,
            Fault::BodyTooLarge => 413,
            Fault::HeadTooLarge | Fault::TooManyFields => 513,
            _ => 400,
        }
    }

    /// A stable word for counters.
    pub fn word(self) -> &'static str {
        match self {
            Fault::NotSip => "not_sip",
            Fault::KeepAlive => "keepalive",
            Fault::StartLine => "start_line",
            Fault::Version => "version",
            Fault::RequestUri(_) => "request_uri",
            Fault::HeaderLine => "header_line",
            Fault::Truncated => "truncated",
            Fault::ContentLength | Fault::NoContentLength => "content_length",
            Fault::BodyShort { .. } => "body_short",
            Fault::HeadTooLarge => "head_too_large",
            Fault::TooManyFields => "too_many_fields",
            Fault::BodyTooLarge => "body_too_large",
            Fault::UriTooLong => "uri_too_long",
            Fault::Header(HeaderError::Missing(_)) => "header_missing",
            Fault::Header(HeaderError::Repeated(_)) => "header_repeated",
            Fault::Header(HeaderError::Malformed(_)) => "header_malformed",
            Fault::MethodMismatch => "method_mismatch",
        }
    }
}

impl ParseError {
    /// `fault`, with what `parsed` could read of the message.
    pub(crate) fn about(fault: Fault, parsed: Result<Message, ParseError>) -> ParseError {
        let request = match parsed {
            Ok(Message::Request(request)) => Some(Box::new((request.method, request.headers))),
            Ok(Message::Response(_)) => None,
            Err(error) => error.request,
        };
        ParseError { fault, request }
    }

    /// The refusal to send back to where the message came from, when that was a request other than ACK with a Via.
    /// What else is missing or malformed is missing or echoed as it came.
    pub fn answer(&self) -> Option<Response> {
        let (method, headers) = self.request.as_deref()?;
        if *method == Method::Ack || !headers.has(HeaderName::Via) {
            return None;
        }
        let mut response = Response::to_headers(method, headers, self.fault.status());
        if self.fault.status() == 400 {
            // RFC 3261 §21.4.1: "The Reason-Phrase SHOULD identify the syntax problem in more detail".
            response.reason = format!("Bad Request - {}", self.fault).into();
        }
        Some(response)
    }
}
