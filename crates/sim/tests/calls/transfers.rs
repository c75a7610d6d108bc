//! Transfer, consultation, three parties, pickup: each transition × each side that hangs up × failure of the new one. Every
//! scenario ends with all checks; what the customer's record must show is said here.

use ledger::{Cdr, SegmentOutcome};
use model::event::{AgentActivity, AgentState, CallFact, Direction, TransferKind, TransferOutcome};
use model::outcome::{CallResult, HungUpBy, RefusalCause, Termination};
use peers::{Behaviour, Command, Happening, Sound};
use sim::{Finished, PeerId, Weather, World};

use crate::stage::{Stage, agent, edited, ending, folder, heard, millis, node_is, queue, seconds};

const CUSTOMER: f64 = 440.0;
const FIRST: f64 = 660.0;
const SECOND: f64 = 880.0;

/// A customer in conversation with 8001, each with a tone of their own; 8002 and 8003 are there and offline.
fn talking() -> (Stage, PeerId) {
    let mut stage = Stage::ready(&["8001"]);
    for number in ["8002", "8003"] {
        let phone = stage.register(number);
        stage.until(seconds(30), |world| world.has_happened(phone, &Happening::Registered));
    }
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    stage.tell(first, Command::Say(Sound::Tone(FIRST)));
    stage.tell(second, Command::Say(Sound::Tone(SECOND)));
    let caller = stage.talk();
    stage.tell(caller, Command::Say(Sound::Tone(CUSTOMER)));
    stage.run(seconds(2));
    (stage, caller)
}

fn refer(stage: &mut Stage, phone: PeerId, to: &str) {
    stage.tell(phone, Command::Transfer { user: to.to_owned() });
}

fn consult(stage: &mut Stage, phone: PeerId, to: &str) {
    let switch = stage.world.switch(1);
    stage.tell(phone, Command::Consult { to: switch, user: to.to_owned() });
}

fn press_all(stage: &mut Stage, peer: PeerId, keys: &str) {
    for key in keys.chars() {
        stage.press(peer, key);
        stage.run(millis(250));
    }
}

fn ended_as(wanted: TransferOutcome) -> impl Fn(&CallFact) -> bool {
    move |fact| matches!(fact, CallFact::TransferEnded { outcome } if *outcome == wanted)
}

fn is_failed(fact: &CallFact) -> bool {
    matches!(fact, CallFact::TransferEnded { outcome: TransferOutcome::Failed { .. } })
}

/// The customer's record.
#[track_caller]
fn customers(finished: &Finished) -> &Cdr {
    let mut calls = finished.cdrs.iter().filter(|cdr| cdr.direction == Direction::In);
    let cdr = calls.next().expect("a customer's call");
    assert!(calls.next().is_none(), "one record of the customer's call");
    cdr
}

/// Who talked with the customer, in order.
fn talked(cdr: &Cdr) -> Vec<&str> {
    cdr.segments.iter().filter(|segment| segment.answered.is_some()).map(|segment| &*segment.party).collect()
}

fn activity(world: &World, number: &str) -> Option<AgentActivity> {
    world.agent(&agent(number)).map(|view| view.activity)
}

#[track_caller]
fn assert_talk(stage: &mut Stage, one: (PeerId, f64), other: (PeerId, f64)) {
    let since = stage.world.now();
    stage.run(seconds(2));
    assert!(heard(&stage.world, one.0, other.1, since) >= millis(1_500), "the first hears the second");
    assert!(heard(&stage.world, other.0, one.1, since) >= millis(1_500), "the second hears the first");
}

#[track_caller]
fn assert_deaf(stage: &mut Stage, listener: PeerId, hz: f64) {
    let since = stage.world.now();
    stage.run(seconds(1));
    assert!(heard(&stage.world, listener, hz, since) <= millis(100), "hears {hz} Hz");
}

