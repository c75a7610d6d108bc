//! Owns one peer: its configuration, what it may be told, what it tells, and the clockwork between.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use clock::{Instant, Machine};
use media::codec::FRAME;
use media::dtmf::KeyReceive;
use media::dtmf::inband::ToneReceive;
use media::rtp::{Header, is_rtcp};
use media::srtp::Secured;
use model::say::Key;
use sdp::{Codec, Description, Direction, KeyWay, Local, Negotiated, Secrecy};
use sip::endpoint::{Advertised, Endpoint, EndpointConfig};
use sip::session::Session;
use sip::transaction::ServerTx;

use crate::ear::Ear;
use crate::mouth::{Mouth, Sound};
use crate::registration::Registration;

/// Who a peer is.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// The user part of its From and Contact.
    pub user: String,
    /// The host part of its From; its own address when it has no domain.
    pub domain: String,
    /// The name that it shows.
    pub display: Option<String>,
    /// Its own signalling address.
    pub sip: SocketAddr,
    /// Its own RTP address.
    pub rtp: SocketAddr,
    /// Codecs, the best first.
    pub codecs: Vec<Codec>,
    /// Name and password for challenges.
    pub login: Option<Login>,
    /// What it does when it is called.
    pub behaviour: Behaviour,
    /// Makes its tags and branches differ from others'.
    pub seed: u64,
}

/// Name and password for challenges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// What a peer does by itself when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Rings and waits for a command.
    Ring,
    /// Rings, and answers after this long.
    AnswerAfter(Duration),
    /// Refuses at once with this status.
    Refuse(u16),
    /// Says nothing: a phone that is gone.
    Ignore,
}

/// A wish for a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Registers its user at `registrar` for `expires`.
    Register {
        /// Where.
        registrar: SocketAddr,
        /// For how long.
        expires: Duration,
    },
    /// Takes its binding back.
    Unregister,
    /// Calls `user` at `to`.
    Call {
        /// Where the INVITE is sent.
        to: SocketAddr,
        /// The user part of the Request-URI.
        user: String,
    },
    /// Answers the call that rings.
    Answer,
    /// Refuses the call that rings.
    Refuse(u16),
    /// Puts the other side on hold.
    Hold,
    /// Ends the hold.
    Resume,
    /// Holds the call, puts it aside and calls `user` at `to`: a second call.
    Consult {
        /// Where the INVITE is sent.
        to: SocketAddr,
        /// The user part of the Request-URI.
        user: String,
    },
    /// Holds the call and puts it aside: another may come.
    Park,
    /// Holds the call and goes on with the one that was put aside.
    Swap,
    /// Sends the other side to `user` (REFER, RFC 3515).
    Transfer {
        /// The user part of Refer-To.
        user: String,
    },
    /// Makes the call that was put aside and this one a call of the two others (REFER with Replaces, RFC 5589 §7).
    Join,
    /// Calls `user` at `to` in the place of a dialog (RFC 3891).
    CallInPlace {
        /// Where the INVITE is sent.
        to: SocketAddr,
        /// The user part of the Request-URI.
        user: String,
        /// The value of Replaces.
        replaces: String,
    },
    /// Offers T.38 in the place of audio, by re-INVITE.
    Fax,
    /// Sends this as a UDPTL datagram, while it has fax.
    SendFax(Bytes),
    /// Presses a key for 160 ms.
    Press(Key),
    /// Says this from now on.
    Say(Sound),
    /// Cancels, refuses or ends the call, whichever fits.
    HangUp,
}

/// Facts and wishes for a peer.
#[derive(Clone, Debug)]
pub enum Input {
    /// A SIP datagram came.
    Sip {
        /// From here.
        from: SocketAddr,
        /// These bytes.
        bytes: Bytes,
    },
    /// A datagram came to the RTP port.
    Rtp(Bytes),
    /// A wish.
    Do(Command),
}

/// What a peer wants or tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send from the SIP port.
    Sip {
        /// To here.
        to: SocketAddr,
        /// These bytes.
        bytes: Bytes,
    },
    /// Send from the RTP port.
    Rtp {
        /// To here.
        to: SocketAddr,
        /// These bytes.
        bytes: Bytes,
    },
    /// Something happened.
    Happened(Happening),
}

/// What happened to a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// Its binding stands.
    Registered,
    /// Its REGISTER was refused with this status, or 408 without an answer.
    RegisterFailed(u16),
    /// Its binding is gone.
    Unregistered,
    /// Somebody calls.
    Called {
        /// From's display name.
        name: Option<String>,
        /// From's user.
        number: String,
    },
    /// A provisional response came.
    Progress(u16),
    /// The call it made was answered.
    Answered,
    /// The call it made failed with this status.
    Refused(u16),
    /// The call that rang was cancelled.
    Cancelled,
    /// The call it answered was confirmed.
    Confirmed,
    /// The other side's description changed; whether it holds us.
    Changed(Direction),
    /// It has fax from now on.
    Faxing,
    /// Its offer within the call was refused with this status.
    OfferRefused(u16),
    /// A UDPTL datagram came.
    FaxCame(Bytes),
    /// The other side pressed a key.
    Key(Key),
    /// What it was told of a transfer that it asked for: a status.
    Transferred(u16),
    /// The call ended.
    Ended,
}

