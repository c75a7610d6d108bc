//! One caller in virtual time; the numbers are the arrows of the figure.

use std::collections::BTreeMap;
use std::time::Duration;

use model::say::Tone;
use model::{DialTarget, FlowName, QueueName, TenantId};
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use super::*;
use crate::{AnswerRule, BoundPhone, Parked};

struct Caller {
    session: Session,
    now: Instant,
}

fn tenant() -> TenantId {
    TenantId::default()
}

fn text(n: i64) -> Vec<SayItem> {
    vec![SayItem::Number(n)]
}

fn key(c: char) -> Key {
    Key::from_char(c).unwrap()
}

fn to(name: &str) -> Option<NodeName> {
    Some(NodeName::from(name))
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn flow(nodes: &[(&str, Node)]) -> Flow {
    Flow {
        name: FlowName::new(&tenant(), "main"),
        start: NodeName::from(nodes[0].0),
        nodes: nodes.iter().map(|(name, node)| (NodeName::from(*name), node.clone())).collect(),
    }
}

fn play(n: i64, interrupt: Interrupt, next: Option<NodeName>) -> Node {
    Node::Play { say: text(n), interrupt, notice: false, next }
}

/// Keys 1 and 2 lead to `one` and `two`; three tries of five seconds.
fn menu(failed: Option<NodeName>) -> Node {
    Node::Menu {
        say: text(10),
        keys: BTreeMap::from([(key('1'), NodeName::from("one")), (key('2'), NodeName::from("two"))]),
        timeout: secs(5),
        tries: 3,
        invalid: text(11),
        silence: text(12),
        failed,
        mask: false,
    }
}

fn bye(n: i64) -> Node {
    Node::Hangup { say: text(n) }
}

fn queue_node() -> Node {
    Node::Queue {
        queue: QueueName::new(&tenant(), "sales"),
        priority: 4,
        say: Vec::new(),
        next: to("next"),
        timeout: to("timeout"),
        full: to("full"),
        no_agent: to("no_agent"),
    }
}

fn survey() -> Node {
    Node::Survey {
        say: text(30),
        keys: BTreeMap::from([(key('1'), Arc::from("满意")), (key('3'), Arc::from("不满意"))]),
        timeout: secs(5),
        tries: 2,
        invalid: text(31),
        thanks: text(32),
        next: to("bye"),
    }
}

fn phone(n: &str) -> DialTarget {
    DialTarget::Uri(Arc::from(format!("sip:{n}@192.0.2.1")))
}

fn extensions() -> Node {
    Node::DialExtension {
        say: text(20),
        max_digits: 4,
        timeout: secs(3),
        tries: 2,
        invalid: text(21),
        ring: secs(25),
        extensions: ["801", "8010", "802"].map(|n| (Arc::from(n), phone(n))).into_iter().collect(),
        next: to("next"),
        failed: to("failed"),
        mask: false,
    }
}

fn at_start(nodes: &[(&str, Node)]) -> Caller {
    Caller { session: Session::new(Arc::new(flow(nodes))), now: Instant::from_secs(100) }
}

/// The caller has begun; what that brought.
fn begun(nodes: &[(&str, Node)]) -> (Caller, Vec<Output>) {
    let mut caller = at_start(nodes);
    let out = caller.put(Input::Begin);
    (caller, out)
}

impl Caller {
    fn put(&mut self, input: Input) -> Vec<Output> {
        self.session.handle(self.now, input);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }

    fn press(&mut self, c: char) -> Vec<Output> {
        self.put(Input::Key(key(c)))
    }

    fn played(&mut self, play: u32) -> Vec<Output> {
        self.put(Input::Played { play })
    }

    fn pass(&mut self, length: Duration) -> Vec<Output> {
        self.now += length;
        self.session.handle_timeout(self.now);
        self.drain()
    }

    fn resume(&mut self, parked: Parked) -> Vec<Output> {
        self.put(Input::Resumed(parked))
    }
}

fn facts(out: &[Output]) -> Vec<CallFact> {
    out.iter()
        .filter_map(|output| match output {
            Output::Fact(fact) => Some(fact.clone()),
            _ => None,
        })
        .collect()
}

fn entered(name: &str) -> Output {
    let flow = FlowName::new(&tenant(), "main");
    Output::Fact(CallFact::NodeEntered { flow, node: NodeName::from(name) })
}

fn used(c: char, node: &str) -> Output {
    Output::Fact(CallFact::KeyPressed { key: key(c), node: NodeName::from(node) })
}

fn plays(play: u32, n: i64) -> Output {
    Output::Play { play, items: text(n) }
}

fn stops(play: u32) -> Output {
    Output::StopPlay { play }
}

const SERVED: Output = Output::HangUp { served: Served::ByMenu };
const GAVE_UP: Output = Output::HangUp { served: Served::GaveUp };

#[test]
fn arrow_1_3_6_a_prompt_plays_to_its_end_and_leads_on() {
    let (mut c, out) = begun(&[("a", play(1, Interrupt::Never, to("b"))), ("b", bye(2))]);
    assert_eq!(out, [entered("a"), plays(1, 1)]);
    assert_eq!(c.played(1), [entered("b"), plays(2, 2)]);
    assert_eq!(c.played(2), [SERVED]);
    assert!(c.session.is_ended());
    assert!(c.press('1').is_empty() && c.played(2).is_empty() && c.put(Input::Begin).is_empty());
}

#[test]
fn arrow_1_begins_once() {
    let mut c = at_start(&[("a", play(1, Interrupt::Never, None))]);
    assert!(c.press('1').is_empty(), "who cannot hear yet presses in vain");
    assert_eq!(c.put(Input::Begin).len(), 2);
    assert!(c.put(Input::Begin).is_empty());
}

#[test]
fn arrow_2_an_empty_text_is_passed_over() {
    let empty = Node::Play { say: Vec::new(), interrupt: Interrupt::Never, notice: true, next: to("b") };
    let (_, out) = begun(&[("a", empty), ("b", Node::Hangup { say: Vec::new() })]);
    assert_eq!(out, [entered("a"), entered("b"), SERVED], "and an empty notice was not heard");
}

#[test]
fn arrow_6_a_key_ends_a_prompt_and_counts_for_the_next_menu() {
    let (mut c, _) = begun(&[("a", play(1, Interrupt::ByKey, to("m"))), ("m", menu(None)), ("one", bye(2))]);
    let out = c.press('1');
    assert_eq!(out, [stops(1), entered("m"), used('1', "m"), entered("one"), plays(2, 2)]);
    assert!(c.played(1).is_empty(), "the end of what was stopped is no news");
}

#[test]
fn a_prompt_that_must_be_heard_keeps_the_keys() {
    let (mut c, _) = begun(&[("a", play(1, Interrupt::Never, to("m"))), ("m", menu(None)), ("two", bye(2))]);
    assert!(c.press('2').is_empty());
    assert_eq!(c.played(1), [entered("m"), used('2', "m"), entered("two"), plays(2, 2)]);
}

#[test]
fn keys_typed_early_walk_through_several_menus_and_prompts() {
    let Node::Menu { say, timeout, tries, invalid, silence, .. } = menu(None) else { unreachable!() };
    let keys = BTreeMap::from([(key('2'), NodeName::from("p"))]);
    let first = Node::Menu { say, keys, timeout, tries, invalid, silence, failed: None, mask: false };
    let (mut c, _) = begun(&[
        ("a", play(1, Interrupt::Never, to("first"))),
        ("first", first),
        ("p", play(2, Interrupt::ByKey, to("m"))),
        ("m", menu(None)),
        ("one", bye(3)),
    ]);
    c.press('2');
    c.press('1');
    let walk = [
        entered("first"),
        used('2', "first"),
        entered("p"),
        entered("m"),
        used('1', "m"),
        entered("one"),
        plays(2, 3),
    ];
    assert_eq!(c.played(1), walk);
}

#[test]
fn the_notice_is_told_only_when_it_was_heard_to_its_end() {
    let notice = |interrupt| Node::Play { say: text(1), interrupt, notice: true, next: None };
    let heard = |out: &[Output]| facts(out).contains(&CallFact::NoticePlayed);
    let (mut c, _) = begun(&[("a", notice(Interrupt::Never))]);
    c.press('1');
    assert!(heard(&c.played(1)));
    let (mut c, _) = begun(&[("a", notice(Interrupt::ByKey))]);
    assert!(!heard(&c.press('1')));
    let (mut c, _) = begun(&[("a", notice(Interrupt::Never))]);
    let out = c.put(Input::NotPlayed { play: 1 });
    assert_eq!(out, [SERVED], "a notice without a sound was not heard");
}

#[test]
fn arrow_4_8_a_key_during_the_menus_text_stops_it_and_leads_on() {
    let (mut c, out) = begun(&[("m", menu(None)), ("one", bye(2))]);
    assert_eq!(out, [entered("m"), plays(1, 10)]);
    assert_eq!(c.session.poll_timeout(), None, "silence counts from the end of the text");
    assert_eq!(c.press('1'), [stops(1), used('1', "m"), entered("one"), plays(2, 2)]);
}

#[test]
fn arrow_8_a_key_after_the_text_leads_on() {
    let (mut c, _) = begun(&[("m", menu(None)), ("two", bye(2))]);
    c.played(1);
    assert!(c.pass(Duration::from_millis(4_999)).is_empty());
    assert_eq!(c.press('2')[0], used('2', "m"));
    assert_eq!(c.session.poll_timeout(), None);
}

#[test]
fn arrow_9_10_wrong_keys_and_silences_count_together() {
    let (mut c, _) = begun(&[("m", menu(to("bye"))), ("bye", bye(2))]);
    assert_eq!(c.press('9'), [stops(1), plays(2, 11)], "a wrong key is no key that the flow used");
    assert_eq!(c.played(2), [plays(3, 10)]);
    c.played(3);
    assert_eq!(c.pass(secs(5)), [plays(4, 12)]);
    assert_eq!(c.played(4), [plays(5, 10)]);
    assert_eq!(c.press('#'), [stops(5), plays(6, 11)]);
    assert_eq!(c.played(6), [entered("bye"), plays(7, 2)]);
}

#[test]
fn arrow_10_a_menu_that_failed_and_leads_nowhere_gives_up() {
    let (mut c, _) = begun(&[("m", menu(None))]);
    for play in [1, 3, 5] {
        c.played(play);
        c.pass(secs(5));
        let out = c.played(play + 1);
        assert_eq!(out.contains(&GAVE_UP), play == 5, "{out:?}");
    }
}

#[test]
fn a_key_during_the_text_after_a_wrong_key_answers_the_menu() {
    let (mut c, _) = begun(&[("m", menu(None)), ("one", bye(2))]);
    c.press('9');
    assert_eq!(c.press('1'), [stops(2), used('1', "m"), entered("one"), plays(3, 2)]);
}

#[test]
fn what_was_typed_behind_a_wrong_key_is_forgotten() {
    let (mut c, _) = begun(&[("a", play(1, Interrupt::Never, to("m"))), ("m", menu(None)), ("one", bye(2))]);
    c.press('9');
    c.press('1');
    assert_eq!(c.played(1), [entered("m"), plays(2, 11)]);
    assert_eq!(c.played(2), [plays(3, 10)]);
}

#[test]
fn a_menu_that_leads_to_itself_is_asked_anew_and_listens() {
    let Node::Menu { say, timeout, tries, invalid, silence, .. } = menu(None) else { unreachable!() };
    let keys = BTreeMap::from([(key('*'), NodeName::from("m"))]);
    let own = Node::Menu { say, keys, timeout, tries, invalid, silence, failed: None, mask: false };
    let (mut c, _) = begun(&[("a", play(1, Interrupt::Never, to("m"))), ("m", own)]);
    c.press('*');
    assert_eq!(c.played(1), [entered("m"), used('*', "m"), entered("m"), plays(2, 10)]);
    assert_eq!(c.session.poll_timeout(), None, "the text plays; silence does not count yet");
    c.played(2);
    assert_eq!(c.session.poll_timeout(), Some(c.now + secs(5)));
}

#[test]
fn a_menu_without_a_text_listens_at_once() {
    let Node::Menu { keys, timeout, tries, .. } = menu(None) else { unreachable!() };
    let none = Vec::new;
    let mute = Node::Menu {
        say: none(),
        keys,
        timeout,
        tries,
        invalid: none(),
        silence: none(),
        failed: None,
        mask: false,
    };
    let (mut c, out) = begun(&[("m", mute)]);
    assert_eq!(out, [entered("m")]);
    assert!(c.pass(secs(5)).is_empty());
    assert!(c.pass(secs(5)).is_empty());
    assert_eq!(c.pass(secs(5)), [GAVE_UP]);
}

#[test]
fn a_menu_whose_text_cannot_be_played_still_listens() {
    let (mut c, _) = begun(&[("m", menu(None)), ("one", bye(2))]);
    assert!(c.put(Input::NotPlayed { play: 1 }).is_empty());
    assert_eq!(c.session.poll_timeout(), Some(c.now + secs(5)));
}

#[test]
fn arrow_5_7_each_end_of_a_queue_leads_its_own_way() {
    for (parked, node) in [
        (Parked::PartyLeft, "next"),
        (Parked::TimedOut, "timeout"),
        (Parked::Full, "full"),
        (Parked::NoAgent, "no_agent"),
    ] {
        let (mut c, out) = begun(&[("q", queue_node()), (node, bye(2))]);
        let queue = QueueName::new(&tenant(), "sales");
        assert_eq!(out, [entered("q"), Output::Enqueue { queue, priority: 4 }]);
        assert!(c.session.is_parked());
        assert!(c.press('1').is_empty());
        assert_eq!(c.resume(parked), [entered(node), plays(1, 2)]);
        assert!(c.resume(parked).is_empty(), "it resumes once");
    }
    let (mut c, _) = begun(&[("q", queue_node())]);
    assert_eq!(c.resume(Parked::Failed), [GAVE_UP]);
}

#[test]
fn a_queue_that_leads_nowhere_hangs_up_served_only_after_a_talk() {
    let Node::Queue { queue, priority, say, .. } = queue_node() else { unreachable!() };
    let node = Node::Queue { queue, priority, say, next: None, timeout: None, full: None, no_agent: None };
    for (parked, end) in
        [(Parked::PartyLeft, SERVED), (Parked::TimedOut, GAVE_UP), (Parked::NoAgent, GAVE_UP)]
    {
        let (mut c, _) = begun(&[("q", node.clone())]);
        assert_eq!(c.resume(parked), [end]);
    }
}

#[test]
fn the_text_before_a_queue_is_heard_and_keys_typed_then_do_not_answer_the_survey() {
    let Node::Queue { queue, priority, timeout, full, no_agent, .. } = queue_node() else { unreachable!() };
    let node = Node::Queue { queue, priority, say: text(5), next: to("s"), timeout, full, no_agent };
    let (mut c, _) = begun(&[("q", node), ("s", survey())]);
    assert!(c.press('1').is_empty());
    assert!(matches!(c.played(1)[..], [Output::Enqueue { .. }]));
    let asked = Output::Fact(CallFact::SurveyAsked { node: NodeName::from("s") });
    assert_eq!(c.resume(Parked::PartyLeft), [entered("s"), asked, plays(2, 30)]);
}

#[test]
fn arrow_5_7_dialled_phones_lead_on_or_fail() {
    let phones = vec![BoundPhone { target: phone("a"), ring: secs(20) }];
    let rule = AnswerRule::AllAtOnce;
    let node =
        Node::Dial { phones: phones.clone(), rule, say: Vec::new(), next: to("next"), failed: to("failed") };
    for (parked, name) in
        [(Parked::PartyLeft, "next"), (Parked::Unanswered, "failed"), (Parked::Failed, "failed")]
    {
        let (mut c, out) = begun(&[("d", node.clone()), (name, bye(2))]);
        assert_eq!(out, [entered("d"), Output::Dial { phones: phones.clone(), rule }]);
        assert_eq!(c.resume(parked)[0], entered(name));
    }
}

fn dialled(out: &[Output]) -> Option<DialTarget> {
    out.iter().find_map(|output| match output {
        Output::Dial { phones, .. } => Some(phones[0].target.clone()),
        _ => None,
    })
}

#[test]
fn an_extension_is_dialled_by_its_last_digit_a_hash_or_a_silence() {
    for (typed, wait, target) in
        [("802", 0, "802"), ("8010", 0, "8010"), ("801#", 0, "801"), ("801", 3, "801")]
    {
        let (mut c, _) = begun(&[("e", extensions())]);
        let mut out = Vec::new();
        for digit in typed.chars() {
            assert_eq!(dialled(&out), None, "{typed}");
            out = c.press(digit);
        }
        if wait > 0 {
            assert_eq!(dialled(&out), None, "8010 begins with 801");
            out = c.pass(secs(wait));
        }
        assert_eq!(dialled(&out), Some(phone(target)), "{typed}");
        assert!(c.session.is_parked());
    }
}

#[test]
fn an_extension_typed_early_is_dialled_unasked() {
    let (mut c, _) = begun(&[("a", play(1, Interrupt::Never, to("e"))), ("e", extensions())]);
    "802".chars().for_each(|digit| assert!(c.press(digit).is_empty()));
    let out = c.played(1);
    assert_eq!(out[..4], [entered("e"), used('8', "e"), used('0', "e"), used('2', "e")]);
    assert_eq!(dialled(&out), Some(phone("802")));
    let failed = Output::Fact(CallFact::FlowFailed {
        node: NodeName::from("e"),
        error: Arc::from("节点「failed」不存在 / there is no node «failed»"),
    });
    assert_eq!(c.resume(Parked::Unanswered), [failed, GAVE_UP], "a dangling name ends the call in words");
}

#[test]
fn an_extension_half_typed_early_is_listened_for() {
    let (mut c, _) = begun(&[("a", play(1, Interrupt::Never, to("e"))), ("e", extensions())]);
    c.press('8');
    assert_eq!(c.played(1), [entered("e"), used('8', "e")]);
    assert_eq!(c.session.poll_timeout(), Some(c.now + secs(3)));
    c.press('0');
    assert_eq!(dialled(&c.press('2')), Some(phone("802")));
}

#[test]
fn a_wrong_extension_and_a_silence_are_asked_again_and_then_failed() {
    let (mut c, _) = begun(&[("e", extensions()), ("failed", bye(2))]);
    assert_eq!(c.press('#'), [stops(1), used('#', "e"), plays(2, 21)]);
    assert_eq!(c.played(2), [plays(3, 20)]);
    c.played(3);
    assert_eq!(c.pass(secs(3)), [entered("failed"), plays(4, 2)]);
    let (mut c, _) = begun(&[("e", extensions()), ("failed", bye(2))]);
    "999".chars().for_each(|digit| assert!(!c.press(digit).contains(&plays(2, 21))));
    assert!(c.press('9').contains(&plays(2, 21)), "the fourth digit ends the number");
}

#[test]
fn a_rating_is_told_once_with_the_tenants_word() {
    let (mut c, _) = begun(&[("s", survey()), ("bye", play(40, Interrupt::Never, to("s")))]);
    let rated = Output::Fact(CallFact::SurveyAnswered { key: key('3'), label: Arc::from("不满意") });
    assert_eq!(c.press('3'), [stops(1), used('3', "s"), rated, plays(2, 32)]);
    assert_eq!(c.played(2), [entered("bye"), plays(3, 40)]);
    let out = c.played(3);
    assert_eq!(out, [entered("s"), entered("bye"), plays(4, 40)], "one result per call");
}

#[test]
fn after_a_rating_no_silence_is_listened_to() {
    let (mut c, _) = begun(&[("s", survey())]);
    c.played(1);
    assert!(c.session.poll_timeout().is_some());
    c.press('1');
    assert_eq!(c.session.poll_timeout(), None);
}

#[test]
fn a_wrong_key_at_the_survey_gets_another_try_and_silence_ends_unrated() {
    let (mut c, _) = begun(&[("s", survey()), ("bye", bye(2))]);
    assert_eq!(c.press('7'), [stops(1), plays(2, 31)]);
    assert_eq!(c.played(2), [plays(3, 30)]);
    c.played(3);
    assert_eq!(c.pass(secs(5)), [entered("bye"), plays(4, 2)]);
}

#[test]
fn an_unrated_survey_that_leads_nowhere_ends_as_served() {
    let Node::Survey { say, keys, timeout, tries, invalid, thanks, .. } = survey() else { unreachable!() };
    let (mut c, _) = begun(&[("s", Node::Survey { say, keys, timeout, tries, invalid, thanks, next: None })]);
    c.played(1);
    c.pass(secs(5));
    c.played(2);
    assert_eq!(c.pass(secs(5)), [SERVED]);
}

#[test]
fn a_ring_of_silent_nodes_is_cut_in_words() {
    let silent =
        |next| Node::Play { say: Vec::new(), interrupt: Interrupt::Never, notice: false, next: to(next) };
    let (c, out) = begun(&[("a", silent("b")), ("b", silent("a"))]);
    assert!(c.session.is_ended());
    assert_eq!(out.len() as u32, MAX_STEPS + 2);
    assert!(matches!(out[out.len() - 2], Output::Fact(CallFact::FlowFailed { .. })));
    assert_eq!(out[out.len() - 1], GAVE_UP);
}

#[test]
fn a_long_way_with_pauses_is_not_cut() {
    let (mut c, _) = begun(&[("a", play(1, Interrupt::Never, to("a")))]);
    for play in 1..500 {
        assert_eq!(c.played(play), [entered("a"), plays(play + 1, 1)]);
    }
}

#[test]
fn listening_and_being_parked_are_pauses() {
    let none = Vec::new;
    let keys = BTreeMap::from([(key('*'), NodeName::from("m"))]);
    let (timeout, tries) = (secs(5), 1);
    let mute = Node::Menu {
        say: none(),
        keys,
        timeout,
        tries,
        invalid: none(),
        silence: none(),
        failed: None,
        mask: false,
    };
    let (mut c, _) = begun(&[("m", mute)]);
    for _ in 0..2 * MAX_STEPS {
        assert_eq!(c.press('*'), [used('*', "m"), entered("m")]);
    }
    let Node::Queue { queue, priority, full, no_agent, timeout, .. } = queue_node() else { unreachable!() };
    let again = Node::Queue { queue, priority, say: none(), next: to("q"), timeout, full, no_agent };
    let (mut c, _) = begun(&[("q", again)]);
    for _ in 0..2 * MAX_STEPS {
        assert_eq!(c.resume(Parked::PartyLeft)[0], entered("q"));
        assert!(c.session.is_parked());
    }
}

#[test]
fn a_start_that_is_no_node_ends_in_words() {
    let mut flow = flow(&[("a", bye(1))]);
    flow.start = NodeName::from("nowhere");
    let mut c = Caller { session: Session::new(Arc::new(flow)), now: Instant::ZERO };
    let out = c.put(Input::Begin);
    assert!(matches!(out[..], [Output::Fact(CallFact::FlowFailed { .. }), GAVE_UP]));
}

#[test]
fn timers_that_come_early_late_or_twice_are_harmless() {
    let (mut c, _) = begun(&[("m", menu(None))]);
    assert!(c.pass(secs(60)).is_empty(), "the text still plays");
    c.played(1);
    assert!(c.pass(secs(4)).is_empty());
    assert_eq!(c.pass(secs(40)), [plays(2, 12)]);
    assert!(c.pass(secs(40)).is_empty());
}

#[test]
fn a_session_written_down_and_read_back_goes_on_where_it_stood() {
    let (mut c, _) = begun(&[("a", play(1, Interrupt::Never, to("e"))), ("e", extensions())]);
    c.press('8');
    let written = serde_json::to_string(&c.session).unwrap();
    let mut twin = Caller { session: serde_json::from_str(&written).unwrap(), now: c.now };
    assert_eq!(twin.played(1), c.played(1));
    assert_eq!(twin.press('0'), c.press('0'));
    assert_eq!(dialled(&twin.press('2')), dialled(&c.press('2')));
}

fn inputs() -> impl Strategy<Value = Option<Input>> {
    let parked = prop_oneof![
        proptest::strategy::Just(Parked::PartyLeft),
        proptest::strategy::Just(Parked::TimedOut),
        proptest::strategy::Just(Parked::Full),
        proptest::strategy::Just(Parked::NoAgent),
        proptest::strategy::Just(Parked::Unanswered),
        proptest::strategy::Just(Parked::Failed),
    ];
    prop_oneof![
        6 => (0..16u8).prop_map(|code| Key::from_event(code).map(Input::Key)),
        4 => (1..60u32).prop_map(|play| Some(Input::Played { play })),
        1 => (1..60u32).prop_map(|play| Some(Input::NotPlayed { play })),
        2 => parked.prop_map(|parked| Some(Input::Resumed(parked))),
        // Nothing comes: the next timer fires.
        3 => any::<bool>().prop_map(|_| None),
    ]
}

proptest! {
    #[test]
    fn whatever_a_caller_does_the_session_waits_for_something_or_has_hung_up_once(
        history in proptest::collection::vec(inputs(), 1..200),
    ) {
        let (mut c, mut all) = begun(&[
            ("a", play(1, Interrupt::ByKey, to("m"))),
            ("m", menu(to("e"))),
            ("one", queue_node()),
            ("two", extensions()),
            ("e", extensions()),
            ("next", survey()),
            ("bye", play(2, Interrupt::Never, to("m"))),
            ("failed", Node::Play { say: vec![SayItem::Tone(Tone::Busy)], interrupt: Interrupt::Never, notice: true, next: to("m") }),
            ("timeout", bye(3)),
        ]);
        for input in history {
            let out = match input {
                Some(input) => c.put(input),
                None => {
                    let wait = c.session.poll_timeout().map_or(secs(1), |at| at.since(c.now));
                    c.pass(wait)
                }
            };
            all.extend(out);
            let playing = matches!(&c.session.state, State::Saying { play, .. } if *play > 0)
                || matches!(&c.session.state, State::Asking(asking) if asking.playing.is_some());
            let waits = playing || c.session.is_parked() || c.session.silence_at.is_some();
            assert!(waits != c.session.is_ended(), "{:?}", c.session);
            assert!(!(playing && c.session.silence_at.is_some()), "silence counts while a text plays");
        }
        let ends = all.iter().filter(|output| matches!(output, Output::HangUp { .. })).count();
        assert_eq!(ends, usize::from(c.session.is_ended()));
        let ratings = facts(&all).iter().filter(|f| matches!(f, CallFact::SurveyAnswered { .. })).count();
        assert!(ratings <= 1);
    }
}

/// The number that [`extensions`] collects, as a secret.
fn secret() -> Node {
    let mut node = extensions();
    if let Node::DialExtension { mask, .. } = &mut node {
        *mask = true;
    }
    node
}

#[test]
fn a_secret_is_masked_from_its_question_to_its_last_digit_and_its_keys_are_no_facts() {
    let (mut c, out) = begun(&[("x", secret()), ("next", bye(1)), ("failed", bye(2))]);
    assert_eq!(out, [Output::Mask, entered("x"), plays(1, 20)]);
    assert_eq!(c.press('8'), [Output::StopPlay { play: 1 }]);
    assert_eq!(c.press('0'), []);
    assert!(matches!(c.press('2')[..], [Output::Unmask, Output::Dial { .. }]));
}

#[test]
fn a_secret_that_is_never_keyed_is_unmasked_where_the_flow_goes_on() {
    let (mut c, _) = begun(&[("x", secret()), ("next", bye(1)), ("failed", bye(2))]);
    // Two tries without a key, each answered by silence.
    let mut all = Vec::new();
    for play in 1..=3 {
        all.extend(c.played(play));
        all.extend(c.pass(secs(3)));
    }
    let masks = all.iter().filter(|output| matches!(output, Output::Mask | Output::Unmask));
    assert_eq!(masks.collect::<Vec<_>>(), [&Output::Unmask]);
    let unmasked = all.iter().position(|output| *output == Output::Unmask).unwrap();
    assert_eq!(all[unmasked + 1], entered("failed"));
}
