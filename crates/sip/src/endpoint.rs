//! Owns the transactions of one shard: RFC 3261 §17, those rules of §18 that are not sockets, RFC 3581, RFC 6026,
//! and the matching of RFC 2543's peers. Does not own dialogs (see [`crate::dialog`]) or sockets (see `sip-net`).
//!
//! ```text
//! receive ──▶ match or make a transaction ──▶ Output::{Request, Ack, Cancelled, Response} ──▶ application
//! Output::Transmit ◀── transaction ◀── respond, request, send_ack, cancel ◀── application
//! ```

mod client;
mod config;
mod flow;
mod inspect;
mod large;
mod mint;
mod output;
mod receive;
mod reuse;
mod server;
mod stateless;

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use clock::Instant;

pub use config::{Advertised, EndpointConfig, OtherPorts};
pub use flow::{Flow, Transport};
pub use inspect::Rules;
pub use mint::{AckBranch, shard_of_call_id};
pub use output::{DropCause, Drops, Live, Output};
pub use reuse::{alias_of, response_fallback};
pub use stateless::{Asked, NewCalls};

pub use crate::transaction::{ClientTx, ServerTx};

use crate::message::Request;
use crate::transaction::client::{Client, ClientState};
use crate::transaction::key::{KeyMap, Keys};
use crate::transaction::server::Server;
use crate::transaction::slab::Slab;
use crate::transaction::timers::{Due, Kind, Lane, Timers};
use mint::Mint;

/// The transaction layer of one shard.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    mint: Mint,
    keys: Keys,
    servers: Slab<Server>,
    clients: Slab<Client>,
    /// Server transactions by what retransmissions are matched by.
    by_key: KeyMap,
    /// The first server transaction of a request outside a dialog, by what all its copies share (§8.2.2.2).
    by_merge: KeyMap,
    timers: Timers,
    outputs: VecDeque<Output>,
    drops: Drops,
    /// Whom long requests reach by TCP.
    large: HashSet<(u16, SocketAddr)>,
    hop: large::Hop,
    new_calls: NewCalls,
    refused: stateless::Refused,
}

