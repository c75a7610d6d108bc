//! Owns what operators see of a call in progress.

use super::{Call, Stage};

impl Call {
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
            began: self.began,
        }
    }
}
