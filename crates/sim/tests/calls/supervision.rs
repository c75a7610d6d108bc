//! Supervisors: listening, whispering, joining, taking over and ending other people's calls, by code, key and command
//! (R53, R54). Everybody speaks in a tone of their own, so that who hears whom is measured.

use ledger::Cdr;
use model::CallId;
use model::event::{AgentActivity, CallFact, Direction};
use model::outcome::{CallResult, HungUpBy};
use model::supervision::Verb;
use peers::{Behaviour, Command, Happening, Sound};
use sim::{PeerId, Weather, World};

use crate::stage::{SUPERVISED_AGENTS, SUPERVISED_PHONES, Stage, agent, ending, folder, millis, seconds};

const CALLER: f64 = 440.0;
const AGENT: f64 = 660.0;
const SUPERVISOR: f64 = 880.0;

/// A caller of `sales` who talks with 8001; the supervisor's phone is registered.
struct Office {
    stage: Stage,
    caller: PeerId,
    agent: PeerId,
    supervisor: PeerId,
}

fn office(supervisor: &str) -> Office {
    let mut stage = Stage::of(
        &folder(&[("agents/all.toml", SUPERVISED_AGENTS), ("phones/all.toml", SUPERVISED_PHONES)]),
        1,
        Weather::FAIR,
    );
    let phone = stage.register("8001");
    stage.run(millis(100));
    stage.choose("8001", model::event::AgentState::Ready);
    let supervisor = stage.register(supervisor);
    stage.run(seconds(1));
    stage.tell(phone, Command::Say(Sound::Tone(AGENT)));
    stage.tell(supervisor, Command::Say(Sound::Tone(SUPERVISOR)));
    let caller = stage.talk();
    stage.tell(caller, Command::Say(Sound::Tone(CALLER)));
    Office { stage, caller, agent: phone, supervisor }
}

impl Office {
    fn call(&self) -> CallId {
        let talks = |call: &call::LiveCall| call.stage == call::LiveStage::Talking;
        self.stage.world.calls().into_iter().find(talks).expect("a conversation").id
    }

    fn dials(&mut self, number: &str) {
        let supervisor = self.supervisor;
        self.stage.dial(supervisor, number);
        self.stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::SupervisionBegan { .. }));
    }

    /// Who hears whom for two seconds from now: (listener, tone) → whether.
    #[track_caller]
    fn hear(&mut self, wanted: &[(PeerId, f64, bool)]) {
        self.stage.run(millis(500));
        let since = self.stage.world.now();
        self.stage.run(seconds(2));
        for (listener, hz, yes) in wanted {
            let world = &self.stage.world;
            let length = world.peer(*listener).ear().among(*hz, since, world.now());
            let name = &self.stage.world.peer(*listener).config().user;
            match yes {
                true => assert!(length >= millis(1_500), "{name} heard {hz} Hz for {length:?} only"),
                false => assert!(length <= millis(100), "{name} heard {hz} Hz for {length:?}"),
            }
        }
    }

    fn listens(&self) -> Vec<(PeerId, f64, bool)> {
        vec![
            (self.supervisor, CALLER, true),
            (self.supervisor, AGENT, true),
            (self.caller, AGENT, true),
            (self.agent, CALLER, true),
            (self.caller, SUPERVISOR, false),
            (self.agent, SUPERVISOR, false),
        ]
    }

    fn verbs(&self) -> Vec<Verb> {
        self.stage
            .world
            .call_facts()
            .filter_map(|(_, fact)| match fact {
                CallFact::SupervisionBegan { verb, .. } | CallFact::SupervisionChanged { verb, .. } => {
                    Some(*verb)
                }
                _ => None,
            })
            .collect()
    }

    /// Packets in the recording of the conversation: left, right.
    fn kept(&self) -> [u64; 2] {
        self.stage.world.kept(self.recording())
    }

    /// What the recording's timeline shows.
    fn marks(&self) -> Vec<&'static str> {
        self.stage.world.marks(self.recording())
    }

    fn recording(&self) -> model::RecordingId {
        let began = |(_, fact): (CallId, &CallFact)| match fact {
            CallFact::RecordingBegan { recording } => Some(*recording),
            _ => None,
        };
        self.stage.world.call_facts().find_map(began).expect("a recording")
    }
}

