//! Owns what the API sees of this node and may ask of it. Does not own HTTP (see `api`) nor any state.

use std::sync::Arc;

use api::view::{
    AgentView, AudioView, BanView, BindingView, ConferenceView, EntryView, LiveCall, LiveState, MailboxView,
    MessageView, NightView, NumberView, ParticipantView, PhoneView, QueueView, RecordingView, TrunkView,
    VoiceMessageView,
};
use api::{Answer, Switch};
use call::LiveStage;
use clock::{Instant, SystemClock};
use ledger::Exporter;
use model::command::{Command, Originate, Refused};
use model::event::AgentActivity;
use model::{CallId, TenantId};
use sip_net::{Boxes, Capture};
use store::EventJournal;
use tokio::sync::oneshot;

use super::asks::Asks;
use super::registrar::Bindings;
use super::reload::Reloader;
use super::tenants::{Known, Tenants};
use super::world::{no_such_call, refused};

/// This node, for the API.
pub(crate) struct NodeSwitch {
    pub clock: SystemClock,
    pub boxes: Boxes<call::Shard>,
    pub tenants: Tenants,
    pub bindings: Bindings,
    pub capture: Arc<Capture>,
    /// Where each listener is bound.
    pub local: Vec<std::net::SocketAddr>,
    pub reloader: Arc<Reloader>,
    pub journal: EventJournal,
    pub exporter: Exporter,
    pub wide: call::NodeWide,
    pub asks: Asks,
}

/// How long a shard has to say whether it makes a call: one that says nothing is stopping.
const ANSWERED_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