#[test]
fn a_blind_transfer_to_an_extension_is_one_call_with_one_recording_and_a_segment_for_each() {
    let (mut stage, caller) = talking();
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    refer(&mut stage, first, "8002");
    stage.until_fact(seconds(10), ended_as(TransferOutcome::Done));
    assert!(stage.world.has_happened(first, &Happening::Transferred(100)));
    stage.run(millis(300));
    assert!(stage.world.has_happened(first, &Happening::Transferred(200)));
    assert!(!stage.world.peer(first).is_in_call());
    assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::WrapUp));
    assert_eq!(activity(&stage.world, "8002"), Some(AgentActivity::Talking));
    assert!(stage.world.happened(second).iter().any(|(_, happening)| matches!(
        happening,
        Happening::Called { name: Some(name), number } if name == "13800138001 销售" && number == "13800138001"
    )));
    assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND));
    stage.run(seconds(6));
    assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::Idle), "wrap-up comes once and ends");
    stage.hang_up(second);
    stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::SurveyAsked { .. }));
    stage.until(seconds(30), |world| world.calls().is_empty());
    let recording = stage.world.call_facts().find_map(|(_, fact)| match fact {
        CallFact::RecordingBegan { recording } => Some(*recording),
        _ => None,
    });
    let shown = stage.world.marks(recording.expect("a recording"));
    assert_eq!(shown, ["party_left", "party_joined", "transferred"]);
    let talk = |world: &World, number: &str| world.agent(&agent(number)).unwrap().talk_today;
    let (of_first, of_second) = (talk(&stage.world, "8001"), talk(&stage.world, "8002"));
    let finished = stage.finish();
    let cdr = customers(&finished);
    assert_eq!(talked(cdr), ["8001", "8002"]);
    assert_eq!(cdr.recordings.len(), 1);
    let [transfer] = &cdr.transfers[..] else { panic!("{:?}", cdr.transfers) };
    assert_eq!(
        (transfer.kind, transfer.by.as_deref(), &*transfer.to),
        (TransferKind::Blind, Some("8001"), "8002")
    );
    let (_, how) = cdr.segments[0].left.unwrap();
    assert_eq!(how, SegmentOutcome::Left { by: HungUpBy::Agent, cause: Termination::Transferred });
    let near = |a: std::time::Duration, b: std::time::Duration| a.abs_diff(b) < millis(50);
    assert!(near(of_first, cdr.segments[0].talk()), "{of_first:?} {:?}", cdr.segments[0].talk());
    assert!(near(of_second, cdr.segments[1].talk()), "{of_second:?} {:?}", cdr.segments[1].talk());
}

#[test]
fn whoever_holds_first_and_then_sends_on_gives_the_customer_ringing_in_place_of_music() {
    let (mut stage, caller) = talking();
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    stage.tell(first, Command::Hold);
    stage.run(seconds(2));
    let since = stage.world.now();
    stage.run(seconds(2));
    assert!(heard(&stage.world, caller, 350.0, since) >= millis(1_500), "music");
    refer(&mut stage, first, "8002");
    stage.run(millis(500));
    let since = stage.world.now();
    stage.run(seconds(1));
    assert!(heard(&stage.world, caller, 450.0, since) >= millis(400), "ringing");
    stage.until_fact(seconds(10), ended_as(TransferOutcome::Done));
    stage.run(millis(300));
    assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND));
    stage.hang_up(caller);
    let finished = stage.finish();
    assert_eq!(ending(customers(&finished)), (CallResult::Answered, HungUpBy::Caller));
}

#[test]
fn a_blind_transfer_that_fails_gives_the_customer_back_to_who_made_it() {
    let cases = [
        (Behaviour::Refuse(486), RefusalCause::Busy),
        (Behaviour::Refuse(603), RefusalCause::Rejected),
        (Behaviour::Ring, RefusalCause::NoAnswer),
    ];
    for (behaviour, cause) in cases {
        for holds in [false, true] {
            let (mut stage, caller) = talking();
            let (first, second) = (stage.phone("8001"), stage.phone("8002"));
            stage.world.behave(second, behaviour);
            if holds {
                stage.tell(first, Command::Hold);
                stage.run(seconds(1));
            }
            refer(&mut stage, first, "8002");
            stage.until_fact(seconds(40), is_failed);
            stage.run(millis(500));
            let told = stage
                .world
                .happened(first)
                .iter()
                .any(|(_, happening)| matches!(happening, Happening::Transferred(400..=699)));
            assert!(told, "{behaviour:?}");
            if holds {
                let since = stage.world.now();
                stage.run(seconds(2));
                assert!(heard(&stage.world, caller, 350.0, since) >= millis(1_500), "music again");
                stage.tell(first, Command::Resume);
                stage.run(seconds(1));
            }
            assert_talk(&mut stage, (caller, CUSTOMER), (first, FIRST));
            stage.hang_up(caller);
            let finished = stage.finish();
            let cdr = customers(&finished);
            assert_eq!(talked(cdr), ["8001"]);
            let (_, outcome) = cdr.transfers[0].ended.unwrap();
            let TransferOutcome::Failed { cause: found, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(found, cause);
        }
    }
}

#[test]
fn where_a_transfer_may_not_go_the_conversation_goes_on() {
    for to in ["8999", "*71", "4009999999"] {
        let (mut stage, caller) = talking();
        let first = stage.phone("8001");
        refer(&mut stage, first, to);
        stage.run(seconds(1));
        assert!(
            stage.world.happened(first).iter().any(|(_, h)| matches!(h, Happening::Transferred(404 | 603))),
            "{to}"
        );
        assert_talk(&mut stage, (caller, CUSTOMER), (first, FIRST));
        // The customer's carrier sends nobody anywhere.
        stage.tell(caller, Command::Transfer { user: "8002".into() });
        stage.run(seconds(1));
        assert!(stage.world.has_happened(caller, &Happening::Transferred(603)));
        stage.hang_up(caller);
        assert!(customers(&stage.finish()).transfers.is_empty());
    }
}

/// A blind transfer whose transferor hangs up while 8002 rings, who then behaves so.
fn left_alone(behaviour: Behaviour) -> (Stage, PeerId) {
    let (mut stage, caller) = talking();
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    stage.world.behave(second, behaviour);
    refer(&mut stage, first, "8002");
    stage.run(millis(500));
    stage.hang_up(first);
    stage.run(millis(300));
    (stage, caller)
}

#[test]
fn a_transferor_who_hangs_up_early_is_missed_only_when_the_transfer_fails() {
    let (mut stage, caller) = left_alone(Behaviour::AnswerAfter(seconds(2)));
    let second = stage.phone("8002");
    stage.until_fact(seconds(10), ended_as(TransferOutcome::Done));
    stage.run(millis(300));
    assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND));
    stage.hang_up(caller);
    let finished = stage.finish();
    let cdr = customers(&finished);
    assert_eq!((talked(cdr), cdr.recordings.len()), (vec!["8001", "8002"], 1));
}

