//! An INVITE that is about a call of another shard goes there, and so does all that follows of its Call-ID.

use super::*;

const STRANGER: &str = "192.0.2.99:5060";

/// Two shards of one node.
fn two() -> (Bench, Bench, call::NodeWide) {
    let node = call::NodeWide::default();
    node.whereabouts.set_shards(2);
    let first = Bench::of_node(settings(), 0, node.clone());
    let second = Bench::of_node(settings(), 1, node.clone());
    (first, second, node)
}

fn from_phone(method: &str, call_id: &str, headers: &str) -> String {
    format!(
        "{method} sip:8002@pbx.test SIP/2.0\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bK{call_id}\nMax-Forwards: 70\n\
         From: <sip:8001@pbx.test>;tag=p\nTo: <sip:8002@pbx.test>\nCall-ID: {call_id}\nCSeq: 1 {method}\n\
         Contact: <sip:8001@{PHONE}>\n{headers}Content-Length: 0\n\n"
    )
}

#[test]
fn an_invite_that_replaces_a_dialog_goes_to_the_shard_that_minted_it() {
    let (mut first, mut second, node) = two();
    let replaces = "Replaces: hl0100-1@us;to-tag=a;from-tag=b\n";
    let invite = from_phone("INVITE", "replacing@phone", replaces);
    first.receive(PHONE, invite.clone());
    assert_eq!(first.handed.len(), 1, "handed over before anything was answered");
    assert_eq!(first.handed[0].0, 1);
    assert!(
        first.sent.is_empty() && first.shard.live() == call::Live::default(),
        "nothing of it stays behind"
    );
    assert_eq!(node.whereabouts.forwarded(b"replacing@phone"), Some(1));
    // A retransmission that was read before the books said so goes the same way.
    first.receive(PHONE, invite.clone());
    assert_eq!(first.handed.len(), 2);
    second.receive(PHONE, invite);
    assert!(second.handed.is_empty(), "the other shard keeps it, though it knows no such dialog");
    assert_eq!(second.last_status(), 407, "and asks who it is");
    // One that names a dialog of its own shard stays.
    let own = from_phone("INVITE", "own@phone", "Replaces: hl0000-1@us;to-tag=a;from-tag=b\n");
    first.receive(PHONE, own);
    assert_eq!(first.handed.len(), 2);
    first.wait(Duration::from_secs(64));
    second.assert_nothing_left();
}

#[test]
fn what_a_phone_dials_while_it_has_a_call_meets_that_call() {
    let (mut first, mut second, node) = two();
    // The carrier's call rings 8001 on the second shard.
    second.invite("4008001234");
    second.ack();
    second.play_out();
    second.phone_says(180);
    let consult = from_phone("INVITE", "consult@phone", "");
    first.receive(PHONE, consult.clone());
    assert_eq!(first.handed.iter().map(|(shard, _)| *shard).collect::<Vec<_>>(), [1]);
    second.receive(PHONE, consult);
    assert_eq!(second.last_status(), 407);
    // Its ACK and whatever else has its Call-ID go there too; another phone's INVITE does not.
    first.receive(PHONE, from_phone("ACK", "consult@phone", ""));
    assert_eq!(first.handed.len(), 2);
    let other = from_phone("INVITE", "other@phone", "").replace("8001@pbx.test", "8009@pbx.test");
    first.receive(STRANGER, other);
    assert_eq!(first.handed.len(), 2);
    // When the call is over, the phone's next one is anybody's.
    let to =
        second.responses().iter().find(|response| response.status == 200).map(|answer| {
            String::from_utf8(answer.headers.get(sip::HeaderName::To).unwrap().to_vec()).unwrap()
        });
    second.bye(&to.expect("an answer"));
    second.assert_nothing_left();
    first.receive(PHONE, from_phone("INVITE", "later@phone", ""));
    assert_eq!(first.handed.len(), 2);
    first.wait(Duration::from_secs(64));
    assert_eq!(node.whereabouts.live().1, 0, "no phone has a call");
}
