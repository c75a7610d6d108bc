//! Owns the command line: what may be typed, and which command does it. Does not own what a switch does (see `node`).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod calls;
mod check;
mod conferences;
mod doctor;
mod hours;
mod live;
mod numbers;
pub(crate) mod output;
mod phones;
mod prompts;
mod recordings;
mod region;
mod run;
mod switch_client;
mod trace;
mod voicemail;

pub(crate) use output::Answer;
pub(crate) use run::runtime;

/// 400 热线软交换:菜单、排队、坐席、录音 / A SIP softswitch for service hotlines: IVR, ACD, recording.
#[derive(Debug, Parser)]
#[command(name = "hotline", version, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// 配置目录(默认为当前目录)/ the configuration folder (the current one)
    #[arg(long, global = true, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// 以 JSON 输出 / print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// 租户 / whose
    #[arg(long, global = true, value_name = "NAME", default_value = model::TenantId::DEFAULT)]
    pub tenant: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 启动一台演示用交换机并打一通电话,全程自检 / play and check one whole call
    Demo,
    /// 启动交换机 / start the switch
    Run,
    /// 检查配置,一次报告所有错误 / check a configuration folder, every error at once
    Check {
        /// 配置目录 / the folder
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// 写出一套起步配置,不覆盖已有文件 / write a starter configuration; existing files stay
    Init {
        /// 目标目录 / where
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// 输出配置的 JSON Schema / print the configuration's JSON Schema
    Schema,
    /// 压力测试: 让呼叫经过一台交换机并测量 / put calls through a switch and measure it
    Load(crate::load::Options),
    /// 通话记录与正在进行的通话 / call records and calls in progress
    #[command(subcommand)]
    Calls(Calls),
    /// 录音文件 / recordings
    #[command(subcommand)]
    Recordings(Recordings),
    /// 语音文件 / prompts
    #[command(subcommand)]
    Prompts(Prompts),
    /// 坐席 / agents
    Agents {
        #[command(subcommand)]
        command: Option<Agents>,
    },
    /// 队列 / queues
    Queues,
    /// 话机 / phones
    Phones,
    /// 热线号码与夜间模式 / hotline numbers and their night switches
    Numbers {
        #[command(subcommand)]
        command: Option<Numbers>,
    },
    /// 号码现在或某时是否开放, 原因, 到何时 / whether numbers are open now or at a time, why, until when
    Hours {
        /// 只看这个号码 / of this number alone
        number: Option<String>,
        /// 何时, 如 20:00 或 "2026-11-23 20:00" / when
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// 号码归属地 / where numbers belong
    Region {
        /// 号码 / the numbers
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<String>,
        /// 无区号固话所在的区号 / the area of fixed numbers without an area code
        #[arg(long, value_name = "AREA")]
        home_area: Option<String>,
    },
    /// 语音信箱与留言 / mailboxes and their messages
    Voicemail {
        #[command(subcommand)]
        command: Option<Voicemail>,
    },
    /// 封禁的来源地址 / banned sources
    Bans {
        #[command(subcommand)]
        command: Option<Bans>,
    },
    /// 正在进行的会议 / conferences in progress
    Conferences {
        #[command(subcommand)]
        command: Option<Conferences>,
    },
    /// 中继 / trunks
    Trunks,
    /// 检查端口, 中继, 时钟, 磁盘, 证书等, 逐项给出解决办法 / look for what keeps calls from working, with fixes
    Doctor,
    /// 说明一通电话为何这样接续 / why a call went where it went
    Explain {
        /// 通话编号 / the call
        call: String,
    },
}

/// What can be asked about mailboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum Voicemail {
    /// 留言 / the messages
    List {
        /// 只看这个信箱 / of this mailbox alone
        mailbox: Option<String>,
    },
    /// 删除一条留言, 录音文件仍按 [recordings] 保留 / take a message out; its file is kept by [recordings]
    Delete {
        /// 信箱 / the mailbox
        mailbox: String,
        /// 留言 / the message
        message: String,
    },
    /// 标为已听 / a message counts as heard
    Heard {
        /// 信箱 / the mailbox
        mailbox: String,
        /// 留言 / the message
        message: String,
    },
}

/// What can be asked about hotline numbers.
#[derive(Debug, Subcommand)]
pub(crate) enum Numbers {
    /// 全部号码 / all of them
    List,
    /// 夜间模式: 打开后来电进入 night_flow / the night switch: while it is on, callers enter the night flow
    Night {
        /// 号码 / the number
        number: String,
        /// 开, 关, 或查看 / on, off, or how it stands
        #[arg(value_enum, default_value_t = NightWish::Show)]
        wish: NightWish,
    },
}

/// What is wished of a night switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NightWish {
    /// 打开
    On,
    /// 关闭
    Off,
    /// 查看
    Show,
}