impl Switch for NodeSwitch {
    fn live_calls(&self, tenant: TenantId) -> Answer<'_, Vec<LiveCall>> {
        Box::pin(async move {
            let mut calls = self.calls().await;
            calls.retain(|call| call.tenant == tenant);
            calls.sort_by_key(|call| call.began);
            calls.iter().map(|call| self.live_call_view(call)).collect()
        })
    }

    fn live_call(&self, call: CallId) -> Answer<'_, Option<LiveCall>> {
        Box::pin(async move {
            let found =
                self.ask_shard(call.shard(), move |shard| shard.live_calls().find(|live| live.id == call));
            found.await.flatten().map(|live| self.live_call_view(&live))
        })
    }

    fn messages(&self, tenant: TenantId, call: CallId) -> Answer<'_, Vec<MessageView>> {
        Box::pin(async move { self.message_views(&tenant, call) })
    }

    fn agents(&self, tenant: TenantId) -> Answer<'_, Vec<AgentView>> {
        Box::pin(async move {
            let seen = self.tenants.ask(&tenant, |acd| acd.agents().collect::<Vec<_>>()).await;
            seen.unwrap_or_default().iter().map(|agent| self.agent_view(agent)).collect()
        })
    }

    fn queues(&self, tenant: TenantId) -> Answer<'_, Vec<QueueView>> {
        Box::pin(async move {
            let seen = self.tenants.ask(&tenant, |acd| {
                let agents: Vec<acd::AgentView> = acd.agents().collect();
                (acd.queues().collect::<Vec<_>>(), agents)
            });
            let Some((queues, agents)) = seen.await else { return Vec::new() };
            queues.iter().map(|queue| self.queue_view(queue, &agents)).collect()
        })
    }

    fn phones(&self, tenant: TenantId) -> Answer<'_, Vec<PhoneView>> {
        Box::pin(async move {
            let loaded = self.reloader.current.load();
            let mut phones: Vec<PhoneView> = loaded
                .plan
                .phones
                .iter()
                .filter(|phone| phone.tenant == tenant)
                .map(|phone| PhoneView {
                    aor: phone.aor.to_string(),
                    tenant: tenant.to_string(),
                    agent: phone.agent.as_ref().map(|agent| agent.as_str().to_owned()),
                    last_seen: self.bindings.last_seen(&phone.aor).map(|at| self.exporter.time(at)),
                    bindings: self.binding_views(&phone.aor),
                    diversion: self.wide.diversions.lock().of(&phone.aor),
                })
                .collect();
            phones.sort_by(|a, b| a.aor.cmp(&b.aor));
            phones
        })
    }

    fn numbers(&self, tenant: TenantId) -> Answer<'_, Vec<NumberView>> {
        let loaded = self.reloader.current.load();
        let of_tenant = loaded.plan.numbers.iter().filter(|one| one.number.tenant == tenant);
        let numbers: Vec<NumberView> = of_tenant.map(|one| self.number_view(one)).collect();
        Box::pin(async { numbers })
    }

    fn mailboxes(&self, tenant: TenantId) -> Answer<'_, Vec<MailboxView>> {
        let loaded = self.reloader.current.load();
        let mut names: Vec<_> =
            loaded.plan.mailboxes.keys().filter(|name| name.tenant == tenant).cloned().collect();
        names.sort();
        let mailboxes: Vec<MailboxView> = names.iter().map(|name| self.mailbox_view(name)).collect();
        Box::pin(async { mailboxes })
    }

    fn conferences(&self, tenant: TenantId) -> Answer<'_, Vec<ConferenceView>> {
        Box::pin(async move {
            // They are on the first shard, all of them.
            let seen = self.ask_shard(0, |shard| shard.conferences().collect::<Vec<_>>()).await;
            let of_tenant = seen.unwrap_or_default().into_iter().filter(|view| view.name.tenant == tenant);
            of_tenant.map(|view| conference_view(&view)).collect()
        })
    }

    fn trunks(&self) -> Answer<'_, Vec<TrunkView>> {
        Box::pin(self.trunk_views())
    }

    fn bans(&self) -> Answer<'_, Vec<BanView>> {
        let now = self.clock.now();
        let view = |ban: routing::Ban| BanView {
            source: ban.source.to_string(),
            cause: ban.cause.as_str().to_owned(),
            until: self.time(ban.until),
        };
        let bans: Vec<BanView> = self.wide.guard.lock().bans(now).map(view).collect();
        Box::pin(async { bans })
    }

    fn originate(&self, wish: Originate) -> Answer<'_, Result<CallId, Refused>> {
        Box::pin(async move {
            let sought = wish.agent.clone();
            let seen = self.tenants.ask(&wish.agent.tenant, move |acd| {
                acd.agents().find(|one| one.id == sought).map(|one| one.activity)
            });
            match seen.await.flatten() {
                None => return Err(refused(format!("没有坐席 {} / no such agent", wish.agent))),
                Some(AgentActivity::Idle | AgentActivity::WrapUp) => {}
                Some(AgentActivity::Unreachable) => {
                    return Err(refused("坐席话机未注册 / the agent's phone is not registered"));
                }
                Some(
                    AgentActivity::Ringing
                    | AgentActivity::Talking
                    | AgentActivity::Held
                    | AgentActivity::Supervising,
                ) => {
                    return Err(refused("坐席正在通话 / the agent is in a call"));
                }
            }
            let (ask, made) = self.asks.ask();
            let shards = u64::try_from(self.boxes.len().max(1)).unwrap_or(1);
            let shard = u8::try_from(ask % shards).unwrap_or(0);
            self.boxes.post(shard, call::Input::Originate { ask, wish });
            match tokio::time::timeout(ANSWERED_WITHIN, made).await {
                Ok(Ok(made)) => made.map_err(Refused),
                Ok(Err(_)) | Err(_) => Err(refused("系统正在停机 / the switch is stopping")),
            }
        })
    }

    fn command(&self, command: Command) -> Answer<'_, Result<(), Refused>> {
        Box::pin(async move {
            match command {
                Command::SetAgentState { agent, state } => {
                    let sought = agent.clone();
                    let known =
                        self.tenants.ask(&agent.tenant, move |acd| acd.agents().any(|one| one.id == sought));
                    if known.await != Some(true) {
                        return Err(refused(format!("没有坐席 {agent} / no such agent")));
                    }
                    let tenant = agent.tenant.clone();
                    match self.tenants.post(&tenant, acd::Input::ChooseState { agent, state }) {
                        Known::Yes => Ok(()),
                        Known::No => Err(refused(format!("没有租户 {tenant} / no such tenant"))),
                    }
                }
                Command::Transfer { call, to } => {
                    let asked = Arc::clone(&to);
                    let may = self.ask_shard(call.shard(), move |shard| shard.may_transfer(call, &asked));
                    match may.await {
                        Some(Ok(())) => {
                            self.boxes.post(call.shard(), call::Input::Transfer { call, to });
                            Ok(())
                        }
                        Some(Err(why)) => Err(refused(why)),
                        None => Err(no_such_call(call)),
                    }
                }
                Command::Note { call, by, text } => {
                    self.tell_live(call, call::Input::Note { call, by, text }).await
                }
                Command::HangUp { call } => self.tell_live(call, call::Input::HangUp { call }).await,
                Command::PauseRecording { call } => self.keep(call, call::Keep::Nothing).await,
                Command::ResumeRecording { call } => self.keep(call, call::Keep::Sound).await,
                Command::Supervise { call, by, verb } => {
                    let who = by.clone();
                    let may =
                        self.ask_shard(call.shard(), move |shard| shard.check_supervision(call, &who, verb));
                    match may.await {
                        None => return Err(no_such_call(call)),
                        Some(Err(why)) => return Err(Refused(why)),
                        Some(Ok(())) => {}
                    }
                    self.boxes.post(call.shard(), call::Input::Supervise { call, by, verb });
                    Ok(())
                }
                Command::Conference { name, wish } => {
                    let sought = name.clone();
                    let up =
                        self.ask_shard(0, move |shard| shard.conferences().any(|view| view.name == sought));
                    if up.await != Some(true) {
                        let name = name.as_str();
                        return Err(refused(format!("会议室 {name} 没有人 / nobody is in this conference")));
                    }
                    self.boxes.post(0, call::Input::Conference(call::ConferenceInput::Wish { name, wish }));
                    Ok(())
                }
                Command::TurnNight { number, turn } => {
                    let loaded = self.reloader.current.load();
                    let known = loaded.plan.numbers.iter().find(|one| one.number == number);
                    let known =
                        known.ok_or_else(|| refused(format!("没有号码 {number} / no such number")))?;
                    if known.night_flow.is_none() {
                        return Err(refused(format!("号码 {number} 没有 night_flow / it has no night flow")));
                    }
                    let by = Arc::from("API");
                    self.boxes.post(0, call::Input::TurnNight { number, turn, by });
                    // What is asked next sees it.
                    let turned = self.ask_shard(0, |_| ()).await;
                    turned.ok_or_else(|| refused("系统正在停机 / the switch is stopping"))
                }
                Command::Message { mailbox, message, deed } => {
                    let known = |one: &model::voicemail::Message| one.recording == message;
                    if !self.wide.mailboxes.lock().of(&mailbox).iter().any(known) {
                        return Err(refused(format!("信箱 {mailbox} 没有留言 {message} / no such message")));
                    }
                    let by = Arc::from("API");
                    self.boxes.post(0, call::Input::Mailbox { mailbox, message, deed, by });
                    // What is asked next sees it.
                    let done = self.ask_shard(0, |_| ()).await;
                    done.ok_or_else(|| refused("系统正在停机 / the switch is stopping"))
                }
                Command::LiftBan { source } => {
                    let lifted = self.wide.guard.lock().lift(source);
                    lifted.then_some(()).ok_or_else(|| refused(format!("{source} 未被封禁 / is not banned")))
                }
                Command::Reload => {
                    let reloader = Arc::clone(&self.reloader);
                    match tokio::task::spawn_blocking(move || reloader.reload()).await {
                        Ok(Ok(_)) => Ok(()),
                        Ok(Err(error)) => Err(refused(error.to_string())),
                        Err(error) => Err(refused(error.to_string())),
                    }
                }
            }
        })
    }

    fn unhealthy(&self) -> Option<String> {
        self.journal
            .failure()
            .map(|failure| format!("事件日志写不进磁盘 / the journal cannot be written: {failure}"))
    }
}

