//! Common phones and tools at the registrar: linphone registers and calls, sipsak registers and asks, SIPp watches a
//! phone and writes to it; bindings and subscriptions outlive the switch.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use hotline_tests::{Linphone, Listener, Place, Sipp, Switch, turn};

const SOON: Duration = Duration::from_secs(30);

/// The fields of a phone in a scenario: its user and credentials.
fn fields(user: u32) -> String {
    format!("SEQUENTIAL\n{user};[authentication username={user} password=bench]\n")
}

fn phone(scenario: &str, user: u32, words: &[(&str, &str)]) -> Sipp {
    Sipp::at(scenario, Place::mine().phones, words).traced().reading("fields.csv", &fields(user))
}

fn state_of(switch: &Switch, user: &str) -> Option<String> {
    let phones = switch.ask(&["phones"]);
    let phone = phones
        .as_array()
        .expect("an array")
        .iter()
        .find(|phone| phone["aor"].as_str().is_some_and(|aor| aor.split('@').next() == Some(user)))?;
    phone["bindings"][0]["state"].as_str().map(str::to_owned)
}

#[test]
fn linphone_registers_calls_a_number_and_an_extension_and_leaves() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    let extension = Place::free(Place::mine().phones);
    switch.register(extension, 9003..=9003);
    let answering = Sipp::new("phone_hangs_up_unheard", extension, &[]).with(&["-d", "1000"]).answer(1);
    let mut linphone = Linphone::start(switch.sip, "9002", "bench", "hotline");
    switch.wait_live("phones", 2, SOON);
    linphone.say("call 4000000001");
    linphone.wait_for("Media streams established", SOON);
    linphone.say("terminate");
    let calls = switch.wait_calls(1, SOON);
    assert_eq!(
        (&calls[0]["caller"], &calls[0]["hung_up_by"]),
        (&"9002".into(), &"caller".into()),
        "{:#}",
        calls[0]
    );
    linphone.say("call 9003");
    linphone.wait_for("Call 2 with sip:9003", SOON);
    answering.succeed(SOON);
    let calls = switch.wait_calls(2, SOON);
    let inside = calls.iter().find(|call| call["called"] == "9003").expect("the second call");
    assert_eq!((&inside["caller"], &inside["result"]), (&"9002".into(), &"answered".into()), "{inside:#}");
    linphone.quit();
    switch.wait_live("phones", 1, SOON);
    switch.stop();
}

#[test]
fn sipsak_registers_with_digest_and_is_told_what_the_switch_can_do() {
    let switch = Switch::start(&[]);
    let at = |user: &str| format!("sip:{user}@{}", switch.sip);
    let sipsak = |arguments: &[&str]| {
        let output = Command::new("sipsak").args(arguments).output().expect("sipsak starts; Debian: sipsak");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said)
    };
    let contact = "sip:9001@127.0.0.9:5099";
    let (registered, said) =
        sipsak(&["-U", "-i", "-C", contact, "-x", "300", "-a", "bench", "-u", "9001", "-s", &at("9001")]);
    assert!(registered, "{said}");
    switch.wait_live("phones", 1, SOON);
    let (registered, _) =
        sipsak(&["-U", "-i", "-C", contact, "-x", "300", "-a", "wrong", "-u", "9002", "-s", &at("9002")]);
    assert!(!registered, "a wrong password");
    let (told, said) = sipsak(&["-vv", "-s", &at("9001")]);
    assert!(told && said.contains("Allow: INVITE"), "{said}");
    switch.stop();
}

/// The states of the watched call in the NOTIFYs of a trace, in their order.
fn lamp(trace: &str) -> Vec<&str> {
    trace.split("<state>").skip(1).filter_map(|rest| rest.split('<').next()).collect()
}