#[test]
fn a_transfer_that_fails_alone_rings_who_made_it() {
    let (mut stage, caller) = left_alone(Behaviour::Ring);
    let first = stage.phone("8001");
    stage.until_fact(seconds(60), is_failed);
    stage.run(seconds(3));
    assert_talk(&mut stage, (caller, CUSTOMER), (first, FIRST));
    stage.hang_up(caller);
    let finished = stage.finish();
    let cdr = customers(&finished);
    assert_eq!((talked(cdr), cdr.recordings.len()), (vec!["8001", "8001"], 1));
}

#[test]
fn a_phone_that_hangs_up_when_it_is_told_of_the_failure_is_rung_and_later_it_ends_the_call() {
    for (after, comes_back) in [(millis(50), true), (seconds(3), false)] {
        let (mut stage, caller) = talking();
        let (first, second) = (stage.phone("8001"), stage.phone("8002"));
        stage.world.behave(second, Behaviour::Refuse(603));
        refer(&mut stage, first, "8002");
        stage.until_fact(seconds(5), is_failed);
        stage.run(after);
        stage.hang_up(first);
        stage.run(seconds(3));
        if comes_back {
            assert_talk(&mut stage, (caller, CUSTOMER), (first, FIRST));
            stage.hang_up(caller);
        } else {
            stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::SurveyAsked { .. }));
            stage.hang_up(caller);
        }
        let finished = stage.finish();
        let cdr = customers(&finished);
        let both = vec!["8001", "8001"];
        assert_eq!(talked(cdr), if comes_back { both } else { vec!["8001"] });
        assert_eq!((cdr.transfers.len(), cdr.recordings.len()), (1, 1));
    }
}

#[test]
fn when_nobody_can_be_had_the_customer_has_its_place_in_the_queue_again() {
    let (mut stage, caller) = left_alone(Behaviour::Ring);
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    // 8001 rings again, refuses, and is passed over; another caller came meanwhile and stands behind.
    stage.world.behave(first, Behaviour::Refuse(603));
    stage.tell(second, Command::Refuse(486));
    stage.until_fact(seconds(5), is_failed);
    let other = stage.call("4008001234");
    stage.until(seconds(60), |world| world.count(|fact| matches!(fact, CallFact::Queued { .. })) >= 2);
    stage.press(other, '1');
    stage.until(seconds(20), |world| world.count(|fact| matches!(fact, CallFact::Queued { .. })) >= 3);
    let line = stage.world.queue(&queue("sales")).unwrap();
    assert_eq!(&*line.entries[0].caller, "13800138001", "it stands where it stood: {line:?}");
    stage.world.behave(first, Behaviour::AnswerAfter(seconds(1)));
    stage.choose("8001", AgentState::Ready);
    stage.until(seconds(60), |world| world.count(|fact| matches!(fact, CallFact::Bridged { .. })) >= 2);
    stage.run(millis(300));
    assert_talk(&mut stage, (caller, CUSTOMER), (first, FIRST));
    stage.hang_up(other);
    stage.hang_up(caller);
    let finished = stage.finish();
    let cdr = finished.cdrs.iter().find(|cdr| &*cdr.parties.caller == "13800138001").unwrap();
    assert_eq!((cdr.visits.len(), cdr.recordings.len()), (2, 1));
}

