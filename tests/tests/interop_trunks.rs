//! Trunks with real peers: SIPp as a carrier that registers us and asks for passwords, Kamailio as the outbound proxy,
//! a name server, and carriers behind TLS.

use std::net::SocketAddr;
use std::time::Duration;

use hotline_tests::{Certificates, Kamailio, NameServer, Named, Place, Sipp, Switch, Tunnel, turn, until};

const SOON: Duration = Duration::from_secs(30);
const TRUNK: &str = "trunks/loopback.toml";
const AREA: &str = "home_area = \"010\"";
const BOUND: (&str, &str, &str) = (
    "flows/bound.toml",
    "uri = \"sip:uas@127.0.0.1:5090\"",
    "trunk = \"loopback\", number = \"13900139000\"",
);

const SERVED: &str = "transports = [\"udp\", \"tcp\"]";
/// What somebody unknown is told.
const STRANGER: &str = "407";

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
fn a_challenge_for_another_realm_is_not_answered_and_is_named() {
    let _turn = turn();
    let carrier = Place::free(Place::mine().phones);
    let settings = format!(
        "{AREA}\nheartbeat_seconds = 0\nto = \"{carrier}\"\nfrom_user = \"+8675528780808\"\nfrom_domain = \"carrier.test\"\n\
         [account]\nuser = \"pilot@carrier.test\"\npassword = \"secret\"\nrealm = \"ours.test\"\n\
         [register]\nregistrar = \"reg.carrier.test\"\n"
    );
    let registrar = Sipp::new("carrier_registers", carrier, &[]).traced().answer(1);
    let switch = Switch::start(&[(TRUNK, AREA, &settings)]);
    let error = until("the error", SOON, || trunk(&switch)["error"].as_str().map(str::to_owned));
    assert!(error.contains("401") && error.contains("«carrier.test»"), "{error}");
    assert_eq!(trunk(&switch)["registered"], false);
    assert!(!registrar.messages().contains("Digest username"), "no answer to a stranger's realm");
    registrar.abandon();
    switch.stop();
}

#[test]
fn a_name_leads_by_its_services_and_past_the_one_that_is_dead() {
    let _turn = turn();
    let host = Place::mine().phones;
    let (dead, carrier) = (Place::free(host), Place::free(host));
    let names = NameServer::start(&[
        ("_sip._udp.carrier.test", Named::Service(2, carrier.port(), "sbc.carrier.test")),
        ("_sip._udp.carrier.test", Named::Service(1, dead.port(), "sbc.carrier.test")),
        ("sbc.carrier.test", Named::Address(host)),
    ]);
    let settings = format!(
        "{AREA}\nheartbeat_seconds = 0\nno_response_seconds = 1\nto = \"carrier.test\"\ncaller = \"01065551234\"\n\
         caller_headers = [\"from\", \"pai\"]\n[account]\nuser = \"pilot\"\npassword = \"secret\"\n"
    );
    let (main, limits) = ("hotline.toml", "[limits]\n");
    let switch = Switch::start(&[
        (TRUNK, AREA, &settings),
        BOUND,
        (main, limits, &format!("{}\n{limits}", names.table())),
    ]);
    // Its realm is the name: the carrier's challenge is answered because of it.
    let answering = Sipp::new("carrier_challenges", carrier, &[]).traced().answer(1);
    call(&switch, switch.sip);
    answering.succeed(SOON);
    let ways = switch.calls()[0]["segments"][0]["ways"].clone();
    assert_eq!((&ways[0]["to"], &ways[1]["to"]), (&dead.to_string().into(), &carrier.to_string().into()));
    assert!(ways[0]["failed"].is_string() && ways[1]["failed"].is_null(), "{ways:#}");
    switch.stop();
}