/// What can be asked of conferences.
#[derive(Debug, Subcommand)]
pub(crate) enum Conferences {
    /// 会议室和与会者 / rooms and who is in
    List,
    /// 静音一位与会者 / nobody hears this participant
    Mute {
        /// 会议室 / the room
        name: String,
        /// 与会者的通话编号 / the participant's call
        call: String,
    },
    /// 取消静音 / the participant is heard again
    Unmute {
        /// 会议室 / the room
        name: String,
        /// 与会者的通话编号 / the participant's call
        call: String,
    },
    /// 请出一位与会者 / a participant leaves
    Remove {
        /// 会议室 / the room
        name: String,
        /// 与会者的通话编号 / the participant's call
        call: String,
    },
    /// 锁定, 只有主持人能进入 / only moderators come in
    Lock {
        /// 会议室 / the room
        name: String,
    },
    /// 解除锁定 / anybody comes in
    Unlock {
        /// 会议室 / the room
        name: String,
    },
    /// 结束会议 / everybody leaves
    End {
        /// 会议室 / the room
        name: String,
    },
}

/// What can be asked about calls.
#[derive(Debug, Subcommand)]
pub(crate) enum Calls {
    /// 历史通话,最新的在最后 / past calls, newest last
    List(Wanted),
    /// 一通电话的详情 / one call
    Show {
        /// 通话编号 / the call
        call: String,
    },
    /// 导出通话记录 / export records
    Export {
        #[command(flatten)]
        wanted: Wanted,
        /// 格式 / the format
        #[arg(long, value_enum, default_value_t = Format::Csv)]
        format: Format,
    },
    /// 说明一通电话为何这样接续 / why a call went where it went
    Explain {
        /// 通话编号 / the call
        call: String,
    },
    /// 一通电话的全部信令,密码和按键已遮盖 / every message of one call, secrets masked
    Trace(Trace),
    /// 正在进行的通话 / calls in progress
    Live,
    /// 把客户转到别处 / send whom an agent talks with elsewhere
    Transfer {
        /// 通话编号 / the call
        call: String,
        /// 转到哪里: 分机、号码或 queue:队列名 / where to: an extension, a number, or queue:NAME
        #[arg(long)]
        to: String,
    },
    /// 给正在进行的通话写备注, 转接后的坐席和话单都看得到 / write a note on a call: whoever has it next sees it too
    Note {
        /// 通话编号 / the call
        call: String,
        /// 备注 / what it says
        text: String,
        /// 谁写的 (工号) / whose note (an agent's number)
        #[arg(long = "as")]
        by: Option<String>,
    },
    /// 双线外呼: 接通坐席和一个号码 / join an agent with a number
    Originate {
        /// 工号 / the agent
        #[arg(long)]
        agent: String,
        /// 分机或外线号码 (不带外线前缀) / an extension, or an outside number without the prefix
        #[arg(long)]
        to: String,
        /// 先呼谁 / who is called first
        #[arg(long, value_enum, default_value_t = CallFirst::Agent)]
        first: CallFirst,
    },
    /// 结束一通正在进行的电话 / end a call in progress
    Hangup {
        /// 通话编号 / the call
        call: String,
        /// 以班长席的权限结束, 工号 / by the rights of this supervisor
        #[arg(long = "as", value_name = "AGENT")]
        by: Option<String>,
    },
    /// 监听: 呼叫班长席的话机, 只听 / listen in; the supervisor's phone is called
    Listen(Supervised),
    /// 密语: 只有坐席听到班长席 / speak to the agent alone
    Whisper(Supervised),
    /// 强插: 加入通话 / join a conversation
    Barge(Supervised),
    /// 接管: 取代坐席 / take the agent's place
    Take(Supervised),
}

