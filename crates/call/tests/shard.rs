//! Whole calls through one shard and one ACD, with hand-written messages on the wire and virtual time.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use call::{Binding, Identity, Input, Output, Settings, Shard};
use clock::{Instant, Machine, WallAnchor, WallTime};
use ivr::{Flow as IvrFlow, Interrupt, Node};
use media::command::{Command, Event as MediaEvent, Language, PlayEnd};
use model::event::{AgentState, CallFact, Event};
use model::outcome::{CallResult, HungUpBy, Termination};
use model::say::{Key, SayItem};
use model::{
    AgentId, Aor, CallId, DialTarget, FlowName, HotlineNumber, InterfaceName, LegId, PromptName, QueueName,
    TenantId,
};
use routing::PhoneServices;
use routing::{
    Access, AnswerMode, Cidr, DigestChoice, Feature, FeatureCodes, Interface, Limits, Number, Phone, Plan,
    QueueProfile, RecordPolicy, Reliable, RtpRange, Security, StrangeOptions, TenantDomain, Trunk,
    TrunkIdentity, WhenDiskFull,
};
use sip::endpoint::{Advertised, Flow};
use sip::{Message, Request, Response};

const CARRIER: &str = "198.51.100.7:5060";
const PHONE: &str = "192.0.2.20:5062";

fn tenant() -> TenantId {
    TenantId::default()
}

fn agent() -> AgentId {
    AgentId::new(&tenant(), "8001")
}

fn queue() -> QueueName {
    QueueName::new(&tenant(), "sales")
}

fn flow() -> IvrFlow {
    let prompt = |name: &str| vec![SayItem::Prompt(PromptName::new(&tenant(), name))];
    let nodes = BTreeMap::from([
        (
            Arc::from("notice"),
            Node::Play {
                say: prompt("rec_notice"),
                interrupt: Interrupt::Never,
                notice: true,
                next: Some(Arc::from("queue")),
            },
        ),
        (
            Arc::from("queue"),
            Node::Queue {
                queue: queue(),
                priority: 0,
                say: Vec::new(),
                next: Some(Arc::from("survey")),
                timeout: None,
                full: None,
                no_agent: None,
            },
        ),
        (
            Arc::from("survey"),
            Node::Survey {
                say: prompt("csat_ask"),
                keys: BTreeMap::from([(Key::from_char('1').unwrap(), Arc::from("满意"))]),
                timeout: Duration::from_secs(5),
                tries: 2,
                invalid: Vec::new(),
                thanks: Vec::new(),
                next: None,
            },
        ),
    ]);
    IvrFlow { name: FlowName::new(&tenant(), "main"), start: Arc::from("notice"), nodes }
}

