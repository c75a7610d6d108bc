//! Owns a small plan for this crate's tests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::diversion::ForwardWhen;
use model::supervision::Verb;
use model::{Aor, FlowName, HotlineNumber, InterfaceName, TenantId};

use crate::*;

pub fn trunk(name: &str, interface: u16, from: &[(&str, u8)]) -> Trunk {
    let block = |(address, prefix): &(&str, u8)| Cidr { address: address.parse().unwrap(), prefix: *prefix };
    Trunk {
        interface,
        access: Access { from: from.iter().map(block).collect(), ..Access::default() },
        media: MediaChoice { codecs: vec![CodecChoice::Pcma], ..MediaChoice::default() },
        ..Trunk::named(name)
    }
}

pub fn number(tenant: &str, number: &str, aliases: &[&str]) -> Number {
    let tenant = TenantId::new(tenant);
    Number {
        number: HotlineNumber::new(&tenant, number),
        aliases: aliases.iter().map(|alias| Arc::from(*alias)).collect(),
        flow: FlowName::new(&tenant, "main"),
        night_flow: None,
        open: Vec::new(),
        answer: AnswerMode::AtOnce,
        record: RecordPolicy::Talk,
        when_disk_full: WhenDiskFull::GoOn,
        max_calls: None,
    }
}

pub fn phone(tenant: &str, user: &str, domain: &str) -> Phone {
    Phone {
        tenant: TenantId::new(tenant),
        aor: Aor::new(user, domain),
        password: Arc::from("secret"),
        digest: DigestChoice::Md5,
        interface: 0,
        agent: None,
        max_contacts: 5,
        media: MediaChoice { codecs: vec![CodecChoice::Pcma], ..MediaChoice::default() },
        class: None,
        reliable: Reliable::Supported,
        large_over_tcp: false,
        caller: None,
        pickup_group: None,
        night_switch: false,
        mailbox: None,
        voicemail: false,
    }
}

pub fn limits(max_calls: usize, per_second: Option<u32>) -> Limits {
    Limits {
        max_calls,
        max_calls_per_second: per_second,
        max_duration: Duration::from_secs(60),
        overload_delay: Duration::from_millis(20),
    }
}

pub fn security() -> Security {
    Security {
        requests_per_second: 50,
        failed_logins_per_minute: 10,
        ban: Duration::from_secs(600),
        max_bans: 1_000,
        scanners: vec![Arc::from("friendly-scanner")],
        strange_options: StrangeOptions::Drop,
    }
}

pub fn plan(trunks: Vec<Trunk>, numbers: Vec<Number>, phones: Vec<Phone>) -> Plan {
    let address = IpAddr::from([127, 0, 0, 1]);
    let interface = |name: &str, port: u16| Interface {
        name: InterfaceName::new(name),
        bind: (address, port).into(),
        udp: true,
        tcp: true,
        tls: None,
        ws: None,
        wss: None,
        certificate: None,
        advertise: address,
        host: None,
        rtp: RtpRange { low: 20_000, high: 20_010 },
    };
    let domain =
        |tenant: &str, domain: &str| TenantDomain { tenant: TenantId::new(tenant), domain: domain.into() };
    Plan {
        interfaces: vec![interface("main", 5060), interface("other", 5070)],
        trunks: trunks.into_iter().map(Arc::new).collect(),
        groups: Vec::new(),
        numbers,
        phones,
        queues: HashMap::new(),
        domains: vec![domain("default", "hotline"), domain("acme", "acme.example")],
        limits: limits(100, None),
        security: security(),
        classes: HashMap::from([(Arc::from(ClassOfService::USUAL), ClassOfService::usual())]),
        codes: FeatureCodes::new([
            (Feature::Ready, "*22".into()),
            (Feature::Busy, "*23".into()),
            (Feature::Pause, "*24".into()),
            (Feature::SignOut, "*25".into()),
            (Feature::Echo, "*9196".into()),
            (Feature::Supervise(Verb::Listen), "*33".into()),
            (Feature::Supervise(Verb::Barge), "*34".into()),
            (Feature::Forward(ForwardWhen::Always), "*72".into()),
        ]),
        dialling: Dialling::default(),
        supervision: Supervision::default(),
        greetings: std::collections::HashMap::new(),
        mailboxes: std::collections::HashMap::new(),
        conferences: HashMap::new(),
        phone_services: PhoneServices::default(),
        rtp_timeout: None,
        silence_alarm: None,
        session_expires: None,
    }
}
