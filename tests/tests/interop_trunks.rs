//! Trunks with real peers: SIPp as a carrier that registers us and asks for passwords, Kamailio as the outbound proxy.

use std::net::SocketAddr;
use std::time::Duration;

use hotline_tests::{Kamailio, Place, Sipp, Switch, turn, until};

const SOON: Duration = Duration::from_secs(30);
const TRUNK: &str = "trunks/loopback.toml";
const AREA: &str = "home_area = \"010\"";
const BOUND: (&str, &str, &str) = (
    "flows/bound.toml",
    "uri = \"sip:uas@127.0.0.1:5090\"",
    "trunk = \"loopback\", number = \"13900139000\"",
);

/// A caller of number 4000000004, whose bound phone rings; it hangs up after a second.
fn call(switch: &Switch, at: SocketAddr) {
    Sipp::at("carrier_hangs_up", Place::mine().carrier, &[])
        .traced()
        .with(&["-d", "1000"])
        .call(at, "4000000004", 1, 1)
        .succeed(SOON);
    let calls = switch.wait_calls(1, SOON);
    assert_eq!(calls[0]["result"], "answered", "{:#}", calls[0]);
}

/// What the command line says of the one trunk.
fn trunk(switch: &Switch) -> serde_json::Value {
    switch.ask(&["trunks"])[0].clone()
}

#[test]
fn a_trunk_registers_with_its_carrier_and_takes_its_binding_back_at_the_end() {
    let _turn = turn();
    let carrier = Place::free(Place::mine().phones);
    let registrar = Sipp::new("carrier_registers", carrier, &[]).traced().answer(1);
    let settings = format!(
        "{AREA}\nheartbeat_seconds = 0\nto = \"{carrier}\"\nfrom_user = \"+8675528780808\"\nfrom_domain = \"carrier.test\"\n\
         [account]\nuser = \"pilot@carrier.test\"\npassword = \"secret\"\nrealm = \"carrier.test\"\n\
         [register]\nregistrar = \"reg.carrier.test\"\n"
    );
    let switch = Switch::start(&[(TRUNK, AREA, &settings)]);
    until("the registration", SOON, || (trunk(&switch)["registered"] == true).then_some(()));
    assert_eq!(trunk(&switch)["up"], true);
    switch.stop();
    registrar.succeed(SOON);
}

#[test]
fn a_wrong_password_is_told_in_words_with_its_likely_cause() {
    let _turn = turn();
    let carrier = Place::free(Place::mine().phones);
    let registrar = Sipp::new("carrier_registers", carrier, &[]).traced().answer(1);
    let settings = format!(
        "{AREA}\nheartbeat_seconds = 0\nto = \"{carrier}\"\nfrom_user = \"+8675528780808\"\nfrom_domain = \"carrier.test\"\n\
         [account]\nuser = \"pilot@carrier.test\"\npassword = \"wrong\"\nrealm = \"carrier.test\"\n\
         [register]\nregistrar = \"reg.carrier.test\"\n"
    );
    let switch = Switch::start(&[(TRUNK, AREA, &settings)]);
    let error = until("the error", SOON, || trunk(&switch)["error"].as_str().map(str::to_owned));
    assert!(error.contains("403") && error.contains("密码不对"), "{error}");
    let alarms = switch.figure("hotline_trunk_alarms_total{trunk=\"loopback\",cause=\"registration\"}");
    assert!(alarms >= 1.0, "{alarms}");
    registrar.succeed(SOON);
    switch.stop();
}

#[test]
fn a_carrier_that_asks_our_call_for_its_password_is_answered() {
    let _turn = turn();
    let carrier = Place::free(Place::mine().phones);
    let settings = format!(
        "{AREA}\nheartbeat_seconds = 0\nto = \"{carrier}\"\ncaller = \"01065551234\"\ncaller_headers = [\"from\", \"pai\"]\n\
         [account]\nuser = \"pilot\"\npassword = \"secret\"\nrealm = \"carrier.test\"\n"
    );
    let switch = Switch::start(&[(TRUNK, AREA, &settings), BOUND]);
    let answering = Sipp::new("carrier_challenges", carrier, &[]).traced().answer(1);
    call(&switch, switch.sip);
    answering.succeed(SOON);
    let ways = switch.calls()[0]["segments"][0]["ways"].clone();
    assert_eq!(ways[0]["trunk"], "loopback", "{ways:#}");
    switch.stop();
}

#[test]
fn calls_go_through_an_outbound_proxy_that_stays_in_the_way_both_ways() {
    let _turn = turn();
    let (proxy, carrier) = (Place::free(Place::mine().stranger), Place::free(Place::mine().phones));
    let settings = format!(
        "{AREA}\nheartbeat_seconds = 0\noutbound_proxy = \"{proxy}\"\ndomain = \"{carrier}\"\ncaller = \"01065551234\"\n"
    );
    let switch = Switch::start(&[(TRUNK, AREA, &settings), BOUND]);
    let kamailio = Kamailio::start(proxy, switch.sip);
    let words = [("PROXY", &*proxy.to_string())];
    let answering = Sipp::new("carrier_behind_proxy", carrier, &words).traced().answer(1);
    // In by the proxy, out by the proxy.
    call(&switch, kamailio.at);
    answering.succeed(SOON);
    switch.stop();
}

#[test]
fn a_phone_behind_a_proxy_is_called_by_its_path() {
    let _turn = turn();
    let (proxy, phone) = (Place::free(Place::mine().stranger), Place::free(Place::mine().phones));
    let bound = (BOUND.0, BOUND.1, "phone = \"9001\"");
    let switch = Switch::start(&[bound]);
    let kamailio = Kamailio::start(proxy, switch.sip);
    Sipp::new("phone_registers_by_proxy", phone, &[])
        .traced()
        .reading("fields.csv", "SEQUENTIAL\n9001;[authentication username=9001 password=bench]\n")
        .call(kamailio.at, "register", 1, 1)
        .succeed(SOON);
    switch.wait_live("phones", 1, SOON);
    let words = [("PROXY", &*proxy.to_string())];
    let answering = Sipp::new("carrier_behind_proxy", phone, &words).traced().answer(1);
    call(&switch, switch.sip);
    answering.succeed(SOON);
    switch.stop();
}