fn customers(cdrs: &[Cdr]) -> &Cdr {
    cdrs.iter().find(|cdr| cdr.direction == Direction::In).expect("the customer's record")
}

fn supervisors(cdrs: &[Cdr]) -> &Cdr {
    cdrs.iter().find(|cdr| cdr.direction == Direction::Internal).expect("the supervisor's record")
}

#[test]
fn who_listens_hears_both_and_is_heard_by_nobody_until_a_key_lets_the_agent_or_all_hear() {
    let mut office = office("9001");
    let (caller, agent, supervisor) = (office.caller, office.agent, office.supervisor);
    office.dials("*338001");
    let listens = office.listens();
    office.hear(&listens);
    let before = office.kept();
    office.stage.press(supervisor, '1');
    office.hear(&[
        (agent, SUPERVISOR, true),
        (agent, CALLER, true),
        (caller, SUPERVISOR, false),
        (caller, AGENT, true),
        (supervisor, CALLER, true),
        (supervisor, AGENT, true),
    ]);
    let whispered = office.kept();
    let (left, right) = (whispered[0] - before[0], whispered[1] - before[1]);
    assert!(right.abs_diff(left) <= 10, "a whisper is in no recording: {left} left, {right} right");
    office.stage.press(supervisor, '3');
    office.hear(&[
        (agent, SUPERVISOR, true),
        (caller, SUPERVISOR, true),
        (agent, CALLER, true),
        (caller, AGENT, true),
        (supervisor, CALLER, true),
        (supervisor, AGENT, true),
    ]);
    let joined = office.kept();
    let (left, right) = (joined[0] - whispered[0], joined[1] - whispered[1]);
    assert!(right > left * 3 / 2, "who joined is in the recording: {left} left, {right} right");
    office.stage.press(supervisor, '0');
    office.hear(&listens);
    assert_eq!(office.verbs(), [Verb::Listen, Verb::Whisper, Verb::Barge, Verb::Listen]);
    office.stage.hang_up(supervisor);
    office.stage.run(seconds(1));
    assert!(office.stage.world.has(|fact| matches!(fact, CallFact::SupervisionEnded { .. })));
    office.hear(&[(caller, AGENT, true), (agent, CALLER, true)]);
    assert_eq!(office.marks(), ["listened", "whispered", "barged", "listened", "guest_left"]);
    office.stage.hang_up(caller);
    let finished = office.stage.finish();
    assert_eq!(finished.cdrs.len(), 2);
    assert_eq!(ending(supervisors(&finished.cdrs)), (CallResult::SelfServed, HungUpBy::Caller));
    let customer = customers(&finished.cdrs);
    assert_eq!((ending(customer), customer.segments.len()), ((CallResult::Answered, HungUpBy::Caller), 1));
}

#[test]
fn whoever_hangs_up_the_others_go_on_or_end_as_they_should() {
    for ends in ["caller", "agent", "supervisor", "lost", "operator", "shutdown"] {
        for verb in ["*33", "*34"] {
            let mut office = office("9001");
            let (caller, agent, supervisor) = (office.caller, office.agent, office.supervisor);
            office.dials(&format!("{verb}8001"));
            office.stage.run(seconds(1));
            match ends {
                "caller" => office.stage.hang_up(caller),
                "agent" => office.stage.hang_up(agent),
                "supervisor" => office.stage.hang_up(supervisor),
                "lost" => office.stage.world.unplug(supervisor),
                "operator" => {
                    let call = office.call();
                    office.stage.world.hang_up(call);
                }
                _ => office.stage.world.shut_down(),
            }
            office.stage.run(seconds(30));
            let up = |peer| office.stage.world.peer(peer).is_in_call();
            match ends {
                "supervisor" | "lost" => assert!(up(caller) && up(agent), "{ends} {verb}"),
                _ => assert!(!up(agent) && !up(supervisor), "{ends} {verb}: nothing is left to hear"),
            }
            office.stage.hang_up(caller);
            let finished = office.stage.finish();
            assert_eq!(finished.cdrs.len(), 2, "{ends} {verb}");
            let customer = customers(&finished.cdrs);
            assert_eq!(ending(customer).0, CallResult::Answered, "{ends} {verb}");
            assert_eq!(customer.recordings.len(), 1, "{ends} {verb}");
        }
    }
}

