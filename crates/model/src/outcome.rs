//! Owns how things end: calls, entries, offers. The words are those users know.

/// Result of a call; each call has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// 已接听
    Answered,
    /// 振铃未接
    RingNoAnswer,
    /// 排队放弃
    AbandonedInQueue,
    /// IVR 中挂断
    EndedInMenu,
    /// 已留言
    Voicemail,
    /// 黑名单
    Screened,
    /// 并发限制
    Limit,
    /// 非工作时间
    Closed,
    /// 排队超时
    QueueTimeout,
    /// 队列满
    QueueFull,
    /// 无坐席
    NoAgent,
    /// 速挂
    Short,
    /// 自助完成
    SelfServed,
    /// 已约回电
    CallbackBooked,
    /// 区域限制
    RegionRefused,
    /// 停机
    Suspended,
    /// 系统失败
    Failure,
    /// 忙: who was called out to is busy.
    Busy,
    /// 拒接: who was called out to does not want the call.
    Rejected,
    /// 空号: there is no such number.
    NoSuchNumber,
    /// 关机/不可及: the phone is off, not registered, or out of reach.
    Unreachable,
    /// 无权呼出: the caller's class of service does not have the number.
    Barred,
}

impl CallResult {
    /// Every result.
    pub const ALL: [CallResult; 22] = [
        CallResult::Answered,
        CallResult::RingNoAnswer,
        CallResult::AbandonedInQueue,
        CallResult::EndedInMenu,
        CallResult::Voicemail,
        CallResult::Screened,
        CallResult::Limit,
        CallResult::Closed,
        CallResult::QueueTimeout,
        CallResult::QueueFull,
        CallResult::NoAgent,
        CallResult::Short,
        CallResult::SelfServed,
        CallResult::CallbackBooked,
        CallResult::RegionRefused,
        CallResult::Suspended,
        CallResult::Failure,
        CallResult::Busy,
        CallResult::Rejected,
        CallResult::NoSuchNumber,
        CallResult::Unreachable,
        CallResult::Barred,
    ];

    /// The word Chinese users know.
    pub const fn zh(self) -> &'static str {
        match self {
            CallResult::Answered => "已接听",
            CallResult::RingNoAnswer => "振铃未接",
            CallResult::AbandonedInQueue => "排队放弃",
            CallResult::EndedInMenu => "IVR 中挂断",
            CallResult::Voicemail => "已留言",
            CallResult::Screened => "黑名单",
            CallResult::Limit => "并发限制",
            CallResult::Closed => "非工作时间",
            CallResult::QueueTimeout => "排队超时",
            CallResult::QueueFull => "队列满",
            CallResult::NoAgent => "无坐席",
            CallResult::Short => "速挂",
            CallResult::SelfServed => "自助完成",
            CallResult::CallbackBooked => "已约回电",
            CallResult::RegionRefused => "区域限制",
            CallResult::Suspended => "停机",
            CallResult::Failure => "系统失败",
            CallResult::Busy => "忙",
            CallResult::Rejected => "拒接",
            CallResult::NoSuchNumber => "空号",
            CallResult::Unreachable => "关机/不可及",
            CallResult::Barred => "无权呼出",
        }
    }

    /// The word for a call out (外呼结果).
    pub const fn zh_out(self) -> &'static str {
        match self {
            CallResult::Answered => "接通",
            CallResult::RingNoAnswer => "无人接听",
            CallResult::Failure => "失败",
            other => other.zh(),
        }
    }
}

/// Why a party that should be heard is not (R37 无声来电).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unheard {
    /// No packet comes.
    NoPackets,
    /// Packets come, and no sound is in them.
    NoSound,
}

impl Unheard {
    /// The words Chinese users know.
    pub const fn zh(self) -> &'static str {
        match self {
            Unheard::NoPackets => "没有语音包",
            Unheard::NoSound => "有语音包但没有声音",
        }
    }
}

/// Who hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HungUpBy {
    /// 客户
    Caller,
    /// 坐席
    Agent,
    /// 系统
    Switch,
}

impl HungUpBy {
    /// The word Chinese users know.
    pub const fn zh(self) -> &'static str {
        match self {
            HungUpBy::Caller => "客户",
            HungUpBy::Agent => "坐席",
            HungUpBy::Switch => "系统",
        }
    }

    /// The other party of the two.
    pub const fn opposite(self) -> HungUpBy {
        match self {
            HungUpBy::Caller => HungUpBy::Agent,
            HungUpBy::Agent => HungUpBy::Caller,
            HungUpBy::Switch => HungUpBy::Switch,
        }
    }
}

/// Why an offer to an agent did not become a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCause {
    /// 486 or 600: the phone is busy.
    Busy,
    /// 603 or 480 by hand, or the reject key.
    Rejected,
    /// It rang its time out.
    NoAnswer,
    /// No binding, 404, 408, transport error, trunk down.
    Unreachable,
    /// Do not disturb or a limit of the phone or number.
    Limit,
    /// The media could not be agreed (488).
    Incompatible,
    /// The caller's class of service does not have the number.
    Barred,
    /// The phone forwards every call.
    Forwarded,
}

/// Why the ACD took an offer back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawCause {
    /// It rang its time out.
    RingTimeout,
    /// The caller left.
    CallerGone,
    /// Another agent answered first.
    AnsweredElsewhere,
    /// The entry reached its maximum wait.
    QueueTimeout,
    /// The agent signed out or its phone vanished.
    AgentGone,
}

/// How a caller's place in a queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryOutcome {
    /// An agent answered.
    Answered,
    /// The caller hung up.
    Abandoned,
    /// The maximum wait passed.
    TimedOut,
    /// The queue had no room.
    Full,
    /// Nobody is signed in.
    NoAgent,
    /// The caller chose to leave by a key.
    KeyPressed(crate::say::Key),
    /// The switch failed.
    Failed,
}

/// The fixed set of causes that end a leg or a call, with whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Termination {
    /// BYE from the party named beside it.
    Normal,
    /// CANCEL, or a hang-up before the answer.
    Cancelled,
    /// The flow came to its end.
    FlowEnded,
    /// The party was refused with this SIP status.
    Refused(u16),
    /// No RTP for the configured time.
    MediaTimeout,
    /// A session timer ran out (RFC 4028 §10).
    SessionExpired,
    /// No ACK, or no answer to a request within its transaction.
    SignallingTimeout,
    /// A socket or name failed.
    TransportFailed,
    /// It was sent elsewhere (转接), or its leg went over to another call.
    Transferred,
    /// An operator's or API's command.
    Commanded,
    /// The switch is shutting down.
    Shutdown,
    /// The switch stopped without ending this call; closed at the next start.
    Crashed,
    /// A defect: the call's code panicked or contradicted itself.
    Internal,
    /// A limit was reached (maximum duration).
    Limit,
}

impl Termination {
    /// The words Chinese users know.
    pub const fn zh(self) -> &'static str {
        match self {
            Termination::Normal => "正常挂机",
            Termination::Cancelled => "接听前取消",
            Termination::FlowEnded => "流程结束",
            Termination::Refused(_) => "被拒绝",
            Termination::MediaTimeout => "长时间没有语音包",
            Termination::SessionExpired => "会话定时器到期",
            Termination::SignallingTimeout => "信令没有应答",
            Termination::TransportFailed => "传输失败",
            Termination::Transferred => "已转接",
            Termination::Commanded => "命令挂断",
            Termination::Shutdown => "系统停机",
            Termination::Crashed => "系统异常停止",
            Termination::Internal => "内部错误",
            Termination::Limit => "达到时长限制",
        }
    }
}
