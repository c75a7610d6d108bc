//! Menus, keys, prompts, bound phones, hold, and who hears whom.

use model::event::CallFact;
use model::outcome::{CallResult, HungUpBy, Termination};
use model::say::{SayItem, Tone};
use model::{PromptName, TenantId};
use peers::{Behaviour, Command, Happening, Sound};
use sim::{Weather, World};

use crate::stage::{Stage, agent, edited, ending, folder, heard, millis, node_is, only, seconds};

fn prompts_said(world: &World, name: &str) -> usize {
    let named = |item: &SayItem| matches!(item, SayItem::Prompt(prompt) if &*prompt.name == name);
    world.said().iter().filter(|said| said.items.iter().any(named)).count()
}

#[test]
fn wrong_keys_and_silences_are_asked_again_and_then_the_call_ends() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.call("4008001234");
    stage.until_fact(seconds(10), |fact| node_is(fact, "menu"));
    stage.run(seconds(1));
    stage.press(caller, '5');
    stage.until(seconds(5), |world| prompts_said(world, "ivr_invalid") == 1);
    stage.until(seconds(15), |world| prompts_said(world, "ivr_timeout") >= 1);
    stage.until(seconds(30), |world| world.calls().is_empty());
    assert_eq!(prompts_said(&stage.world, "welcome"), 3);
    assert_eq!(prompts_said(&stage.world, "thanks_bye"), 1);
    let finished = stage.finish();
    assert_eq!(ending(only(&finished)), (CallResult::SelfServed, HungUpBy::Switch));
}

#[test]
fn a_key_typed_during_the_notice_is_kept_for_the_menu() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.call("4008001234");
    stage.until_fact(seconds(10), |fact| node_is(fact, "notice"));
    stage.run(millis(300));
    stage.press(caller, '1');
    let typed = stage.world.now();
    stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::Queued { .. }));
    // The notice lasts 2 s and is heard to its end; the menu's greeting is not.
    assert!(stage.world.now().since(typed) >= millis(1_500));
    assert!(stage.world.has(|fact| matches!(fact, CallFact::NoticePlayed)));
    stage.hang_up(caller);
    let finished = stage.finish();
    assert_eq!(only(&finished).menu.keys.len(), 1);
}

#[test]
fn a_key_during_the_greeting_counts_at_once() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.call("4008001234");
    stage.until_fact(seconds(10), |fact| node_is(fact, "menu"));
    stage.run(millis(300));
    stage.press(caller, '1');
    let typed = stage.world.now();
    stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::Queued { .. }));
    assert!(stage.world.now().since(typed) < millis(600));
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn an_extension_is_dialled_by_its_digits() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let caller = stage.call("4008001234");
    stage.until_fact(seconds(10), |fact| node_is(fact, "menu"));
    stage.press(caller, '9');
    stage.until_fact(seconds(10), |fact| node_is(fact, "extension"));
    for digit in ['8', '0', '0', '2'] {
        stage.press(caller, digit);
        stage.run(millis(400));
    }
    stage.until_fact(seconds(10), |fact| matches!(fact, CallFact::Bridged { .. }));
    let phone = stage.phone("8002");
    assert!(stage.world.peer(phone).is_in_call());
    stage.run(seconds(1));
    stage.hang_up(phone);
    stage.until(seconds(20), |world| world.calls().is_empty());
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::Answered);
}

#[test]
fn caller_and_agent_hear_each_other_but_not_while_one_holds() {
    let mut stage = Stage::ready(&["8001"]);
    let phone = stage.phone("8001");
    stage.tell(phone, Command::Say(Sound::Tone(660.0)));
    let caller = stage.talk();
    stage.tell(caller, Command::Say(Sound::Tone(440.0)));
    stage.run(millis(300));
    let since = stage.world.now();
    stage.run(seconds(3));
    assert!(heard(&stage.world, caller, 660.0, since) >= millis(2_500));
    assert!(heard(&stage.world, phone, 440.0, since) >= millis(2_500));
    for (holder, listener, own) in [(phone, caller, 660.0), (caller, phone, 440.0)] {
        stage.tell(holder, Command::Hold);
        stage.run(millis(500));
        let since = stage.world.now();
        // Longer than the media timeout: who holds need not send.
        stage.run(seconds(25));
        assert_eq!(heard(&stage.world, listener, own, since), std::time::Duration::ZERO);
        assert!(heard(&stage.world, listener, 350.0, since) >= seconds(20), "music");
        stage.tell(holder, Command::Resume);
        stage.run(millis(500));
        let since = stage.world.now();
        stage.run(seconds(2));
        assert!(heard(&stage.world, listener, own, since) >= millis(1_500));
    }
    let recording = stage.world.call_facts().find_map(|(_, fact)| match fact {
        CallFact::RecordingBegan { recording } => Some(*recording),
        _ => None,
    });
    let [left, right] = stage.world.kept(recording.expect("a recording"));
    assert!(left >= 150 && right >= 150, "{left} {right}");
    stage.hang_up(caller);
    let finished = stage.finish();
    assert!((seconds(50)..seconds(53)).contains(&only(&finished).lengths.hold));
}

