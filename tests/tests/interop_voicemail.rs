//! Voice messages with real phones: what one says is what the owner hears, a kill in the middle of a message loses nothing of
//! it, lamps and the night switch (R5, R40).

use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, CALLER_HZ, Office, Switch, Wav, may_use_raw_sockets, paced, turn, until,
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
