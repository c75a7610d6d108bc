use super::*;

use std::time::Duration;

use clock::WallTime;
use config::Sources;
use model::outcome::{CallResult, HungUpBy, Termination};
use peers::{Behaviour, Command, PeerConfig};
use sdp::Codec;

use crate::{Weather, World};

/// A call through a queue to a fixed phone, recorded, and what it left behind.
fn sound() -> History {
    let files = [
        (
            "hotline.toml",
            "[node]\ndomain = \"pbx.test\"\n[[interface]]\nname = \"a\"\nbind = \"10.0.0.1:5060\"\nrtp = \"20000-20099\"\n",
        ),
        ("trunks/ims.toml", "from = [\"198.51.100.0/24\"]\n"),
        ("numbers/n.toml", "number = \"4008001234\"\nflow = \"main\"\n"),
        ("flows/main.toml", "start = \"q\"\n[node.q]\nkind = \"queue\"\nqueue = \"sales\"\n"),
        ("queues/sales.toml", "title = \"s\"\nagents = [\"8011\"]\nagent_number = false\n"),
        ("agents/a.toml", "[[agent]]\nid = \"8011\"\nname = \"x\"\nuri = \"sip:room@192.0.2.41:5060\"\n"),
    ];
    let mut world = World::new(&Sources::from_files(files), 1, Weather::FAIR).unwrap();
    let mut peer = |user: &str, address: &str, behaviour, seed| {
        world.add_peer(PeerConfig {
            user: user.to_owned(),
            domain: address.to_owned(),
            display: None,
            sip: format!("{address}:5060").parse().unwrap(),
            rtp: format!("{address}:30000").parse().unwrap(),
            codecs: vec![Codec::Pcma],
            login: None,
            behaviour,
            seed,
        })
    };
    let caller = peer("13800138000", "198.51.100.7", Behaviour::Ring, 1);
    peer("room", "192.0.2.41", Behaviour::AnswerAfter(Duration::from_secs(1)), 2);
    let to = world.switch(0);
    world.tell(caller, Command::Call { to, user: "4008001234".to_owned() });
    assert!(world.run_until(Duration::from_secs(10), |w| w.has(|f| matches!(f, CallFact::Bridged { .. }))));
    world.run(Duration::from_secs(2));
    world.tell(caller, Command::HangUp);
    world.finish().unwrap_or_else(|failed| panic!("{failed}")).history
}

fn breaches(spoil: impl FnOnce(&mut History)) -> Vec<Breach> {
    let mut history = sound();
    spoil(&mut history);
    check(&history)
}

fn is_of_call(stamped: &model::event::Stamped, wanted: impl Fn(&CallFact) -> bool) -> bool {
    matches!(&stamped.event, Event::Call { fact, .. } if wanted(fact))
}

#[test]
fn a_sound_history_breaks_nothing() {
    let history = sound();
    assert_eq!(check(&history), []);
    assert_eq!((history.cdrs.len(), history.recordings.0.len(), history.invites.len()), (1, 1, 1));
}

#[test]
fn a_packet_that_breaks_the_rfc_is_found() {
    let no_ack = breaches(|h| {
        let answered = h.trace.iter().position(|e| e.bytes.starts_with(b"SIP/2.0 200")).unwrap();
        h.trace.truncate(answered + 1);
    });
    assert!(no_ack.iter().any(|b| matches!(b, Breach::Rfc(_))), "{no_ack:?}");
    let torn = breaches(|h| h.trace[0].bytes = h.trace[0].bytes.slice(..40));
    assert!(torn.iter().any(|b| matches!(b, Breach::Rfc(_))), "{torn:?}");
}

#[test]
fn what_is_left_behind_is_found() {
    let found = breaches(|h| h.shard.timers = 1);
    assert!(matches!(found[..], [Breach::ShardLeak(_)]), "{found:?}");
    let found = breaches(|h| h.studio.ports = 2);
    assert!(matches!(found[..], [Breach::StudioLeak(_)]), "{found:?}");
    let found = breaches(|h| h.acds[0].live.offers = 1);
    assert!(matches!(found[..], [Breach::AcdLeak(..)]), "{found:?}");
    let found = breaches(|h| h.acds[0].broken.push("two winners".to_owned()));
    assert!(matches!(found[..], [Breach::AcdBroken(..)]), "{found:?}");
    let agent = model::AgentId::new(&TenantId::default(), "8011");
    let found = breaches(|h| h.acds[0].engaged.push(agent));
    assert!(matches!(found[..], [Breach::Engaged(_)]), "{found:?}");
    let found = breaches(|h| h.in_call.push("13800138000".to_owned()));
    assert!(matches!(found[..], [Breach::PeerInCall(_)]), "{found:?}");
    let found = breaches(|h| h.incidents.push("time ran backwards".to_owned()));
    assert!(matches!(found[..], [Breach::Incident(_)]), "{found:?}");
}

