//! Owns what a shard's outputs other than sending mean on this node: who is told. Does not own what a shard decides
//! (see `call`).

use std::sync::Arc;

use clock::Instant;
use media_net::MediaNet;
use model::CallId;
use model::command::Refused;
use sip::endpoint::Transport;
use sip::resolve::{Target, Wanted};
use sip_net::{Boxes, Resolver, Transports, World};
use store::EventJournal;

use super::asks::Asks;
use super::lamps::{Lamps, Seen};
use super::registrar::{Bindings, Registrations};
use super::tenants::{Known, Tenants};
use super::trunks;

/// The node, as one shard sees it.
pub(crate) struct NodeWorld {
    pub shard: u8,
    pub media: MediaNet,
    pub tenants: Tenants,
    pub registrations: Registrations,
    pub bindings: Bindings,
    pub journal: EventJournal,
    pub resolver: Resolver,
    pub boxes: Boxes<call::Shard>,
    pub lamps: Lamps,
    pub asks: Asks,
    pub transports: Arc<Transports>,
}

impl World for NodeWorld {
    fn perform(&mut self, now: Instant, output: call::Output, answers: &mut Vec<call::Input>) {
        match output {
            // The loop sends, and keeps what is sent, by itself.
            call::Output::Transmit { .. } | call::Output::LegNamed { .. } => {}
            call::Output::Media(command) => self.media(command, answers),
            call::Output::Acd { tenant, input } => {
                if self.tenants.post(&tenant, input) == Known::No {
                    metrics::counter!("hotline_acd_unknown_tenant_total").increment(1);
                    tracing::error!(%tenant, "没有该租户的排队机 / this tenant has no ACD");
                }
            }
            call::Output::Register { tx, flow, request } => {
                self.registrations.register(self.shard, tx, flow, request);
            }
            call::Output::PhoneRequest { tx, flow, request } => {
                self.registrations.phone_request(self.shard, tx, flow, request);
            }
            call::Output::ErrandEnded { errand, ended } => self.registrations.errand_ended(errand, ended),
            call::Output::PhoneDialog { aor, dialog } => {
                if self.lamps.put(aor.clone(), dialog) == Seen::BySomebody {
                    self.registrations.dialogs_changed(aor);
                }
            }
            call::Output::Locate { call, leg, aor } => {
                answers.push(call::Input::Located { call, leg, bindings: self.bindings.best(&aor, now) });
            }
            call::Output::Resolve { call, leg, wanted } => {
                self.find(wanted, move |targets| call::Input::Resolved { call, leg, targets }, answers);
            }
            call::Output::LocateTrunk { trunk, wanted } => {
                let host = wanted.host.clone();
                let told = move |targets| call::Input::TrunkLocated { trunk, host, targets };
                self.find(wanted, told, answers);
            }
            call::Output::Trunk(news) => {
                for (shard, inbox) in self.boxes.iter().enumerate() {
                    if shard != usize::from(self.shard) {
                        inbox.post(call::Input::Trunk(news.clone()));
                    }
                }
            }
            call::Output::HandOver { shard, flow, bytes } => {
                self.boxes.hand_over(usize::from(shard), flow, bytes);
            }
            call::Output::Conference(input) => self.boxes.post(0, call::Input::Conference(input)),
            call::Output::ToldByConference { call, word } => {
                // Its call is over where it was ours.
                if call.shard() != self.shard {
                    self.boxes.post(call.shard(), call::Input::ToldByConference { call, word });
                }
            }
            call::Output::MailboxChanged(mailbox) => self.registrations.mailbox_changed(mailbox),
            call::Output::Originated { ask, call } => self.asks.answer(ask, call),
            call::Output::Event(event) => {
                trunks::note(&event);
                self.journal.append(event);
            }
            call::Output::Banned { source, cause } => {
                metrics::counter!("hotline_bans_total", "cause" => cause.as_str()).increment(1);
                tracing::warn!(%source, cause = cause.as_str(), "已封禁来源地址 / a source is banned");
            }
            call::Output::Counted(cause) => {
                metrics::counter!("hotline_sip_refused_total", "cause" => cause).increment(1);
            }
        }
    }

    fn room(&self) -> usize {
        self.journal.room()
    }

    fn panicked(&mut self) {
        metrics::counter!("hotline_panics_total", "part" => "call").increment(1);
    }
}

impl NodeWorld {
    /// Tells where a name leads: in this turn where it is known, else by letter.
    fn find(
        &self,
        wanted: Wanted,
        told: impl FnOnce(Vec<Target>) -> call::Input + Send + 'static,
        answers: &mut Vec<call::Input>,
    ) {
        let (shard, boxes) = (self.shard, self.boxes.clone());
        let transports = Arc::clone(&self.transports);
        if let Some(targets) = self.resolver.known(&wanted) {
            expect(&transports, &targets);
            return answers.push(told(targets));
        }
        self.resolver.find(wanted, move |targets| {
            expect(&transports, &targets);
            boxes.post(shard, told(targets));
        });
    }

    /// A port is opened in this turn; the rest goes to the workers.
    fn media(&mut self, command: media::command::Command, answers: &mut Vec<call::Input>) {
        use media::command::{Command, Event};
        let Command::OpenPort { room, port, interface, peer } = command else {
            return self.media.handle(command);
        };
        let event = match self.media.open_port(room, port, interface, peer) {
            Ok(address) => Event::PortOpened { room, port, address },
            Err(error) => {
                metrics::counter!("hotline_media_refused_total", "cause" => "no_port").increment(1);
                tracing::warn!(call = %room, leg = %port, %error, "没有可用的语音端口 / no media port");
                Event::PortFailed { room, port, cause: error.to_string() }
            }
        };
        answers.push(call::Input::Media(event));
    }
}

/// Over TLS, whoever is found there must be the one who was sought.
fn expect(transports: &Transports, targets: &[Target]) {
    for target in targets.iter().filter(|target| target.transport == Transport::Tls) {
        transports.expect(target.address, &target.name);
    }
}

/// A command is about a call that is not up.
pub(crate) fn no_such_call(call: CallId) -> Refused {
    refused(format!("没有正在进行的通话 {call} / no such call is up"))
}

/// A refusal in words, Chinese first.
pub(crate) fn refused(words: impl Into<std::sync::Arc<str>>) -> Refused {
    Refused(words.into())
}
