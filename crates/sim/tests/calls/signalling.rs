//! What comes over the wire: refusals, retransmissions, crossings, and messages written by hand.

use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, Termination};
use peers::{Behaviour, Command, Happening, Sound};
use sim::Weather;
use sip::{HeaderName, Message};

use crate::hand::{CARRIER, Hand, sdp};
use crate::stage::{Stage, edited, ending, folder, millis, node_is, only, seconds};

#[test]
fn a_stranger_is_asked_for_a_password_in_one_shape_and_leaves_no_record() {
    let mut stage = Stage::ready(&["8001"]);
    let mut shapes = Vec::new();
    for (call_id, user) in [("s1", "4008001234"), ("s2", "4009999999"), ("s3", "8001")] {
        let mut stranger = Hand::new("192.88.99.1:5060", user, call_id);
        stranger.invite(&mut stage, &sdp("8 101"));
        stage.run(millis(100));
        let responses = stranger.responses(&mut stage);
        let last = responses.last().expect("a response").clone();
        assert_eq!(last.status, 407);
        let names: Vec<String> = last.headers.iter().map(|header| format!("{:?}", header.name)).collect();
        shapes.push((last.status, names));
        stranger.ack(&mut stage, "inv1", "");
    }
    assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]), "{shapes:?}");
    assert_eq!(stage.world.counted("challenged"), 3);
    assert!(stage.finish().cdrs.is_empty());
}

#[test]
fn each_refusal_has_its_status_and_its_record() {
    let mut stage = Stage::ready(&["8001"]);
    let busy = stage.call("4008004444");
    stage.run(seconds(1));
    let cases = [
        ("r404", "4009999999", sdp("8 101"), 404, CallResult::Failure),
        ("r488", "4008001234", sdp("18"), 488, CallResult::Failure),
        ("r486", "4008004444", sdp("8 101"), 486, CallResult::Limit),
    ];
    for (call_id, user, body, status, result) in cases {
        let mut hand = Hand::new(CARRIER, user, call_id);
        hand.invite(&mut stage, &body);
        stage.run(millis(100));
        let statuses = hand.statuses(&mut stage);
        assert_eq!(statuses.last(), Some(&status), "{call_id}");
        hand.send_ack_for_refusal(&mut stage);
        let cdr = stage.world.cdrs().last().expect("a record");
        assert_eq!((&*cdr.parties.sip_call_id, cdr.ending.result), (call_id, result));
        assert_eq!(cdr.ending.cause, Termination::Refused(status));
    }
    stage.hang_up(busy);
    assert_eq!(stage.finish().cdrs.len(), 4);
}

#[test]
fn a_full_switch_says_when_to_try_again() {
    let (path, text) = edited("hotline.toml", "max_calls = 20", "max_calls = 1");
    let mut stage = Stage::of(&folder(&[(path, &text)]), 1, Weather::FAIR);
    let first = stage.call("4008001234");
    stage.run(seconds(1));
    let mut hand = Hand::new(CARRIER, "4008001234", "full");
    hand.invite(&mut stage, &sdp("8 101"));
    stage.run(millis(100));
    let responses = hand.responses(&mut stage);
    let last = responses.last().expect("a response");
    assert_eq!(last.status, 503);
    assert!(last.headers.has(HeaderName::RetryAfter));
    hand.send_ack_for_refusal(&mut stage);
    stage.hang_up(first);
    let finished = stage.finish();
    assert_eq!(finished.cdrs[0].ending.result, CallResult::Limit);
}

#[test]
fn a_repeated_invite_is_one_call() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008001234", "again");
    for _ in 0..4 {
        hand.cseq = 0;
        hand.invite(&mut stage, &sdp("8 101"));
        stage.run(millis(200));
    }
    assert_eq!(stage.world.count(|fact| matches!(fact, CallFact::Began { .. })), 1);
    hand.read(&mut stage);
    hand.ack(&mut stage, "ack", "");
    stage.run(seconds(1));
    hand.cseq = 2;
    hand.send(&mut stage, "BYE", "bye", "", "");
    stage.run(seconds(1));
    assert_eq!(hand.statuses(&mut stage).last(), Some(&200));
    // A second BYE finds the dialog gone, or its answer repeated.
    hand.cseq = 3;
    hand.send(&mut stage, "BYE", "bye2", "", "");
    stage.run(seconds(1));
    assert!(matches!(hand.statuses(&mut stage).last(), Some(481 | 200)));
    let finished = stage.finish();
    assert_eq!(ending(only(&finished)), (CallResult::EndedInMenu, HungUpBy::Caller));
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_the_call() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008001234", "noack");
    hand.invite(&mut stage, &sdp("8 101"));
    stage.run(seconds(40));
    let answers = hand.statuses(&mut stage).iter().filter(|status| **status == 200).count();
    assert!(answers >= 7, "{answers} copies of the 200");
    assert!(stage.world.calls().is_empty());
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.cause, Termination::SignallingTimeout);
}

