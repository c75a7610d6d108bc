use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clock::SystemClock;
use ledger::story::Story;
use model::command::{Command, First, MessageDeed, Originate, Refused};
use model::event::{AgentActivity, AgentState, Direction};
use model::night::Turn;
use model::{AgentId, CallId, TenantId};
use serde_json::{Value, json};
use store::{FolderConfig, JournalConfig, StartConfig, Started};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;
use crate::client::{Client, ClientError};
use crate::switch::Answer;
use crate::view::{
    AgentView, BanView, ConferenceView, LiveCall, LiveState, MailboxView, NightView, NumberView, PhoneView,
    QueueView, RecordingView, TrunkView, VoiceMessageView,
};

mod console;
mod rubbish;

const LONG: Duration = Duration::from_secs(30);

/// A switch with one call of tenant `default`, one agent, and a memory of what it was asked.
#[derive(Default)]
struct Played {
    asked: Mutex<Vec<Command>>,
    ill: Mutex<Option<String>>,
}

const CALL: u64 = 77;

impl Switch for Played {
    fn live_calls(&self, tenant: TenantId) -> Answer<'_, Vec<LiveCall>> {
        Box::pin(async move {
            let call = self.live_call(CallId::from(CALL)).await;
            call.into_iter().filter(|call| call.tenant == tenant.as_str()).collect()
        })
    }
    fn live_call(&self, call: CallId) -> Answer<'_, Option<LiveCall>> {
        Box::pin(async move {
            (call == CallId::from(CALL)).then(|| LiveCall {
                id: call.to_string(),
                tenant: "default".into(),
                direction: Direction::In,
                state: LiveState::Talking,
                number: None,
                trunk: None,
                caller: "1".into(),
                called: "2".into(),
                queue: None,
                party: None,
                node: None,
                recording: RecordingView::On,
                audio: crate::view::AudioView::CallerUnheard,
                notes: vec!["8001: VIP".into()],
                began: "2026-11-22T09:30:00.000+08:00".into(),
                agent_answered: None,
            })
        })
    }
    fn messages(&self, _: TenantId, call: CallId) -> Answer<'_, Vec<crate::view::MessageView>> {
        Box::pin(async move {
            let message = crate::view::MessageView {
                at: "2026-11-22T09:30:00.000+08:00".into(),
                micros: 1_795_000_000_000_000,
                sent: true,
                transport: "tls".into(),
                local: "192.0.2.1:5061".into(),
                remote: "192.0.2.2:5061".into(),
                bytes: b"BYE \xff\x00".to_vec(),
            };
            (call == CallId::from(CALL)).then_some(message).into_iter().collect()
        })
    }
    fn agents(&self, tenant: TenantId) -> Answer<'_, Vec<AgentView>> {
        Box::pin(async move {
            vec![AgentView {
                id: "8001".into(),
                name: "小王".into(),
                tenant: tenant.to_string(),
                state: AgentState::Break { reason: "用餐".into() },
                activity: AgentActivity::Idle,
                phone: None,
                since: "2026-11-22T09:30:00.000+08:00".into(),
                call: None,
                queues: vec!["sales".into()],
            }]
        })
    }
    fn queues(&self, _: TenantId) -> Answer<'_, Vec<QueueView>> {
        Box::pin(async { Vec::new() })
    }
    fn phones(&self, _: TenantId) -> Answer<'_, Vec<PhoneView>> {
        Box::pin(async { Vec::new() })
    }
    fn numbers(&self, tenant: TenantId) -> Answer<'_, Vec<NumberView>> {
        Box::pin(async move {
            let night = NightView { by: "8001".into(), since: "2026-11-22T09:30:00.000+08:00".into() };
            vec![NumberView {
                number: "4008001234".into(),
                tenant: tenant.to_string(),
                aliases: Vec::new(),
                flow: "main".into(),
                night_flow: Some("night".into()),
                night: Some(night),
                max_calls: None,
            }]
        })
    }
    fn mailboxes(&self, tenant: TenantId) -> Answer<'_, Vec<MailboxView>> {
        Box::pin(async move {
            let message = VoiceMessageView {
                id: model::RecordingId::from(CALL).to_string(),
                call: CallId::from(CALL).to_string(),
                caller: "13800138000".into(),
                began: "2026-11-22T09:30:00.000+08:00".into(),
                millis: Some(4_000),
                heard: false,
            };
            let (name, tenant) = ("8001".to_owned(), tenant.to_string());
            vec![MailboxView { name, tenant, new: 1, old: 0, messages: vec![message] }]
        })
    }
    fn conferences(&self, _: TenantId) -> Answer<'_, Vec<ConferenceView>> {
        Box::pin(async { Vec::new() })
    }
    fn trunks(&self) -> Answer<'_, Vec<TrunkView>> {
        Box::pin(async { Vec::new() })
    }
    fn bans(&self) -> Answer<'_, Vec<BanView>> {
        Box::pin(async {
            let ban =
                ("192.0.2.9".to_owned(), "logins".to_owned(), "2026-11-22T09:40:00.000+08:00".to_owned());
            vec![BanView { source: ban.0, cause: ban.1, until: ban.2 }]
        })
    }
    fn originate(&self, wish: Originate) -> Answer<'_, Result<CallId, Refused>> {
        Box::pin(async move {
            let known =
                wish.agent.as_str() == "8001" && wish.first == First::Number && &*wish.to == "13800138000";
            known.then_some(CallId::from(CALL)).ok_or(Refused("坐席正在通话 / the agent is in a call".into()))
        })
    }
    fn command(&self, command: Command) -> Answer<'_, Result<(), Refused>> {
        Box::pin(async move {
            if matches!(&command, Command::SetAgentState { agent, .. } if agent.as_str() != "8001") {
                return Err(Refused("没有这个坐席 / no such agent".into()));
            }
            self.asked.lock().unwrap().push(command);
            Ok(())
        })
    }
    fn unhealthy(&self) -> Option<String> {
        self.ill.lock().unwrap().clone()
    }
}

