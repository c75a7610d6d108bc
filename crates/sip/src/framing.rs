//! Owns the split of a byte stream (TCP, TLS) into messages, and keepalives. RFC 3261 §18.3, RFC 5626 §3.5.1.
//! Does not own sockets and deadlines (see `sip-net`). A WebSocket carries whole messages (RFC 7118 §5): its shell
//! gives them to [`Message::parse_datagram`].

use bytes::{Buf as _, Bytes, BytesMut};

use crate::headers::HeaderName;
use crate::limits::Limits;
use crate::message::{Fault, Message, ParseError};
use crate::scan;

#[cfg(test)]
mod tests;

/// What stands on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One message with its body.
    Message(Bytes),
    /// CRLF between messages: a pong, or the first half of a ping. Nothing to answer.
    LineEnd,
    /// The second CRLF in a row: a ping, to be answered with one CRLF (RFC 5626 §3.5.1).
    Ping,
}

/// Collects the bytes of one stream, in pieces of any size, and cuts messages from them.
#[derive(Debug)]
pub struct Splitter {
    limits: Limits,
    buffer: BytesMut,
    /// Where the search for the empty line goes on, and where the line it is in starts.
    searched: usize,
    line_at: usize,
    /// How long the message is, once its head has come.
    length: Option<usize>,
    line_ends: u8,
}

impl Splitter {
    /// A stream from its beginning.
    pub fn new(limits: Limits) -> Splitter {
        Splitter { limits, buffer: BytesMut::new(), searched: 0, line_at: 0, length: None, line_ends: 0 }
    }

    /// Where the next bytes of the stream go.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Whether a message has begun and not ended: the time for it is running.
    pub fn is_within_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Cuts the next frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The stream cannot be read on: send [`ParseError::answer`] where there is one, then close.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, ParseError> {
        if let Some(frame) = self.line_end() {
            return Ok(Some(frame));
        }
        match self.buffer.first() {
            None | Some(b'\r') => return Ok(None),
            // A TLS handshake or another protocol shows in its first byte.
            Some(byte) if !scan::is_token(*byte) => return Err(self.give_up(Fault::NotSip)),
            Some(_) => self.line_ends = 0,
        }
        let length = match self.length {
            Some(length) => length,
            None => match self.measure() {
                Ok(Some(length)) => length,
                Ok(None) => return Ok(None),
                Err(fault) => return Err(self.give_up(fault)),
            },
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        (self.searched, self.line_at, self.length) = (0, 0, None);
        Ok(Some(Frame::Message(self.buffer.split_to(length).freeze())))
    }

    /// The length of the message that has begun; `None` while its head has not come.
    fn measure(&mut self) -> Result<Option<usize>, Fault> {
        let head = self.head_end();
        if head.unwrap_or(self.buffer.len()) > self.limits.head_bytes {
            return Err(Fault::HeadTooLarge);
        }
        let Some(head) = head else { return Ok(None) };
        let body = content_length(&self.buffer[..head])?;
        if body > self.limits.body_bytes {
            return Err(Fault::BodyTooLarge);
        }
        self.length = Some(head + body);
        Ok(self.length)
    }

    fn line_end(&mut self) -> Option<Frame> {
        let length = match self.buffer[..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return None,
        };
        self.buffer.advance(length);
        self.line_ends = (self.line_ends + 1) % 2;
        Some(if self.line_ends == 0 { Frame::Ping } else { Frame::LineEnd })
    }

    /// Where the body starts. Each byte is looked at once, however small the pieces are.
    fn head_end(&mut self) -> Option<usize> {
        while let Some(length) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let end = self.searched + length;
            let is_last = matches!(&self.buffer[self.line_at..end], b"" | b"\r");
            (self.searched, self.line_at) = (end + 1, end + 1);
            if is_last {
                return Some(end + 1);
            }
        }
        self.searched = self.buffer.len();
        None
    }

    /// The error that ends the stream, with what could be read for a refusal.
    fn give_up(&mut self, fault: Fault) -> ParseError {
        let head = self.buffer.split().freeze();
        let unlimited = Limits { head_bytes: usize::MAX, body_bytes: usize::MAX, ..self.limits };
        ParseError::about(fault, Message::parse_within(head, &unlimited))
    }
}

/// RFC 3261 §20.14: on a stream the length must be there, in digits, and two must agree.
fn content_length(head: &[u8]) -> Result<usize, Fault> {
    let mut known = None;
    let mut at = memchr::memchr(b'\n', head).map_or(head.len(), |end| end + 1);
    while at < head.len() {
        let mut end = next_line(head, at);
        // A folded line goes on.
        while head.get(end).is_some_and(|byte| scan::is_lws(*byte)) {
            end = next_line(head, end);
        }
        let line = &head[at..end];
        at = end;
        if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        if HeaderName::parse(scan::trim(&line[..colon])) != HeaderName::ContentLength {
            continue;
        }
        let length = scan::number(line[colon + 1..].trim_ascii()).ok_or(Fault::ContentLength)?;
        if known.is_some_and(|known| known != length) {
            return Err(Fault::ContentLength);
        }
        known = Some(length);
    }
    known.ok_or(Fault::NoContentLength)
}

fn next_line(head: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &head[at..]).map_or(head.len(), |length| at + length + 1)
}