#[test]
fn an_invite_without_a_description_is_offered_ours() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008001234", "delayed");
    hand.invite(&mut stage, "");
    stage.run(millis(100));
    let responses = hand.responses(&mut stage);
    let answer = responses.last().expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(!answer.body.is_empty());
    hand.ack(&mut stage, "ack", &sdp("8 101"));
    stage.until_fact(seconds(5), |fact| node_is(fact, "notice"));
    hand.cseq = 2;
    hand.send(&mut stage, "BYE", "bye", "", "");
    stage.run(seconds(1));
    stage.finish();
}

#[test]
fn a_key_by_info_counts_in_the_menu() {
    for (kind, body) in [("application/dtmf-relay", "Signal=1\nDuration=160\n"), ("application/dtmf", "1")] {
        let mut stage = Stage::ready(&["8001"]);
        let mut hand = Hand::new(CARRIER, "4008001234", "info");
        hand.invite(&mut stage, &sdp("8"));
        stage.run(millis(100));
        hand.read(&mut stage);
        hand.ack(&mut stage, "ack", "");
        stage.until_fact(seconds(10), |fact| node_is(fact, "menu"));
        hand.cseq = 2;
        hand.send(&mut stage, "INFO", "info", &format!("Content-Type: {kind}\n"), body);
        stage.until_fact(seconds(3), |fact| matches!(fact, CallFact::Queued { .. }));
        stage.run(millis(50));
        assert!(hand.statuses(&mut stage).contains(&200));
        hand.cseq = 3;
        hand.send(&mut stage, "BYE", "bye", "", "");
        stage.run(seconds(1));
        stage.finish();
    }
}

#[test]
fn requests_that_find_no_dialog_are_answered_481_and_options_200() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008001234", "lost");
    hand.to = "<sip:4008001234@10.0.0.1>;tag=nobody".to_owned();
    hand.cseq = 1;
    hand.send(&mut stage, "BYE", "bye", "", "");
    stage.run(millis(100));
    assert_eq!(hand.statuses(&mut stage), [481]);
    hand.to = "<sip:10.0.0.1>".to_owned();
    hand.cseq = 2;
    hand.send(&mut stage, "OPTIONS", "opt", "", "");
    stage.run(millis(100));
    assert_eq!(hand.statuses(&mut stage), [200]);
    let mut stranger = Hand::new("192.88.99.1:5060", "4008001234", "opt2");
    stranger.cseq = 1;
    stranger.send(&mut stage, "OPTIONS", "opt", "", "");
    stage.run(millis(100));
    assert!(stranger.statuses(&mut stage).is_empty());
    assert_eq!(stage.world.counted("strange_options"), 1);
    assert!(stage.finish().cdrs.is_empty());
}

#[test]
fn rubbish_and_halves_of_messages_harm_nobody() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.talk();
    let hand: std::net::SocketAddr = CARRIER.parse().expect("an address");
    let switch = stage.world.switch(0);
    let rubbish = [
        "",
        "\n\n",
        "INVITE",
        "INVITE sip:x SIP/2.0\n\n",
        "SIP/2.0 200 OK\n\n",
        "BYE sip:4008001234@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\nCall-ID: x\n\n",
        "INVITE sip:4008001234@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.98;branch=z9hG4bKz\n\
         From: <sip:1@h>;tag=1\nTo: <sip:2@h>\nCall-ID: y\nCSeq: 1 BYE\nMax-Forwards: 70\nContent-Length: 0\n\n",
    ];
    for text in rubbish {
        stage.world.send_by_hand(hand, switch, text);
    }
    stage.run(seconds(1));
    assert!(stage.world.peer(caller).is_in_call());
    stage.hang_up(caller);
    let failed = stage.world.finish().err();
    // What was sent by hand is no message at all, which the audit says of it; nothing else may be wrong.
    let others: Vec<_> = failed
        .into_iter()
        .flat_map(|failed| failed.breaches)
        .filter(
            |breach| !matches!(breach, sim::Breach::Rfc(finding) if finding.rule == sip::audit::Rule::Valid),
        )
        .collect();
    assert_eq!(others, []);
}

#[test]
fn a_cancel_that_crosses_the_answer_leaves_nothing_whichever_wins() {
    for step in 0..40u64 {
        let mut stage = Stage::ready_in(step, Weather { letter: millis(4), ..Weather::FAIR }, &["8003"]);
        let phone = stage.phone("8003");
        stage.world.behave(phone, Behaviour::AnswerAfter(seconds(2)));
        let caller = stage.call("4008002222");
        stage.run(seconds(2) + millis(step));
        stage.hang_up(caller);
        stage.run(seconds(3));
        assert!(!stage.world.peer(caller).is_in_call() && !stage.world.peer(phone).is_in_call());
        let finished = stage.finish();
        let result = only(&finished).ending.result;
        assert!(matches!(result, CallResult::Answered | CallResult::RingNoAnswer), "{result:?}");
    }
}

