//! Owns the order in which a folder's files are read, and the settings they make together.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use acd::{AgentSettings, QueueSettings, TenantSettings};
use model::say::SayItem;
use model::{AgentId, ConferenceName, DialTarget, FlowName, MailboxName, QueueName, TenantId};
use routing::{
    ClassOfService, ConferenceProfile, Dialling, Interface, Mailbox, Number, Phone, Plan, QueueProfile,
    Rights, Supervision, TenantDomain, Trunk, TrunkGroup,
};
use toml::de::DeTable;

use crate::decode::is_name;
use crate::fields::{NameKind, Object};
use crate::loaded::Loaded;
use crate::reading::{Reading, Spot, nearest};
use crate::record::Record;
use crate::sources::SourceFile;
use crate::tables::{
    self, AGENT, AGENTS, CONFERENCE, FLOW, HOTLINE, MAILBOX, MAILBOXES, NUMBER, NUMBERS, PHONE, PHONES,
    QUEUE, TENANT, TRUNK,
};
use crate::{Diagnostics, Sources};

/// Decodes a folder: see [`crate::load`].
pub(crate) fn load(sources: &Sources) -> Result<Loaded, Diagnostics> {
    let mut reading = Reading::new(sources);
    let mut folder = Folder::default();
    let files = sort_out(sources, &mut reading);
    let hotline = files.iter().find(|file| file.kind == FileKind::Hotline);
    let hotline = hotline.map(|file| read_root(file, &HOTLINE, &mut reading));
    if let Some(record) = &hotline {
        folder.interfaces = tables::interfaces(record, &mut reading);
        folder.groups =
            record.records("trunk_group").map(|group| tables::trunk_group(group, &mut reading)).collect();
        folder.classes = tables::classes(record, &mut reading);
        folder.dialling = tables::dialling(record, &mut reading);
        let domain = tables::node(record).domain;
        folder.add_tenant(&TenantId::default(), &domain, record.spot_of("node"), &mut reading);
    } else {
        folder.add_tenant(&TenantId::default(), "hotline", &reading.whole_file(), &mut reading);
    }
    for file in files.iter().filter(|file| file.kind == FileKind::Tenant) {
        let record = read_root(file, &TENANT, &mut reading);
        folder.add_tenant(&file.tenant, &record.text("domain"), record.spot_of("domain"), &mut reading);
    }
    for file in &files {
        folder.read(file, &mut reading);
    }
    reading.check_names();
    folder.check(&mut reading);
    match hotline {
        Some(record) => folder.finish(&record, reading),
        None => Err(missing_or(reading, sources)),
    }
}

/// What is made of the files.
#[derive(Default)]
struct Folder {
    interfaces: Vec<Interface>,
    classes: HashMap<Arc<str>, ClassOfService>,
    domains: Vec<TenantDomain>,
    trunks: Vec<Trunk>,
    trunk_spots: Vec<Spot>,
    groups: Vec<TrunkGroup>,
    dialling: Dialling,
    numbers: Vec<Number>,
    phones: Vec<Phone>,
    profiles: HashMap<QueueName, QueueProfile>,
    /// Tenant, queue, what is dialled for it, and where that is written.
    queue_numbers: Vec<(TenantId, String, Arc<str>, Spot)>,
    flows: Vec<(ivr::Flow, Record, TenantId, usize)>,
    queues: BTreeMap<TenantId, Vec<QueueSettings>>,
    agents: BTreeMap<TenantId, Vec<AgentSettings>>,
    rights: HashMap<AgentId, Rights>,
    greetings: HashMap<AgentId, Vec<SayItem>>,
    conferences: HashMap<ConferenceName, Arc<ConferenceProfile>>,
    mailboxes: HashMap<MailboxName, Arc<Mailbox>>,
}

/// One file with its place in the tree.
struct File {
    index: usize,
    kind: FileKind,
    tenant: TenantId,
    /// The file's name without `.toml`.
    stem: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Hotline,
    Tenant,
    Trunk,
    Number,
    Flow,
    Queue,
    Conference,
    Mailbox,
    Agent,
    Phone,
}

