use ledger::story::Story;
use ledger::{Ledger, Update};
use sqlx::sqlite::SqlitePoolOptions;

use super::*;
use crate::scratch::Scratch;
use crate::{CallFilter, OpenError, Store, rows};

/// A database as a program left it that knew the first `version` migrations, with a call where it could hold one.
async fn old_database(dir: &std::path::Path, version: i64) -> ledger::Cdr {
    drop(crate::DataDir::own(dir).unwrap());
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(dir.join("hotline.db")).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    migrate_to(&mut connection, version).await.unwrap();
    let mut story = Story::default();
    story.answered_call("1", "8001");
    let mut ledger = Ledger::default();
    let closed = story.events.iter().find_map(|stamped| ledger.fold(stamped));
    let Some(Update::Closed(cdr)) = closed else { panic!("{closed:?}") };
    match version {
        0 => {}
        1..6 => put_by(WITH_ALL_COLUMNS, &mut connection, &cdr).await,
        6 => put_by(INTO_CDR, &mut connection, &cdr).await,
        _ => rows::put_cdrs(&mut connection, &[&cdr]).await.unwrap(),
    }
    drop(connection);
    pool.close().await;
    *cdr
}

/// As programs did that knew no more than five migrations.
const WITH_ALL_COLUMNS: &str = "INSERT INTO cdr (id, number, caller, began, json, tenant, direction, called, result, \
    hung_up_by, ended, wait_ms, ring_ms, talk_ms, hold_ms) \
    VALUES (?, ?, ?, ?, ?, 'default', 'in', '', 'answered', 'switch', 0, 0, 0, 0, 0)";
/// As programs did that knew six: what is read from the JSON was a column.
const INTO_CDR: &str = "INSERT INTO cdr (id, number, caller, began, json, tenant, result) \
    VALUES (?, ?, ?, ?, ?, 'default', 'answered')";

async fn put_by(statement: &'static str, to: &mut SqliteConnection, cdr: &ledger::Cdr) {
    sqlx::query(statement)
        .bind(cdr.id.to_string())
        .bind(cdr.parties.number.as_ref().map(|number| number.as_str().to_owned()))
        .bind(cdr.parties.caller.to_string())
        .bind(cdr.times.began.0)
        .bind(rows::json("cdr", cdr).unwrap())
        .execute(to)
        .await
        .unwrap();
}

#[tokio::test]
async fn every_older_database_is_brought_up_to_date_with_its_rows() {
    for version in 0..=known() {
        let dir = Scratch::new();
        let cdr = old_database(&dir, version).await;
        let store = Store::open(&dir).await.unwrap();
        let mut connection = store.write.as_ref().unwrap().acquire().await.unwrap();
        assert_eq!(super::version(&mut connection).await.unwrap(), known());
        let expected = if version > 0 { vec![cdr] } else { Vec::new() };
        assert_eq!(store.calls(&CallFilter::default()).await.unwrap(), expected, "{version}");
        let columns = "SELECT direction, hung_up_by, ended, talk_ms FROM cdr";
        let read: Vec<(String, String, i64, i64)> =
            sqlx::query_as(columns).fetch_all(&store.read).await.unwrap();
        let said = expected.iter().map(|cdr| {
            let talked = i64::try_from(cdr.lengths.talk.as_millis()).unwrap();
            (rows::word(&cdr.direction), rows::word(&cdr.ending.by), cdr.times.ended.0, talked)
        });
        assert_eq!(read, said.collect::<Vec<_>>(), "{version}");
        let day = "2026-11-22".parse().unwrap();
        assert!(store.queue_figures(&Default::default(), day, day).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_older_database_is_not_read_without_being_brought_up_to_date() {
    let dir = Scratch::new();
    old_database(&dir, 1).await;
    let refused = Store::open_read_only(&dir).await.err().unwrap();
    assert!(matches!(refused, OpenError::Schema(SchemaError::Older { found: 1, .. })), "{refused}");
    assert!(refused.to_string().contains("hotline run"));
}

#[tokio::test]
async fn a_newer_database_is_refused_in_words_by_both_ways_of_opening() {
    let dir = Scratch::new();
    let store = Store::open(&dir).await.unwrap();
    sqlx::query("INSERT INTO schema_version (version, name) VALUES (?, 'future')")
        .bind(known() + 1)
        .execute(store.writer().unwrap())
        .await
        .unwrap();
    store.close().await;
    drop(store);
    for refused in [Store::open(&dir).await, Store::open_read_only(&dir).await] {
        let refused = refused.err().unwrap();
        assert!(matches!(refused, OpenError::Schema(SchemaError::Newer { .. })), "{refused}");
        assert!(refused.to_string().contains("请用更新的 hotline 打开 / "), "{refused}");
    }
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_schema_as_it_was() {
    let dir = Scratch::new();
    old_database(&dir, 1).await;
    let store_path = dir.join("hotline.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&store_path);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let broken = Migration { name: "broken", sql: "CREATE TABLE half (a); CREATE TABLE half (a);" };
    assert!(step(&mut connection, &broken, 2).await.is_err());
    assert_eq!(version(&mut connection).await.unwrap(), 1);
    let halves: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'half'")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(halves, 0);
}

#[test]
fn the_names_of_the_files_are_the_numbers_of_the_steps() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let expected: Vec<String> = MIGRATIONS
        .iter()
        .zip(1..)
        .map(|(step, number): (_, u32)| format!("{number:04}_{}.sql", step.name))
        .collect();
    assert_eq!(files, expected);
}
