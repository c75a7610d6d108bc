use super::*;
use crate::rtcp::{self, Rtcp, SenderInfo};

fn timeouts(world: &mut World) -> usize {
    world.events().iter().filter(|event| matches!(event, Event::RtpTimeout { .. })).count()
}

#[test]
fn the_first_packet_is_told_once() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.says(&mut caller, 1);
    world.says(&mut caller, 1);
    assert_eq!(world.events(), [Event::FirstPacket { room: CallId::from(7), port: leg(CALLER) }]);
}

#[test]
fn silence_of_the_watched_length_is_told_once_until_packets_come_again() {
    let (mut world, mut caller, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.room.watch(world.now, leg(CALLER), Some(Duration::from_secs(30)));
    for _ in 0..100 {
        world.says(&mut caller, 1);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(timeouts(&mut world), 0);
    world.pass(Duration::from_millis(28_900));
    assert_eq!(timeouts(&mut world), 0);
    world.pass(Duration::from_millis(200));
    assert_eq!(timeouts(&mut world), 1);
    world.pass(Duration::from_secs(100));
    assert_eq!(timeouts(&mut world), 0);
    world.says(&mut caller, 1);
    world.pass(Duration::from_secs(31));
    assert_eq!(timeouts(&mut world), 1);
    world.says(&mut caller, 1);
    world.room.watch(world.now, leg(CALLER), None);
    world.pass(Duration::from_secs(100));
    assert_eq!(timeouts(&mut world), 0);
}

#[test]
fn a_port_that_never_heard_anything_times_out_too() {
    let (mut world, _, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.room.watch(world.now, leg(CALLER), Some(Duration::from_secs(5)));
    world.pass(Duration::from_secs(6));
    assert_eq!(timeouts(&mut world), 1);
}

#[test]
fn a_peer_on_hold_need_not_speak_and_is_watched_again_behind_it() {
    let (mut world, _, _) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.room.watch(world.now, leg(CALLER), Some(Duration::from_secs(5)));
    let hold =
        Negotiated { on_hold: true, direction: Direction::RecvOnly, ..agreed("10.0.0.1:4000", Codec::Pcma) };
    world.room.describe(world.now, leg(CALLER), hold);
    world.pass(Duration::from_secs(60));
    assert_eq!(timeouts(&mut world), 0);
    world.room.describe(world.now, leg(CALLER), agreed("10.0.0.1:4000", Codec::Pcma));
    world.pass(Duration::from_secs(4));
    assert_eq!(timeouts(&mut world), 0);
    world.pass(Duration::from_secs(2));
    assert_eq!(timeouts(&mut world), 1);
}

#[test]
fn reports_carry_what_was_sent_lost_and_late() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    for nth in 0..400 {
        let datagram = caller.datagram(&[0xd5; 160]);
        if nth % 10 != 3 {
            world.came(caller.port, caller.source, datagram);
        }
        world.says(&mut agent, 1);
        world.pass(FRAME_TIME);
    }
    let (_, channel, to, bytes) =
        world.sunk.rtcp.iter().rev().find(|(port, ..)| *port == caller.port).cloned().unwrap();
    assert_eq!((channel, to), (Channel::Rtcp, address("10.0.0.1:4001")));
    let Some(Rtcp::SenderReport { info, reports, .. }) = rtcp::packets(&bytes).next() else {
        panic!("a sender's report");
    };
    assert!(info.packets > 100 && info.octets == info.packets * 160);
    let block = reports.about(caller.ssrc).unwrap();
    assert!((20..=31).contains(&block.fraction_lost), "{block:?}");
    assert!(block.lost > 10 && block.jitter == 0, "{block:?}");
    world.events();
    world.room.close(world.now, leg(CALLER), &mut world.sunk);
    let Some(Event::Quality { quality, .. }) = world.events().pop() else { panic!("no figures") };
    assert_eq!((quality.received, quality.lost, quality.sent), (360, 40, 400));
    assert_eq!(quality.loss_permille(), 100);
}

#[test]
fn a_peers_report_gives_the_round_trip() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    world.says(&mut caller, 1);
    world.says(&mut agent, 1);
    world.pass(Duration::from_secs(8));
    let (_, _, _, bytes) = world.sunk.rtcp.iter().find(|(port, ..)| *port == caller.port).cloned().unwrap();
    let Some(Rtcp::SenderReport { ssrc, info, .. }) = rtcp::packets(&bytes).next() else {
        panic!("a sender's report");
    };
    // The peer got it and answers half a second later; with the two ways that makes some time since it was sent.
    let about = rtcp::ReportBlock {
        ssrc,
        fraction_lost: 0,
        lost: 3,
        highest: 0,
        jitter: 0,
        last_report: rtcp::middle(info.ntp),
        since_last_report: 1 << 15,
    };
    let sender = SenderInfo { ntp: 5 << 32, rtp: 0, packets: 1, octets: 160 };
    let mut out = [0; rtcp::MAX_COMPOUND];
    let length = rtcp::write_report(&mut out, caller.ssrc, 1, Some(sender), Some(about));
    let sent_at = rtcp::middle(rtcp::ntp(world.now)).wrapping_sub(rtcp::middle(info.ntp));
    let source = address("10.0.0.1:4001");
    let port = (caller.port, Channel::Rtcp);
    world.room.forward(world.now, port, source, &mut out[..length], &mut world.sunk);
    world.events();
    world.room.close(world.now, leg(CALLER), &mut world.sunk);
    let Some(Event::Quality { quality, .. }) = world.events().pop() else { panic!("no figures") };
    let expected = (u64::from(sent_at - (1 << 15)) * 1_000_000) >> 16;
    assert_eq!(quality.round_trip_us.map(u64::from), Some(expected));
    assert_eq!(quality.remote_lost, Some(3));
}

#[test]
fn rtcp_with_mux_shares_the_rtp_socket_both_ways() {
    let (mut world, mut caller, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let mux = Negotiated { rtcp_mux: true, ..agreed("10.0.0.1:4000", Codec::Pcma) };
    world.room.describe(world.now, leg(CALLER), mux);
    world.says(&mut caller, 1);
    world.says(&mut agent, 1);
    world.pass(Duration::from_secs(8));
    let ours = world.sunk.rtcp.iter().find(|(port, ..)| *port == caller.port).unwrap();
    assert_eq!((ours.1, ours.2), (Channel::Rtp, caller.source));
    let mut out = [0; rtcp::MAX_COMPOUND];
    let length = rtcp::write_report(&mut out, caller.ssrc, 1, None, None);
    assert!(world.came(caller.port, caller.source, out[..length].to_vec()).is_empty());
    world.events();
    world.room.close(world.now, leg(CALLER), &mut world.sunk);
    let Some(Event::Quality { quality, .. }) = world.events().pop() else { panic!("no figures") };
    assert_eq!((quality.received, quality.dropped), (1, 0));
}

#[test]
fn a_closed_port_says_bye() {
    let (mut world, _, mut agent) = World::bridged(Codec::Pcma, Codec::Pcma);
    let ssrc = world.says(&mut agent, 1)[0].header.ssrc;
    world.sunk.rtcp.clear();
    world.room.close_all(world.now, &mut world.sunk);
    let last: Vec<_> = world.sunk.rtcp.iter().flat_map(|(.., bytes)| rtcp::packets(bytes).last()).collect();
    assert_eq!(last, [Rtcp::Bye { ssrc }], "only where something was sent");
}
