use bytes::Bytes;
use clock::{WallAnchor, WallTime};
use std::net::SocketAddr;

use super::*;
use crate::headers::{HeaderName, SubscriptionState};
use crate::message::{Message, Method};
use crate::transaction::ServerTx;

struct World {
    notifier: Notifier,
    now: Instant,
    asked: u64,
    /// NOTIFYs that were sent, oldest first.
    notified: Vec<(u64, Flow, Request)>,
    saved: Vec<u64>,
    /// The calls of every watched phone, for SUBSCRIBEs to come.
    live: Vec<WatchedDialog>,
}

fn aor(user: &str) -> Aor {
    Aor::new(user, "pbx.local")
}

fn flow(user: &str) -> Flow {
    Flow::udp(0, SocketAddr::from(([203, 0, 113, 7], user.parse().unwrap())))
}

fn config() -> NotifierConfig {
    let us = Advertised::new("192.0.2.1", 5060);
    NotifierConfig { advertised: vec![us], most: 6, most_per_phone: 3, ..NotifierConfig::default() }
}

fn call(id: u64, progress: Progress) -> WatchedDialog {
    WatchedDialog { id, direction: Direction::Recipient, progress, remote: "13800138000".into() }
}

/// A dialog as the phone keeps it.
#[derive(Clone)]
struct Held {
    call_id: String,
    to: String,
}

impl World {
    fn with(config: NotifierConfig) -> World {
        let (now, notified, saved) = (Instant::from_secs(1000), Vec::new(), Vec::new());
        World { notifier: Notifier::new(config), now, asked: 0, notified, saved, live: Vec::new() }
    }

    fn new() -> World {
        World::with(config())
    }

    fn drain(&mut self) -> Option<Response> {
        let mut answer = None;
        while let Some(output) = self.notifier.poll_output() {
            match output {
                Output::Respond { response, .. } => assert!(answer.replace(response).is_none(), "one answer"),
                Output::Notify { id, flow, request } => self.notified.push((id, flow, request)),
                Output::Changed { id } => self.saved.push(id),
            }
        }
        answer
    }

    fn give(&mut self, input: Input) {
        self.notifier.handle(self.now, input);
        assert!(self.drain().is_none());
    }

    fn wait(&mut self, length: Duration) {
        let until = self.now + length;
        while let Some(due) = self.notifier.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.notifier.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn ask(&mut self, user: &str, watched: Option<&str>, held: Option<&Held>, lines: &str) -> Response {
        self.asked += 1;
        let call_id = held.map_or_else(|| format!("c{}-{user}", self.asked), |held| held.call_id.clone());
        let to = held.map_or("<sip:x@pbx.local>".to_owned(), |held| held.to.clone());
        let text = format!(
            "SUBSCRIBE sip:x@pbx.local SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK{0}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@pbx.local>;tag=f{user}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {0} SUBSCRIBE\r\n\
             Contact: <sip:{user}@10.0.0.5:{user}>\r\n{lines}Content-Length: 0\r\n\r\n",
            self.asked
        );
        let Ok(Message::Request(request)) = Message::parse_datagram(Bytes::from(text)) else { panic!() };
        let subscribe = Subscribe {
            asker: Asker { shard: 3, tx: ServerTx(self.asked) },
            flow: flow(user),
            request,
            subscriber: aor(user),
            watched: watched.map(aor),
            dialogs: self.live.clone(),
        };
        self.notifier.handle(self.now, Input::Subscribe(Box::new(subscribe)));
        self.drain().expect("every SUBSCRIBE is answered")
    }

    /// Watches the calls of `watched`, and takes the first NOTIFY.
    fn watch(&mut self, user: &str, watched: &str) -> (Held, u64) {
        let answer = self.ask(user, Some(watched), None, "Event: dialog\r\nExpires: 600\r\n");
        assert_eq!(answer.status, 200);
        let (id, _, _) = self.notified.pop().expect("a NOTIFY at once");
        self.told(id, 200);
        (held(&answer), id)
    }

    fn told(&mut self, id: u64, status: u16) {
        self.give(Input::NotifyEnded { id, told: Told::Answered { status, retry_after: None } });
    }

    fn calls(&mut self, user: &str, dialogs: &[WatchedDialog]) {
        self.give(Input::Dialogs { aor: aor(user), dialogs: dialogs.to_vec() });
    }

    fn next(&mut self) -> Request {
        assert_eq!(self.notified.len(), 1, "{:?}", self.notified);
        let (id, _, request) = self.notified.remove(0);
        self.told(id, 200);
        request
    }
}

fn held(answer: &Response) -> Held {
    let call_id = answer.headers.call_id().unwrap().to_owned();
    Held { call_id, to: answer.headers.text(HeaderName::To).unwrap().to_owned() }
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.to_vec()).unwrap()
}