#[test]
fn every_end_while_a_blind_transfer_rings_leaves_nothing() {
    #[derive(Clone, Copy, Debug)]
    enum End {
        Customer,
        Transferor,
        NewOne,
        Operator,
        Shutdown,
        Panic,
    }
    let ends = [End::Customer, End::Transferor, End::NewOne, End::Operator, End::Shutdown, End::Panic];
    for stays in [true, false] {
        for end in ends {
            let (mut stage, caller) = talking();
            let (first, second) = (stage.phone("8001"), stage.phone("8002"));
            stage.world.behave(second, Behaviour::Ring);
            refer(&mut stage, first, "8002");
            stage.run(millis(700));
            if !stays {
                stage.hang_up(first);
                stage.run(millis(300));
            }
            let call = stage.world.calls()[0].id;
            match end {
                End::Customer => stage.hang_up(caller),
                End::Transferor => stage.hang_up(first),
                End::NewOne => stage.hang_up(second),
                End::Operator => stage.world.hang_up(call),
                End::Shutdown => stage.world.shut_down(),
                End::Panic => stage.world.give_up(call),
            }
            stage.run(seconds(45));
            stage.hang_up(caller);
            stage.run(seconds(1));
            let finished = stage.finish();
            let cdr = customers(&finished);
            assert!(cdr.transfers[0].ended.is_some(), "{stays} {end:?}");
            assert_eq!(cdr.recordings.len(), 1, "{stays} {end:?}");
        }
    }
}

#[test]
fn a_customer_is_sent_to_a_queue_and_to_a_number_with_all_that_is_known_of_it() {
    let (mut stage, caller) = talking();
    let (first, call) = (stage.phone("8001"), stage.world.calls()[0].id);
    stage.choose("8002", AgentState::Ready);
    stage.world.note(call, &agent("8001"), "要发票");
    stage.world.transfer(call, "queue:plain");
    stage.until_fact(seconds(20), ended_as(TransferOutcome::Done));
    assert_eq!(stage.world.calls()[0].notes, ["8001: 要发票".into()], "who has the call next sees the note");
    stage.run(seconds(1));
    assert!(!stage.world.peer(first).is_in_call());
    let second = stage.phone("8002");
    assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND));
    // And on to the number whose flow is a menu of its own.
    refer(&mut stage, second, "4008001234");
    stage.run(seconds(1));
    assert!(!stage.world.peer(second).is_in_call());
    let menus = |world: &World| world.count(|fact| node_is(fact, "menu"));
    stage.until(seconds(20), |world| menus(world) == 2);
    stage.hang_up(caller);
    let finished = stage.finish();
    let cdr = customers(&finished);
    assert_eq!(talked(cdr), ["8001", "8002"]);
    assert_eq!(cdr.transfers.len(), 2);
    assert_eq!(cdr.visits.iter().map(|visit| visit.queue.as_str()).collect::<Vec<_>>(), ["sales", "plain"]);
    assert_eq!(cdr.menu.keys.len(), 1, "the keys of before are of the same record");
    assert_eq!(cdr.notes.iter().map(|note| &*note.text).collect::<Vec<_>>(), ["要发票"]);
    assert_eq!(cdr.recordings.len(), 1);
}

#[test]
fn a_queue_without_anybody_gives_the_customer_back() {
    let (mut stage, caller) = talking();
    let (first, call) = (stage.phone("8001"), stage.world.calls()[0].id);
    // Nobody of «tight» is signed in, and it says so at once.
    stage.world.transfer(call, "queue:tight");
    stage.until_fact(seconds(5), is_failed);
    stage.run(seconds(3));
    assert_talk(&mut stage, (caller, CUSTOMER), (first, FIRST));
    stage.hang_up(first);
    stage.until(seconds(40), |world| world.calls().is_empty());
    let finished = stage.finish();
    assert_eq!(talked(customers(&finished)), ["8001", "8001"]);
}

