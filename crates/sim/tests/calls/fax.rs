//! Faxes: caller and agent go over to T.38 and back, where both do it; elsewhere the call goes on in audio.

use bytes::Bytes;
use clock::Instant;
use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, Termination};
use peers::{Command, Happening, Sound};
use sdp::{MasterKey, Secrecy};
use sim::{PeerId, Weather, World};

use crate::stage::{Stage, edited, ending, folder, heard, millis, only, seconds};

const GATEWAY: &str = "a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";
const MACHINE: &str = "a=T38FaxVersion:3\r\na=T38MaxBitRate:33600\r\n";

/// A caller and agent 8001 in conversation, who have this fax.
fn talk(stage: &mut Stage, caller: Option<&str>, agent: Option<&str>) -> (PeerId, PeerId) {
    if stage.phones_called("8001").is_empty() {
        stage.sign_in(&["8001"]);
    }
    let phone = stage.phone("8001");
    let called = stage.talk();
    for (peer, terms) in [(called, caller), (phone, agent)] {
        if let Some(terms) = terms {
            stage.world.adjust(peer, |peer| peer.fax_by(terms));
        }
    }
    (called, phone)
}

fn has_fax(world: &World, peer: PeerId) -> bool {
    world.has_happened(peer, &Happening::Faxing)
}

fn came(world: &World, peer: PeerId) -> Vec<Bytes> {
    let happened = world.happened(peer).iter();
    let bytes = happened.filter_map(|(_, happening)| match happening {
        Happening::FaxCame(bytes) => Some(bytes.clone()),
        _ => None,
    });
    bytes.collect()
}

/// Each sends the other these many datagrams, which come as they were sent.
#[track_caller]
fn send_both_ways(stage: &mut Stage, (caller, agent): (PeerId, PeerId), count: u16) {
    let page = |from: u8, number: u16| Bytes::from([&number.to_be_bytes()[..], &[from, 9, 8, 7, 0]].concat());
    let before = (came(&stage.world, caller).len(), came(&stage.world, agent).len());
    for number in 0..count {
        stage.tell(caller, Command::SendFax(page(1, number)));
        stage.tell(agent, Command::SendFax(page(2, number)));
        stage.run(millis(30));
    }
    stage.run(millis(500));
    let all = |from: u8| (0..count).map(|number| page(from, number)).collect::<Vec<_>>();
    assert_eq!(came(&stage.world, caller)[before.0..], all(2));
    assert_eq!(came(&stage.world, agent)[before.1..], all(1));
}

#[track_caller]
fn talk_again(stage: &mut Stage, (caller, agent): (PeerId, PeerId)) {
    stage.tell(caller, Command::Say(Sound::Tone(440.0)));
    stage.tell(agent, Command::Say(Sound::Tone(660.0)));
    let since: Instant = stage.world.now();
    stage.run(seconds(3));
    for (listener, hz) in [(caller, 660.0), (agent, 440.0)] {
        let length = heard(&stage.world, listener, hz, since);
        assert!(length >= seconds(2), "{hz} Hz for {length:?}");
    }
}

fn facts(stage: &Stage) -> [usize; 3] {
    let count = |wanted: fn(&CallFact) -> bool| stage.world.count(wanted);
    [
        count(|fact| matches!(fact, CallFact::FaxBegan)),
        count(|fact| matches!(fact, CallFact::FaxEnded)),
        count(|fact| matches!(fact, CallFact::FaxRefused { .. })),
    ]
}

