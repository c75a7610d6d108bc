//! Seeded storms: loss, repetition and reordering at once, with each side doing something at every stage.

use super::*;

/// xorshift64*: the same storm for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

fn storm(seed: u64, loss_percent: u64) -> Pair {
    let mut pair = Pair::new();
    let mut dice = Dice(seed * 2 + 1);
    let rel100 = [Rel100::Off, Rel100::Supported][dice.below(2) as usize];
    (pair.a.local.rel100, pair.b.local.rel100) = (rel100, rel100);
    let mut weather = Dice(seed * 7919 + 1);
    pair.fate = Box::new(move |_, _| match weather.below(100) {
        n if n < loss_percent => Fate::Lose,
        n if n < loss_percent + 10 => Fate::Twice,
        n if n < loss_percent + 25 => Fate::Delay(MILLIS(weather.below(300))),
        _ => Fate::Deliver,
    });
    if dice.below(3) == 0 {
        (pair.a.accepts, pair.b.accepts) = (None, None);
    }
    pair.call(if dice.below(4) == 0 { None } else { Some(sdp("offer")) });
    let mut stages = dice.below(14);
    while stages > 0 {
        stages -= 1;
        pair.pass(MILLIS(dice.below(2_000)));
        let end = [End::A, End::B][dice.below(2) as usize];
        if pair.side(end).session.is_none() {
            continue;
        }
        let act = dice.below(8);
        pair.with(end, |session, now, ep| match act {
            0 => session.ring(now, ep, 180, None),
            1 => session.ring(now, ep, 183, Some(sdp("early"))),
            2 | 3 => session.answer(now, ep, sdp("answer")),
            4 => session.offer(now, ep, sdp("hold")),
            5 => session.accept_offer(now, ep, sdp("accept")),
            6 => session.send_info(now, ep, "text/plain", Bytes::from_static(b"x")),
            _ => session.request_offer(now, ep),
        });
    }
    pair.pass(SECS(dice.below(40)));
    for end in if dice.below(2) == 0 { [End::A, End::B] } else { [End::B, End::A] } {
        if pair.side(end).session.is_some() {
            pair.with(end, |session, now, ep| session.hang_up(now, ep, None, 480));
        }
        pair.pass(MILLIS(dice.below(3_000)));
    }
    pair
}

#[test]
fn whatever_the_network_does_each_side_ends_once_and_nothing_is_left() {
    for seed in 0..400 {
        let mut pair = storm(seed, 25);
        pair.finish(SECS(4000));
        for (name, side) in [("A", &pair.a), ("B", &pair.b)] {
            assert!(side.ep.live().is_none(), "seed {seed} {name}\n{}", pair.story());
            let Some(session) = &side.session else { continue };
            assert!(session.is_over(), "seed {seed} {name} {session:?}\n{}", pair.story());
            assert_eq!(session.poll_timeout(), None, "seed {seed} {name}");
            let last = |event: &SessionEvent| {
                matches!(
                    event,
                    SessionEvent::Ended { .. }
                        | SessionEvent::Refused { .. }
                        | SessionEvent::Cancelled { .. }
                )
            };
            let said = side.said();
            assert_eq!(said.iter().filter(|event| last(event)).count(), 1, "seed {seed} {name} {said:?}");
            assert!(said.last().is_some_and(last), "seed {seed} {name} {said:?}");
        }
    }
}

#[test]
fn without_loss_the_whole_trace_obeys_the_rfc() {
    for seed in 0..400 {
        let mut pair = storm(seed, 0);
        pair.finish(SECS(4000));
        let findings = crate::audit::audit(&pair.trace);
        assert!(findings.is_empty(), "seed {seed} {findings:#?}\n{}", pair.story());
    }
}