fn settings() -> Settings {
    let number = Number {
        number: HotlineNumber::new(&tenant(), "4008001234"),
        aliases: Vec::new(),
        flow: FlowName::new(&tenant(), "main"),
        answer: AnswerMode::AtOnce,
        record: RecordPolicy::Talk,
        when_disk_full: WhenDiskFull::GoOn,
        night_flow: None,
        open: Vec::new(),
        max_calls: None,
    };
    let phone = Phone {
        tenant: tenant(),
        aor: Aor::new("8001", "pbx.test"),
        password: Arc::from("secret"),
        digest: DigestChoice::Md5,
        interface: 0,
        agent: Some(agent()),
        max_contacts: 3,
        media: routing::MediaChoice::default(),
        class: None,
        reliable: Reliable::Supported,
        large_over_tcp: false,
        caller: None,
        pickup_group: None,
        night_switch: false,
        mailbox: None,
        voicemail: false,
    };
    let trunk = Trunk {
        access: Access {
            from: vec![Cidr { address: "198.51.100.0".parse().unwrap(), prefix: 24 }],
            ..Access::default()
        },
        media: routing::MediaChoice::default(),
        identity: TrunkIdentity { show_caller: true, ..TrunkIdentity::default() },
        ..Trunk::named("ims")
    };
    let profile = QueueProfile {
        when_disk_full: WhenDiskFull::GoOn,
        music: PromptName::new(&tenant(), "moh"),
        music_start: routing::MusicStart::Shared,
        display: Arc::from("{caller} {queue}"),
        title: Arc::from("销售"),
        agent_number: true,
        escalate_to: Vec::new(),
        dial: None,
    };
    let plan = Plan {
        interfaces: vec![Interface {
            name: InterfaceName::new("lan"),
            bind: "0.0.0.0:5060".parse().unwrap(),
            udp: true,
            tcp: true,
            tls: None,
            ws: None,
            wss: None,
            certificate: None,
            advertise: "203.0.113.5".parse().unwrap(),
            host: None,
            rtp: RtpRange { low: 20_000, high: 20_999 },
        }],
        trunks: vec![Arc::new(trunk)],
        groups: Vec::new(),
        numbers: vec![number],
        phones: vec![phone],
        queues: HashMap::from([(queue(), profile)]),
        domains: vec![TenantDomain { tenant: tenant(), domain: Arc::from("pbx.test") }],
        limits: Limits {
            max_calls: 10,
            max_calls_per_second: None,
            max_duration: Duration::from_secs(7200),
            overload_delay: Duration::from_millis(20),
        },
        security: Security {
            requests_per_second: 50,
            failed_logins_per_minute: 10,
            ban: Duration::from_secs(600),
            max_bans: 100,
            scanners: vec![Arc::from("friendly-scanner")],
            strange_options: StrangeOptions::Drop,
        },
        classes: HashMap::new(),
        codes: FeatureCodes::new([
            (Feature::Ready, Arc::from("*22")),
            (Feature::Busy, Arc::from("*23")),
            (Feature::Pause, Arc::from("*24")),
            (Feature::SignOut, Arc::from("*25")),
            (Feature::Echo, Arc::from("*9196")),
        ]),
        dialling: routing::Dialling::default(),
        supervision: routing::Supervision::default(),
        greetings: std::collections::HashMap::new(),
        mailboxes: std::collections::HashMap::new(),
        conferences: HashMap::new(),
        phone_services: PhoneServices::default(),
        rtp_timeout: Some(Duration::from_secs(30)),
        silence_alarm: None,
        session_expires: None,
    };
    Settings {
        plan: Arc::new(plan),
        flows: HashMap::from([(FlowName::new(&tenant(), "main"), Arc::new(flow()))]),
        agents: HashMap::from([(agent(), DialTarget::Phone(Aor::new("8001", "pbx.test")))]),
        advertised: vec![Advertised::new("203.0.113.5", 5060)],
        product: Arc::from("hotline"),
        language: Language::Zh,
    }
}

fn acd_settings() -> acd::TenantSettings {
    acd::TenantSettings {
        tenant: tenant(),
        queues: vec![acd::QueueSettings {
            name: queue(),
            strategy: acd::Strategy::LongestIdle,
            tiers: vec![acd::Tier { agent: agent(), level: 1 }],
            ring: Duration::from_secs(20),
            max_wait: Some(Duration::from_secs(60)),
            max_waiting: None,
            wrap_up: Duration::from_secs(10),
            no_answer_rest: Duration::from_secs(5),
            leave_when_nobody: false,
            announce: acd::Announce { position: false, every: Duration::from_secs(30) },
            priority: 0,
        }],
        agents: vec![acd::AgentSettings {
            id: agent(),
            name: Arc::from("小王"),
            target: DialTarget::Phone(Aor::new("8001", "pbx.test")),
            sign_in: acd::SignIn::ByCode,
        }],
        own_calls_wrap_up: Duration::ZERO,
    }
}

/// One shard, one ACD, and the hands of carrier, phone and media.
struct Bench {
    now: Instant,
    shard: Shard,
    acd: acd::Acd,
    sent: Vec<(SocketAddr, Message)>,
    media: Vec<Command>,
    facts: Vec<CallFact>,
    /// Messages for other shards.
    handed: Vec<(u8, Bytes)>,
    /// What those see who watch phones.
    lamps: Vec<sip::subscription::Progress>,
    /// What became of errands.
    errands: Vec<(u64, Option<u16>)>,
    /// Requests for phones' services.
    phone_requests: Vec<sip::Method>,
    /// Where names lead.
    targets: Vec<sip::resolve::Target>,
    ports: u16,
    open: Vec<(CallId, LegId)>,
}

impl Bench {
    fn new() -> Bench {
        Bench::of(settings())
    }

    fn of(settings: Settings) -> Bench {
        Bench::of_node(settings, 0, call::NodeWide::default())
    }