#[test]
fn a_call_whose_both_sides_hold_opens_only_when_both_resume() {
    let mut stage = Stage::ready(&["8001"]);
    let phone = stage.phone("8001");
    stage.tell(phone, Command::Say(Sound::Tone(660.0)));
    let caller = stage.talk();
    stage.run(seconds(1));
    stage.tell(phone, Command::Hold);
    stage.run(seconds(1));
    stage.tell(caller, Command::Hold);
    stage.run(seconds(1));
    stage.tell(phone, Command::Resume);
    stage.run(millis(300));
    let since = stage.world.now();
    stage.run(seconds(2));
    assert_eq!(heard(&stage.world, caller, 660.0, since), std::time::Duration::ZERO);
    stage.tell(caller, Command::Resume);
    stage.run(millis(500));
    let since = stage.world.now();
    stage.run(seconds(2));
    assert!(heard(&stage.world, caller, 660.0, since) >= millis(1_500));
    stage.hang_up(phone);
    stage.run(seconds(1));
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn keys_pass_through_a_conversation_both_ways() {
    let mut stage = Stage::ready(&["8001"]);
    let phone = stage.phone("8001");
    let caller = stage.talk();
    stage.run(seconds(1));
    stage.press(caller, '7');
    stage.run(seconds(1));
    stage.press(phone, '3');
    stage.run(seconds(1));
    let keys = |peer| {
        let happened = stage.world.happened(peer).iter();
        happened.filter(|(_, happening)| matches!(happening, Happening::Key(_))).count()
    };
    assert_eq!((keys(phone), keys(caller)), (1, 1));
    stage.hang_up(caller);
    let finished = stage.finish();
    assert_eq!(only(&finished).menu.keys.len(), 1, "keys of a conversation are nobody else's business");
}

#[test]
fn a_caller_whose_media_stops_is_let_go_after_the_media_timeout() {
    for place in ["menu", "talk"] {
        let mut stage = Stage::ready(&["8001"]);
        let caller = if place == "menu" { stage.call("4008001234") } else { stage.talk() };
        stage.run(seconds(1));
        stage.tell(caller, Command::Say(Sound::Nothing));
        let since = stage.world.now();
        if place == "menu" {
            let never_sent = stage.world.peer(caller).sent_packets();
            assert!(never_sent > 0);
        }
        stage.until(seconds(60), |world| world.calls().is_empty());
        let took = stage.world.now().since(since);
        assert!(took <= seconds(22), "{place} {took:?}");
        let finished = stage.finish();
        let cdr = only(&finished);
        let natural = place == "menu" && cdr.ending.cause == Termination::FlowEnded;
        assert!(natural || cdr.ending.cause == Termination::MediaTimeout, "{place} {:?}", cdr.ending);
    }
}

#[test]
fn bound_phones_ring_in_their_order_and_the_call_is_answered_by_the_one_who_answers() {
    let mut stage = Stage::ready(&["8003"]);
    let phone = stage.phone("8003");
    stage.world.behave(phone, Behaviour::Ring);
    let mobile = stage.mobile(Behaviour::AnswerAfter(seconds(3)));
    let caller = stage.call("4008002222");
    stage.run(seconds(9));
    assert!(stage.world.has_happened(caller, &Happening::Progress(180)));
    assert!(!stage.world.has_happened(caller, &Happening::Answered));
    stage.until(seconds(10), |world| world.has_happened(caller, &Happening::Answered));
    assert!(stage.world.has_happened(phone, &Happening::Cancelled));
    stage.run(seconds(2));
    stage.hang_up(mobile);
    stage.until(seconds(5), |world| world.calls().is_empty());
    let finished = stage.finish();
    let cdr = only(&finished);
    assert_eq!((cdr.ending.result, cdr.segments.len()), (CallResult::Answered, 2));
    assert!(cdr.times.switch_answered >= cdr.times.agent_answered);
}

#[test]
fn bound_phones_that_do_not_answer_end_in_a_refusal_before_any_answer() {
    let mut stage = Stage::ready(&["8003"]);
    let phone = stage.phone("8003");
    stage.world.behave(phone, Behaviour::Refuse(486));
    stage.mobile(Behaviour::Ring);
    let caller = stage.call("4008002222");
    stage.run(seconds(15));
    assert!(stage.world.happened(caller).iter().any(|(_, h)| matches!(h, Happening::Refused(480))));
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.result, CallResult::RingNoAnswer);
    assert!(only(&finished).times.switch_answered.is_none());
}