#[test]
fn a_bound_mobile_gets_the_customer_by_its_number_and_its_failure_comes_back() {
    for behaviour in [Behaviour::AnswerAfter(seconds(2)), Behaviour::Refuse(486)] {
        let (mut stage, caller) = talking();
        let mobile = stage.mobile(behaviour);
        let third = stage.phone("8003");
        stage.world.behave(third, Behaviour::Refuse(486));
        stage.tell(mobile, Command::Say(Sound::Tone(SECOND)));
        let first = stage.phone("8001");
        refer(&mut stage, first, "4008002222");
        // «bound» has two phones in order: its flow leads, and the transferor is done.
        stage.run(seconds(1));
        assert!(!stage.world.peer(first).is_in_call());
        stage.run(seconds(15));
        if behaviour == Behaviour::AnswerAfter(seconds(2)) {
            assert_talk(&mut stage, (caller, CUSTOMER), (mobile, SECOND));
        }
        stage.hang_up(caller);
        let finished = stage.finish();
        assert_eq!(customers(&finished).recordings.len(), 1);
    }
}

#[test]
fn an_attended_transfer_joins_the_two_others_and_each_call_has_its_record() {
    let (mut stage, caller) = talking();
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    consult(&mut stage, first, "8002");
    stage.until(seconds(10), |world| world.has_happened(first, &Happening::Answered));
    stage.run(millis(500));
    assert_talk(&mut stage, (first, FIRST), (second, SECOND));
    assert_deaf(&mut stage, caller, SECOND);
    assert_deaf(&mut stage, second, CUSTOMER);
    stage.tell(first, Command::Join);
    stage.until_fact(seconds(10), ended_as(TransferOutcome::Done));
    stage.run(millis(500));
    assert!(stage.world.has_happened(first, &Happening::Transferred(200)));
    assert!(!stage.world.peer(first).is_in_call());
    assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::WrapUp));
    assert_eq!(activity(&stage.world, "8002"), Some(AgentActivity::Talking));
    assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND));
    stage.run(seconds(5));
    assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::Idle));
    stage.hang_up(second);
    stage.until(seconds(40), |world| world.calls().is_empty());
    let legs = stage.world.legs_named().to_vec();
    let finished = stage.finish();
    assert_eq!(finished.cdrs.len(), 2);
    let cdr = customers(&finished);
    assert_eq!((talked(cdr), cdr.recordings.len()), (vec!["8001", "8002"], 1));
    assert_eq!(cdr.transfers[0].kind, TransferKind::Attended);
    // R71: a trace of the customer's call has the leg that came into it.
    assert_eq!(legs.iter().filter(|(call, _)| *call == cdr.id).count(), 3, "{legs:?}");
    let came = legs.iter().rfind(|(call, _)| *call == cdr.id).expect("three");
    assert!(legs.iter().any(|(call, leg)| *call != cdr.id && *leg == came.1), "{legs:?}");
    let consultation = finished.cdrs.iter().find(|cdr| cdr.direction == Direction::Internal).unwrap();
    assert_eq!(consultation.went_into, Some(cdr.id));
    assert_eq!(consultation.ending.cause, Termination::Transferred);
    assert_eq!(consultation.recordings.len(), 1, "the consultation is a part of its own");
}

#[test]
fn whoever_waits_in_a_queue_or_rings_a_colleague_gives_the_customer_that_place() {
    for rings in [false, true] {
        let (mut stage, caller) = talking();
        let (first, second) = (stage.phone("8001"), stage.phone("8002"));
        consult(&mut stage, first, if rings { "4008001234" } else { "4008001111" });
        stage.until(seconds(10), |world| world.has_happened(first, &Happening::Answered));
        if rings {
            // The menu's extension node: the second call is answered, and 8002 rings.
            stage.world.behave(second, Behaviour::AnswerAfter(seconds(6)));
            stage.until(seconds(20), |world| world.count(|fact| node_is(fact, "menu")) == 2);
            stage.press(first, '9');
            stage.run(seconds(3));
            press_all(&mut stage, first, "8002");
            stage.until(seconds(10), |world| {
                world.count(|fact| matches!(fact, CallFact::Ringing { .. })) == 2
            });
        } else {
            stage.run(seconds(1));
        }
        stage.tell(first, Command::Join);
        stage.run(seconds(1));
        assert!(stage.world.has_happened(first, &Happening::Transferred(200)), "{rings}");
        assert!(!stage.world.peer(first).is_in_call(), "{rings}");
        if !rings {
            stage.choose("8002", AgentState::Ready);
        }
        stage.until_fact(seconds(20), ended_as(TransferOutcome::Done));
        stage.run(seconds(1));
        assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND));
        stage.hang_up(caller);
        let finished = stage.finish();
        assert_eq!(talked(customers(&finished)), ["8001", "8002"], "{rings}");
    }
}

