//! Who offers what to whom, and when: delayed offers, reliable responses, Replaces, Reason, privacy.

use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, Termination};
use sip::{HeaderName, Message, Response};

use crate::hand::{CARRIER, Hand, sdp};
use crate::stage::{Stage, edited, folder, millis, node_is, only, seconds};
use sim::Weather;

const EARLY: &str = "4008003333";

fn invited(stage: &mut Stage, hand: &mut Hand, headers: &str, body: &str) -> Response {
    hand.cseq += 1;
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    let branch = format!("inv{}", hand.cseq);
    hand.send(stage, "INVITE", &branch, &format!("{headers}{kind}"), body);
    stage.run(millis(100));
    hand.responses(stage).pop().expect("a response")
}

fn bye(stage: &mut Stage, hand: &mut Hand, headers: &str) {
    hand.cseq += 1;
    hand.send(stage, "BYE", &format!("bye{}", hand.cseq), headers, "");
    stage.run(seconds(1));
}

#[test]
fn a_delayed_offer_in_a_reliable_183_begins_the_flow_with_the_pracks_answer() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, EARLY, "early");
    let progress = invited(&mut stage, &mut hand, "Supported: 100rel\n", "");
    assert_eq!(progress.status, 183);
    assert!(!progress.body.is_empty() && progress.headers.lists(HeaderName::Require, "100rel"));
    let rseq = progress.headers.rseq().expect("valid").expect("RSeq");
    assert!(!stage.world.has(|fact| matches!(fact, CallFact::NodeEntered { .. })), "the flow waits");
    hand.cseq = 2;
    let headers = format!("RAck: {rseq} 1 INVITE\nContent-Type: application/sdp\n");
    hand.send(&mut stage, "PRACK", "prack", &headers, &sdp("8 101"));
    stage.until_fact(seconds(2), |fact| matches!(fact, CallFact::NodeEntered { .. }));
    stage.run(millis(50));
    assert!(hand.statuses(&mut stage).contains(&200), "the PRACK's");
    hand.cseq = 1;
    hand.send(&mut stage, "CANCEL", "inv1", "", "");
    stage.run(millis(100));
    hand.send_ack_for_refusal(&mut stage);
    assert_eq!(only(&stage.finish()).ending.cause, Termination::Cancelled);
}

#[test]
fn an_answer_to_our_early_offer_that_cannot_be_used_is_488() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, EARLY, "unusable");
    let progress = invited(&mut stage, &mut hand, "Supported: 100rel\n", "");
    let rseq = progress.headers.rseq().expect("valid").expect("RSeq");
    hand.cseq = 2;
    let headers = format!("RAck: {rseq} 1 INVITE\nContent-Type: application/sdp\n");
    hand.send(&mut stage, "PRACK", "prack", &headers, &sdp("18"));
    stage.run(millis(100));
    assert_eq!(hand.statuses(&mut stage), [200, 488]);
    hand.cseq = 1;
    hand.send_ack_for_refusal(&mut stage);
    assert_eq!(only(&stage.finish()).ending.cause, Termination::Refused(488));
}

#[test]
fn a_delayed_offer_of_a_caller_without_100rel_is_answered_at_once_where_it_would_hear_early_media() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, EARLY, "deaf");
    let answer = invited(&mut stage, &mut hand, "", "");
    assert_eq!(answer.status, 200);
    hand.ack(&mut stage, "ack", &sdp("8 101"));
    stage.until_fact(seconds(2), |fact| matches!(fact, CallFact::NodeEntered { .. }));
    bye(&mut stage, &mut hand, "");
    stage.finish();
}

#[test]
fn a_caller_that_requires_reliable_ringing_gets_our_offer_with_the_180() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008002222", "insists");
    let ringing = invited(&mut stage, &mut hand, "Require: 100rel\n", "");
    assert_eq!(ringing.status, 180);
    assert!(!ringing.body.is_empty());
    let rseq = ringing.headers.rseq().expect("valid").expect("RSeq");
    hand.cseq = 2;
    let headers = format!("RAck: {rseq} 1 INVITE\nContent-Type: application/sdp\n");
    hand.send(&mut stage, "PRACK", "prack", &headers, &sdp("8 101"));
    stage.run(millis(100));
    hand.cseq = 1;
    hand.send(&mut stage, "CANCEL", "inv1", "", "");
    stage.run(millis(100));
    hand.send_ack_for_refusal(&mut stage);
    stage.finish();
}

