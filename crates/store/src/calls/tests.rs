use ledger::story::{START, Story};
use ledger::{Ledger, Update};
use model::outcome::HungUpBy;

use super::*;
use crate::scratch::Scratch;

fn closed(story: &Story) -> Vec<Cdr> {
    let mut ledger = Ledger::default();
    let made = story.events.iter().filter_map(|stamped| ledger.fold(stamped));
    let closed = |update| match update {
        Update::Closed(cdr) => Some(*cdr),
        Update::Amended { .. } => None,
    };
    made.filter_map(closed).collect()
}

fn ids(cdrs: &[Cdr]) -> Vec<CallId> {
    cdrs.iter().map(|cdr| cdr.id).collect()
}

/// Four calls a minute apart: answered by 8001, by 8002, closed, and another tenant's.
async fn four(dir: &std::path::Path) -> (Store, Vec<CallId>) {
    let mut story = Story::default();
    let mut calls = vec![story.answered_call("13800138000", "8001")];
    story.wait(60_000);
    calls.push(story.answered_call("075512345678", "8002"));
    story.wait(60_000);
    calls.push(story.begin("13800138000"));
    story.end(calls[2], CallResult::Closed, HungUpBy::Switch).wait(60_000);
    story.tenant = TenantId::new("acme");
    calls.push(story.answered_call("13800138000", "8001"));
    let store = Store::open(dir).await.unwrap();
    store.upsert(&closed(&story)).await.unwrap();
    (store, calls)
}

#[tokio::test]
async fn each_filter_finds_its_calls_newest_last() {
    let dir = Scratch::new();
    let (store, calls) = four(&dir).await;
    let none = CallFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let minute = |count: i64| WallTime(START.0 + count * 60_000_000);
    for (name, filter, expected) in [
        ("all", none(), vec![0, 1, 2, 3]),
        ("tenant", CallFilter { tenant: Some(TenantId::default()), ..none() }, vec![0, 1, 2]),
        ("caller", CallFilter { caller: text("13800138000"), ..none() }, vec![0, 2, 3]),
        ("agent", CallFilter { agent: text("8002"), ..none() }, vec![1]),
        ("queue", CallFilter { queue: text("sales"), ..none() }, vec![0, 1, 3]),
        ("number", CallFilter { number: text("4008001234"), ..none() }, vec![0, 1, 2, 3]),
        ("other number", CallFilter { number: text("4008009999"), ..none() }, vec![]),
        ("result", CallFilter { result: Some(CallResult::Closed), ..none() }, vec![2]),
        ("from", CallFilter { from: Some(minute(1)), ..none() }, vec![1, 2, 3]),
        ("to", CallFilter { to: Some(minute(1)), ..none() }, vec![0]),
        ("limit", CallFilter { limit: Some(2), ..none() }, vec![2, 3]),
        ("after", CallFilter { after: Some(calls[0]), limit: Some(2), ..none() }, vec![1, 2]),
        ("after the last", CallFilter { after: Some(calls[3]), ..none() }, vec![]),
        (
            "all of them",
            CallFilter {
                tenant: Some(TenantId::default()),
                caller: text("13800138000"),
                agent: text("8001"),
                ..none()
            },
            vec![0],
        ),
        ("no injection", CallFilter { caller: text("' OR 1=1 --"), ..none() }, vec![]),
    ] {
        let expected: Vec<CallId> = expected.into_iter().map(|place: usize| calls[place]).collect();
        assert_eq!(ids(&store.calls(&filter).await.unwrap()), expected, "{name}");
    }
}

#[tokio::test]
async fn one_call_is_found_by_its_id_and_replaced_by_the_same() {
    let dir = Scratch::new();
    let (store, calls) = four(&dir).await;
    let mut cdr = store.call(calls[0]).await.unwrap().unwrap();
    assert_eq!(cdr.id, calls[0]);
    cdr.ending.result = CallResult::Voicemail;
    store.upsert(std::slice::from_ref(&cdr)).await.unwrap();
    assert_eq!(store.call(calls[0]).await.unwrap(), Some(cdr));
    assert_eq!(store.calls(&CallFilter::default()).await.unwrap().len(), 4);
    assert_eq!(store.call(CallId::from(1)).await.unwrap(), None);
}

fn millis(length: std::time::Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap()
}

async fn cdr_row<R>(store: &Store, cdr: &Cdr, columns: &str) -> R
where
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
{
    let mut question = QueryBuilder::<Sqlite>::new("SELECT ");
    question.push(columns).push(" FROM cdr WHERE id = ").push_bind(cdr.id.to_string());
    question.build_query_as().fetch_one(&store.read).await.unwrap()
}

async fn segment_row<R>(store: &Store, cdr: &Cdr, place: usize, columns: &str) -> R
where
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
{
    let mut question = QueryBuilder::<Sqlite>::new("SELECT ");
    question.push(columns).push(" FROM segment WHERE call = ").push_bind(cdr.id.to_string());
    question.push(" AND place = ").push_bind(i64::try_from(place).unwrap());
    question.build_query_as().fetch_one(&store.read).await.unwrap()
}

