//! Recordings of calls that a power cut ends at a random moment: every one plays, a second at most is missing, and
//! `hotline recordings fsck` names what was done to files afterwards, and nothing else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Call, Capture, LOAD_CALLEE_HZ, LOAD_CALLER_HZ, Place, Sipp, SippRun, Switch, Wav,
    may_use_raw_sockets, now, seconds, turn, until, with_small_disk,
};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn recordings_survive_kill_9_at_random_moments_and_a_check_names_every_harm_done_later() {
    let _turn = turn();
    let (rounds, calls) = if std::env::var_os("HOTLINE_SOAK").is_some() { (5, 200) } else { (1, 12) };
    let phone = Place::free(Place::mine().phones);
    let bound = ("flows/bound.toml", "127.0.0.1:5090", &*phone.to_string());
    let mut switch = Switch::start(&[bound]);
    let (mut played, mut worst) = (0, 0.0_f64);
    for round in 1..=rounds {
        let (folder, killed) = talk_and_kill(switch, phone, calls);
        switch = Switch::run(folder);
        let all = switch.wait_calls((round * calls) as usize, Duration::from_secs(60));
        assert_eq!(all.len(), (round * calls) as usize, "one record each");
        for call in &all[((round - 1) * calls) as usize..] {
            worst = worst.max(lost(call, killed));
            played += 1;
        }
    }
    eprintln!("{played} of {} recordings play, at most {worst:.3} s of a tail lost", rounds * calls);
    let (code, report) = switch.answer(&["recordings", "fsck"]);
    // The sound, what happened in it, and its waveform.
    assert_eq!((code, &report["files"]), (0, &(rounds * calls * 3).into()), "{report:#}");

    let paths: Vec<PathBuf> = switch.calls().iter().map(path).collect();
    std::fs::remove_file(&paths[0]).expect("deleted");
    let content = std::fs::read(&paths[1]).expect("a recording");
    std::fs::write(&paths[1], &content[..content.len() / 2]).expect("cut");
    flip(&paths[2]);
    let aside = paths[3].with_extension("aside");
    for (from, to) in [(&paths[3], &aside), (&paths[4], &paths[3]), (&aside, &paths[4])] {
        std::fs::rename(from, to).expect("swapped");
    }
    let (code, report) = switch.answer(&["recordings", "fsck"]);
    let found = |path: &Path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let findings = report["findings"].as_array().expect("findings");
        let of_it = |finding: &&Call| finding["path"].as_str().is_some_and(|path| path.ends_with(&name));
        findings.iter().find(of_it).map(|finding| finding["problem"].clone())
    };
    let named: Vec<_> = paths[..6].iter().map(|path| found(path)).collect();
    let wanted = ["missing", "cut", "changed", "swapped", "swapped"].map(|problem| Some(problem.into()));
    assert_eq!((code, &named[..5], &named[5]), (1, &wanted[..], &None), "{report:#}");
    switch.stop();
}

#[test]
fn a_pause_is_silence_in_the_file_and_stands_on_its_timeline() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let switch = Switch::start(&[]);
    let (calling, answering) = talk(&switch, 1, "4000000003");
    switch.wait_live("recordings", 1, SOON);
    let live = switch.ask(&["calls", "live"]);
    let id = live[0]["id"].as_str().expect("a call").to_owned();
    assert_eq!(live[0]["recording"], "on");
    wait_seconds(1.0);
    switch.ask(&["recordings", "pause", &id]);
    assert_eq!(switch.ask(&["calls", "live"])[0]["recording"], "paused");
    wait_seconds(2.0);
    switch.ask(&["recordings", "resume", &id]);
    wait_seconds(1.0);
    switch.ask(&["calls", "hangup", &id]);
    calling.succeed(SOON);
    answering.succeed(SOON);
    let call = switch.wait_calls(1, SOON).remove(0);
    let wav = Wav::read(&path(&call));
    for (channel, hz) in [(&wav.left, CALLER_HZ), (&wav.right, AGENT_HZ)] {
        let missing = wav.seconds() - Wav::tone_seconds(channel, hz);
        assert!((1.9..3.5).contains(&missing), "{missing} s of {} s: {call:#}", wav.seconds());
    }
    // Beside the file, on the record, and from the API.
    let shown = switch.ask(&["calls", "show", &id]);
    let recording = &shown["recordings"][0];
    let events = recording["timeline"].as_array().expect("a timeline");
    let named: Vec<_> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(named, ["started", "mask", "unmask", "ended"], "{shown:#}");
    assert_eq!((&events[1]["cause"], &events[2]["cause"]), (&"paused".into(), &"paused".into()));
    let at = |nth: usize| events[nth]["at_ms"].as_u64().expect("a time");
    let shares = &recording["shares"];
    let share = |part: &str| shares[part].as_u64().expect("a share");
    assert!(share("masked_ms").abs_diff(at(2) - at(1)) <= 20, "{shown:#}");
    let sum = share("caller_ms") + share("persons_ms") - share("both_ms") + share("silence_ms");
    let length = recording["millis"].as_u64().expect("a length");
    assert!((sum + share("held_ms") + share("masked_ms")).abs_diff(length) <= 10, "{shown:#}");
    assert!(share("both_ms") >= 1_000, "{shown:#}");
    let id = recording["id"].as_str().expect("a recording");
    let (status, timeline) = switch.fetch(&format!("/v1/recordings/{id}/timeline"));
    let timeline: Call = serde_json::from_slice(&timeline).expect("JSON");
    assert_eq!((status, &timeline["events"]), (200, &recording["timeline"]));
    let (status, peaks) = switch.fetch(&format!("/v1/recordings/{id}/peaks"));
    // A part of a millisecond more may begin another pixel of 10 ms.
    let pixels = (peaks.len() as u64 - 24) / 4;
    assert!(
        status == 200 && (length.div_ceil(10)..=length / 10 + 1).contains(&pixels),
        "{pixels}: {length} ms"
    );
    assert_eq!(switch.fetch("/v1/recordings/0000000000001/peaks").0, 404);
    // Whoever changes what lies beside a recording is found out too.
    flip(&path(&call).with_extension("dat"));
    let (code, report) = switch.answer(&["recordings", "fsck"]);
    assert_eq!((code, &report["findings"][0]["problem"]), (1, &"changed".into()), "{report:#}");
    switch.stop();
}