impl FileKind {
    /// What files of this kind define.
    fn defines(self) -> Option<NameKind> {
        match self {
            FileKind::Hotline => Some(NameKind::Interface),
            FileKind::Flow => Some(NameKind::Node),
            FileKind::Agent => Some(NameKind::Agent),
            FileKind::Mailbox => Some(NameKind::Mailbox),
            FileKind::Phone => Some(NameKind::Phone),
            FileKind::Tenant
            | FileKind::Trunk
            | FileKind::Number
            | FileKind::Queue
            | FileKind::Conference => None,
        }
    }
}

impl Folder {
    fn add_tenant(&mut self, tenant: &TenantId, domain: &str, spot: &Spot, reading: &mut Reading<'_>) {
        let domain = domain.to_ascii_lowercase();
        if !domain.is_empty() {
            reading.define(NameKind::Domain, &domain, spot);
        }
        self.domains.push(TenantDomain { tenant: tenant.clone(), domain: Arc::from(domain) });
    }

    fn domain_of(&self, tenant: &TenantId) -> Arc<str> {
        let found = self.domains.iter().find(|domain| domain.tenant == *tenant);
        found.map(|domain| domain.domain.clone()).unwrap_or_default()
    }

    fn read(&mut self, file: &File, reading: &mut Reading<'_>) {
        let domain = self.domain_of(&file.tenant);
        match file.kind {
            FileKind::Hotline | FileKind::Tenant => {}
            FileKind::Trunk => {
                let record = read_root(file, &TRUNK, reading);
                reading.define(NameKind::Trunk, &file.stem, &record.spot);
                let interface = self.interface(&record);
                self.trunks.push(tables::trunk(&file.stem, &record, reading, interface));
                self.trunk_spots.push(record.spot_of("from").clone());
            }
            FileKind::Number => {
                for record in read_many(file, &NUMBER, &NUMBERS, "number", reading) {
                    self.numbers.push(tables::number(&record, reading));
                }
            }
            FileKind::Flow => {
                reading.flow.clone_from(&file.stem);
                let record = read_root(file, &FLOW, reading);
                reading.define(NameKind::Flow, &file.stem, &record.spot);
                let flow = tables::flow(&file.stem, &record, reading, &domain);
                self.flows.push((flow, record, file.tenant.clone(), file.index));
            }
            FileKind::Queue => {
                let record = read_root(file, &QUEUE, reading);
                reading.define(NameKind::Queue, &file.stem, &record.spot);
                let queue = tables::queue(&file.stem, &record, reading);
                if let Some(dial) = record.text_if("dial") {
                    let spot = record.spot_of("dial").clone();
                    self.queue_numbers.push((file.tenant.clone(), file.stem.clone(), dial, spot));
                }
                self.profiles.insert(queue.name.clone(), tables::profile(&file.stem, &record, reading));
                self.queues.entry(file.tenant.clone()).or_default().push(queue);
            }
            FileKind::Conference => {
                let record = read_root(file, &CONFERENCE, reading);
                reading.define(NameKind::Conference, &file.stem, &record.spot);
                let conference = tables::conference(&file.stem, &record, reading);
                self.conferences.insert(conference.name.clone(), Arc::new(conference));
            }
            FileKind::Mailbox => {
                for record in read_many(file, &MAILBOX, &MAILBOXES, "mailbox", reading) {
                    let mailboxes = tables::mailboxes(&record, reading).into_iter();
                    self.mailboxes.extend(mailboxes.map(|one| (one.name.clone(), Arc::new(one))));
                }
            }
            FileKind::Agent => {
                for record in read_many(file, &AGENT, &AGENTS, "agent", reading) {
                    let agents = tables::agents(&record, reading, &domain);
                    if let Some(rights) = tables::rights(&record) {
                        let granted = agents.iter().map(|agent| (agent.id.clone(), rights.clone()));
                        self.rights.extend(granted);
                    }
                    let greeting = record.say("greeting");
                    if !greeting.is_empty() {
                        let greets = agents.iter().map(|agent| (agent.id.clone(), greeting.clone()));
                        self.greetings.extend(greets);
                    }
                    self.agents.entry(file.tenant.clone()).or_default().extend(agents);
                }
            }
            FileKind::Phone => {
                for record in read_many(file, &PHONE, &PHONES, "phone", reading) {
                    let interface = self.interface(&record);
                    self.phones.extend(tables::phones(&record, reading, &domain, interface));
                }
            }
        }
    }

