use serde_json::json;

use super::*;

const NOON: WallTime = WallTime(1_795_406_400_000_000);

fn row(key: &str, at: WallTime, value: serde_json::Value) -> Snapshot {
    Snapshot { tenant: TenantId::default(), key: key.into(), epoch: 1, at, value }
}

fn hours(number: i64) -> WallTime {
    WallTime(NOON.0 + number * 3_600_000_000)
}

#[tokio::test]
async fn states_are_kept_for_ever_and_counters_for_their_day() {
    let folder = std::env::temp_dir().join(format!("hotline-keeper-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = Store::open(&folder).await.unwrap();
    let state = json!({ "state": "busy", "since": hours(-30) });
    let states = ["1", "2", "3"].map(|key| row(key, hours(-30), state.clone()));
    store.save_snapshots(Kind::Agent, &states, &[]).await.unwrap();
    let counters = json!({ "calls": 4, "talk_micros": 90_000_000 });
    let counted = [
        row("1", hours(-1), counters.clone()),
        row("2", hours(-24), counters),
        row("3", hours(-1), json!("rubbish")),
    ];
    store.save_snapshots(Kind::Counter, &counted, &[]).await.unwrap();
    let left = LeftBehind::read(&store, &Calendar::new("Asia/Shanghai").unwrap(), NOON).await;
    let mut kept = left.of_tenant(&TenantId::default(), &SystemClock::start(), |agent| agent.as_str() == "2");
    kept.sort_by(|a, b| a.agent.cmp(&b.agent));
    let seen: Vec<_> = kept.iter().map(|one| (one.calls, one.talk.as_secs(), one.reachable)).collect();
    assert_eq!(seen, [(4, 90, false), (0, 0, true), (0, 0, false)]);
    assert!(kept.iter().all(|one| one.state == AgentState::Busy));
    assert!(left.of_tenant(&TenantId::new("other"), &SystemClock::start(), |_| true).is_empty());
    store.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_could_not_be_written_does_not_replace_what_was_noted_meanwhile() {
    let unsaved = Unsaved::default();
    let phone = |user| (TenantId::default(), Aor::new(user, "pbx"));
    let binding: SavedBinding = serde_json::from_value(json!({
        "address": b"<sip:8001@10.0.0.5>".to_vec(),
        "flow": { "interface": 0, "transport": "udp", "remote": "10.0.0.5:5060", "connection": null },
        "expires": 0, "path": [], "user_agent": null, "registered": 0, "call_id": "c", "cseq": 1,
    }))
    .unwrap();
    for user in ["8001", "8002"] {
        unsaved.note(phone(user).0, phone(user).1, vec![binding.clone()]);
    }
    let failed = unsaved.take();
    unsaved.note(phone("8001").0, phone("8001").1, Vec::new());
    unsaved.put_back(failed);
    let now = unsaved.take();
    assert!(now[&phone("8001")].is_empty());
    assert_eq!(now[&phone("8002")], [binding]);
}

#[tokio::test]
async fn forwards_outlive_a_restart_while_their_phone_is_configured() {
    let folder = std::env::temp_dir().join(format!("hotline-diversions-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = Store::open(&folder).await.unwrap();
    let files = [
        ("hotline.toml", "[[interface]]\nname = \"lan\"\nbind = \"127.0.0.1:5060\"\n"),
        ("phones/all.toml", "[[phone]]\nrange = \"8001-8002\"\npassword = \"x\"\n"),
    ];
    let loaded = config::load(&config::Sources::from_files(files)).unwrap();
    let router = Router::new(Arc::new(loaded.plan));
    let tenant = TenantId::default();
    let phone = |user: &str| Aor::new(user, "hotline");
    let before = Shared::<Diversions>::default();
    for user in ["8001", "8002", "8009"] {
        before.lock().change(&tenant, &phone(user), |set| set.always = Some("8005".into()));
    }
    before.lock().change(&tenant, &phone("8002"), |set| *set = Diversion::default());
    let rows: Vec<Snapshot> = before
        .lock()
        .take_unsaved()
        .into_iter()
        .filter(|(.., diversion)| *diversion != Diversion::default())
        .map(|(_, aor, diversion)| row(&aor.to_string(), NOON, json!((&aor, &diversion))))
        .collect();
    assert_eq!(rows.len(), 2);
    store.save_snapshots(Kind::Diversion, &rows, &[]).await.unwrap();
    let callers = ["8001", "8009"].map(|user| {
        let aor = phone(user);
        row(&aor.to_string(), NOON, json!((&aor, "13800138001")))
    });
    store.save_snapshots(Kind::LastCaller, &callers, &[]).await.unwrap();
    let after = Shared::<Diversions>::default();
    restore_diversions(&store, &after, &router).await;
    let last_caller = |user| after.lock().last_caller(&phone(user)).cloned();
    assert_eq!((last_caller("8001").as_deref(), last_caller("8009")), (Some("13800138001"), None));
    let always = |user| after.lock().of(&phone(user)).always;
    assert_eq!(
        [always("8001").as_deref(), always("8002").as_deref(), always("8009").as_deref()],
        [Some("8005"), None, None]
    );
    store.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_night_switch_outlives_a_restart_with_who_turned_it_on() {
    let folder = std::env::temp_dir().join(format!("hotline-keeper-night-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = Store::open(&folder).await.unwrap();
    let rows = [row("4008001234", NOON, json!({ "by": "8001", "since": NOON })), row("1", NOON, json!(7))];
    store.save_snapshots(Kind::Night, &rows, &[]).await.unwrap();
    let night = Shared::<NightSwitches>::default();
    restore_night(&store, &night).await;
    let number = |number| HotlineNumber::new(&TenantId::default(), number);
    let on = NightSwitch { by: "8001".into(), since: NOON };
    assert_eq!(night.lock().of(&number("4008001234")), Some(&on));
    assert_eq!(night.lock().of(&number("1")), None, "what cannot be read is no switch");
    store.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}
