//! Owns what happens in the demonstration, step by step, and the lines that tell it. Does not own whether it went well
//! (see `checks`).

use std::path::Path;
use std::time::Duration;

use api::{Client, Token};
use clock::{Instant, SystemClock};
use model::TenantId;
use model::event::AgentActivity;
use model::say::Key;
use peers::{Behaviour, Command, Happening, Login, Sound};

use super::actor::Actor;
use crate::cli::Global;
use crate::node::Node;

pub(super) const CALLER: &str = "13800138000";
pub(super) const NUMBER: &str = "4008001234";
pub(super) const AGENT: &str = "8001";
pub(super) const CALLER_HZ: f64 = 440.0;
pub(super) const AGENT_HZ: f64 = 660.0;
pub(super) const TALK: Duration = Duration::from_millis(1_200);
pub(super) const HOLD: Duration = Duration::from_millis(1_200);

const PATIENCE: Duration = Duration::from_secs(8);

/// What was seen, for the checks.
#[derive(Debug)]
pub(super) struct Told {
    /// What the agent's phone showed.
    pub shown_name: Option<String>,
    pub shown_number: String,
    /// How long the notice and greeting were heard before the key.
    pub greeting: Duration,
    /// From the agent's answer to the first tone of the agent at the caller: the agent's number.
    pub agent_number: Duration,
    /// Each side's tone at the other, before, while and after the hold.
    pub caller_heard: [Duration; 3],
    pub agent_heard: [Duration; 3],
    /// What the caller heard while held.
    pub hold_music: Duration,
    pub lost: u64,
    pub wrap_up_seen: bool,
    /// From the agent's answer to its hang-up.
    pub conversation: Duration,
}

/// Prints a line with the time since the beginning.
struct Teller {
    clock: SystemClock,
    began: Instant,
    loud: bool,
}

impl Teller {
    fn say(&self, line: &str) {
        if self.loud {
            println!("{:6.2}s  {line}", (self.clock.now() - self.began).as_secs_f64());
        }
    }
}

