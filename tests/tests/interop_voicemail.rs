//! Voice messages with real phones: what one says is what the owner hears, a kill in the middle of a message loses nothing of
//! it, lamps and the night switch (R5, R40).

use std::net::Ipv4Addr;
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, CALLER_HZ, Office, Place, Sipp, Switch, Wav, may_use_raw_sockets, paced, turn, until,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

const MAILBOX: &str = "name = \"9001\"\nmin_seconds = 1\ngreeting = []\n";

fn office() -> Office {
    let phones = ("phones/bench.toml", "range = \"9001-9100\"", "range = \"9001-9100\"\nmailbox = \"9001\"");
    Office::start(&[phones], &[("mailboxes/9001.toml", MAILBOX)])
}

/// The messages in the mailbox.
fn messages(switch: &Switch) -> Vec<Value> {
    let boxes = switch.ask(&["voicemail", "list", "9001"]);
    boxes[0]["messages"].as_array().cloned().unwrap_or_default()
}

/// The phone of 9002 dials `number` and says `hz`.
fn dials(office: &Office, number: &str, hz: f64) -> Baresip {
    Baresip::start_dialling(&office.space, office.switch.sip, ("9002", "bench"), hz, number)
}

#[test]
fn a_message_survives_a_kill_in_its_middle_and_its_owner_hears_it() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let mut office = office();
    let colleague = dials(&office, "*999001", CALLER_HZ);
    until("a call", SOON, || (office.switch.live("calls") >= 1.0).then_some(()));
    // Long enough to be known as this tone whatever the machine does meanwhile.
    paced(10, Duration::from_secs(6), |_| {});
    let folder = office.switch.kill();
    // It cannot take leave of a switch that is gone.
    drop(colleague);
    office.switch = Switch::run(folder);
    let left = until("the message", SOON, || messages(&office.switch).first().cloned());
    assert_eq!((&left["caller"], &left["heard"]), (&"9002".into(), &false.into()), "{left:#}");
    let id = left["id"].as_str().expect("an id");
    let audio = until("its file", SOON, || {
        let (status, bytes) = office.switch.fetch(&format!("/v1/mailboxes/9001/messages/{id}/audio"));
        (status == 200).then_some(bytes)
    });
    let file = office.switch.folder.join("message.wav");
    std::fs::write(&file, audio).expect("a file");
    let wav = Wav::read(&file);
    let said = Wav::tone_seconds(&wav.left, CALLER_HZ);
    assert!(said > 3.0, "{said} s of the caller in {} s", wav.seconds());
    // From an own phone, without a PIN: the count, the time, the caller, and what was said.
    let owner = dials(&office, "*98", AGENT_HZ);
    until("heard to its end", SOON, || (messages(&office.switch).first()?["heard"] == true).then_some(()));
    let heard = owner.stop().heard;
    let tone = Wav::tone_seconds(&heard.left, CALLER_HZ);
    assert!(tone > said * 0.6, "the owner hears {tone} s of {said} s");
    office.switch.show(&["voicemail", "delete", "9001", id]);
    assert!(messages(&office.switch).is_empty());
    office.switch.stop();
}

/// A phone with this login that does what the scenario says, from an address that the switch can reach.
fn phone(scenario: &str, host: Ipv4Addr, user: u32, words: &[(&str, &str)]) -> Sipp {
    let login = format!("SEQUENTIAL\n{user};[authentication username={user} password=bench]\n");
    Sipp::at(scenario, host, words).traced().reading("fields.csv", &login)
}

/// What stands between `before` and `after` in each place of a trace, in order and without repetitions.
fn told(trace: &str, before: &str, after: char) -> Vec<String> {
    let found = trace.split(before).skip(1).filter_map(|rest| rest.split(after).next());
    let mut found: Vec<String> = found.map(|text| text.trim().to_owned()).collect();
    found.dedup();
    found
}

/// A phone's message lamp (RFC 3842): lit by a message, put out by hearing it, left alone by a caller who says nothing.
#[test]
fn a_phone_shows_a_message_until_it_is_heard_and_none_from_a_caller_who_said_nothing() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = office();
    let messages_of_its_own = [
        ("WATCHED", "9001"),
        ("PACKAGE", "message-summary"),
        ("SHOWS", "application/simple-message-summary"),
        ("OVER", "Voice-Message: 0/1"),
    ];
    let lamp = phone("phone_watches", office.space.outside, 9001, &messages_of_its_own);
    let lamp = lamp.call(office.switch.sip, "9001", 1, 1);
    until("a dark lamp", SOON, || lamp.messages().contains("Messages-Waiting: no").then_some(()));
    let leaves = |hz: f64| {
        let colleague = dials(&office, "*999001", hz);
        until("a call", SOON, || (office.switch.live("calls") >= 1.0).then_some(()));
        paced(10, Duration::from_secs(4), |_| {});
        colleague.say("hangup", "");
        until("its end", SOON, || (office.switch.live("calls") == 0.0).then_some(()));
        colleague.stop();
    };
    leaves(0.0);
    assert!(messages(&office.switch).is_empty(), "nothing was said");
    leaves(CALLER_HZ);
    until("a lit lamp", SOON, || lamp.messages().contains("Messages-Waiting: yes").then_some(()));
    let left = messages(&office.switch);
    office.switch.show(&["voicemail", "heard", "9001", left[0]["id"].as_str().expect("an id")]);
    let trace = lamp.succeed_traced(SOON);
    assert_eq!(told(&trace, "Messages-Waiting:", '\n'), ["no", "yes", "no"], "{trace}");
    assert_eq!(told(&trace, "Voice-Message:", '('), ["0/0", "1/0", "0/1"], "{trace}");
    office.switch.stop();
}

/// R40: the lamp of the night switch's code, as a phone with a busy lamp field sees it (RFC 4235).
#[test]
fn a_phones_lamp_is_lit_while_the_night_switch_is_on() {
    let _turn = turn();
    let night = ("numbers/bench.toml", "flow = \"prompt\"", "flow = \"prompt\"\nnight_flow = \"waiting\"");
    let may = ("phones/bench.toml", "range = \"9001-9100\"", "range = \"9001-9100\"\nnight_switch = true");
    let switch = Switch::start(&[night, may]);
    let phone = |scenario, user, words: &[(&str, &str)]| phone(scenario, Place::mine().phones, user, words);
    let watching =
        phone("phone_watches", 9001, &[("WATCHED", "*284000000001")]).call(switch.sip, "*28", 1, 1);
    until("a subscription", SOON, || (switch.figure("hotline_subscriptions") == 1.0).then_some(()));
    let states = |trace: &str| told(trace, "<state>", '<');
    phone("phone_dials_a_code", 9002, &[]).call(switch.sip, "*284000000001", 1, 1).succeed(SOON);
    until("a lit lamp", SOON, || {
        states(&watching.messages()).contains(&"confirmed".to_owned()).then_some(())
    });
    let numbers = switch.ask(&["numbers", "night", "4000000001"]);
    assert_eq!(numbers[0]["night"]["by"], "9002", "{numbers:#}");
    phone("phone_dials_a_code", 9002, &[]).call(switch.sip, "*28", 1, 1).succeed(SOON);
    let trace = watching.succeed_traced(SOON);
    assert_eq!(states(&trace).last().map(String::as_str), Some("terminated"), "{trace}");
    switch.stop();
}
