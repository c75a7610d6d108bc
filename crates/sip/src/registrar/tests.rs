use super::*;
use crate::auth::{Account, Login, Offer};
use crate::endpoint::Transport;
use crate::headers::{Contacts, NameAddr};
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
        let (aor, offer) = self
            .aors
            .iter()
            .find(|(aor, _)| aor.user() == user && (bare || aor.domain().eq_ignore_ascii_case(domain)))?;
        let account = Account { password: "secret", offer: *offer };
        let max_contacts = if user == "9002" { 2 } else { 5 };
        Some(Phone { tenant: &self.tenant, aor, account, max_contacts })
    }

    fn decoy(&self, lot: u64) -> Offer {
        self.aors[usize::try_from(lot % self.aors.len() as u64).unwrap()].1
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
        World::with(RegistrarConfig { nat_keep_alive: None, ..RegistrarConfig::default() })
    }

    fn with(config: RegistrarConfig) -> World {
        let registrar = Registrar::new(RegistrarConfig { realm: "pbx.local".into(), ..config });
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
    // A stranger who is offered what 9001 is: which one that is, nobody can foresee.
    let md5 = |world: &mut World, user: &String| {
        let request = world.request(user, contact);
        shape(&world.give(&request)).2 == shape(&wrong).2
            && world.give(&request).response.headers.count(HeaderName::WwwAuthenticate) == 1
            && world
                .give(&request)
                .response
                .headers
                .text(HeaderName::WwwAuthenticate)
                .unwrap()
                .contains("MD5")
    };
    let stranger_user = (8000..9000).map(|n| n.to_string()).find(|user| md5(&mut world, user)).unwrap();
    let unknown = world.register_as(&stranger_user, &stranger_user, "wrong", contact);
    assert_eq!(shape(&wrong), shape(&unknown));
    assert_eq!(wrong.response.status, 401);
    assert!(world.registrar.is_empty() && wrong.changes.is_empty() && unknown.changes.is_empty());
    let first = world.request("9001", contact);
    let stranger = world.request(&stranger_user, contact);
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
    // Strangers are as different as phones are, and each stays as it is: an offer tells nobody who exists.
    let of_strangers: Vec<Vec<String>> = (0..50).map(|n| algorithms(&format!("nobody{n}"))).collect();
    for offered in [vec!["MD5"], vec!["SHA-256"], vec!["MD5", "SHA-256"]] {
        assert!(of_strangers.contains(&offered.iter().map(ToString::to_string).collect()), "{offered:?}");
    }
    assert_eq!(algorithms("nobody7"), of_strangers[7]);
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
    let of_strangers: Vec<u16> = (0..20)
        .map(|n| {
            let contact = "Contact: <sip:thief@10.0.0.5>\r\n";
            world.register_as(&format!("stranger{n}"), "9001", "secret", contact).response.status
        })
        .collect();
    assert!(of_strangers.contains(&403) && of_strangers.iter().all(|status| matches!(status, 401 | 403)));
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
    let lost = restarted.restore(anchor(), world.now, world.registrar.snapshot(anchor()));
    assert!(restarted.is_empty(), "no stream outlives its process");
    assert!(matches!(&lost[..], [(_, PhoneFact::ConnectionLost { .. })]), "{lost:?}");
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

const INSTANCE: &str = ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";reg-id=";

impl World {
    /// Registers `user` over `flow` with the password, its `REGISTER` having come by `vias` hops.
    fn register_over(&mut self, flow: Flow, user: &str, vias: &str, extra: &str) -> Registered {
        let lines = format!("{vias}{extra}");
        let wall = self.wall();
        let first = self.request(user, &lines);
        let challenged = self.registrar.register(self.now, wall, flow, &first, &self.phones);
        let mut again = self.request(user, &lines);
        let login = Login { user: user.into(), password: "secret".into(), realm: None };
        login.answer(&challenged.response, &mut again, "cnonce", 1).unwrap();
        self.registrar.register(self.now, wall, flow, &again, &self.phones)
    }

    fn probe(&mut self) -> Option<Probe> {
        let wall = self.wall();
        self.registrar.poll_probe(self.now, wall)
    }

    fn restarted(&self) -> World {
        let mut registrar =
            Registrar::new(RegistrarConfig { realm: "pbx.local".into(), ..RegistrarConfig::default() });
        registrar.restore(anchor(), self.now, self.registrar.snapshot(anchor()));
        World { registrar, now: self.now, phones: Phones::new(), cseq: self.cseq }
    }

    fn duties(&self, user: &str) -> Vec<(String, Duty)> {
        let bindings = self.registrar.bindings(&Aor::new(user, "pbx.local"));
        duties(bindings).map(|(binding, duty)| (binding.contact.to_string(), duty)).collect()
    }
}

fn stream(connection: u64) -> Flow {
    Flow { connection: Some(connection), transport: Transport::Tls, ..flow(40001) }
}

fn default_tenant(_: &Aor) -> TenantId {
    TenantId::default()
}

// RFC 3261 §10.3, item by item.

#[test]
fn item_1_any_host_that_is_no_tenants_domain_means_this_switch() {
    let mut world = World::new();
    let mut request = world.request("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    request.uri = "sip:198.51.100.9".parse().unwrap();
    assert_eq!(world.give(&request).response.status, 401, "asked, not sent elsewhere");
}

#[test]
fn item_4_the_user_of_the_credentials_must_be_the_one_of_to_and_may_be_a_third_party_in_from() {
    let mut world = World::new();
    let mut request = world.request("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    request.headers.set(HeaderName::From, "<sip:provisioning@pbx.local>;tag=9");
    let challenged = world.give(&request).response;
    // Whoever holds the password of To may register for it, whatever From says (§10.2: third-party registration).
    let login = Login { user: "9001".into(), password: "secret".into(), realm: None };
    if login.answer(&challenged, &mut request, "c", 1).is_ok() {
        let status = world.give(&request).response.status;
        assert!(matches!(status, 200 | 401), "{status}");
    }
}

#[test]
fn item_5_the_address_of_record_is_compared_unescaped_and_without_parameters() {
    let mut world = World::new();
    let contact = "Contact: <sip:a@10.0.0.5>\r\n";
    let first = world.request("9001", contact);
    let challenged = world.give(&first).response;
    let mut again = world.request("9001", contact);
    again.headers.set(HeaderName::To, "<sip:%39001@PBX.local;transport=udp?subject=x>");
    let login = Login { user: "9001".into(), password: "secret".into(), realm: None };
    login.answer(&challenged, &mut again, "c", 1).unwrap();
    let registered = world.give(&again);
    assert_eq!((registered.response.status, registered.aor), (200, Some(Aor::new("9001", "pbx.local"))));
}

#[test]
fn item_7_contacts_are_compared_as_uris_and_each_time_wins_over_the_header() {
    let mut world = World::new();
    world.register(
        "9001",
        "Contact: <sip:9001@Example.com:5060;transport=udp>;expires=100\r\nExpires: 300\r\n",
    );
    let aor = Aor::new("9001", "pbx.local");
    let left = |world: &World| world.registrar.bindings(&aor)[0].expires.since(world.now).as_secs();
    assert_eq!(left(&world), 100);
    // Host in other letters, one parameter escaped: the same binding (RFC 3261 §19.1.4).
    world.register("9001", "Contact: <sip:9001@example.COM:5060;transport=UDP>\r\nExpires: 300\r\n");
    assert_eq!((world.contacts("9001").len(), left(&world)), (1, 300));
    world.register("9001", "Contact: <sip:9001@example.com:5070>\r\n");
    assert_eq!(world.contacts("9001").len(), 2, "another port is another contact");
}

#[test]
fn item_7_a_contact_that_cannot_be_called_is_refused_whole() {
    let mut world = World::new();
    let refused = world.register("9001", "Contact: <sip:a@10.0.0.5>, <mailto:a@example.com>\r\n");
    assert_eq!(refused.response.status, 400);
    assert!(world.registrar.is_empty(), "all of it or nothing");
}

#[test]
fn an_equal_cseq_of_another_call_id_is_no_older_request() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    let contact = "Contact: <sip:a@10.0.0.5>;expires=0\r\n";
    let first = world.request("9001", contact);
    let challenged = world.give(&first).response;
    world.cseq = 0;
    let mut other = world.request("9001", contact);
    other.headers.set(HeaderName::CallId, "after-a-reboot");
    let login = Login { user: "9001".into(), password: "secret".into(), realm: None };
    login.answer(&challenged, &mut other, "c", 1).unwrap();
    assert_eq!(world.give(&other).response.status, 200);
    assert!(world.registrar.is_empty());
}

#[test]
fn malformed_expires_and_contacts_are_refused_with_400() {
    let mut world = World::new();
    for wrong in
        ["Contact: <sip:a@10.0.0.5>\r\nExpires: soon\r\n", "Contact: *, <sip:a@10.0.0.5>\r\nExpires: 0\r\n"]
    {
        let status = world.register("9001", wrong).response.status;
        assert_eq!(status, 400, "{wrong}");
    }
}

// RFC 5626.

#[test]
fn a_flow_over_a_stream_is_kept_and_the_answer_says_so() {
    let mut world = World::new();
    let wish = format!("Supported: path, outbound\r\nContact: <sip:9001@10.0.0.5>{INSTANCE}1\r\n");
    let answer = world.register_over(stream(1), "9001", "", &wish).response;
    assert_eq!((answer.status, answer.headers.text(HeaderName::Require)), (200, Some("outbound")));
    assert_eq!(answer.headers.text("Flow-Timer"), Some("120"));
    assert_eq!(world.registrar.bindings(&Aor::new("9001", "pbx.local"))[0].way(), stream(1));
    // Without the option tag the same Contact is a plain one.
    let plain = wish.replace(", outbound", "");
    assert_eq!(
        world.register_over(stream(2), "9001", "", &plain).response.headers.text(HeaderName::Require),
        None
    );
}

#[test]
fn over_udp_the_flow_is_kept_too_whatever_port_the_contact_names() {
    let mut world = World::new();
    let wish = format!("Supported: path, outbound\r\nContact: <sip:9001@203.0.113.7:5070>{INSTANCE}1\r\n");
    let answer = world.register("9001", &wish).response;
    assert_eq!((answer.status, answer.headers.text(HeaderName::Require)), (200, Some("outbound")));
    assert_eq!(world.registrar.bindings(&Aor::new("9001", "pbx.local"))[0].way(), flow(40001));
}

#[test]
fn a_first_hop_without_outbound_gets_439() {
    let mut world = World::new();
    let via = "Via: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKua\r\n";
    let wish = format!("Supported: path, outbound\r\nContact: <sip:9001@10.0.0.5>{INSTANCE}1\r\n");
    for path in [
        "",
        "Path: <sip:edge.example.com;lr>\r\n",
        "Path: <sip:core.example.com;lr;ob>, <sip:edge.example.com;lr>\r\n",
    ] {
        let lines = format!("{path}{wish}");
        assert_eq!(world.register_over(flow(40001), "9001", via, &lines).response.status, 439, "{path}");
    }
    let lines = format!("Path: <sip:core.example.com;lr>, <sip:token@edge.example.com;lr;ob>\r\n{wish}");
    let answer = world.register_over(flow(40001), "9001", via, &lines).response;
    assert_eq!((answer.status, answer.headers.text(HeaderName::Require)), (200, Some("outbound")));
}

#[test]
fn a_flow_number_of_0_and_two_contacts_at_once_are_refused() {
    let mut world = World::new();
    for contacts in [
        format!("<sip:9001@10.0.0.5>{INSTANCE}0"),
        format!("<sip:9001@10.0.0.5>{INSTANCE}1, <sip:9001@10.0.0.6>{INSTANCE}2"),
    ] {
        let lines = format!("Supported: path, outbound\r\nContact: {contacts}\r\n");
        assert_eq!(world.register_over(stream(1), "9001", "", &lines).response.status, 400, "{contacts}");
    }
}

#[test]
fn of_two_flows_of_one_phone_the_later_is_rung_and_the_other_when_it_fails() {
    let mut world = World::new();
    let mut add = |connection: u64, reg_id: u8| {
        world.now += Duration::from_secs(1);
        let contact = format!("<sip:9001@10.0.0.5;line={reg_id}>{INSTANCE}{reg_id}");
        let lines = format!("Supported: path, outbound\r\nContact: {contact}\r\n");
        world.register_over(stream(connection), "9001", "", &lines);
    };
    add(1, 1);
    add(2, 2);
    let duties: Vec<Duty> = world.duties("9001").into_iter().map(|(_, duty)| duty).collect();
    assert_eq!(duties, [Duty::StandsBy, Duty::Rings]);
    let lost = world.registrar.connection_lost(stream(2), default_tenant);
    assert!(matches!(lost[0].fact, PhoneFact::ConnectionLost { .. }));
    assert_eq!(world.duties("9001"), [("sip:9001@10.0.0.5;line=1".to_owned(), Duty::Rings)]);
}

// Restarts, silent phones, NATs.

#[test]
fn a_restored_binding_is_asked_and_one_that_answers_stays() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@203.0.113.7:5070>\r\n");
    assert!(world.probe().is_none(), "who registers here need not be asked");
    let mut world = world.restarted();
    assert_eq!(world.registrar.poll_timeout(), Some(Instant::ZERO), "a question waits");
    let probe = world.probe().unwrap();
    assert_eq!(probe.request.method, Method::Options);
    assert_eq!(probe.request.uri.to_string(), "sip:a@203.0.113.7:5070");
    assert_eq!(probe.flow.remote.port(), 5070, "the address that the Contact names is the phone's own");
    assert_eq!(world.duties("9001")[0].1, Duty::Rings, "it may be called meanwhile");
    assert!(world.registrar.probe_ended(world.now, probe.id, Probed::Answered, default_tenant).is_none());
    assert!(world.probe().is_none() && world.registrar.poll_timeout() > Some(world.now));
}

#[test]
fn a_silent_phone_is_not_rung_asked_again_and_heard_of_again() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    let mut world = world.restarted();
    let probe = world.probe().unwrap();
    let silent = world.registrar.probe_ended(world.now, probe.id, Probed::Silent, default_tenant).unwrap();
    assert!(matches!(silent.fact, PhoneFact::Unreachable { .. }));
    assert_eq!(world.duties("9001")[0].1, Duty::Unreachable);
    assert!(world.probe().is_none());
    world.now += Duration::from_secs(60);
    let again = world.probe().unwrap();
    assert!(
        world.registrar.probe_ended(world.now, again.id, Probed::Silent, default_tenant).is_none(),
        "no news"
    );
    world.now += Duration::from_secs(60);
    let third = world.probe().unwrap();
    let heard = world.registrar.probe_ended(world.now, third.id, Probed::Answered, default_tenant).unwrap();
    assert!(matches!(heard.fact, PhoneFact::Reachable { .. }));
    assert_eq!(world.duties("9001")[0].1, Duty::Rings);
}

