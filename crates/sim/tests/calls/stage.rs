//! The stage of all scenarios: one office, its carrier and phones.

use std::net::SocketAddr;
use std::time::Duration;

use clock::Instant;
use config::Sources;
use ledger::Cdr;
use model::event::{AgentState, CallFact};
use model::outcome::{CallResult, HungUpBy};
use model::say::Key;
use model::{AgentId, QueueName, TenantId};
use peers::{Behaviour, Command, Happening, Login, PeerConfig};
use sdp::Codec;
use sim::{Finished, PeerId, Weather, World};

/// The office: a carrier's trunk, a trunk to mobiles, four phones with agents, a queue with everything and one without
/// anything, bound phones in order and all at once, a second tenant with a queue of the same name.
const FILES: [(&str, &str); 18] = [
    (
        "hotline.toml",
        r###"
[node]
domain = "pbx.test"
[limits]
max_calls = 20
max_duration_seconds = 7200
[media]
rtp_timeout_seconds = 20
[codes]
ready = "*61"
busy = "*62"
pause = "*63"
sign_out = "*64"
echo = "*43"
transfer = "##"
consult = "*1"
[[interface]]
name = "carrier"
bind = "10.0.0.1:5060"
rtp = "20000-20999"
[[interface]]
name = "phones"
bind = "10.0.0.2:5060"
rtp = "21000-21999"
"###,
    ),
    (
        "trunks/ims.toml",
        "interface = \"carrier\"\nfrom = [\"198.51.100.0/24\"]\nhome_area = \"010\"\nmax_calls = 15\n",
    ),
    (
        "trunks/mobile.toml",
        "interface = \"carrier\"\nfrom = [\"203.0.113.64/28\"]\nto = \"203.0.113.65:5060\"\ncaller = \"01065551234\"\nmax_calls = 1\nheartbeat_seconds = 0\n",
    ),
    (
        "numbers/all.toml",
        r#"
[[number]]
number = "4008001234"
flow = "main"
[[number]]
number = "4008001111"
flow = "plain"
record = "off"
[[number]]
number = "4008002222"
flow = "bound"
answer = "by-party"
[[number]]
number = "4008003333"
flow = "together"
answer = "early-media"
record = "all"
[[number]]
number = "4008004444"
flow = "plain"
max_calls = 1
[[number]]
number = "4008005555"
flow = "tight"
[[number]]
number = "4008006666"
flow = "mobile"
"#,
    ),
    (
        "flows/main.toml",
        r#"
start = "notice"
[node.notice]
kind = "play"
say = ["rec_notice"]
notice = true
interrupt = "never"
next = "menu"
[node.menu]
kind = "menu"
say = ["welcome"]
keys = { 1 = "sales", 9 = "extension" }
timeout_seconds = 4
tries = 3
invalid = ["ivr_invalid"]
silence = ["ivr_timeout"]
failed = "bye"
[node.sales]
kind = "queue"
queue = "sales"
next = "survey"
timeout = "sorry"
full = "sorry"
no_agent = "sorry"
[node.extension]
kind = "extension"
say = ["ivr_input_ext"]
max_digits = 4
ring_seconds = 10
phones = ["8001-8004"]
failed = "bye"
[node.survey]
kind = "survey"
say = ["csat_ask"]
keys = { 1 = "满意", 2 = "一般", 3 = "不满意" }
timeout_seconds = 5
tries = 2
[node.sorry]
kind = "hangup"
say = ["q_noagent"]
[node.bye]
kind = "hangup"
say = ["thanks_bye"]
"#,
    ),
    ("flows/plain.toml", "start = \"queue\"\n[node.queue]\nkind = \"queue\"\nqueue = \"plain\"\n"),
    (
        "flows/tight.toml",
        r#"
start = "tight"
[node.tight]
kind = "queue"
queue = "tight"
full = "plain"
timeout = "plain"
no_agent = "plain"
[node.plain]
kind = "queue"
queue = "plain"
"#,
    ),
    (
        "flows/bound.toml",
        r#"
start = "dial"
[node.dial]
kind = "dial"
rule = "in-order"
phones = [{ phone = "8003", ring_seconds = 10 }, { trunk = "mobile", number = "13900139000", ring_seconds = 10 }]
"#,
    ),
    (
        "flows/together.toml",
        r#"
start = "dial"
[node.dial]
kind = "dial"
rule = "all-at-once"
phones = [{ phone = "8003", ring_seconds = 15 }, { trunk = "mobile", number = "13900139000", ring_seconds = 15 }]
failed = "sorry"
[node.sorry]
kind = "hangup"
say = ["noanswer"]
"#,
    ),
    ("flows/mobile.toml", "start = \"queue\"\n[node.queue]\nkind = \"queue\"\nqueue = \"mobile\"\n"),
    (
        "queues/sales.toml",
        r#"
title = "销售"
agents = ["8001-8003"]
ring_seconds = 10
max_wait_seconds = 60
wrap_up_seconds = 5
no_answer_rest_seconds = 5
announce_position = true
announce_every_seconds = 10
display = "{caller} {queue}"
agent_number = true
"#,
    ),
    (
        "queues/plain.toml",
        r#"
title = "人工"
agents = ["8001-8002"]
ring_seconds = 10
wrap_up_seconds = 0
no_answer_rest_seconds = 5
announce_position = false
agent_number = false
max_wait_seconds = 40
"#,
    ),
    (
        "queues/tight.toml",
        r#"
title = "小队列"
agents = ["8003"]
max_waiting = 1
max_wait_seconds = 15
leave_when_nobody = true
"#,
    ),
    (
        "queues/mobile.toml",
        "title = \"外勤\"\nagents = [\"8010\"]\nring_seconds = 15\nmax_wait_seconds = 130\n",
    ),
    (
        "agents/all.toml",
        r#"
[[agent]]
range = "8001-8004"
name = "坐席 {id}"
sign_in = "by-code"
[[agent]]
id = "8010"
name = "赵外勤"
trunk = "mobile"
number = "13700137000"
"#,
    ),
    (
        "phones/all.toml",
        "[[phone]]\nrange = \"8001-8004\"\npassword = \"secret\"\ninterface = \"phones\"\nmax_contacts = 2\n",
    ),
    ("tenants/acme/tenant.toml", "domain = \"acme.test\"\n"),
    (
        "tenants/acme/queues/sales.toml",
        "title = \"Acme\"\nagents = [\"8001\"]\nring_seconds = 10\nmax_wait_seconds = 60\n",
    ),
];

