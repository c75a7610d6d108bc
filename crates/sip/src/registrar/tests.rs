use super::*;
use crate::auth::{Account, Login, Offer};
use crate::message::{Message, Method};
use bytes::Bytes;
use std::net::SocketAddr;

struct Phones {
    tenant: TenantId,
    aors: Vec<(Aor, Offer)>,
}

impl Phones {
    fn new() -> Phones {
        let phones = [("9001", Offer::Md5), ("9002", Offer::Sha256), ("9003", Offer::Both)];
        let aors = phones.map(|(user, offer)| (Aor::new(user, "pbx.local"), offer)).to_vec();
        Phones { tenant: TenantId::default(), aors }
    }
}

impl Directory for Phones {
    fn phone(&self, user: &str, domain: &str) -> Option<Phone<'_>> {
        let bare = domain.parse::<std::net::IpAddr>().is_ok();
        let (aor, offer) =
            self.aors.iter().find(|(aor, _)| aor.user() == user && (bare || aor.domain() == domain))?;
        let account = Account { password: "secret", offer: *offer };
        let max_contacts = if user == "9002" { 2 } else { 5 };
        Some(Phone { tenant: &self.tenant, aor, account, max_contacts })
    }
}

struct World {
    registrar: Registrar,
    now: Instant,
    phones: Phones,
    cseq: u32,
}

fn flow(port: u16) -> Flow {
    Flow::udp(0, SocketAddr::from(([203, 0, 113, 7], port)))
}

impl World {
    fn new() -> World {
        let registrar =
            Registrar::new(RegistrarConfig { realm: "pbx.local".into(), ..RegistrarConfig::default() });
        World { registrar, now: Instant::from_secs(1000), phones: Phones::new(), cseq: 0 }
    }

    fn wall(&self) -> WallTime {
        anchor().wall(self.now)
    }

    fn request(&mut self, user: &str, extra: &str) -> Request {
        self.cseq += 1;
        let text = format!(
            "REGISTER sip:pbx.local SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK{0};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@pbx.local>;tag=1\r\nTo: <sip:{user}@pbx.local>\r\n\
             Call-ID: reg-{user}\r\nCSeq: {0} REGISTER\r\nUser-Agent: baresip\r\n{extra}Content-Length: 0\r\n\r\n",
            self.cseq
        );
        match Message::parse_datagram(Bytes::from(text)) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn give(&mut self, request: &Request) -> Registered {
        let wall = self.wall();
        self.registrar.register(self.now, wall, flow(40001), request, &self.phones)
    }

    /// Registers with the password, challenge and all.
    fn register(&mut self, user: &str, extra: &str) -> Registered {
        self.register_as(user, user, "secret", extra)
    }

    fn register_as(&mut self, user: &str, name: &str, password: &str, extra: &str) -> Registered {
        let first = self.request(user, extra);
        let challenged = self.give(&first);
        if challenged.response.status != 401 {
            return challenged;
        }
        let mut again = self.request(user, extra);
        let login = Login { user: name.into(), password: password.into(), realm: None };
        login.answer(&challenged.response, &mut again, "cnonce", 1).unwrap();
        self.give(&again)
    }

    fn contacts(&self, user: &str) -> Vec<String> {
        let bindings = self.registrar.bindings(&Aor::new(user, "pbx.local"));
        bindings.iter().map(|binding| binding.contact.to_string()).collect()
    }
}

fn anchor() -> WallAnchor {
    WallAnchor::new(Instant::from_secs(1000), WallTime(1_795_000_000_000_000))
}

fn expires_of(response: &Response) -> Vec<Option<u32>> {
    match response.headers.contacts().unwrap() {
        Contacts::List(list) => list.iter().map(NameAddr::expires).collect(),
        Contacts::All => panic!("a listing"),
    }
}

#[test]
fn a_phone_registers_refreshes_and_goes() {
    let mut world = World::new();
    let registered = world.register("9001", "Contact: <sip:9001@10.0.0.5:5060>\r\nExpires: 300\r\n");
    assert_eq!(registered.response.status, 200);
    assert_eq!(expires_of(&registered.response), [Some(300)]);
    assert!(registered.response.headers.to().unwrap().tag().is_some());
    assert_eq!(registered.aor, Some(Aor::new("9001", "pbx.local")));
    let [change] = &registered.changes[..] else { panic!("{:?}", registered.changes) };
    assert_eq!(
        change.fact,
        PhoneFact::Registered {
            contact: "sip:9001@10.0.0.5:5060".into(),
            source: flow(40001).remote,
            user_agent: Some("baresip".into())
        }
    );
    assert_eq!(world.registrar.bindings(&change.aor)[0].flow, flow(40001), "the way back through the NAT");
    world.now += Duration::from_secs(200);
    let refreshed = world.register("9001", "Contact: <sip:9001@10.0.0.5:5060>\r\nExpires: 300\r\n");
    assert!(refreshed.changes.is_empty(), "a refresh is not a fact");
    assert_eq!(expires_of(&refreshed.response), [Some(300)]);
    let gone = world.register("9001", "Contact: <sip:9001@10.0.0.5:5060>;expires=0\r\n");
    assert!(gone.response.headers.contact().unwrap().is_none());
    assert!(matches!(gone.changes[0].fact, PhoneFact::Unregistered { .. }));
    assert!(world.registrar.is_empty() && world.registrar.poll_timeout().is_none());
}

#[test]
fn a_binding_runs_out_at_its_time() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@10.0.0.5>;expires=60, <sip:b@10.0.0.5>;expires=90\r\n");
    let due = world.registrar.poll_timeout().unwrap();
    assert_eq!(due, world.now + Duration::from_secs(60));
    let tenant = |_: &Aor| TenantId::default();
    assert!(world.registrar.handle_timeout(due.saturating_sub(Duration::from_micros(1)), tenant).is_empty());
    let changes = world.registrar.handle_timeout(due, tenant);
    assert!(
        matches!(&changes[..], [Change { fact: PhoneFact::Expired { contact }, .. }] if **contact == *"sip:a@10.0.0.5")
    );
    assert_eq!(world.contacts("9001"), ["sip:b@10.0.0.5"]);
    assert_eq!(world.registrar.poll_timeout(), Some(world.now + Duration::from_secs(90)));
}