    /// The place of the listener that `record` names; the first when it names none.
    fn interface(&self, record: &Record) -> u16 {
        let name = record.text_if("interface");
        let place = name.and_then(|name| self.interfaces.iter().position(|i| i.name.as_str() == &*name));
        place.and_then(|place| u16::try_from(place).ok()).unwrap_or(0)
    }

    /// What only all files together show.
    fn check(&mut self, reading: &mut Reading<'_>) {
        self.check_trunks(reading);
        self.check_calls_out(reading);
        self.check_groups(reading);
        self.check_queue_numbers(reading);
        self.check_bare_users(reading);
        self.check_voicemail(reading);
        if !reading.has_errors() {
            for (flow, record, tenant, file) in &self.flows {
                reading.enter(*file, tenant);
                let by_day = self.numbers.iter().any(|one| one.flow == flow.name);
                let by_night = self.numbers.iter().any(|one| one.night_flow.as_ref() == Some(&flow.name));
                let hours = if by_night && !by_day { tables::Hours::NightOnly } else { tables::Hours::Any };
                tables::check_flow(flow, record, hours, reading);
            }
        }
    }

    /// The same block at one listener must not mean two trunks, and its listener must serve a trunk's transport.
    fn check_trunks(&self, reading: &mut Reading<'_>) {
        for (place, trunk) in self.trunks.iter().enumerate() {
            if let Some(interface) = self.interfaces.get(usize::from(trunk.interface))
                && !tables::serves(interface, trunk.way.transport)
            {
                reading.error(
                    &self.trunk_spots[place],
                    "bad-value",
                    format!("接口 «{}» 没有开中继 «{}» 的传输协议", interface.name, trunk.name),
                    format!(
                        "interface \"{}\" lacks the transport of trunk \"{}\"",
                        interface.name, trunk.name
                    ),
                );
            }
            for block in &trunk.access.from {
                let other = self.trunks[..place]
                    .iter()
                    .find(|other| other.interface == trunk.interface && other.access.from.contains(block));
                if let Some(other) = other {
                    reading.error(
                        &self.trunk_spots[place],
                        "duplicate",
                        format!("网段 {}/{} 已属于中继 «{}»", block.address, block.prefix, other.name),
                        format!(
                            "{}/{} belongs to trunk \"{}\" already",
                            block.address, block.prefix, other.name
                        ),
                    );
                }
            }
        }
    }

    /// A trunk that calls go out by needs an address to send them to.
    fn check_calls_out(&self, reading: &mut Reading<'_>) {
        for (name, spot) in reading.take_calls_out() {
            let leads_nowhere = |trunk: &Trunk| trunk.name.as_str() == name && !trunk.way.leads_somewhere();
            if self.trunks.iter().any(leads_nowhere) {
                reading.error(
                    &spot,
                    "dangling",
                    format!("中继 «{name}» 没有 «to», 不能呼出"),
                    format!("trunk \"{name}\" has no \"to\", calls cannot go out by it"),
                );
            }
        }
    }

    /// A group holds trunks, not groups.
    fn check_groups(&self, reading: &mut Reading<'_>) {
        for group in &self.groups {
            for member in &group.members {
                if self.groups.iter().any(|other| other.name == member.trunk) {
                    let Some(spot) = reading.defined_at(NameKind::Trunk, group.name.as_str()).cloned() else {
                        continue;
                    };
                    reading.error(
                        &spot,
                        "bad-value",
                        format!("中继组 «{}» 里的 «{}» 也是组, 组里只能放中继", group.name, member.trunk),
                        format!(
                            "\"{}\" in group \"{}\" is a group; only trunks belong there",
                            member.trunk, group.name
                        ),
                    );
                }
            }
        }
    }

