//! Owns where a call is on the escalation path of its queue (升级路径). Does not own the transfer that each step is (see
//! `transfer`).

use std::sync::Arc;

use model::QueueName;

use super::{Call, Stage};

/// Whom a call is sent to along the escalation path of its queue, instead of a number.
pub(crate) const ESCALATE: &str = "escalate";

impl Call {
    /// The step of the escalation path that comes next (R46): of the queue whose agent talks, else of the queue that the
    /// call was escalated from.
    fn next_step(&self) -> Option<(QueueName, usize)> {
        let Stage::Talking(talk) = &self.stage else { return None };
        let party = self.parties.iter().find(|party| party.offer == talk.offer)?;
        match party.queue() {
            Some(queue) => Some((queue.clone(), 0)),
            None => self.escalated.as_deref().cloned(),
        }
    }

    /// What is dialled for the next step of the escalation path.
    pub fn escalates_to(&self) -> Option<Arc<str>> {
        let (queue, step) = self.next_step()?;
        self.settings.plan.queues.get(&queue)?.escalate_to.get(step).cloned()
    }

    /// The transfer that begins is the next step of the path.
    pub fn note_escalation(&mut self) {
        self.escalated = self.next_step().map(|(queue, step)| Box::new((queue, step + 1)));
    }
}
