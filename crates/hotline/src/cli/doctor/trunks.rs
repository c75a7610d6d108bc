//! Owns whether each trunk can be found and answers OPTIONS. Does not own the asking (see `sip_net::Probe`) nor what a
//! running switch knows of its trunks by itself, which counts more where both are known.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::view::TrunkView;
use bytes::Bytes;
use clock::SystemClock;
use routing::{Interface, Target, TargetHost, Trunk, TrunkTransport};
use sip::endpoint::Transport;
use sip::headers::Via;
use sip::resolve::{Security, Wanted};
use sip::{HeaderName, Message, Method, NameAddr, Request, Uri};
use sip_net::{Answered, Probe, Resolver, Tls, Unanswered};
use tokio::task::JoinSet;

use super::addresses::Seen;
use super::clock::Told;
use super::finding::{Check, Finding, Verdict};
use super::{Patient, certificates};
use crate::node::settings;

/// What came of asking all trunks.
#[derive(Default)]
pub(super) struct Asked {
    pub findings: Vec<Finding>,
    pub seen: Vec<Seen>,
    pub told: Vec<Told>,
}

/// One place of a trunk, and how it is asked.
#[derive(Clone)]
struct Question {
    trunk: Arc<Trunk>,
    interface: Interface,
    address: SocketAddr,
    /// The name or address that is configured: what a certificate must show.
    host: String,
}

/// What one place said.
struct Reply {
    question: Question,
    answered: Result<Answered, Unanswered>,
    /// When, in seconds since 1970.
    at: i64,
}

/// Finds and asks every trunk that calls can go out by.
///
/// # Errors
/// In words, when no name server can be used at all.
pub(super) async fn ask(patient: &Patient) -> anyhow::Result<Asked> {
    let mut asked = Asked::default();
    let resolver =
        Resolver::new(settings::dns(&patient.loaded), random(), tokio::runtime::Handle::current())?;
    let mut questions = Vec::new();
    for trunk in patient.loaded.plan.trunks.iter().filter(|trunk| trunk.way.leads_somewhere()) {
        let Some(interface) = patient.loaded.plan.interfaces.get(usize::from(trunk.interface)) else {
            continue;
        };
        for target in trunk.way.targets() {
            let (addresses, found) = addresses_of(trunk, target, &resolver).await;
            asked.findings.extend(found);
            questions.extend(addresses.into_iter().map(|address| Question {
                trunk: Arc::clone(trunk),
                interface: interface.clone(),
                address,
                host: Target { port: None, ..target.clone() }.to_string(),
            }));
        }
    }
    let tls = certificates::in_use(patient).map(Arc::new);
    for reply in ask_all(patient, questions, tls).await {
        asked.add(reply, patient);
    }
    asked.findings.extend(patient.running.iter().flat_map(|running| &running.trunks).filter_map(as_it_says));
    Ok(asked)
}

impl Asked {
    fn add(&mut self, reply: Reply, patient: &Patient) {
        let Reply { question, answered, at } = reply;
        let name = question.trunk.name.to_string();
        let view = patient.running.iter().flat_map(|running| &running.trunks).find(|view| view.name == name);
        let mut status = None;
        if let Ok(Answered { response, .. }) = &answered
            && let Ok(Message::Response(response)) = Message::parse_datagram(response.clone())
        {
            status = Some(response.status);
            let received = response.headers.via().ok().and_then(|via| via.received());
            let interface = question.trunk.interface;
            let trunk_address = question.address.ip();
            self.seen.push(Seen { trunk: name.clone(), interface, trunk_address, received });
            let date = response.headers.text(HeaderName::Date).and_then(seconds_of);
            self.told.extend(date.map(|theirs| Told { by: name.clone(), theirs, ours: at }));
        }
        self.findings.push(match (answered, status) {
            (Ok(_), Some(status)) => judge_status(&name, question.address, status),
            (Ok(_), None) => rubbish(&name, question.address),
            (Err(error), _) => judge_silence(&question, &error, view),
        });
    }
}