#[test]
fn who_listens_is_seen_supervising_and_gets_no_caller_of_a_queue_until_it_is_over() {
    let queue = "title = \"人工\"\nagents = [\"9001\"]\nmax_wait_seconds = 60\n";
    let files = [
        ("agents/all.toml", SUPERVISED_AGENTS),
        ("phones/all.toml", SUPERVISED_PHONES),
        ("queues/plain.toml", queue),
    ];
    for by_code in [true, false] {
        let mut stage = Stage::of(&folder(&files), 1, Weather::FAIR);
        stage.sign_in(&["8001", "9001"]);
        let (phone, supervisor) = (stage.phone("8001"), stage.phone("9001"));
        let caller = stage.talk();
        let mut office = Office { stage, caller, agent: phone, supervisor };
        let seen = |office: &Office| office.stage.world.agent(&agent("9001")).expect("an agent");
        if by_code {
            office.dials("*338001");
        } else {
            let call = office.call();
            office.stage.world.supervise(call, &agent("9001"), Verb::Listen);
            office.stage.run(seconds(1));
            assert_eq!(seen(&office).activity, AgentActivity::Ringing);
            office.stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::SupervisionBegan { .. }));
        }
        office.stage.run(seconds(1));
        assert_eq!(seen(&office).activity, AgentActivity::Supervising, "by code: {by_code}");
        let waiting = office.stage.call("4008001111");
        office.stage.run(seconds(5));
        let offered = |fact: &CallFact| matches!(fact, CallFact::Offered { entry: Some(_), agent: Some(agent), .. } if &*agent.name == "9001");
        assert_eq!(office.stage.world.count(offered), 0, "by code: {by_code}");
        assert_eq!(seen(&office).calls_today, 0, "R25: listening is no call of theirs");
        office.stage.hang_up(supervisor);
        office.stage.run(seconds(1));
        assert_eq!(office.stage.world.count(offered), 1, "by code: {by_code}");
        office.stage.hang_up(waiting);
        office.stage.hang_up(caller);
        office.stage.run(seconds(1));
        assert_eq!(seen(&office).activity, AgentActivity::Idle);
        office.stage.finish();
    }
}

#[test]
fn a_right_that_is_not_there_is_refused_and_on_record() {
    // R53: who, what is dialled, the status.
    for (who, number, status) in [
        ("9003", "*338001", 403),
        ("9002", "*348001", 403),
        ("9002", "*338001", 403),
        ("9001", "*338002", 480),
        ("9001", "*339999", 480),
    ] {
        let mut office = office(who);
        let (caller, supervisor) = (office.caller, office.supervisor);
        office.stage.dial(supervisor, number);
        office.stage.run(seconds(2));
        assert!(office.stage.world.has_happened(supervisor, &Happening::Refused(status)), "{who} {number}");
        let refused = |fact: &CallFact| matches!(fact, CallFact::SupervisionRefused { by: Some(_), .. });
        assert_eq!(office.stage.world.count(refused), usize::from(status == 403), "{who} {number}");
        office.stage.hang_up(caller);
        assert_eq!(office.stage.finish().cdrs.len(), 2, "{who} {number}");
    }
}

#[test]
fn a_key_for_a_verb_that_is_no_right_changes_nothing_and_is_on_record() {
    let queue = "title = \"销售\"\nagents = [\"8001-8003\", \"9002\"]\nwrap_up_seconds = 5\n";
    let files = [
        ("agents/all.toml", SUPERVISED_AGENTS),
        ("phones/all.toml", SUPERVISED_PHONES),
        ("queues/sales.toml", queue),
    ];
    let mut stage = Stage::of(&folder(&files), 1, Weather::FAIR);
    let phone = stage.register("8001");
    stage.run(millis(100));
    stage.choose("8001", model::event::AgentState::Ready);
    let supervisor = stage.register("9002");
    stage.run(seconds(1));
    stage.tell(supervisor, Command::Say(Sound::Tone(SUPERVISOR)));
    let caller = stage.talk();
    let mut office = Office { stage, caller, agent: phone, supervisor };
    office.dials("*338001");
    for key in ['1', '3', '4', '9'] {
        office.stage.press(supervisor, key);
        office.stage.run(seconds(2));
    }
    let refused = |fact: &CallFact| matches!(fact, CallFact::SupervisionRefused { .. });
    assert_eq!(office.stage.world.count(refused), 4);
    assert_eq!(office.verbs(), [Verb::Listen]);
    office.hear(&[(caller, SUPERVISOR, false), (phone, SUPERVISOR, false)]);
    office.stage.hang_up(caller);
    office.stage.finish();
}