#[test]
fn a_call_without_a_record_or_with_two_is_found() {
    let lost = breaches(|h| h.cdrs.clear());
    assert!(lost.iter().any(|b| matches!(b, Breach::Records { records: 0, expected: 1, .. })), "{lost:?}");
    let twice = breaches(|h| h.cdrs.push(h.cdrs[0].clone()));
    assert!(twice.iter().any(|b| matches!(b, Breach::Records { records: 2, expected: 1, .. })), "{twice:?}");
    let of_nobody = breaches(|h| h.invites.clear());
    assert!(of_nobody.iter().any(|b| matches!(b, Breach::Records { expected: 0, .. })), "{of_nobody:?}");
    let of_a_stranger = breaches(|h| h.invites[0].known = Known::No);
    assert!(of_a_stranger.iter().any(|b| matches!(b, Breach::Records { expected: 0, .. })));
}

#[test]
fn a_record_that_contradicts_itself_is_found() {
    let found = breaches(|h| h.cdrs[0].times.ended = WallTime(0));
    assert!(found.iter().any(|b| matches!(b, Breach::Record(..))), "{found:?}");
    let found = breaches(|h| h.cdrs[0].ending.result = CallResult::Screened);
    assert!(found.iter().any(|b| matches!(b, Breach::Record(..))), "{found:?}");
}

#[test]
fn a_call_that_ends_twice_or_never_is_found() {
    let ended = |fact: &CallFact| matches!(fact, CallFact::Ended { .. });
    let found = breaches(|h| h.facts.retain(|stamped| !is_of_call(stamped, ended)));
    assert!(found.iter().any(|b| matches!(b, Breach::Ends(_, 0))), "{found:?}");
    let found = breaches(|h| {
        let mut again = h.facts.iter().find(|stamped| is_of_call(stamped, ended)).unwrap().clone();
        if let Event::Call { fact, .. } = &mut again.event {
            *fact = CallFact::Ended {
                result: CallResult::Failure,
                by: HungUpBy::Switch,
                cause: Termination::Internal,
            };
        }
        h.facts.push(again);
    });
    assert!(found.iter().any(|b| matches!(b, Breach::Ends(_, 2))), "{found:?}");
}

#[test]
fn sums_that_do_not_add_up_are_found() {
    let queued = |fact: &CallFact| matches!(fact, CallFact::Queued { .. });
    let offered = |fact: &CallFact| matches!(fact, CallFact::Offered { .. });
    let found = breaches(|h| h.facts.retain(|stamped| !is_of_call(stamped, queued)));
    assert!(found.iter().any(|b| matches!(b, Breach::Figures(_))), "{found:?}");
    let found = breaches(|h| h.facts.retain(|stamped| !is_of_call(stamped, offered)));
    assert!(found.iter().any(|b| matches!(b, Breach::Figures(_))), "{found:?}");
}

#[test]
fn a_recording_without_its_end_is_found() {
    let ended = |fact: &CallFact| matches!(fact, CallFact::RecordingEnded { .. });
    let found = breaches(|h| h.facts.retain(|stamped| !is_of_call(stamped, ended)));
    assert!(matches!(found[..], [Breach::Recording(..)]), "{found:?}");
    let found = breaches(|h| h.recordings.1.clear());
    assert!(matches!(found[..], [Breach::Recording(..)]), "{found:?}");
    let began = |fact: &CallFact| matches!(fact, CallFact::RecordingBegan { .. });
    let found = breaches(|h| h.facts.retain(|stamped| !is_of_call(stamped, began)));
    assert!(found.iter().any(|b| matches!(b, Breach::Recording(..))), "{found:?}");
}