impl NodeSwitch {
    pub(super) async fn ask_shard<T: Send + 'static>(
        &self,
        shard: u8,
        look: impl FnOnce(&call::Shard) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        // The asker may have gone meanwhile; then nobody wants the answer.
        self.boxes.of(shard)?.ask(move |machine| drop(answer.send(look(machine))));
        answered.await.ok()
    }

    /// Hands `input` to the shard of a call that is up.
    async fn tell_live(&self, call: CallId, input: call::Input) -> Result<(), Refused> {
        let up = self.ask_shard(call.shard(), move |shard| shard.live_calls().any(|live| live.id == call));
        if up.await != Some(true) {
            return Err(no_such_call(call));
        }
        self.boxes.post(call.shard(), input);
        Ok(())
    }

    /// Pauses the recording of a call, or lets it go on.
    async fn keep(&self, call: CallId, keep: call::Keep) -> Result<(), Refused> {
        let found = self.ask_shard(call.shard(), move |shard| {
            shard.live_calls().find(|live| live.id == call).map(|live| live.recording)
        });
        match found.await.flatten() {
            None => Err(no_such_call(call)),
            Some(call::LiveRecording::Off) => {
                Err(refused(format!("通话 {call} 没有在录音 / this call is not being recorded")))
            }
            Some(call::LiveRecording::On | call::LiveRecording::Paused) => {
                self.boxes.post(call.shard(), call::Input::Keep { call, keep });
                Ok(())
            }
        }
    }

    async fn calls(&self) -> Vec<call::LiveCall> {
        let mut all = Vec::new();
        for shard in 0..=u8::MAX {
            if usize::from(shard) >= self.boxes.len() {
                break;
            }
            all.extend(
                self.ask_shard(shard, |shard| shard.live_calls().collect::<Vec<_>>())
                    .await
                    .unwrap_or_default(),
            );
        }
        all
    }

    pub(super) fn time(&self, at: Instant) -> String {
        self.exporter.time(self.clock.anchor().wall(at))
    }

    fn mailbox_view(&self, name: &model::MailboxName) -> MailboxView {
        let boxes = self.wide.mailboxes.lock();
        let waiting = boxes.waiting(name);
        let view = |one: &model::voicemail::Message| VoiceMessageView {
            id: one.recording.to_string(),
            call: one.call.to_string(),
            caller: one.caller.to_string(),
            began: self.exporter.time(one.began),
            millis: one.millis,
            heard: one.heard,
        };
        MailboxView {
            name: name.as_str().to_owned(),
            tenant: name.tenant.to_string(),
            new: waiting.new,
            old: waiting.old,
            messages: boxes.of(name).iter().map(view).collect(),
        }
    }

    fn number_view(&self, one: &routing::Number) -> NumberView {
        let night = self.wide.night.lock().of(&one.number).cloned();
        NumberView {
            number: one.number.as_str().to_owned(),
            tenant: one.number.tenant.to_string(),
            aliases: one.aliases.iter().map(ToString::to_string).collect(),
            flow: one.flow.as_str().to_owned(),
            night_flow: one.night_flow.as_ref().map(|flow| flow.as_str().to_owned()),
            night: night.map(|on| NightView { by: on.by.to_string(), since: self.exporter.time(on.since) }),
            max_calls: one.max_calls,
        }
    }

    fn live_call_view(&self, call: &call::LiveCall) -> LiveCall {
        LiveCall {
            id: call.id.to_string(),
            tenant: call.tenant.to_string(),
            direction: call.direction,
            state: match call.stage {
                LiveStage::Arriving | LiveStage::InFlow | LiveStage::Over => LiveState::Menu,
                LiveStage::Queued if call.party.is_some() => LiveState::Ringing,
                LiveStage::Queued => LiveState::Waiting,
                LiveStage::Dialling => LiveState::Ringing,
                LiveStage::Talking | LiveStage::Held | LiveStage::Visiting | LiveStage::Conferring => {
                    LiveState::Talking
                }
            },
            number: call.number.as_ref().map(|number| number.as_str().to_owned()),
            trunk: call.trunk.as_ref().map(ToString::to_string),
            caller: call.caller.to_string(),
            called: call.called.to_string(),
            queue: call.queue.as_ref().map(|queue| queue.as_str().to_owned()),
            party: call.party.as_ref().map(ToString::to_string),
            node: None,
            notes: call.notes.iter().map(ToString::to_string).collect(),
            recording: match call.recording {
                call::LiveRecording::Off => RecordingView::Off,
                call::LiveRecording::On => RecordingView::On,
                call::LiveRecording::Paused => RecordingView::Paused,
            },
            audio: match call.audio {
                call::LiveAudio::Fine => AudioView::Fine,
                call::LiveAudio::Fax => AudioView::Fax,
                call::LiveAudio::CallerUnheard => AudioView::CallerUnheard,
                call::LiveAudio::PartyUnheard => AudioView::PartyUnheard,
                call::LiveAudio::NobodyHeard => AudioView::NobodyHeard,
            },
            began: self.time(call.began),
            agent_answered: None,
        }
    }

    fn agent_view(&self, agent: &acd::AgentView) -> AgentView {
        AgentView {
            id: agent.id.as_str().to_owned(),
            name: agent.name.to_string(),
            tenant: agent.id.tenant.to_string(),
            state: agent.state.clone(),
            activity: agent.activity,
            phone: Some(agent.party.clone()),
            since: self.time(agent.state_since.max(agent.activity_since)),
            call: agent.call.map(|call| call.to_string()),
            queues: agent.queues.iter().map(|queue| queue.as_str().to_owned()).collect(),
        }
    }

    fn queue_view(&self, queue: &acd::QueueView, agents: &[acd::AgentView]) -> QueueView {
        let now = self.clock.now();
        let serves = |agent: &&acd::AgentView| agent.queues.contains(&queue.name);
        let longest = queue.entries.iter().map(|entry| now.since(entry.since)).max().unwrap_or_default();
        QueueView {
            name: queue.name.as_str().to_owned(),
            tenant: queue.name.tenant.to_string(),
            waiting: count(queue.entries.len()),
            longest_wait_seconds: longest.as_secs(),
            entries: queue
                .entries
                .iter()
                .map(|entry| EntryView {
                    call: entry.call.to_string(),
                    caller: entry.caller.to_string(),
                    priority: entry.priority,
                    since: self.time(entry.since),
                })
                .collect(),
            agents: agents.iter().filter(serves).map(|agent| agent.id.as_str().to_owned()).collect(),
            agents_free: count(queue.free),
        }
    }

    fn binding_views(&self, aor: &model::Aor) -> Vec<BindingView> {
        let anchor = self.clock.anchor();
        let view = |binding: &super::registrar::Bound| BindingView {
            contact: binding.contact.clone(),
            source: binding.flow.remote.to_string(),
            transport: binding.flow.transport.via().to_ascii_lowercase(),
            user_agent: binding.user_agent.clone(),
            state: match binding.duty {
                sip::registrar::Duty::Rings => "rings",
                sip::registrar::Duty::StandsBy => "stands_by",
                sip::registrar::Duty::Unreachable => "unreachable",
            }
            .to_owned(),
            registered: self.exporter.time(binding.registered),
            expires: self.exporter.time(anchor.wall(binding.expires)),
        };
        self.bindings.with(aor, |bindings| bindings.iter().map(view).collect())
    }
}

fn conference_view(view: &call::ConferenceView) -> ConferenceView {
    let participant = |member: &call::MemberView| ParticipantView {
        call: member.call.to_string(),
        who: member.who.to_string(),
        moderator: member.role == call::Role::Moderator,
        muted: member.muted,
    };
    ConferenceView {
        id: view.id.to_string(),
        name: view.name.as_str().to_owned(),
        tenant: view.name.tenant.to_string(),
        locked: view.locked,
        recorded: view.recorded,
        participants: view.members.iter().map(participant).collect(),
    }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
