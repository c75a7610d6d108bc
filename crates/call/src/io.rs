//! Owns what goes into and comes out of a shard.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::command::{MessageDeed, Originate};
use model::event::Event;
use model::night::Turn;
use model::supervision::Verb;
use model::{AgentId, Aor, CallId, HotlineNumber, LegId, MailboxName, RecordingId, TenantId, TrunkName};
use routing::{BanCause, TrunkNews};
use sip::endpoint::{Flow, ServerTx};
use sip::resolve::{Target, Wanted};
use sip::subscription::WatchedDialog;

use crate::{ConferenceInput, Keep, MemberWord, Settings};

/// Facts and wishes for one shard.
#[derive(Debug)]
pub enum Input {
    /// One datagram, or one message framed from a stream.
    Received {
        /// Where it came from.
        flow: Flow,
        /// What came.
        bytes: Bytes,
    },
    /// A flow can no longer send (connection refused, reset, closed with something to send).
    TransportFailed {
        /// Which.
        flow: Flow,
    },
    /// A connection that we opened did not come about; comes before the `TransportFailed` of what waited for it.
    Unreached {
        /// Which.
        flow: Flow,
        /// Why.
        why: Unreached,
    },
    /// Answers `Output::Locate` in the same turn.
    Located {
        /// Whose leg asked.
        call: CallId,
        /// Which leg asked.
        leg: LegId,
        /// The bindings, best first; empty when there are none.
        bindings: Vec<Binding>,
    },
    /// Answers `Output::Resolve`, in the same turn where the name is known already.
    Resolved {
        /// Whose leg asked.
        call: CallId,
        /// Which leg asked.
        leg: LegId,
        /// Where to send, best first; empty when the name leads nowhere.
        targets: Vec<Target>,
    },
    /// The peer of a connection has shown a certificate that was verified; comes before its first message.
    PeerVerified {
        /// The connection, as in [`Flow::connection`].
        connection: u64,
        /// The domain names that the certificate is for (RFC 5922 §7.1), lower case.
        names: Arc<[Box<str>]>,
    },
    /// A connection whose peer was verified is over.
    PeerGone {
        /// The connection.
        connection: u64,
    },
    /// Answers `Output::Register` and `Output::PhoneRequest`.
    Registered {
        /// The transaction that asked.
        tx: ServerTx,
        /// What to answer.
        response: Box<sip::Response>,
    },
    /// Send a request outside of any call, for phones' services: answered by `Output::ErrandEnded`.
    Errand {
        /// Names it in the answer.
        errand: u64,
        /// Where to.
        flow: Flow,
        /// Any request but INVITE, without Via.
        request: Box<sip::Request>,
    },
    /// From the media workers.
    Media(media::command::Event),
    /// From the tenant's ACD, for a call of this shard.
    Acd {
        /// Whose ACD.
        tenant: TenantId,
        /// What it asks (`Offer`, `Withdraw`, `Say`, `Left`; its events go to the journal directly).
        output: acd::Output,
    },
    /// Answers `Output::LocateTrunk`, in the same turn where the name is known already.
    TrunkLocated {
        /// Whose name.
        trunk: TrunkName,
        /// The name.
        host: Box<str>,
        /// Where to send, best first; empty when the name leads nowhere.
        targets: Vec<Target>,
    },
    /// What another shard learned of a trunk.
    Trunk(TrunkNews),
    /// An operator sends whom the agent of a call talks with, or who waits, elsewhere.
    Transfer {
        /// Which call.
        call: CallId,
        /// Where to, as one dials it, or `queue:NAME`.
        to: Arc<str>,
    },
    /// Somebody writes a note on a call.
    Note {
        /// Which call.
        call: CallId,
        /// Whose; None: an operator's.
        by: Option<AgentId>,
        /// What it says.
        text: Arc<str>,
    },
    /// Somebody wants an agent joined with a number; answered by `Output::Originated`.
    Originate {
        /// Names it in the answer.
        ask: u64,
        /// What.
        wish: Originate,
    },
    /// An operator turns the night switch of a number that has a night flow.
    TurnNight {
        /// Which.
        number: HotlineNumber,
        /// Which way.
        turn: Turn,
        /// Who, for the record.
        by: Arc<str>,
    },
    /// An operator does something with a message.
    Mailbox {
        /// In which mailbox.
        mailbox: MailboxName,
        /// Which message.
        message: RecordingId,
        /// What.
        deed: MessageDeed,
        /// Who, for the record.
        by: Arc<str>,
    },
    /// Messages that lie in their mailboxes for longer than those keep them are taken out.
    TidyMailboxes,
    /// An operator ends a call.
    HangUp {
        /// Which.
        call: CallId,
    },
    /// A supervisor asks for a call (R54): the supervisor's phone rings, unless the supervisor is in the call already.
    Supervise {
        /// Which.
        call: CallId,
        /// Who.
        by: AgentId,
        /// What.
        verb: Verb,
    },
    /// For the conferences, on the node's first shard.
    Conference(ConferenceInput),
    /// From a conference, for a call of this shard.
    ToldByConference {
        /// Which call.
        call: CallId,
        /// What.
        word: MemberWord,
    },
    /// How well the shard keeps up; told when it does not, and once when it does again.
    Strain {
        /// How long what follows has waited to be handled.
        waited: Duration,
        /// How many more facts the journal has room for.
        room: usize,
    },
    /// An operator pauses the recording of a call, or lets it go on.
    Keep {
        /// Which call.
        call: CallId,
        /// What is wished.
        keep: Keep,
    },
    /// Local time is so many seconds east of UTC from now on.
    UtcOffset(i32),
    /// New settings; calls in progress keep theirs.
    Configure(Arc<Settings>),
    /// The disk of recordings became this.
    Disk(model::event::DiskState),
    /// No new calls from now on: 503 with Retry-After.
    Drain,
    /// Release every call now, each with its CDR.
    Shutdown,
}