/// Where a target leads, and a finding where it is a name.
async fn addresses_of(
    trunk: &Trunk,
    target: &Target,
    resolver: &Resolver,
) -> (Vec<SocketAddr>, Option<Finding>) {
    let TargetHost::Name(host) = &target.host else {
        return (target.address(trunk.way.transport).into_iter().collect(), None);
    };
    let wanted = Wanted {
        host: Box::from(&**host),
        port: target.port,
        transport: Some(transport(trunk)),
        secure: Security::Any,
    };
    let addresses: Vec<SocketAddr> =
        resolver.targets(wanted).await.into_iter().map(|found| found.address).collect();
    let finding = judge_name(host, &trunk.name.to_string(), &addresses);
    (addresses, Some(finding))
}

fn judge_name(host: &str, trunk: &str, addresses: &[SocketAddr]) -> Finding {
    let of = (Check::Dns, host);
    if addresses.is_empty() {
        return Finding::fault(
            of,
            format!("中继 {trunk} 的域名解析不出地址"),
            format!("the name of trunk {trunk} leads to no address"),
        )
        .fix(
            format!("用 dig {host} 核对域名, 或在 [dns] servers 写可用的域名服务器"),
            format!("check it with dig {host}, or name a server that works in [dns] servers"),
        );
    }
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    Finding::fine(of, shown.join(" "), format!("trunk {trunk}"))
}

/// Asks all at once beside a running switch; without one, from its own ports, which serve one question at a time.
async fn ask_all(patient: &Patient, questions: Vec<Question>, tls: Option<Arc<Tls>>) -> Vec<Reply> {
    let alone = patient.running.is_none();
    let connect = patient.loaded.transports.streams.connect;
    let mut groups: Vec<Vec<Question>> = Vec::new();
    for question in questions {
        let mates = |group: &&mut Vec<Question>| group[0].trunk.interface == question.trunk.interface;
        match groups.iter_mut().find(mates).filter(|_| alone) {
            Some(group) => group.push(question),
            None => groups.push(vec![question]),
        }
    }
    let mut tasks = JoinSet::new();
    for group in groups {
        let tls = tls.clone();
        tasks.spawn(async move {
            let mut replies = Vec::new();
            for question in group {
                let answered = question.ask(alone, tls.as_deref(), connect).await;
                replies.push(Reply { question, answered, at: SystemClock::start().wall().as_secs() });
            }
            replies
        });
    }
    let mut replies: Vec<Reply> = tasks.join_all().await.into_iter().flatten().collect();
    replies.sort_by(|a, b| {
        (&a.question.trunk.name, a.question.address).cmp(&(&b.question.trunk.name, b.question.address))
    });
    replies
}

impl Question {
    /// `alone`: our port is free, so that the trunk is asked as the switch would ask it.
    async fn ask(&self, alone: bool, tls: Option<&Tls>, connect: Duration) -> Result<Answered, Unanswered> {
        let transport = transport(&self.trunk);
        let port = if alone { self.interface.bind.port() } else { 0 };
        let probe = Probe {
            from: SocketAddr::new(self.interface.bind.ip(), port),
            transport,
            to: self.address,
            tls: tls
                .filter(|_| transport == Transport::Tls)
                .map(|tls| (tls, self.trunk.interface, &*self.host)),
            limit: if transport == Transport::Udp { PATIENCE } else { connect + PATIENCE },
        };
        match probe.ask(|local| self.options(local)).await {
            // Somebody else has our port: the ports' finding says so. From another one it may be answered as well.
            Err(Unanswered::Local { .. }) if port != 0 => {
                let from = SocketAddr::new(self.interface.bind.ip(), 0);
                Probe { from, ..probe }.ask(|local| self.options(local)).await
            }
            done => done,
        }
    }

