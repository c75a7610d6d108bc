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
    const MESSAGES: usize = 600;
    let capture = Capture::new(1, limits(MESSAGES, 1_000_000));
    // A hundred calls a second of six messages each, for a minute: an hundredth of them has room.
    let of = |number: u64| Instant::ZERO + Duration::from_millis(10 * number);
    for number in 0..6_000 {
        let (inside, outside) = (format!("in{number}"), format!("out{number}"));
        let keep = |bytes: &Bytes| capture.keep(0, of(number), Way::In, flow(), bytes);
        keep(&message("INVITE sip:a@b SIP/2.0", &inside, "INVITE"));
        capture.name(0, TenantId::default(), call(number), &inside);
        capture.name(0, TenantId::default(), call(number), &outside);
        keep(&message("INVITE sip:c@d SIP/2.0", &outside, "INVITE"));
        keep(&message("SIP/2.0 200 OK", &outside, "INVITE"));
        keep(&message("BYE sip:c@d SIP/2.0", &outside, "BYE"));
        keep(&message("SIP/2.0 200 OK", &outside, "BYE"));
        keep(&message("BYE sip:a@b SIP/2.0", &inside, "BYE"));
    }
    let now = of(6_000);
    let lengths: Vec<usize> = (600..6_000)
        .filter_map(|number| capture.of_call(now, call(number)).map(|(_, kept)| kept.len()))
        .collect();
    assert!((20..90).contains(&lengths.len()), "{} calls of the last 54 seconds", lengths.len());
    assert!(lengths.iter().all(|length| *length == 6), "{lengths:?}");
    let ring = locked(&capture.rings[0]);
    assert!(ring.legs.len() <= 2 * (lengths.len() + 100), "{}: those of kept calls", ring.legs.len());
    assert!(ring.unnamed.is_empty());
}
