//! Voice messages (留言): leaving one and hanging up at each moment, the ways that lead there, a full mailbox, hearing them by
//! code with keys and PIN, and what is on the record (R5, R53).

use model::command::MessageDeed;
use model::event::{CallFact, Event};
use model::outcome::{CallResult, HungUpBy};
use model::say::SayItem;
use model::voicemail::{MailboxFact, MessageFate};
use peers::{Behaviour, Command, Sound};
use sim::{PeerId, Weather, World};

use crate::dialling::reason;
use crate::stage::{Stage, edited, ending, folder, heard, millis, node_is, only, seconds};

const FLOW: &str = "start = \"vm\"\n[node.vm]\nkind = \"voicemail\"\nmailbox = \"600\"\nfailed = \"full\"\n\
                    [node.full]\nkind = \"hangup\"\nsay = [\"vm_full\"]\n";

/// The office, where 4008001111 leads to the mailbox 600 and is closed at night, 8001 and 8003 have their own mailboxes, and
/// calls that 8001 does not take go to its own.
fn office() -> Stage {
    office_with("min_seconds = 2\n")
}

/// The same, where the mailbox 600 has these lines.
fn office_with(lines: &str) -> Stage {
    let (numbers, all) = edited(
        "numbers/all.toml",
        "flow = \"plain\"\nrecord = \"off\"",
        "flow = \"vm\"\nrecord = \"off\"\nnight_flow = \"vm\"",
    );
    let phone = |range: &str, more: &str| {
        format!("[[phone]]\n{range}\npassword = \"secret\"\ninterface = \"phones\"\n{more}\n")
    };
    let phones = phone("user = \"8001\"", "voicemail = true")
        + &phone("user = \"8003\"", "mailbox = \"8003\"")
        + &phone("user = \"8002\"", "")
        + &phone("user = \"8004\"", "");
    let boxes = "[[mailbox]]\nrange = \"8001-8001\"\nmin_seconds = 2\nmax_seconds = 20\nmax_messages = 2\n\
                 [[mailbox]]\nname = \"8003\"\npin = \"33\"\nown_phone_asks_pin = true\n\
                 [[mailbox]]\nname = \"600\"\npin = \"4711\"\nmax_messages = 2\nkeep_days = 1\n";
    let boxes = format!("{boxes}{lines}");
    let files = [
        (numbers, &*all),
        ("phones/all.toml", &*phones),
        ("flows/vm.toml", FLOW),
        ("mailboxes/all.toml", &boxes),
    ];
    let mut stage = Stage::of(&folder(&files), 1, Weather::FAIR);
    stage.sign_in(&["8001", "8002"]);
    stage
}

fn begun(world: &World) -> usize {
    world.count(|fact| matches!(fact, CallFact::MessageBegan { .. }))
}

/// A caller who is heard after the beep.
#[track_caller]
fn after_the_beep(stage: &mut Stage, number: &str) -> PeerId {
    let before = begun(&stage.world);
    let caller = stage.call(number);
    stage.tell(caller, Command::Say(Sound::Tone(440.0)));
    stage.until(seconds(20), |world| begun(world) > before);
    caller
}

fn fates(world: &World) -> Vec<MessageFate> {
    let fate = |(_, fact): (_, &CallFact)| match fact {
        CallFact::MessageEnded { fate, .. } => Some(*fate),
        _ => None,
    };
    world.call_facts().filter_map(fate).collect()
}

fn mailbox_facts(world: &World) -> Vec<MailboxFact> {
    let fact = |event: &Event| match event {
        Event::Mailbox { fact, .. } => Some(fact.clone()),
        _ => None,
    };
    world.facts().iter().filter_map(|stamped| fact(&stamped.event)).collect()
}

/// Whether a prompt of that name was said.
fn was_said(world: &World, name: &str) -> bool {
    let is = |item: &SayItem| matches!(item, SayItem::Prompt(prompt) if prompt.as_str() == name);
    world.said().iter().any(|said| said.items.iter().any(is))
}

#[test]
fn a_message_is_what_the_caller_says_from_the_beep_to_the_hash_key() {
    let mut stage = office();
    let caller = after_the_beep(&mut stage, "4008001111");
    stage.run(seconds(5));
    stage.press(caller, '#');
    stage.run(seconds(1));
    assert!(was_said(&stage.world, "vm_leave") && was_said(&stage.world, "vm_opts"));
    stage.press(caller, '3');
    stage.run(seconds(6));
    assert!(was_said(&stage.world, "vm_saved"));
    let messages = stage.world.messages("600");
    assert_eq!(messages.len(), 1);
    let length = messages[0].millis.expect("a length");
    assert!((4_900..5_600).contains(&length), "{length}");
    let [left, right] = stage.world.kept(messages[0].recording);
    assert!(left >= 240 && right == 0, "{left} packets of the caller, {right} of others");
    let finished = stage.finish();
    let cdr = only(&finished);
    assert_eq!(ending(cdr), (CallResult::Voicemail, HungUpBy::Switch));
    // R5: the number itself is not recorded, the message is.
    assert_eq!(cdr.recordings.len(), 1);
    assert_eq!(cdr.recordings[0].id, messages[0].recording);
}