/// A call, and who supervises it.
#[derive(Debug, clap::Args)]
pub(crate) struct Supervised {
    /// 通话编号 / the call
    pub call: String,
    /// 班长席工号 / the supervisor's number
    #[arg(long = "as", value_name = "AGENT")]
    pub by: String,
}

/// Who is called first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CallFirst {
    /// 坐席 / the agent
    Agent,
    /// 号码 / the number
    Number,
}

/// What can be asked about recordings.
#[derive(Debug, Subcommand)]
pub(crate) enum Recordings {
    /// 核对全部录音文件、清单与话单 / check every file against manifest and records
    Fsck,
    /// 由录音日志(或其副本)制作录音文件 / make playable files from a journal or its copy
    Rescue {
        /// 日志所在目录 / the folder of segments
        #[arg(value_name = "DIR")]
        from: PathBuf,
        /// 写到哪里 / where the files go
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
    /// 暂停一通电话的录音 / keep nothing of a call for a while
    Pause {
        /// 通话编号 / the call
        call: String,
    },
    /// 恢复录音 / keep it again
    Resume {
        /// 通话编号 / the call
        call: String,
    },
}

/// What of a call is wanted, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Trace {
    /// 通话编号 / the call
    pub call: String,
    /// 写成抓包文件,可用 Wireshark 打开 / write a capture file for Wireshark
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// 报文全文 / whole messages
    #[arg(long)]
    pub full: bool,
    /// 事件日志中的全部事件 / every event of the journal instead
    #[arg(long, conflicts_with_all = ["pcap", "full"])]
    pub events: bool,
}

/// What can be asked about prompts.
#[derive(Debug, Subcommand)]
pub(crate) enum Prompts {
    /// 列出所有语音 / list all prompts
    List {
        /// 只列一种语言 / of one language
        #[arg(long, value_enum)]
        lang: Option<Lang>,
    },
    /// 导入录音文件（wav、mp3、flac、ogg、m4a 等）/ import an audio file
    Import {
        /// 文件 / the file
        file: PathBuf,
        /// 语音名称,省略则用文件名 / the prompt's name; the file's unless given
        #[arg(long)]
        name: Option<String>,
        /// 语言,省略则用节点的语言 / its language; the node's unless given
        #[arg(long, value_enum, conflicts_with = "music")]
        lang: Option<Lang>,
        /// 作为等待音乐 / as music on hold
        #[arg(long)]
        music: bool,
        /// 覆盖已有的语音 / replace one that exists
        #[arg(long)]
        replace: bool,
    },
    /// 检查流程用到的语音是否齐全 / look for prompts that flows name and nobody has
    Check {
        /// 只查一种语言 / of one language
        #[arg(long, value_enum)]
        lang: Option<Lang>,
    },
    /// 试听: 语音名称,或 number:12 money:102.05 digits:8001 date:2026-11-02 等 / listen to prompts and figures
    Play {
        /// 播放内容 / what is said
        #[arg(required = true, value_name = "ITEM")]
        items: Vec<String>,
        /// 语言,省略则用节点的语言 / the language; the node's unless given
        #[arg(long, value_enum)]
        lang: Option<Lang>,
        /// 写入 WAV 文件 / write a WAV file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// A language of prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// 普通话 / Chinese
    #[value(alias = "zh-CN")]
    Zh,
    /// 英语 / English
    En,
}

/// Which records are wanted.
#[derive(Clone, Debug, Args)]
pub(crate) struct Wanted {
    /// 热线号码 / hotline number
    #[arg(long)]
    pub number: Option<String>,
    /// 呼入号码 / caller
    #[arg(long)]
    pub caller: Option<String>,
    /// 工号 / agent
    #[arg(long)]
    pub agent: Option<String>,
    /// 队列 / queue
    #[arg(long)]
    pub queue: Option<String>,
    /// 结果,如 answered 或 已接听 / result, e.g. answered
    #[arg(long)]
    pub result: Option<String>,
    /// 起始时间,如 2026-11-22 或 2026-11-22T08:00:00+08:00 / began at or after
    #[arg(long)]
    pub from: Option<String>,
    /// 截止时间 / began before
    #[arg(long)]
    pub to: Option<String>,
    /// 最多多少条 / at most so many
    #[arg(long)]
    pub limit: Option<u32>,
}

/// What a file of records looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// 表格 / a table
    Csv,
    /// JSON 数组 / an array
    Json,
}

