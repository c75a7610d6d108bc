//! Owns a switch that phones in a network namespace of their own reach, and a customer who calls its queue through the
//! carrier.

use std::time::Duration;

use crate::{Baresip, CALLER_HZ, Call, Capture, Namespace, Place, Sipp, SippRun, Switch, until};

const SOON: Duration = Duration::from_secs(30);

/// A switch, and the namespace of its phones.
pub struct Office {
    pub space: Namespace,
    pub switch: Switch,
}

impl Office {
    /// The bench configuration seen from outside the namespace; `changes` and `files` as [`Switch::start_with`] takes them.
    pub fn start(changes: &[(&str, &str, &str)], files: &[(&str, &str)]) -> Office {
        let space = Namespace::make();
        let outside = space.outside.to_string();
        let listener = format!("\"{}:0\"", Place::mine().switch);
        let (bind, from) = (format!("\"{outside}:0\""), format!("{outside}/32"));
        let seen = [
            ("hotline.toml", listener.as_str(), bind.as_str()),
            ("trunks/loopback.toml", "127.0.0.0/8", from.as_str()),
        ];
        let switch = Switch::start_with(&[&seen, changes].concat(), files);
        Office { space, switch }
    }

    /// A phone that answers by itself and says `hz`.
    pub fn phone(&self, user: &str, hz: f64) -> Baresip {
        Baresip::start(&self.space, self.switch.sip, user, "bench", hz)
    }

    /// A customer who calls the queue, speaks, and hangs up `millis` after the menu answered.
    pub fn carrier(&self, millis: &str) -> SippRun {
        self.carrier_of("carrier_speaks", millis, &[])
    }

    /// A customer who does what this SIPp scenario says, its first pause `millis` long.
    pub fn carrier_of(&self, scenario: &str, millis: &str, words: &[(&str, &str)]) -> SippRun {
        let speech = Capture::default().silence(400).key(1).tone(CALLER_HZ, 60_000);
        Sipp::at(scenario, self.space.outside, words).traced().speaking(&speech).with(&["-d", millis]).call(
            self.switch.sip,
            "4000000003",
            1,
            1,
        )
    }

    /// Such a customer once somebody talks with them; and the call.
    pub fn customer(&self, millis: &str) -> (SippRun, String) {
        (self.carrier(millis), self.conversation())
    }

    /// The one call that is up, once somebody talks in it.
    pub fn conversation(&self) -> String {
        until("a conversation", SOON, || {
            let calls = self.switch.ask(&["calls", "live"]);
            let call = calls.as_array()?.first()?;
            (call["state"] == "talking").then(|| call["id"].as_str().map(str::to_owned)).flatten()
        })
    }

    /// Waits until the call's story says so.
    pub fn explained(&self, call: &str, words: &str) {
        until(words, SOON, || {
            let told = self.switch.answer(&["calls", "explain", call]).1.to_string();
            told.contains(words).then_some(())
        });
    }

    /// The record of `call`, once there are exactly `records`.
    pub fn record(&self, records: usize, call: &str) -> Call {
        let calls = self.switch.wait_calls(records, SOON);
        assert_eq!(calls.len(), records, "{calls:#?}");
        calls.into_iter().find(|record| record["id"] == call).expect("the customer's record")
    }
}