#[test]
fn either_side_asks_for_t38_and_it_passes_on_the_others_terms_until_one_goes_back() {
    for caller_asks in [true, false] {
        let mut stage = Stage::empty(3, Weather::FAIR);
        let both = talk(&mut stage, Some(GATEWAY), Some(MACHINE));
        let (asker, other) = if caller_asks { both } else { (both.1, both.0) };
        stage.tell(asker, Command::Fax);
        stage.until(seconds(3), |world| has_fax(world, asker) && has_fax(world, other));
        send_both_ways(&mut stage, both, 50);
        // A fax is silent for longer than audio may be.
        stage.run(seconds(40));
        assert!(stage.world.peer(both.0).is_in_call());
        // Whoever resumes audio takes the other along.
        stage.tell(other, Command::Resume);
        stage.run(seconds(1));
        talk_again(&mut stage, both);
        assert_eq!(facts(&stage), [1, 1, 0]);
        stage.hang_up(both.0);
        let finished = stage.finish();
        let cdr = only(&finished);
        assert_eq!(ending(cdr), (CallResult::Answered, HungUpBy::Caller));
        assert!(cdr.fax.is_some(), "it is on the record");
    }
}

#[test]
fn what_one_says_of_its_fax_the_other_is_told() {
    let mut stage = Stage::empty(3, Weather::FAIR);
    let (caller, agent) = talk(&mut stage, Some(GATEWAY), Some(MACHINE));
    stage.tell(caller, Command::Fax);
    stage.until(seconds(3), |world| has_fax(world, caller));
    let told = |peer| stage.world.peer(peer).told_of_fax().expect("a description").to_owned();
    assert!(told(agent).contains(GATEWAY), "{}", told(agent));
    assert!(told(caller).contains(MACHINE), "{}", told(caller));
    stage.hang_up(agent);
    stage.run(seconds(1));
    // The caller goes on in the survey: in audio.
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn a_side_that_does_not_do_it_is_488_and_the_call_goes_on_in_audio() {
    let off = |file, after| edited(file, after, &format!("{after}t38 = false\n"));
    let settings = [
        // The other phone refuses; the switch does not ask.
        (None, None),
        (Some(off("phones/all.toml", "max_contacts = 2\n")), Some(MACHINE)),
        (Some(off("trunks/ims.toml", "max_calls = 15\n")), Some(MACHINE)),
    ];
    for (changed, agents) in settings {
        let changed: Vec<_> = changed.iter().map(|(path, text)| (*path, &**text)).collect();
        let mut stage = Stage::of(&folder(&changed), 3, Weather::FAIR);
        let both = talk(&mut stage, Some(GATEWAY), agents);
        stage.tell(both.0, Command::Fax);
        stage.until(seconds(3), |world| world.has_happened(both.0, &Happening::OfferRefused(488)));
        assert!(!has_fax(&stage.world, both.1));
        assert_eq!(facts(&stage), [0, 0, 1]);
        talk_again(&mut stage, both);
        stage.hang_up(both.0);
        assert!(only(&stage.finish()).fax.is_none());
    }
}

#[test]
fn an_encrypted_leg_never_goes_over_to_plain_fax() {
    let phones = edited("phones/all.toml", "max_contacts = 2\n", "max_contacts = 2\nsrtp = \"required\"\n");
    let mut stage = Stage::of(&folder(&[(phones.0, &phones.1)]), 3, Weather::FAIR);
    stage.sign_in(&["8001"]);
    let phone = stage.phone("8001");
    stage.world.adjust(phone, |peer| peer.encrypt(Secrecy::Required(MasterKey([5; MasterKey::BYTES]))));
    let both = talk(&mut stage, Some(GATEWAY), Some(MACHINE));
    stage.tell(both.0, Command::Fax);
    stage.until(seconds(3), |world| world.has_happened(both.0, &Happening::OfferRefused(488)));
    talk_again(&mut stage, both);
    stage.hang_up(both.0);
    stage.finish();
}

#[test]
fn both_may_ask_at_once() {
    let mut stage = Stage::empty(3, Weather::FAIR);
    let both = talk(&mut stage, Some(GATEWAY), Some(MACHINE));
    stage.tell(both.0, Command::Fax);
    stage.tell(both.1, Command::Fax);
    stage.until(seconds(8), |world| has_fax(world, both.0) && has_fax(world, both.1));
    // Whoever met glare asks again meanwhile (RFC 3261 §14.1).
    stage.run(seconds(5));
    send_both_ways(&mut stage, both, 20);
    assert_eq!(facts(&stage)[0], 1);
    stage.hang_up(both.0);
    stage.finish();
}

#[test]
fn nobody_alone_has_fax_in_a_menu_a_queue_or_on_hold() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.call("4008001234");
    stage.world.adjust(caller, |peer| peer.fax_by(GATEWAY));
    stage.until_fact(seconds(20), |fact| crate::stage::node_is(fact, "menu"));
    stage.tell(caller, Command::Fax);
    stage.until(seconds(3), |world| world.has_happened(caller, &Happening::OfferRefused(488)));
    stage.hang_up(caller);
    stage.finish();

    let mut stage = Stage::empty(3, Weather::FAIR);
    let both = talk(&mut stage, Some(GATEWAY), Some(MACHINE));
    stage.tell(both.1, Command::Hold);
    stage.run(seconds(1));
    stage.tell(both.0, Command::Fax);
    stage.until(seconds(3), |world| world.has_happened(both.0, &Happening::OfferRefused(488)));
    stage.tell(both.1, Command::Resume);
    stage.run(seconds(1));
    talk_again(&mut stage, both);
    stage.hang_up(both.0);
    stage.finish();
}

