use super::*;
use crate::auth::{Account, Challenger, Offer, Side, Verdict};
use crate::endpoint::{EndpointConfig, Output};
use crate::headers::Stale;
use crate::message::Message;
use clock::WallTime;

struct World {
    ep: Endpoint,
    now: Instant,
    registration: Registration,
}

const SECS: fn(u64) -> Duration = Duration::from_secs;

fn config() -> RegistrationConfig {
    RegistrationConfig {
        registrar: "sip:gd.ctcims.cn".parse().unwrap(),
        aor: NameAddr::parse("<sip:+8675512345678@gd.ctcims.cn>").unwrap(),
        contact: "sip:trunk-1@198.51.100.1:5060".parse().unwrap(),
        route: vec![NameAddr::parse("<sip:192.0.2.50;lr>").unwrap()],
        login: Some(Login { user: "auth-user".into(), password: "secret".into(), realm: None }),
        expires: SECS(3600),
        retry: SECS(30),
        retry_max: SECS(1800),
    }
}

impl World {
    fn new() -> World {
        let (mut ep, now) = (Endpoint::new(EndpointConfig::default()), Instant::from_secs(100));
        let flow = Flow::udp(0, "192.0.2.50:5060".parse().unwrap());
        let registration = Registration::new(now, &mut ep, flow, config());
        World { ep, now, registration }
    }

    /// The REGISTER that is on its way.
    fn asked(&mut self) -> Option<Request> {
        let mut last = None;
        while let Some(output) = self.ep.poll_output() {
            if let Output::Transmit { bytes, .. } = output
                && let Ok(Message::Request(request)) = Message::parse_datagram(bytes)
            {
                last = Some(request);
            }
        }
        last
    }

    fn reply(&mut self, request: &Request, status: u16, headers: &[(&str, &str)]) {
        let mut response = Response::to(request, status);
        response.set_to_tag("r").unwrap();
        for (name, value) in headers {
            response.headers.push(*name, value);
        }
        self.give(&response);
    }

    fn give(&mut self, response: &Response) {
        self.ep.receive(self.now, Flow::udp(0, "192.0.2.50:5060".parse().unwrap()), response.to_bytes());
        if let Some(Output::Response { tx, response }) = self.ep.poll_output() {
            self.registration.handle_response(self.now, &mut self.ep, tx, &response);
        }
    }

