//! R54, R9, R28: the console's page, what it asks for, and the sound of recordings.

use super::*;

fn head_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or(answer, |(head, _)| head)
}

#[tokio::test]
async fn the_page_is_served_to_anybody_and_takes_nothing_from_elsewhere() {
    let running = Running::start("page").await;
    let page = running.get_bare("/", "").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/html; charset=utf-8"), "{page}");
    assert!(page.contains("<html lang=\"zh-CN\">") && page.contains("看板") && page.contains("wallboard"));
    let (style, script) =
        (running.get_bare("/console.css", "").await, running.get_bare("/console.js", "").await);
    for (answer, kind) in [(&page, "text/html"), (&style, "text/css"), (&script, "text/javascript")] {
        let head = head_of(answer);
        assert!(head.starts_with("HTTP/1.1 200") && head.contains(kind), "{head}");
        for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "nosniff"] {
            assert!(head.contains(rule), "{head} has no {rule}");
        }
        assert!(!answer.contains("http://") && !answer.contains("https://"), "from elsewhere");
    }
    // What the policy forbids is not there.
    assert!(!page.contains("<style") && !page.contains("onclick=") && !page.contains("style="));
    assert!(!script.contains("innerHTML") && !script.contains("eval("), "texts of others are never markup");
    // Every element that the script looks for is on the page.
    for id in script.split("at(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{id}\"")), "#{id}");
    }
    // What it asks for needs the token, and is there.
    let bearer = format!("Authorization: Bearer {}\r\n", running.token.expose());
    for path in ["/v1/calls", "/v1/queues", "/v1/agents", "/v1/trunks", "/v1/cdrs"] {
        let asked = path.strip_prefix("/v1/").expect("a path of the API");
        assert!(script.contains(asked), "the page asks for {path}");
        assert!(running.get_bare(path, "").await.starts_with("HTTP/1.1 401"), "{path}");
        let answer = running.get_bare(&format!("{path}?tenant=default"), &bearer).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn the_sound_of_a_recording_is_handed_out_whole_and_each_time_is_an_event() {
    let running = Running::start("sound").await;
    let mut story = Story::default();
    let call = story.answered_call("13800138000", "8001");
    running.journal(&story).await;
    let client = running.client();
    let cdr: Value = client.get(&format!("/v1/cdrs/{call}"), &[]).await.unwrap();
    let id = cdr["recordings"][0]["id"].as_str().unwrap();
    let audio = format!("/v1/recordings/{id}/audio");
    let bearer = format!("Authorization: Bearer {}\r\n", running.token.expose());
    let gone = running.get_bare(&audio, &bearer).await;
    assert!(gone.starts_with("HTTP/1.1 404") && gone.contains("没有这个录音"), "no file yet: {gone}");
    // Several pieces, and an empty one.
    let path = Path::new(cdr["recording"].as_str().unwrap());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    for length in [700_001, 0] {
        let sound: String = (0..length).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
        std::fs::write(path, &sound).unwrap();
        let answer = running.get_bare(&audio, &bearer).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("audio/wav") && head.contains(&format!("content-length: {length}")), "{head}");
        assert!(body == sound, "{} of {length} bytes", body.len());
    }
    for (path, headers, status) in [
        (audio.clone(), "", "401"),
        (format!("{audio}?tenant=acme"), bearer.as_str(), "404"),
        ("/v1/recordings/0000000000000/audio".into(), bearer.as_str(), "404"),
    ] {
        let answer = running.get_bare(&path, headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    let after = story.events.len().to_string();
    let told: Value = client.get("/v1/events", &[("after", &after), ("wait_seconds", "0")]).await.unwrap();
    let listened = |event: &&Value| event["event"]["fact"]["fact"] == "listened";
    let times: Vec<&Value> = told["events"].as_array().unwrap().iter().filter(listened).collect();
    assert_eq!(times.len(), 2, "R28: {told:#}");
    assert_eq!((&times[0]["event"]["call"], &times[0]["event"]["recording"]), (&json!(call), &json!(id)));
}