#[test]
fn carriers_over_tls_must_show_the_name_that_they_are_reached_by() {
    let _turn = turn();
    let host = Place::mine().phones;
    let certificates = Certificates::make(Place::mine().switch.into());
    let carrier = Place::free_stream(host);
    let answering = Sipp::new("carrier_lives", carrier, &[]).over_tcp().traced().answer(1);
    let good = Tunnel::takes_tls(host, &certificates, &["carrier.test"], carrier);
    let bad = Tunnel::takes_tls(host, &certificates, &["other.test", "sbc.wrong.test"], carrier);
    // At an address of its own: one that is connected already is used again.
    let unvouched = Tunnel::takes_tls(host, &certificates, &["untrusted.test"], carrier);
    // RFC 5922 §7.3: the name that was configured counts, not the one that a name server makes of it.
    let names = NameServer::start(&[
        ("_sips._tcp.carrier.test", Named::Service(1, good.at.port(), "sbc.elsewhere.test")),
        ("sbc.elsewhere.test", Named::Address(host)),
        ("_sips._tcp.wrong.test", Named::Service(1, bad.at.port(), "sbc.wrong.test")),
        ("sbc.wrong.test", Named::Address(host)),
        ("untrusted.test", Named::Address(host)),
    ]);
    let ca = certificates.ca();
    let trunk = |to: &str, more: &str| {
        format!(
            "interface = \"loopback\"\ntransport = \"tls\"\nto = \"{to}\"\nheartbeat_seconds = 5\n\
             heartbeat_misses = 1\n{more}"
        )
    };
    let trusting = format!("ca = \"{}\"\n", ca.display());
    let register = format!("{trusting}from_user = \"us\"\n[register]\nregistrar = \"wrong.test\"\n");
    let (main, limits) = ("hotline.toml", "[limits]\n");
    let switch = Switch::start_with(
        &[
            (main, SERVED, &certificates.listener()),
            (main, limits, &format!("{}\n{limits}", names.table())),
            (TRUNK, AREA, &format!("{AREA}\nheartbeat_seconds = 0\n")),
        ],
        &[
            ("trunks/good.toml", &trunk("carrier.test", &trusting)),
            ("trunks/wrong.toml", &trunk("wrong.test", &trusting)),
            ("trunks/unregistered.toml", &trunk("wrong.test", &register)),
            ("trunks/untrusted.toml", &trunk(&format!("untrusted.test:{}", unvouched.at.port()), "")),
        ],
    );
    let named = |name: &str| {
        let trunks = switch.ask(&["trunks"]);
        let all = trunks.as_array().expect("an array");
        all.iter().find(|trunk| trunk["name"] == name).expect("it is listed").clone()
    };
    until("the good one", SOON, || (named("good")["up"] == true).then_some(()));
    assert!(named("good")["error"].is_null());
    answering.succeed(SOON);
    for (name, cause) in [
        ("wrong", "证书上没有 «wrong.test»"),
        ("unregistered", "证书上没有 «wrong.test»"),
        ("untrusted", "签发机构不可信"),
    ] {
        let error = until(name, SOON, || {
            let seen = named(name);
            (seen["up"] == false).then(|| seen["error"].as_str().expect("an error").to_owned())
        });
        assert!(error.contains(cause), "{name}: {error}");
    }
    assert_eq!(named("unregistered")["registered"], false);
    let alarms = switch.figure("hotline_trunk_alarms_total{trunk=\"unregistered\",cause=\"registration\"}");
    assert!(alarms >= 1.0, "{alarms}");
    switch.stop();
}

#[test]
fn calls_come_and_go_over_tls_and_are_known_by_the_certificate() {
    let _turn = turn();
    let place = Place::mine();
    let certificates = Certificates::make(place.switch.into());
    let inner = Place::free_stream(place.phones);
    let outer = Tunnel::takes_tls(place.phones, &certificates, &["carrier.test"], inner);
    let names = NameServer::start(&[("carrier.test", Named::Address(place.phones))]);
    let ca = certificates.ca();
    let listener = format!(
        "{}\nclient_certificate = \"required\"\nclient_ca = \"{}\"",
        certificates.listener(),
        ca.display()
    );
    let carrier = format!(
        "interface = \"loopback\"\ntls_names = [\"carrier.test\"]\ntransport = \"tls\"\nto = \"carrier.test:{}\"\n\
         ca = \"{}\"\nheartbeat_seconds = 0\n{AREA}\n",
        outer.at.port(),
        ca.display()
    );
    let (main, limits) = ("hotline.toml", "[limits]\n");
    let bound = (BOUND.0, BOUND.1, "trunk = \"carrier\", number = \"13900139000\"");
    let switch = Switch::start_with(
        &[
            (main, SERVED, &listener),
            (main, limits, &format!("{}\n{limits}", names.table())),
            (TRUNK, "127.0.0.0/8", "192.0.2.0/24"),
            bound,
        ],
        &[("trunks/carrier.toml", &carrier)],
    );
    let at = outer.at.to_string();
    let answering = Sipp::new("carrier_over_tls", inner, &[("AT", &at)]).over_tcp().traced().answer(1);
    let tls = switch.socket("TLS");
    let known = Tunnel::gives_tls(place.carrier, &certificates, &["carrier.test"], tls);
    Sipp::new("carrier_hangs_up", Place::free_stream(place.carrier), &[])
        .over_tcp()
        .traced()
        .with(&["-d", "1000"])
        .call(known.at, "4000000004", 1, 1)
        .succeed(SOON);
    answering.succeed(SOON);
    let calls = switch.wait_calls(1, SOON);
    assert_eq!(
        (&calls[0]["result"], &calls[0]["trunk"]),
        (&"answered".into(), &"carrier".into()),
        "{:#}",
        calls[0]
    );
    assert_eq!(calls[0]["segments"][0]["ways"][0]["trunk"], "carrier", "{:#}", calls[0]);
    // The same authority vouches for another name: a stranger.
    let stranger = Tunnel::gives_tls(place.carrier, &certificates, &["other.test"], tls);
    Sipp::new("carrier_is_refused", Place::free_stream(place.carrier), &[("STATUS", STRANGER)])
        .over_tcp()
        .traced()
        .call(stranger.at, "4000000004", 1, 1)
        .succeed(SOON);
    assert_eq!(switch.calls().len(), 1);
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