/// One party of one call at a time.
pub struct Peer {
    pub(crate) config: PeerConfig,
    pub(crate) endpoint: Endpoint,
    pub(crate) call: Option<PeerCall>,
    /// A call that is held and put aside.
    pub(crate) parked: Option<PeerCall>,
    /// Sessions that were left and may still retransmit.
    pub(crate) closing: Vec<Session>,
    pub(crate) registration: Option<Registration>,
    pub(crate) mouth: Mouth,
    ear: Ear,
    keys: KeyReceive,
    tones: ToneReceive,
    secrecy: Secrecy,
    secured: Option<Secured>,
    /// Packets that were not authentic.
    refused: u64,
    pub(crate) way: KeyWay,
    /// What it says of its fax, unless it has none.
    pub(crate) fax_terms: Option<String>,
    pub(crate) fax_told: Option<String>,
    pub(crate) out: VecDeque<Output>,
}

/// The call a peer is in.
pub(crate) struct PeerCall {
    pub session: Session,
    pub invite: Option<ServerTx>,
    pub offer: Option<Description>,
    pub offered_by_peer: Option<Bytes>,
    pub agreed: Option<Negotiated>,
    pub direction: Direction,
    pub version: u64,
    /// Where its fax goes, while it has one.
    pub fax: Option<SocketAddr>,
    pub answer_at: Option<Instant>,
}

impl Peer {
    /// A peer that does nothing yet.
    pub fn new(config: PeerConfig) -> Peer {
        let mut secret = [0; 16];
        secret[..8].copy_from_slice(&config.seed.to_be_bytes());
        let advertised = Advertised::new(config.sip.ip().to_string(), config.sip.port());
        let endpoint = Endpoint::new(EndpointConfig {
            secret,
            advertised: vec![advertised],
            user_agent: "hotline-peer".to_owned(),
            // Its Call-IDs name no shard of the switch, so that they lead to any.
            shard: u8::MAX,
            ..EndpointConfig::default()
        });
        Peer {
            mouth: Mouth::new((config.seed as u32).wrapping_mul(0x9e37_79b9) | 1),
            config,
            endpoint,
            call: None,
            parked: None,
            closing: Vec::new(),
            registration: None,
            ear: Ear::default(),
            keys: KeyReceive::default(),
            tones: ToneReceive::default(),
            secrecy: Secrecy::Off,
            secured: None,
            refused: 0,
            way: KeyWay::Events,
            fax_terms: None,
            fax_told: None,
            out: VecDeque::new(),
        }
    }

    /// Who it is.
    pub fn config(&self) -> &PeerConfig {
        &self.config
    }

    /// Changes what it does when it is called.
    pub fn behave(&mut self, behaviour: Behaviour) {
        self.config.behaviour = behaviour;
    }

    /// Changes what it speaks, the best first, from the next description on.
    pub fn speak_by(&mut self, codecs: Vec<Codec>) {
        self.config.codecs = codecs;
    }

    /// Changes how it encrypts its media, from the next description on.
    pub fn encrypt(&mut self, secrecy: Secrecy) {
        self.secrecy = secrecy;
    }

    /// Changes how it presses and hears keys, from the next description on.
    pub fn press_by(&mut self, way: KeyWay) {
        self.way = way;
    }

    /// It has T.38 with these attributes (`a=T38…` lines) and takes it when it is offered.
    pub fn fax_by(&mut self, attributes: &str) {
        self.fax_terms = Some(attributes.to_owned());
    }

    /// The other side's last description of T.38.
    pub fn told_of_fax(&self) -> Option<&str> {
        self.fax_told.as_deref()
    }

    /// What the present call agreed on.
    pub fn agreed(&self) -> Option<Negotiated> {
        self.call.as_ref().and_then(|call| call.agreed)
    }

    /// Packets that came and were not authentic.
    pub fn refused_packets(&self) -> u64 {
        self.refused
    }

    /// What it heard since the beginning.
    pub fn ear(&self) -> &Ear {
        &self.ear
    }

    /// Packets of audio and keys that it sent.
    pub fn sent_packets(&self) -> u64 {
        self.mouth.packets()
    }

    /// Whether it is in a call.
    pub fn is_in_call(&self) -> bool {
        self.call.is_some() || self.parked.is_some()
    }

