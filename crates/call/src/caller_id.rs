//! Owns how a call out introduces itself to a trunk: From, asserted identities, privacy, and what it was forwarded from.
//! Does not own whose number may be shown (see `routing::TrunkIdentity`, whose settings decide).

use routing::{CallerHeader, Diversion, NumberUri, Target, TargetHost, Trunk, TrunkBinding};
use sip::{NameAddr, Uri};

/// Who calls whom, numbers in the form that records keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties<'a> {
    /// The customer; empty or `anonymous` when unknown or withheld.
    pub customer: &'a str,
    /// The number that one of our phones wishes to show, when it calls.
    pub ours: Option<&'a str>,
    /// The customer's number where the network told it to us alone (RFC 3325 `Privacy: id`).
    pub withheld: Option<&'a str>,
    /// The number that is dialled.
    pub called: &'a str,
    /// The hotline number that the call was forwarded from.
    pub forwarded_from: Option<&'a str>,
}

/// What the INVITE says of its caller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Introduction {
    /// From, without a tag.
    pub from: NameAddr,
    /// Identities, privacy, diversion.
    pub headers: Vec<(String, String)>,
    /// The user of our Contact.
    pub contact_user: String,
}

/// How a call introduces itself to `trunk`; `host` is what we are reached by.
pub(crate) fn introduce(
    trunk: &Trunk,
    binding: Option<&TrunkBinding>,
    host: &str,
    parties: &Parties<'_>,
) -> Option<Introduction> {
    let identity = &trunk.identity;
    let domain = identity.from_domain.as_deref().or_else(|| {
        let register = trunk.register.as_ref()?;
        Some(&*register.domain)
    });
    let (host, port) = host_port(domain.unwrap_or(host));
    let caller = caller(trunk, binding, parties);
    let number = caller.number.as_deref().map(|number| trunk.numbers.write_caller(number));
    let uri = number.as_deref().and_then(|number| number_uri(trunk, number, &host, port));
    let user = from_user(trunk).or(number.as_deref()).unwrap_or("anonymous").to_owned();
    let from = match &uri {
        // RFC 3323 §4.1.1.3.
        _ if caller.privacy == Privacy::Id || number.is_none() => {
            let nobody = Uri::sip(Some("anonymous"), "anonymous.invalid", None).ok()?;
            NameAddr::new(Some("Anonymous"), &nobody)
        }
        Some(uri) if identity.headers.contains(&CallerHeader::From) => NameAddr::new(None, uri),
        _ => NameAddr::new(None, &Uri::sip(Some(&user), &host, port).ok()?),
    };
    let mut headers = Vec::new();
    if let Some(uri) = &uri {
        for header in &identity.headers {
            headers.extend(asserted(*header, uri, caller.privacy));
        }
    }
    if caller.privacy == Privacy::Id {
        headers.push(("Privacy".to_owned(), "id".to_owned()));
    }
    if let Some(hotline) = parties.forwarded_from {
        let diverting = identity.caller.as_deref().unwrap_or(hotline);
        let diverting = number_uri(trunk, &trunk.numbers.write_caller(diverting), &host, port)?;
        headers.extend(diversion(trunk, &diverting, parties.called, (&host, port)));
    }
    let contact_user = match &trunk.register {
        Some(register) => register.contact_user.as_ref().unwrap_or(&register.line).to_string(),
        None => number.unwrap_or(user),
    };
    Some(Introduction { from, headers, contact_user })
}

/// The number's URI as the trunk wants it.
pub(crate) fn number_uri(trunk: &Trunk, number: &str, host: &str, port: Option<u16>) -> Option<Uri> {
    match trunk.identity.uri {
        NumberUri::Tel if number.starts_with('+') => Uri::tel(number).ok(),
        // RFC 3966 §5.1.4: a local number needs its context.
        NumberUri::Tel => Uri::tel(number).and_then(|uri| uri.with_param("phone-context", "+86")).ok(),
        NumberUri::Sip => {
            let uri = Uri::sip(Some(number), host, port).ok()?;
            if trunk.identity.user_phone { uri.with_param("user", "phone").ok() } else { Some(uri) }
        }
    }
}

/// Host and port of a domain or address as it is written in settings.
pub(crate) fn host_port(text: &str) -> (String, Option<u16>) {
    match Target::parse(text) {
        Some(Target { host: TargetHost::Address(address), port }) => (address.to_string(), port),
        Some(Target { host: TargetHost::Name(name), port }) => (name.to_string(), port),
        None => (text.to_owned(), None),
    }
}

