//! A thousand calls at fifty per second through menu, queue, agent and recording: nothing is lost and nothing stays.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Call, Capture, Place, Sipp, Switch, Wav, may_use_raw_sockets, turn, until,
};

const CALLS: u32 = 1_000;

#[test]
fn a_thousand_calls_leave_a_record_and_a_recording_each_and_nothing_else() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let switch = Switch::start(&[]);
    let phone = Place::free(Place::mine().phones);
    switch.register(phone, 9001..=9100);
    // The first recording opens the journal's segment, which stays open.
    batch(&switch, phone, 1);
    let before = at_rest(&switch);
    let mut after = Vec::new();
    let batches = if std::env::var_os("HOTLINE_SOAK").is_some() { 3 } else { 1 };
    for number in 1..=batches {
        batch(&switch, phone, CALLS);
        let calls = switch.wait_calls((1 + number * CALLS) as usize, Duration::from_secs(60));
        assert_eq!(calls.len(), (1 + number * CALLS) as usize, "one record per call");
        check(&calls[calls.len() - CALLS as usize..]);
        let rest = at_rest(&switch);
        eprintln!("batch {number}: {} KB, before {} KB", rest.resident, before.resident);
        assert_eq!(rest.descriptors, before.descriptors, "as before batch {number}");
        assert_eq!(rest.threads, before.threads, "as before batch {number}");
        after.push(rest.resident);
    }
    for resident in &after[1..] {
        assert!(*resident <= after[0] + 2_048, "resident KB after each batch: {after:?}");
    }
    switch.stop();
}

/// A long run: `cargo xtask soak`. `HOTLINE_BIN` names another build, such as the release.
#[test]
fn three_batches_of_ten_thousand_calls_leave_nothing() {
    if std::env::var_os("HOTLINE_SOAK").is_none() {
        return;
    }
    let _turn = turn();
    let phone = Place::free(Place::mine().phones);
    let switch = Switch::start(&[("flows/bound.toml", "127.0.0.1:5090", &phone.to_string())]);
    let before = at_rest(&switch);
    let mut after = Vec::new();
    for number in 1..=3 {
        switch.load("4000000004", phone, 10_000, 250);
        let rest = at_rest(&switch);
        eprintln!("batch {number}: {} KB, before {} KB", rest.resident, before.resident);
        // A thread of the start may still have been there before.
        assert!(rest.threads <= before.threads, "{} threads after batch {number}: {before:?}", rest.threads);
        after.push(rest);
    }
    for rest in &after[1..] {
        assert_eq!(rest.descriptors, after[0].descriptors);
        assert!(rest.resident <= after[0].resident + 2_048, "resident KB: {after:?}");
    }
    switch.stop();
}

/// Plays calls, fifty per second, until the agents have hung up on all of them.
fn batch(switch: &Switch, phone: SocketAddr, calls: u32) {
    let answering = Sipp::new("phone_hangs_up", phone, &[])
        .speaking(&Capture::default().tone(AGENT_HZ, 4_000))
        .with(&["-d", "1000"])
        .answer(calls);
    let calling = Sipp::at("carrier_stays", Place::mine().carrier, &[])
        .speaking(&Capture::default().silence(200).key(1).tone(CALLER_HZ, 10_000))
        .call(switch.sip, "4000000003", calls, 50);
    calling.succeed(Duration::from_secs(120));
    answering.succeed(Duration::from_secs(10));
}

/// What a switch at rest holds.
#[derive(Debug)]
struct Rest {
    descriptors: Vec<String>,
    threads: u64,
    /// KB.
    resident: u64,
}

/// Waits for the longest timer of a finished call, 64 s at most, and counts.
fn at_rest(switch: &Switch) -> Rest {
    for what in [
        "transactions",
        "calls",
        "calls_in_memory",
        "legs",
        "dialogs",
        "timers",
        "queue_entries",
        "offers",
        "conversations",
        "occupied_agents",
        "rooms",
        "media_ports",
        "media_sockets",
        "media_pairs_taken",
        "players",
        "recordings",
    ] {
        switch.wait_live(what, 0, Duration::from_secs(70));
    }
    // The connection that the figures came by is closed a moment after it has answered.
    let mut last = Vec::new();
    let descriptors = until("descriptors that stay", Duration::from_secs(10), || {
        let before = std::mem::replace(&mut last, descriptors(switch));
        (before == last).then_some(before)
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", switch.pid())).expect("its status");
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.split_ascii_whitespace().next().expect("a number").parse::<u64>().expect("a number")
    };
    Rest { descriptors, threads: number("Threads:"), resident: number("VmRSS:") }
}

/// What its descriptors are, in order of names.
fn descriptors(switch: &Switch) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", switch.pid()))
        .expect("its descriptors")
        .filter_map(|entry| std::fs::read_link(entry.expect("an entry").path()).ok())
        // Sockets, pipes and segments carry numbers.
        .map(|target| target.to_string_lossy().replace(|letter: char| letter.is_ascii_digit(), ""))
        .collect();
    found.sort();
    found
}

fn check(calls: &[Call]) {
    let text =
        |call: &Call, key: &str| call[key].as_str().unwrap_or_else(|| panic!("{key}: {call:#}")).to_owned();
    let mut names = HashSet::new();
    for call in calls {
        assert_eq!((&call["result"], &call["keys"]), (&"answered".into(), &"1".into()), "{call:#}");
        assert_eq!(call["recordings"].as_array().map(Vec::len), Some(1), "{call:#}");
        assert!(names.insert(text(call, "sip_call_id")), "one record per call: {call:#}");
        let wav = Wav::read(text(call, "recording").as_ref());
        let (caller, agent) =
            (Wav::tone_seconds(&wav.left, CALLER_HZ), Wav::tone_seconds(&wav.right, AGENT_HZ));
        assert!(wav.seconds() > 0.9 && agent > 0.7, "agent {agent} s of {} s: {call:#}", wav.seconds());
        // One who waited for longer than the capture has said all before.
        let spoke = call["wait_ms"].as_u64().expect("milliseconds") < 8_000;
        assert!(!spoke || caller > 0.7, "caller {caller} s of {} s: {call:#}", wav.seconds());
    }
}
