//! Owns `[supervision]` and the rights of agents over other people's calls (R53).

use std::collections::{HashMap, HashSet};

use acd::QueueSettings;
use model::say::Key;
use model::supervision::Verb;
use model::{AgentId, QueueName};
use routing::{Over, Rights, SupervisionKeys};

use super::{default, word};
use crate::fields::{Field, Kind, Object};
use crate::reading::Reading;
use crate::record::{Entry, Record, Value};

pub(crate) static SUPERVISION: Object = Object {
    name: "supervision",
    zh: "[supervision]",
    en: "[supervision]",
    fields: &[
        default("listen_key", KEY, "'0'", "监听中按此键: 回到只听", "pressed while supervising: only listen"),
        default("whisper_key", KEY, "'1'", "监听中按此键: 只对坐席说 (密语)", "speak to the agent alone"),
        default("barge_key", KEY, "'3'", "监听中按此键: 加入通话 (强插)", "speak to all"),
        default("take_key", KEY, "'4'", "监听中按此键: 接管通话", "take the agent's place"),
        default("hangup_key", KEY, "'9'", "监听中按此键: 结束该通话 (强拆)", "end the call"),
    ],
};

/// One key of a telephone, or none.
const KEY: Kind = Kind::Choice(&[
    word("0", "按键 0", "key 0"),
    word("1", "按键 1", "key 1"),
    word("2", "按键 2", "key 2"),
    word("3", "按键 3", "key 3"),
    word("4", "按键 4", "key 4"),
    word("5", "按键 5", "key 5"),
    word("6", "按键 6", "key 6"),
    word("7", "按键 7", "key 7"),
    word("8", "按键 8", "key 8"),
    word("9", "按键 9", "key 9"),
    word("*", "按键 *", "key *"),
    word("#", "按键 #", "key #"),
    word("off", "不用", "none"),
]);

const KEYS: [char; 13] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', ' '];

/// `rights` of an agent.
pub(super) const RIGHTS: Field = default(
    "rights",
    Kind::List(&Kind::Choice(&[
        word("listen", "监听", "hear a conversation"),
        word("whisper", "密语, 只有坐席听到", "speak to the agent alone"),
        word("barge", "强插, 各方都听到", "join a conversation"),
        word("take", "接管, 取代坐席", "take the agent's place"),
        word("hangup", "强拆, 结束通话", "end a call"),
    ])),
    "[]",
    "对他人通话的权限 (班长席)",
    "what the agent may do with other people's calls",
);

/// `rights_over` of an agent.
pub(super) const RIGHTS_OVER: Field = default(
    "rights_over",
    Kind::Choice(&[
        word("own-queues", "自己所在队列的通话和坐席", "calls and agents of the own queues"),
        word("tenant", "本租户全部通话", "all calls of the tenant"),
    ]),
    "'own-queues'",
    "权限范围",
    "with whose calls",
);

/// An agent's rights; None when there are none.
pub(crate) fn rights(record: &Record) -> Option<Rights> {
    let verb = |entry: &Entry| match entry.value {
        Value::Choice(place) => Some(Verb::ALL[place]),
        _ => None,
    };
    let verbs: Vec<Verb> = record.list("rights").iter().filter_map(verb).collect();
    let over = record.choice("rights_over", &[Over::OwnQueues, Over::Tenant]);
    (!verbs.is_empty()).then_some(Rights { verbs, over })
}

/// The keys of `[supervision]`, each with one meaning.
pub(crate) fn supervision_keys(hotline: &Record, reading: &mut Reading<'_>) -> SupervisionKeys {
    let Some(record) = hotline.record_if("supervision") else { return SupervisionKeys::default() };
    let mut of = [None; 5];
    for (place, verb) in Verb::ALL.iter().enumerate() {
        let key = format!("{}_key", verb.as_str());
        of[place] = Key::from_char(record.choice(&key, &KEYS));
        let other = (0..place).find(|other| of[*other].is_some() && of[*other] == of[place]);
        if let (Some(other), Some(pressed)) = (other, of[place]) {
            let (pressed, other) = (pressed.as_char(), format!("{}_key", Verb::ALL[other].as_str()));
            let spot = record.spot_of(if record.is_written(&key) { &key } else { &other });
            reading.error(
                spot,
                "duplicate",
                format!("按键 «{pressed}» 同时用于 {other} 和 {key}"),
                format!("key \"{pressed}\" stands for both {other} and {key}"),
            );
        }
    }
    SupervisionKeys { of }
}

/// Which queues each agent serves.
pub(crate) fn queues_of<'a>(
    queues: impl Iterator<Item = &'a QueueSettings>,
) -> HashMap<AgentId, HashSet<QueueName>> {
    let mut found: HashMap<AgentId, HashSet<QueueName>> = HashMap::new();
    for queue in queues {
        for tier in &queue.tiers {
            found.entry(tier.agent.clone()).or_default().insert(queue.name.clone());
        }
    }
    found
}
