//! Recordings of calls that a power cut ends at a random moment: every one plays, a second at most is missing, and
//! `hotline recordings fsck` names what was done to files afterwards, and nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, CALLER_HZ, Call, Capture, Place, Sipp, Switch, Wav, may_use_raw_sockets, now, seconds, turn,
    until,
};

#[test]
fn recordings_survive_kill_9_at_random_moments_and_a_check_names_every_harm_done_later() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let (rounds, calls) = if std::env::var_os("HOTLINE_SOAK").is_some() { (5, 200) } else { (1, 12) };
    let changes = ["agents/bench.toml", "queues/bench.toml", "phones/bench.toml"]
        .map(|file| (file, "9001-9100", "9001-9200"));
    let mut switch = Switch::start(&changes);
    let (mut played, mut worst) = (0, 0.0_f64);
    for round in 1..=rounds {
        let (folder, killed) = talk_and_kill(switch, calls);
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
    assert_eq!((code, &report["files"]), (0, &(rounds * calls).into()), "{report:#}");

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

/// Puts `calls` calls in talk and kills the switch at a moment that nobody chose. Its folder, and when.
fn talk_and_kill(switch: Switch, calls: u32) -> (PathBuf, f64) {
    let soon = Duration::from_secs(60);
    let phone = Place::free(Place::mine().phones);
    switch.register(phone, 9001..=9000 + calls);
    let answering = Sipp::new("phone_listens", phone, &[])
        .speaking(&Capture::default().tone(AGENT_HZ, 60_000))
        .answer(calls);
    let calling = Sipp::at("carrier_stays", Place::mine().carrier, &[])
        .speaking(&Capture::default().silence(400).key(1).tone(CALLER_HZ, 60_000))
        .call(switch.sip, "4000000003", calls, 20);
    switch.wait_live("recordings", calls as usize, soon);
    let all_talk = now();
    // Between two and four seconds of talk: another part of a block, and of a sync's second, in each round.
    let wait = 2.0 + all_talk * 997.0 % 2.0;
    until("a random moment", soon, || (now() - all_talk > wait).then_some(()));
    let killed = now();
    let folder = switch.kill();
    calling.abandon();
    answering.abandon();
    (folder, killed)
}

/// Seconds that are missing at the end of a call's recording, which must play.
fn lost(call: &Call, killed: f64) -> f64 {
    let up = killed - seconds(call["agent_answered"].as_str().expect("a time"));
    let wav = Wav::read(&path(call));
    let lost = up - wav.seconds();
    assert!(lost <= 1.0, "{} s of {up} s: {call:#}", wav.seconds());
    let tones = [(&wav.left, CALLER_HZ), (&wav.right, AGENT_HZ)];
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