#[test]
fn a_register_proves_a_phone_that_was_silent() {
    let mut world = World::new();
    world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    let mut world = world.restarted();
    let probe = world.probe().unwrap();
    world.registrar.probe_ended(world.now, probe.id, Probed::Silent, default_tenant);
    let refreshed = world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    assert!(matches!(&refreshed.changes[..], [Change { fact: PhoneFact::Reachable { .. }, .. }]));
    world.now += Duration::from_secs(60);
    assert!(world.probe().is_none(), "nothing left to ask");
}

#[test]
fn a_restart_asks_a_few_phones_at_a_time() {
    let mut world = World::new();
    let list: Vec<(Aor, Vec<SavedBinding>)> = {
        world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
        let (_, one) = world.registrar.snapshot(anchor()).remove(0);
        (0..200).map(|n| (Aor::new(&n.to_string(), "pbx.local"), one.clone())).collect()
    };
    world.registrar.restore(anchor(), world.now, list);
    let first: Vec<Probe> = std::iter::from_fn(|| world.probe()).collect();
    assert_eq!(first.len(), 64);
    world.registrar.probe_ended(world.now, first[0].id, Probed::Answered, default_tenant);
    assert_eq!(std::iter::from_fn(|| world.probe()).count(), 1);
}

#[test]
fn a_phone_on_tcp_without_a_nat_outlives_its_stream_and_is_asked_by_a_new_one() {
    let mut world = World::new();
    let tcp = Flow { transport: Transport::Tcp, ..stream(5) };
    world.register_over(tcp, "9001", "", "Contact: <sip:a@203.0.113.7:5090;transport=tcp>\r\n");
    assert!(world.registrar.connection_lost(tcp, default_tenant).is_empty());
    let probe = world.probe().unwrap();
    assert_eq!((probe.flow.connection, probe.flow.remote.port()), (None, 5090));
    assert!(world.registrar.streams.is_empty());
    let mut restarted = world.restarted();
    assert_eq!(restarted.probe().unwrap().flow.remote.port(), 5090);
}