fn states(request: &Request) -> Vec<String> {
    let text = body(request);
    text.split("<state>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

fn version(request: &Request) -> u32 {
    body(request).split("version=\"").nth(2).unwrap().split('"').next().unwrap().parse().unwrap()
}

fn reason(request: &Request) -> Option<String> {
    match request.headers.subscription_state().unwrap().unwrap() {
        SubscriptionState::Terminated { reason } => reason,
        _ => None,
    }
}

#[test]
fn arrow_1_a_subscription_is_granted_and_told_everything_at_once() {
    let mut world = World::new();
    world.live = vec![call(1, Progress::Confirmed)];
    let answer =
        world.ask("9001", Some("9002"), None, "Event: dialog\r\nAccept: application/dialog-info+xml\r\n");
    assert_eq!((answer.status, answer.headers.expires()), (200, Ok(Some(3600))));
    assert_eq!(answer.headers.text(HeaderName::Contact), Some("<sip:9002@192.0.2.1:5060>"));
    assert!(world.notifier.watches_dialogs(&aor("9002")));
    let (_, to, first) = world.notified.remove(0);
    assert_eq!(to, flow("9001"), "back through the NAT");
    assert_eq!(
        (first.method.clone(), first.uri.to_string()),
        (Method::Notify, "sip:9001@10.0.0.5:9001".into())
    );
    assert_eq!(first.headers.text(HeaderName::Event), Some("dialog"));
    assert_eq!(first.headers.text(HeaderName::SubscriptionState), Some("active;expires=3600"));
    assert_eq!(first.headers.from().unwrap().tag(), answer.headers.to().unwrap().tag(), "the same dialog");
    assert_eq!(first.headers.to().unwrap().tag(), Some("f9001"));
    assert_eq!(first.headers.text(HeaderName::ContentType), Some("application/dialog-info+xml"));
    assert!(body(&first).contains("state=\"full\" entity=\"sip:9002@pbx.local\""), "{}", body(&first));
    assert_eq!(states(&first), ["confirmed"]);
    assert!(body(&first).contains("<identity display=\"13800138000\">sip:13800138000@pbx.local</identity>"));
}

#[test]
fn arrow_2_each_step_of_a_call_is_told_and_its_end_once() {
    let mut world = World::new();
    world.watch("9001", "9002");
    let second = Duration::from_secs(1);
    let mut seen = Vec::new();
    for progress in [Progress::Trying, Progress::Early, Progress::Confirmed] {
        world.wait(second);
        world.calls("9002", &[call(7, progress)]);
        seen.extend(states(&world.next()));
    }
    world.wait(second);
    world.calls("9002", &[]);
    let last = world.next();
    seen.extend(states(&last));
    assert_eq!(seen, ["trying", "early", "confirmed", "terminated"]);
    assert!(body(&last).contains("<dialog id=\"7\" direction=\"recipient\">"), "{}", body(&last));
    assert_eq!(version(&last), 4);
    world.wait(second);
    world.calls("9002", &[call(8, Progress::Trying)]);
    assert_eq!(states(&world.next()), ["trying"], "what is over is told of once");
}

#[test]
fn arrow_2_what_happens_within_a_second_is_told_in_one() {
    let mut world = World::new();
    world.watch("9001", "9002");
    world.calls("9002", &[call(7, Progress::Trying)]);
    world.calls("9002", &[call(7, Progress::Early)]);
    world.calls("9002", &[call(7, Progress::Early), call(8, Progress::Trying)]);
    assert!(world.notified.is_empty());
    world.wait(Duration::from_secs(1));
    assert_eq!(states(&world.next()), ["early", "trying"]);
    world.wait(Duration::from_secs(1));
    // Undone before it was told.
    world.calls("9002", &[call(7, Progress::Early), call(8, Progress::Trying)]);
    assert!(world.notified.is_empty());
}

#[test]
fn arrow_3_one_notify_at_a_time() {
    let mut world = World::new();
    world.ask("9001", Some("9002"), None, "Event: dialog\r\n");
    let (id, _, _) = world.notified.pop().unwrap();
    world.wait(Duration::from_secs(5));
    world.calls("9002", &[call(7, Progress::Trying)]);
    assert!(world.notified.is_empty(), "the first is still out");
    world.told(id, 200);
    assert_eq!(states(&world.next()), ["trying"]);
}

#[test]
fn partial_documents_name_what_changed() {
    let mut world = World::with(NotifierConfig { detail: Detail::Partial, ..config() });
    let (held, _) = world.watch("9001", "9002");
    let step = |world: &mut World, dialogs: &[WatchedDialog]| {
        world.wait(Duration::from_secs(1));
        world.calls("9002", dialogs);
        let told = world.next();
        assert!(body(&told).contains("state=\"partial\""));
        states(&told)
    };
    assert_eq!(step(&mut world, &[call(1, Progress::Early)]), ["early"]);
    assert_eq!(step(&mut world, &[call(1, Progress::Early), call(2, Progress::Trying)]), ["trying"]);
    assert_eq!(step(&mut world, &[call(2, Progress::Trying)]), ["terminated"]);
    world.live = vec![call(2, Progress::Trying)];
    world.ask("9001", Some("9002"), Some(&held), "Event: dialog\r\n");
    let refreshed = world.next();
    assert!(body(&refreshed).contains("state=\"full\""), "RFC 6665 §4.4.1: a refresh is told everything");
    assert_eq!((states(&refreshed), version(&refreshed)), (vec!["trying".to_owned()], 4));
}

#[test]
fn arrow_4_a_refresh_lengthens_and_follows_the_phone() {
    let mut world = World::new();
    let (held, _) = world.watch("9001", "9002");
    world.wait(Duration::from_secs(500));
    let answer = world.ask("9001", Some("9002"), Some(&held), "Event: dialog\r\nExpires: 600\r\n");
    assert_eq!((answer.status, answer.headers.text(HeaderName::To)), (200, Some(held.to.as_str())));
    let told = world.next();
    assert_eq!(told.headers.text(HeaderName::SubscriptionState), Some("active;expires=600"));
    assert_eq!(told.headers.cseq().unwrap().number, 2);
    world.wait(Duration::from_secs(599));
    assert_eq!(world.notifier.len(), 1);
    // An older request of the same dialog (RFC 3261 §12.2.2).
    world.asked = 1;
    assert_eq!(world.ask("9001", Some("9002"), Some(&held), "Event: dialog\r\n").status, 500);
}

#[test]
fn arrow_5_expires_0_ends_a_subscription_and_outside_of_one_only_fetches() {
    let mut world = World::new();
    let (held, _) = world.watch("9001", "9002");
    let answer = world.ask("9001", Some("9002"), Some(&held), "Event: dialog\r\nExpires: 0\r\n");
    assert_eq!((answer.status, answer.headers.expires()), (200, Ok(Some(0))));
    let (_, _, last) = world.notified.pop().unwrap();
    assert_eq!(reason(&last).as_deref(), Some("timeout"));
    assert!(world.notifier.is_empty() && world.notifier.poll_timeout().is_none());
    assert_eq!(world.ask("9001", Some("9002"), Some(&held), "Event: dialog\r\n").status, 481);
    let answer = world.ask("9001", Some("9001"), None, "Event: message-summary\r\nExpires: 0\r\n");
    assert_eq!(answer.status, 200);
    let (_, _, only) = world.notified.pop().unwrap();
    assert!(reason(&only).is_some() && body(&only).starts_with("Messages-Waiting: no\r\n"));
    assert!(world.notifier.is_empty() && world.notifier.poll_timeout().is_none());
}

#[test]
fn arrow_6_time_that_is_up_ends_it_with_its_reason() {
    let mut world = World::new();
    world.watch("9001", "9002");
    world.wait(Duration::from_secs(599));
    assert!(world.notified.is_empty());
    world.wait(Duration::from_secs(1));
    assert_eq!(reason(&world.notified.pop().unwrap().2).as_deref(), Some("timeout"));
    assert!(world.notifier.is_empty() && !world.notifier.watches_dialogs(&aor("9002")));
    assert_eq!(
        world.notifier.saved(anchor(), world.saved[0]),
        None,
        "and it is forgotten by what is written down"
    );
}

#[test]
fn arrow_7_a_phone_taken_out_of_the_configuration_watches_and_is_watched_no_more() {
    let mut world = World::new();
    world.watch("9001", "9002");
    world.watch("9002", "9003");
    world.watch("9003", "9001");
    world.give(Input::PhoneGone(aor("9002")));
    let reasons: Vec<_> = world.notified.iter().map(|(_, _, last)| reason(last).unwrap()).collect();
    assert_eq!(reasons, ["rejected", "noresource"]);
    assert_eq!(world.notifier.len(), 1);
}

#[test]
fn arrow_8_a_phone_that_does_not_know_its_subscription_or_is_silent_loses_it() {
    for told in [481, 404, 489, 603]
        .map(|status| Told::Answered { status, retry_after: None })
        .into_iter()
        .chain([Told::Failed])
    {
        let mut world = World::new();
        let (_, id) = world.watch("9001", "9002");
        world.give(Input::NotifyEnded { id, told });
        assert!(world.notifier.is_empty() && world.notifier.poll_timeout().is_none(), "{told:?}");
    }
}

#[test]
fn a_phone_that_refuses_for_now_is_told_again_when_it_says() {
    let mut world = World::new();
    world.ask("9001", Some("9002"), None, "Event: dialog\r\n");
    let (id, _, _) = world.notified.pop().unwrap();
    let told = Told::Answered { status: 503, retry_after: Some(Duration::from_secs(20)) };
    world.give(Input::NotifyEnded { id, told });
    world.wait(Duration::from_secs(10));
    world.calls("9002", &[call(1, Progress::Early)]);
    world.wait(Duration::from_secs(9));
    assert!(world.notified.is_empty());
    world.wait(Duration::from_secs(1));
    assert_eq!(states(&world.next()), ["early"]);
}

#[test]
fn arrow_9_a_stream_that_ends_takes_its_subscriptions_with_it() {
    let mut world = World::new();
    world.watch("9001", "9002");
    let stream = Flow { connection: Some(4), ..flow("9001") };
    let id = *world.notifier.subscriptions.keys().next().unwrap();
    world.notifier.subscriptions.get_mut(&id).unwrap().flow = stream;
    world.give(Input::ConnectionLost(Flow { connection: Some(5), ..stream }));
    assert_eq!(world.notifier.len(), 1);
    world.give(Input::ConnectionLost(stream));
    assert!(world.notifier.is_empty() && world.notified.is_empty());
}

#[test]
fn what_cannot_be_granted_is_refused_with_the_reason_that_rfc_6665_has() {
    let mut world = World::new();
    let presence = world.ask("9001", Some("9002"), None, "Event: presence\r\n");
    assert_eq!((presence.status, presence.headers.text(HeaderName::AllowEvents)), (489, Some(ALLOW_EVENTS)));
    assert!(presence.headers.to().unwrap().tag().is_some());
    assert_eq!(world.ask("9001", Some("9002"), None, "").status, 489, "no Event at all");
    let brief = world.ask("9001", Some("9002"), None, "Event: dialog\r\nExpires: 59\r\n");
    assert_eq!((brief.status, brief.headers.min_expires()), (423, Ok(Some(60))));
    let mut status =
        |user: &str, watched: Option<&str>, lines: &str| world.ask(user, watched, None, lines).status;
    assert_eq!(status("9001", None, "Event: dialog\r\n"), 404);
    assert_eq!(status("9001", Some("9002"), "Event: message-summary\r\n"), 403, "messages are one's own");
    assert_eq!(status("9001", Some("9002"), "Event: dialog\r\nAccept: application/pidf+xml\r\n"), 406);
    assert_eq!(status("9001", Some("9002"), "Event: dialog\r\nAccept: text/plain, application/*\r\n"), 200);
    assert_eq!(status("9001", Some("9002"), "Event: dialog\r\nExpires: soon\r\n"), 400);
    let lost = Held { call_id: "nobody".into(), to: "<sip:x@pbx.local>;tag=lost".into() };
    assert_eq!(world.ask("9001", Some("9002"), Some(&lost), "Event: dialog\r\n").status, 481);
}

#[test]
fn a_dialog_holds_one_subscription_of_one_phone() {
    let mut world = World::new();
    let (held, _) = world.watch("9001", "9002");
    assert_eq!(world.ask("9001", Some("9001"), Some(&held), "Event: message-summary\r\n").status, 481);
    assert_eq!(world.ask("9001", Some("9002"), Some(&held), "Event: dialog;id=2\r\n").status, 481);
    let mut request = world.ask("9001", Some("9002"), Some(&held), "Event: dialog\r\n");
    assert_eq!(request.status, 200);
    // Somebody else's credentials within the same dialog.
    world.asked += 1;
    request = {
        let text = format!(
            "SUBSCRIBE sip:x@pbx.local SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKt\r\nMax-Forwards: 70\r\n\
             From: <sip:9001@pbx.local>;tag=f9001\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 900 SUBSCRIBE\r\n\
             Contact: <sip:thief@10.0.0.9>\r\nEvent: dialog\r\nContent-Length: 0\r\n\r\n",
            held.to, held.call_id
        );
        let Ok(Message::Request(request)) = Message::parse_datagram(Bytes::from(text)) else { panic!() };
        let asker = Asker { shard: 0, tx: ServerTx(999) };
        let (subscriber, watched) = (aor("9003"), Some(aor("9002")));
        let subscribe =
            Subscribe { asker, flow: flow("9003"), request, subscriber, watched, dialogs: Vec::new() };
        world.notifier.handle(world.now, Input::Subscribe(Box::new(subscribe)));
        world.drain().unwrap()
    };
    assert_eq!(request.status, 403);
}

#[test]
fn a_phone_and_the_node_have_as_many_subscriptions_as_they_may() {
    let mut world = World::new();
    for watched in ["9002", "9003", "9004"] {
        world.watch("9001", watched);
    }
    assert_eq!(world.ask("9001", Some("9005"), None, "Event: dialog\r\n").status, 403);
    // The same wish of the same phone takes the place of the one that it forgot.
    assert_eq!(world.ask("9001", Some("9004"), None, "Event: dialog\r\n").status, 200);
    assert_eq!(world.notifier.len(), 3);
    for watched in ["9002", "9003", "9004"] {
        world.notified.clear();
        world.watch("9002", watched);
    }
    let full = world.ask("9003", Some("9002"), None, "Event: dialog\r\n");
    assert_eq!((full.status, full.headers.text(HeaderName::RetryAfter)), (503, Some("60")));
    let fetch = world.ask("9003", Some("9002"), None, "Event: dialog\r\nExpires: 0\r\n");
    assert_eq!(fetch.status, 200, "what leaves nothing behind is no load");
}

#[test]
fn waiting_messages_are_told_when_their_number_changes() {
    let mut world = World::new();
    let answer = world.ask("9001", Some("9001"), None, "Event: message-summary\r\n");
    assert_eq!(answer.status, 200);
    let none = "Messages-Waiting: no\r\nMessage-Account: sip:9001@pbx.local\r\nVoice-Message: 0/0 (0/0)\r\n";
    assert_eq!(body(&world.next()), none);
    let mut messages = |new, old| {
        world.wait(Duration::from_secs(2));
        world.give(Input::Messages { aor: aor("9001"), summary: Summary { new, old } });
        world.notified.pop().map(|(id, _, request)| {
            world.told(id, 200);
            body(&request)
        })
    };
    assert!(messages(2, 1).unwrap().contains("Messages-Waiting: yes\r\n"));
    assert_eq!(messages(2, 1), None, "nothing new");
    assert!(messages(0, 3).unwrap().ends_with(
        "Messages-Waiting: no\r\nMessage-Account: sip:9001@pbx.local\r\nVoice-Message: 0/3 (0/0)\r\n"
    ));
    assert!(messages(0, 0).unwrap().contains("0/0"));
}

fn anchor() -> WallAnchor {
    WallAnchor::new(Instant::from_secs(1000), WallTime(1_795_000_000_000_000))
}

#[test]
fn subscriptions_survive_a_restart_and_no_number_is_used_twice() {
    let mut world = World::new();
    let (held, id) = world.watch("9001", "9002");
    world.watch("9003", "9002");
    let text = serde_json::to_string(&world.notifier.saved(anchor(), id).unwrap()).unwrap();
    for step in 0..3 {
        world.wait(Duration::from_secs(1));
        let progress = if step % 2 == 0 { Progress::Early } else { Progress::Confirmed };
        world.calls("9002", &[call(1, progress)]);
        for (id, _, _) in std::mem::take(&mut world.notified) {
            world.told(id, 200);
        }
    }
    let mut later = World::new();
    let streamed =
        text.replace("\"connection\":null", "\"connection\":9").replace(&format!("\"id\":{id}"), "\"id\":77");
    let saved = [&text, &streamed].map(|text| serde_json::from_str(text).unwrap());
    later.notifier.restore(anchor(), later.now, saved.into());
    later.drain();
    assert_eq!(later.notifier.len(), 1, "a stream ended with the process");
    later.calls("9002", &[call(1, Progress::Confirmed)]);
    later.wait(Duration::from_secs(1));
    assert_eq!(later.notified.len(), 1, "told once, with what is true then");
    let told = later.next();
    assert!(told.headers.cseq().unwrap().number > 1000 && version(&told) >= 1000);
    assert_eq!(states(&told), ["confirmed"]);
    later.asked = 50;
    assert_eq!(later.ask("9001", Some("9002"), Some(&held), "Event: dialog\r\n").status, 200);
}

#[test]
fn text_from_outside_cannot_break_a_document() {
    let mut world = World::new();
    world.watch("9001", "9002");
    world.wait(Duration::from_secs(1));
    let remote = "\"><evil/>&'\u{1}".into();
    world.calls("9002", &[WatchedDialog { remote, ..call(1, Progress::Early) }]);
    let text = body(&world.next());
    assert!(!text.contains("<evil") && text.contains("&lt;evil/&gt;&amp;&apos;\u{fffd}"), "{text}");
}