#[test]
fn a_supervisor_ends_a_call_by_key_and_by_command() {
    for by_key in [true, false] {
        let mut office = office("9001");
        let supervisor = office.supervisor;
        if by_key {
            office.dials("*338001");
            office.stage.press(supervisor, '9');
        } else {
            let call = office.call();
            office.stage.world.supervise(call, &agent("9001"), Verb::Hangup);
        }
        office.stage.run(seconds(3));
        for peer in [office.caller, office.agent, supervisor] {
            assert!(!office.stage.world.peer(peer).is_in_call(), "by key: {by_key}");
        }
        let who = |fact: &CallFact| matches!(fact, CallFact::EndedBySupervisor { by } if &*by.name == "9001");
        assert!(office.stage.world.has(who));
        let finished = office.stage.finish();
        assert_eq!(ending(customers(&finished.cdrs)), (CallResult::Answered, HungUpBy::Switch));
    }
}

#[test]
fn an_operators_command_rings_the_supervisor_who_then_does_what_was_asked() {
    for verb in [Verb::Listen, Verb::Whisper, Verb::Barge] {
        let mut office = office("9001");
        let (caller, agent_phone, supervisor) = (office.caller, office.agent, office.supervisor);
        let call = office.call();
        office.stage.world.supervise(call, &agent("9001"), verb);
        office.stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::SupervisionBegan { .. }));
        let (to_agent, to_caller) = (verb != Verb::Listen, verb == Verb::Barge);
        office.hear(&[
            (supervisor, CALLER, true),
            (supervisor, AGENT, true),
            (agent_phone, SUPERVISOR, to_agent),
            (caller, SUPERVISOR, to_caller),
        ]);
        // Asked again for something else: the one visit goes on.
        office.stage.world.supervise(call, &agent("9001"), Verb::Listen);
        office.hear(&[(caller, SUPERVISOR, false), (agent_phone, SUPERVISOR, false)]);
        office.stage.hang_up(supervisor);
        office.stage.run(seconds(1));
        office.stage.hang_up(caller);
        let finished = office.stage.finish();
        assert_eq!(finished.cdrs.len(), 2, "{verb:?}");
        let supervisors = supervisors(&finished.cdrs);
        assert_eq!(
            (ending(supervisors).0, supervisors.segments.len()),
            (CallResult::Answered, 1),
            "{verb:?}"
        );
    }
}

#[test]
fn a_supervisor_who_does_not_answer_leaves_a_record_and_the_call_as_it_was() {
    for behaviour in [Behaviour::Ring, Behaviour::Refuse(486), Behaviour::Ignore] {
        let mut office = office("9001");
        let supervisor = office.supervisor;
        office.stage.world.behave(supervisor, behaviour);
        let call = office.call();
        office.stage.world.supervise(call, &agent("9001"), Verb::Listen);
        office.stage.run(seconds(40));
        assert!(!office.stage.world.has(|fact| matches!(fact, CallFact::SupervisionBegan { .. })));
        let caller = office.caller;
        assert!(office.stage.world.peer(caller).is_in_call());
        office.stage.hang_up(caller);
        let finished = office.stage.finish();
        assert_eq!(ending(supervisors(&finished.cdrs)).0, CallResult::RingNoAnswer);
    }
}

#[test]
fn a_conversation_that_ends_while_the_supervisor_is_rung_leaves_nothing_behind() {
    for after in [0, 100, 1_900, 2_000, 2_100] {
        let mut office = office("9001");
        let call = office.call();
        office.stage.world.supervise(call, &agent("9001"), Verb::Barge);
        office.stage.run(millis(after));
        let caller = office.caller;
        office.stage.hang_up(caller);
        office.stage.run(seconds(10));
        let supervisor = office.supervisor;
        assert!(!office.stage.world.peer(supervisor).is_in_call(), "{after} ms");
        office.stage.finish();
    }
}