    /// RFC 3261 §11. The Via names what the switch advertises: a trunk that sees another address says so.
    fn options(&self, local: SocketAddr) -> Bytes {
        let us = match &self.interface.host {
            Some(host) => host.to_string(),
            None => self.interface.advertise.to_string(),
        };
        let transport = transport(&self.trunk);
        let target = match (&self.trunk.way.domain, self.address) {
            (Some(domain), _) => format!("sip:{domain}"),
            (None, address) => format!("sip:{address}"),
        };
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let user = self.trunk.register.as_ref().map_or("hotline", |register| &*register.user);
        // invariant: hosts and addresses that the configuration took are hosts of a URI.
        let uri = |text: &str| {
            text.parse::<Uri>().unwrap_or_else(|_| "sip:invalid.invalid".parse().expect("a URI"))
        };
        let (target, from) = (uri(&target), uri(&format!("sip:{user}@{}", bracketed(&us))));
        let mut request = Request::new(Method::Options, target.clone());
        let branch = format!("z9hG4bKd{:x}", random());
        request
            .headers
            .push(HeaderName::Via, Via::new(transport.via(), &us, local.port(), &branch).as_bytes());
        request.headers.push(HeaderName::MaxForwards, "70");
        request
            .headers
            .push(HeaderName::From, NameAddr::new(None, &from).with_tag(&format!("{:x}", random())));
        request.headers.push(HeaderName::To, NameAddr::new(None, &target));
        request.headers.push(HeaderName::CallId, format!("doctor-{:x}", random()));
        request.headers.push(HeaderName::CSeq, "1 OPTIONS");
        request.headers.push(HeaderName::Contact, format!("<sip:{}:{}>", bracketed(&us), local.port()));
        request.headers.push(HeaderName::Accept, "application/sdp");
        request.to_bytes()
    }
}

fn transport(trunk: &Trunk) -> Transport {
    match trunk.way.transport {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
        TrunkTransport::Tls => Transport::Tls,
    }
}

fn judge_status(trunk: &str, address: SocketAddr, status: u16) -> Finding {
    let of = (Check::Trunk, trunk);
    let (zh, en) = (format!("{address} 应答 {status}"), format!("{address} answers {status}"));
    match status {
        403 => {
            Finding::warning(of, format!("{zh}, 可能没有放行本机地址"), format!("{en}: it may not admit us"))
                .fix(
                    "请运营商放行本机的地址和端口, 或核对账号",
                    "have the carrier admit our address and port, or check the account",
                )
        }
        408 | 500 | 502..=599 => {
            Finding::fault(of, format!("{zh}, 对方过载或停用"), format!("{en}: overloaded or out of service"))
                .fix(
                    "联系运营商; 配置备用中继 ([[trunk_group]])",
                    "ask the carrier; have a second trunk ([[trunk_group]])",
                )
        }
        _ => Finding::fine(of, zh, en),
    }
}

fn rubbish(trunk: &str, address: SocketAddr) -> Finding {
    Finding::fault(
        (Check::Trunk, trunk),
        format!("{address} 的应答不是 SIP"),
        format!("{address} answers something else than SIP"),
    )
    .fix("核对 to 的地址和端口", "check address and port of to")
}

/// `view`: what a running switch says of the trunk.
fn judge_silence(question: &Question, error: &Unanswered, view: Option<&TrunkView>) -> Finding {
    let (name, address) = (question.trunk.name.to_string(), question.address);
    let of = (Check::Trunk, name.as_str());
    if view.and_then(|view| view.up) == Some(true) {
        return Finding::fine(
            of,
            format!("{address} 对运行中的 hotline 有应答, 对 doctor 的端口没有"),
            format!("{address} answers the running switch, though not the doctor's port"),
        );
    }
    let (zh, en) = match error {
        Unanswered::Silent => {
            (format!("{address} 对 OPTIONS 没有应答"), format!("{address} does not answer OPTIONS"))
        }
        Unanswered::Unreached(why) => {
            let wanted = question.trunk.way.tls_name.as_deref().unwrap_or(&question.host);
            let (zh, en) = why.words(wanted);
            (format!("{address} {zh}"), format!("{address}: {en}"))
        }
        Unanswered::Local { .. } => (
            format!("无法从接口 {} 发送: {error}", question.interface.name),
            format!("cannot send from interface {}", question.interface.name),
        ),
    };
    // Without a heartbeat the switch does not mind: some carriers answer calls alone.
    let verdict = match (error, question.trunk.heartbeat) {
        (Unanswered::Silent, None) => Verdict::Warning,
        _ => Verdict::Fault,
    };
    Finding::new(verdict, of, zh, en).fix(
        "核对 to 的地址和端口, 防火墙, 以及运营商是否放行本机; 不应答 OPTIONS 的运营商写 heartbeat_seconds = 0",
        "check address and port of to, firewalls, and whether the carrier admits us; one that never answers OPTIONS \
         wants heartbeat_seconds = 0",
    )
}