/// Why a connection that we opened did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreached {
    /// Refused, or without a way there; in the system's words.
    NoConnection(Arc<str>),
    /// It took too long.
    TooSlow,
    /// Its certificate does not show the name that we expect there (RFC 5922 §7.3).
    WrongName,
    /// Nobody whom we trust vouches for its certificate.
    NotTrusted,
    /// Its certificate ran out, or is not valid yet.
    OutOfDate,
    /// TLS failed otherwise; in the library's words.
    Tls(Arc<str>),
}

/// One way to a registered phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The contact's URI, for the Request-URI.
    pub contact: String,
    /// The flow its REGISTER came by.
    pub flow: Flow,
    /// Path URIs (RFC 3327), first hop first.
    pub path: Vec<String>,
}

/// What became of a request outside of any call.
#[derive(Clone, Debug)]
pub enum ErrandEnded {
    /// Its final response.
    Answered(Box<sip::Response>),
    /// None came in 64 × T1, or the flow cannot send.
    Failed,
}

/// What a shard asks for.
#[derive(Debug)]
pub enum Output {
    /// Send.
    Transmit {
        /// Where to; a stream flow with `connection: None` asks for a connection to be opened or reused.
        flow: Flow,
        /// What.
        bytes: Bytes,
    },
    /// For the media workers. `OpenPort` is answered in the same turn by `Input::Media`.
    Media(media::command::Command),
    /// For the tenant's ACD.
    Acd {
        /// Whose.
        tenant: TenantId,
        /// What.
        input: acd::Input,
    },
    /// A REGISTER for the registrar; answered by `Registered`.
    Register {
        /// The transaction.
        tx: ServerTx,
        /// Its source.
        flow: Flow,
        /// The request.
        request: Box<sip::Request>,
    },
    /// Where does this name lead (RFC 3263)? Answered by `Resolved`.
    Resolve {
        /// Whose leg asks.
        call: CallId,
        /// Which leg asks.
        leg: LegId,
        /// What is to be reached.
        wanted: Wanted,
    },
    /// A SUBSCRIBE or MESSAGE for phones' services; answered by `Registered`.
    PhoneRequest {
        /// The transaction.
        tx: ServerTx,
        /// Its source.
        flow: Flow,
        /// The request.
        request: Box<sip::Request>,
    },
    /// What became of an `Input::Errand`.
    ErrandEnded {
        /// Which.
        errand: u64,
        /// What.
        ended: ErrandEnded,
    },
    /// What those see who watch a phone: one of its calls got so far.
    PhoneDialog {
        /// Whose.
        aor: Aor,
        /// The call.
        dialog: WatchedDialog,
    },
    /// Messages with this Call-ID belong to the call, those before this too: for who keeps them.
    LegNamed {
        /// Whose.
        tenant: TenantId,
        /// The call.
        call: CallId,
        /// The Call-ID of one of its legs.
        sip_call_id: Arc<str>,
    },
    /// Where is this phone? Answered by `Located` in the same turn.
    Locate {
        /// Whose leg asks.
        call: CallId,
        /// Which leg asks.
        leg: LegId,
        /// Who is sought.
        aor: Aor,
    },
    /// Where does this name of a trunk lead (RFC 3263)? Answered by `TrunkLocated`; asked again and again.
    LocateTrunk {
        /// Whose name.
        trunk: TrunkName,
        /// What is to be reached.
        wanted: Wanted,
    },
    /// For the conferences, which are on the node's first shard.
    Conference(ConferenceInput),
    /// For the shard of that call, as `Input::ToldByConference`.
    ToldByConference {
        /// Which call.
        call: CallId,
        /// What.
        word: MemberWord,
    },
    /// What lies in a mailbox became different: its owners' lamps are to show it.
    MailboxChanged(MailboxName),
    /// What became known of a trunk, for all other shards.
    Trunk(TrunkNews),
    /// What became of an `Input::Originate`.
    Originated {
        /// Which.
        ask: u64,
        /// The call, or why there is none, in words (Chinese, then English).
        call: Result<CallId, Arc<str>>,
    },
    /// A fact to journal, before what follows it is performed.
    Event(Event),
    /// For another shard of this node: a message that is about a call of its.
    HandOver {
        /// Which shard.
        shard: u8,
        /// Where it came from.
        flow: Flow,
        /// What came.
        bytes: Bytes,
    },
    /// Something was dropped or refused without a call: counted by cause.
    Counted(&'static str),
    /// A source is banned from now on: an operator may want to know.
    Banned {
        /// Its address.
        source: IpAddr,
        /// Why.
        cause: BanCause,
    },
}