#[test]
fn an_offer_in_one_part_of_several_is_found() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008001234", "parts");
    hand.cseq = 1;
    let body = format!(
        "--b\nContent-Type: application/isup\n\n..\n--b\nContent-Type: application/sdp\n\n{}\n--b--\n",
        sdp("8 101")
    );
    hand.send(&mut stage, "INVITE", "inv1", "Content-Type: multipart/mixed;boundary=b\n", &body);
    stage.run(millis(100));
    assert_eq!(hand.statuses(&mut stage).last(), Some(&200));
    hand.ack(&mut stage, "ack", "");
    stage.until_fact(seconds(5), |fact| node_is(fact, "notice"));
    bye(&mut stage, &mut hand, "");
    stage.finish();
}

#[test]
fn a_trunk_has_the_reliable_responses_that_its_file_says() {
    for (option, headers, status) in
        [("off", "Require: 100rel\n", 420), ("required", "", 421), ("required", "Supported: 100rel\n", 200)]
    {
        let area = "home_area = \"010\"\n";
        let (path, text) = edited("trunks/ims.toml", area, &format!("{area}reliable = \"{option}\"\n"));
        let mut stage = Stage::of(&folder(&[(path, &text)]), 1, Weather::FAIR);
        let mut hand = Hand::new(CARRIER, "4008001234", "choice");
        let last = invited(&mut stage, &mut hand, headers, &sdp("8 101"));
        assert_eq!(last.status, status, "{option}");
        if status == 200 {
            hand.ack(&mut stage, "ack", "");
            bye(&mut stage, &mut hand, "");
        } else {
            hand.send_ack_for_refusal(&mut stage);
        }
        assert_eq!(stage.finish().cdrs.len(), 1);
    }
}

#[test]
fn an_invite_that_wants_a_place_is_judged_by_the_call_that_has_it() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008001234", "held");
    invited(&mut stage, &mut hand, "", &sdp("8 101"));
    hand.ack(&mut stage, "ack", "");
    stage.run(millis(100));
    let tag = hand.to.split(";tag=").nth(1).expect("our tag").to_owned();
    let wishes = [
        (format!("Replaces: held;to-tag={tag};from-tag=h1\n"), 603, "well"),
        (format!("Replaces: held;to-tag={tag};from-tag=h1;early-only\n"), 486, "early"),
        (format!("Replaces: held;to-tag={tag};from-tag=somebody\n"), 481, "tag"),
        ("Replaces: nothing;to-tag=1;from-tag=2\n".to_owned(), 481, "call"),
    ];
    for (headers, status, call_id) in wishes {
        let mut other = Hand::new(CARRIER, "4008001234", call_id);
        let refusal = invited(&mut stage, &mut other, &headers, &sdp("8 101"));
        assert_eq!(refusal.status, status, "{headers}");
        other.send_ack_for_refusal(&mut stage);
    }
    bye(&mut stage, &mut hand, "");
    let finished = stage.finish();
    assert_eq!(finished.cdrs.len(), 5, "each refusal has its record");
}

#[test]
fn what_a_peer_gives_as_its_reason_is_in_the_record_and_ours_is_in_our_bye() {
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008001234", "reason");
    invited(&mut stage, &mut hand, "", &sdp("8 101"));
    hand.ack(&mut stage, "ack", "");
    stage.run(millis(100));
    bye(&mut stage, &mut hand, "Reason: Q.850;cause=31;text=\"Normal, unspecified\"\n");
    let finished = stage.finish();
    let record = only(&finished);
    assert_eq!(record.reason.as_deref(), Some("Q.850;cause=31;text=\"Normal, unspecified\""));
    assert_eq!((record.ending.by, record.ending.result), (HungUpBy::Caller, CallResult::EndedInMenu));
    // Nobody speaks: the switch ends the call.
    let mut stage = Stage::ready(&["8001"]);
    let mut hand = Hand::new(CARRIER, "4008001234", "silent");
    invited(&mut stage, &mut hand, "", &sdp("8 101"));
    hand.ack(&mut stage, "ack", "");
    let mut heard = Vec::new();
    while heard.is_empty() {
        stage.run(seconds(1));
        heard.extend(hand.read(&mut stage).into_iter().filter_map(|message| match message {
            Message::Request(request) => request.headers.text(HeaderName::Reason).map(str::to_owned),
            Message::Response(_) => None,
        }));
    }
    assert_eq!(heard[0], "SIP;cause=408;text=\"No RTP received\"");
    stage.finish();
}
