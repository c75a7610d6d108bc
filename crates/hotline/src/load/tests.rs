//! A load against itself: the calling side calls the answering side, without a switch.

use super::*;

fn options(arguments: &[&str]) -> Options {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }
    let words = ["load"].iter().chain(arguments);
    <Line as clap::Parser>::parse_from(words).options
}

/// A port that is free for a side, found by binding it.
fn free(host: &str) -> String {
    let socket = std::net::UdpSocket::bind((host, 0)).unwrap();
    socket.local_addr().unwrap().to_string()
}

#[test]
fn calls_of_both_sides_meet_and_end_and_their_audio_arrives() {
    let (caller, callee) = (free("127.77.0.1"), free("127.77.0.2"));
    let line = [
        "--to", &callee, "--caller", &caller, "--callee", &callee, "--calls", "40", "--rate", "200",
        "--hold", "0.3", "--rtp",
    ];
    let report = calls(&options(&line)).unwrap();
    assert_eq!((report.calls.begun, report.calls.answered, report.calls.completed), (40, 40, 40));
    assert!(report.calls.failed.is_empty() && report.calls.garbled == 0, "{report:?}");
    assert!(report.setup.p50 > 0.0);
    let rtp = report.rtp.unwrap();
    // Half of the packets are the callee's: it sends to the caller's socket at once.
    assert!(rtp.sent > 40 * 2 * 10 && rtp.received > rtp.sent / 2, "{rtp:?}");
    assert_eq!((rtp.lost, rtp.foreign, rtp.silent_streams), (0, 0, 0), "{rtp:?}");
}

#[test]
fn audio_is_measured_apart_while_all_calls_talk() {
    let (caller, callee) = (free("127.77.0.8"), free("127.77.0.9"));
    let line = [
        "--to", &callee, "--caller", &caller, "--callee", &callee, "--calls", "10", "--rate", "200",
        "--hold", "1.8", "--rtp",
    ];
    let report = calls(&options(&line)).unwrap();
    let steady = report.steady.unwrap();
    assert_eq!((steady.calls, steady.lost), (10, 0), "{steady:?}");
    // Between the last beginning and the first end: at least a second of both ways, and never all of it.
    assert!((900..1_400).contains(&steady.sent), "{steady:?}");
}

#[test]
fn a_refusal_is_counted_by_its_status() {
    let caller = free("127.77.0.3");
    let refusing = std::net::UdpSocket::bind(("127.77.0.4", 0)).unwrap();
    let to = refusing.local_addr().unwrap();
    let switch = std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        let mut acknowledged = 0;
        while acknowledged < 3 {
            let (length, from) = refusing.recv_from(&mut buffer).unwrap();
            let datagram = bytes::Bytes::copy_from_slice(&buffer[..length]);
            let Ok(sip::Message::Request(request)) = sip::Message::parse_datagram(datagram) else { panic!() };
            match request.method {
                sip::Method::Invite => {
                    let mut response = sip::Response::to(&request, 486);
                    response.set_to_tag("busy").unwrap();
                    refusing.send_to(&response.to_bytes(), from).unwrap();
                }
                _ => acknowledged += 1,
            }
        }
    });
    let (to, callee) = (to.to_string(), free("127.77.0.5"));
    let line = ["--to", &to, "--caller", &caller, "--callee", &callee, "--calls", "3", "--rate", "1000"];
    let report = calls(&options(&line)).unwrap();
    assert_eq!(report.calls.failed.get("486"), Some(&3));
    assert!(!report.is_fine());
    switch.join().unwrap();
}

#[test]
fn audio_passes_the_floor() {
    let line =
        ["--floor", "--calls", "10", "--hold", "0.3", "--caller", "127.77.0.6:0", "--callee", "127.77.0.7:0"];
    let report = floor::run(&options(&line)).unwrap();
    let rtp = report.rtp.unwrap();
    assert!(rtp.sent >= 10 * 2 * 10, "{rtp:?}");
    assert_eq!((rtp.lost, rtp.silent_streams), (0, 0), "{rtp:?}");
    assert_eq!(report.steady, None, "it was too short");
    assert!(report.switch.unwrap().threads.contains_key("floor"));
}