#[test]
fn every_end_of_a_consultation_leaves_the_customer_where_it_belongs() {
    // Who leaves, and with whom the customer talks then.
    for leaves in ["8002", "consulting", "customer"] {
        let (mut stage, caller) = talking();
        let (first, second) = (stage.phone("8001"), stage.phone("8002"));
        consult(&mut stage, first, "8002");
        stage.until(seconds(10), |world| world.has_happened(first, &Happening::Answered));
        stage.run(seconds(1));
        match leaves {
            "8002" => stage.hang_up(second),
            "consulting" => stage.hang_up(first),
            _ => stage.hang_up(caller),
        }
        stage.run(seconds(1));
        if leaves != "customer" {
            // The customer still waits, held; the phone takes it back.
            assert!(stage.world.peer(first).has_parked());
            stage.hang_up(first);
        }
        stage.run(seconds(2));
        stage.hang_up(second);
        stage.until(seconds(60), |world| world.calls().is_empty());
        let finished = stage.finish();
        assert_eq!(finished.cdrs.len(), 2);
        assert!(customers(&finished).transfers.is_empty());
    }
}

#[test]
fn a_second_call_and_the_first_are_taken_in_turns() {
    let (mut stage, caller) = talking();
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    consult(&mut stage, first, "8002");
    stage.until(seconds(10), |world| world.has_happened(first, &Happening::Answered));
    stage.run(millis(500));
    for _ in 0..2 {
        assert_talk(&mut stage, (first, FIRST), (second, SECOND));
        stage.tell(first, Command::Swap);
        stage.run(seconds(1));
        assert_talk(&mut stage, (first, FIRST), (caller, CUSTOMER));
        assert_deaf(&mut stage, second, CUSTOMER);
        stage.tell(first, Command::Swap);
        stage.run(seconds(1));
    }
    stage.hang_up(second);
    stage.hang_up(caller);
    let finished = stage.finish();
    assert_eq!(customers(&finished).segments[0].hold.count, 3);
}

#[test]
fn an_agent_who_called_out_sends_the_one_it_called_to_a_colleague() {
    for hangs_up_early in [false, true] {
        let (mut stage, caller) = talking();
        stage.hang_up(caller);
        stage.until(seconds(40), |world| world.calls().is_empty());
        let (first, second, third) = (stage.phone("8001"), stage.phone("8002"), stage.phone("8003"));
        stage.tell(third, Command::Say(Sound::Tone(CUSTOMER)));
        stage.dial(first, "8003");
        stage.until(seconds(10), |world| world.has_happened(first, &Happening::Answered));
        stage.run(seconds(1));
        refer(&mut stage, first, "8002");
        if hangs_up_early {
            stage.run(millis(500));
            stage.hang_up(first);
        }
        stage.until_fact(seconds(10), ended_as(TransferOutcome::Done));
        stage.run(millis(300));
        assert!(!stage.world.peer(first).is_in_call());
        assert_talk(&mut stage, (third, CUSTOMER), (second, SECOND));
        assert_eq!(activity(&stage.world, "8003"), Some(AgentActivity::Talking));
        stage.hang_up(if hangs_up_early { second } else { third });
        stage.run(seconds(2));
        assert!(!stage.world.peer(second).is_in_call() && !stage.world.peer(third).is_in_call());
        let finished = stage.finish();
        let cdr = finished.cdrs.iter().find(|cdr| cdr.direction == Direction::Internal).unwrap();
        assert_eq!((talked(cdr), cdr.recordings.len()), (vec!["8003", "8002"], 1));
    }
}