#[test]
fn who_hangs_up_has_left_a_message_if_it_was_long_enough() {
    let table = [
        (None, None, CallResult::EndedInMenu),
        (Some(millis(1_000)), Some(MessageFate::TooShort), CallResult::EndedInMenu),
        (Some(millis(3_000)), Some(MessageFate::Kept), CallResult::Voicemail),
    ];
    for (spoken, fate, result) in table {
        let mut stage = office();
        let caller = match spoken {
            // In the middle of the greeting.
            None => {
                let caller = stage.call("4008001111");
                stage.until_fact(seconds(10), |fact| node_is(fact, "vm"));
                stage.run(millis(500));
                caller
            }
            Some(length) => {
                let caller = after_the_beep(&mut stage, "4008001111");
                stage.run(length);
                caller
            }
        };
        stage.hang_up(caller);
        stage.run(seconds(1));
        assert_eq!(fates(&stage.world), fate.into_iter().collect::<Vec<_>>(), "{spoken:?}");
        assert_eq!(stage.world.messages("600").len(), usize::from(fate == Some(MessageFate::Kept)));
        let finished = stage.finish();
        assert_eq!(ending(only(&finished)), (result, HungUpBy::Caller), "{spoken:?}");
    }
}

#[test]
fn one_that_is_too_short_is_asked_for_again_three_times_and_one_that_is_too_long_is_cut() {
    let mut stage = office();
    let caller = after_the_beep(&mut stage, "4008001111");
    for more in 1..=3 {
        stage.run(millis(700));
        stage.press(caller, '#');
        if more < 3 {
            stage.until(seconds(10), |world| begun(world) > more);
        }
    }
    stage.run(seconds(5));
    assert_eq!(fates(&stage.world), [MessageFate::TooShort; 3]);
    assert!(was_said(&stage.world, "vm_short") && was_said(&stage.world, "vm_full"));
    // An extension's mailbox takes 20 s.
    let phone = stage.phone("8002");
    stage.tell(phone, Command::Say(Sound::Tone(440.0)));
    stage.dial(phone, "*998001");
    // It is asked what to do with the message, and says nothing to that.
    stage.run(seconds(60));
    assert!(!stage.world.peer(phone).is_in_call());
    let length = stage.world.messages("8001")[0].millis.expect("a length");
    assert!((19_900..20_200).contains(&length), "{length}");
    let finished = stage.finish();
    let results: Vec<CallResult> = finished.cdrs.iter().map(|cdr| cdr.ending.result).collect();
    assert_eq!(results, [CallResult::EndedInMenu, CallResult::Voicemail]);
}

#[test]
fn who_is_silent_after_speaking_has_left_a_message_and_who_never_speaks_has_not() {
    let mut stage = office();
    let caller = after_the_beep(&mut stage, "4008001111");
    stage.run(seconds(5));
    stage.tell(caller, Command::Say(Sound::Silence));
    stage.run(seconds(9));
    assert!(fates(&stage.world).is_empty(), "a pause");
    stage.run(seconds(2));
    assert_eq!(fates(&stage.world), [MessageFate::Kept]);
    // Whoever presses nothing afterwards keeps the message.
    stage.until(seconds(30), |world| was_said(world, "vm_saved"));
    stage.run(seconds(6));
    assert!(!stage.world.peer(caller).is_in_call());
    assert_eq!(stage.world.messages("600").len(), 1);
    let silent = stage.call("4008001111");
    stage.tell(silent, Command::Say(Sound::Silence));
    stage.run(seconds(60));
    assert_eq!(fates(&stage.world)[1..], [MessageFate::TooShort; 3]);
    assert!(!stage.world.peer(silent).is_in_call());
    // No packets at all are silence too.
    let mute = stage.call("4008001111");
    stage.tell(mute, Command::Say(Sound::Nothing));
    stage.run(seconds(60));
    assert!(fates(&stage.world)[4..].iter().all(|fate| *fate == MessageFate::TooShort));
    assert!(fates(&stage.world).len() > 4 && !stage.world.peer(mute).is_in_call());
    assert_eq!(stage.world.messages("600").len(), 1);
    stage.finish();
}