#[test]
fn a_phone_that_watches_another_sees_its_call_begin_and_end() {
    let _turn = turn();
    let switch =
        Switch::start(&[("hotline.toml", "[media]", "[subscriptions]\nthrottle_seconds = 0\n\n[media]")]);
    let watched = Place::free(Place::mine().phones);
    switch.register(watched, 9002..=9002);
    let watching = phone("phone_watches", 9001, &[("WATCHED", "9002")]).call(switch.sip, "9002", 1, 1);
    hotline_tests::until("a subscription", SOON, || {
        (switch.figure("hotline_subscriptions") == 1.0).then_some(())
    });
    let answering = Sipp::new("phone_hangs_up_unheard", watched, &[]).with(&["-d", "1000"]).answer(1);
    let mut linphone = Linphone::start(switch.sip, "9003", "bench", "hotline");
    switch.wait_live("phones", 2, SOON);
    linphone.say("call 9002");
    answering.succeed(SOON);
    let trace = watching.succeed_traced(SOON);
    let states = lamp(&trace);
    let order = ["trying", "early", "confirmed", "terminated"];
    let places: Vec<_> = states.iter().map(|state| order.iter().position(|known| known == state)).collect();
    assert!(places.is_sorted() && states.contains(&"confirmed"), "{states:?}\n{trace}");
    assert_eq!(states.last(), Some(&"terminated"));
    assert!(trace.contains("<identity display=\"9003\">sip:9003@hotline</identity>"), "{trace}");
    assert!(trace.contains("Subscription-State: terminated;reason=timeout"), "{trace}");
    hotline_tests::until("no subscription", SOON, || {
        (switch.figure("hotline_subscriptions") == 0.0).then_some(())
    });
    linphone.quit();
    switch.stop();
}

#[test]
fn a_text_reaches_the_other_phone_written_anew_and_only_where_the_operator_allows_it() {
    let switch = Switch::start(&[("hotline.toml", "[media]", "[messages]\nrelay = \"inside\"\n\n[media]")]);
    let address = Place::free(Place::mine().phones);
    switch.register(address, 9002..=9002);
    let listener = Listener::at(address);
    phone("phone_writes", 9001, &[("ANSWER", "200")]).call(switch.sip, "9002", 1, 1).succeed(SOON);
    let text = listener.next("MESSAGE ", SOON);
    assert!(text.contains("\r\nFrom: <sip:9001@hotline>;tag="), "{text}");
    assert!(text.ends_with("\r\n\r\n你好") || text.trim_end().ends_with("你好"), "{text}");
    for secret in ["Somebody", "boss", "Authorization"] {
        assert!(!text.contains(secret), "{text}");
    }
    phone("phone_writes", 9001, &[("ANSWER", "480")]).call(switch.sip, "9003", 1, 1).succeed(SOON);
    phone("phone_writes", 9001, &[("ANSWER", "404")]).call(switch.sip, "nobody", 1, 1).succeed(SOON);
    switch.stop();
    let switch = Switch::start(&[]);
    phone("phone_writes_in_vain", 9001, &[]).call(switch.sip, "9002", 1, 1).succeed(SOON);
    switch.stop();
}

#[test]
fn bindings_and_subscriptions_outlive_a_power_cut_and_phones_are_asked_whether_they_are_there() {
    let _turn = turn();
    let switch = Switch::start(&[]);
    let address: SocketAddr = Place::free(Place::mine().phones);
    let batches = |switch: &Switch| switch.figure("hotline_snapshot_batches_total{kind=\"registration\"}");
    let began = hotline_tests::now();
    // A hundred phones, each of them three times: what changed within a second is written in one batch.
    for _ in 0..3 {
        switch.register(address, 9001..=9100);
    }
    let watching = phone("phone_watches", 9002, &[("WATCHED", "9001")]).call(switch.sip, "9001", 1, 1);
    hotline_tests::until("a subscription", SOON, || {
        (switch.figure("hotline_subscriptions") == 1.0).then_some(())
    });
    hotline_tests::until("a batch after the last REGISTER", SOON, || {
        let before = batches(&switch);
        (hotline_tests::now() - began > before + 1.0).then_some(())
    });
    let (written, took) = (batches(&switch), hotline_tests::now() - began);
    assert!(written >= 1.0 && written <= took + 1.0, "{written} writes in {took} s for 300 registrations");
    hotline_tests::paced(1, Duration::from_secs(3), |_| {});
    let folder = switch.kill();
    let listener = Listener::at(address);
    let switch = Switch::run(folder);
    switch.wait_live("phones", 100, SOON);
    for _ in 0..100 {
        let asked = listener.next("OPTIONS ", SOON);
        assert!(asked.contains("\r\nAccept: application/sdp\r\n"), "{asked}");
    }
    assert_eq!(state_of(&switch, "9001").as_deref(), Some("rings"));
    assert_eq!(switch.figure("hotline_subscriptions"), 1.0);
    watching.abandon();
    switch.stop();
}
