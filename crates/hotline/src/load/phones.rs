//! Owns the registration of a load's phones, before its first call.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use clock::SystemClock;
use sip::auth::Login;
use sip::{HeaderName, Message, Method, Request, Response};

use super::options::Options;
use super::post::{self, Post};

/// Registers all phones of `options` at the switch, with `post` as their contact.
///
/// # Errors
/// In words, when one is refused, or no answer comes.
pub(super) fn register(options: &Options, clock: &SystemClock, post: &mut Post) -> anyhow::Result<()> {
    let mut waiting: HashMap<String, Phone> = HashMap::new();
    for phones in &options.register {
        for user in &phones.users {
            let login = Login { user: user.clone(), password: phones.password.clone(), realm: None };
            let request = request(options, user, post.local())?;
            waiting.insert(user.clone(), Phone { request, login, answered: 0 });
        }
    }
    let count = waiting.len();
    let end = clock.now() + PATIENCE;
    let mut again = clock.now();
    while !waiting.is_empty() {
        let now = clock.now();
        if now >= end {
            bail!("{} / {count} 部话机未能注册: 交换机没有应答 / not registered: no answer", waiting.len());
        }
        if now >= again {
            // A datagram may be lost, and so may its answer.
            again = now + AGAIN;
            for phone in waiting.values() {
                post.send(options.to, |bytes| bytes.extend_from_slice(&phone.request.to_bytes()));
            }
        }
        post.flush();
        post::wait(&[post], again.since(now));
        let mut refused = None;
        post.receive(|post, from, bytes| {
            let parsed = Message::parse_datagram(bytes::Bytes::copy_from_slice(bytes));
            let Ok(Message::Response(response)) = parsed else { return };
            refused = refused.take().or_else(|| on_response(&mut waiting, &response, from, post));
        });
        if let Some((user, status)) = refused {
            bail!("话机 {user} 注册被拒: {status} / phone {user} is refused: {status}");
        }
    }
    Ok(())
}

struct Phone {
    request: Request,
    login: Login,
    /// Challenges answered.
    answered: u32,
}

/// Takes a response; who was refused and how.
fn on_response(
    waiting: &mut HashMap<String, Phone>,
    response: &Response,
    from: SocketAddr,
    post: &mut Post,
) -> Option<(String, u16)> {
    let user = response.headers.to().ok()?.uri().user()?.into_owned();
    let phone = waiting.get_mut(&user)?;
    match response.status {
        100..200 => None,
        200..300 => {
            waiting.remove(&user);
            None
        }
        401 | 407 => {
            // A challenge to what was sent before the answered one is old.
            if response.headers.cseq().ok()? != phone.request.headers.cseq().ok()? {
                return None;
            }
            let cnonce = format!("{user}{}", phone.answered);
            let answered = phone.login.answer(response, &mut phone.request, &cnonce, 1);
            if phone.answered >= MOST_CHALLENGES || answered.is_err() {
                return Some((user, response.status));
            }
            phone.answered += 1;
            let cseq = format!("{} REGISTER", phone.answered + 1);
            phone.request.headers.set(HeaderName::CSeq, cseq);
            phone.request.headers.set(HeaderName::Via, via(post.local(), &user, phone.answered));
            let again = phone.request.to_bytes();
            post.send(from, |bytes| bytes.extend_from_slice(&again));
            None
        }
        status => Some((user, status)),
    }
}

fn request(options: &Options, user: &str, local: SocketAddr) -> anyhow::Result<Request> {
    let domain = options.domain.clone().unwrap_or_else(|| options.to.ip().to_string());
    let address = format!("<sip:{user}@{domain}>");
    let uri = sip::Uri::parse(format!("sip:{domain}"))
        .with_context(|| format!("不是域名: {domain} / not a domain"))?;
    let mut request = Request::new(Method::Register, uri);
    let headers = &mut request.headers;
    headers.push(HeaderName::Via, via(local, user, 0));
    headers.push(HeaderName::MaxForwards, "70");
    headers.push(HeaderName::From, format!("{address};tag={user}"));
    headers.push(HeaderName::To, address);
    headers.push(HeaderName::CallId, format!("{user}-{}@{}", std::process::id(), local.ip()));
    headers.push(HeaderName::CSeq, "1 REGISTER");
    headers.push(HeaderName::Contact, format!("<sip:{user}@{local}>"));
    headers.push(HeaderName::Expires, "3600");
    Ok(request)
}

fn via(local: SocketAddr, user: &str, nth: u32) -> String {
    format!("SIP/2.0/UDP {local};branch=z9hG4bKreg-{}-{user}-{nth};rport", std::process::id())
}

/// How long all registrations may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer may take until the request is sent again.
const AGAIN: Duration = Duration::from_secs(2);
/// A refused password is challenged again.
const MOST_CHALLENGES: u32 = 2;