    /// What phones dial for a queue is neither another queue's nor a phone's.
    fn check_queue_numbers(&self, reading: &mut Reading<'_>) {
        let mut taken: HashMap<(&TenantId, &str), &str> = HashMap::new();
        for phone in &self.phones {
            taken.insert((&phone.tenant, phone.aor.user()), phone.aor.user());
        }
        for (tenant, name, dial, spot) in &self.queue_numbers {
            let Some(other) = taken.insert((tenant, dial), name) else { continue };
            reading.error(
                spot,
                "duplicate",
                format!("«{dial}» 已是 «{other}» 的号码"),
                format!("\"{dial}\" is what is dialled for \"{other}\" already"),
            );
        }
    }

    /// A phone whose calls go to voicemail has a mailbox.
    fn check_voicemail(&self, reading: &mut Reading<'_>) {
        for phone in self.phones.iter().filter(|phone| phone.voicemail) {
            // One that names its mailbox is checked with all other names.
            if phone
                .mailbox
                .as_ref()
                .is_some_and(|name| self.mailboxes.contains_key(name) || name.as_str() != phone.aor.user())
            {
                continue;
            }
            reading.enter(0, &phone.tenant);
            let user = phone.aor.user();
            let Some(spot) = reading.defined_at(NameKind::Phone, user).cloned() else { continue };
            reading.error(
                &spot,
                "dangling",
                format!("话机 «{user}» 写了 voicemail, 但没有语音信箱 «{user}»"),
                format!("phone \"{user}\" has voicemail, but there is no mailbox \"{user}\""),
            );
        }
    }

    /// A phone that registers at a bare address is found by its user alone, if only one tenant has it.
    fn check_bare_users(&self, reading: &mut Reading<'_>) {
        let mut users: HashMap<&str, &TenantId> = HashMap::new();
        for phone in &self.phones {
            let first = users.entry(phone.aor.user()).or_insert(&phone.tenant);
            if **first != phone.tenant {
                reading.enter(0, &phone.tenant);
                let Some(spot) = reading.defined_at(NameKind::Phone, phone.aor.user()).cloned() else {
                    continue;
                };
                let (user, first) = (phone.aor.user(), first.as_str());
                reading.warn(
                    &spot,
                    "shared-user",
                    format!("话机 «{user}» 租户 «{first}» 也有, 注册时必须写明域名"),
                    format!(
                        "tenant \"{first}\" has a phone \"{user}\" too: both must register with their domain"
                    ),
                );
                return;
            }
        }
    }

    fn finish(mut self, hotline: &Record, mut reading: Reading<'_>) -> Result<Loaded, Diagnostics> {
        self.give_phones_to_agents();
        let limits = tables::limits(hotline);
        let codes = tables::codes(hotline, &mut reading);
        let own_calls_wrap_up = tables::own_calls_wrap_up(hotline);
        let supervision = Supervision {
            rights: std::mem::take(&mut self.rights),
            queues_of: tables::queues_of(self.queues.values().flatten()),
            keys: tables::supervision_keys(hotline, &mut reading),
        };
        let tables::Media { rtp_timeout, silence_alarm, session_expires } =
            tables::media(hotline, &mut reading);
        let phone_services = tables::phone_services(hotline, &mut reading);
        let node = tables::node(hotline);
        let hooks = tables::hooks(hotline, &mut reading);
        let transports = tables::transports(hotline);
        let recordings = tables::recordings(hotline, &mut reading);
        let (marks, trace) = (tables::marks(hotline), tables::trace(hotline));
        let prompts = tables::prompts(hotline);
        let found = reading.finish();
        if found.has_errors() {
            return Err(found);
        }
        let acd = self.domains.iter().map(|domain| TenantSettings {
            tenant: domain.tenant.clone(),
            queues: self.queues.remove(&domain.tenant).unwrap_or_default(),
            agents: self.agents.remove(&domain.tenant).unwrap_or_default(),
            own_calls_wrap_up,
        });
        let acd = acd.collect();
        let flows: HashMap<FlowName, Arc<ivr::Flow>> =
            self.flows.into_iter().map(|(flow, ..)| (flow.name.clone(), Arc::new(flow))).collect();
        let plan = Plan {
            interfaces: self.interfaces,
            trunks: self.trunks.into_iter().map(Arc::new).collect(),
            groups: self.groups,
            numbers: self.numbers,
            phones: self.phones,
            queues: self.profiles,
            domains: self.domains,
            limits,
            security: tables::security(hotline),
            classes: self.classes,
            codes,
            dialling: self.dialling,
            supervision,
            conferences: self.conferences,
            greetings: self.greetings,
            mailboxes: self.mailboxes,
            phone_services,
            rtp_timeout,
            silence_alarm,
            session_expires,
        };
        Ok(Loaded {
            node,
            plan,
            flows,
            acd,
            recordings,
            prompts,
            hooks,
            transports,
            marks,
            trace,
            warnings: found,
        })
    }