/// A server on a port of its own over a data folder of its own.
struct Running {
    address: SocketAddr,
    token: Token,
    switch: Arc<Played>,
    started: Started,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
    dir: PathBuf,
}

impl Running {
    async fn start(name: &str) -> Running {
        let dir = std::env::temp_dir().join(format!("hotline-api-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let config = StartConfig {
            journal: JournalConfig { gather: Duration::ZERO, ..JournalConfig::default() },
            folder: FolderConfig { commit_every: Duration::from_millis(5), ..FolderConfig::default() },
        };
        let started = store::start(&dir, SystemClock::start(), config, |_| None).await.unwrap();
        let token = Token::load_or_make(&Token::path(&dir)).unwrap();
        let switch = Arc::new(Played::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (header_time, body_time) = (Duration::from_millis(300), Duration::from_secs(1));
        let limits = Limits { header_time, body_time, ..Limits::default() };
        let server = Server {
            switch: switch.clone(),
            store: started.store.clone(),
            journal: started.journal.clone(),
            token: token.clone(),
            metrics: Metrics::detached(),
            exporter: Exporter { data_dir: dir.clone(), ..Exporter::default() },
            limits,
        };
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, server, async {
            let _ = stopped.await;
        }));
        Running { address, token, switch, started, stop: Some(stop), served, dir }
    }

    fn client(&self) -> Client {
        Client::new(self.address, self.token.clone()).with_limit(LONG)
    }

    /// Journals events and waits for their rows.
    async fn journal(&self, story: &Story) {
        let mut last = 0;
        for stamped in &story.events {
            last = self.started.journal.append_at(stamped.at, stamped.event.clone());
        }
        tokio::time::timeout(LONG, self.started.folder.folded(last)).await.unwrap();
    }