/// The user that From and REGISTER name where the caller's number stands elsewhere.
fn from_user(trunk: &Trunk) -> Option<&str> {
    let registered = || trunk.register.as_ref().map(|register| &*register.user);
    trunk.identity.from_user.as_deref().or_else(registered)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privacy {
    Open,
    Id,
}

struct Caller {
    number: Option<String>,
    privacy: Privacy,
}

/// Whose number is shown, and whether it is to be passed on to the called party.
fn caller(trunk: &Trunk, binding: Option<&TrunkBinding>, parties: &Parties<'_>) -> Caller {
    let identity = &trunk.identity;
    let known = !parties.customer.is_empty() && parties.customer != "anonymous";
    let wish = if identity.withhold { Privacy::Id } else { Privacy::Open };
    // R21: a number of that trunk.
    if let Some(ours) = parties.ours.filter(|ours| identity.lets_show(ours)) {
        return Caller { number: Some(ours.to_owned()), privacy: wish };
    }
    if identity.show_caller && known {
        return Caller { number: Some(parties.customer.to_owned()), privacy: wish };
    }
    if let (true, Some(withheld)) = (identity.show_caller, parties.withheld) {
        return Caller { number: Some(withheld.to_owned()), privacy: Privacy::Id };
    }
    let number = own_number(trunk, binding);
    let privacy = if number.is_none() { Privacy::Id } else { wish };
    Caller { number, privacy }
}

/// The trunk's own number: the one that is set where the carrier lets us use it, else the one the carrier names first
/// (RFC 7315 §4.1: the first P-Associated-URI is the default).
fn own_number(trunk: &Trunk, binding: Option<&TrunkBinding>) -> Option<String> {
    let associated: Vec<String> = binding
        .iter()
        .flat_map(|binding| &binding.associated)
        .filter_map(|uri| Some(uri.parse::<Uri>().ok()?.number()?.into_owned()))
        .collect();
    let same = |a: &str, b: &str| national(a) == national(b);
    let is_number = |user: &&str| user.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+');
    let registered = || trunk.register.as_ref().map(|register| &*register.user).filter(is_number);
    let set = trunk.identity.caller.as_deref().or_else(registered);
    match set {
        Some(set) if associated.is_empty() || associated.iter().any(|known| same(known, set)) => {
            Some(set.to_owned())
        }
        _ => associated.into_iter().next().or_else(|| set.map(str::to_owned)),
    }
}

fn national(number: &str) -> &str {
    let national = model::numbers::national(number);
    national.strip_prefix('0').unwrap_or(national)
}

fn asserted(header: CallerHeader, uri: &Uri, privacy: Privacy) -> Option<(String, String)> {
    let plain = format!("<{uri}>");
    match header {
        CallerHeader::From => None,
        CallerHeader::Asserted => Some(("P-Asserted-Identity".to_owned(), plain)),
        CallerHeader::Preferred => Some(("P-Preferred-Identity".to_owned(), plain)),
        CallerHeader::RemoteParty => {
            let privacy = if privacy == Privacy::Id { "full" } else { "off" };
            let value = format!("{plain};party=calling;screen=yes;privacy={privacy}");
            Some(("Remote-Party-ID".to_owned(), value))
        }
    }
}

fn diversion(
    trunk: &Trunk,
    diverting: &Uri,
    called: &str,
    (host, port): (&str, Option<u16>),
) -> Vec<(String, String)> {
    match trunk.identity.diversion {
        Diversion::None => Vec::new(),
        // RFC 5806 §4.1.
        Diversion::Diversion => {
            let value = format!("<{diverting}>;reason=unconditional;counter=1;privacy=off");
            vec![("Diversion".to_owned(), value)]
        }
        // RFC 7044 §5: whom the call was for, then whom it is for now; the cause is RFC 4458's "unconditional".
        Diversion::HistoryInfo => {
            let called = trunk.numbers.write_called(called);
            let target = Uri::sip(Some(&called), host, port).and_then(|uri| uri.with_param("cause", "302"));
            let Ok(target) = target else { return Vec::new() };
            vec![
                ("History-Info".to_owned(), format!("<{diverting}>;index=1")),
                ("History-Info".to_owned(), format!("<{target}>;index=1.1;mp=1")),
            ]
        }
    }
}

#[cfg(test)]
mod tests;
