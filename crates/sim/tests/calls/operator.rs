//! Reload, drain, shutdown and limits while calls are up.

use config::Sources;
use model::event::{AgentState, CallFact};
use model::outcome::{CallResult, EntryOutcome, HungUpBy, Termination};
use peers::{Behaviour, Happening};
use sim::{Weather, World};

use crate::stage::{Stage, edited, ending, folder, millis, node_is, only, seconds};

fn office_with(path: &'static str, from: &str, to: &str) -> Sources {
    let (path, text) = edited(path, from, to);
    folder(&[(path, &text)])
}

fn reload(stage: &mut Stage, sources: &Sources) {
    stage.world.reload(sources).unwrap_or_else(|wrong| panic!("{wrong:?}"));
}

#[test]
fn a_reload_leaves_calls_in_progress_alone() {
    let mut stage = Stage::ready(&["8001", "8002"]);
    let talking = stage.talk();
    let in_menu = stage.call("4008001234");
    stage.run(seconds(3));
    // The menu changes, the number is gone, the agent who talks is no longer in the queue.
    let (menu, menu_text) = edited("flows/main.toml", "keys = { 1 = \"sales\"", "keys = { 2 = \"sales\"");
    let (numbers, numbers_text) = edited("numbers/all.toml", "4008001234", "4008009999");
    let (queue, queue_text) = edited("queues/sales.toml", "[\"8001-8003\"]", "[\"8002\"]");
    reload(&mut stage, &folder(&[(menu, &menu_text), (numbers, &numbers_text), (queue, &queue_text)]));
    stage.run(seconds(1));
    assert!(stage.world.peer(talking).is_in_call());
    stage.press(in_menu, '1');
    stage.until(seconds(30), |world| world.count(|f| matches!(f, CallFact::Bridged { .. })) == 2);
    let too_late = stage.call("4008001234");
    stage.run(seconds(1));
    assert!(stage.world.has_happened(too_late, &Happening::Refused(404)));
    stage.hang_up(talking);
    stage.hang_up(in_menu);
    let finished = stage.finish();
    assert_eq!(finished.cdrs.len(), 3);
}

#[test]
fn a_queue_that_a_reload_removes_lets_its_callers_go() {
    let mut stage = Stage::ready(&["8001"]);
    stage.choose("8001", AgentState::Busy);
    let caller = stage.call("4008001111");
    stage.run(seconds(2));
    let files = folder(&[
        ("flows/plain.toml", "start = \"bye\"\n[node.bye]\nkind = \"hangup\"\nsay = [\"thanks_bye\"]\n"),
        ("flows/tight.toml", "start = \"bye\"\n[node.bye]\nkind = \"hangup\"\nsay = [\"thanks_bye\"]\n"),
    ]);
    let files = Sources::from_files(
        files.files.into_iter().filter(|file| file.path != "queues/plain.toml").map(|f| (f.path, f.text)),
    );
    reload(&mut stage, &files);
    stage.until(seconds(10), |world| world.calls().is_empty());
    stage.run(millis(100));
    assert!(!stage.world.peer(caller).is_in_call());
    let finished = stage.finish();
    assert_eq!(ending(only(&finished)).1, HungUpBy::Switch);
}

#[test]
fn an_agent_whom_a_reload_removes_ends_its_conversation_in_peace() {
    let mut stage = Stage::ready(&["8001"]);
    let caller = stage.talk();
    let (agents, agents_text) = edited("agents/all.toml", "8001-8004", "8002-8004");
    let (phones, phones_text) = edited("phones/all.toml", "8001-8004", "8002-8004");
    let (sales, sales_text) = edited("queues/sales.toml", "8001-8003", "8002-8003");
    let (plain, plain_text) = edited("queues/plain.toml", "8001-8002", "8002");
    let (flow, flow_text) = edited("flows/main.toml", "8001-8004", "8002-8004");
    reload(
        &mut stage,
        &folder(&[
            (agents, &agents_text),
            (phones, &phones_text),
            (sales, &sales_text),
            (plain, &plain_text),
            (flow, &flow_text),
        ]),
    );
    stage.run(seconds(3));
    assert!(stage.world.peer(caller).is_in_call());
    let phone = stage.phone("8001");
    stage.hang_up(phone);
    stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::SurveyAsked { .. }));
    stage.hang_up(caller);
    stage.finish();
}

