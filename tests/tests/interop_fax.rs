//! A gateway and a fax machine that go over from G.711 to T.38 through the switch: SIPp signals, sockets of the test send
//! the pages; and a phone that does not do it.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use hotline_tests::{
    AGENT_HZ, Baresip, CALLER_HZ, Capture, Office, Place, Sipp, SippRun, Switch, Wav, may_use_raw_sockets,
    now, turn, until,
};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn pages_pass_through_the_switch_as_they_were_sent_and_are_not_recorded() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let [gateway, machine, stranger] = [Place::mine().carrier, Place::mine().phones, Place::mine().stranger]
        .map(|host| UdpSocket::bind((host, 0)).expect("a free port"));
    let port = |socket: &UdpSocket| socket.local_addr().expect("bound").port().to_string();
    let phone = Place::free(Place::mine().phones);
    let switch = Switch::start(&[("flows/bound.toml", "127.0.0.1:5090", &phone.to_string())]);
    let answering = Sipp::new("phone_faxes", phone, &[("FAX", &port(&machine))])
        .traced()
        .speaking(&Capture::default().tone(AGENT_HZ, 1_000))
        .answer(1);
    let calling = Sipp::at("carrier_faxes", Place::mine().carrier, &[("FAX", &port(&gateway))])
        .traced()
        .speaking(&Capture::default().tone(CALLER_HZ, 1_000))
        .with(&["-d", "1500"])
        .call(switch.sip, "4000000002", 1, 1);
    let (to_gateway, to_machine) = (fax_port(&switch, &calling), fax_port(&switch, &answering));
    until("both have fax", SOON, || {
        let live = switch.ask(&["calls", "live"]);
        (live[0]["audio"] == "fax").then_some(())
    });
    for socket in [&gateway, &machine, &stranger] {
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    }
    for number in 0..200_u16 {
        for (from, through, to) in [(&gateway, to_gateway, &machine), (&machine, to_machine, &gateway)] {
            let page = page(number, to.local_addr().expect("bound").port());
            from.send_to(&page, through).expect("sent");
            // Whoever sprays the same port is not heard.
            stranger.send_to(&[0xee; 40], through).expect("sent");
            let mut buffer = [0; 2_000];
            let (length, source) = to.recv_from(&mut buffer).expect("the page comes through");
            assert_eq!(buffer[..length], page, "page {number}");
            let passed_on = if through == to_gateway { to_machine } else { to_gateway };
            assert_eq!(source, passed_on);
        }
    }
    stranger.set_nonblocking(true).expect("as told");
    assert!(stranger.recv(&mut [0; 2_000]).is_err(), "nobody else gets a page");

    let id = switch.ask(&["calls", "live"])[0]["id"].as_str().expect("a call").to_owned();
    switch.ask(&["calls", "hangup", &id]);
    calling.succeed(SOON);
    answering.succeed(SOON);
    let call = switch.wait_calls(1, SOON).remove(0);
    assert!(call["fax"].is_string(), "{call:#}");
    let shown = switch.ask(&["calls", "show", &id]);
    let events = shown["recordings"][0]["timeline"].as_array().expect("a timeline").clone();
    let fax = events.iter().find(|event| event["event"] == "fax").expect("the fax is on the timeline");
    let began = fax["at_ms"].as_u64().expect("a time") as usize * 8;
    let wav = Wav::read(call["recording"].as_str().expect("a recording").as_ref());
    assert!(Wav::tone_seconds(&wav.left, CALLER_HZ) > 0.7, "what was said before is kept");
    for channel in [&wav.left, &wav.right] {
        assert!(channel[began..].iter().all(|sample| sample.unsigned_abs() <= 8), "a page is no sound");
    }
    switch.stop();
}

/// Where the switch told this side to send its pages.
fn fax_port(switch: &Switch, run: &SippRun) -> SocketAddr {
    let port = until("T.38 is agreed", SOON, || {
        let trace = run.messages();
        let received = trace.split("-----------------------------------------------");
        let mut received = received.filter(|part| part.contains("received"));
        received.find_map(|part| {
            let line = part.lines().find_map(|line| line.strip_prefix("m=image "))?;
            line.split(' ').next()?.parse().ok()
        })
    });
    SocketAddr::new(switch.sip.ip(), port)
}

/// A UDPTL datagram: its number, a primary packet, and what is sent again.
fn page(number: u16, who: u16) -> Vec<u8> {
    let length = 20 + usize::from(number) * 7 % 1_300;
    let body = (0..length).map(|at| (at as u16 ^ number ^ who) as u8);
    number.to_be_bytes().into_iter().chain(body).collect()
}

#[test]
fn a_phone_without_t38_keeps_the_call_in_audio() {
    if !may_use_raw_sockets() {
        return;
    }
    let _turn = turn();
    let office = Office::start(&[], &[]);
    let baresip = Baresip::start_with(
        &office.space,
        office.switch.sip,
        ("9001", "bench"),
        AGENT_HZ,
        "audio_codecs=pcma",
    );
    office.switch.wait_live("phones", 1, SOON);
    let calling = office.carrier_of("carrier_faxes_in_vain", "6000", &[("FAX", "40000")]);
    let switch = &office.switch;
    switch.wait_live("recordings", 1, SOON);
    until("the phone was asked, and refused", SOON, || {
        (switch.ask(&["calls", "live"]).is_array() && calling.messages().contains("SIP/2.0 488"))
            .then_some(())
    });
    let refused = now();
    until("talk behind it", SOON, || (now() - refused > 2.0).then_some(()));
    let id = switch.ask(&["calls", "live"])[0]["id"].as_str().expect("a call").to_owned();
    switch.ask(&["calls", "hangup", &id]);
    calling.succeed(SOON);
    let call = switch.wait_calls(1, SOON).remove(0);
    assert!(call["fax"].is_null(), "{call:#}");
    let heard = Wav::tone_seconds(&baresip.stop().heard.left, CALLER_HZ);
    assert!(heard > 6.0, "the phone heard the caller for {heard} s");
    office.switch.stop();
}