#[test]
fn a_nat_is_kept_open_and_no_other_way() {
    let mut world = World::with(RegistrarConfig::default());
    world.register("9001", "Contact: <sip:a@10.0.0.5>\r\n");
    world.register("9003", "Contact: <sip:c@203.0.113.7>\r\n");
    let period = Duration::from_secs(25);
    assert!(world.registrar.poll_keep_alive(world.now).is_none());
    for _ in 0..3 {
        world.now += period;
        assert_eq!(world.registrar.poll_timeout(), Some(world.now));
        assert_eq!(world.registrar.poll_keep_alive(world.now), Some(vec![flow(40001)]));
        assert!(world.registrar.poll_keep_alive(world.now).is_none());
    }
    world.register("9001", "Contact: *\r\nExpires: 0\r\n");
    world.now += period;
    assert_eq!(world.registrar.poll_keep_alive(world.now), Some(Vec::new()), "the last turn finds nobody");
    world.now += period;
    assert!(world.registrar.poll_keep_alive(world.now).is_none());
}

#[test]
fn a_proxy_on_the_path_is_reached_where_it_listens() {
    let mut world = World::new();
    let lines = "Supported: path\r\nPath: <sip:203.0.113.7:5080;lr>\r\nContact: <sip:a@10.0.0.5>\r\n";
    world.register("9001", lines);
    let binding = &world.registrar.bindings(&Aor::new("9001", "pbx.local"))[0];
    assert_eq!(binding.way().remote.port(), 5080);
    assert!(!binding.needs_keep_alive(), "what is behind the proxy is the proxy's to keep open");
}
