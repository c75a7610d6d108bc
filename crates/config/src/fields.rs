//! Owns the shape of the tables that describe configuration: objects, fields, kinds of values.
//! Does not own which objects exist (see `tables`) or how a value is read (see `decode`).

/// One kind of object: a file, a `[table]` or an element of `[[tables]]`.
pub(crate) struct Object {
    /// Its word in the reference and schema.
    pub name: &'static str,
    /// What it is, in Chinese.
    pub zh: &'static str,
    /// What it is, in English.
    pub en: &'static str,
    /// Its keys, in the order of the reference.
    pub fields: &'static [Field],
}

/// One key of an object.
pub(crate) struct Field {
    /// As written; a number's unit is its end: `ring_seconds`.
    pub key: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it may be left out.
    pub presence: Presence,
    /// What it means, in Chinese.
    pub zh: &'static str,
    /// What it means, in English.
    pub en: &'static str,
}

/// Whether a key may be left out.
pub(crate) enum Presence {
    /// It may not.
    Required,
    /// Then nothing is set.
    Optional,
    /// Then this TOML value stands for it.
    Default(&'static str),
}

/// What a key takes.
pub(crate) enum Kind {
    /// Any text that is not empty.
    Text,
    /// A name that operators give: no blanks, no `/`.
    Name,
    /// A telephone number or code as dialled: digits, `*`, `#`.
    Dialled,
    /// What stands before the `@` of a SIP URI, unescaped: a number or a name, no blanks.
    User,
    /// `true` or `false`.
    Bool,
    /// A whole number within both ends.
    Integer(i64, i64),
    /// Seconds within both ends, fractions allowed.
    Seconds(u32, u32),
    /// `address:port`.
    Socket,
    /// An IP address.
    Ip,
    /// An address or block of addresses.
    Cidr,
    /// An address or name, with or without a port.
    Target,
    /// A telephone number, a `+` allowed.
    Number,
    /// What a number looks like: see `routing::is_pattern`.
    Pattern,
    /// `low-high`, a range of UDP ports.
    Ports,
    /// `low-high`, numbers of the same length.
    NumberRange,
    /// A SIP URI.
    SipUri,
    /// One of these words.
    Choice(&'static [Choice]),
    /// The name of something defined elsewhere.
    Ref(NameKind),
    /// Such a name, or a range of them (`9001-9100`).
    RefRange(NameKind),
    /// An array.
    List(&'static Kind),
    /// One text of that kind, or an array of them.
    OneOrMore(&'static Kind),
    /// A prompt's name, or a table that says something spoken.
    Say,
    /// Telephone key → value.
    Keys(&'static Kind),
    /// Dialled digits → value.
    Numbers(&'static Kind),
    /// Name → one of the objects, told apart by their key `kind`.
    Named(NameKind, &'static [&'static Object]),
    /// A table.
    Table(&'static Object),
    /// An array of tables.
    Tables(&'static Object),
}

/// One word of a choice.
pub(crate) struct Choice {
    /// As written.
    pub word: &'static str,
    /// What it means, in Chinese.
    pub zh: &'static str,
    /// What it means, in English.
    pub en: &'static str,
}

/// Things that are named in one place and meant in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum NameKind {
    Interface,
    Trunk,
    Number,
    Flow,
    Node,
    Queue,
    Conference,
    Mailbox,
    Agent,
    Phone,
    Prompt,
    Domain,
    Class,
}

impl Object {
    /// The field of that key.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }
}

impl NameKind {
    /// Whether every tenant has its own.
    pub fn is_of_tenant(self) -> bool {
        !matches!(
            self,
            NameKind::Interface | NameKind::Trunk | NameKind::Number | NameKind::Domain | NameKind::Class
        )
    }

    /// The word for it, in Chinese.
    pub fn zh(self) -> &'static str {
        match self {
            NameKind::Interface => "接口",
            NameKind::Trunk => "中继",
            NameKind::Number => "号码",
            NameKind::Flow => "流程",
            NameKind::Node => "节点",
            NameKind::Queue => "队列",
            NameKind::Conference => "会议室",
            NameKind::Mailbox => "语音信箱",
            NameKind::Agent => "坐席",
            NameKind::Phone => "话机",
            NameKind::Prompt => "语音",
            NameKind::Domain => "域名",
            NameKind::Class => "呼叫权限",
        }
    }

    /// The word for it, in English.
    pub fn en(self) -> &'static str {
        match self {
            NameKind::Interface => "interface",
            NameKind::Trunk => "trunk",
            NameKind::Number => "number",
            NameKind::Flow => "flow",
            NameKind::Node => "node",
            NameKind::Queue => "queue",
            NameKind::Conference => "conference room",
            NameKind::Mailbox => "mailbox",
            NameKind::Agent => "agent",
            NameKind::Phone => "phone",
            NameKind::Prompt => "prompt",
            NameKind::Domain => "domain",
            NameKind::Class => "class of service",
        }
    }
}

impl Kind {
    /// What it takes, in Chinese.
    pub fn zh(&self) -> String {
        match self {
            Kind::Text => "文字".into(),
            Kind::Name => "名称 (无空格和 /)".into(),
            Kind::Dialled => "号码 (数字, * 和 #)".into(),
            Kind::User => "号码或用户名 (无空格)".into(),
            Kind::Bool => "true 或 false".into(),
            Kind::Integer(low, high) => format!("整数 {low} 至 {high}"),
            Kind::Seconds(low, high) => format!("秒数 {low} 至 {high}"),
            Kind::Socket => "地址:端口, 如 \"127.0.0.1:5060\"".into(),
            Kind::Ip => "IP 地址, 如 \"192.0.2.10\"".into(),
            Kind::Cidr => "地址或网段, 如 \"10.0.0.0/8\"".into(),
            Kind::Target => "地址或域名, 可带端口, 如 \"192.0.2.1:5060\"".into(),
            Kind::Number => "号码 (数字, +, * 和 #)".into(),
            Kind::Pattern => "号码样式, 如 \"0755XXXXXXXX\" 或 \"+86.\"".into(),
            Kind::Ports => "端口范围, 如 \"20000-39999\"".into(),
            Kind::NumberRange => "号码范围, 如 \"9001-9100\"".into(),
            Kind::SipUri => "SIP 地址, 如 \"sip:uas@192.0.2.10:5060\"".into(),
            Kind::Choice(words) => format!("以下之一: {}", list_words(words)),
            Kind::Ref(kind) => format!("{}的名称", kind.zh()),
            Kind::RefRange(kind) => format!("{}, 或范围如 \"9001-9100\"", kind.zh()),
            Kind::List(of) => format!("列表 [{}]", of.zh()),
            Kind::OneOrMore(of) => format!("{0}, 或列表 [{0}]", of.zh()),
            Kind::Say => "语音名称, 或 { digits = \"8001\" } 等".into(),
            Kind::Keys(of) => format!("表 {{ 按键 = {} }}", of.zh()),
            Kind::Numbers(of) => format!("表 {{ 号码 = {} }}", of.zh()),
            Kind::Named(kind, _) => format!("表 [{}.名称]", kind.en()),
            Kind::Table(_) => "表".into(),
            Kind::Tables(_) => "多个表 [[…]]".into(),
        }
    }

    /// What it takes, in English.
    pub fn en(&self) -> String {
        match self {
            Kind::Text => "a text".into(),
            Kind::Name => "a name (no blanks, no /)".into(),
            Kind::Dialled => "a number as dialled (digits, * and #)".into(),
            Kind::User => "a number or user name (no blanks)".into(),
            Kind::Bool => "true or false".into(),
            Kind::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Kind::Seconds(low, high) => format!("seconds from {low} to {high}"),
            Kind::Socket => "address:port, e.g. \"127.0.0.1:5060\"".into(),
            Kind::Ip => "an IP address, e.g. \"192.0.2.10\"".into(),
            Kind::Cidr => "an address or block, e.g. \"10.0.0.0/8\"".into(),
            Kind::Target => "an address or name, a port allowed, e.g. \"192.0.2.1:5060\"".into(),
            Kind::Number => "a number (digits, +, * and #)".into(),
            Kind::Pattern => "what a number looks like, e.g. \"0755XXXXXXXX\" or \"+86.\"".into(),
            Kind::Ports => "a range of ports, e.g. \"20000-39999\"".into(),
            Kind::NumberRange => "a range of numbers, e.g. \"9001-9100\"".into(),
            Kind::SipUri => "a SIP address, e.g. \"sip:uas@192.0.2.10:5060\"".into(),
            Kind::Choice(words) => format!("one of {}", list_words(words)),
            Kind::Ref(kind) => format!("the name of a {}", kind.en()),
            Kind::RefRange(kind) => format!("a {} or a range, e.g. \"9001-9100\"", kind.en()),
            Kind::List(of) => format!("a list of {}", of.en()),
            Kind::OneOrMore(of) => format!("{0}, or a list of them", of.en()),
            Kind::Say => "a prompt's name, or { digits = \"8001\" } and the like".into(),
            Kind::Keys(of) => format!("a table of telephone key = {}", of.en()),
            Kind::Numbers(of) => format!("a table of number = {}", of.en()),
            Kind::Named(kind, _) => format!("tables [{}.NAME]", kind.en()),
            Kind::Table(_) => "a table".into(),
            Kind::Tables(_) => "tables [[…]]".into(),
        }
    }
}

fn list_words(words: &[Choice]) -> String {
    words.iter().map(|choice| format!("\"{}\"", choice.word)).collect::<Vec<_>>().join(", ")
}