/// What a running switch knows that a question from outside cannot find out.
fn as_it_says(view: &TrunkView) -> Option<Finding> {
    let of = (Check::Trunk, view.name.as_str());
    let error = view.error.clone().unwrap_or_default();
    let fix = ("见 hotline trunks", "see hotline trunks");
    if view.registered == Some(false) {
        return Some(Finding::fault(of, format!("未注册: {error}"), "not registered").fix(fix.0, fix.1));
    }
    (view.up == Some(false)).then(|| Finding::fault(of, format!("中断: {error}"), "down").fix(fix.0, fix.1))
}

/// RFC 3261 §20.17: `Sat, 13 Nov 2010 23:29:00 GMT`, in seconds since 1970.
fn seconds_of(date: &str) -> Option<i64> {
    Some(jiff::fmt::rfc2822::parse(date.trim()).ok()?.timestamp().as_second())
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without random numbers the questions are alike, which no peer minds.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Three of four datagrams may be lost.
const PATIENCE: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        let loaded = super::super::tests::office();
        let trunk = loaded.plan.trunks[0].clone();
        let interface = loaded.plan.interfaces[usize::from(trunk.interface)].clone();
        Question {
            trunk,
            interface,
            address: "192.0.2.33:5060".parse().unwrap(),
            host: "192.0.2.33".to_owned(),
        }
    }

    fn view(up: Option<bool>, registered: Option<bool>) -> TrunkView {
        TrunkView {
            name: question().trunk.name.to_string(),
            up,
            registered,
            since: None,
            error: Some("why".to_owned()),
            last_error: None,
            calls: 0,
            max_calls: None,
        }
    }

    #[test]
    fn the_question_is_a_whole_request_with_our_advertised_name() {
        let question = question();
        let bytes = question.options("192.0.2.10:40000".parse().unwrap());
        let Ok(Message::Request(mut request)) = Message::parse_datagram(bytes) else { panic!() };
        request.validate().unwrap();
        let via = request.headers.via().unwrap();
        assert_eq!((via.host(), via.port()), (&*question.interface.advertise.to_string(), Some(40_000)));
        assert_eq!(request.method, Method::Options);
    }

    #[test]
    fn answers_are_judged_and_a_running_switch_knows_better_than_silence() {
        let address = question().address;
        for (status, verdict) in [
            (200, Verdict::Fine),
            (404, Verdict::Fine),
            (405, Verdict::Fine),
            (501, Verdict::Fine),
            (403, Verdict::Warning),
            (408, Verdict::Fault),
            (503, Verdict::Fault),
        ] {
            assert_eq!(judge_status("cmcc", address, status).verdict, verdict, "{status}");
        }
        let silent = Unanswered::Silent;
        let watched = Question {
            trunk: Arc::new(Trunk { heartbeat: None, ..(*question().trunk).clone() }),
            ..question()
        };
        assert_eq!(judge_silence(&watched, &silent, None).verdict, Verdict::Warning);
        assert_eq!(judge_silence(&question(), &silent, Some(&view(Some(true), None))).verdict, Verdict::Fine);
        assert_eq!(judge_silence(&question(), &silent, Some(&view(None, None))).verdict, Verdict::Fault);
        let refused = Unanswered::Unreached(call::Unreached::WrongName);
        let found = judge_silence(&question(), &refused, None);
        assert!(found.verdict == Verdict::Fault && found.en.contains("192.0.2.33"), "{found:?}");
    }

    #[test]
    fn a_trunk_that_is_down_or_unregistered_is_told_with_its_cause() {
        assert_eq!(as_it_says(&view(Some(true), Some(true))), None);
        assert_eq!(as_it_says(&view(None, None)), None);
        for view in [view(Some(false), None), view(Some(true), Some(false))] {
            assert!(as_it_says(&view).is_some_and(|found| found.zh.contains("why")));
        }
    }

    #[test]
    fn dates_of_peers_are_read() {
        assert_eq!(seconds_of("Thu, 26 Nov 2026 00:00:00 GMT"), Some(1_795_651_200));
        assert_eq!(seconds_of("yesterday"), None);
    }
}