/// Plays the call.
pub(super) async fn tell(global: &Global, node: &Node, data: &Path) -> anyhow::Result<Told> {
    let clock = SystemClock::start();
    let teller = Teller { clock, began: clock.now(), loud: !global.json };
    // invariant: the starter set has one listener.
    let switch = node.transports.local()[0];
    let loaded = node.reloader.current.load();
    let phone = loaded.plan.phones.iter().find(|phone| phone.aor.user() == AGENT);
    let (domain, password) = match phone {
        Some(phone) => (phone.aor.domain().to_owned(), phone.password.to_string()),
        None => anyhow::bail!("示例配置中没有话机 {AGENT} / the sample has no phone {AGENT}"),
    };
    teller.say(&format!("交换机就绪 {switch} / the switch is up"));

    let login = Login { user: AGENT.to_owned(), password };
    let mut agent = Actor::enter(clock, AGENT, &domain, Some(login), Behaviour::Ring).await?;
    let mut caller = Actor::enter(clock, CALLER, "127.0.0.1", None, Behaviour::Ring).await?;
    agent.wish(Command::Say(Sound::Tone(AGENT_HZ)));
    caller.wish(Command::Say(Sound::Tone(CALLER_HZ)));

    agent.wish(Command::Register { registrar: switch, expires: Duration::from_secs(300) });
    agent.until("注册 / REGISTER", PATIENCE, |h| (*h == Happening::Registered).then_some(())).await?;
    teller.say(&format!(
        "话机 {AGENT} 摘要认证注册成功，坐席签入 / the phone registered with digest, the agent is in"
    ));

    caller.wish(Command::Call { to: switch, user: NUMBER.to_owned() });
    let (answered, ()) =
        caller.until("应答 / answer", PATIENCE, |h| (*h == Happening::Answered).then_some(())).await?;
    teller.say(&format!(
        "{CALLER} 呼入 {NUMBER}，已应答，播放录音告知 / the call is answered, the notice plays"
    ));

    // The notice plays to its end; half a second of the greeting after it, then the key.
    caller
        .until_heard("录音告知与欢迎词 / notice and greeting", PATIENCE, |peer, now| {
            peer.ear().sound(answered, now) > GREETING_HEARD
        })
        .await?;
    let pressed_at = clock.now();
    let greeting = caller.peer().ear().sound(answered, pressed_at);
    if let Some(key) = Key::from_char('1') {
        caller.wish(Command::Press(key));
    }
    teller.say("客户在欢迎词中按 1 / the caller presses 1 during the greeting");

    let (_, (shown_name, shown_number)) = agent
        .until("振铃 / ringing", PATIENCE, |h| match h {
            Happening::Called { name, number } => Some((name.clone(), number.clone())),
            _ => None,
        })
        .await?;
    let shown = shown_name.as_deref().unwrap_or("–");
    teller.say(&format!("队列选中坐席 {AGENT}，话机显示「{shown}」/ the queue rings the agent"));
    agent.wish(Command::Answer);
    let (bridged_from, ()) = agent
        .until("坐席应答 / agent's answer", PATIENCE, |h| (*h == Happening::Confirmed).then_some(()))
        .await?;
    teller.say(&format!(
        "坐席应答，向客户播报工号 {AGENT} / the agent answered, its number is spoken to the caller"
    ));

    let heard_agent = |peer: &peers::Peer, now: Instant| peer.ear().tone(AGENT_HZ, bridged_from, now);
    caller
        .until_heard("坐席的声音 / the agent's voice", PATIENCE, |p, now| !heard_agent(p, now).is_zero())
        .await?;
    let talking = clock.now();
    teller.say("双方通话：客户 440 Hz，坐席 660 Hz / both speak: 440 Hz and 660 Hz");
    tokio::time::sleep(TALK).await;

    agent.wish(Command::Hold);
    tokio::time::sleep(SETTLE).await;
    let held = clock.now();
    teller.say("坐席按保持，客户听音乐 / the agent holds, the caller hears music");
    tokio::time::sleep(HOLD).await;
    let resuming = clock.now();
    agent.wish(Command::Resume);
    tokio::time::sleep(SETTLE).await;
    let resumed = clock.now();
    teller.say("坐席恢复通话 / the agent resumes");
    tokio::time::sleep(TALK).await;

    let hung_up = clock.now();
    agent.wish(Command::HangUp);
    agent.until("坐席挂机 / the agent's end", PATIENCE, |h| (*h == Happening::Ended).then_some(())).await?;
    teller.say("坐席先挂机，客户听满意度调查 / the agent hung up, the caller hears the survey");

    let wrap_up_seen = sees_wrap_up(clock, node, data).await;
    if wrap_up_seen {
        teller.say(&format!("坐席 {AGENT} 话后整理 / the agent is in wrap-up"));
    }
    caller
        .until_heard("满意度调查 / survey", PATIENCE, |peer, now| {
            peer.ear().sound(hung_up + SETTLE, now) > Duration::from_millis(800)
        })
        .await?;
    if let Some(key) = Key::from_char('1') {
        caller.wish(Command::Press(key));
    }
    teller.say("客户按 1：满意 / the caller presses 1: satisfied");
    caller.until("通话结束 / the call's end", PATIENCE, |h| (*h == Happening::Ended).then_some(())).await?;
    teller.say("流程结束，交换机挂机 / the flow ended, the switch hung up");

    let spans = [(talking, talking + TALK), (held, resuming), (resumed, hung_up)];
    let caller_peer = caller.peer();
    let agent_peer = agent.peer();
    Ok(Told {
        shown_name,
        shown_number,
        greeting,
        agent_number: talking - bridged_from,
        caller_heard: spans.map(|(from, to)| caller_peer.ear().tone(AGENT_HZ, from, to)),
        agent_heard: spans.map(|(from, to)| agent_peer.ear().tone(CALLER_HZ, from, to)),
        hold_music: caller_peer.ear().sound(held, resuming),
        lost: caller_peer.ear().lost() + agent_peer.ear().lost(),
        wrap_up_seen,
        conversation: hung_up - bridged_from,
    })
}

/// Asks the switch as the command line does.
async fn sees_wrap_up(clock: SystemClock, node: &Node, data: &Path) -> bool {
    let Ok(token) = Token::load(&Token::path(data)) else { return false };
    let client = Client::new(node.api, token).for_tenant(TenantId::default());
    let give_up = clock.now() + Duration::from_secs(5);
    loop {
        let agents = client.agents().await.unwrap_or_default();
        if agents.iter().any(|agent| agent.id == AGENT && agent.activity == AgentActivity::WrapUp) {
            return true;
        }
        if clock.now() > give_up {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How much of notice and greeting is heard before the key: the notice takes less.
const GREETING_HEARD: Duration = Duration::from_millis(4_200);

/// A change of description travels; what is in the air meanwhile belongs to neither side of it.
const SETTLE: Duration = Duration::from_millis(250);