#[test]
fn a_caller_who_cancels_at_once_leaves_one_record() {
    for step in 0..16u64 {
        for number in ["4008001234", "4008002222", "4008003333", "4008001111"] {
            let mut stage = Stage::ready_in(step, Weather::FAIR, &["8001", "8003"]);
            let caller = stage.call(number);
            stage.run(millis(step));
            stage.hang_up(caller);
            stage.run(seconds(2));
            assert!(!stage.world.peer(caller).is_in_call(), "{number} {step}");
            let finished = stage.finish();
            assert_eq!(only(&finished).ending.by, HungUpBy::Caller, "{number} {step}");
        }
    }
}

#[test]
fn both_sides_that_hang_up_together_leave_nothing() {
    for step in 0..24u64 {
        let mut stage = Stage::ready_in(step, Weather { letter: millis(3), ..Weather::FAIR }, &["8001"]);
        let phone = stage.phone("8001");
        let caller = stage.talk();
        stage.run(seconds(1));
        stage.hang_up(if step % 2 == 0 { phone } else { caller });
        stage.run(millis(step));
        stage.hang_up(if step % 2 == 0 { caller } else { phone });
        stage.run(seconds(1));
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, CallResult::Answered);
    }
}

#[test]
fn both_sides_that_hold_together_agree_in_the_end() {
    for step in 0..12u64 {
        let mut stage = Stage::ready_in(step, Weather::FAIR, &["8001"]);
        let phone = stage.phone("8001");
        let caller = stage.talk();
        stage.run(seconds(1));
        stage.tell(phone, Command::Hold);
        stage.run(millis(step));
        stage.tell(phone, Command::Resume);
        stage.tell(caller, Command::Hold);
        stage.run(seconds(5));
        stage.hang_up(caller);
        stage.run(seconds(1));
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, CallResult::Answered);
    }
}

#[test]
fn a_session_that_its_peer_does_not_refresh_ends_and_one_of_ours_is_refreshed() {
    for refresher in ["uac", "uas"] {
        let (path, text) = edited(
            "hotline.toml",
            "rtp_timeout_seconds = 20",
            "rtp_timeout_seconds = 0\nsession_expires_seconds = 90",
        );
        let mut stage = Stage::of(&folder(&[(path, &text)]), 1, Weather::FAIR);
        stage.sign_in(&["8001"]);
        stage.choose("8001", model::event::AgentState::Busy);
        let mut hand = Hand::new(CARRIER, "4008006666", "timer");
        hand.cseq = 1;
        let headers = format!(
            "Supported: timer\nSession-Expires: 90;refresher={refresher}\nContent-Type: application/sdp\n"
        );
        hand.send(&mut stage, "INVITE", "inv1", &headers, &sdp("8 101"));
        stage.run(millis(100));
        let responses = hand.responses(&mut stage);
        let answer = responses.last().expect("an answer");
        let agreed = answer.headers.session_expires().expect("valid").expect("Session-Expires");
        assert_eq!(agreed.interval, seconds(90));
        hand.ack(&mut stage, "ack", "");
        stage.run(seconds(80));
        let requests: Vec<String> = hand
            .read(&mut stage)
            .iter()
            .filter_map(|message| match message {
                Message::Request(request) => Some(request.method.as_str().to_owned()),
                Message::Response(_) => None,
            })
            .collect();
        let refreshed = requests.iter().any(|method| method == "INVITE" || method == "UPDATE");
        assert_eq!(refreshed, refresher == "uas", "{requests:?}");
        stage.until(seconds(80), |world| world.calls().is_empty());
        let finished = stage.finish();
        let cause = only(&finished).ending.cause;
        assert!(
            matches!(
                cause,
                Termination::SessionExpired | Termination::SignallingTimeout | Termination::FlowEnded
            ),
            "{cause:?}"
        );
        if refresher == "uac" {
            assert_eq!(cause, Termination::SessionExpired);
        }
    }
}

#[test]
fn a_caller_who_vanishes_ends_by_the_media_timeout_and_its_bye_is_given_up() {
    let mut stage = Stage::ready(&["8001"]);
    let phone = stage.phone("8001");
    stage.tell(phone, Command::Say(Sound::Silence));
    let caller = stage.talk();
    stage.run(seconds(1));
    stage.world.unplug(caller);
    stage.until(seconds(40), |world| world.calls().is_empty());
    stage.run(seconds(1));
    assert!(stage.world.has_happened(phone, &Happening::Ended));
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.cause, Termination::MediaTimeout);
}
