//! Ports that go from a room of one worker to a room of another, with their sockets, while their parties speak.

use super::*;

/// Two calls whose rooms are on different workers.
pub(super) fn apart(stand: &mut Stand) -> (CallId, CallId) {
    let first: CallId = stand.ids.mint();
    loop {
        let second: CallId = stand.ids.mint();
        if stand.net.worker_of(first) != stand.net.worker_of(second) {
            return (first, second);
        }
    }
}

/// SSRC, sequence and time of the audio that `party` takes next.
fn next_header(party: &Party) -> (u32, u16, u32) {
    let mut packet = [0; 2_048];
    loop {
        let length = party.socket.recv(&mut packet).expect("a packet comes");
        if packet[1] & 0x7f == party.codec.payload_type() && length == 172 {
            let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
            return (word(8), word(0) as u16, word(4));
        }
    }
}

#[test]
fn a_port_moves_between_workers_with_its_sockets_and_its_numbers_go_on() {
    let mut stand = stand(65, 2);
    let (first, second) = apart(&mut stand);
    let (mut caller, mut agent) = (stand.party(first, Codec::Pcma), stand.party(first, Codec::Pcma));
    let mut expert = stand.party(second, Codec::Pcma);
    stand.join(first, &caller, &agent);
    let recording = stand.record(second, &caller, &expert);
    let mut before = (0, 0, 0);
    stand.paced(10, || {
        caller.say(440.0);
        agent.say(660.0);
        agent.listen();
        before = next_header(&caller);
    });
    stand.net.handle(Command::MovePort { port: caller.leg, room: second });
    stand.join(second, &caller, &expert);
    let mut after = Vec::new();
    stand.paced(40, || {
        caller.say(440.0);
        expert.say(880.0);
        expert.listen();
        after.push(next_header(&caller));
    });
    assert!(expert.heard_level(440.0) > 7_000.0 && expert.heard_level(660.0) < 300.0);
    // RFC 3550 §5.1: for the caller it is one stream all the time.
    assert!(after.iter().all(|(ssrc, ..)| *ssrc == before.0));
    let sequences: Vec<u16> = after.iter().map(|(_, sequence, _)| *sequence).collect();
    assert!(sequences[0].wrapping_sub(before.1) < 10, "{} and then {}", before.1, sequences[0]);
    assert!(sequences.windows(2).all(|two| two[1] == two[0].wrapping_add(1)), "{sequences:?}");
    assert!(after.windows(2).all(|two| two[1].2.wrapping_sub(two[0].2) == 160), "{after:?}");
    // Whom it left hears no more of it.
    agent.socket.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    assert!(agent.socket.recv(&mut [0; 2_048]).is_err());
    // The recording of its new room has it.
    stand.net.handle(Command::StopRecording { room: second, recording });
    let [left, right] = channels(&stand.file(recording).0);
    let end = left.len();
    assert!(level(&left[end - 4_800..end - 800], 440.0) > 6_500.0);
    assert!(level(&right[end - 4_800..end - 800], 880.0) > 6_500.0);

    for room in [first, second] {
        stand.net.handle(Command::CloseRoom { room });
    }
    stand.wait_until_empty();
    assert_eq!(stand.net.live().ports, 0);
    stand.net.shutdown();
}

#[test]
fn ports_that_change_places_between_two_workers_again_and_again_are_heard_where_they_are() {
    let mut stand = stand(66, 2);
    let (first, second) = apart(&mut stand);
    let (mut one, mut two) = (stand.party(first, Codec::Pcma), stand.party(second, Codec::Pcma));
    let (mut near, mut far) = (stand.party(first, Codec::Pcma), stand.party(second, Codec::Pcma));
    for round in 0..30 {
        let here = if round % 2 == 0 { [second, first] } else { [first, second] };
        // Each worker lets one go and takes one in at the same time.
        stand.net.handle(Command::MovePort { port: one.leg, room: here[0] });
        stand.net.handle(Command::MovePort { port: two.leg, room: here[1] });
        let (at_first, at_second) = if round % 2 == 0 { (&mut two, &mut one) } else { (&mut one, &mut two) };
        stand.join(first, at_first, &near);
        stand.join(second, at_second, &far);
        at_first.say(440.0);
        near.listen();
        at_second.say(880.0);
        far.listen();
        near.say(660.0);
        at_first.listen();
        assert_eq!(stand.net.live().ports, 4, "round {round}");
    }
    assert!(near.heard_level(440.0) > 7_000.0 && near.heard_level(880.0) < 300.0);
    assert!(far.heard_level(880.0) > 7_000.0 && far.heard_level(440.0) < 300.0);
    for room in [first, second] {
        stand.net.handle(Command::CloseRoom { room });
    }
    stand.wait_until_empty();
    stand.net.shutdown();
}