    /// Whether a call is put aside.
    pub fn has_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// The Call-IDs of the calls it is in, one put aside included.
    pub fn call_ids(&self) -> impl Iterator<Item = &str> {
        self.call.iter().chain(&self.parked).map(|call| call.session.call_id())
    }

    /// What an INVITE writes in Replaces that wants this call's place at the other side (RFC 3891).
    pub fn replaces(&self) -> Option<String> {
        self.call.as_ref().and_then(|call| crate::signalling::replaces_of(&call.session))
    }

    pub(crate) fn happened(&mut self, happening: Happening) {
        self.out.push_back(Output::Happened(happening));
    }

    pub(crate) fn local(&self, version: u64, direction: Direction) -> Local {
        Local {
            address: self.config.rtp.ip(),
            port: self.config.rtp.port(),
            codecs: self.config.codecs.iter().copied().collect(),
            dtmf: self.way == KeyWay::Events,
            noise: false,
            secrecy: self.secrecy,
            ptime_ms: sdp::PTIME_MS,
            session: sdp::Session { id: self.config.seed >> 1, version },
            direction,
        }
    }

    fn hear(&mut self, now: Instant, datagram: &[u8]) {
        if self.call.as_ref().is_some_and(|call| call.fax.is_some()) {
            return self.happened(Happening::FaxCame(Bytes::copy_from_slice(datagram)));
        }
        let Some(agreed) = self.agreed() else { return };
        if is_rtcp(datagram) {
            return;
        }
        self.rekey(&agreed);
        let mut plain = datagram.to_vec();
        if let Some(secured) = &mut self.secured {
            match secured.open_rtp(&mut plain) {
                Ok(length) => plain.truncate(length),
                Err(_) => {
                    self.refused += 1;
                    return;
                }
            }
        }
        let datagram = &plain[..];
        let Some(header) = Header::parse(datagram) else { return };
        let payload = &datagram[header.payload()];
        self.ear.follow(header.sequence);
        if Some(header.payload_type) == agreed.receive_dtmf {
            for pressed in self.keys.take(now, &header, payload, agreed.dtmf_clock).into_iter().flatten() {
                self.happened(Happening::Key(pressed.key));
            }
        } else if header.payload_type == agreed.receive_payload_type {
            let heard = self.ear.take(now, agreed.codec, payload);
            let frames = heard.as_chunks::<FRAME>().0.iter();
            let told: Vec<_> = frames.filter_map(|frame| self.tones.take(frame)).collect();
            if agreed.keys == KeyWay::Inband {
                for pressed in told {
                    self.happened(Happening::Key(pressed.key));
                }
            }
        }
    }

    /// Takes the keys of a new agreement.
    fn rekey(&mut self, agreed: &Negotiated) {
        match (agreed.srtp, &mut self.secured) {
            (None, secured) => *secured = None,
            (Some(srtp), Some(secured)) => {
                if secured.rekey(srtp).is_none() {
                    self.secured = None;
                }
            }
            (Some(srtp), None) => self.secured = Secured::new(srtp),
        }
    }

    fn speak(&mut self, now: Instant) {
        let Some(agreed) = self.agreed() else { return };
        self.rekey(&agreed);
        while self.mouth.poll_timeout().is_some_and(|due| due <= now) {
            if let Some(bytes) = self.mouth.poll_packet(now, &agreed)
                && self.call.as_ref().is_some_and(|call| call.fax.is_none())
            {
                let bytes = match &mut self.secured {
                    Some(secured) => secured.seal_rtp(&bytes).map(bytes::BytesMut::freeze),
                    None => Some(bytes.into()),
                };
                let sent = bytes.map(|bytes| Output::Rtp { to: agreed.remote, bytes });
                self.out.extend(sent);
            }
        }
    }
}

impl Machine for Peer {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Sip { .. } if self.config.behaviour == Behaviour::Ignore => {}
            Input::Sip { from, bytes } => {
                let flow = sip::endpoint::Flow::udp(0, from);
                self.endpoint.receive(now, flow, bytes);
            }
            Input::Rtp(bytes) => self.hear(now, &bytes),
            Input::Do(command) => self.obey(now, command),
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.tick(now);
        if let Some(pressed) = self.keys.handle_timeout(now) {
            self.happened(Happening::Key(pressed.key));
        }
        self.settle(now);
        self.speak(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let call = self.call.iter();
        let calls = call.clone().chain(&self.parked);
        let sessions = calls.map(|call| &call.session).chain(&self.closing);
        let agreed = self.call.as_ref().is_some_and(|call| call.agreed.is_some());
        self.endpoint
            .poll_timeout()
            .into_iter()
            .chain(sessions.filter_map(Session::poll_timeout))
            .chain(call.filter_map(|call| call.answer_at))
            .chain(self.registration.as_ref().and_then(Registration::poll_timeout))
            .chain(self.mouth.poll_timeout().filter(|_| agreed))
            .chain(self.keys.poll_timeout())
            .min()
    }
}
