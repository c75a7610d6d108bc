//! Callers who hear music while nobody hears them: what they say is read with the music's packets, and nothing is different
//! for it.

use media::quality::Quality;
use model::say::Key;

use super::*;
use crate::ports::Reading;

const FRAME: Duration = Duration::from_millis(20);

/// A caller to whom music is played, whose source is known, and when it spoke first.
fn waiting(stand: &mut Stand, call: CallId) -> (Party, PlayId, clock::Instant) {
    let mut caller = stand.party(call, Codec::Pcma);
    let spoke = stand.clock.now();
    caller.say(440.0);
    stand.wait_for(|event| matches!(event, Event::FirstPacket { .. }));
    let music = stand.ids.mint();
    stand.net.handle(Command::Play {
        port: caller.leg,
        play: music,
        items: vec![SayItem::Prompt(PromptName::new(&TenantId::default(), "default"))],
        mode: PlayMode::Looped,
        voice: Voice { tenant: TenantId::default(), language: Language::Zh },
    });
    caller.listen();
    assert_eq!(stand.reading(&caller), Reading::WithOurs);
    (caller, music, spoke)
}

impl Stand {
    /// How the worker reads what `party` sends: whether a poll of this process knows the port's socket.
    fn reading(&self, party: &Party) -> Reading {
        let line = self.socket_of(party);
        let inode: u64 = line.split_ascii_whitespace().nth(9).unwrap().parse().unwrap();
        let watched = format!("ino:{inode:x} ");
        let polled = std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten().any(|poll| {
            // Others of this process come and go.
            let about = std::fs::read_to_string(poll.path()).unwrap_or_default();
            about.lines().any(|line| line.starts_with("tfd:") && line.contains(&watched))
        });
        if polled { Reading::AtOnce } else { Reading::WithOurs }
    }

    /// Waits until the port of `party` is read so.
    fn wait_until_read(&self, party: &Party, reading: Reading) {
        let end = self.clock.now() + PATIENCE;
        while self.reading(party) != reading {
            assert!(self.clock.now() < end, "not {reading:?}");
            std::thread::yield_now();
        }
    }

    fn quality(&self, party: &Party) -> Quality {
        self.net.handle(Command::ClosePort { port: party.leg });
        let closed =
            self.wait_for(|event| matches!(event, Event::Quality { port, .. } if *port == party.leg));
        let Event::Quality { quality, .. } = closed else { panic!("{closed:?}") };
        quality
    }
}

/// RFC 3550 A.8 by the sender's own clock: what a receiver that looks at once would find.
#[derive(Default)]
struct Jitter {
    before: Option<f64>,
    micros: f64,
    most: f64,
}

impl Jitter {
    fn sent(&mut self, at: clock::Instant, packet: usize) {
        let transit = at.as_micros() as f64 - 20_000.0 * packet as f64;
        if let Some(before) = self.before.replace(transit) {
            self.micros += ((transit - before).abs() - self.micros) / 16.0;
            self.most = self.most.max(self.micros);
        }
    }
}

/// Packets are counted and timed by when they came, not by when they were read: a caller with jitter is told from one
/// without, and both from the rhythm in which they are read.
#[test]
fn jitter_is_that_of_the_network_though_packets_are_read_later() {
    for (host, late) in [(12, Duration::ZERO), (13, Duration::from_millis(30))] {
        let mut stand = stand(host, 1);
        let call = stand.ids.mint();
        let (mut caller, _, spoke) = waiting(&mut stand, call);
        let mut sent = Jitter::default();
        sent.sent(spoke, 0);
        let began = stand.clock.now();
        for nth in 0..100u32 {
            // Each third packet is late.
            let due = began + FRAME * nth + if nth % 3 == 2 { late } else { Duration::ZERO };
            while stand.clock.now() < due {
                std::thread::yield_now();
            }
            sent.sent(stand.clock.now(), caller.sent);
            caller.say(440.0);
        }
        assert_eq!(stand.reading(&caller), Reading::WithOurs);
        let quality = stand.quality(&caller);
        assert_eq!((quality.received, quality.lost, quality.dropped), (101, 0, 0));
        let most = f64::from(quality.jitter_max_us);
        assert!((most - sent.most).abs() < 2_500.0, "{most} µs, and {} as sent", sent.most);
        stand.net.shutdown();
    }
}