#[test]
fn a_disk_that_is_full_refuses_or_goes_on_as_asked_and_no_call_in_talk_loses_a_word() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let disk = std::env::temp_dir().join(format!("hotline-small-{}", std::process::id()));
    std::fs::create_dir_all(&disk).expect("a folder");
    with_small_disk(&disk, 160, || full_disk(&disk));
    std::fs::remove_dir(&disk).expect("it is empty outside");
}

/// On `disk`, of which a segment of the journal takes 64 MiB.
fn full_disk(disk: &Path) {
    let limits = "[recordings]\nwarn_free_mib = 40\nlimit_free_mib = 20\n\n[limits]";
    let refusing = "number = \"4000000002\"\nwhen_disk_full = \"refuse\" ";
    let data = disk.join("data");
    let node = format!("[node]\ndata = \"{}\"\n\n{limits}", data.display());
    let switch = Switch::start(&[
        ("hotline.toml", "[limits]", &node),
        ("numbers/bench.toml", "number = \"4000000002\"", refusing),
    ]);
    let (calling, answering) = talk(&switch, 1, "4000000003");
    switch.wait_live("recordings", 1, SOON);
    let talks_since = now();
    wait_seconds(1.0);
    // Room for 12 MiB is below the limit.
    fill(&disk.join("filler"), disk, 12);
    refused_by("4000000002", &switch);
    let (unkept, also) = talk_again(&switch, "4000000003");
    until("both talk", SOON, || {
        let live = switch.ask(&["calls", "live"]);
        let talk = live.as_array()?.iter().filter(|call| call["state"] == "talking").count();
        (talk == 2).then_some(())
    });
    assert_eq!(switch.live("recordings"), 1.0, "it goes on without");
    unkept.abandon();
    also.abandon();
    // Nothing at all is left for two seconds of talk, then there is room again.
    fill(&disk.join("more"), disk, 0);
    wait_seconds(2.0);
    for file in ["more", "filler"] {
        std::fs::remove_file(disk.join(file)).expect("a filler");
    }
    wait_seconds(1.0);
    let live = switch.ask(&["calls", "live"]);
    for call in live.as_array().expect("calls") {
        switch.ask(&["calls", "hangup", call["id"].as_str().expect("a call")]);
    }
    let talked = now() - talks_since;
    calling.succeed(SOON);
    answering.succeed(SOON);
    let calls = switch.wait_calls(3, SOON);
    let with = |wanted: &dyn Fn(&&Call) -> bool| calls.iter().find(wanted).expect("such a call");
    let kept = with(&|call| !call["recording"].is_null());
    let wav = Wav::read(&path(kept));
    let heard = Wav::tone_seconds(&wav.left, CALLER_HZ);
    assert!(heard >= talked - 0.6, "{heard} s of {talked} s: {kept:#}");
    assert!(
        calls.iter().any(|call| !call["not_recorded"].is_null() && call["recording"].is_null()),
        "{calls:#?}"
    );
    assert!(
        calls.iter().any(|call| call["termination"]["refused"] == 503 || call["result"] == "limit"),
        "{calls:#?}"
    );
    let (code, report) = switch.answer(&["recordings", "fsck"]);
    assert_eq!(code, 0, "{report:#}");
    switch.stop();
}

