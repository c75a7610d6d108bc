//! TLS and WebSocket with real peers: baresip as the agent's phone over TLS, JsSIP as a telephone in a browser, OpenSSL's
//! eye on the certificate.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, Browser, CALLER_HZ, Capture, Certificates, Namespace, Place, Sipp, Switch, Wav,
    may_use_raw_sockets, turn, until,
};

const SOON: Duration = Duration::from_secs(30);
const SERVED: &str = "transports = [\"udp\", \"tcp\"]";

#[test]
fn baresip_over_tls_answers_the_queue_and_is_recorded() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let space = Namespace::make();
    let outside = space.outside.to_string();
    let certificates = Certificates::make(space.outside.into());
    let bind = format!("\"{}:0\"", Place::mine().switch);
    let switch = Switch::start(&[
        ("hotline.toml", &bind, &format!("\"{outside}:0\"")),
        ("hotline.toml", SERVED, &certificates.listener()),
        ("trunks/loopback.toml", "127.0.0.0/8", &format!("{outside}/32")),
    ]);
    let login = ("9001", "bench");
    let phone = Baresip::start_over_tls(&space, switch.socket("TLS"), login, AGENT_HZ, &certificates.ca());
    switch.wait_live("phones", 1, SOON);
    let speech = Capture::default().silence(400).key(1).tone(CALLER_HZ, 20_000);
    Sipp::at("carrier_speaks", space.outside, &[])
        .traced()
        .speaking(&speech)
        .with(&["-d", "6000"])
        .call(switch.sip, "4000000003", 1, 1)
        .succeed(SOON);
    let calls = switch.wait_calls(1, SOON);
    let call = &calls[0];
    assert_eq!((&call["agent"], &call["hung_up_by"]), (&"9001".into(), &"caller".into()), "{call:#}");
    let wav = Wav::read(call["recording"].as_str().expect("a recording").as_ref());
    let (caller, all) = (Wav::tone_seconds(&wav.left, CALLER_HZ), wav.seconds());
    assert!(all > 1.5 && caller > all - 0.8, "caller {caller} s of {all} s");
    assert_eq!(switch.figure("hotline_sip_streams"), 1.0, "one connection for everything");
    phone.stop();
    switch.wait_live("phones", 0, SOON);
    switch.stop();
}

#[test]
fn a_browser_registers_asks_calls_and_is_called_over_its_websocket() {
    let _turn = turn();
    let place = Place::mine();
    let certificates = Certificates::make(place.switch.into());
    let pings = "[limits]\n";
    let switch = Switch::start(&[
        ("hotline.toml", SERVED, &certificates.listener()),
        ("hotline.toml", pings, &format!("[streams]\nwebsocket_ping_seconds = 1\n\n{pings}")),
        ("flows/bound.toml", "uri = \"sip:uas@127.0.0.1:5090\"", "phone = \"9001\""),
    ]);
    for transport in ["WS", "WSS"] {
        let url = format!("{}://{}", transport.to_ascii_lowercase(), switch.socket(transport));
        let domain = place.switch.to_string();
        let mut browser = Browser::start(&url, ("9001", "bench", &domain), &certificates.ca());
        browser.wait("connected");
        browser.tell("register");
        let registered = browser.wait("registered");
        assert_eq!(registered["status"], 200);
        assert!(registered["contact"].as_str().expect("a contact").contains("transport=ws"), "{registered}");
        switch.wait_live("phones", 1, SOON);
        // Again, as browsers do before it runs out; JsSIP itself tells of the first time alone.
        let granted = || switch.figure("hotline_registers_total{status=\"2xx\"}");
        let before = granted();
        browser.tell("register");
        until("the second registration", SOON, || (granted() > before).then_some(()));
        assert_eq!(switch.live("phones"), 1.0);
        browser.tell("options 9002");
        assert_eq!(browser.wait("options")["status"], 200);
        // Media of browsers needs a gateway: the switch says so instead of connecting silence.
        browser.tell("call 4000000001");
        assert_eq!(browser.wait("call")["status"], 488);
        // RFC 7118 §6 and RFC 6455 §5.5.2.
        browser.tell("ping");
        browser.wait("pong");
        browser.wait("pinged");
        // A request to its binding comes by its own connection; nobody else could reach it.
        let carrier = Sipp::at("carrier_is_refused", place.carrier, &[("STATUS", "486")]);
        let mut calling = carrier.call(switch.sip, "4000000004", 1, 1);
        let called = browser.wait("called");
        let via = called["via"].as_str().expect("a Via");
        assert!(via.starts_with(&format!("SIP/2.0/{transport} {}", switch.socket(transport))), "{via}");
        assert!(called["contact"].as_str().expect("a Contact").contains("transport=ws"), "{called}");
        until("the carrier's end", SOON, || (!calling.is_running()).then_some(()));
        browser.tell("unregister");
        browser.wait("unregistered");
        switch.wait_live("phones", 0, SOON);
        browser.tell("quit");
        until("the connection's end", SOON, || (switch.figure("hotline_sip_streams") == 0.0).then_some(()));
    }
    switch.stop();
}

#[test]
fn a_browser_that_vanishes_is_no_longer_registered() {
    let _turn = turn();
    let place = Place::mine();
    let certificates = Certificates::make(place.switch.into());
    let switch = Switch::start(&[("hotline.toml", SERVED, &certificates.listener())]);
    let url = format!("ws://{}", switch.socket("WS"));
    let domain = place.switch.to_string();
    let mut browser = Browser::start(&url, ("9001", "bench", &domain), &certificates.ca());
    browser.wait("connected");
    browser.tell("register");
    browser.wait("registered");
    switch.wait_live("phones", 1, SOON);
    drop(browser);
    switch.wait_live("phones", 0, SOON);
    switch.stop();
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart() {
    let _turn = turn();
    let place = Place::mine();
    let certificates = Certificates::make(place.switch.into());
    let checks = "[limits]\n";
    let switch = Switch::start(&[
        ("hotline.toml", SERVED, &certificates.listener()),
        ("hotline.toml", checks, &format!("[tls]\ncheck_seconds = 1\n\n{checks}")),
    ]);
    let before = shown(switch.socket("TLS"));
    certificates.vouch(place.switch.into());
    until("the renewed certificate", SOON, || (shown(switch.socket("TLS")) != before).then_some(()));
    switch.stop();
}

/// The certificate that a TLS server shows, as OpenSSL prints it.
fn shown(server: SocketAddr) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &server.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl starts; Debian: openssl");
    client.stdin.take().expect("piped").write_all(b"Q\n").expect("it listens");
    let output = client.wait_with_output().expect("its output");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let begin = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{text}"));
    let end = text.find("-----END CERTIFICATE-----").expect("its end");
    text[begin..end].to_owned()
}