const ACME: [(&str, &str); 4] = [
    (
        "tenants/acme/agents/all.toml",
        "[[agent]]\nid = \"8001\"\nname = \"Anna\"\nsign_in = \"by-registering\"\n",
    ),
    (
        "tenants/acme/phones/all.toml",
        "[[phone]]\nuser = \"8001\"\npassword = \"acme-secret\"\ninterface = \"phones\"\n",
    ),
    ("tenants/acme/numbers/all.toml", "[[number]]\nnumber = \"4008007777\"\nflow = \"main\"\n"),
    (
        "tenants/acme/flows/main.toml",
        "start = \"queue\"\n[node.queue]\nkind = \"queue\"\nqueue = \"sales\"\n",
    ),
];

/// The agents of an office with supervisors: 9001 may do everything with the calls of `sales`, 9002 may only listen, and only there; 9003 has no right.
pub const SUPERVISED_AGENTS: &str = r#"
[[agent]]
range = "8001-8004"
name = "坐席 {id}"
sign_in = "by-code"
[[agent]]
id = "9001"
sign_in = "by-code"
rights = ["listen", "whisper", "barge", "take", "hangup"]
rights_over = "tenant"
[[agent]]
id = "9002"
sign_in = "by-code"
rights = ["listen"]
[[agent]]
id = "9003"
sign_in = "by-code"
[[agent]]
id = "8010"
name = "赵外勤"
trunk = "mobile"
number = "13700137000"
"#;

/// The phones of all of them.
pub const SUPERVISED_PHONES: &str = r#"
[[phone]]
range = "8001-8004"
password = "secret"
interface = "phones"
max_contacts = 2
[[phone]]
range = "9001-9003"
password = "secret"
interface = "phones"
"#;

/// The office's folder, with files replaced or added.
pub fn folder(changed: &[(&str, &str)]) -> Sources {
    let mut files: Vec<(&str, &str)> = FILES.iter().chain(&ACME).copied().collect();
    for (path, text) in changed {
        files.retain(|(known, _)| known != path);
        files.push((path, text));
    }
    Sources::from_files(files)
}

