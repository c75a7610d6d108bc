//! Owns the way in: from bytes to a transaction. Does not own the splitting of streams (see [`crate::framing`]).

use bytes::Bytes;
use clock::Instant;

use super::server::complete_top;
use super::{DropCause, Endpoint, Flow};
use crate::message::{Fault, Message, ParseError};

impl Endpoint {
    /// One datagram, or one message that framing cut from a stream. What is malformed is answered with 400 (or 413,
    /// 414, 505, 513) where that is possible, else dropped and counted.
    pub fn receive(&mut self, now: Instant, flow: Flow, datagram: Bytes) {
        let raw = datagram.clone();
        match Message::parse_datagram(datagram) {
            Ok(message) => self.take_in(now, flow, message, &raw),
            Err(error) => self.refuse(flow, &error),
        }
        self.prune();
    }

    /// One message that was parsed before, by framing for example.
    pub fn receive_message(&mut self, now: Instant, flow: Flow, message: Message) {
        let raw = message.to_bytes();
        self.take_in(now, flow, message, &raw);
        self.prune();
    }

    fn take_in(&mut self, now: Instant, flow: Flow, mut message: Message, raw: &Bytes) {
        if let Err(error) = message.validate() {
            return self.refuse(flow, &error);
        }
        match message {
            Message::Request(request) => self.server_request(now, flow, request, raw),
            Message::Response(response) => self.client_response(now, response, raw),
        }
    }

    fn refuse(&mut self, flow: Flow, error: &ParseError) {
        if matches!(error.fault, Fault::KeepAlive) {
            return; // RFC 5626 §4.4.1: four bytes that keep a NAT open.
        }
        let Some(mut response) = error.answer() else { return self.drop_message(DropCause::Malformed) };
        let back = match response.headers.via() {
            Ok(via) => {
                complete_top(&mut response.headers, &via, flow);
                super::server::response_flow(flow, &via)
            }
            // A Via that cannot be read names no way back but the one the request came by.
            Err(_) => flow,
        };
        // RFC 3261 §8.2.6.2: a tag of our own; the answer is stateless, so a retransmission gets another. A To that is
        // missing, repeated or malformed goes back as it came: the sender finds its request by Via and CSeq.
        if response.headers.to().is_ok() {
            let tag = self.mint.tag();
            // invariant: To was read in the line above.
            let _checked = response.set_to_tag(&tag);
        }
        self.drop_message(DropCause::MalformedAnswered);
        self.transmit(back, response.to_bytes());
    }
}