#[test]
fn who_hangs_up_after_a_silence_has_left_what_was_said_before_it() {
    use Sound::{Nothing, Silence};
    let voice = Sound::Tone(440.0);
    let table = [
        // Never a word, with packets and without: no message, no lamp.
        (vec![(Silence, seconds(5))], 0),
        (vec![(Nothing, seconds(5))], 0),
        (vec![(Silence, seconds(2)), (Nothing, seconds(2))], 0),
        // One second of two that a message has.
        (vec![(voice, seconds(1)), (Silence, seconds(4))], 0),
        (vec![(voice, seconds(3)), (Silence, seconds(4))], 1),
        // A thought comes first.
        (vec![(Silence, seconds(4)), (voice, seconds(1))], 1),
        (vec![(voice, seconds(1)), (Silence, seconds(3)), (voice, seconds(1))], 1),
    ];
    for (sounds, messages) in table {
        for hash in [false, true] {
            let mut stage = office();
            let caller = after_the_beep(&mut stage, "4008001111");
            for (sound, length) in &sounds {
                stage.tell(caller, Command::Say(*sound));
                stage.run(*length);
            }
            if hash {
                stage.press(caller, '#');
                stage.run(millis(500));
            }
            stage.hang_up(caller);
            stage.run(seconds(1));
            let fate = if messages == 0 { MessageFate::TooShort } else { MessageFate::Kept };
            assert_eq!(fates(&stage.world), [fate], "{sounds:?} {hash}");
            assert_eq!(stage.world.messages("600").len(), messages, "{sounds:?} {hash}");
            let finished = stage.finish();
            // R5: what came is the call's recording, message or not.
            assert_eq!(only(&finished).recordings.len(), 1, "{sounds:?}");
            let result = if messages == 0 { CallResult::EndedInMenu } else { CallResult::Voicemail };
            assert_eq!(only(&finished).ending.result, result, "{sounds:?} {hash}");
        }
    }
}

#[test]
fn a_mailbox_that_takes_messages_of_any_length_takes_none_without_a_word() {
    for (sound, messages) in [(Sound::Silence, 0), (Sound::Tone(440.0), 1)] {
        let mut stage = office_with("min_seconds = 0\nsilence_seconds = 0\n");
        let caller = after_the_beep(&mut stage, "4008001111");
        stage.tell(caller, Command::Say(sound));
        stage.run(seconds(15));
        assert!(fates(&stage.world).is_empty(), "silence does not end it");
        stage.hang_up(caller);
        stage.run(seconds(1));
        assert_eq!(stage.world.messages("600").len(), messages, "{sound:?}");
        stage.finish();
    }
}

#[test]
fn a_message_may_be_heard_and_spoken_anew_before_it_is_kept() {
    let mut stage = office();
    let caller = after_the_beep(&mut stage, "4008001111");
    stage.run(seconds(3));
    stage.press(caller, '#');
    stage.run(seconds(1));
    let first = stage.world.messages("600")[0].recording;
    // (7) In the middle of the question.
    stage.press(caller, '1');
    let is_heard = |world: &World| {
        let is = |item: &SayItem| matches!(item, SayItem::Recorded { recording, .. } if *recording == first);
        world.said().iter().any(|said| said.items.iter().any(is))
    };
    stage.until(seconds(2), is_heard);
    stage.run(seconds(2));
    // (8) The first is gone at once.
    stage.press(caller, '2');
    stage.run(millis(500));
    assert!(stage.world.messages("600").is_empty());
    assert!(
        matches!(&mailbox_facts(&stage.world)[..], [MailboxFact::Deleted { message, .. }] if *message == first)
    );
    stage.run(seconds(4));
    stage.press(caller, '#');
    stage.run(seconds(1));
    let second = stage.world.messages("600")[0].recording;
    assert_ne!(first, second);
    // (9) Another key asks again, hash keeps.
    stage.press(caller, '7');
    stage.run(seconds(1));
    stage.press(caller, '#');
    stage.run(seconds(6));
    assert!(!stage.world.peer(caller).is_in_call() && was_said(&stage.world, "vm_saved"));
    assert_eq!(stage.world.messages("600").len(), 1);
    let finished = stage.finish();
    assert_eq!(ending(only(&finished)), (CallResult::Voicemail, HungUpBy::Switch));
}