#[test]
fn phones_that_ring_together_leave_one_conversation_and_the_caller_heard_early_media() {
    let mut stage = Stage::ready(&["8003"]);
    let phone = stage.phone("8003");
    stage.world.behave(phone, Behaviour::Ring);
    let mobile = stage.mobile(Behaviour::AnswerAfter(seconds(6)));
    let since = stage.world.now();
    let caller = stage.call("4008003333");
    stage.until(seconds(5), |world| world.has_happened(caller, &Happening::Progress(183)));
    stage.run(seconds(4));
    assert!(heard(&stage.world, caller, 450.0, since) >= millis(800), "ringback as early media");
    let ringback = SayItem::Tone(Tone::Ringback);
    assert!(stage.world.said().iter().any(|said| said.items.contains(&ringback)));
    stage.until(seconds(5), |world| world.has_happened(caller, &Happening::Answered));
    stage.run(seconds(1));
    assert!(stage.world.has_happened(phone, &Happening::Cancelled) && stage.world.peer(mobile).is_in_call());
    stage.hang_up(caller);
    let finished = stage.finish();
    let cdr = only(&finished);
    assert_eq!((cdr.ending.result, cdr.segments.len(), cdr.recordings.len()), (CallResult::Answered, 2, 1));
}

#[test]
fn phones_that_answer_together_leave_one_conversation() {
    for seed in 0..40u64 {
        let mut stage = Stage::ready_in(seed, Weather { letter: millis(3), ..Weather::FAIR }, &["8003"]);
        let phone = stage.phone("8003");
        stage.world.behave(phone, Behaviour::AnswerAfter(seconds(2)));
        let mobile = stage.mobile(Behaviour::AnswerAfter(millis(1_980 + seed)));
        let caller = stage.call("4008003333");
        stage.run(seconds(6));
        let up = [phone, mobile].iter().filter(|peer| stage.world.peer(**peer).is_in_call()).count();
        assert_eq!(up, 1, "seed {seed}");
        stage.hang_up(caller);
        let finished = stage.finish();
        assert_eq!(only(&finished).ending.result, CallResult::Answered);
        assert!(finished.cdrs[0].segments.iter().filter(|segment| segment.answered.is_some()).count() == 1);
    }
}

#[test]
fn the_agents_number_is_spoken_before_both_hear_each_other() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.talk();
    let spoken = SayItem::AgentNumber("8001".to_owned());
    assert!(stage.world.said().iter().any(|said| said.items == [spoken.clone()]));
    assert!(stage.world.agent(&agent("8001")).is_some());
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn an_agents_own_greeting_follows_the_number_and_only_callers_of_the_hotline_hear_it() {
    let welcome = SayItem::Prompt(PromptName::new(&TenantId::default(), "welcome"));
    let (path, agents) =
        edited("agents/all.toml", "range = \"8001-8004\"", "range = \"8001-8004\"\ngreeting = [\"welcome\"]");
    let mut stage = Stage::of(&folder(&[(path, &agents)]), 1, Weather::FAIR);
    stage.sign_in(&["8001", "8002"]);
    let caller = stage.talk();
    let spoken = [SayItem::AgentNumber("8001".to_owned()), welcome.clone()];
    assert!(stage.world.said().iter().any(|said| said.items == spoken), "{:?}", stage.world.said());
    stage.hang_up(caller);
    stage.run(seconds(10));
    let said = stage.world.said().len();
    let phone = stage.phone("8002");
    let bridged = |world: &World| world.count(|fact| matches!(fact, CallFact::Bridged { .. }));
    let before = bridged(&stage.world);
    stage.dial(phone, "8001");
    stage.until(seconds(10), |world| bridged(world) > before);
    assert!(stage.world.said()[said..].iter().all(|said| !said.items.contains(&welcome)));
    stage.hang_up(phone);
    stage.finish();
}

#[test]
fn a_survey_takes_the_second_chance_and_no_third() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.talk();
    stage.run(seconds(1));
    let phone = stage.phone("8001");
    stage.hang_up(phone);
    stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::SurveyAsked { .. }));
    stage.run(millis(500));
    stage.press(caller, '8');
    stage.run(seconds(2));
    stage.press(caller, '3');
    stage.until(seconds(20), |world| world.calls().is_empty());
    let finished = stage.finish();
    let answer = only(&finished).menu.survey.as_ref().and_then(|survey| survey.answer.clone());
    assert_eq!(answer.map(|answer| answer.label.to_string()), Some("不满意".to_owned()));
}
