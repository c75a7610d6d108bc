use serde_json::json;

use super::*;
use crate::scratch::Scratch;

fn snapshot(tenant: &str, key: &str, epoch: u64, value: Value) -> Snapshot {
    Snapshot { tenant: TenantId::new(tenant), key: key.into(), epoch, at: WallTime(7), value }
}

#[tokio::test]
async fn snapshots_survive_a_restart_and_kinds_do_not_mix() {
    let dir = Scratch::new();
    let store = Store::open(&dir).await.unwrap();
    let agents =
        [snapshot("a", "8001", 1, json!({ "state": "ready" })), snapshot("b", "8001", 1, json!(null))];
    store.save_snapshots(Kind::Agent, &agents, &[]).await.unwrap();
    store.save_snapshots(Kind::Counter, &[snapshot("a", "8001", 1, json!(3))], &[]).await.unwrap();
    store.close().await;
    drop(store);
    let store = Store::open(&dir).await.unwrap();
    assert_eq!(store.snapshots(Kind::Agent).await.unwrap(), agents);
    assert_eq!(store.snapshots(Kind::Counter).await.unwrap().len(), 1);
    assert!(store.snapshots(Kind::Registration).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_writer_of_an_older_epoch_changes_nothing() {
    let dir = Scratch::new();
    let store = Store::open(&dir).await.unwrap();
    for (epoch, value) in [(2, "second"), (1, "first"), (2, "second again")] {
        store.save_snapshots(Kind::Agent, &[snapshot("a", "k", epoch, json!(value))], &[]).await.unwrap();
    }
    assert_eq!(store.snapshots(Kind::Agent).await.unwrap()[0].value, "second again");
    store.save_snapshots(Kind::Agent, &[snapshot("a", "k", 1, json!("late"))], &[]).await.unwrap();
    assert_eq!(store.snapshots(Kind::Agent).await.unwrap()[0].value, "second again");
}

#[tokio::test]
async fn what_is_gone_is_removed_in_the_same_step() {
    let dir = Scratch::new();
    let store = Store::open(&dir).await.unwrap();
    let both = [snapshot("a", "1", 1, json!(1)), snapshot("a", "2", 1, json!(2))];
    store.save_snapshots(Kind::Registration, &both, &[]).await.unwrap();
    let gone = [(TenantId::new("a"), "1".to_owned())];
    store.save_snapshots(Kind::Registration, &[snapshot("a", "3", 1, json!(3))], &gone).await.unwrap();
    let left = store.snapshots(Kind::Registration).await.unwrap();
    assert_eq!(left.iter().map(|s| s.key.as_str()).collect::<Vec<_>>(), ["2", "3"]);
}

#[tokio::test]
async fn a_store_opened_for_reading_writes_nothing() {
    let dir = Scratch::new();
    let _owner = Store::open(&dir).await.unwrap();
    let reader = Store::open_read_only(&dir).await.unwrap();
    let refused = reader.save_snapshots(Kind::Agent, &[], &[]).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)));
    assert!(matches!(reader.upsert(&[]).await, Err(StoreError::ReadOnly)));
}

#[tokio::test]
async fn a_disk_that_was_full_is_written_to_again() {
    let dir = Scratch::new();
    let store = Store::open(&dir).await.unwrap();
    // SQLite's own limit ends a transaction as a full disk does; it holds for this connection alone.
    let mut connection = store.writer().unwrap().acquire().await.unwrap();
    sqlx::query("PRAGMA max_page_count = 1").execute(&mut *connection).await.unwrap();
    drop(connection);
    let large = snapshot("a", "large", 1, json!("x".repeat(100_000)));
    let full = store.save_snapshots(Kind::Agent, std::slice::from_ref(&large), &[]).await;
    assert!(full.unwrap_err().to_string().contains("full"), "the limit is felt");
    store.save_snapshots(Kind::Agent, &[large], &[]).await.unwrap();
    assert_eq!(store.snapshots(Kind::Agent).await.unwrap().len(), 1);
}