    /// Sends bytes as they are; gives all that comes back.
    async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses in mid-request may reset the connection behind its answer.
        let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends `body` to `path` as a client with the token does.
    async fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.token.expose(),
            body.len()
        );
        self.raw([head.as_bytes(), body].concat()).await
    }

    async fn get_bare(&self, path: &str, headers: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn refused(error: ClientError) -> (u16, String, String) {
    match error {
        ClientError::Refused { status, zh, en } => (status, zh, en),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn nothing_is_answered_without_the_token_but_health_and_figures() {
    let running = Running::start("token").await;
    for path in ["/v1/calls", "/v1/cdrs", "/v1/agents", "/v1/events", "/v1/reload", "/nowhere"] {
        for headers in
            ["", "Authorization: Bearer\r\n", "Authorization: Bearer 00\r\n", "Authorization: Basic eDp4\r\n"]
        {
            let answer = running.get_bare(path, headers).await;
            assert!(answer.starts_with("HTTP/1.1 401"), "{path} {answer}");
            assert!(answer.contains("www-authenticate: Bearer") && answer.contains("令牌"), "{answer}");
        }
    }
    assert!(running.get_bare("/healthz", "").await.contains("{\"ok\":true}"));
    assert!(running.get_bare("/metrics", "").await.starts_with("HTTP/1.1 200"));
    let bearer = format!("Authorization: bearer {}\r\n", running.token.expose());
    assert!(running.get_bare("/v1/calls", &bearer).await.starts_with("HTTP/1.1 200"));
    assert!(running.switch.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn health_says_why_no_calls_are_taken() {
    let running = Running::start("health").await;
    *running.switch.ill.lock().unwrap() = Some("磁盘已满 / the disk is full".into());
    let answer = running.get_bare("/healthz", "").await;
    assert!(
        answer.starts_with("HTTP/1.1 503")
            && answer.contains("磁盘已满")
            && answer.contains("the disk is full")
    );
}

#[tokio::test]
async fn live_state_is_that_of_the_switch_and_of_the_asked_tenant() {
    let running = Running::start("live").await;
    let client = running.client();
    assert_eq!(client.live_calls().await.unwrap().len(), 1);
    let agents = client.agents().await.unwrap();
    assert_eq!(
        (agents[0].name.as_str(), &agents[0].state),
        ("小王", &AgentState::Break { reason: "用餐".into() })
    );
    let other = client.for_tenant(TenantId::new("企业 & 乙"));
    assert_eq!(other.agents().await.unwrap()[0].tenant, "企业 & 乙");
    assert!(other.live_calls().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_agent_is_joined_with_a_number_or_told_why_not() {
    let running = Running::start("joined").await;
    let client = running.client();
    let made = client.originate("8001", "13800138000", First::Number).await.unwrap();
    assert_eq!(made, CallId::from(CALL).to_string());
    let refused = client.originate("8002", "13800138000", First::Number).await.unwrap_err();
    assert!(refused.to_string().contains("坐席正在通话"), "{refused}");
}

#[tokio::test]
async fn wishes_reach_the_switch_and_its_refusals_reach_the_asker() {
    let running = Running::start("wishes").await;
    let client = running.client();
    let state = AgentState::Break { reason: "用餐".into() };
    client.set_agent_state("8001", &state).await.unwrap();
    client.hang_up(&CallId::from(CALL).to_string()).await.unwrap();
    client.transfer(&CallId::from(CALL).to_string(), "queue:sales").await.unwrap();
    client.note(&CallId::from(CALL).to_string(), Some("8001"), " 客户要发票 ").await.unwrap();
    let empty = client.note(&CallId::from(CALL).to_string(), None, " ").await.unwrap_err();
    assert!(empty.to_string().contains("备注为空"), "{empty}");
    client.reload().await.unwrap();
    let agent = AgentId::new(&TenantId::default(), "8001");
    let expected = [
        Command::SetAgentState { agent: agent.clone(), state: state.clone() },
        Command::HangUp { call: CallId::from(CALL) },
        Command::Transfer { call: CallId::from(CALL), to: "queue:sales".into() },
        Command::Note { call: CallId::from(CALL), by: Some(agent), text: "客户要发票".into() },
        Command::Reload,
    ];
    assert_eq!(*running.switch.asked.lock().unwrap(), expected);
    let no = refused(client.set_agent_state("8002", &state).await.unwrap_err());
    assert_eq!(no, (409, "没有这个坐席".into(), "no such agent".into()));
}

#[tokio::test]
async fn a_tenant_cannot_end_another_ones_call() {
    let running = Running::start("other-tenant").await;
    let other = running.client().for_tenant(TenantId::new("acme"));
    assert_eq!(refused(other.hang_up(&CallId::from(CALL).to_string()).await.unwrap_err()).0, 404);
    assert_eq!(refused(other.hang_up("rubbish").await.unwrap_err()).0, 400);
    assert!(running.switch.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn records_are_found_by_query_and_shown_with_paths_that_can_be_opened() {
    let running = Running::start("records").await;
    let mut story = Story::default();
    let first = story.answered_call("13800138000", "8001");
    story.wait(1_000);
    let second = story.answered_call("13900139000", "8002");
    running.journal(&story).await;
    let client = running.client();
    let found: Vec<Value> = client.get("/v1/cdrs", &[]).await.unwrap();
    assert_eq!([&found[0]["id"], &found[1]["id"]], [&json!(first), &json!(second)]);
    assert!(Path::new(found[0]["recording"].as_str().unwrap()).starts_with(&running.dir));
    for (query, expected) in [
        (vec![("agent", "8002")], vec![second]),
        (vec![("caller", "13800138000"), ("result", "answered")], vec![first]),
        (vec![("limit", "1")], vec![second]),
        (vec![("from", "2026-11-22T09:30:01+08:00")], vec![second]),
        (vec![("to", "2026-11-22")], vec![]),
        (vec![("result", "closed")], vec![]),
    ] {
        let found: Vec<Value> = client.get("/v1/cdrs", &query).await.unwrap();
        let ids: Vec<Value> = found.iter().map(|cdr| cdr["id"].clone()).collect();
        assert_eq!(ids, expected.iter().map(|id: &CallId| json!(id)).collect::<Vec<_>>(), "{query:?}");
    }
    let one: Value = client.get(&format!("/v1/cdrs/{first}"), &[]).await.unwrap();
    assert_eq!(one["caller"], "13800138000");
    let other = client.clone().for_tenant(TenantId::new("acme"));
    let no = other.get::<Value>(&format!("/v1/cdrs/{first}"), &[]).await.unwrap_err();
    assert_eq!(refused(no).0, 404);
    let days = [("from", "2026-11-22"), ("to", "2026-11-22")];
    let figures: Value = client.get("/v1/figures", &days).await.unwrap();
    assert_eq!(figures["numbers"][0]["sums"]["calls"], 2);
    assert_eq!(figures["agents"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_query_that_cannot_be_understood_is_refused_in_words() {
    let running = Running::start("query").await;
    let client = running.client();
    for (path, key, value) in [
        ("/v1/cdrs", "colour", "red"),
        ("/v1/cdrs", "from", "yesterday"),
        ("/v1/cdrs", "result", "fine"),
        ("/v1/cdrs", "limit", "10001"),
        ("/v1/cdrs", "after", "x"),
        ("/v1/events", "after", "-1"),
        ("/v1/figures", "from", "2026-02-30"),
    ] {
        let (status, zh, en) = refused(client.get::<Value>(path, &[(key, value)]).await.unwrap_err());
        assert!(status == 400 && !zh.is_empty() && !en.is_empty(), "{path} {key} {status} {zh} {en}");
    }
    assert_eq!(refused(client.get::<Value>("/v1/nowhere", &[]).await.unwrap_err()).0, 404);
    assert_eq!(refused(client.get::<Value>("/v1/reload", &[]).await.unwrap_err()).0, 405);
}

#[tokio::test]
async fn events_are_followed_from_any_place_and_waited_for() {
    let running = Running::start("events").await;
    let mut story = Story::default();
    story.answered_call("1", "8001");
    running.journal(&story).await;
    let count = story.events.len();
    let client = running.client();
    let last = count.to_string();
    // Once the last one is known, so are all.
    let before_last = (count - 1).to_string();
    let keys = [("after", before_last.as_str()), ("wait_seconds", "30")];
    assert_eq!(client.get::<Value>("/v1/events", &keys).await.unwrap()["last_seq"], count);
    // From the memory, from a place in it, and none.
    let all: Value = client.get("/v1/events", &[("after", "0"), ("wait_seconds", "0")]).await.unwrap();
    assert_eq!((all["events"].as_array().unwrap().len(), &all["last_seq"]), (count, &json!(count)));
    let two: Value = client.get("/v1/events", &[("after", "3"), ("limit", "2")]).await.unwrap();
    assert_eq!((&two["events"][0]["seq"], &two["last_seq"]), (&json!(4), &json!(5)));
    let none: Value = client.get("/v1/events", &[("after", &last), ("wait_seconds", "0")]).await.unwrap();
    assert_eq!(none, json!({ "events": [], "last_seq": count }));
    // One that comes while it is waited for; another tenant's is passed over.
    let keys = [("after", last.as_str()), ("wait_seconds", "30")];
    let waiting = client.get::<Value>("/v1/events", &keys);
    let journal = running.started.journal.clone();
    let told = async {
        let mut other = Story::default();
        other.tenant = TenantId::new("acme");
        other.begin("9");
        other.tenant = TenantId::default();
        other.begin("8");
        for stamped in &other.events {
            journal.append(stamped.event.clone());
        }
    };
    let (found, ()) = tokio::join!(waiting, told);
    assert_eq!(found.unwrap()["events"][0]["event"]["tenant"], "default");
}

#[tokio::test]
async fn events_older_than_the_memory_come_from_the_files() {
    let running = Running::start("old-events").await;
    let mut story = Story::default();
    for _ in 0..400 {
        story.answered_call("1", "8001");
    }
    running.journal(&story).await;
    let mut after = 0;
    let mut count = 0;
    while count < story.events.len() {
        let after_text = format!("{after}");
        let keys = [("after", after_text.as_str()), ("wait_seconds", "30")];
        let found: Value = running.client().get("/v1/events", &keys).await.unwrap();
        assert_eq!(found["events"][0]["seq"], after + 1);
        count += found["events"].as_array().unwrap().len();
        after = found["last_seq"].as_u64().unwrap();
    }
    assert_eq!((count, after), (story.events.len(), story.events.len() as u64));
}

#[tokio::test]
async fn a_body_beyond_the_limit_and_a_header_that_never_ends_are_refused() {
    let running = Running::start("limits").await;
    let long = "x".repeat(100_000);
    let answer = running.send("POST", "/v1/agents/8001/state", "application/json", long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("正文超过 65536 字节"), "{answer}");
    // The server closes it after its time; `raw` reads to the end.
    let answer = running.raw("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(!answer.contains("200"), "{answer}");
    // So it does one that was answered and asks for nothing more: it would keep others out.
    let idle = running.raw("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
    let answer = running.raw("rubbish\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(running.switch.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_end_does_not_wait_for_those_who_follow_events() {
    let mut running = Running::start("end").await;
    let client = running.client();
    let following =
        tokio::spawn(async move { client.get::<Value>("/v1/events", &[("wait_seconds", "60")]).await });
    // Answered: the server is there and the follower's connection is accepted before or after, either way it ends.
    running.client().live_calls().await.unwrap();
    running.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(LONG, &mut running.served).await.unwrap().unwrap();
    let followed = tokio::time::timeout(LONG, following).await.unwrap().unwrap();
    assert!(followed.is_err() || followed.unwrap()["events"] == json!([]));
    let gone = running.client().live_calls().await.unwrap_err();
    assert!(matches!(gone, ClientError::NotRunning(_)) && gone.to_string().contains("没有运行中的 hotline"));
}

#[tokio::test]
async fn bans_are_listed_and_lifted_by_address() {
    let running = Running::start("bans").await;
    let client = running.client();
    let bans = client.bans().await.unwrap();
    assert_eq!((bans[0].source.as_str(), bans[0].cause.as_str()), ("192.0.2.9", "logins"));
    client.lift_ban("2001:db8::1").await.unwrap();
    let asked = running.switch.asked.lock().unwrap().clone();
    assert_eq!(asked, [Command::LiftBan { source: "2001:db8::1".parse().unwrap() }]);
    let refused = client.lift_ban("nobody").await.unwrap_err();
    assert!(refused.to_string().contains("封禁的地址不是 IP 地址"), "{refused}");
}

#[tokio::test]
async fn a_night_switch_is_seen_and_turned() {
    let running = Running::start("night").await;
    let client = running.client();
    let numbers = client.numbers().await.unwrap();
    assert_eq!(numbers[0].night.as_ref().map(|night| &*night.by), Some("8001"));
    client.turn_night("4008001234", Turn::Off).await.unwrap();
    let asked = running.switch.asked.lock().unwrap().clone();
    let number = model::HotlineNumber::new(&TenantId::default(), "4008001234");
    assert_eq!(asked, [Command::TurnNight { number, turn: Turn::Off }]);
    let path = "/v1/numbers/4008001234/night";
    let answer = running.send("PUT", path, "application/json", br#"{"turn":"up"}"#).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("夜间模式应为 on, off 之一, 不是 «up» (turn)"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_message_is_listed_heard_taken_out_and_its_sound_is_there_when_its_file_is() {
    let running = Running::start("voicemail").await;
    let client = running.client();
    let boxes = client.mailboxes().await.unwrap();
    let id = &boxes[0].messages[0].id;
    client.message_heard("8001", id).await.unwrap();
    client.delete_message("8001", id).await.unwrap();
    let deed = |deed| Command::Message {
        mailbox: model::MailboxName::new(&TenantId::default(), "8001"),
        message: model::RecordingId::from(CALL),
        deed,
    };
    let asked = running.switch.asked.lock().unwrap().clone();
    assert_eq!(asked, [deed(MessageDeed::Heard), deed(MessageDeed::Delete)]);
    let authorization = format!("Authorization: Bearer {}\r\n", running.token.expose());
    for (path, status) in [("8001", "404"), ("8002", "404")] {
        let answer =
            running.get_bare(&format!("/v1/mailboxes/{path}/messages/{id}/audio"), &authorization).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let answer = running.get_bare(&format!("/v1/mailboxes/8001/messages/{id}/audio"), "").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "R53: nobody hears it without the token: {answer}");
}
