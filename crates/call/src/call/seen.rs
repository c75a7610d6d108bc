//! Owns what operators see of a call in progress.

use std::sync::Arc;

use model::AgentId;
use model::event::CallFact;

use super::{Call, Stage};
use crate::context::Context;

impl Call {
    /// Somebody writes a note on it, which whoever has the call later sees too (R46).
    pub fn note(&mut self, context: &mut Context<'_>, by: Option<AgentId>, text: Arc<str>) {
        if matches!(self.stage, Stage::Over) {
            return;
        }
        self.notes.push(match &by {
            Some(agent) => format!("{}: {text}", agent.name).into(),
            None => Arc::clone(&text),
        });
        self.fact(context, CallFact::Noted { by, text });
    }

    /// A view for operators.
    pub fn view(&self) -> crate::LiveCall {
        let talking = match &self.stage {
            Stage::Talking(talk) => self.parties.iter().find(|party| party.offer == talk.offer),
            _ => self.parties.first(),
        };
        crate::LiveCall {
            id: self.id,
            tenant: self.tenant.clone(),
            direction: self.facts.direction,
            number: self.facts.number.clone(),
            trunk: self.facts.trunk.clone(),
            caller: self.facts.caller.clone(),
            called: self.facts.called.clone(),
            stage: match &self.stage {
                Stage::Arriving(_) => crate::LiveStage::Arriving,
                Stage::InFlow | Stage::Leaving(_) | Stage::Listening(_) => crate::LiveStage::InFlow,
                Stage::Queued { .. } => crate::LiveStage::Queued,
                Stage::Originating | Stage::Summoning(_) | Stage::Dialling { .. } => {
                    crate::LiveStage::Dialling
                }
                Stage::Talking(talk) if !talk.holders.is_empty() => crate::LiveStage::Held,
                Stage::Talking(_) => crate::LiveStage::Talking,
                Stage::Conferring { .. } => crate::LiveStage::Conferring,
                Stage::Visiting { .. } => crate::LiveStage::Visiting,
                Stage::Over => crate::LiveStage::Over,
            },
            queue: match &self.stage {
                Stage::Queued { queue, .. } => Some(queue.clone()),
                _ => talking.and_then(|party| party.queue().cloned()),
            },
            party: talking.map(|party| party.label.clone()),
            recording: self.live_recording(),
            audio: self.live_audio(),
            notes: self.notes.clone(),
            began: self.began,
        }
    }
}
