//! Every kind of mistake that is not one of a single key.

use super::*;
use crate::{Color, Severity};

/// Asserts that exactly one finding has that code, and returns its place and Chinese text.
fn only(found: &Diagnostics, code: &str) -> (String, usize, usize, String) {
    let hits: Vec<_> = found.items.iter().filter(|d| d.code == code).collect();
    let [hit] = hits[..] else { panic!("{} × {code}:\n{found}", hits.len()) };
    (hit.place.file.clone(), hit.place.line, hit.place.column, hit.zh.clone())
}

#[test]
fn all_errors_are_told_at_once_with_file_line_column_and_caret() {
    let mut sources =
        edited("starter", "queues/sales.toml", |text| text.replace("ring_seconds = 20", "ring_secnds = 20"));
    let flow = sources.files.iter_mut().find(|file| file.path == "flows/main.toml").unwrap();
    flow.text =
        flow.text.replace("queue = \"service\"", "queue = \"sevice\"").replace("tries = 3", "tries = \"三\"");
    let trunk = sources.files.iter_mut().find(|file| file.path == "trunks/local.toml").unwrap();
    trunk.text = trunk.text.replace("127.0.0.0/8", "127.0.0.0/99");
    let found = load(&sources).unwrap_err();
    let lines: Vec<String> = found
        .items
        .iter()
        .map(|d| {
            format!(
                "{} {}:{}:{} {}",
                d.code,
                d.place.file,
                d.place.line,
                d.place.column,
                d.suggestion.as_deref().unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "wrong-type flows/main.toml:16:9 -",
            "dangling flows/main.toml:30:9 service",
            "unknown-key queues/sales.toml:5:1 ring_seconds",
            "bad-value trunks/local.toml:2:9 -",
        ]
    );
    let text = found.render(Color::Plain);
    assert!(
        text.contains(
            "错误 error[unknown-key]: 队列 没有 «ring_secnds» 这一项\n             a queue has no key \"ring_secnds\"\n  --> queues/sales.toml:5:1\n  |\n5 | ring_secnds = 20                  # 振铃多久后换下一个坐席\n  | ^^^^^^^^^^^\n  = 您是不是想写 «ring_seconds»? / did you mean \"ring_seconds\"?\n"
        ),
        "{text}"
    );
    assert!(text.contains("16 | tries = \"三\"\n   |         ^^^^\n"), "{text}");
    let json = found.to_json();
    assert_eq!((&json[2]["severity"], &json[2]["line"]), (&"error".into(), &5.into()));
    assert_eq!(json[2]["suggestion"], "ring_seconds");
    assert!(found.render(Color::Ansi).contains("\x1b[1;31m"));
}

#[test]
fn every_syntax_error_of_every_file_is_told() {
    let mut sources =
        edited("starter", "queues/sales.toml", |_| "title = \nagents = [\"8001\"\nx = = 1\n".to_owned());
    let trunk = sources.files.iter_mut().find(|file| file.path == "trunks/local.toml").unwrap();
    trunk.text = "from = [\"127.0.0.0/8\"\n".to_owned();
    let found = load(&sources).unwrap_err();
    let syntax: Vec<_> =
        found.items.iter().filter(|d| d.code == "syntax").map(|d| d.place.file.as_str()).collect();
    assert!(syntax.iter().filter(|file| **file == "queues/sales.toml").count() >= 2, "{found}");
    assert!(syntax.contains(&"trunks/local.toml"), "{found}");
}

#[test]
fn syntax_errors_are_told_in_chinese_first() {
    for (wrong, chinese) in [
        ("title = \"a\" b", "这里不能再写内容, 应为 换行 或 `#`"),
        ("title", "键后面没有 `=` 和值, 应为 `=`"),
        ("title = \"a", "双引号字符串写得不对, 应为 `\"`"),
        ("title = 业务", "缺值, 或字符串没有加引号, 应为"),
        ("标题 = \"a\"", "键里有不能用的字符"),
        ("agents = [\"8001\"", "数组缺 `]`, 应为 `]`"),
        ("title = \"a\"\ntitle = \"b\"", "这一项写了两次"),
        ("ring_seconds = 020", "数字不能以 0 开头"),
        ("title = \"C:\\q\"", "反斜杠后面缺内容"),
        ("title = ", "缺值, 或字符串没有加引号"),
        ("agents = [1,, 2]", "数组里多了一个逗号"),
    ] {
        let found = found_after("queues/sales.toml", |_| format!("{wrong}\n"));
        let first = &found.items[0];
        assert_eq!(first.code, "syntax", "{found}");
        assert!(first.zh.starts_with(&format!("TOML 语法错误: {chinese}")), "{wrong}: {found}");
    }
}

#[test]
fn a_file_in_gbk_is_told_with_its_place_beside_all_other_mistakes() {
    let root = std::env::temp_dir().join(format!("hotline-gbk-{}", std::process::id()));
    std::fs::create_dir_all(root.join("queues")).unwrap();
    std::fs::write(root.join("hotline.toml"), "[nod]\n").unwrap();
    // «业务» in GBK, of which the first two bytes are a letter of UTF-8 too.
    std::fs::write(root.join("queues/sales.toml"), b"agents = []\ntitle = \"\xd2\xb5\xce\xf1\"\n").unwrap();
    let sources = Sources::read_dir(&root);
    std::fs::remove_dir_all(&root).unwrap();
    let found = load(&sources.unwrap()).unwrap_err();
    let encoding = found.items.iter().find(|found| found.code == "encoding").unwrap();
    assert_eq!(
        (encoding.place.file.as_str(), encoding.place.line, encoding.place.column),
        ("queues/sales.toml", 2, 11)
    );
    assert!(encoding.zh.contains("GBK"), "{found}");
    assert!(found.items.iter().any(|found| found.code == "unknown-key"), "{found}");
}

#[test]
fn a_name_defined_in_a_file_with_a_mistake_does_not_dangle_elsewhere() {
    let found =
        found_after("queues/sales.toml", |text| text.replace("ring_seconds = 20", "ring_seconds = \"x\""));
    assert_eq!(found.items.len(), 1, "{found}");
    let found = found_after("queues/sales.toml", |text| text.replace("ring_seconds = 20", "ring_seconds = "));
    assert!(found.items.iter().all(|d| d.code == "syntax"), "{found}");
    let found = found_after("agents/agents.toml", |text| text.replacen("[[agent]]", "[[agent]", 1));
    assert!(found.items.iter().all(|d| d.code == "syntax"), "{found}");
    let found = found_after("hotline.toml", |text| text.replacen("[[interface]]", "[[interface]", 1));
    assert!(found.items.iter().all(|d| d.code == "syntax"), "{found}");
}

#[test]
fn a_number_a_name_and_a_user_cannot_be_there_twice() {
    let more = |text: &str| format!("{text}\n[[agent]]\nid = \"8002\"\n");
    let found = found_after("agents/agents.toml", more);
    assert!(
        only(&found, "duplicate").3.contains("坐席 «8002» 重复, 已在 agents/agents.toml:8 定义"),
        "{found}"
    );

    let found = found_after("phones/more.toml", |_| "range = \"8003-8004\"\npassword = \"x\"\n".into());
    assert!(only(&found, "duplicate").3.contains("话机 «8003»"), "{found}");

    let found = found_after("numbers/more.toml", |_| "number = \"4008001234\"\nflow = \"main\"\n".into());
    assert_eq!(only(&found, "duplicate").0, "numbers/more.toml");
    let alias = |_: &str| "number = \"4008001235\"\naliases = [\"4008001234\"]\nflow = \"main\"\n".into();
    assert_eq!(only(&found_after("numbers/more.toml", alias), "duplicate").2, 12);

    let found = found_after("hotline.toml", |text| {
        format!("{text}\n[[interface]]\nname = \"main\"\nbind = \"127.0.0.1:5061\"\n")
    });
    assert!(only(&found, "duplicate").3.contains("接口 «main»"), "{found}");
    let found = found_after("hotline.toml", |text| {
        format!("{text}\n[[interface]]\nname = \"b\"\nbind = \"127.0.0.1:5060\"\n")
    });
    assert!(only(&found, "duplicate").3.contains("127.0.0.1:5060"), "{found}");

    let found = found_after("trunks/more.toml", |_| "from = [\"10.0.0.0/8\", \"127.0.0.0/8\"]\n".into());
    assert!(only(&found, "duplicate").3.contains("中继 «local»"), "{found}");

    let found =
        found_after("queues/sales.toml", |text| text.replace("[\"8001-8003\"]", "[\"8001-8003\", \"8002\"]"));
    assert!(only(&found, "duplicate").3.contains("在此队列中重复"), "{found}");

    let found = found_after("hotline.toml", |text| format!("{text}\n[codes]\nbusy = \"*22\"\n"));
    assert!(only(&found, "duplicate").3.contains("ready 和 busy"), "{found}");
}

#[test]
fn two_tenants_cannot_share_a_domain_and_share_user_names_only_with_a_warning() {
    let tenant = |domain: &str| {
        let mut sources =
            edited("starter", "tenants/acme/tenant.toml", |_| format!("domain = \"{domain}\"\n"));
        let phones =
            Sources::from_files([("tenants/acme/phones/p.toml", "user = \"8001\"\npassword = \"x\"\n")]);
        sources.files.extend(phones.files);
        sources.files.sort_by(|a, b| a.path.cmp(&b.path));
        load(&sources)
    };
    assert_eq!(only(&tenant("HOTLINE").unwrap_err(), "duplicate").0, "tenants/acme/tenant.toml");
    let warnings = tenant("acme.example").unwrap().warnings;
    assert_eq!(only(&warnings, "shared-user").0, "tenants/acme/phones/p.toml");
    assert!(!warnings.has_errors());
}

#[test]
fn a_tenants_names_are_its_own() {
    let mut sources = edited("starter", "tenants/acme/tenant.toml", |_| "domain = \"acme.example\"\n".into());
    let number =
        Sources::from_files([("tenants/acme/numbers/n.toml", "number = \"4008009999\"\nflow = \"main\"\n")]);
    sources.files.extend(number.files);
    let found = load(&sources).unwrap_err();
    assert!(only(&found, "dangling").3.contains("没有名为 «main» 的流程"), "{found}");
}

#[test]
fn files_that_belong_nowhere_are_told() {
    let found = found_after("queue/sales.toml", |_| "title = \"x\"\n".into());
    assert_eq!(only(&found, "unknown-file").0, "queue/sales.toml");
    assert_eq!(found.items[0].suggestion.as_deref(), Some("queues"));
    let found = found_after("backup-2025/old.toml", |_| "x = 1\n".into());
    assert!(only(&found, "unknown-file").3.contains("不属于配置") && !found.has_errors(), "{found}");
    let found = found_after("hotlin.toml", |_| "x = 1\n".into());
    assert_eq!(found.items[0].suggestion.as_deref(), Some("hotline.toml"));
    let found = found_after("tenants/acme/trunks/t.toml", |_| "from = [\"10.0.0.1\"]\n".into());
    assert!(only(&found, "unknown-file").3.contains("中继属于节点"), "{found}");
    assert!(only(&found, "missing-file").3.contains("tenants/acme/tenant.toml"), "{found}");
    let found = found_after("tenants/default/tenant.toml", |_| "domain = \"x\"\n".into());
    assert!(found.items.iter().any(|d| d.code == "bad-file-name"), "{found}");
    let found = found_after("hotline.toml", |_| String::new());
    assert!(
        found.items.iter().any(|d| d.code == "missing-file" && d.place.file == "hotline.toml"),
        "{found}"
    );
    assert!(load(&Sources::default()).is_err());
}

#[test]
fn values_that_do_not_go_together_are_told() {
    let table = [
        ("hotline.toml", "127.0.0.1:5060", "0.0.0.0:5060", "advertise"),
        ("hotline.toml", "20000-29999", "29999-20000", "端口范围"),
        ("hotline.toml", "max_calls = 1000", "max_calls = 0", "整数 1 至"),
        (
            "hotline.toml",
            "max_calls = 1000",
            "max_calls = 1000\n[registrar]\nmin_expires_seconds = 4000",
            "不能大于 «default_expires_seconds»",
        ),
        (
            "hotline.toml",
            "max_calls = 1000",
            "max_calls = 1000\n[registrar]\nmax_expires_seconds = 600",
            "不能大于 «max_expires_seconds»",
        ),
        (
            "hotline.toml",
            "max_calls = 1000",
            "max_calls = 1000\n[subscriptions]\nmin_expires_seconds = 100\nmax_expires_seconds = 99",
            "不能大于 «max_expires_seconds»",
        ),
        ("hotline.toml", "rtp = \"20000", "transports = []\nrtp = \"20000", "至少要有一种传输协议"),
        ("trunks/local.toml", "home_area = \"010\"", "home_area = \"10\"", "不是区号"),
        ("trunks/local.toml", "from = ", "# from = ", "«from» (来话) 或 «to» (呼出)"),
        ("trunks/local.toml", "[\"pcma\", \"pcmu\"]", "[]", "至少要有一种编码"),
        ("trunks/local.toml", "\"pcmu\"", "\"ilbc\"", "«ilbc» 不在选项中"),
        ("agents/agents.toml", "id = \"8001\"", "range = \"8001\"", "号码范围"),
        ("agents/agents.toml", "id = \"8001\"", "id = \"8001\"\nrange = \"8001-8001\"", "只能写一个"),
        ("agents/agents.toml", "id = \"8001\"", "", "缺少必填项 «id» 或 «range»"),
        (
            "agents/agents.toml",
            "id = \"8001\"",
            "id = \"8001\"\nnumber = \"139\"",
            "写了 «number» 就要写 «trunk»",
        ),
        (
            "agents/agents.toml",
            "id = \"8001\"",
            "id = \"8001\"\ntrunk = \"local\"",
            "写了 «trunk» 就要写 «number»",
        ),
        (
            "agents/agents.toml",
            "id = \"8001\"",
            "id = \"8001\"\ntrunk = \"local\"\nnumber = \"139\"",
            "不能呼出",
        ),
        (
            "agents/agents.toml",
            "id = \"8001\"",
            "id = \"8001\"\nuri = \"sip:a@b\"\nphone = \"8001\"",
            "只能写一个",
        ),
        ("agents/agents.toml", "id = \"8001\"", "id = \"8001\"\nuri = \"a@b\"", "SIP 地址"),
        (
            "agents/agents.toml",
            "sign_in = \"by-code\"",
            "uri = \"sip:a@b\"\nsign_in = \"by-registering\"",
            "绑定电话不注册",
        ),
        ("agents/agents.toml", "id = \"8001\"", "id = \"8888\"", "没有名为 «8888» 的话机"),
        ("flows/main.toml", "keys = { 1 =", "keys = { x =", "不是按键"),
        ("flows/main.toml", "kind = \"menu\"", "kind = \"menue\"", "没有 «menue» 这种节点"),
        ("flows/main.toml", "start = \"notice\"", "start = \"notize\"", "没有名为 «notize» 的节点"),
        ("flows/main.toml", "\"rec_notice\"", "{ pause = 300, digits = \"1\" }", "只能写一项"),
        ("flows/main.toml", "\"rec_notice\"", "{ tone = \"boop\" }", "«boop» 不在选项中"),
        ("flows/main.toml", "\"rec_notice\"", "\"rec_notize\"", "没有名为 «rec_notize» 的语音"),
        ("numbers/4008001234.toml", "flow = \"main\"", "flow = \"main\"\nopen = [{}]", "要写 «night_flow»"),
        (
            "numbers/4008001234.toml",
            "flow = \"main\"",
            "flow = \"main\"\nnight_flow = \"main\"\nopen = [{ hours = \"9-18\" }]",
            "«9-18» 不是时段",
        ),
        (
            "numbers/4008001234.toml",
            "flow = \"main\"",
            "flow = \"main\"\nnight_flow = \"main\"\nopen = [{ days = [\"tues\"] }]",
            "«tues» 不在选项中",
        ),
        ("queues/sales.toml", "max_wait_seconds = 300", "max_wait_seconds = -1", "秒数 0 至"),
        ("queues/sales.toml", "max_wait_seconds = 300", "max_wait_seconds = 1e300", "秒数 0 至"),
        ("queues/sales.toml", "max_wait_seconds = 300", "max_wait_seconds = nan", "秒数 0 至"),
        ("queues/sales.toml", "[\"8001-8003\"]", "[\"8001-8009\"]", "没有名为 «8004» 的坐席"),
        ("queues/service.toml", "level = 2", "level = 1", "整数 2 至"),
        ("phones/phones.toml", "password = \"change-me-8001\"", "password = \"\"", "应为文字"),
    ];
    for (path, old, new, told) in table {
        let found = found_after(path, |text| {
            assert!(text.contains(old), "{path} has no {old}");
            text.replacen(old, new, 1)
        });
        let hit = found.items.iter().any(|d| d.severity == Severity::Error && d.zh.contains(told));
        assert!(hit, "{path}: {new}: {told}\n{found}");
    }
}

#[test]
fn a_session_timer_is_off_or_at_least_ninety_seconds() {
    let media = |value: &str| {
        found_after("hotline.toml", |text| format!("{text}\n[media]\nsession_expires_seconds = {value}\n"))
    };
    assert!(media("89").items[0].zh.contains("至少 90 秒"));
    assert_eq!(media("0").items.len() + media("90").items.len(), 0);
}

#[test]
fn strange_flows_and_empty_queues_are_warnings() {
    let found = found_after("flows/main.toml", |text| format!("{text}\n[node.lost]\nkind = \"hangup\"\n"));
    let (file, line, _, told) = only(&found, "flow");
    assert_eq!((file.as_str(), line), ("flows/main.toml", 50), "{told}");
    assert!(!found.has_errors());
    let found = found_after("queues/empty.toml", |_| "title = \"空\"\n".into());
    assert_eq!(only(&found, "no-agents").0, "queues/empty.toml");
}

#[test]
fn a_400_number_as_shown_caller_is_a_warning() {
    let found = found_after("trunks/local.toml", |text| format!("{text}caller = \"4008001234\"\n"));
    assert!(only(&found, "shown-400").3.contains("400"), "{found}");
}

#[test]
fn a_folder_is_read_with_misspelt_folders_and_without_data_and_hidden_files() {
    let root = std::env::temp_dir().join(format!("hotline-config-{}", std::process::id()));
    let files = [
        "hotline.toml",
        "queue/a.toml",
        "queues/.b.toml",
        "queues/c.txt",
        "queues/d.toml",
        "data/e.toml",
        ".git/f.toml",
        "prompts/zh-CN/own.wav",
        "prompts/zh-CN/notes.txt",
        "prompts/every.MP3",
        "tenants/acme/tenant.toml",
        "tenants/acme/queues/g.toml",
        "tenants/acme/prompts/en/hi.wav",
    ];
    for file in files {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let sources = Sources::read_dir(&root);
    std::fs::remove_dir_all(&root).unwrap();
    let sources = sources.unwrap();
    let paths: Vec<_> = sources.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "hotline.toml",
            "queue/a.toml",
            "queues/d.toml",
            "tenants/acme/queues/g.toml",
            "tenants/acme/tenant.toml"
        ]
    );
    let own: Vec<_> = sources.own_prompts.iter().map(ToString::to_string).collect();
    assert_eq!(own, ["acme/hi", "every", "own"]);
    assert!(Sources::read_dir(&root).unwrap_err().to_string().contains("读不到"));
}
