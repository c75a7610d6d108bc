//! SIPp as a carrier and a phone that lose, cross and repeat their messages, and that use what RFC 3262, 3311, 3515 and
//! 4028 add. Each ends with what the call records say.

use std::net::SocketAddr;
use std::time::Duration;

use hotline_tests::{Call, Place, Sipp, Switch, turn};

const SOON: Duration = Duration::from_secs(30);
const PROMPT: &str = "4000000001";
const BOUND: &str = "4000000004";

fn carrier(scenario: &str) -> Sipp {
    Sipp::at(scenario, Place::mine().carrier, &[]).traced()
}

fn phone(scenario: &str, at: SocketAddr) -> Sipp {
    Sipp::new(scenario, at, &[]).traced()
}

/// A switch whose bound phone is `phone`.
fn switch_with_bound(phone: SocketAddr) -> Switch {
    Switch::start(&[("flows/bound.toml", "127.0.0.1:5090", &phone.to_string())])
}

fn assert_nothing_left(switch: Switch) {
    for what in ["calls", "calls_in_memory", "rooms", "media_ports"] {
        switch.wait_live(what, 0, Duration::from_secs(70));
    }
    switch.stop();
}

fn one(calls: Vec<Call>) -> Call {
    assert_eq!(calls.len(), 1, "{calls:#?}");
    calls.into_iter().next().expect("one")
}

/// A call of `scenario` to the prompt, which the caller ends.
fn prompt_call(switch: &Switch, scenario: &str) {
    carrier(scenario).call(switch.sip, PROMPT, 1, 1).succeed(SOON);
}

fn assert_ended_by_caller(call: &Call) {
    assert_eq!(
        (&call["hung_up_by"], &call["result"]),
        (&"caller".into(), &"ended_in_menu".into()),
        "{call:#}"
    );
}

#[test]
fn races_and_repetitions_leave_one_record_each() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    prompt_call(&switch, "carrier_cancels_late");
    prompt_call(&switch, "carrier_repeats_its_invite");
    let trace = carrier("carrier_loses_its_ack").call(switch.sip, PROMPT, 1, 1).succeed_traced(SOON);
    // At 0, 500 and 1,500 ms; the ACK at 1,800 ms ends it before the next at 3,500.
    let received = trace
        .split("-----------------------------------------------")
        .filter(|part| part.contains("received"));
    let answers = received.filter(|part| part.contains("SIP/2.0 200") && part.contains("CSeq: 1 INVITE"));
    assert_eq!(answers.count(), 3, "{trace}");
    let calls = switch.wait_calls(3, SOON);
    assert_eq!(calls.len(), 3, "a repeated INVITE is no call of its own: {calls:#?}");
    calls.iter().for_each(assert_ended_by_caller);
    assert_nothing_left(switch);
}

#[test]
fn byes_that_cross_are_both_answered() {
    let _turn = turn();
    let at = Place::free(Place::mine().phones);
    let switch = switch_with_bound(at);
    let answering = phone("phone_ends_soon", at).with(&["-d", "300"]).answer(1);
    carrier("carrier_crosses_bye").call(switch.sip, BOUND, 1, 1).succeed(SOON);
    answering.succeed(SOON);
    let call = one(switch.wait_calls(1, SOON));
    assert_eq!((&call["result"], &call["hung_up_by"]), (&"answered".into(), &"agent".into()), "{call:#}");
    assert_nothing_left(switch);
}

#[test]
fn a_caller_may_require_reliable_responses() {
    let _turn = turn();
    let at = Place::free(Place::mine().phones);
    let early = ("numbers/bench.toml", "flow = \"bound\"\nanswer = \"by-party\"\nrecord = \"talk\"", EARLY);
    let switch = Switch::start(&[("flows/bound.toml", "127.0.0.1:5090", &at.to_string()), early]);
    let answering = phone("phone_waits_a_second", at).answer(3);
    let call = |scenario: &str, rings: &str, number: &str| {
        Sipp::at(scenario, Place::mine().carrier, &[("RINGS", rings)])
            .traced()
            .call(switch.sip, number, 1, 1)
            .succeed(SOON);
    };
    call("carrier_requires_100rel", "180", BOUND);
    call("carrier_requires_100rel", "183", "4000000002");
    call("carrier_updates", "183", "4000000002");
    answering.succeed(SOON);
    for call in switch.wait_calls(3, SOON) {
        assert_eq!(
            (&call["result"], &call["hung_up_by"]),
            (&"answered".into(), &"caller".into()),
            "{call:#}"
        );
    }
    assert_nothing_left(switch);
}

