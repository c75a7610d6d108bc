//! An agent at a name (RFC 3263 §4.3): its addresses are called in turn, until one has somebody who speaks for the agent.

use sip::endpoint::Transport;
use sip::resolve::Target;

use super::*;

const FIRST: &str = "192.0.2.31:5060";
const SECOND: &str = "192.0.2.32:5060";

/// A caller for whom an agent at a name rings, at the first of its addresses.
fn ringing() -> Bench {
    let mut bench = Bench::new();
    let target = |address: &str| Target {
        transport: Transport::Udp,
        address: address.parse().unwrap(),
        name: "phones.test".into(),
    };
    bench.targets = vec![target(FIRST), target(SECOND)];
    let mut settings = acd_settings();
    settings.agents[0].target = DialTarget::Uri(Arc::from("sip:8001@phones.test"));
    settings.agents[0].sign_in = acd::SignIn::Always;
    bench.acd(acd::Input::Configure(Arc::new(settings)));
    bench.invite("4008001234");
    bench.ack();
    bench.play_out();
    assert_eq!(bench.invited(FIRST), 1);
    assert_eq!(bench.invited(SECOND), 0);
    bench
}

impl Bench {
    /// How many calls were offered to an address.
    fn invited(&self, to: &str) -> usize {
        let to: SocketAddr = to.parse().unwrap();
        let mut calls: Vec<String> = Vec::new();
        for (remote, message) in &self.sent {
            if let Message::Request(request) = message
                && request.method == sip::Method::Invite
                && *remote == to
            {
                calls.push(request.headers.text(sip::HeaderName::CallId).unwrap().to_owned());
            }
        }
        calls.sort();
        calls.dedup();
        calls.len()
    }

    fn refused(&self, with: u16) -> bool {
        self.has(|fact| matches!(fact, CallFact::OfferRefused { status, .. } if *status == Some(with)))
    }
}

#[test]
fn an_address_that_is_out_of_service_is_left_for_the_next() {
    let mut bench = ringing();
    bench.says(FIRST, 503);
    assert_eq!(bench.invited(SECOND), 1);
    assert!(!bench.has(|fact| matches!(fact, CallFact::OfferRefused { .. })), "{:#?}", bench.facts);
    bench.says(SECOND, 200);
    bench.play_out();
    assert!(bench.has(|fact| matches!(fact, CallFact::Bridged { .. })), "{:#?}", bench.facts);
}

#[test]
fn an_address_that_says_nothing_is_left_for_the_next() {
    let mut bench = ringing();
    bench.wait(Duration::from_millis(5_900));
    assert_eq!(bench.invited(SECOND), 0);
    bench.wait(Duration::from_millis(200));
    assert_eq!(bench.invited(SECOND), 1);
    bench.says(SECOND, 200);
    bench.play_out();
    assert!(bench.has(|fact| matches!(fact, CallFact::Bridged { .. })), "{:#?}", bench.facts);
}

#[test]
fn the_last_address_keeps_its_time() {
    let mut bench = ringing();
    bench.says(FIRST, 503);
    bench.wait(Duration::from_secs(10));
    bench.says(SECOND, 180);
    bench.wait(Duration::from_secs(3));
    bench.says(SECOND, 200);
    bench.play_out();
    assert!(bench.has(|fact| matches!(fact, CallFact::Bridged { .. })), "{:#?}", bench.facts);
}

#[test]
fn who_speaks_for_the_agent_speaks_for_every_address() {
    for status in [486, 500, 603] {
        let mut bench = ringing();
        bench.says(FIRST, status);
        assert_eq!(bench.invited(SECOND), 0, "{status}");
        assert!(bench.refused(status), "{status}: {:#?}", bench.facts);
    }
}

#[test]
fn a_phone_that_rang_is_not_left_for_another_address() {
    let mut bench = ringing();
    bench.says(FIRST, 180);
    bench.wait(Duration::from_secs(10));
    bench.says(FIRST, 503);
    assert_eq!(bench.invited(SECOND), 0);
    assert!(bench.refused(503), "{:#?}", bench.facts);
}