#[test]
fn a_ringing_call_is_picked_up_by_its_dialog_and_a_talk_goes_on_at_another_phone() {
    // RFC 3891: a dialog that rings at 8001 is named by what a watcher of its lamp is told.
    let mut stage = Stage::ready(&["8001"]);
    let second = stage.register("8002");
    stage.until(seconds(30), |world| world.has_happened(second, &Happening::Registered));
    let first = stage.phone("8001");
    stage.world.behave(first, Behaviour::Ring);
    stage.tell(second, Command::Say(Sound::Tone(SECOND)));
    let caller = stage.call("4008001234");
    stage.tell(caller, Command::Say(Sound::Tone(CUSTOMER)));
    stage.until_fact(seconds(20), |fact| node_is(fact, "menu"));
    stage.press(caller, '1');
    stage.until_fact(seconds(40), |fact| matches!(fact, CallFact::Ringing { .. }));
    let replaces = stage.world.peer(first).replaces().expect("a dialog that rings");
    let switch = stage.world.switch(1);
    stage.tell(second, Command::CallInPlace { to: switch, user: "8001".into(), replaces });
    stage.until(seconds(5), |world| world.has_happened(second, &Happening::Answered));
    stage.run(millis(500));
    assert!(stage.world.has_happened(first, &Happening::Cancelled));
    assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND));
    assert_eq!(activity(&stage.world, "8002"), Some(AgentActivity::Talking));
    assert_eq!(activity(&stage.world, "8001"), Some(AgentActivity::Idle));
    // 8002 goes on at another phone of the same number.
    let replaces = stage.world.peer(second).replaces().expect("a dialog that talks");
    let desk = stage.register("8002");
    stage.tell(desk, Command::Say(Sound::Tone(FIRST)));
    stage.run(seconds(1));
    stage.tell(desk, Command::CallInPlace { to: switch, user: "8002".into(), replaces: replaces.clone() });
    stage.until(seconds(5), |world| world.has_happened(desk, &Happening::Answered));
    stage.run(millis(500));
    assert!(!stage.world.peer(second).is_in_call());
    assert_talk(&mut stage, (caller, CUSTOMER), (desk, FIRST));
    // What is no dialog any more is nobody's.
    stage.tell(second, Command::CallInPlace { to: switch, user: "8002".into(), replaces });
    stage.run(seconds(1));
    assert!(stage.world.has_happened(second, &Happening::Refused(481)));
    stage.hang_up(desk);
    stage.until(seconds(40), |world| world.calls().is_empty());
    let finished = stage.finish();
    let cdr = customers(&finished);
    assert_eq!((talked(cdr), cdr.recordings.len()), (vec!["8002"], 1));
    assert_eq!(finished.cdrs.len(), 4, "each INVITE has its record");
}

#[test]
fn keys_send_the_customer_on_blindly() {
    let (mut stage, caller) = talking();
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    press_all(&mut stage, first, "##");
    stage.run(millis(500));
    assert_deaf(&mut stage, caller, FIRST);
    press_all(&mut stage, first, "8002#");
    stage.until_fact(seconds(10), ended_as(TransferOutcome::Done));
    stage.run(millis(500));
    assert!(!stage.world.peer(first).is_in_call());
    assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND));
    stage.hang_up(caller);
    let finished = stage.finish();
    assert_eq!(talked(customers(&finished)), ["8001", "8002"]);
}

#[test]
fn a_call_is_escalated_step_by_step_along_the_path_of_its_queue() {
    let (path, sales) = edited(
        "queues/sales.toml",
        "agent_number = true",
        "agent_number = true\nescalate_to = [\"8002\", \"8003\"]",
    );
    let mut stage = Stage::of(&folder(&[(path, &sales)]), 1, Weather::FAIR);
    stage.sign_in(&["8001"]);
    for number in ["8002", "8003"] {
        let phone = stage.register(number);
        stage.until(seconds(30), |world| world.has_happened(phone, &Happening::Registered));
    }
    let phones = ["8001", "8002", "8003"].map(|number| stage.phone(number));
    let caller = stage.talk();
    let done = |world: &World| world.count(ended_as(TransferOutcome::Done));
    stage.run(seconds(1));
    press_all(&mut stage, phones[0], "###");
    stage.until(seconds(10), |world| done(world) == 1);
    stage.run(seconds(2));
    refer(&mut stage, phones[1], "escalate");
    stage.until(seconds(10), |world| done(world) == 2);
    stage.run(seconds(2));
    // The path ends here, and nobody loses the customer by asking for more.
    refer(&mut stage, phones[2], "escalate");
    stage.run(seconds(2));
    press_all(&mut stage, phones[2], "###");
    stage.run(seconds(2));
    assert_eq!(done(&stage.world), 2);
    stage.hang_up(caller);
    let finished = stage.finish();
    let cdr = customers(&finished);
    assert_eq!(talked(cdr), ["8001", "8002", "8003"]);
    assert_eq!(cdr.transfers.len(), 2, "transfers of a contact are counted");
}

#[test]
fn keys_that_lead_nowhere_and_keys_that_stop_leave_the_conversation_as_it_was() {
    for keys in ["##8999#", "###", "##8", "#", "*"] {
        let (mut stage, caller) = talking();
        let first = stage.phone("8001");
        press_all(&mut stage, first, keys);
        stage.run(seconds(12));
        assert_talk(&mut stage, (caller, CUSTOMER), (first, FIRST));
        stage.hang_up(caller);
        assert!(customers(&stage.finish()).transfers.is_empty(), "{keys}");
    }
}