impl Endpoint {
    /// An endpoint without transactions.
    pub fn new(config: EndpointConfig) -> Endpoint {
        Endpoint {
            mint: Mint::new(&config),
            keys: Keys::new(&config.secret),
            config,
            servers: Slab::default(),
            clients: Slab::default(),
            by_key: KeyMap::default(),
            by_merge: KeyMap::default(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            drops: Drops::default(),
            large: HashSet::new(),
            hop: large::Hop::default(),
            new_calls: NewCalls::default(),
            refused: stateless::Refused::default(),
        }
    }

    /// The settings.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// Takes over what listeners are reached by, for what is sent from now on.
    pub fn set_advertised(&mut self, advertised: Vec<Advertised>) {
        self.config.advertised = advertised;
        self.hop = large::Hop::default();
    }

    /// Time has passed. Early, late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.timers.pop(now) {
            match due.kind() {
                Kind::Trying | Kind::ServerRetransmit | Kind::ServerEnd => self.server_due(now, due),
                Kind::ClientRetransmit | Kind::ClientEnd => self.client_due(now, due),
            }
        }
        self.prune();
    }

    /// The next instant at which `handle_timeout` has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next effect, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The flow failed for good: requests on it fail, responses on it are forgotten.
    pub fn transport_failed(&mut self, now: Instant, flow: Flow) {
        let clients: Vec<u64> =
            self.clients.iter().filter(|(_, client)| client.flow.same_way(&flow)).map(|(id, _)| id).collect();
        for id in clients {
            self.client_transport_failed(now, id);
        }
        let servers: Vec<u64> =
            self.servers.iter().filter(|(_, server)| server.flow.same_way(&flow)).map(|(id, _)| id).collect();
        for id in servers {
            self.server_transport_failed(now, id);
        }
        self.prune();
    }

    /// Sends an ACK to a 2xx, on a branch of its own and without a transaction (RFC 3261 §13.2.2.4). Returns the branch, on
    /// which [`repeat_ack`](Endpoint::repeat_ack) sends it again for each retransmission of the 2xx.
    pub fn send_ack(&mut self, flow: Flow, request: &Request) -> AckBranch {
        let branch = self.mint.ack_branch();
        self.repeat_ack(flow, request, branch);
        branch
    }

    /// Sends again what [`send_ack`](Endpoint::send_ack) sent.
    pub fn repeat_ack(&mut self, flow: Flow, request: &Request, branch: AckBranch) {
        let bytes = self.stamped(&flow, request, large::Branch::OfAck(branch));
        self.transmit(flow, bytes);
    }

    /// A tag for a dialog of ours (RFC 3261 §19.3).
    pub fn mint_tag(&mut self) -> String {
        self.mint.tag()
    }

    /// A Call-ID that begins with our shard.
    pub fn mint_call_id(&mut self) -> String {
        self.mint.call_id()
    }

    /// A number below `bound` that peers cannot foresee, for waits that must not coincide (RFC 3261 §14.1).
    pub fn random_below(&mut self, bound: u64) -> u64 {
        self.mint.below(bound)
    }

    /// Where the request of `tx` was sent, while it lives.
    pub fn flow_of(&self, tx: ClientTx) -> Option<Flow> {
        self.clients.get(tx.0).map(|client| client.flow)
    }

    /// Notes that the dialog which the 2xx with To tag `tag` formed is ended. `false` when it was before: that 2xx is a
    /// repetition.
    pub(crate) fn ends_once(&mut self, tx: ClientTx, tag: &str) -> bool {
        match self.clients.get_mut(tx.0).map(|client| &mut client.state) {
            Some(ClientState::Accepted { ended }) if ended.iter().any(|known| **known == *tag) => false,
            Some(ClientState::Accepted { ended }) => {
                ended.push(tag.into());
                true
            }
            _ => true,
        }
    }

    /// Whether any response to the request of `tx` has come; true also once the transaction is over.
    pub fn has_heard(&self, tx: ClientTx) -> bool {
        let silent = |client: &Client| {
            matches!(client.state, ClientState::Calling { .. } | ClientState::Trying { .. })
        };
        !self.clients.get(tx.0).is_some_and(silent)
    }

    /// How many transactions there are.
    pub fn live(&self) -> Live {
        Live { server: self.servers.len(), client: self.clients.len() }
    }

    /// How many messages were dropped since the start.
    pub fn dropped(&self) -> &Drops {
        &self.drops
    }

    /// What listener `flow.interface` is reached by; the unspecified address when it is not configured.
    pub fn advertised(&self, flow: &Flow) -> (&str, u16) {
        match self.config.advertised.get(usize::from(flow.interface)) {
            Some(advertised) => (&advertised.host, advertised.port_of(flow.transport)),
            None => ("0.0.0.0", flow.transport.default_port()),
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.outputs.push_back(Output::Transmit { flow, bytes });
    }

    fn drop_message(&mut self, cause: DropCause) {
        self.drops.count(cause);
        self.outputs.push_back(Output::Dropped { cause });
    }

    fn set_timer(&mut self, now: Instant, lane: Lane, tx: u64, epoch: u8, kind: Kind) {
        let config = &self.config;
        let length = match lane {
            Lane::Trying => config.trying_after,
            Lane::T1 => config.t1,
            Lane::T4 => config.t4,
            Lane::SixtyFourT1 => config.t1 * 64,
            // RFC 3261 §17.1.1.2: at least 32 s.
            Lane::D => (config.t1 * 64).max(std::time::Duration::from_secs(32)),
            Lane::Other => return,
        };
        self.timers.set(lane, Due::new(now + length, tx, kind, epoch));
    }

    /// Forgets deadlines of transactions that have moved on, so that `poll_timeout` is seldom too early.
    fn prune(&mut self) {
        let (servers, clients) = (&self.servers, &self.clients);
        self.timers.prune(|due| match due.kind() {
            Kind::Trying | Kind::ServerRetransmit | Kind::ServerEnd => {
                servers.get(due.tx()).is_none_or(|server| server.epoch != due.epoch())
            }
            Kind::ClientRetransmit | Kind::ClientEnd => {
                clients.get(due.tx()).is_none_or(|client| client.epoch != due.epoch())
            }
        });
    }
}

#[cfg(test)]
mod tests;
