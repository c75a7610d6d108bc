//! What a reload takes over.

use super::*;

fn after(path: &str, edit: impl Fn(&str) -> String) -> Loaded {
    load(&edited("office", path, edit)).unwrap_or_else(|found| panic!("{found}"))
}

#[test]
fn the_same_folder_changes_nothing() {
    assert!(loaded("office").diff(&loaded("office")).is_empty());
}

#[test]
fn what_came_went_and_changed_is_named() {
    let old = loaded("office");
    let table = [
        (
            "queues/sales.toml",
            "ring_seconds = 15",
            "ring_seconds = 16",
            "队列 sales 已改 / queue sales changed",
        ),
        (
            "queues/sales.toml",
            "display = \"{queue}",
            "display = \"{number}",
            "队列 sales 已改 / queue sales changed",
        ),
        ("trunks/mobile.toml", "max_calls = 30", "max_calls = 31", "中继 mobile 已改 / trunk mobile changed"),
        ("flows/duty.toml", "all-at-once", "in-order", "流程 duty 已改 / flow duty changed"),
        (
            "numbers/main.toml",
            "max_calls = 60",
            "max_calls = 61",
            "号码 4008001234 已改 / number 4008001234 changed",
        ),
        ("agents/office.toml", "张三", "章三", "坐席 8001 已改 / agent 8001 changed"),
        (
            "tenants/acme/numbers/4007001000.toml",
            "= 10",
            "= 11",
            "号码 acme/4007001000 已改 / number acme/4007001000 changed",
        ),
        ("hotline.toml", "max_calls = 500", "max_calls = 501", "[limits] 已改 / [limits] changed"),
        ("hotline.toml", "echo = \"*9196\"", "echo = \"*9197\"", "[codes] 已改 / [codes] changed"),
        (
            "hotline.toml",
            "max_expires_seconds = 3600",
            "max_expires_seconds = 3601",
            "[registrar] 已改 / [registrar] changed",
        ),
        (
            "hotline.toml",
            "max_per_phone = 60",
            "max_per_phone = 61",
            "[subscriptions] 已改 / [subscriptions] changed",
        ),
        ("hotline.toml", "relay = \"inside\"", "relay = \"off\"", "[messages] 已改 / [messages] changed"),
        ("hotline.toml", "megabytes = 128", "megabytes = 129", "[trace] 已改 / [trace] changed"),
        ("hotline.toml", "[node]\n", "[node]\ndrain_seconds = 90\n", "[node] 已改 / [node] changed"),
        ("hotline.toml", "timeout_seconds = 60", "timeout_seconds = 61", "[media] 已改 / [media] changed"),
        ("hotline.toml", "--from", "--to", "[hook] 已改 / [hook] changed"),
    ];
    for (path, before, behind, told) in table {
        let changes = after(path, |text| text.replacen(before, behind, 1)).diff(&old);
        assert_eq!(changes.applied, [told], "{path} {behind}");
        assert_eq!(changes.restart, [""; 0]);
    }
    let more = after("phones/more.toml", |_| "user = \"9\"\npassword = \"x\"\n".into());
    assert_eq!(more.diff(&old).applied, ["话机 9@pbx.example.cn 新增 / phone 9@pbx.example.cn added"]);
    assert_eq!(old.diff(&more).applied, ["话机 9@pbx.example.cn 已删 / phone 9@pbx.example.cn removed"]);
}

#[test]
fn listeners_data_and_threads_need_a_restart_and_stay_until_then() {
    let old = loaded("office");
    let edit = |text: &str| {
        text.replace("192.0.2.10:5060", "192.0.2.10:5070")
            .replace("data = \"data\"", "data = \"other\"")
            .replace("8400", "8401")
    };
    let new = after("hotline.toml", edit);
    let changes = new.diff(&old);
    assert_eq!(changes.applied, [""; 0]);
    assert_eq!(
        changes.restart,
        [
            "接口 carrier 已改 / interface carrier changed",
            "[node] data 已改 / [node] data changed",
            "[api] listen 已改 / [api] listen changed",
        ]
    );
    assert_eq!(new.over(&old).unwrap(), old);
}

/// The office with a new listener before its own.
fn with_a_new_listener() -> Sources {
    let first = |text: &str| {
        text.replacen(
            "[[interface]]",
            "[[interface]]\nname = \"new\"\nbind = \"192.0.2.12:5060\"\n\n[[interface]]",
            1,
        )
    };
    edited("office", "hotline.toml", first)
}

#[test]
fn listeners_stay_as_they_are_bound_and_trunks_and_phones_find_them_by_name() {
    let old = loaded("office");
    let new = load(&with_a_new_listener()).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(new.plan.phones[0].interface, 2, "phones is the third listener of the new folder");
    assert_eq!(new.over(&old).unwrap().plan, old.plan);
}

#[test]
fn a_trunk_on_a_listener_that_is_not_open_is_refused_before_it_is_cut_off() {
    let old = loaded("office");
    let mut sources = with_a_new_listener();
    let trunk = Sources::from_files([("trunks/new.toml", "interface = \"new\"\nfrom = [\"192.0.2.200\"]\n")]);
    sources.files.extend(trunk.files);
    let new = load(&sources).unwrap_or_else(|found| panic!("{found}"));
    let refused = new.over(&old).unwrap_err();
    assert_eq!(refused.0.as_str(), "new");
}