#[test]
fn a_request_without_contact_only_lists() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@10.0.0.5>;q=0.2, <sip:b@10.0.0.5>;q=0.7\r\n");
    let listed = world.register("9001", "");
    assert_eq!(world.contacts("9001"), ["sip:b@10.0.0.5", "sip:a@10.0.0.5"], "best first");
    assert_eq!(expires_of(&listed.response), [Some(3600), Some(3600)]);
    assert!(listed.changes.is_empty());
}

#[test]
fn a_star_removes_all_and_only_with_expires_0() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@10.0.0.5>, <sip:b@10.0.0.5>\r\n");
    assert_eq!(world.register("9001", "Contact: *\r\n").response.status, 400);
    assert_eq!(world.register("9001", "Contact: *\r\nExpires: 60\r\n").response.status, 400);
    let gone = world.register("9001", "Contact: *\r\nExpires: 0\r\n");
    assert_eq!((gone.response.status, gone.changes.len()), (200, 2));
    assert!(world.registrar.is_empty());
}

#[test]
fn times_are_kept_within_their_limits() {
    let mut world = World::new();
    let brief = world.register("9001", "Contact: <sip:a@10.0.0.5>\r\nExpires: 59\r\n");
    assert_eq!(brief.response.status, 423);
    assert_eq!(brief.response.headers.min_expires(), Ok(Some(60)));
    let long = world.register("9001", "Contact: <sip:a@10.0.0.5>\r\nExpires: 4294967295\r\n");
    assert_eq!(expires_of(&long.response), [Some(7200)]);
}

#[test]
fn an_update_that_fails_changes_nothing() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    let half = world.register("9001", "Contact: <sip:b@10.0.0.5>, <sip:c@10.0.0.5>;expires=5\r\n");
    assert_eq!(half.response.status, 423);
    assert_eq!(world.contacts("9001"), ["sip:a@10.0.0.5"]);
}

#[test]
fn an_older_request_of_the_same_call_id_changes_nothing() {
    let mut world = World::new();
    world.cseq = 10;
    world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    world.cseq = 2;
    let old = world.register("9001", "Contact: <sip:a@10.0.0.5>;expires=0\r\n");
    assert_eq!(old.response.status, 500);
    assert_eq!(world.contacts("9001"), ["sip:a@10.0.0.5"]);
}

#[test]
fn one_binding_too_many_takes_the_place_of_the_oldest() {
    let mut world = World::new();
    for port in 1..=7 {
        world.now += Duration::from_secs(1);
        world.register("9001", &format!("Contact: <sip:9001@10.0.0.5:{port}>\r\n"));
    }
    let ports: Vec<String> = (3..=7).map(|port| format!("sip:9001@10.0.0.5:{port}")).collect();
    assert_eq!(world.contacts("9001"), ports);
}

