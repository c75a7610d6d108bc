//! Owns requests outside of any call that others of the node send through this shard: NOTIFY, OPTIONS, MESSAGE. Does not
//! own what they mean (see the node's registrar).

use clock::Instant;
use sip::endpoint::{ClientTx, Flow};
use sip::{Request, Response};

use super::Shard;
use crate::{ErrandEnded, Output};

impl Shard {
    pub(super) fn run_errand(&mut self, now: Instant, errand: u64, flow: Flow, request: Request) {
        let tx = self.endpoint.request(now, flow, request);
        self.errands.insert(tx, errand);
    }

    pub(super) fn is_errand(&self, tx: ClientTx) -> bool {
        self.errands.contains_key(&tx)
    }

    pub(super) fn errand_answered(&mut self, tx: ClientTx, response: Response) {
        if !response.is_provisional() {
            self.errand_ended(tx, ErrandEnded::Answered(Box::new(response)));
        }
    }

    pub(super) fn errand_failed(&mut self, tx: ClientTx) {
        self.errand_ended(tx, ErrandEnded::Failed);
    }

    fn errand_ended(&mut self, tx: ClientTx, ended: ErrandEnded) {
        if let Some(errand) = self.errands.remove(&tx) {
            self.out.push_back(Output::ErrandEnded { errand, ended });
        }
    }
}