#[tokio::test]
async fn each_offer_has_its_segment_row_and_each_recording_its_own() {
    let dir = Scratch::new();
    let (store, calls) = four(&dir).await;
    let segments: Vec<(String, String, i64, i64)> =
        sqlx::query_as("SELECT call, agent, talk_ms, hold_ms FROM segment ORDER BY call")
            .fetch_all(&store.read)
            .await
            .unwrap();
    assert_eq!(segments[0], (calls[0].to_string(), "8001".into(), 20_000, 4_000));
    assert_eq!(segments.len(), 3);
    let cdrs = store.calls(&CallFilter::default()).await.unwrap();
    for cdr in &cdrs {
        let words: (String, Option<String>, String, String) =
            cdr_row(&store, cdr, "direction, trunk, called, hung_up_by").await;
        let trunk = cdr.parties.trunk.as_ref().map(ToString::to_string);
        let called = cdr.parties.called.to_string();
        let expected = (rows::word(&cdr.direction), trunk, called, rows::word(&cdr.ending.by));
        assert_eq!(words, expected);
        let lengths: (i64, i64, i64, i64, i64) =
            cdr_row(&store, cdr, "ended, wait_ms, ring_ms, talk_ms, hold_ms").await;
        let spans = cdr.lengths;
        let [wait, ring, talk, hold] = [spans.wait, spans.ring, spans.talk, spans.hold].map(millis);
        assert_eq!(lengths, (cdr.times.ended.0, wait, ring, talk, hold));
    }
    let said = cdrs.iter().flat_map(|cdr| cdr.segments.iter().enumerate().map(move |place| (cdr, place)));
    for (cdr, (place, segment)) in said {
        type Times = (i64, Option<i64>, Option<i64>, Option<i64>);
        let times: Times = segment_row(&store, cdr, place, "offered, rang, answered, left_at").await;
        let left = segment.left.map(|(at, _)| at.0);
        assert_eq!(
            times,
            (segment.offered.0, segment.rang.map(|at| at.0), segment.answered.map(|at| at.0), left)
        );
        let lengths: (i64, i64, i64, i64) =
            segment_row(&store, cdr, place, "ring_ms, talk_ms, hold_ms, holds").await;
        let [ring, talk, hold] = [segment.ring(), segment.talk(), segment.hold.total].map(millis);
        assert_eq!(lengths, (ring, talk, hold, i64::from(segment.hold.count)));
        let words: (String, String, String, Option<String>) =
            segment_row(&store, cdr, place, "tenant, party, reason, outcome").await;
        let outcome = segment.left.map(|(_, outcome)| serde_json::to_string(&outcome).unwrap());
        assert_eq!(
            words,
            (cdr.tenant.to_string(), segment.party.to_string(), segment.reason.to_string(), outcome)
        );
    }
    let recordings: i64 = sqlx::query_scalar("SELECT count(*) FROM recording WHERE state = 'finishing'")
        .fetch_one(&store.read)
        .await
        .unwrap();
    assert_eq!(recordings, 3);
}

#[tokio::test]
async fn past_calls_can_be_read_with_the_switch_running_and_stopped() {
    let dir = Scratch::new();
    let (store, calls) = four(&dir).await;
    let beside = Store::open_read_only(&dir).await.unwrap();
    assert_eq!(ids(&beside.calls(&CallFilter::default()).await.unwrap()), calls);
    beside.close().await;
    store.close().await;
    drop(store);
    let stopped = Store::open_read_only(&dir).await.unwrap();
    assert_eq!(ids(&stopped.calls(&CallFilter::default()).await.unwrap()), calls);
}

#[tokio::test]
async fn past_calls_can_be_read_after_the_switch_was_killed() {
    let (dir, copy) = (Scratch::new(), Scratch::new());
    let (_store, calls) = four(&dir).await;
    // What a killed process leaves: the files as they are, the write-ahead log among them.
    for name in ["hotline.db", "hotline.db-wal", "FORMAT"] {
        std::fs::copy(dir.join(name), copy.join(name)).unwrap();
    }
    let reader = Store::open_read_only(&copy).await.unwrap();
    assert_eq!(ids(&reader.calls(&CallFilter::default()).await.unwrap()), calls);
}

#[tokio::test]
async fn without_a_folder_there_is_nothing_to_read() {
    let dir = Scratch::new();
    let refused = Store::open_read_only(&dir.join("none")).await.err().unwrap();
    assert!(refused.to_string().contains("没有数据目录"), "{refused}");
}

#[tokio::test]
async fn ten_thousand_calls_are_found_by_an_index() {
    let dir = Scratch::new();
    let store = Store::open(&dir).await.unwrap();
    let mut story = Story::default();
    for number in 0..10_000 {
        let call = story.begin(&format!("138{number:08}"));
        story.end(call, CallResult::EndedInMenu, HungUpBy::Caller).wait(1_000);
    }
    store.upsert(&closed(&story)).await.unwrap();
    let tenant = Some(TenantId::default());
    let one =
        CallFilter { tenant: tenant.clone(), caller: Some("13800009999".into()), ..CallFilter::default() };
    assert_eq!(store.calls(&one).await.unwrap().len(), 1);
    let many = CallFilter { tenant, limit: Some(10_000), ..CallFilter::default() };
    assert_eq!(store.calls(&many).await.unwrap().len(), 10_000);
    for (condition, index) in [
        ("tenant = 'default' AND caller = '1' ORDER BY began DESC, id DESC", "cdr_by_caller"),
        ("tenant = 'default' AND began >= 1 ORDER BY began DESC, id DESC", "cdr_by_time"),
        ("tenant = 'default' AND agent = '8001' ORDER BY began DESC, id DESC", "cdr_by_agent"),
    ] {
        let mut explain = QueryBuilder::<Sqlite>::new("EXPLAIN QUERY PLAN SELECT json FROM cdr WHERE ");
        explain.push(condition);
        let plan: Vec<(i64, i64, i64, String)> =
            explain.build_query_as().fetch_all(&store.read).await.unwrap();
        assert!(plan.iter().any(|(.., step)| step.contains(index)), "{condition}: {plan:?}");
    }
}