/// Writes zeros to `file` until its disk has `mebibytes` left.
fn fill(file: &Path, disk: &Path, mebibytes: u64) {
    let mut out = std::fs::File::create(file).expect("a filler");
    let zeros = vec![0; 64 * 1024];
    while free(disk) > mebibytes << 20 {
        if std::io::Write::write_all(&mut out, &zeros).is_err() {
            return;
        }
    }
}

fn free(disk: &Path) -> u64 {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(disk.as_os_str().as_bytes()).expect("a path");
    // SAFETY: all zeros are a valid statvfs; the call fills it and reads a path that ends with a zero.
    let found = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::statvfs(path.as_ptr(), &raw mut found), 0);
        found
    };
    found.f_bavail * found.f_frsize
}

/// Puts a call to `number` in talk with agent 9001 on its phone.
fn talk(switch: &Switch, agents: u32, number: &str) -> (SippRun, SippRun) {
    let phone = Place::free(Place::mine().phones);
    switch.register(phone, 9001..=9000 + agents);
    talk_on(switch, phone, number)
}

/// The same with another agent.
fn talk_again(switch: &Switch, number: &str) -> (SippRun, SippRun) {
    let phone = Place::free(Place::mine().phones);
    Sipp::new("phone_registers", phone, &[])
        .reading("fields.csv", "SEQUENTIAL\n9002;[authentication username=9002 password=bench]\n")
        .call(switch.sip, "register", 1, 50)
        .succeed(SOON);
    talk_on(switch, phone, number)
}

fn talk_on(switch: &Switch, phone: SocketAddr, number: &str) -> (SippRun, SippRun) {
    let answering =
        Sipp::new("phone_listens", phone, &[]).speaking(&Capture::default().tone(AGENT_HZ, 60_000)).answer(1);
    let calling = Sipp::at("carrier_stays", Place::mine().carrier, &[])
        .speaking(&Capture::default().silence(400).key(1).tone(CALLER_HZ, 60_000))
        .call(switch.sip, number, 1, 20);
    (calling, answering)
}

/// A call that is answered by 503.
fn refused_by(number: &str, switch: &Switch) {
    until("a full disk", SOON, || (switch.figure("hotline_recording_disk_full") == 1.0).then_some(()));
    Sipp::at("carrier_is_refused", Place::mine().carrier, &[("STATUS", "503")])
        .call(switch.sip, number, 1, 1)
        .succeed(SOON);
}

fn wait_seconds(length: f64) {
    let began = now();
    until("time", SOON, || (now() - began > length).then_some(()));
}

/// Puts `calls` calls in talk and kills the switch at a moment that nobody chose. Its folder, and when.
fn talk_and_kill(switch: Switch, phone: SocketAddr, calls: u32) -> (PathBuf, f64) {
    let talk = switch.keep_talking("4000000002", phone, calls, 20);
    switch.wait_growing("recordings", calls as usize, SOON);
    let all_talk = now();
    // Between two and four seconds of talk: another part of a block, and of a sync's second, in each round.
    let wait = 2.0 + all_talk * 997.0 % 2.0;
    until("a random moment", SOON, || (now() - all_talk > wait).then_some(()));
    let killed = now();
    let folder = switch.kill();
    drop(talk);
    (folder, killed)
}

/// Seconds that are missing at the end of a call's recording, which must play.
fn lost(call: &Call, killed: f64) -> f64 {
    let up = killed - seconds(call["agent_answered"].as_str().expect("a time"));
    let wav = Wav::read(&path(call));
    let lost = up - wav.seconds();
    assert!(lost <= 1.0, "{} s of {up} s: {call:#}", wav.seconds());
    let tones = [(&wav.left, LOAD_CALLER_HZ), (&wav.right, LOAD_CALLEE_HZ)];
    for (channel, hz) in tones {
        let heard = Wav::tone_seconds(channel, hz);
        // A party's first packet comes a moment behind the answer, a longer one on a busy machine.
        assert!(heard >= wav.seconds() - 1.0, "{heard} s of {hz} Hz in {} s: {call:#}", wav.seconds());
    }
    lost
}

fn path(call: &Call) -> PathBuf {
    call["recording"].as_str().unwrap_or_else(|| panic!("no recording: {call:#}")).into()
}

fn flip(path: &Path) {
    let mut content = std::fs::read(path).expect("a recording");
    let at = content.len() * 2 / 3;
    content[at] ^= 0x10;
    std::fs::write(path, content).expect("flipped");
}