/// A file of the office with one text in place of another.
pub fn edited(path: &'static str, from: &str, to: &str) -> (&'static str, String) {
    let (_, text) =
        FILES.iter().chain(&ACME).find(|(known, _)| *known == path).expect("a file of the office");
    assert!(text.contains(from), "{path} does not contain {from}");
    (path, text.replace(from, to))
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub fn agent(number: &str) -> AgentId {
    AgentId::new(&TenantId::default(), number)
}

pub fn queue(name: &str) -> QueueName {
    QueueName::new(&TenantId::default(), name)
}

pub fn key(c: char) -> Key {
    Key::from_char(c).expect("a telephone key")
}

/// A world with its phones, and callers as they come.
pub struct Stage {
    pub world: World,
    seed: u64,
    callers: u8,
    phones: Vec<(String, PeerId)>,
}

impl Stage {
    /// The office, nobody registered.
    pub fn empty(seed: u64, weather: Weather) -> Stage {
        Stage::of(&folder(&[]), seed, weather)
    }

    pub fn of(sources: &Sources, seed: u64, weather: Weather) -> Stage {
        Stage::on_shards(sources, seed, weather, 1)
    }

    /// The same on a node with so many shards.
    pub fn on_shards(sources: &Sources, seed: u64, weather: Weather, shards: u8) -> Stage {
        let world = World::with_shards(sources, seed, weather, shards);
        let world = world.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        Stage { world, seed, callers: 0, phones: Vec::new() }
    }

    /// The office in fair weather; these phones are registered and their agents ready.
    pub fn ready(agents: &[&str]) -> Stage {
        Stage::ready_in(1, Weather::FAIR, agents)
    }

    pub fn ready_in(seed: u64, weather: Weather, agents: &[&str]) -> Stage {
        let mut stage = Stage::empty(seed, weather);
        stage.sign_in(agents);
        stage
    }

    /// Registers phones and makes their agents ready.
    pub fn sign_in(&mut self, agents: &[&str]) {
        for number in agents {
            let phone = self.register(number);
            self.until(seconds(30), |world| world.has_happened(phone, &Happening::Registered));
            self.choose(number, AgentState::Ready);
        }
        self.world.run(millis(100));
    }

    /// A phone that registers.
    pub fn register(&mut self, number: &str) -> PeerId {
        let phone = self.new_phone(number, "pbx.test", "secret");
        let registrar = self.world.switch(1);
        self.world.tell(phone, Command::Register { registrar, expires: seconds(3_600) });
        phone
    }

    pub fn new_phone(&mut self, number: &str, domain: &str, password: &str) -> PeerId {
        let place = u8::try_from(self.phones.len()).expect("few phones") + 20;
        let login = Login { user: number.to_owned(), password: password.to_owned() };
        let phone = self.world.add_peer(PeerConfig {
            user: number.to_owned(),
            domain: domain.to_owned(),
            display: None,
            sip: SocketAddr::from(([192, 0, 2, place], 5062)),
            rtp: SocketAddr::from(([192, 0, 2, place], 4_000)),
            codecs: vec![Codec::Pcma, Codec::Pcmu],
            login: Some(login),
            behaviour: Behaviour::AnswerAfter(seconds(2)),
            seed: self.seed * 1_000 + u64::from(place),
        });
        self.phones.push((number.to_owned(), phone));
        phone
    }

    /// The phone that registered last with this number.
    pub fn phone(&self, number: &str) -> PeerId {
        self.phones.iter().rev().find(|(known, _)| known == number).expect("a phone on the stage").1
    }

    pub fn choose(&mut self, number: &str, state: AgentState) {
        self.world.choose(&agent(number), state);
    }

    /// The mobile network behind the trunk `mobile`.
    pub fn mobile(&mut self, behaviour: Behaviour) -> PeerId {
        self.world.add_peer(PeerConfig {
            user: "13700137000".to_owned(),
            domain: "203.0.113.65".to_owned(),
            display: None,
            sip: "203.0.113.65:5060".parse().expect("an address"),
            rtp: "203.0.113.66:40000".parse().expect("an address"),
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            login: None,
            behaviour,
            seed: self.seed * 1_000 + 900,
        })
    }

    /// A new caller of the carrier, who has not called yet.
    pub fn caller(&mut self) -> PeerId {
        self.callers += 1;
        let place = self.callers;
        self.world.add_peer(PeerConfig {
            user: format!("138001380{place:02}"),
            domain: "ims.test".to_owned(),
            display: None,
            sip: SocketAddr::from(([198, 51, 100, place], 5060)),
            rtp: SocketAddr::from(([198, 51, 100, place], 30_000)),
            codecs: vec![Codec::Pcma],
            login: None,
            behaviour: Behaviour::Ring,
            seed: self.seed * 1_000 + 500 + u64::from(place),
        })
    }

    /// A new caller calls.
    pub fn call(&mut self, number: &str) -> PeerId {
        let caller = self.caller();
        self.dial(caller, number);
        caller
    }

    pub fn dial(&mut self, peer: PeerId, number: &str) {
        let on_phones = self.world.peer(peer).config().sip.ip().to_string().starts_with("192.0.2.");
        let to = self.world.switch(usize::from(on_phones));
        self.world.tell(peer, Command::Call { to, user: number.to_owned() });
    }

    pub fn tell(&mut self, peer: PeerId, command: Command) {
        self.world.tell(peer, command);
    }

    pub fn hang_up(&mut self, peer: PeerId) {
        self.world.tell(peer, Command::HangUp);
    }

    pub fn press(&mut self, peer: PeerId, c: char) {
        self.world.tell(peer, Command::Press(key(c)));
    }

    pub fn run(&mut self, length: Duration) {
        self.world.run(length);
    }

    /// Runs until `wanted` holds; that it does not within `longest` fails the scenario.
    #[track_caller]
    pub fn until(&mut self, longest: Duration, wanted: impl Fn(&World) -> bool) {
        let came = self.world.run_until(longest, wanted);
        assert!(came, "it did not come to that: {:#?}", self.world.call_facts().collect::<Vec<_>>());
    }

    #[track_caller]
    pub fn until_fact(&mut self, longest: Duration, wanted: impl Fn(&CallFact) -> bool) {
        self.until(longest, |world| world.has(&wanted));
    }

    /// A caller of the main number in conversation with an agent, whose number was spoken.
    #[track_caller]
    pub fn talk(&mut self) -> PeerId {
        let caller = self.call("4008001234");
        self.until_fact(seconds(20), |fact| node_is(fact, "menu"));
        self.press(caller, '1');
        self.until_fact(seconds(40), |fact| matches!(fact, CallFact::Bridged { .. }));
        caller
    }

    /// All phones with this number, in the order in which they came.
    pub fn phones_called(&self, number: &str) -> Vec<PeerId> {
        self.phones.iter().filter(|(known, _)| known == number).map(|(_, phone)| *phone).collect()
    }

    /// All phones.
    pub fn phones(&self) -> Vec<PeerId> {
        self.phones.iter().map(|(_, phone)| *phone).collect()
    }

    /// Another caller of the main number in conversation with an agent.
    #[track_caller]
    pub fn talk_again(&mut self) -> PeerId {
        let bridged = |world: &World| world.count(|fact| matches!(fact, CallFact::Bridged { .. }));
        let menus = |world: &World| world.count(|fact| node_is(fact, "menu"));
        let before = (bridged(&self.world), menus(&self.world));
        let caller = self.call("4008001234");
        self.until(seconds(20), |world| menus(world) > before.1);
        self.press(caller, '1');
        self.until(seconds(40), |world| bridged(world) > before.0);
        caller
    }

    /// Lets all be quiet; every check must pass.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.world.finish().unwrap_or_else(|failed| panic!("{failed}"))
    }
}

pub fn node_is(fact: &CallFact, wanted: &str) -> bool {
    matches!(fact, CallFact::NodeEntered { node, .. } if &**node == wanted)
}

/// The one record of a scenario with one call.
#[track_caller]
pub fn only(finished: &Finished) -> &Cdr {
    assert_eq!(finished.cdrs.len(), 1, "{:#?}", finished.cdrs);
    &finished.cdrs[0]
}

pub fn ending(cdr: &Cdr) -> (CallResult, HungUpBy) {
    (cdr.ending.result, cdr.ending.by)
}

/// How long `listener` heard a tone since.
pub fn heard(world: &World, listener: PeerId, hz: f64, since: Instant) -> Duration {
    world.peer(listener).ear().tone(hz, since, world.now())
}
