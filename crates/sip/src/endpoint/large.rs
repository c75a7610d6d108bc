//! Owns requests that are too long for a datagram. RFC 3261 §18.1.1. Does not own who can take them otherwise: an
//! operator says so.

use std::net::SocketAddr;

use bytes::Bytes;
use clock::Instant;

use super::{AckBranch, Endpoint, Flow, Transport};
use crate::headers::{HeaderName, Via};
use crate::message::{Message, Request};
use crate::transaction::client::ClientState;

impl Endpoint {
    /// From now on requests of more than 1,300 bytes to `remote` go by TCP instead of UDP. The operator has said that
    /// it can: RFC 3261 asks for it of everybody, and few carriers listen on TCP.
    pub fn allow_large_over_tcp(&mut self, interface: u16, remote: SocketAddr) {
        if self.large.len() >= MOST && !self.large.contains(&(interface, remote)) {
            self.large.clear();
        }
        self.large.insert((interface, remote));
    }

    /// The way that `request` of transaction `id` takes where `flow` was meant, and its bytes.
    pub(super) fn sized(&mut self, flow: Flow, request: &Request, id: u64) -> (Flow, Bytes) {
        let sent = self.stamped(&flow, request, Branch::Of(id));
        let goes_by_tcp = sent.len() > LARGEST
            && flow.transport == Transport::Udp
            && self.large.contains(&(flow.interface, flow.remote));
        if !goes_by_tcp {
            return (flow, sent);
        }
        let flow = Flow { transport: Transport::Tcp, ..flow };
        (flow, self.stamped(&flow, request, Branch::Of(id)))
    }

    /// `request` as it goes out on `flow`.
    pub(super) fn stamped(&mut self, flow: &Flow, request: &Request, branch: Branch) -> Bytes {
        self.write_hop(flow, branch);
        request.stamped(&self.hop.text, &self.config.user_agent)
    }

    /// RFC 3261 §18.1.1: where TCP is refused, UDP is tried after all, and kept to from then on. Whether `id` was such a
    /// request.
    pub(super) fn retry_large(&mut self, now: Instant, id: u64) -> Retried {
        let Some(client) = self.clients.get(id) else { return Retried::No };
        let (flow, sent) = match &client.state {
            ClientState::Calling { sent, .. } | ClientState::Trying { sent, .. } => {
                (client.flow, sent.clone())
            }
            _ => return Retried::No,
        };
        if flow.transport != Transport::Tcp || !self.large.remove(&(flow.interface, flow.remote)) {
            return Retried::No;
        }
        // invariant: what we sent can be read again.
        let Ok(Message::Request(mut request)) = Message::parse_datagram(sent) else { return Retried::No };
        let flow = Flow { transport: Transport::Udp, ..flow };
        self.write_hop(&flow, Branch::Of(id));
        request.headers.set_first(HeaderName::Via, &self.hop.text);
        let sent = request.to_bytes();
        self.transmit(flow, sent.clone());
        let Some(client) = self.clients.get_mut(id) else { return Retried::No };
        client.flow = flow;
        let state = match &client.state {
            ClientState::Calling { cancel, .. } => {
                ClientState::Calling { sent, repeats: 0, cancel: cancel.clone() }
            }
            _ => ClientState::Trying { sent, repeats: 0 },
        };
        self.begin_client(now, id, state);
        Retried::Yes
    }

    /// Writes our own hop on `flow` into `self.hop`, where all but its branch mostly stands already.
    fn write_hop(&mut self, flow: &Flow, branch: Branch) {
        let place = (flow.interface, flow.transport);
        if self.hop.of != Some(place) {
            let mut text = std::mem::take(&mut self.hop.text);
            text.clear();
            let (host, port) = self.advertised(flow);
            Via::push_without_branch(&mut text, flow.transport.via(), host, port);
            self.hop = Hop { of: Some(place), branch_at: text.len(), text };
        }
        let Hop { text, branch_at, .. } = &mut self.hop;
        text.truncate(*branch_at);
        match branch {
            Branch::Of(id) => self.mint.push_branch(text, id),
            Branch::OfAck(branch) => branch.push_to(text),
        }
    }
}

/// Our own hop of the last request.
#[derive(Debug, Default)]
pub(super) struct Hop {
    /// The listener and transport that it names.
    of: Option<(u16, Transport)>,
    text: String,
    /// Where in the text the branch begins.
    branch_at: usize,
}

/// What a branch is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// A client transaction.
    Of(u64),
    /// An ACK to a 2xx, which has no transaction.
    OfAck(AckBranch),
}

/// Whether a request goes another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retried {
    Yes,
    No,
}

/// RFC 3261 §18.1.1: within 200 bytes of the path's MTU, or beyond 1,300 when that is not known.
const LARGEST: usize = 1_300;
/// How many peers are remembered.
const MOST: usize = 4_096;