#[test]
fn a_hold_and_a_party_that_leaves_end_the_fax_and_the_caller_hears_what_follows() {
    let mut stage = Stage::empty(3, Weather::FAIR);
    let (caller, agent) = talk(&mut stage, Some(GATEWAY), Some(MACHINE));
    stage.tell(caller, Command::Fax);
    stage.until(seconds(3), |world| has_fax(world, caller) && has_fax(world, agent));
    stage.tell(agent, Command::Hold);
    stage.run(seconds(1));
    let since = stage.world.now();
    stage.run(seconds(3));
    assert!(heard(&stage.world, caller, 350.0, since) >= seconds(2), "music on hold");
    stage.tell(agent, Command::Resume);
    stage.run(seconds(1));
    talk_again(&mut stage, (caller, agent));
    stage.tell(caller, Command::Fax);
    stage.until(seconds(3), |world| world.count(|fact| matches!(fact, CallFact::FaxBegan)) == 2);
    stage.hang_up(agent);
    stage.run(millis(500));
    let since = stage.world.now();
    stage.run(seconds(2));
    assert!(heard(&stage.world, caller, 1_000.0, since) >= seconds(1), "the survey's prompt");
    stage.hang_up(caller);
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.cause, Termination::Normal);
}

#[test]
fn a_fax_over_a_bad_network_begins_and_ends_and_leaves_nothing_behind() {
    let mut begun = 0;
    for seed in 0..10 {
        let mut stage = Stage::empty(seed, Weather::FOUL);
        let (caller, agent) = talk(&mut stage, Some(GATEWAY), Some(MACHINE));
        let (asker, other) = if seed % 2 == 0 { (caller, agent) } else { (agent, caller) };
        stage.tell(asker, Command::Fax);
        stage.run(millis(700 * seed));
        // Whatever has become of it by now: something else happens.
        match seed % 5 {
            0 => stage.hang_up(other),
            1 => stage.hang_up(asker),
            2 => stage.tell(other, Command::Hold),
            3 => stage.tell(asker, Command::Resume),
            _ => stage.tell(other, Command::Fax),
        }
        stage.run(seconds(12));
        begun += stage.world.count(|fact| matches!(fact, CallFact::FaxBegan));
        let [began, ended, _] = facts(&stage);
        assert!(began - ended <= usize::from(stage.world.peer(caller).is_in_call()), "seed {seed}");
        stage.hang_up(agent);
        stage.run(seconds(1));
        stage.hang_up(caller);
        stage.finish();
    }
    assert!(begun >= 5, "{begun} faxes");
}