#[test]
fn who_hangs_up_instead_of_saying_what_to_do_has_left_the_message_and_anew_without_words_none() {
    for (key, result, left) in [
        (None, CallResult::Voicemail, 1),
        (Some('1'), CallResult::Voicemail, 1),
        (Some('2'), CallResult::EndedInMenu, 0),
    ] {
        let mut stage = office();
        let caller = after_the_beep(&mut stage, "4008001111");
        stage.run(seconds(3));
        stage.press(caller, '#');
        stage.run(seconds(1));
        if let Some(key) = key {
            stage.press(caller, key);
            stage.run(millis(800));
        }
        stage.hang_up(caller);
        stage.run(seconds(1));
        assert_eq!(stage.world.messages("600").len(), left, "{key:?}");
        let finished = stage.finish();
        assert_eq!(ending(only(&finished)), (result, HungUpBy::Caller), "{key:?}");
    }
}

#[test]
fn a_full_mailbox_says_so_and_messages_make_room_as_they_grow_old() {
    let mut stage = office();
    for _ in 0..2 {
        let caller = after_the_beep(&mut stage, "4008001111");
        stage.run(seconds(3));
        stage.hang_up(caller);
        stage.run(seconds(1));
    }
    let caller = stage.call("4008001111");
    stage.run(seconds(6));
    assert!(!stage.world.peer(caller).is_in_call() && was_said(&stage.world, "vm_full"));
    assert_eq!(stage.world.messages("600").len(), 2);
    stage.run(seconds(86_400));
    stage.world.tidy_mailboxes();
    assert!(stage.world.messages("600").is_empty());
    assert!(matches!(
        mailbox_facts(&stage.world)[..],
        [MailboxFact::Expired { .. }, MailboxFact::Expired { .. }]
    ));
    let finished = stage.finish();
    assert_eq!(finished.cdrs[2].ending.result, CallResult::EndedInMenu);
}

#[test]
fn calls_that_a_phone_does_not_take_go_to_its_mailbox_unless_a_flow_has_another_plan() {
    for (behaviour, code) in [
        (Some(Behaviour::Ring), None),
        (Some(Behaviour::Refuse(486)), None),
        (Some(Behaviour::Refuse(603)), None),
        (None, Some("*78")),
    ] {
        let mut stage = office();
        let (owner, colleague) = (stage.phone("8001"), stage.phone("8002"));
        if let Some(code) = code {
            stage.dial(owner, code);
            stage.run(seconds(3));
        }
        if let Some(behaviour) = behaviour {
            stage.world.behave(owner, behaviour);
        }
        stage.tell(colleague, Command::Say(Sound::Tone(440.0)));
        stage.dial(colleague, "8001");
        stage.until(seconds(40), |world| begun(world) == 1);
        stage.run(seconds(3));
        stage.hang_up(colleague);
        stage.run(seconds(1));
        assert_eq!(stage.world.messages("8001").len(), 1, "{code:?}");
        assert_eq!(&*stage.world.messages("8001")[0].caller, "8002");
        let finished = stage.finish();
        assert_eq!(finished.cdrs.last().map(|cdr| cdr.ending.result), Some(CallResult::Voicemail));
    }
    // 8002 has none, and is as unreachable as ever.
    let mut stage = office();
    let (owner, colleague) = (stage.phone("8001"), stage.phone("8002"));
    stage.world.behave(colleague, Behaviour::Refuse(486));
    stage.dial(owner, "8002");
    stage.run(seconds(3));
    assert_eq!(begun(&stage.world), 0);
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::Busy);
}

#[test]
fn a_forward_may_lead_to_a_mailbox_and_is_refused_where_there_is_none() {
    let mut stage = office();
    let (owner, colleague) = (stage.phone("8002"), stage.phone("8001"));
    for (code, status) in [("*72*98", 404), ("*72*998888", 404)] {
        stage.dial(owner, code);
        stage.run(seconds(3));
        assert!(!reason(&stage.world, status).is_empty(), "{code}");
    }
    stage.dial(owner, "*72*99600");
    stage.run(seconds(3));
    stage.tell(colleague, Command::Say(Sound::Tone(440.0)));
    stage.dial(colleague, "8002");
    stage.until(seconds(20), |world| begun(world) == 1);
    stage.run(seconds(3));
    stage.hang_up(colleague);
    stage.run(seconds(1));
    assert_eq!(stage.world.messages("600").len(), 1);
    stage.finish();
}

#[test]
fn a_night_flow_may_take_messages_and_the_record_says_message_or_closed() {
    for (spoken, result) in [(seconds(3), CallResult::Voicemail), (millis(200), CallResult::Closed)] {
        let mut stage = office();
        stage.world.turn_night("4008001111", model::night::Turn::On);
        let caller = after_the_beep(&mut stage, "4008001111");
        stage.run(spoken);
        stage.hang_up(caller);
        stage.run(seconds(1));
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, result);
    }
}

