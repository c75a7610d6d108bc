//! Owns the contract of every deciding core, and the loop that drives one.

use crate::Instant;

/// A core that decides: facts go in, effects come out, time is an argument.
///
/// The caller drains [`poll_output`](Machine::poll_output) to `None` after each `handle` and `handle_timeout`.
pub trait Machine {
    /// A fact from the world, or a wish of the application.
    type Input;
    /// What the caller must do; each variant says which input answers it.
    type Output;
    /// One fact from the world. Then drain `poll_output` to `None` before the next call.
    fn handle(&mut self, now: Instant, input: Self::Input);
    /// Time has passed. Early, late and repeated calls are harmless.
    fn handle_timeout(&mut self, now: Instant);
    /// The next effect, in order.
    fn poll_output(&mut self) -> Option<Self::Output>;
    /// The next instant at which `handle_timeout` has something to do.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// Feeds `inputs` to `machine` and performs every output in order; afterwards `inputs` is empty. `perform` may answer
/// an output in the same turn by pushing further inputs.
pub fn drive<M: Machine>(
    machine: &mut M,
    now: Instant,
    inputs: &mut Vec<M::Input>,
    mut perform: impl FnMut(M::Output, &mut Vec<M::Input>),
) {
    let mut answers = Vec::new();
    // From here on the next one stands last.
    inputs.reverse();
    while let Some(input) = inputs.pop() {
        machine.handle(now, input);
        while let Some(output) = machine.poll_output() {
            perform(output, &mut answers);
        }
        // Answers come before what was queued: «answered in the same turn».
        inputs.extend(answers.drain(..).rev());
    }
}

/// Tells `machine` that time has passed when it is due, and performs what follows.
pub fn drive_timeout<M: Machine>(
    machine: &mut M,
    now: Instant,
    mut perform: impl FnMut(M::Output, &mut Vec<M::Input>),
) {
    if machine.poll_timeout().is_none_or(|due| due > now) {
        return;
    }
    machine.handle_timeout(now);
    let mut answers = Vec::new();
    while let Some(output) = machine.poll_output() {
        perform(output, &mut answers);
    }
    drive(machine, now, &mut answers, perform);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts down: each input above zero asks for its predecessor in the same turn.
    #[derive(Default)]
    struct Countdown {
        seen: Vec<u32>,
        out: Vec<u32>,
    }

    impl Machine for Countdown {
        type Input = u32;
        type Output = u32;
        fn handle(&mut self, _: Instant, input: u32) {
            self.seen.push(input);
            if input > 0 {
                self.out.push(input - 1);
            }
        }
        fn handle_timeout(&mut self, _: Instant) {
            self.out.push(1);
        }
        fn poll_output(&mut self) -> Option<u32> {
            self.out.pop()
        }
        fn poll_timeout(&self) -> Option<Instant> {
            Some(Instant::from_secs(5))
        }
    }

    #[test]
    fn an_answer_of_the_same_turn_comes_before_what_was_queued() {
        let mut machine = Countdown::default();
        drive(&mut machine, Instant::ZERO, &mut vec![2, 7], |n, answers| {
            if n < 6 {
                answers.push(n);
            }
        });
        assert_eq!(machine.seen, [2, 1, 0, 7]);
    }

    #[test]
    fn a_timeout_that_is_not_due_does_nothing() {
        let mut machine = Countdown::default();
        drive_timeout(&mut machine, Instant::from_secs(4), |n, a| a.push(n));
        assert!(machine.seen.is_empty());
        drive_timeout(&mut machine, Instant::from_secs(5), |n, a| a.push(n));
        assert_eq!(machine.seen, [1, 0]);
    }
}