    /// Lets time pass; the REGISTER that went out last meanwhile.
    fn pass(&mut self, length: Duration) -> Option<Request> {
        let (end, mut last) = (self.now + length, None);
        loop {
            let due = [self.ep.poll_timeout(), self.registration.poll_timeout()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.registration.handle_timeout(self.now, &mut self.ep);
            self.ep.handle_timeout(self.now);
            while let Some(output) = self.ep.poll_output() {
                match output {
                    Output::TimedOut { tx } => {
                        self.registration.handle_failure(self.now, &mut self.ep, tx, Failure::TimedOut);
                    }
                    Output::Transmit { bytes, .. } => match Message::parse_datagram(bytes) {
                        Ok(Message::Request(request)) => last = Some(request),
                        other => panic!("{other:?}"),
                    },
                    _ => {}
                }
            }
        }
        self.now = end;
        last
    }

    fn events(&mut self) -> Vec<RegistrationEvent> {
        std::iter::from_fn(|| self.registration.poll_event())
            .filter(|event| {
                !matches!(event, RegistrationEvent::Transaction(_) | RegistrationEvent::TransactionOver(_))
            })
            .collect()
    }
}

#[test]
fn it_registers_with_every_name_as_the_carrier_wants_it() {
    let mut world = World::new();
    let first = world.asked().unwrap();
    assert_eq!((first.method.as_str(), first.uri.to_string().as_str()), ("REGISTER", "sip:gd.ctcims.cn"));
    assert_eq!(first.headers.text(HeaderName::Route), Some("<sip:192.0.2.50;lr>"));
    assert_eq!(first.headers.text(HeaderName::Contact), Some("<sip:trunk-1@198.51.100.1:5060>"));
    assert_eq!(first.headers.to().unwrap().uri().user().as_deref(), Some("+8675512345678"));
    let mut challenger = Challenger::new("ims", [1; 32], SECS(60));
    let mut challenge = Response::to(&first, 401);
    challenge.set_to_tag("r").unwrap();
    challenger.challenge(WallTime(1), Side::Server, Offer::Md5, Stale::No, &mut challenge);
    world.give(&challenge);
    let second = world.asked().unwrap();
    assert_eq!(second.headers.text(HeaderName::CSeq), Some("2 REGISTER"));
    assert_eq!(second.headers.call_id(), first.headers.call_id());
    let credentials = challenger.credentials(Side::Server, &second.headers).unwrap();
    let account = Some(Account { password: "secret", offer: Offer::Md5 });
    assert_eq!(credentials.username, "auth-user");
    assert_eq!(challenger.judge(WallTime(2), &credentials, &Method::Register, account), Verdict::Granted);
    let told = [
        ("Contact", "<sip:other@203.0.113.1>;expires=5, <sip:trunk-1@198.51.100.1:5060>;expires=1800"),
        ("Service-Route", "<sip:orig@scscf.ctcims.cn;lr>"),
        ("P-Associated-URI", "<sip:+8675512345678@gd.ctcims.cn>, <tel:+8675512345678>"),
    ];
    world.reply(&second, 200, &told);
    match &world.events()[..] {
        [RegistrationEvent::Registered { expires, service_route, associated }] => {
            assert_eq!((*expires, service_route.len(), associated.len()), (SECS(1800), 1, 2));
        }
        other => panic!("{other:?}"),
    }
    assert!(world.registration.is_registered(world.now));
}

#[test]
fn it_refreshes_in_time_and_says_nothing_when_nothing_changed() {
    let mut world = World::new();
    let first = world.asked().unwrap();
    world.reply(&first, 200, &[("Expires", "1800")]);
    assert_eq!(world.events().len(), 1);
    assert!(world.pass(SECS(1199)).is_none());
    let refresh = world.pass(SECS(1)).unwrap();
    world.reply(&refresh, 200, &[("Expires", "300")]);
    assert!(world.events().is_empty());
    assert!(world.pass(SECS(149)).is_none());
    assert!(world.pass(SECS(2)).is_some());
    assert!(world.registration.is_registered(world.now), "while the refresh is on its way");
}

#[test]
fn a_registrar_that_grants_no_time_has_not_registered_us() {
    for told in [
        ("Contact", "<sip:other@203.0.113.1>;expires=1800, <sip:trunk-1@198.51.100.1:5060>;expires=0"),
        ("Expires", "0"),
    ] {
        let mut world = World::new();
        let first = world.asked().unwrap();
        world.reply(&first, 200, &[told]);
        assert!(matches!(world.events()[..], [RegistrationEvent::Failed { status: 200, .. }]), "{told:?}");
        assert!(!world.registration.is_registered(world.now));
        let again = world.pass(SECS(33)).unwrap();
        world.reply(&again, 200, &[("Contact", "<sip:trunk-1@198.51.100.1:5060>;expires=1800")]);
        assert!(world.registration.is_registered(world.now), "{told:?}");
    }
}

#[test]
fn a_longer_time_is_asked_for_where_the_registrar_wants_it() {
    let mut world = World::new();
    let first = world.asked().unwrap();
    world.reply(&first, 423, &[("Min-Expires", "7200")]);
    let second = world.asked().unwrap();
    assert_eq!(second.headers.expires(), Ok(Some(7200)));
    world.reply(&second, 423, &[("Min-Expires", "7200")]);
    assert!(world.asked().is_none(), "asked and refused again");
    assert!(matches!(world.events()[..], [RegistrationEvent::Failed { status: 423, .. }]));
}

#[test]
fn failures_are_followed_by_longer_and_longer_waits() {
    let mut world = World::new();
    let mut request = world.asked().unwrap();
    let mut waits = Vec::new();
    for _ in 0..8 {
        world.reply(&request, 403, &[]);
        let [RegistrationEvent::Failed { status: 403, retry_in, .. }] = world.events()[..] else { panic!() };
        assert!(!world.registration.is_registered(world.now));
        waits.push(retry_in.as_secs());
        request = world.pass(retry_in).unwrap();
    }
    for (wait, expected) in waits.iter().zip([30, 60, 120, 240, 480, 960, 1800, 1800]) {
        assert!((expected..=expected + expected / 10).contains(wait), "{waits:?}");
    }
    world.reply(&request, 200, &[]);
    world.events();
    let refresh = world.pass(SECS(3000)).unwrap();
    world.reply(&refresh, 503, &[("Retry-After", "7")]);
    let [RegistrationEvent::Failed { retry_in, .. }] = world.events()[..] else { panic!() };
    assert_eq!(retry_in.as_secs(), 7, "the carrier's word counts, and success forgets old failures");
}

#[test]
fn silence_counts_as_408() {
    let mut world = World::new();
    world.asked();
    world.pass(SECS(33));
    assert!(matches!(world.events()[..], [RegistrationEvent::Failed { status: 408, .. }]));
}

#[test]
fn a_second_challenge_to_the_same_answer_is_a_failure() {
    let mut world = World::new();
    let first = world.asked().unwrap();
    let challenge = [("WWW-Authenticate", "Digest realm=\"ims\", nonce=\"1\", algorithm=MD5")];
    world.reply(&first, 401, &challenge);
    let second = world.asked().unwrap();
    world.reply(&second, 401, &challenge);
    assert!(world.asked().is_none());
    assert!(matches!(world.events()[..], [RegistrationEvent::Failed { status: 401, .. }]));
}

#[test]
fn it_takes_its_binding_away_when_asked_to() {
    let mut world = World::new();
    let first = world.asked().unwrap();
    world.reply(&first, 200, &[]);
    world.events();
    let now = world.now;
    world.registration.unregister(now, &mut world.ep);
    let last = world.asked().unwrap();
    assert_eq!(last.headers.expires(), Ok(Some(0)));
    world.reply(&last, 200, &[]);
    assert_eq!(world.events(), [RegistrationEvent::Unregistered]);
    assert_eq!(world.registration.poll_timeout(), None);
    world.registration.unregister(now, &mut world.ep);
    assert_eq!(world.events(), [RegistrationEvent::Unregistered]);
}

#[test]
fn another_flow_is_registered_at_once() {
    let mut world = World::new();
    let first = world.asked().unwrap();
    world.reply(&first, 200, &[]);
    let (now, flow) = (world.now, Flow::udp(0, "192.0.2.51:5060".parse().unwrap()));
    world.registration.move_to(now, &mut world.ep, flow, Vec::new());
    match world.ep.poll_output() {
        Some(Output::Transmit { flow: used, .. }) => assert_eq!(used, flow),
        other => panic!("{other:?}"),
    }
}