/// The office with two messages in the mailbox of 8001.
fn with_messages() -> (Stage, PeerId) {
    let mut stage = office();
    let colleague = stage.phone("8002");
    stage.tell(colleague, Command::Say(Sound::Tone(440.0)));
    for more in 0..2 {
        stage.dial(colleague, "*998001");
        stage.until(seconds(20), |world| begun(world) > more);
        stage.run(seconds(3));
        stage.hang_up(colleague);
        stage.run(seconds(1));
    }
    let owner = stage.phone("8001");
    (stage, owner)
}

#[test]
fn the_owner_hears_keeps_and_deletes_by_keys() {
    let (mut stage, owner) = with_messages();
    let ids: Vec<_> = stage.world.messages("8001").iter().map(|message| message.recording).collect();
    let since = stage.world.now();
    stage.dial(owner, "*98");
    // Recordings sound at 600 Hz for three seconds in this world.
    stage.until(seconds(20), |world| was_said(world, "vm_menu"));
    assert!(heard(&stage.world, owner, 600.0, since) >= millis(2_800));
    assert!(was_said(&stage.world, "vm_from"));
    stage.press(owner, '3');
    stage.run(seconds(1));
    stage.press(owner, '2');
    stage.run(seconds(1));
    stage.press(owner, '*');
    stage.run(seconds(4));
    assert!(!stage.world.peer(owner).is_in_call());
    let left = stage.world.messages("8001");
    assert_eq!((left.len(), left[0].recording, left[0].heard), (1, ids[1], true));
    let by = || std::sync::Arc::from("8001");
    let expected = [
        MailboxFact::Heard { message: ids[0], by: by() },
        MailboxFact::Deleted { message: ids[0], by: by() },
        MailboxFact::Heard { message: ids[1], by: by() },
    ];
    assert_eq!(mailbox_facts(&stage.world), expected);
    // An operator takes out the other one.
    stage.world.deal("8001", ids[1], MessageDeed::Delete);
    assert!(stage.world.messages("8001").is_empty());
    let finished = stage.finish();
    assert_eq!(finished.cdrs[2].ending.result, CallResult::SelfServed);
    assert!(finished.cdrs[2].recordings.is_empty(), "what is heard of a mailbox is kept nowhere");
}

#[test]
fn another_phone_needs_the_pin_and_what_is_refused_is_told() {
    let mut stage = office();
    let colleague = stage.phone("8002");
    // No PIN, no way.
    stage.dial(colleague, "*988001");
    stage.run(seconds(3));
    assert!(reason(&stage.world, 403).contains("without a PIN"));
    // It has no mailbox of its own.
    stage.dial(colleague, "*98");
    stage.run(seconds(3));
    assert!(reason(&stage.world, 404).contains("no such mailbox"));
    stage.dial(colleague, "*98600");
    stage.until(seconds(10), |world| was_said(world, "pin_enter"));
    for key in ['1', '#'] {
        stage.press(colleague, key);
        stage.run(millis(400));
    }
    for key in ['4', '7', '1', '1', '#'] {
        stage.press(colleague, key);
        stage.run(millis(400));
    }
    stage.run(seconds(1));
    assert!(was_said(&stage.world, "pin_wrong") && was_said(&stage.world, "vm_none"));
    let refused: Vec<String> = mailbox_facts(&stage.world).iter().map(|fact| format!("{fact:?}")).collect();
    assert!(refused.len() == 2 && refused[0].contains("without a PIN") && refused[1].contains("wrong PIN"));
    assert!(stage.world.call_facts().all(|(_, fact)| !matches!(fact, CallFact::KeyPressed { .. })));
    stage.run(seconds(5));
    stage.finish();
}

#[test]
fn an_own_phone_may_have_to_give_the_pin_too() {
    let mut stage = office();
    stage.sign_in(&["8003"]);
    let owner = stage.phone("8003");
    stage.dial(owner, "*98");
    stage.until(seconds(10), |world| was_said(world, "pin_enter"));
    stage.hang_up(owner);
    stage.run(seconds(1));
    stage.finish();
}

#[test]
fn a_defect_in_the_middle_of_a_message_loses_nothing_of_it() {
    let mut stage = office();
    after_the_beep(&mut stage, "4008001111");
    stage.run(seconds(3));
    let call = stage.world.calls()[0].id;
    stage.world.give_up(call);
    stage.run(seconds(1));
    assert_eq!(stage.world.messages("600").len(), 1);
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::Failure);
}