/// A number whose caller hears early media until the bound phone answers.
const EARLY: &str = "flow = \"bound\"\nanswer = \"early-media\"\nrecord = \"off\"";

#[test]
fn a_phone_may_ring_reliably_and_fork() {
    let _turn = turn();
    let at = Place::free(Place::mine().phones);
    let switch = switch_with_bound(at);
    for scenario in ["phone_requires_prack", "phone_repeats_its_answer"] {
        let answering = phone(scenario, at).answer(1);
        carrier("carrier_hangs_up").with(&["-d", "800"]).call(switch.sip, BOUND, 1, 1).succeed(SOON);
        answering.succeed(SOON);
    }
    for call in switch.wait_calls(2, SOON) {
        assert_eq!(
            (&call["result"], &call["hung_up_by"]),
            (&"answered".into(), &"caller".into()),
            "{call:#}"
        );
    }
    assert_nothing_left(switch);
}

#[test]
fn a_trunk_may_insist_on_reliable_responses_or_have_none() {
    let _turn = turn();
    for (option, scenario, status) in
        [("required", "carrier_is_refused", "421"), ("off", "carrier_requires_100rel_in_vain", "420")]
    {
        let area = "home_area = \"010\"";
        let trunk = ("trunks/loopback.toml", area, &*format!("{area}\nreliable = \"{option}\""));
        let switch = Switch::start(&[trunk]);
        Sipp::at(scenario, Place::mine().carrier, &[("STATUS", status)])
            .traced()
            .call(switch.sip, PROMPT, 1, 1)
            .succeed(SOON);
        let call = one(switch.wait_calls(1, SOON));
        assert_eq!(call["hung_up_by"], "switch", "{call:#}");
        assert_nothing_left(switch);
    }
}

#[test]
fn a_caller_without_an_offer_gets_ours() {
    let _turn = turn();
    let at = Place::free(Place::mine().phones);
    let early = ("numbers/bench.toml", "flow = \"bound\"\nanswer = \"by-party\"\nrecord = \"talk\"", EARLY);
    let switch = Switch::start(&[("flows/bound.toml", "127.0.0.1:5090", &at.to_string()), early]);
    prompt_call(&switch, "carrier_delays_its_offer");
    let answering = phone("phone_waits_a_second", at).answer(1);
    carrier("carrier_delays_its_offer_early").call(switch.sip, "4000000002", 1, 1).succeed(SOON);
    answering.succeed(SOON);
    let calls = switch.wait_calls(2, SOON);
    assert!(calls.iter().all(|call| call["hung_up_by"] == "caller"), "{calls:#?}");
    assert_nothing_left(switch);
}

#[test]
fn what_is_not_carried_out_is_refused_and_the_call_goes_on() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    prompt_call(&switch, "carrier_refers");
    prompt_call(&switch, "carrier_wants_a_place");
    let calls = switch.wait_calls(2, SOON);
    assert_eq!(calls.iter().filter(|call| call["hung_up_by"] == "caller").count(), 1, "{calls:#?}");
    assert_eq!(calls.iter().filter(|call| call["hung_up_by"] == "switch").count(), 1, "{calls:#?}");
    assert_nothing_left(switch);
}

#[test]
fn sessions_are_refreshed_through_glare_and_too_short_ones_refused() {
    let _turn = turn();
    let timers = ("hotline.toml", "session_expires_seconds = 0", "session_expires_seconds = 90");
    let switch = Switch::start(&[timers]);
    let minute = Duration::from_secs(60);
    // Both wait for half of the shortest interval at the same time.
    let updated = carrier("carrier_is_refreshed_by_update").call(switch.sip, PROMPT, 1, 1);
    let crossed = carrier("carrier_meets_glare").call(switch.sip, PROMPT, 1, 1);
    prompt_call(&switch, "carrier_asks_too_short_a_session");
    updated.succeed(minute);
    crossed.succeed(minute);
    let calls = switch.wait_calls(4, SOON);
    let refused = calls.iter().filter(|call| call["hung_up_by"] == "switch").count();
    assert_eq!((calls.len(), refused), (4, 1), "the 422 has its record: {calls:#?}");
    assert_nothing_left(switch);
}
