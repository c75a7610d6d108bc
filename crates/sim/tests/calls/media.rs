//! Codecs, SRTP and keys in whole calls: what the descriptions agree on is what is heard.

use call::LiveAudio;
use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, Unheard};
use peers::{Command, Happening, Sound};
use sdp::{Codec, KeyWay, MasterKey, Secrecy};
use sim::{PeerId, Weather};

use crate::stage::{Stage, edited, ending, folder, heard, key, millis, node_is, only, seconds};

/// The office with more keys for its phones and for the carrier's trunk.
fn office(phones: &str, trunk: &str) -> Stage {
    let phones = edited("phones/all.toml", "max_contacts = 2\n", &format!("max_contacts = 2\n{phones}"));
    let trunk = edited("trunks/ims.toml", "max_calls = 15\n", &format!("max_calls = 15\n{trunk}"));
    let sources = folder(&[(phones.0, &phones.1), (trunk.0, &trunk.1)]);
    Stage::of(&sources, 7, Weather::FAIR)
}

/// A caller and an agent in conversation, each adjusted before the first description.
fn talk(
    stage: &mut Stage,
    caller: impl Fn(&mut peers::Peer),
    agent: impl Fn(&mut peers::Peer),
) -> (PeerId, PeerId) {
    stage.sign_in(&["8001"]);
    let phone = stage.phone("8001");
    stage.world.adjust(phone, agent);
    let called = stage.caller();
    stage.world.adjust(called, caller);
    stage.dial(called, "4008001234");
    stage.until_fact(seconds(20), |fact| node_is(fact, "menu"));
    stage.press(called, '1');
    stage.until_fact(seconds(40), |fact| matches!(fact, CallFact::Bridged { .. }));
    (called, phone)
}

/// Both say a tone for five seconds; both hear the other's.
#[track_caller]
fn both_hear(stage: &mut Stage, caller: PeerId, agent: PeerId) {
    stage.tell(caller, Command::Say(Sound::Tone(440.0)));
    stage.tell(agent, Command::Say(Sound::Tone(660.0)));
    let since = stage.world.now();
    stage.run(seconds(5));
    for (listener, hz) in [(caller, 660.0), (agent, 440.0)] {
        let length = heard(&stage.world, listener, hz, since);
        assert!(length >= seconds(4), "{hz} Hz for {length:?}");
    }
}

fn quoted(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcma => "pcma",
        Codec::Pcmu => "pcmu",
        Codec::G722 => "g722",
        Codec::G729 => "g729",
        Codec::Opus => "opus",
    }
}

#[test]
fn caller_and_agent_hear_each_other_in_every_pair_of_codecs_and_press_keys() {
    for (caller_codec, agent_codec) in [
        (Codec::Pcma, Codec::G722),
        (Codec::Pcma, Codec::Opus),
        (Codec::Pcmu, Codec::G729),
        (Codec::G729, Codec::Pcma),
        (Codec::Opus, Codec::G722),
        (Codec::Opus, Codec::Opus),
    ] {
        let codecs = |codec| format!("codecs = [\"{}\"]\n", quoted(codec));
        let mut stage = office(&codecs(agent_codec), &codecs(caller_codec));
        let (caller, agent) = talk(
            &mut stage,
            |peer| peer.speak_by(vec![caller_codec]),
            |peer| peer.speak_by(vec![agent_codec]),
        );
        assert_eq!(stage.world.peer(agent).agreed().map(|agreed| agreed.codec), Some(agent_codec));
        both_hear(&mut stage, caller, agent);
        stage.press(caller, '#');
        stage.press(agent, '8');
        stage.run(seconds(1));
        assert!(
            stage.world.has_happened(agent, &Happening::Key(key('#'))),
            "{caller_codec:?} {agent_codec:?}"
        );
        assert!(
            stage.world.has_happened(caller, &Happening::Key(key('8'))),
            "{caller_codec:?} {agent_codec:?}"
        );
        stage.hang_up(caller);
        let finished = stage.finish();
        let cdr = only(&finished);
        assert_eq!(ending(cdr), (CallResult::Answered, HungUpBy::Caller));
        assert!(cdr.quality.iter().all(|leg| leg.mos_centi > 350), "{:?}", cdr.quality);
    }
}

#[test]
fn no_common_codec_is_refused_with_488_and_a_record() {
    let mut stage = office("", "codecs = [\"g729\"]\n");
    let caller = stage.caller();
    stage.dial(caller, "4008001234");
    stage.until(seconds(5), |world| world.has_happened(caller, &Happening::Refused(488)));
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::Failure);
}

#[test]
fn srtp_is_spoken_where_both_can_and_refused_where_one_must() {
    let key = MasterKey([5; MasterKey::BYTES]);
    let encrypted =
        |stage: &Stage, peer| stage.world.peer(peer).agreed().is_some_and(|agreed| agreed.srtp.is_some());
    for (setting, secrecy, expected) in [
        ("optional", Secrecy::Off, false),
        ("optional", Secrecy::Optional(key), true),
        ("required", Secrecy::Required(key), true),
    ] {
        let mut stage = office(&format!("srtp = \"{setting}\"\n"), "");
        let (caller, agent) = talk(&mut stage, |_| {}, |peer| peer.encrypt(secrecy));
        assert_eq!(encrypted(&stage, agent), expected, "{setting} {secrecy:?}");
        assert!(!encrypted(&stage, caller));
        both_hear(&mut stage, caller, agent);
        assert_eq!(stage.world.peer(agent).refused_packets(), 0);
        stage.hang_up(caller);
        stage.finish();
    }
    // The carrier must encrypt and does not: never a call in plain.
    let mut stage = office("", "srtp = \"required\"\n");
    let caller = stage.caller();
    stage.dial(caller, "4008001234");
    stage.until(seconds(5), |world| world.has_happened(caller, &Happening::Refused(488)));
    stage.finish();
}

