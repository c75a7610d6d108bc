//! SRTP over sockets: whoever can send from a party's own address, but has not its keys, is heard nowhere.

use media::srtp::Secured;
use sdp::{MasterKey, Srtp, Suite};

use super::*;

const OURS: MasterKey = MasterKey([1; MasterKey::BYTES]);
const THEIRS: MasterKey = MasterKey([2; MasterKey::BYTES]);
const NOBODYS: MasterKey = MasterKey([3; MasterKey::BYTES]);

const STEPS: u64 = 60;

/// What became of a call that was sprayed.
struct Outcome {
    agent: Party,
    /// The caller's channel of the recording.
    left: Vec<i16>,
    quality: media::quality::Quality,
}

/// The caller speaks 440 Hz with its keys. A sprayer at its address is always first: it sends 1,000 Hz with `key` in the
/// caller's own stream and numbers; and everything of the caller's again, as it was and with another tag.
fn sprayed(host: u8, key: MasterKey) -> Outcome {
    let mut stand = stand(host, 1);
    let call = stand.ids.mint();
    let (mut caller, mut agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
    let side = |ours, theirs| Srtp { suite: Suite::Aes128Sha1Tag80, ours, theirs };
    let negotiated = Negotiated {
        srtp: Some(side(OURS, THEIRS)),
        // Relayed packet by packet: nothing of it hangs on when a packet comes.
        keys: KeyWay::Events,
        ..Negotiated::plain(caller.socket.local_addr().unwrap(), Codec::Pcma)
    };
    stand.net.handle(Command::Describe { port: caller.leg, negotiated });
    stand.join(call, &caller, &agent);
    let recording = stand.record(call, &caller, &agent);
    let mut keys = Secured::new(side(THEIRS, OURS)).unwrap();
    let mut sprayer = Secured::new(side(key, OURS)).unwrap();
    stand.paced(STEPS, || {
        let forged = sprayer.seal_rtp(&rtp(1_000.0, caller.sent)).unwrap();
        caller.socket.send(&forged).unwrap();
        let good = keys.seal_rtp(&rtp(440.0, caller.sent)).unwrap();
        caller.sent += 1;
        let mut changed = good.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        for datagram in [&changed[..], &good, &good] {
            caller.socket.send(datagram).unwrap();
        }
        agent.listen();
    });
    // What the last packet was followed by has been read when something later is heard.
    let last = keys.seal_rtp(&rtp(440.0, caller.sent)).unwrap();
    caller.socket.send(&last).unwrap();
    agent.listen();
    stand.net.handle(Command::StopRecording { room: call, recording });
    let [left, _] = channels(&stand.file(recording).0);
    stand.net.handle(Command::ClosePort { port: caller.leg });
    let closed = stand.wait_for(|event| matches!(event, Event::Quality { port, .. } if *port == caller.leg));
    let Event::Quality { quality, .. } = closed else { panic!("{closed:?}") };
    Outcome { agent, left, quality }
}

fn rtp(hz: f64, nth: usize) -> Vec<u8> {
    let mut packet = vec![0x80, Codec::Pcma.payload_type()];
    packet.extend_from_slice(&(nth as u16).to_be_bytes());
    packet.extend_from_slice(&(nth as u32 * 160).to_be_bytes());
    packet.extend_from_slice(&0x1234_5678u32.to_be_bytes());
    packet.extend_from_slice(&tone(hz, Codec::Pcma, nth));
    packet
}

#[test]
fn wrong_tags_and_replays_put_no_sound_into_a_call_or_its_recording_and_each_is_counted() {
    let Outcome { agent, left, quality } = sprayed(63, NOBODYS);
    assert!(agent.heard_level(440.0) > 7_000.0 && agent.heard_level(1_000.0) < 300.0);
    assert!(level(&left[800..8_800], 440.0) > 6_500.0 && level(&left[800..8_800], 1_000.0) < 300.0);
    assert_eq!(quality.received, STEPS + 1);
    assert_eq!(quality.unauthentic, 3 * STEPS, "forged, changed and repeated");
    assert_eq!(quality.lost, 0);
}

#[test]
fn the_same_sprayer_with_the_right_keys_is_heard() {
    let Outcome { agent, left, quality } = sprayed(64, THEIRS);
    assert!(agent.heard_level(1_000.0) > 7_000.0 && agent.heard_level(440.0) < 300.0);
    assert!(level(&left[800..8_800], 1_000.0) > 6_500.0);
    assert_eq!(quality.unauthentic, 3 * STEPS, "changed, and the caller's own, which came second and third");
}