    fn of_node(settings: Settings, number: u8, node: call::NodeWide) -> Bench {
        let identity = Identity {
            node: 0,
            shard: number,
            secret: [7; 32],
            anchor: WallAnchor::new(Instant::ZERO, WallTime(1_795_000_000_000_000)),
        };
        let ids = model::IdGen::new(0, 255, 1_795_000_000);
        let mut bench = Bench {
            now: Instant::from_secs(10),
            shard: Shard::of_node(identity, Arc::new(settings), node),
            acd: acd::Acd::new(Instant::from_secs(10), tenant(), ids, Arc::new(acd_settings())),
            sent: Vec::new(),
            media: Vec::new(),
            facts: Vec::new(),
            handed: Vec::new(),
            lamps: Vec::new(),
            errands: Vec::new(),
            phone_requests: Vec::new(),
            targets: Vec::new(),
            ports: 20_000,
            open: Vec::new(),
        };
        bench.acd(acd::Input::PhoneReachable { agent: agent(), reachable: true });
        bench.acd(acd::Input::ChooseState { agent: agent(), state: AgentState::Ready });
        bench
    }

    fn give(&mut self, input: Input) {
        self.shard.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => {
                    self.sent.push((
                        flow.remote,
                        Message::parse_datagram(bytes).expect("we send what can be parsed"),
                    ));
                }
                Output::Media(Command::OpenPort { room, port, .. }) => {
                    self.ports += 2;
                    let address = SocketAddr::new("203.0.113.5".parse().unwrap(), self.ports);
                    self.open.push((room, port));
                    self.give(Input::Media(MediaEvent::PortOpened { room, port, address }));
                }
                Output::Media(command @ (Command::ClosePort { .. } | Command::CloseRoom { .. })) => {
                    let closes = |&(of, leg): &(CallId, LegId)| match &command {
                        Command::ClosePort { port } => leg == *port,
                        Command::CloseRoom { room } => of == *room,
                        _ => false,
                    };
                    let (closed, open) = self.open.drain(..).partition(closes);
                    self.open = open;
                    self.media.push(command);
                    let closed: Vec<(CallId, LegId)> = closed;
                    for (room, port) in closed {
                        let quality = media::quality::Quality::default();
                        self.give(Input::Media(MediaEvent::Quality { room, port, quality }));
                    }
                }
                Output::Media(command) => self.media.push(command),
                Output::Acd { input, .. } => self.acd(input),
                Output::Locate { call, leg, .. } => {
                    let remote = PHONE.parse().unwrap();
                    let contact = format!("sip:8001@{PHONE}");
                    let bindings = vec![Binding { contact, flow: Flow::udp(0, remote), path: Vec::new() }];
                    self.give(Input::Located { call, leg, bindings });
                }
                Output::Resolve { call, leg, .. } => {
                    self.give(Input::Resolved { call, leg, targets: self.targets.clone() });
                }
                Output::Event(Event::Call { fact, .. }) => self.facts.push(fact),
                Output::Event(_)
                | Output::Register { .. }
                | Output::LegNamed { .. }
                | Output::MailboxChanged(_)
                | Output::Originated { .. }
                | Output::Counted(_)
                | Output::Banned { .. }
                | Output::Trunk(_)
                | Output::Conference(_)
                | Output::ToldByConference { .. }
                | Output::LocateTrunk { .. } => {}
                Output::HandOver { shard, bytes, .. } => self.handed.push((shard, bytes)),
                Output::PhoneRequest { request, .. } => self.phone_requests.push(request.method),
                Output::ErrandEnded { errand, ended } => self.errands.push(match ended {
                    call::ErrandEnded::Answered(response) => (errand, Some(response.status)),
                    call::ErrandEnded::Failed => (errand, None),
                }),
                Output::PhoneDialog { dialog, .. } => self.lamps.push(dialog.progress),
            }
        }
    }

    fn acd(&mut self, input: acd::Input) {
        self.acd.handle(self.now, input);
        self.drain_acd();
    }

    fn drain_acd(&mut self) {
        while let Some(output) = self.acd.poll_output() {
            self.give(Input::Acd { tenant: tenant(), output });
        }
    }

    fn wait(&mut self, length: Duration) {
        let until = self.now + length;
        loop {
            let next = [self.shard.poll_timeout(), self.acd.poll_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.shard.handle_timeout(self.now);
            self.drain();
            self.acd.handle_timeout(self.now);
            self.drain_acd();
        }
        self.now = until;
    }

    fn receive(&mut self, from: &str, text: String) {
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        self.give(Input::Received { flow: Flow::udp(0, from.parse().unwrap()), bytes });
    }

    /// The last request with this method that went to `to`.
    fn request(&self, to: &str, method: &str) -> Request {
        let to: SocketAddr = to.parse().unwrap();
        let found = self.sent.iter().rev().find_map(|(remote, message)| match message {
            Message::Request(request) if *remote == to && request.method.as_str() == method => {
                Some(request.clone())
            }
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no {method} to {to}"))
    }

    fn responses(&self) -> Vec<&Response> {
        self.sent
            .iter()
            .filter_map(|(_, m)| match m {
                Message::Response(r) => Some(r),
                Message::Request(_) => None,
            })
            .collect()
    }

    fn last_status(&self) -> u16 {
        self.responses().last().expect("a response").status
    }

    /// The carrier calls; returns the To tag of the answer.
    fn invite(&mut self, number: &str) {
        self.receive(CARRIER, invite(number));
    }

    fn ack(&mut self) -> String {
        let answer =
            self.responses().into_iter().rev().find(|response| response.status == 200).expect("an answer");
        let to = String::from_utf8(answer.headers.get(sip::HeaderName::To).unwrap().to_vec()).unwrap();
        self.receive(CARRIER, format!(
            "ACK sip:4008001234@203.0.113.5 SIP/2.0\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bKack\nMax-Forwards: 70\n\
             From: <sip:13800138000@{CARRIER}>;tag=c1\nTo: {to}\nCall-ID: call-1\nCSeq: 1 ACK\nContent-Length: 0\n\n"
        ));
        to
    }

    fn bye(&mut self, to: &str) {
        self.receive(CARRIER, format!(
            "BYE sip:4008001234@203.0.113.5 SIP/2.0\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bKbye\nMax-Forwards: 70\n\
             From: <sip:13800138000@{CARRIER}>;tag=c1\nTo: {to}\nCall-ID: call-1\nCSeq: 2 BYE\nContent-Length: 0\n\n"
        ));
    }

    /// All playings that were asked for end.
    fn play_out(&mut self) {
        let plays: Vec<_> = self
            .media
            .iter()
            .filter_map(|command| match command {
                Command::Play { port, play, mode: media::command::PlayMode::Once, .. } => {
                    Some((*port, *play))
                }
                _ => None,
            })
            .collect();
        self.media.retain(|command| !matches!(command, Command::Play { .. }));
        let room = self.shard.live_calls().next().expect("a call").id;
        for (port, play) in plays {
            self.give(Input::Media(MediaEvent::Played { room, port, play, how: PlayEnd::Finished }));
        }
    }

    /// The phone's response to the INVITE that rings it.
    fn phone_says(&mut self, status: u16) {
        self.says(PHONE, status);
    }

    /// The response to the INVITE that rings whoever is at `address`.
    fn says(&mut self, address: &str, status: u16) {
        let invite = self.request(address, "INVITE");
        let mut response = Response::to(&invite, status);
        response.set_to_tag("p1").unwrap();
        response.headers.push(sip::HeaderName::Contact, format!("<sip:8001@{address}>"));
        if status == 200 {
            response.set_body("application/sdp", sdp_of("192.0.2.20", 4000));
        }
        let flow = Flow::udp(0, address.parse().unwrap());
        self.give(Input::Received { flow, bytes: response.to_bytes() });
    }

    fn ended(&self) -> (CallResult, HungUpBy, Termination) {
        let ends: Vec<_> = self
            .facts
            .iter()
            .filter_map(|fact| match fact {
                CallFact::Ended { result, by, cause } => Some((*result, *by, *cause)),
                _ => None,
            })
            .collect();
        assert_eq!(ends.len(), 1, "a call ends exactly once: {:#?}", self.facts);
        ends[0]
    }

    fn has(&self, wanted: impl Fn(&CallFact) -> bool) -> bool {
        self.facts.iter().any(wanted)
    }

    /// 64 s after the last word nothing is left.
    fn assert_nothing_left(&mut self) {
        self.wait(Duration::from_secs(64));
        assert_eq!(self.shard.live(), call::Live::default());
    }
}

fn sdp_of(address: &str, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 0 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    )
}

fn invite(number: &str) -> String {
    let body = sdp_of("198.51.100.9", 30_000).replace("\r\n", "\n");
    let length = body.len() + body.matches('\n').count();
    format!(
        "INVITE sip:{number}@203.0.113.5 SIP/2.0\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bKinv\nMax-Forwards: 70\n\
         From: <sip:13800138000@{CARRIER}>;tag=c1\nTo: <sip:{number}@203.0.113.5>\nCall-ID: call-1\nCSeq: 1 INVITE\n\
         Contact: <sip:c@{CARRIER}>\nContent-Type: application/sdp\nContent-Length: {length}\n\n{body}"
    )
}

/// A caller in conversation with agent 8001, the agent's number spoken.
fn talking() -> (Bench, String) {
    talking_by(settings())
}

fn talking_by(settings: Settings) -> (Bench, String) {
    let mut bench = Bench::of(settings);
    bench.invite("4008001234");
    let to = bench.ack();
    bench.play_out();
    bench.phone_says(180);
    bench.phone_says(200);
    bench.play_out();
    assert!(bench.has(|fact| matches!(fact, CallFact::Bridged { .. })), "{:#?}", bench.facts);
    (bench, to)
}

#[test]
fn a_call_is_answered_told_queued_rung_and_bridged() {
    let (mut bench, to) = talking();
    assert!(bench.has(|fact| matches!(fact, CallFact::NoticePlayed)));
    assert!(bench.has(|fact| matches!(fact, CallFact::Ringing { .. })));
    assert!(bench.has(|fact| matches!(fact, CallFact::RecordingBegan { .. })));
    let matrix = bench.media.iter().rev().find_map(|command| match command {
        Command::Hear { matrix, .. } => Some(matrix.clone()),
        _ => None,
    });
    assert_eq!(matrix.map(|matrix| matrix.len()), Some(2), "each hears the other");
    let rung = bench.request(PHONE, "INVITE");
    let from = rung.headers.from().unwrap();
    assert_eq!(from.display().as_deref(), Some("13800138000 销售"));
    bench.bye(&to);
    assert_eq!(bench.last_status(), 200);
    assert_eq!(bench.ended(), (CallResult::Answered, HungUpBy::Caller, Termination::Normal));
    bench.request(PHONE, "BYE");
    assert!(bench.has(|fact| matches!(fact, CallFact::RecordingEnded { .. })));
}

#[test]
fn a_caller_who_hangs_up_leaves_nothing_behind() {
    let (mut bench, to) = talking();
    bench.bye(&to);
    let mut bye = Response::to(&bench.request(PHONE, "BYE"), 200);
    bye.set_to_tag("p1").unwrap();
    bench.give(Input::Received { flow: Flow::udp(0, PHONE.parse().unwrap()), bytes: bye.to_bytes() });
    bench.assert_nothing_left();
}

#[test]
fn who_is_heard_is_asked_for_packets_as_long_as_the_caller_wants_them() {
    for (wanted, asked) in [("", 20), ("a=ptime:40\n", 40), ("a=ptime:30\na=maxptime:20\n", 20)] {
        let mut bench = Bench::of(settings());
        let (head, body) =
            invite("4008001234").split_once("\n\n").map(|(h, b)| (h.to_owned(), b.to_owned())).unwrap();
        let body = body + wanted;
        let length = body.len() + body.matches('\n').count();
        let head = head.rsplit_once("Content-Length: ").unwrap().0.to_owned();
        bench.receive(CARRIER, format!("{head}Content-Length: {length}\n\n{body}"));
        bench.ack();
        bench.play_out();
        let rung = bench.request(PHONE, "INVITE");
        let offer = String::from_utf8(rung.body.to_vec()).unwrap();
        assert!(offer.contains(&format!("a=ptime:{asked}\r\n")), "{wanted}: {offer}");
    }
}

/// The phone that talks sends BYE.
fn agent_hangs_up(bench: &mut Bench) {
    let invite = bench.request(PHONE, "INVITE");
    let (from, to) = (
        invite.headers.text(sip::HeaderName::From).unwrap(),
        invite.headers.text(sip::HeaderName::To).unwrap(),
    );
    let call_id = invite.headers.call_id().unwrap().to_owned();
    bench.receive(
        PHONE,
        format!(
            "BYE sip:x@203.0.113.5 SIP/2.0\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKb2\nMax-Forwards: 70\n\
         From: {to};tag=p1\nTo: {from}\nCall-ID: {call_id}\nCSeq: 1 BYE\nContent-Length: 0\n\n"
        ),
    );
}

#[test]
fn an_agent_who_hangs_up_where_the_flow_has_nothing_left_ended_the_call() {
    let mut settings = settings();
    let mut flow = flow();
    if let Some(Node::Queue { next, .. }) = flow.nodes.get_mut("queue") {
        *next = None;
    }
    settings.flows.insert(flow.name.clone(), Arc::new(flow));
    let (mut bench, _) = talking_by(settings);
    agent_hangs_up(&mut bench);
    assert_eq!(bench.ended(), (CallResult::Answered, HungUpBy::Agent, Termination::Normal));
}

#[test]
fn when_the_agent_hangs_up_the_survey_is_asked_and_answered() {
    let (mut bench, _) = talking();
    agent_hangs_up(&mut bench);
    assert!(
        bench.has(|fact| matches!(fact, CallFact::AgentLeft { by: HungUpBy::Agent, .. })),
        "{:#?}",
        bench.facts
    );
    assert!(bench.has(|fact| matches!(fact, CallFact::SurveyAsked { .. })));
    let room = bench.shard.live_calls().next().unwrap().id;
    let port = bench.facts.iter().find_map(|fact| match fact {
        CallFact::Began { leg, .. } => Some(*leg),
        _ => None,
    });
    let key = Key::from_char('1').unwrap();
    bench.play_out();
    bench.give(Input::Media(MediaEvent::Digit { room, port: port.unwrap(), key, millis: 100 }));
    assert!(bench.has(|fact| matches!(fact, CallFact::SurveyAnswered { .. })), "{:#?}", bench.facts);
    assert_eq!(bench.ended(), (CallResult::Answered, HungUpBy::Switch, Termination::FlowEnded));
    bench.request(CARRIER, "BYE");
}

#[test]
fn a_caller_who_gives_up_in_the_queue_abandons_it_and_the_phone_stops_ringing() {
    let mut bench = Bench::new();
    bench.invite("4008001234");
    let to = bench.ack();
    bench.play_out();
    bench.phone_says(180);
    bench.bye(&to);
    bench.request(PHONE, "CANCEL");
    assert_eq!(bench.ended().0, CallResult::AbandonedInQueue);
}

#[test]
fn an_unknown_number_is_refused_with_its_record() {
    let mut bench = Bench::new();
    bench.invite("4009999999");
    assert_eq!(bench.last_status(), 404);
    assert_eq!(bench.ended(), (CallResult::Failure, HungUpBy::Switch, Termination::Refused(404)));
}

#[test]
fn an_unknown_source_is_asked_for_its_password_and_leaves_no_record() {
    let mut bench = Bench::new();
    bench.receive("203.0.113.99:5060", invite("4008001234"));
    assert_eq!(bench.last_status(), 407);
    assert!(bench.facts.is_empty());
}

#[test]
fn an_offer_without_a_codec_of_ours_gets_488() {
    let mut bench = Bench::new();
    let text = invite("4008001234").replace("RTP/AVP 8 0 101", "RTP/AVP 18 18 18");
    bench.receive(CARRIER, text);
    assert_eq!(bench.last_status(), 488);
    assert_eq!(bench.ended().2, Termination::Refused(488));
}

#[test]
fn a_draining_shard_sends_callers_elsewhere() {
    let mut bench = Bench::new();
    bench.give(Input::Drain);
    bench.invite("4008001234");
    assert_eq!(bench.last_status(), 503);
    let retry =
        bench.responses().last().unwrap().headers.text(sip::HeaderName::RetryAfter).map(str::to_owned);
    assert_eq!(retry.as_deref(), Some("30"));
}

/// A switch whose number does this when its calls cannot be recorded.
fn when_disk_full(choice: WhenDiskFull) -> Settings {
    let mut settings = settings();
    Arc::make_mut(&mut settings.plan).numbers[0].when_disk_full = choice;
    settings
}

#[test]
fn a_full_disk_refuses_calls_of_numbers_that_ask_for_it_until_there_is_room() {
    use model::event::DiskState;
    for (state, status) in [(DiskState::Full, 503), (DiskState::Refusing, 503), (DiskState::Low, 200)] {
        let mut bench = Bench::of(when_disk_full(WhenDiskFull::Refuse));
        bench.give(Input::Disk(DiskState::Full));
        bench.give(Input::Disk(state));
        bench.invite("4008001234");
        assert_eq!(bench.last_status(), status, "{state:?}");
    }
}

#[test]
fn a_call_that_goes_on_without_its_recording_says_so() {
    use model::event::DiskState;
    let mut bench = Bench::of(when_disk_full(WhenDiskFull::GoOn));
    bench.give(Input::Disk(DiskState::Full));
    bench.invite("4008001234");
    let to = bench.ack();
    bench.play_out();
    bench.phone_says(200);
    bench.play_out();
    assert!(bench.has(|fact| matches!(fact, CallFact::Bridged { .. })), "{:#?}", bench.facts);
    assert!(bench.has(|fact| matches!(fact, CallFact::NotRecorded)));
    assert!(!bench.has(|fact| matches!(fact, CallFact::RecordingBegan { .. })));
    assert!(!bench.media.iter().any(|command| matches!(command, Command::Record { .. })));
    bench.bye(&to);
    assert!(!bench.has(|fact| matches!(fact, CallFact::RecordingEnded { .. })));
}

#[test]
fn a_queue_that_wants_no_call_without_its_recording_is_full_while_the_disk_is() {
    use model::event::DiskState;
    let mut settings = when_disk_full(WhenDiskFull::GoOn);
    for queue in Arc::make_mut(&mut settings.plan).queues.values_mut() {
        queue.when_disk_full = WhenDiskFull::Refuse;
    }
    for (state, taken) in [(DiskState::Full, false), (DiskState::Refusing, false), (DiskState::Low, true)] {
        let mut bench = Bench::of(settings.clone());
        bench.give(Input::Disk(state));
        bench.invite("4008001234");
        bench.ack();
        bench.play_out();
        let queued = bench.has(|fact| matches!(fact, CallFact::Queued { .. }));
        let told = bench.has(|fact| matches!(fact, CallFact::NotRecorded));
        assert_eq!((queued, told), (taken, !taken), "{state:?}: {:#?}", bench.facts);
    }
}

#[test]
fn a_phone_that_is_busy_keeps_the_caller_in_place() {
    let mut bench = Bench::new();
    bench.invite("4008001234");
    bench.ack();
    bench.play_out();
    bench.phone_says(486);
    assert!(
        bench.has(|fact| matches!(fact, CallFact::OfferRefused { status: Some(486), .. })),
        "{:#?}",
        bench.facts
    );
    assert!(!bench.has(|fact| matches!(fact, CallFact::Dequeued { .. })));
    bench.wait(Duration::from_secs(6));
    let offers = bench.facts.iter().filter(|fact| matches!(fact, CallFact::Offered { .. })).count();
    assert_eq!(offers, 2, "the rested agent is offered the same place again");
}

#[test]
fn the_maximum_wait_ends_the_place_and_the_call() {
    let mut bench = Bench::new();
    bench.acd(acd::Input::ChooseState { agent: agent(), state: AgentState::Busy });
    bench.invite("4008001234");
    bench.ack();
    bench.play_out();
    bench.wait(Duration::from_secs(61));
    assert_eq!(bench.ended().0, CallResult::QueueTimeout);
}

#[test]
fn silence_on_the_wire_ends_the_conversation() {
    let (mut bench, _) = talking();
    let room = bench.shard.live_calls().next().unwrap().id;
    let port = model::LegId::from(1);
    bench.give(Input::Media(MediaEvent::RtpTimeout { room, port }));
    assert_eq!(bench.ended(), (CallResult::Answered, HungUpBy::Switch, Termination::MediaTimeout));
}

#[test]
fn a_shutdown_releases_every_call_with_its_record() {
    let (mut bench, _) = talking();
    bench.give(Input::Shutdown);
    assert_eq!(bench.ended(), (CallResult::Answered, HungUpBy::Switch, Termination::Shutdown));
    bench.request(CARRIER, "BYE");
    bench.request(PHONE, "BYE");
}

#[test]
fn those_who_watch_the_agents_phone_see_each_step_of_its_calls() {
    use sip::subscription::Progress::{Confirmed, Early, Terminated, Trying};
    let (mut bench, _) = talking();
    assert_eq!(bench.lamps, [Trying, Early, Confirmed]);
    agent_hangs_up(&mut bench);
    assert_eq!(bench.lamps, [Trying, Early, Confirmed, Terminated]);
    let (mut bench, _) = talking();
    let id = bench.shard.live_calls().next().unwrap().id;
    bench.shard.give_up(bench.now, id);
    bench.drain();
    assert_eq!(bench.lamps.last(), Some(&Terminated), "a call that is given up leaves no lamp on");
}

#[test]
fn an_errand_is_sent_and_its_end_is_told_once() {
    let mut bench = Bench::new();
    let flow = Flow::udp(0, PHONE.parse().unwrap());
    let notify = |number: u8| {
        let mut request =
            sip::Request::new(sip::Method::Notify, format!("sip:8001@{PHONE}").parse().unwrap());
        for (name, value) in [("From", "<sip:a@pbx.test>;tag=1"), ("To", "<sip:8001@pbx.test>;tag=2")] {
            request.headers.push(name, value);
        }
        request.headers.push("Call-ID", format!("errand-{number}"));
        request.headers.push("CSeq", "1 NOTIFY");
        Box::new(request)
    };
    bench.give(Input::Errand { errand: 7, flow, request: notify(7) });
    bench.give(Input::Errand { errand: 8, flow, request: notify(8) });
    let Some((_, Message::Request(sent))) =
        bench.sent.iter().find(|(_, message)| message.headers().call_id() == Ok("errand-7"))
    else {
        panic!("{:?}", bench.sent)
    };
    let answer = sip::Response::to(sent, 481).to_bytes();
    bench.give(Input::Received { flow, bytes: answer.clone() });
    bench.give(Input::Received { flow, bytes: answer });
    assert_eq!(bench.errands, [(7, Some(481))]);
    bench.now += Duration::from_secs(33);
    while bench.shard.poll_timeout().is_some_and(|due| due <= bench.now) {
        bench.shard.handle_timeout(bench.now);
        bench.drain();
    }
    assert_eq!(bench.errands, [(7, Some(481)), (8, None)]);
}

#[test]
fn subscribe_and_message_go_to_phones_services_within_a_dialog_too_and_publish_is_refused() {
    let mut bench = Bench::new();
    let flow = Flow::udp(0, PHONE.parse().unwrap());
    let mut text = String::new();
    for (place, (method, tag)) in
        [("SUBSCRIBE", ""), ("SUBSCRIBE", ";tag=x"), ("PUBLISH", ""), ("MESSAGE", "")].into_iter().enumerate()
    {
        text = format!(
            "{method} sip:8001@pbx.test SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKs{place}\r\nMax-Forwards: 70\r\n\
             From: <sip:8001@pbx.test>;tag=1\r\nTo: <sip:8001@pbx.test>{tag}\r\nCall-ID: s{place}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:8001@{PHONE}>\r\nEvent: dialog\r\nContent-Length: 0\r\n\r\n"
        );
        bench.give(Input::Received { flow, bytes: text.clone().into() });
    }
    assert_eq!(bench.phone_requests, [sip::Method::Subscribe, sip::Method::Subscribe]);
    let statuses = |bench: &Bench| -> Vec<u16> {
        let responses = bench.sent.iter().filter_map(|(_, message)| match message {
            Message::Response(response) => Some(response.status),
            Message::Request(_) => None,
        });
        responses.collect()
    };
    assert_eq!(statuses(&bench), [405, 405], "MESSAGE and PUBLISH");
    let mut settings = settings();
    let mut plan = (*settings.plan).clone();
    plan.phone_services.messages.relay = routing::MessageRelay::Inside;
    settings.plan = Arc::new(plan);
    let mut bench = Bench::of(settings);
    bench.give(Input::Received { flow, bytes: text.into() });
    assert_eq!(bench.phone_requests, [sip::Method::Message]);
}

#[test]
fn a_long_request_goes_by_tcp_to_a_phone_that_takes_it_so_and_by_udp_to_others() {
    for large_over_tcp in [false, true] {
        let mut settings = settings();
        let mut plan = (*settings.plan).clone();
        plan.phones[0].large_over_tcp = large_over_tcp;
        plan.queues.get_mut(&queue()).unwrap().display = "400 ".repeat(400).into();
        settings.plan = Arc::new(plan);
        let mut bench = Bench::of(settings);
        bench.invite("4008001234");
        bench.ack();
        bench.play_out();
        let rung = bench.request(PHONE, "INVITE");
        assert!(rung.to_bytes().len() > 1_300, "{} bytes", rung.to_bytes().len());
        let via = rung.headers.text(sip::HeaderName::Via).unwrap();
        assert_eq!(via.starts_with("SIP/2.0/TCP "), large_over_tcp, "{via}");
    }
}

#[path = "shard/addresses.rs"]
mod addresses;
#[path = "shard/handover.rs"]
mod handover;