#[test]
fn a_supervisor_takes_the_agents_place_by_key_and_by_command() {
    for by_key in [true, false] {
        for ends in ["caller", "supervisor"] {
            let mut office = office("9001");
            let (caller, agent_phone, supervisor) = (office.caller, office.agent, office.supervisor);
            if by_key {
                office.dials("*338001");
                office.stage.press(supervisor, '4');
            } else {
                let call = office.call();
                office.stage.world.supervise(call, &agent("9001"), Verb::Take);
            }
            office.stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::TakenOver { .. }));
            office.stage.run(seconds(1));
            assert!(!office.stage.world.peer(agent_phone).is_in_call(), "the agent is released");
            office.hear(&[(caller, SUPERVISOR, true), (supervisor, CALLER, true), (caller, AGENT, false)]);
            let busy = office.stage.world.agent(&agent("9001")).expect("an agent").call;
            assert_eq!(busy, Some(office.call()), "who took over is in a conversation");
            assert!(office.marks().contains(&"took_over"), "{:?}", office.marks());
            office.stage.hang_up(if ends == "caller" { caller } else { supervisor });
            office.stage.run(seconds(20));
            office.stage.hang_up(caller);
            let finished = office.stage.finish();
            assert_eq!(finished.cdrs.len(), 2);
            let customer = customers(&finished.cdrs);
            let answered = customer.segments.iter().filter(|segment| segment.answered.is_some()).count();
            assert_eq!((answered, customer.recordings.len()), (2, 1), "by key: {by_key}, {ends}");
            assert_eq!(ending(customer).0, CallResult::Answered);
        }
    }
}

#[test]
fn hold_and_resume_leave_the_supervisor_in_the_call() {
    let mut office = office("9001");
    let (caller, agent_phone, supervisor) = (office.caller, office.agent, office.supervisor);
    office.dials("*338001");
    office.stage.tell(agent_phone, Command::Hold);
    office.stage.run(seconds(2));
    office.hear(&[(supervisor, CALLER, true), (agent_phone, CALLER, false)]);
    office.stage.tell(agent_phone, Command::Resume);
    office.stage.run(seconds(1));
    let listens = office.listens();
    office.hear(&listens);
    office.stage.hang_up(caller);
    office.stage.finish();
}

#[test]
fn two_supervisors_may_be_in_one_call() {
    let mut office = office("9001");
    let second = office.stage.register("9003");
    office.stage.run(seconds(1));
    office.dials("*338001");
    office.stage.dial(second, "*338001");
    office.stage.run(seconds(2));
    assert!(office.stage.world.has_happened(second, &Happening::Refused(403)), "9003 has no right");
    let listens = office.listens();
    office.hear(&listens);
    let supervisor = office.supervisor;
    office.stage.hang_up(supervisor);
    office.stage.run(seconds(1));
    let caller = office.caller;
    office.stage.hang_up(caller);
    assert_eq!(office.stage.finish().cdrs.len(), 3);
}

/// An agent who calls a colleague is listened to on the caller's side.
#[test]
fn an_agents_own_call_is_supervised_on_the_agents_side() {
    let mut office = office("9001");
    let (caller, supervisor) = (office.caller, office.supervisor);
    office.stage.hang_up(caller);
    office.stage.run(seconds(10));
    let (first, second) = (office.agent, office.stage.register("8002"));
    office.stage.run(seconds(1));
    office.stage.tell(second, Command::Say(Sound::Tone(CALLER)));
    office.stage.dial(first, "8002");
    office.stage.until(seconds(5), |world: &World| world.has_happened(first, &Happening::Answered));
    office.stage.run(seconds(1));
    office.dials("*338001");
    office.stage.press(supervisor, '1');
    office.hear(&[(first, SUPERVISOR, true), (second, SUPERVISOR, false), (supervisor, AGENT, true)]);
    office.stage.hang_up(first);
    office.stage.run(seconds(2));
    assert!(!office.stage.world.peer(supervisor).is_in_call());
    office.stage.finish();
}