/// What can be asked of bans.
#[derive(Debug, Subcommand)]
pub(crate) enum Bans {
    /// 列出 / list them
    List,
    /// 解除 / end one
    Remove {
        /// 地址 / the source
        source: String,
    },
}

/// What can be asked of agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// 列出 / list them
    List,
    /// 设置状态 / choose a state
    Set {
        /// 工号 / the agent
        agent: String,
        /// 状态 / the state
        #[arg(value_enum)]
        state: State,
        /// 小休原因 / why, for a break
        #[arg(long, required_if_eq("state", "break"))]
        reason: Option<String>,
    },
}

/// A state that an agent can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// 离线
    Offline,
    /// 空闲
    Ready,
    /// 示忙
    Busy,
    /// 小休
    Break,
}

/// Carries the command line out.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap prints help and version with exit code 0, mistakes with 2.
        Err(told) => told.exit(),
    };
    let Cli { global, command } = cli;
    let answer = match command {
        Command::Demo => crate::demo::run(&global),
        Command::Run => run::run(&global),
        Command::Check { folder } => check::check(&global, folder),
        Command::Init { folder } => check::init(&global, folder),
        Command::Schema => check::schema(),
        Command::Load(options) => crate::load::run(&global, &options),
        Command::Calls(calls) => calls::run(&global, calls),
        Command::Recordings(asked) => recordings::run(&global, &asked),
        Command::Prompts(asked) => prompts::run(&global, &asked),
        Command::Agents { command } => live::agents(&global, command.unwrap_or(Agents::List)),
        Command::Queues => live::queues(&global),
        Command::Phones => phones::phones(&global),
        Command::Numbers { command } => numbers::run(&global, command.unwrap_or(Numbers::List)),
        Command::Hours { number, at } => hours::run(&global, number.as_deref(), at.as_deref()),
        Command::Region { numbers, home_area } => region::run(&global, &numbers, home_area.as_deref()),
        Command::Voicemail { command } => {
            voicemail::run(&global, command.unwrap_or(Voicemail::List { mailbox: None }))
        }
        Command::Bans { command } => live::bans(&global, command.unwrap_or(Bans::List)),
        Command::Conferences { command } => conferences::run(&global, command.unwrap_or(Conferences::List)),
        Command::Trunks => live::trunks(&global),
        Command::Doctor => doctor::doctor(&global),
        Command::Explain { call } => calls::run(&global, Calls::Explain { call }),
    };
    output::exit(answer)
}

#[cfg(test)]
mod tests;