#[test]
fn keys_are_heard_over_the_music_and_silence_is_noticed() {
    let mut stand = stand(14, 1);
    let call = stand.ids.mint();
    let (mut caller, ..) = waiting(&mut stand, call);
    let watch = Command::Watch { port: caller.leg, rtp_timeout: Some(Duration::from_millis(600)) };
    stand.net.handle(watch);
    // Nothing is missed as long as packets come.
    let mut pressed = None;
    stand.paced(50, || {
        let nth = caller.sent as u16;
        if (20..26).contains(&nth) {
            // RFC 4733 §2.3: «5», whose last packets say that it ended.
            let mut packet = vec![0x80, 101];
            packet.extend_from_slice(&nth.to_be_bytes());
            packet.extend_from_slice(&(20u32 * 160).to_be_bytes());
            packet.extend_from_slice(&0x1234_5678u32.to_be_bytes());
            let held = 160 * (nth - 19);
            packet.extend_from_slice(&[5, if nth >= 23 { 0x8a } else { 0x0a }]);
            packet.extend_from_slice(&held.min(640).to_be_bytes());
            caller.socket.send(&packet).unwrap();
            caller.sent += 1;
        } else {
            caller.say(440.0);
        }
        for event in stand.events.try_iter() {
            assert!(!matches!(event, Event::RtpTimeout { .. }), "it speaks");
            if let Event::Digit { key, .. } = event {
                assert!(pressed.replace(key).is_none(), "pressed once");
            }
        }
    });
    assert_eq!(pressed, Key::from_event(5));
    assert_eq!(stand.reading(&caller), Reading::WithOurs);
    stand.wait_for(|event| matches!(event, Event::RtpTimeout { .. }));
    stand.net.shutdown();
}

#[test]
fn whoever_is_heard_or_recorded_is_read_at_once_and_what_was_said_before_is_not_heard() {
    let mut stand = stand(15, 1);
    let call = stand.ids.mint();
    let (mut caller, music, _) = waiting(&mut stand, call);
    let mut agent = stand.party(call, Codec::Pcma);
    stand.settle(&agent);
    // To the queue's music, then to the agent, and both ways again.
    for round in 0..3 {
        (0..3).for_each(|_| caller.say(880.0));
        stand.net.handle(Command::StopPlay { port: caller.leg, play: music });
        stand.net.handle(Command::Hear {
            room: call,
            matrix: vec![(caller.leg, agent.leg), (agent.leg, caller.leg)],
        });
        stand.wait_until_read(&caller, Reading::AtOnce);
        stand.settle(&caller);
        agent.heard.clear();
        for _ in 0..20 {
            caller.say(440.0);
            agent.listen();
        }
        assert_eq!(agent.heard.len(), 20 * 160, "round {round}: nothing else is heard");
        assert!(agent.heard_level(880.0) < 300.0 && agent.heard_level(440.0) > 7_000.0);
        // Hold: the caller hears music, and nobody the other.
        stand.net.handle(Command::Hear { room: call, matrix: Vec::new() });
        stand.net.handle(Command::Play {
            port: caller.leg,
            play: music,
            items: vec![SayItem::Prompt(PromptName::new(&TenantId::default(), "default"))],
            mode: PlayMode::Looped,
            voice: Voice { tenant: TenantId::default(), language: Language::Zh },
        });
        stand.wait_until_read(&caller, Reading::WithOurs);
        assert_eq!(stand.reading(&agent), Reading::AtOnce);
    }
    let recording = stand.record(call, &caller, &agent);
    stand.wait_until_read(&caller, Reading::AtOnce);
    stand.net.handle(Command::StopRecording { room: call, recording });
    stand.wait_until_read(&caller, Reading::WithOurs);
    stand.net.shutdown();
}

#[test]
fn a_flood_is_read_by_and_by_and_what_came_last_is_there() {
    let mut stand = stand(16, 1);
    let call = stand.ids.mint();
    let (mut caller, ..) = waiting(&mut stand, call);
    for nth in 0..120 {
        if nth % 50 == 1 {
            caller.socket.send(&[0x80; 4_000]).unwrap();
        }
        caller.say(440.0);
    }
    // Each look reads many: a few frames are time enough.
    (0..20).for_each(|_| caller.listen());
    let quality = stand.quality(&caller);
    assert_eq!((quality.received, quality.lost), (121, 0));
    stand.net.shutdown();
}

#[test]
fn a_pair_that_waited_serves_the_next_call_at_once_and_another_worker_too() {
    let mut stand = stand_with(17, 20_000..=20_001);
    let first = stand.ids.mint();
    let (caller, ..) = waiting(&mut stand, first);
    stand.net.handle(Command::CloseRoom { room: first });
    stand.wait_until_empty();
    let end = stand.clock.now() + PATIENCE;
    while stand.net.pairs_taken() > 0 {
        assert!(stand.clock.now() < end);
        std::thread::yield_now();
    }
    let second = stand.ids.mint();
    let mut next = stand.party(second, Codec::Pcma);
    assert_eq!(next.socket.peer_addr().unwrap(), caller.socket.peer_addr().unwrap());
    stand.settle(&next);
    assert_eq!(stand.reading(&next), Reading::AtOnce);
    next.say(440.0);
    stand.wait_for(|event| matches!(event, Event::FirstPacket { room, .. } if *room == second));
    stand.net.shutdown();

    let mut stand = super::stand(18, 2);
    let (first, second) = moving::apart(&mut stand);
    let (mut caller, ..) = waiting(&mut stand, first);
    let mut agent = stand.party(second, Codec::Pcma);
    stand.net.handle(Command::MovePort { port: caller.leg, room: second });
    stand.join(second, &caller, &agent);
    assert_eq!(stand.reading(&caller), Reading::AtOnce);
    for _ in 0..5 {
        caller.say(440.0);
        agent.listen();
    }
    stand.net.shutdown();
}
