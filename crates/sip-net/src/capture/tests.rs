use sip::endpoint::Transport;

use super::*;

const AGE: Duration = Duration::from_secs(60);

fn limits(messages: usize, bytes: usize) -> CaptureLimits {
    CaptureLimits { messages, bytes, age: AGE }
}

fn flow() -> Flow {
    Flow::udp(0, "192.0.2.1:5060".parse().unwrap())
}

fn message(first: &str, call_id: &str, cseq: &str) -> Bytes {
    Bytes::from(format!("{first}\r\nVia: SIP/2.0/UDP h\r\nCall-ID: {call_id}\r\nCSeq: 1 {cseq}\r\n\r\n"))
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn call(number: u64) -> CallId {
    CallId::from(number << 8)
}

fn keep(capture: &Capture, seconds: u64, bytes: &Bytes) {
    capture.keep(0, at(seconds), Way::In, flow(), bytes);
}

fn texts(capture: &Capture, seconds: u64, of: CallId) -> Vec<String> {
    let first =
        |kept: &Kept| String::from_utf8_lossy(&kept.bytes).split(' ').take(2).collect::<Vec<_>>().join(" ");
    capture.of_call(at(seconds), of).map(|(_, kept)| kept.iter().map(first).collect()).unwrap_or_default()
}

#[test]
fn a_call_has_what_came_before_its_name_and_all_of_its_legs() {
    let capture = Capture::new(1, limits(100, 100_000));
    keep(&capture, 0, &message("INVITE sip:a@b SIP/2.0", "in", "INVITE"));
    keep(&capture, 0, &message("SIP/2.0 401 Unauthorized", "in", "INVITE"));
    keep(&capture, 0, &message("OPTIONS sip:a@b SIP/2.0", "other", "OPTIONS"));
    keep(&capture, 0, &message("INVITE sip:stranger@b SIP/2.0", "stranger", "INVITE"));
    capture.name(0, TenantId::default(), call(1), "in");
    capture.name(0, TenantId::default(), call(1), "out");
    keep(&capture, 1, &message("INVITE sip:c@d SIP/2.0", "out", "INVITE"));
    keep(&capture, 2, &message("BYE sip:c@d SIP/2.0", "in", "BYE"));
    keep(&capture, 2, &message("SIP/2.0 200 OK", "in", "BYE"));
    assert_eq!(
        texts(&capture, 3, call(1)),
        ["INVITE sip:a@b", "SIP/2.0 401", "INVITE sip:c@d", "BYE sip:c@d", "SIP/2.0 200"]
    );
    assert_eq!(texts(&capture, 3, call(2)), [""; 0]);
}

#[test]
fn a_leg_that_goes_from_one_call_to_another_is_shown_in_both() {
    let capture = Capture::new(1, limits(100, 100_000));
    for (number, leg) in [(1, "customer"), (2, "phone")] {
        capture.name(0, TenantId::default(), call(number), leg);
        keep(&capture, 0, &message(&format!("INVITE sip:{leg}@b SIP/2.0"), leg, "INVITE"));
    }
    // Said twice, as by two who take part in it.
    capture.name(0, TenantId::default(), call(1), "phone");
    capture.name(0, TenantId::default(), call(1), "phone");
    keep(&capture, 1, &message("BYE sip:phone@b SIP/2.0", "phone", "BYE"));
    assert_eq!(
        texts(&capture, 2, call(1)),
        ["INVITE sip:customer@b", "INVITE sip:phone@b", "BYE sip:phone@b"]
    );
    assert_eq!(texts(&capture, 2, call(2)), ["INVITE sip:phone@b", "BYE sip:phone@b"]);
}

#[test]
fn count_bytes_and_age_bound_what_is_kept_and_the_oldest_goes() {
    let invite = message("INVITE sip:a@b SIP/2.0", "in", "INVITE");
    for (limits, left) in [(limits(3, 100_000), 3), (limits(100, (2 * invite.len() + 1) * 8 / 7 + 1), 2)] {
        let capture = Capture::new(1, limits);
        capture.name(0, TenantId::default(), call(1), "in");
        for second in 0..10 {
            keep(&capture, second, &invite);
            assert!(capture.size().0 <= limits.messages && capture.size().1 <= limits.bytes);
        }
        let (_, kept) = capture.of_call(at(10), call(1)).unwrap();
        assert_eq!(
            kept.iter().map(|kept| kept.at).collect::<Vec<_>>(),
            (10 - left..10).map(at).collect::<Vec<_>>()
        );
        assert!(capture.of_call(at(10) + AGE, call(1)).is_none());
        assert_eq!(capture.size(), (0, 0));
    }
}

#[test]
fn strangers_and_finished_legs_are_bounded_too() {
    let capture = Capture::new(1, limits(10, 1_000_000));
    for number in 0..1_000 {
        keep(&capture, 0, &message("INVITE sip:a@b SIP/2.0", &format!("stranger{number}"), "INVITE"));
        capture.name(0, TenantId::default(), call(number), &format!("leg{number}"));
    }
    let ring = locked(&capture.rings[0]);
    assert_eq!(ring.unnamed.len(), UNNAMED);
    assert!(ring.legs.len() <= 40, "{}", ring.legs.len());
}

#[test]
fn a_leg_that_is_over_is_forgotten_with_its_messages_and_one_that_is_up_is_not() {
    let capture = Capture::new(1, limits(100, 1_000_000));
    capture.name(0, TenantId::default(), call(1), "long");
    keep(&capture, 0, &message("INVITE sip:long@b SIP/2.0", "long", "INVITE"));
    keep(&capture, 0, &message("SIP/2.0 200 OK", "long", "INVITE"));
    // Refused, it is up all the same.
    keep(&capture, 0, &message("SIP/2.0 491 Request Pending", "long", "INVITE"));
    for number in 2..302 {
        let leg = format!("short{number}");
        keep(&capture, number, &message("INVITE sip:a@b SIP/2.0", &leg, "INVITE"));
        keep(&capture, number, &message("SIP/2.0 401 Unauthorized", &leg, "INVITE"));
        keep(&capture, number, &message("ACK sip:a@b SIP/2.0", &leg, "ACK"));
        keep(&capture, number, &message("INVITE sip:a@b SIP/2.0", &leg, "INVITE"));
        capture.name(0, TenantId::default(), call(number), &leg);
        let (first, cseq) =
            if number % 2 == 0 { ("BYE sip:a@b SIP/2.0", "BYE") } else { ("SIP/2.0 486 Busy", "INVITE") };
        keep(&capture, number, &message(first, &leg, cseq));
    }
    let legs = locked(&capture.rings[0]).legs.len();
    assert!((21..=22).contains(&legs), "{legs}: those of a hundred messages, and the one that is up");
    keep(&capture, 302, &message("BYE sip:long@b SIP/2.0", "long", "BYE"));
    assert_eq!(texts(&capture, 302, call(1)), ["BYE sip:long@b"]);
    assert_eq!(texts(&capture, 302, call(301)).len(), 5);
}

#[test]
fn of_too_many_legs_those_with_messages_stay() {
    let capture = Capture::new(1, limits(10, 1_000_000));
    for number in 0..40 {
        let leg = format!("leg{number}");
        capture.name(0, TenantId::default(), call(number), &leg);
        keep(&capture, number, &message("INVITE sip:a@b SIP/2.0", &leg, "INVITE"));
    }
    capture.name(0, TenantId::default(), call(40), "leg40");
    assert_eq!(locked(&capture.rings[0]).legs.len(), 11);
    assert!((30..40).all(|number| texts(&capture, 40, call(number)).len() == 1));
    // Even those go that nothing was heard of since the last message.
    for number in 41..100 {
        capture.name(0, TenantId::default(), call(number), &format!("leg{number}"));
        assert!(locked(&capture.rings[0]).legs.len() <= 40);
    }
}

#[test]
fn strangers_long_messages_are_bounded_by_bytes_and_push_nobody_out() {
    let invite = message("INVITE sip:a@b SIP/2.0", "in", "INVITE");
    let capture = Capture::new(1, limits(1_000, 8 * invite.len() * 10));
    capture.name(0, TenantId::default(), call(1), "in");
    keep(&capture, 0, &invite);
    for number in 0..100 {
        let padding = "x".repeat(invite.len());
        keep(
            &capture,
            1,
            &message(&format!("INVITE sip:{padding} SIP/2.0"), &format!("s{number}"), "INVITE"),
        );
        assert!(locked(&capture.rings[0]).unnamed_bytes <= invite.len() * 10);
    }
    assert_eq!(locked(&capture.rings[0]).unnamed.len(), 5);
    assert_eq!(capture.size(), (1, invite.len()));
    // One that waits is found, and the rest goes on waiting.
    capture.name(0, TenantId::default(), call(2), "s99");
    assert_eq!(capture.size().0, 2);
    let ring = locked(&capture.rings[0]);
    let sum: usize = ring.unnamed.iter().map(|(_, kept)| kept.bytes.len()).sum();
    assert_eq!((ring.unnamed.len(), ring.unnamed_bytes), (4, sum));
}

#[test]
fn switched_off_it_keeps_nothing_and_forgets_what_it_had() {
    let capture = Capture::new(2, limits(10, 100_000));
    capture.name(0, TenantId::default(), call(1), "in");
    keep(&capture, 0, &message("INVITE sip:a@b SIP/2.0", "in", "INVITE"));
    assert_eq!(capture.size().0, 1);
    capture.configure(CaptureLimits::OFF);
    assert_eq!(capture.size(), (0, 0));
    capture.name(0, TenantId::default(), call(1), "in");
    keep(&capture, 0, &message("INVITE sip:a@b SIP/2.0", "in", "INVITE"));
    assert_eq!(capture.size(), (0, 0));
}

#[test]
fn what_is_kept_holds_no_datagram_and_no_streams_buffer() {
    let capture = Capture::new(1, limits(10, 100_000));
    let invite = message("INVITE sip:a@b SIP/2.0", "in", "INVITE");
    let stream = Flow { transport: Transport::Tls, connection: Some(1), ..flow() };
    keep(&capture, 0, &invite);
    capture.name(0, TenantId::default(), call(1), "in");
    keep(&capture, 0, &invite);
    capture.keep(0, at(0), Way::In, stream, &invite);
    assert!(invite.is_unique());
    let (_, kept) = capture.of_call(at(0), call(1)).unwrap();
    assert_eq!(kept.len(), 3);
    assert!(kept.iter().all(|kept| kept.bytes == invite));
}

#[test]
fn of_more_calls_than_there_is_room_for_some_are_kept_whole_and_nothing_of_the_others() {
    const MESSAGES: usize = 300;
    let capture = Capture::new(1, limits(MESSAGES, 1_000_000));
    let of = |hundredths: u64| Instant::ZERO + Duration::from_millis(10 * hundredths);
    // Forty calls a second for three minutes, more and fewer for a while; the agent's leg begins two seconds after the caller's, and
    // each is challenged.
    let begins =
        |call: u64| if (4_000..6_000).contains(&call) { 10_000 + 2 * (call - 4_000) } else { call * 5 / 2 };
    let mut script: Vec<(u64, u64, usize)> = (0..8_000)
        .flat_map(|number| {
            (0..10).map(move |step| (begins(number) + if step < 2 { 0 } else { 200 }, number, step))
        })
        .collect();
    script.sort();
    for (when, number, step) in script {
        let (inside, outside) = (format!("in{number}"), format!("out{number}"));
        let keep = |first: &str, leg: &str, cseq: &str| {
            capture.keep(0, of(when), Way::In, flow(), &message(first, leg, cseq));
        };
        match step {
            0 => keep("INVITE sip:a@b SIP/2.0", &inside, "INVITE"),
            1 => capture.name(0, TenantId::default(), call(number), &inside),
            2 => capture.name(0, TenantId::default(), call(number), &outside),
            3 => keep("INVITE sip:c@d SIP/2.0", &outside, "INVITE"),
            4 => keep("SIP/2.0 407 Proxy Authentication Required", &outside, "INVITE"),
            5 => keep("ACK sip:c@d SIP/2.0", &outside, "ACK"),
            6 => keep("INVITE sip:c@d SIP/2.0", &outside, "INVITE"),
            7 => keep("SIP/2.0 200 OK", &outside, "INVITE"),
            8 => keep("BYE sip:c@d SIP/2.0", &outside, "BYE"),
            _ => keep("BYE sip:a@b SIP/2.0", &inside, "BYE"),
        }
        assert!(locked(&capture.rings[0]).unnamed.len() <= 2, "a message of a call that nobody knows");
    }
    let now = of(20_200);
    let kept_of = |number| Some((begins(number), capture.of_call(now, call(number))?.1.len()));
    let (whole, part): (Vec<_>, Vec<_>) =
        (0..8_000).filter_map(kept_of).partition(|(_, length)| *length == 8);
    assert!((25..=37).contains(&whole.len()), "{} whole", whole.len());
    // Of the oldest the rest has made room.
    let oldest = whole.iter().map(|(began, _)| *began).min().unwrap();
    assert!(part.iter().all(|(began, _)| *began <= oldest), "{oldest}: {part:?}");
    let legs = locked(&capture.rings[0]).legs.len();
    assert!(legs <= 2 * (whole.len() + part.len()), "{legs}");
}