    /// A phone without an agent of its own is that agent's whose phone it is.
    fn give_phones_to_agents(&mut self) {
        let mut owners = HashMap::new();
        for agent in self.agents.values().flatten() {
            if let DialTarget::Phone(aor) = &agent.target {
                owners.entry(aor.clone()).or_insert_with(|| agent.id.clone());
            }
        }
        for phone in self.phones.iter_mut().filter(|phone| phone.agent.is_none()) {
            phone.agent = owners.get(&phone.aor).cloned();
        }
    }
}

/// Finds the kind of each file, or tells that it has none.
fn sort_out(sources: &Sources, reading: &mut Reading<'_>) -> Vec<File> {
    let mut files = Vec::new();
    let mut tenants: BTreeMap<TenantId, (usize, bool)> = BTreeMap::new();
    for (index, file) in sources.files.iter().enumerate() {
        let (tenant, inner) = match file.path.strip_prefix("tenants/").and_then(|rest| rest.split_once('/')) {
            Some((tenant, inner)) => (TenantId::new(tenant), inner),
            None => (TenantId::default(), file.path.as_str()),
        };
        reading.enter(index, &tenant);
        let is_root = inner.len() == file.path.len();
        if !is_root {
            let entry = tenants.entry(tenant.clone()).or_insert((index, false));
            entry.1 |= inner == "tenant.toml";
        }
        let Some(kind) = kind_of(inner, is_root) else {
            unknown_file(inner, is_root, reading);
            continue;
        };
        let stem = inner.rsplit('/').next().and_then(|name| name.strip_suffix(".toml")).unwrap_or_default();
        if !is_name(stem) || !is_name(tenant.as_str()) {
            reading.error(
                &reading.whole_file(),
                "bad-file-name",
                "文件名只能用文字, 数字, - 和 _".into(),
                "a file's name consists of letters, digits, - and _".into(),
            );
        }
        files.push(File { index, kind, tenant, stem: stem.to_owned() });
    }
    for (tenant, (index, has_file)) in tenants {
        reading.enter(index, &tenant);
        if tenant == TenantId::default() {
            reading.error(
                &reading.whole_file(),
                "bad-file-name",
                "租户 «default» 就是配置目录本身, 不能放在 tenants/ 下".into(),
                "tenant \"default\" is the folder itself and cannot lie below tenants/".into(),
            );
        }
        if !has_file {
            reading.error(
                &reading.whole_file(),
                "missing-file",
                format!("缺少 tenants/{tenant}/tenant.toml (写明 domain)"),
                format!("tenants/{tenant}/tenant.toml is missing (it names the domain)"),
            );
        }
    }
    files
}

