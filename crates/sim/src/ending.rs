//! Owns the end of a scenario: the world becomes quiet, and what it left behind is judged. Does not own the rules (see
//! `checks`).

use std::time::Duration;

use acd::Acd;
use clock::{WallAnchor, WallTime};
use ledger::Cdr;
use model::TenantId;

use crate::checks::{Breach, check};
use crate::history::{AcdAtRest, History};
use crate::world::World;

/// A scenario that passed every check.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Every record.
    pub cdrs: Vec<Cdr>,
    /// Everything else.
    pub history: History,
}

/// A scenario that failed, with all that is needed to see why.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What was broken.
    pub breaches: Vec<Breach>,
    /// Facts and packets in order of time, a line each.
    pub story: Vec<String>,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.story {
            writeln!(f, "{line}")?;
        }
        for breach in &self.breaches {
            writeln!(f, "✗ {breach}")?;
        }
        Ok(())
    }
}

impl World {
    /// Lets the world become quiet and judges it.
    ///
    /// # Errors
    /// Everything that was broken, with the story.
    pub fn finish(mut self) -> Result<Finished, Box<Failed>> {
        // RFC 3261 §17: no transaction outlives its last message by more than 64 × T1 = 32 s, no session an
        // unanswered one by more; 64 s are enough for both in a row.
        self.run(Duration::from_secs(64));
        // A phone that refreshed its binding meanwhile has a transaction of its own.
        for _ in 0..64 {
            if self.shard_live() == call::Live::default() {
                break;
            }
            self.run(Duration::from_secs(1));
        }
        let history = self.history();
        let breaches = check(&history);
        if breaches.is_empty() {
            return Ok(Finished { cdrs: history.cdrs.clone(), history });
        }
        Err(Box::new(Failed { breaches, story: story(&history, self.around.anchor) }))
    }

    fn history(&self) -> History {
        let around = &self.around;
        let at_rest = |(tenant, acd): (&TenantId, &Acd)| AcdAtRest {
            tenant: tenant.clone(),
            live: acd.live(),
            broken: acd.check_invariants().err().map(|broken| broken.to_string()).into_iter().collect(),
            engaged: acd.agents().filter(|agent| agent.call.is_some()).map(|agent| agent.id).collect(),
        };
        let in_call = self
            .seats
            .iter()
            .map(|seat| &seat.peer)
            .filter(|peer| peer.is_in_call() && !around.network.is_unplugged(peer.config().sip.ip()));
        History {
            trace: around.trace.clone(),
            switch: around.listeners.clone(),
            by_hand: self.by_hand.clone(),
            invites: around.invites.clone(),
            facts: around.facts.clone(),
            cdrs: around.cdrs.clone(),
            shard: self.shard_live(),
            studio: around.studio.live(),
            recordings: (around.studio.recordings_begun.clone(), around.studio.recordings_closed.clone()),
            acds: self.acds.iter().map(at_rest).collect(),
            in_call: in_call.map(|peer| peer.config().user.clone()).collect(),
            incidents: around.incidents.clone(),
        }
    }
}

fn story(history: &History, anchor: WallAnchor) -> Vec<String> {
    let packets = history.trace.iter().map(|entry| {
        let end = entry.bytes.iter().position(|byte| *byte == b'\r').unwrap_or(entry.bytes.len());
        let line = String::from_utf8_lossy(&entry.bytes[..end]);
        (anchor.wall(entry.at), format!("{:?} {} → {} {line}", entry.at, entry.from, entry.to))
    });
    let facts = history.facts.iter().map(|stamped| (stamped.at, format!("    {:?}", stamped.event)));
    let mut lines: Vec<(WallTime, String)> = packets.chain(facts).collect();
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}