#[test]
fn keys_reach_the_menu_and_the_agent_in_every_way_from_every_way() {
    let ways = [KeyWay::Events, KeyWay::Info, KeyWay::Inband];
    for (caller_way, agent_way) in ways.iter().flat_map(|one| ways.map(|other| (*one, other))) {
        let setting = |way| match way {
            KeyWay::Info => "dtmf = \"info\"\n",
            KeyWay::Inband => "dtmf = \"inband\"\n",
            _ => "",
        };
        let mut stage = office(setting(agent_way), setting(caller_way));
        // The key 1 leads through the menu already.
        let (caller, agent) =
            talk(&mut stage, |peer| peer.press_by(caller_way), |peer| peer.press_by(agent_way));
        stage.press(caller, '7');
        stage.run(millis(600));
        stage.press(agent, '9');
        stage.run(seconds(2));
        let keys = |peer| -> Vec<Happening> {
            let happened = stage.world.happened(peer).iter().map(|(_, happening)| happening.clone());
            happened.filter(|happening| matches!(happening, Happening::Key(_))).collect()
        };
        assert_eq!(keys(agent), [Happening::Key(key('7'))], "{caller_way:?} to {agent_way:?}");
        assert_eq!(keys(caller), [Happening::Key(key('9'))], "{agent_way:?} to {caller_way:?}");
        stage.hang_up(caller);
        stage.finish();
    }
}

#[test]
fn a_caller_without_a_sound_is_marked_on_the_record() {
    let mut stage = office("", "");
    let (caller, agent) = talk(&mut stage, |_| {}, |_| {});
    stage.tell(agent, Command::Say(Sound::Tone(660.0)));
    stage.run(seconds(10));
    stage.hang_up(caller);
    stage.run(seconds(1));
    // R37: packets came from the caller all the time, and nothing was in them.
    let silent = |fact: &CallFact| matches!(fact, CallFact::Quality { silent: true, received: 300.., .. });
    assert_eq!(stage.world.count(silent), 1);
    assert_eq!(stage.world.count(|fact| matches!(fact, CallFact::Quality { silent: false, .. })), 1);
    stage.finish();
}

#[test]
fn a_call_in_which_somebody_is_not_heard_is_shown_while_it_lasts() {
    let live = |stage: &Stage| stage.world.calls()[0].audio;
    let unheard = |stage: &Stage, wanted: Unheard| {
        stage.world.count(|fact| matches!(fact, CallFact::Unheard { how, .. } if *how == wanted))
    };
    let again = |stage: &Stage| stage.world.count(|fact| matches!(fact, CallFact::HeardAgain { .. }));
    let mut stage = office("", "");
    let (caller, agent) = talk(&mut stage, |_| {}, |_| {});
    // R37, one-way: packets come from the caller, and nothing is in them.
    stage.tell(agent, Command::Say(Sound::Tone(660.0)));
    stage.run(seconds(18));
    assert_eq!((live(&stage), unheard(&stage, Unheard::NoSound)), (LiveAudio::Fine, 0));
    stage.run(seconds(4));
    assert_eq!((live(&stage), unheard(&stage, Unheard::NoSound)), (LiveAudio::CallerUnheard, 1));
    assert_eq!(stage.world.shard_live().unheard, 1);
    stage.tell(caller, Command::Say(Sound::Tone(440.0)));
    stage.run(seconds(1));
    assert_eq!((live(&stage), again(&stage)), (LiveAudio::Fine, 1));
    // Nothing comes any more: first from one side, then from both. The call is not ended so soon.
    let mut slow = office("", "");
    let (caller, agent) = talk(&mut slow, |_| {}, |_| {});
    for peer in [caller, agent] {
        slow.tell(peer, Command::Say(Sound::Tone(440.0)));
    }
    slow.run(seconds(2));
    // A hold is no silence.
    slow.tell(agent, Command::Hold);
    slow.run(seconds(60));
    assert_eq!((live(&slow), unheard(&slow, Unheard::NoPackets)), (LiveAudio::Fine, 0));
    slow.tell(agent, Command::Resume);
    slow.run(seconds(5));
    assert_eq!(live(&slow), LiveAudio::Fine);
    slow.hang_up(caller);
    slow.finish();
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn the_alarms_time_is_the_operators_and_none_is_none() {
    for (setting, expected) in [("5", LiveAudio::NobodyHeard), ("0", LiveAudio::Fine)] {
        let hotline = edited(
            "hotline.toml",
            "rtp_timeout_seconds = 20",
            &format!("rtp_timeout_seconds = 20\nsilence_alarm_seconds = {setting}"),
        );
        let mut stage = Stage::of(&folder(&[(hotline.0, &hotline.1)]), 7, Weather::FAIR);
        let (caller, agent) = talk(&mut stage, |_| {}, |_| {});
        for peer in [caller, agent] {
            stage.tell(peer, Command::Say(Sound::Nothing));
        }
        stage.run(seconds(7));
        assert_eq!(stage.world.calls()[0].audio, expected, "{setting}");
        let told = |fact: &CallFact| matches!(fact, CallFact::Unheard { how: Unheard::NoPackets, .. });
        assert_eq!(stage.world.count(told), if setting == "5" { 2 } else { 0 });
        stage.hang_up(caller);
        let finished = stage.finish();
        let marked = only(&finished).quality.iter().filter(|leg| leg.went_silent).count();
        assert_eq!(marked, if setting == "5" { 2 } else { 0 }, "on the record");
    }
}