fn kind_of(inner: &str, is_root: bool) -> Option<FileKind> {
    match inner.split_once('/') {
        None if inner == "hotline.toml" && is_root => Some(FileKind::Hotline),
        None if inner == "tenant.toml" && !is_root => Some(FileKind::Tenant),
        Some(("trunks", _)) if is_root => Some(FileKind::Trunk),
        Some(("numbers", _)) => Some(FileKind::Number),
        Some(("flows", _)) => Some(FileKind::Flow),
        Some(("queues", _)) => Some(FileKind::Queue),
        Some(("conferences", _)) => Some(FileKind::Conference),
        Some(("mailboxes", _)) => Some(FileKind::Mailbox),
        Some(("agents", _)) => Some(FileKind::Agent),
        Some(("phones", _)) => Some(FileKind::Phone),
        _ => None,
    }
}

fn unknown_file(inner: &str, is_root: bool, reading: &mut Reading<'_>) {
    let spot = reading.whole_file();
    if inner.starts_with("trunks/") {
        let zh = "中继属于节点, 请放在配置目录的 trunks/ 下".into();
        let en = "trunks belong to the node: put this file below the folder's own trunks/".into();
        return reading.error(&spot, "unknown-file", zh, en);
    }
    let (wrong, right): (&str, Vec<&str>) = match inner.split_once('/') {
        Some((folder, _)) => (folder, crate::sources::FOLDERS.to_vec()),
        None if is_root => (inner, vec!["hotline.toml"]),
        None => (inner, vec!["tenant.toml"]),
    };
    if nearest(wrong, right.iter().copied()).is_none() {
        let (zh, en) = ("此文件不属于配置, 未读取".into(), "this file is not part of a configuration".into());
        return reading.warn(&spot, "unknown-file", zh, en);
    }
    let texts = ("配置中没有这种文件".into(), "a configuration has no such file".into());
    reading.wrong_word(&spot, "unknown-file", texts, wrong, right.into_iter());
}

/// Parses a file, reporting every syntax error, and checks its root against `object`.
fn read_root(file: &File, object: &'static Object, reading: &mut Reading<'_>) -> Record {
    reading.enter(file.index, &file.tenant);
    let sources = reading.sources;
    let table = parse(&sources.files[file.index], file.kind, reading);
    let spot = reading.whole_file();
    reading.read(object, &table, &spot)
}

/// As [`read_root`], for files that hold one object or an array of tables of them under `key`.
fn read_many(
    file: &File,
    one: &'static Object,
    many: &'static Object,
    key: &str,
    reading: &mut Reading<'_>,
) -> Vec<Record> {
    reading.enter(file.index, &file.tenant);
    let sources = reading.sources;
    let table = parse(&sources.files[file.index], file.kind, reading);
    let spot = reading.whole_file();
    // Tables of another name are taken for misspelled ones, unless one object has them too.
    let of_one = |name: &str| one.field(name).is_some();
    let is_many = table.get(key).is_some_and(|value| value.get_ref().is_array())
        || table.iter().filter(|(name, _)| !of_one(name.get_ref())).any(|(_, value)| {
            value.get_ref().as_array().is_some_and(|a| a.iter().any(|v| v.get_ref().is_table()))
        });
    if !is_many {
        return vec![reading.read(one, &table, &spot)];
    }
    reading.read(many, &table, &spot).into_records(key)
}

/// What a file says; of one that is no TOML, what can be made out of it.
fn parse<'i>(file: &'i SourceFile, kind: FileKind, reading: &mut Reading<'_>) -> DeTable<'i> {
    if let Some(at) = file.not_utf8_from {
        reading.not_utf8(at, kind.defines());
        return DeTable::new();
    }
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    for error in &errors {
        reading.broken(error.span().unwrap_or(0..0), error.message(), kind.defines());
    }
    table.into_inner()
}

fn missing_or(mut reading: Reading<'_>, sources: &Sources) -> Diagnostics {
    if sources.files.iter().all(|file| file.path != "hotline.toml") {
        let names = sources.files.iter().map(|file| file.path.as_str());
        let like = nearest("hotline.toml", names);
        reading.missing_file("hotline.toml", like);
    }
    reading.finish()
}