#[test]
fn a_reload_in_mid_ring_keeps_the_callers_place() {
    for wait in [0, 100, 1_000, 1_990, 2_000, 2_010, 2_100] {
        let mut stage = Stage::ready(&["8001", "8002"]);
        let caller = stage.call("4008001111");
        stage.until_fact(seconds(5), |fact| matches!(fact, CallFact::Offered { .. }));
        stage.run(millis(wait));
        reload(&mut stage, &office_with("queues/plain.toml", "ring_seconds = 10", "ring_seconds = 20"));
        stage.until_fact(seconds(20), |fact| matches!(fact, CallFact::Bridged { .. }));
        stage.hang_up(caller);
        let finished = stage.finish();
        assert_eq!(only(&finished).visits.len(), 1);
    }
}

#[test]
fn a_shutdown_ends_calls_in_every_state_with_a_record_each() {
    for weather in [Weather::FAIR, Weather::FOUL] {
        let mut stage = Stage::ready_in(3, weather, &["8001", "8002", "8003"]);
        stage.talk();
        let third = stage.phone("8003");
        stage.world.behave(third, Behaviour::Ring);
        stage.mobile(Behaviour::Ring);
        stage.call("4008001234");
        stage.call("4008002222");
        stage.call("4008003333");
        stage.run(seconds(3));
        stage.call("4008006666");
        stage.call("4008001111");
        stage.run(millis(900));
        stage.call("4008001234");
        stage.run(millis(6));
        let up = stage.world.calls().len();
        assert!(up >= 5, "{up}");
        stage.world.shut_down();
        stage.run(millis(1));
        assert!(stage.world.calls().is_empty());
        let late = stage.call("4008001234");
        stage.run(seconds(40));
        assert!(stage.world.has_happened(late, &Happening::Refused(503)));
        let finished = stage.finish();
        assert!(finished.cdrs.len() > up);
        let by_shutdown = finished.cdrs.iter().filter(|cdr| cdr.ending.cause == Termination::Shutdown);
        assert_eq!(by_shutdown.count(), up);
    }
}

#[test]
fn a_draining_switch_takes_no_new_calls_and_ends_none() {
    let mut stage = Stage::ready(&["8001"]);
    let talking = stage.talk();
    stage.world.drain();
    let late = stage.call("4008001234");
    stage.run(seconds(2));
    assert!(stage.world.has_happened(late, &Happening::Refused(503)));
    assert!(stage.world.peer(talking).is_in_call());
    stage.hang_up(talking);
    let finished = stage.finish();
    let results: Vec<_> = finished.cdrs.iter().map(|cdr| cdr.ending.result).collect();
    assert_eq!(results, [CallResult::Limit, CallResult::Answered]);
}

#[test]
fn the_longest_duration_ends_a_call() {
    let sources = office_with("hotline.toml", "max_duration_seconds = 7200", "max_duration_seconds = 120");
    let mut stage = Stage::of(&sources, 1, Weather::FAIR);
    stage.sign_in(&["8001"]);
    stage.talk();
    stage.until(seconds(130), |world| world.calls().is_empty());
    let finished = stage.finish();
    assert_eq!(only(&finished).ending.cause, Termination::Limit);
}

#[test]
fn a_used_up_media_range_refuses_callers_and_passes_agents_over() {
    let (path, text) = edited("hotline.toml", "rtp = \"20000-20999\"", "rtp = \"20000-20003\"");
    let mut stage = Stage::of(&folder(&[(path, &text)]), 1, Weather::FAIR);
    stage.sign_in(&["8001"]);
    let first = stage.call("4008001234");
    let second = stage.call("4008001234");
    stage.run(seconds(1));
    let third = stage.call("4008001234");
    stage.run(seconds(1));
    let refused = [first, second, third]
        .iter()
        .filter(|caller| stage.world.has_happened(**caller, &Happening::Refused(503)))
        .count();
    assert_eq!(refused, 1);
    for caller in [first, second] {
        stage.hang_up(caller);
    }
    stage.run(seconds(1));
    let again = stage.call("4008001234");
    stage.until(seconds(5), |world: &World| world.count(|fact| node_is(fact, "notice")) == 3);
    stage.hang_up(again);
    assert!(!stage.world.has(|f| matches!(f, CallFact::Dequeued { outcome: EntryOutcome::Failed, .. })));
    stage.finish();
}