/// 8001 consults 8002 about the customer by keys.
fn consulting() -> (Stage, PeerId) {
    let (mut stage, caller) = talking();
    let first = stage.phone("8001");
    press_all(&mut stage, first, "*18002#");
    stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::ConsultationBegan { .. }));
    stage.run(millis(500));
    (stage, caller)
}

#[test]
fn a_consultation_by_keys_has_its_own_recording_toggles_and_brings_three_together() {
    let (mut stage, caller) = consulting();
    let (first, second) = (stage.phone("8001"), stage.phone("8002"));
    assert_talk(&mut stage, (first, FIRST), (second, SECOND));
    assert_deaf(&mut stage, caller, SECOND);
    assert_deaf(&mut stage, second, CUSTOMER);
    stage.press(first, '*');
    stage.run(millis(500));
    assert_talk(&mut stage, (first, FIRST), (caller, CUSTOMER));
    assert_deaf(&mut stage, second, CUSTOMER);
    stage.press(first, '0');
    stage.run(millis(500));
    // One speaks, and both others hear it.
    let all = [(first, FIRST), (second, SECOND), (caller, CUSTOMER)];
    for (talker, hz) in all {
        for (peer, tone) in all {
            let sound = if peer == talker { Sound::Tone(tone) } else { Sound::Silence };
            stage.tell(peer, Command::Say(sound));
        }
        stage.run(millis(500));
        let since = stage.world.now();
        stage.run(seconds(1));
        for (listener, _) in all.iter().filter(|(peer, _)| *peer != talker) {
            assert!(heard(&stage.world, *listener, hz, since) >= millis(700), "{hz}");
        }
        assert!(heard(&stage.world, talker, hz, since) <= millis(100), "nobody hears itself");
    }
    for (peer, tone) in all {
        stage.tell(peer, Command::Say(Sound::Tone(tone)));
    }
    stage.hang_up(first);
    stage.until_fact(seconds(5), ended_as(TransferOutcome::Done));
    stage.run(millis(300));
    assert_talk(&mut stage, (second, SECOND), (caller, CUSTOMER));
    stage.hang_up(second);
    stage.until(seconds(40), |world| world.calls().is_empty());
    let finished = stage.finish();
    let cdr = customers(&finished);
    assert_eq!((talked(cdr), cdr.recordings.len(), finished.cdrs.len()), (vec!["8001", "8002"], 2, 1));
}

#[test]
fn every_end_of_a_consultation_by_keys() {
    // What happens, who talks with the customer then (None: nobody), and how the transfer ended.
    let cases = [
        ("takes back", Some("8001"), TransferOutcome::TakenBack),
        (
            "new one leaves",
            Some("8001"),
            TransferOutcome::Failed { cause: RefusalCause::Rejected, status: None },
        ),
        ("transferor leaves", Some("8002"), TransferOutcome::Done),
        ("transferor leaves talking with the customer", Some("8002"), TransferOutcome::Done),
        ("customer leaves", None, TransferOutcome::CallOver),
        ("operator", None, TransferOutcome::CallOver),
        ("shutdown", None, TransferOutcome::CallOver),
        ("panic", None, TransferOutcome::CallOver),
    ];
    for (what, with, outcome) in cases {
        let (mut stage, caller) = consulting();
        let (first, second) = (stage.phone("8001"), stage.phone("8002"));
        let call = stage.world.calls()[0].id;
        match what {
            "takes back" => stage.press(first, '#'),
            "new one leaves" => stage.hang_up(second),
            "transferor leaves" => stage.hang_up(first),
            "transferor leaves talking with the customer" => {
                stage.press(first, '*');
                stage.run(millis(500));
                stage.hang_up(first);
            }
            "customer leaves" => stage.hang_up(caller),
            "operator" => stage.world.hang_up(call),
            "shutdown" => stage.world.shut_down(),
            _ => stage.world.give_up(call),
        }
        stage.run(seconds(1));
        match with {
            Some("8001") => assert_talk(&mut stage, (caller, CUSTOMER), (first, FIRST)),
            Some(_) => assert_talk(&mut stage, (caller, CUSTOMER), (second, SECOND)),
            None => assert!(stage.world.calls().is_empty(), "{what}"),
        }
        stage.hang_up(caller);
        let finished = stage.finish();
        let cdr = customers(&finished);
        assert_eq!(cdr.transfers[0].ended.map(|(_, outcome)| outcome), Some(outcome), "{what}");
        assert_eq!(cdr.recordings.len(), 2, "{what}");
    }
}