#[test]
fn each_phone_has_as_many_bindings_as_it_may() {
    let mut world = World::new();
    for port in 1..=3 {
        world.now += Duration::from_secs(1);
        for user in ["9002", "9001"] {
            world.register(user, &format!("Contact: <sip:{user}@10.0.0.5:{port}>\r\n"));
        }
    }
    assert_eq!(world.contacts("9002"), ["sip:9002@10.0.0.5:2", "sip:9002@10.0.0.5:3"]);
    assert_eq!(world.contacts("9001").len(), 3);
}

#[test]
fn the_same_instance_at_another_address_replaces_itself() {
    let mut world = World::new();
    let instance = ";+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    world.register("9001", &format!("Contact: <sip:9001@10.0.0.5:1>{instance}\r\n"));
    let moved = world.register("9001", &format!("Contact: <sip:9001@10.0.0.5:2>{instance}\r\n"));
    assert_eq!(world.contacts("9001"), ["sip:9001@10.0.0.5:2"]);
    assert_eq!(moved.changes.len(), 2);
}

#[test]
fn path_is_kept_and_told_back() {
    let mut world = World::new();
    let path = "Supported: path\r\nPath: <sip:edge@192.0.2.8;lr>\r\nContact: <sip:a@10.0.0.5>\r\n";
    let registered = world.register("9001", path);
    assert_eq!(registered.response.headers.text(HeaderName::Path), Some("<sip:edge@192.0.2.8;lr>"));
    let binding = &world.registrar.bindings(&Aor::new("9001", "pbx.local"))[0];
    assert_eq!(binding.path[0].uri().to_string(), "sip:edge@192.0.2.8;lr");
}

#[test]
fn an_unknown_extension_is_refused_with_420() {
    let mut world = World::new();
    let refused = world.register("9001", "Require: magic, path\r\nContact: <sip:a@10.0.0.5>\r\n");
    assert_eq!(refused.response.status, 420);
    assert_eq!(refused.response.headers.text(HeaderName::Unsupported), Some("magic"));
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let mut world = World::new();
    let shape = |registered: &Registered| {
        let names: Vec<String> =
            registered.response.headers.iter().map(|field| field.name.as_str().to_owned()).collect();
        let challenge = registered.response.headers.text(HeaderName::WwwAuthenticate).unwrap().to_owned();
        let parts: Vec<String> =
            challenge.split(',').map(|part| part.split('=').next().unwrap().trim().to_owned()).collect();
        (registered.response.status, names, parts, challenge.len())
    };
    let contact = "Contact: <sip:a@10.0.0.5>\r\n";
    let wrong = world.register_as("9001", "9001", "wrong", contact);
    let unknown = world.register_as("8888", "8888", "wrong", contact);
    assert_eq!(shape(&wrong), shape(&unknown));
    assert_eq!(wrong.response.status, 401);
    assert!(world.registrar.is_empty() && wrong.changes.is_empty() && unknown.changes.is_empty());
    let first = world.request("9001", contact);
    let stranger = world.request("8888", contact);
    let (first, stranger) = (world.give(&first), world.give(&stranger));
    assert_eq!(shape(&first), shape(&stranger));
}

#[test]
fn each_phone_is_challenged_with_its_own_algorithms() {
    let mut world = World::new();
    let mut algorithms = |user: &str| -> Vec<String> {
        let request = world.request(user, "");
        let response = world.give(&request).response;
        let all = response.headers.all(HeaderName::WwwAuthenticate);
        all.map(|value| crate::headers::Challenge::parse(value).unwrap().algorithm.as_str().to_owned())
            .collect()
    };
    assert_eq!(algorithms("9001"), ["MD5"]);
    assert_eq!(algorithms("9002"), ["SHA-256"]);
    assert_eq!(algorithms("9003"), ["MD5", "SHA-256"]);
    assert_eq!(algorithms("nobody"), ["MD5"]);
    for user in ["9001", "9002", "9003"] {
        assert_eq!(world.register(user, "Contact: <sip:a@10.0.0.5>\r\n").response.status, 200, "{user}");
    }
}

#[test]
fn a_phone_cannot_register_for_another() {
    let mut world = World::new();
    let stolen = world.register_as("9002", "9001", "secret", "Contact: <sip:thief@10.0.0.5>\r\n");
    // The challenge for 9002 is SHA-256 alone, which 9001 is not offered: denied before it comes to that.
    assert_eq!(stolen.response.status, 401);
    let stolen = world.register_as("9003", "9001", "secret", "Contact: <sip:thief@10.0.0.5>\r\n");
    assert!(matches!(stolen.response.status, 401 | 403));
    let stolen = world.register_as("8888", "9001", "secret", "Contact: <sip:thief@10.0.0.5>\r\n");
    assert_eq!(stolen.response.status, 403);
    assert!(world.registrar.is_empty());
}

