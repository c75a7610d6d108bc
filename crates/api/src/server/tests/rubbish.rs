//! R17, R31: what cannot be understood is refused with a status and with words that say what is wrong, and does nothing.

use super::*;

const JSON: &str = "application/json";

/// What is sent: method, path, body; and what comes back: status and words of both languages.
type Refusal<'a> = (&'a str, &'a str, &'a [u8], u16, &'a str, &'a str);

/// The status and words of an answer.
fn words_of(answer: &str) -> (u16, String, String) {
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let word = |language: &str| body["error"][language].as_str().unwrap_or_default().to_owned();
    (status, word("zh"), word("en"))
}

async fn all_refused(running: &Running, refusals: &[Refusal<'_>]) {
    for (method, path, body, status, zh, en) in refusals {
        let path = path.replace("CALL", &CallId::from(CALL).to_string());
        let answer = running.send(method, &path, JSON, body).await;
        let told = words_of(&answer);
        let said = String::from_utf8_lossy(&body[..body.len().min(200)]);
        assert_eq!(told.0, *status, "{method} {path} {said}: {answer}");
        assert!(told.1.contains(zh), "{method} {path} {said}: «{}» does not say «{zh}»", told.1);
        assert!(told.2.contains(en), "{method} {path} {said}: «{}» does not say «{en}»", told.2);
        assert!(told.1.chars().any(|c| c > '\u{2e7f}') && told.1.len() < 600, "{}", told.1);
    }
    assert!(running.switch.asked.lock().unwrap().is_empty(), "nothing of it was obeyed");
    assert!(running.get_bare("/healthz", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let running = Running::start("no-object").await;
    let state = "/v1/agents/8001/state";
    let deep = [b"{\"state\":".as_slice(), &b"[".repeat(30_000)].concat();
    let huge = [b"{\"state\":".as_slice(), &b"9".repeat(30_000), b"}"].concat();
    all_refused(
        &running,
        &[
            ("POST", state, b"", 400, "没有正文", "no body"),
            ("POST", state, b"null", 400, "正文应为 JSON 对象", "no JSON object"),
            ("POST", state, b"[]", 400, "正文应为 JSON 对象", "no JSON object"),
            ("POST", state, b"\"ready\"", 400, "正文应为 JSON 对象", "no JSON object"),
            ("POST", state, b"1e999", 400, "第 1 行第", "number out of range"),
            ("POST", state, b"{\"state\":", 400, "不完整, 到第 1 行第 9 列", "EOF"),
            ("POST", state, b"{\"state\":\"ready\"", 400, "不完整", "EOF"),
            ("POST", state, b"{\"state\":\"ready\",}", 400, "不是正确的 JSON", "trailing comma"),
            ("POST", state, b"{\"state\":\"ready\"}{}", 400, "不是正确的 JSON", "trailing characters"),
            ("POST", state, b"{'state':'ready'}", 400, "第 1 行第 2 列不是正确的 JSON", "key must be"),
            ("POST", state, b"state=ready", 400, "不是正确的 JSON", "expected value"),
            ("POST", state, b"{\"state\":\"\\ud800\"}", 400, "不是正确的 JSON", "hex escape"),
            ("POST", state, b"{\"state\":\"re\xffady\"}", 400, "正文第 13 字节不是 UTF-8", "byte 13"),
            ("POST", state, b"\xef\xbb\xbf{}", 400, "不是正确的 JSON", "expected value"),
            ("POST", state, b"{\"state\":\"re\x00ady\"}", 400, "不是正确的 JSON", "control character"),
            ("POST", state, &deep, 400, "嵌套太深", "recursion limit"),
            ("POST", state, &huge, 400, "第 1 行第", "number out of range"),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_field_has_its_type_its_words_and_its_limit() {
    let running = Running::start("fields").await;
    let quoted = |field: &str, text: &str| format!("{{{field}\"{text}\"}}").into_bytes();
    let long_reason = quoted("\"state\":\"break\",\"reason\":", &"饭".repeat(65));
    let long_note = quoted("\"text\":", &"记".repeat(2_001));
    let long_to = quoted("\"to\":", &"1".repeat(129));
    let long_by = quoted("\"verb\":\"listen\",\"as\":", &"8".repeat(65));
    let long_turn = quoted("\"turn\":", &"on".repeat(33));
    let (state, call, conference) = ("/v1/agents/8001/state", "/v1/calls", "/v1/conferences/weekly");
    let (transfer, note) = ("/v1/calls/CALL/transfer", "/v1/calls/CALL/notes");
    let (supervise, night) = ("/v1/calls/CALL/supervise", "/v1/numbers/4008001234/night");
    all_refused(
        &running,
        &[
            ("POST", state, b"{}", 400, "缺少坐席状态 (state)", "`state` is missing"),
            ("POST", state, b"{\"state\":null}", 400, "缺少坐席状态", "`state` is missing"),
            ("POST", state, b"{\"state\":7}", 400, "坐席状态应为文字, 不是数字", "not a number"),
            ("POST", state, b"{\"state\":true}", 400, "不是真假值", "not a truth value"),
            ("POST", state, b"{\"state\":{}}", 400, "不是对象", "not an object"),
            (
                "POST",
                state,
                b"{\"state\":\"asleep\"}",
                400,
                "offline, ready, busy, break 之一",
                "not «asleep»",
            ),
            ("POST", state, b"{\"state\":\"break\"}", 400, "缺少小休原因 (reason)", "`reason` is missing"),
            ("POST", state, b"{\"state\":\"break\",\"reason\":\" \"}", 400, "小休原因为空", "is empty"),
            ("POST", state, b"{\"state\":\"break\",\"reason\":\"a\\u001b[2J\"}", 400, "控制字符", "control"),
            ("POST", state, b"{\"state\":\"break\",\"reason\":\"a\\nb\"}", 400, "控制字符", "control"),
            ("POST", state, &long_reason, 400, "小休原因超过 64 个字符 (reason)", "more than 64"),
            ("POST", state, b"{\"state\":\"ready\",\"reason\":\"x\"}", 400, "不认识 «reason»", "«reason»"),
            ("POST", state, b"{\"state\":\"ready\",\"state\":\"busy\"}", 400, "不止一次", "more than once"),
            ("POST", state, b"{\"state\":\"ready\",\"x\":1}", 400, "不认识 «x», 可用: state", "are: state"),
            ("POST", call, b"{\"agent\":\"8001\"}", 400, "缺少去向 (to)", "`to` is missing"),
            ("POST", call, b"{\"agent\":8001,\"to\":\"1\"}", 400, "工号应为文字", "is a text"),
            (
                "POST",
                call,
                b"{\"agent\":\"8001\",\"to\":\"1\",\"first\":\"x\"}",
                400,
                "agent, number",
                "first",
            ),
            ("POST", call, b"{\"agent\":\"8001\",\"to\":\"1\",\"form\":\"x\"}", 400, "不认识 «form»", "form"),
            ("POST", transfer, b"{\"to\":[\"8002\"]}", 400, "去向应为文字, 不是列表", "not a list"),
            ("POST", transfer, b"{\"to\":\"\"}", 400, "去向为空", "is empty"),
            ("POST", transfer, &long_to, 400, "去向超过 128 个字符", "more than 128"),
            ("POST", note, &long_note, 400, "备注超过 2000 个字符", "more than 2000"),
            ("POST", note, b"{\"text\":\"x\",\"by\":1}", 400, "备注人工号应为文字", "`by` is a text"),
            ("POST", note, b"{\"text\":\"a\\u0007\"}", 400, "备注含有控制字符", "control"),
            ("POST", supervise, b"{\"verb\":\"hug\",\"as\":\"1\"}", 400, "listen, whisper, barge", "«hug»"),
            ("POST", supervise, &long_by, 400, "班长席工号超过 64", "`as` has more than 64"),
            ("POST", conference, b"{\"wish\":\"mute\"}", 400, "缺少与会者的通话编号", "`call` is missing"),
            ("POST", conference, b"{\"wish\":\"mute\",\"call\":\"x\"}", 400, "«x» 不是有效的编号", "no"),
            ("POST", conference, b"{\"wish\":\"end\",\"call\":\"x\"}", 400, "不认识 «call»", "«call»"),
            ("PUT", night, b"{\"turn\":\"up\"}", 400, "夜间模式应为 on, off 之一", "not «up»"),
            ("PUT", night, &long_turn, 400, "夜间模式超过 64 个字符", "more than 64"),
        ],
    )
    .await;
}

#[tokio::test]
async fn paths_queries_and_methods_are_held_to_the_same() {
    let running = Running::start("paths").await;
    let ready = b"{\"state\":\"ready\"}";
    let long_agent = format!("/v1/agents/{}/state", "8".repeat(65));
    let long_tenant = format!("/v1/agents?tenant={}", "x".repeat(65));
    let long_id = format!("/v1/cdrs/{}", "0".repeat(10_000));
    all_refused(
        &running,
        &[
            ("POST", &long_agent, ready, 400, "工号超过 64 个字符", "more than 64"),
            ("POST", "/v1/agents/%ff/state", ready, 400, "不是 UTF-8", "not UTF-8"),
            ("POST", "/v1/agents/a%0ab/state", ready, 400, "工号含有控制字符", "control"),
            ("POST", "/v1/agents/%20/state", ready, 400, "工号为空", "is empty"),
            ("GET", &long_tenant, b"", 400, "租户超过 64 个字符", "more than 64"),
            ("GET", "/v1/agents?tenant=", b"", 400, "租户为空", "is empty"),
            ("GET", "/v1/agents?tenant=a&tenant=b", b"", 400, "«tenant» 写了不止一次", "more than once"),
            ("GET", "/v1/agents?tenant=%ff", b"", 400, "租户不是 UTF-8", "not UTF-8"),
            ("GET", "/v1/agents?teannt=a", b"", 400, "不认识 «teannt», 可用: tenant", "«teannt»"),
            ("GET", "/v1/trunks?up=1", b"", 400, "不认识 «up»", "«up»"),
            ("GET", &long_id, b"", 400, "通话编号超过 64 个字符", "more than 64"),
            ("GET", "/v1/cdrs/short", b"", 400, "«short» 不是有效的编号", "13 characters"),
            ("GET", "/v1/cdrs?limit=0", b"", 400, "应为 1 至 10000 的整数, 不是 «0»", "from 1 to 10000"),
            ("GET", "/v1/cdrs?limit=99999999999999999999", b"", 400, "应为 1 至 10000", "from 1 to"),
            ("GET", "/v1/cdrs?from=yesterday", b"", 400, "起始时间不对: «yesterday» 不是时间", "`from`"),
            ("GET", "/v1/cdrs?result=fine", b"", 400, "结果应为 answered", "not «fine»"),
            ("GET", "/v1/cdrs?colour=red", b"", 400, "可用: tenant, number, caller", "colour"),
            ("GET", "/v1/events?wait_seconds=61", b"", 400, "等待秒数应为 0 至 60", "from 0 to 60"),
            ("GET", "/v1/events?limit=-1", b"", 400, "条数应为 1 至 1000 的整数", "«-1»"),
            ("GET", "/v1/figures?from=2026-11-22", b"", 400, "缺少截止时间 (to)", "`to` is missing"),
            ("GET", "/v1/figures?from=2026-02-30&to=2026-03-01", b"", 400, "不是日期", "is wrong"),
            ("GET", "/v1/figures?from=0001-01-01&to=9999-01-01", b"", 400, "最多 1100 天", "1100 days"),
            ("POST", "/v1/bans/nobody/lift", b"", 400, "封禁的地址不是 IP 地址", "no IP address"),
            ("GET", "/v1/recordings/x/timeline", b"", 400, "录音编号不对", "is wrong"),
            ("DELETE", "/v1/mailboxes/8001/messages/x", b"", 400, "留言编号不对", "is wrong"),
            ("DELETE", "/v1/calls", b"", 405, "不支持 DELETE", "DELETE is not supported"),
            ("PATCH", "/v1/agents/8001/state", ready, 405, "不支持 PATCH", "PATCH"),
            ("GET", "/v1/../etc/passwd", b"", 404, "没有这个地址", "no such path"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_body_of_another_kind_and_one_that_never_ends_are_refused() {
    let running = Running::start("slow-body").await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let answer = running.send("POST", "/v1/agents/8001/state", kind, b"{\"state\":\"ready\"}").await;
        let (status, zh, _) = words_of(&answer);
        assert!(status == 415 && zh.contains("正文应为 JSON"), "{answer}");
    }
    let head = format!(
        "POST /v1/agents/8001/state HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: {JSON}; charset=utf-8\r\n",
        running.token.expose()
    );
    let slow = running.raw(format!("{head}Content-Length: 100\r\n\r\n{{\"state\":")).await;
    let (status, zh, en) = words_of(&slow);
    assert!(status == 408 && zh.contains("1 秒内没有传完") && en.contains("within 1 s"), "{slow}");
    let chunked = running.raw(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n")).await;
    let (status, zh, _) = words_of(&chunked);
    assert!(status == 400 && zh.contains("正文没有传完"), "{chunked}");
    assert!(running.switch.asked.lock().unwrap().is_empty());
    let whole = format!("{head}Content-Length: 17\r\n\r\n{{\"state\":\"ready\"}}");
    assert!(running.raw(whole).await.starts_with("HTTP/1.1 200"), "what is right is obeyed all the same");
}