#[test]
fn an_invite_of_a_phone_is_authenticated_as_a_register_is() {
    let world = World::new();
    let mut challenger = Challenger::new("pbx.local", [3; 32], Duration::from_secs(60));
    let mut invite = Request::new(Method::Invite, "sip:4008001234@pbx.local".parse().unwrap());
    invite.headers.push(HeaderName::From, "<sip:9001@pbx.local>;tag=1");
    invite.headers.push(HeaderName::To, "<sip:4008001234@pbx.local>");
    let wall = world.wall();
    let challenge = authenticate(&mut challenger, wall, Side::Proxy, &invite, &world.phones).err().unwrap();
    assert_eq!(challenge.status, 407);
    let login = Login { user: "9001".into(), password: "secret".into(), realm: None };
    login.answer(&challenge, &mut invite, "c", 1).unwrap();
    let phone = authenticate(&mut challenger, wall, Side::Proxy, &invite, &world.phones).ok().unwrap();
    assert_eq!(phone.aor.user(), "9001");
    let replayed = authenticate(&mut challenger, wall, Side::Proxy, &invite, &world.phones).err().unwrap();
    assert!(replayed.headers.text(HeaderName::ProxyAuthenticate).unwrap().contains("stale=true"));
}

#[test]
fn a_lost_stream_takes_its_bindings_with_it() {
    let mut world = World::new();
    let stream = Flow { connection: Some(7), transport: crate::endpoint::Transport::Tcp, ..flow(40001) };
    let request = world.request("9001", "Contact: <sip:a@10.0.0.5;transport=tcp>\r\n");
    let challenged = world.give(&request);
    let mut again = world.request("9001", "Contact: <sip:a@10.0.0.5;transport=tcp>\r\n");
    let login = Login { user: "9001".into(), password: "secret".into(), realm: None };
    login.answer(&challenged.response, &mut again, "c", 1).unwrap();
    let wall = world.wall();
    world.registrar.register(world.now, wall, stream, &again, &world.phones);
    let tenant = |_: &Aor| TenantId::default();
    let mut restarted = Registrar::new(RegistrarConfig::default());
    restarted.restore(anchor(), world.now, world.registrar.snapshot(anchor()));
    assert!(restarted.is_empty(), "no stream outlives its process");
    assert!(world.registrar.connection_lost(Flow { connection: Some(8), ..stream }, tenant).is_empty());
    assert_eq!(world.registrar.connection_lost(stream, tenant).len(), 1);
    assert!(world.registrar.is_empty() && world.registrar.poll_timeout().is_none());
}

#[test]
fn bindings_survive_a_restart_and_those_that_ran_out_do_not() {
    let mut world = World::new();
    world.register("9001", "Contact: \"张三\" <sip:a@10.0.0.5>;q=0.5;expires=60\r\n");
    world.register("9003", "Contact: <sip:c@10.0.0.5>;expires=3600\r\n");
    let text = serde_json::to_string(&world.registrar.snapshot(anchor())).unwrap();
    // The new process counts from another origin, 100 s later.
    let later = WallAnchor::new(Instant::from_secs(3), anchor().wall(world.now + Duration::from_secs(100)));
    let mut registrar = Registrar::new(RegistrarConfig::default());
    registrar.restore(later, Instant::from_secs(3), serde_json::from_str(&text).unwrap());
    assert!(registrar.bindings(&Aor::new("9001", "pbx.local")).is_empty());
    let binding = &registrar.bindings(&Aor::new("9003", "pbx.local"))[0];
    assert_eq!((binding.contact.to_string().as_str(), binding.flow), ("sip:c@10.0.0.5", flow(40001)));
    assert_eq!(binding.expires, Instant::from_secs(3 + 3500));
}

#[test]
fn phones_taken_out_of_the_configuration_lose_their_bindings() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    world.register("9003", "Contact: <sip:c@10.0.0.5>\r\n");
    let changes = world.registrar.retain(|aor| aor.user() == "9003", |_| TenantId::default());
    assert_eq!((changes.len(), world.registrar.len()), (1, 1));
    assert_eq!(world.registrar.aors().map(Aor::user).collect::<Vec<_>>(), ["9003"]);
}
