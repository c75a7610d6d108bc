//! Owns what a finding of the doctor is, and how it is shown.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As it should be.
    Fine,
    /// It works, and may not under load or tomorrow.
    Warning,
    /// Calls fail, or the switch does not start.
    Fault,
}

impl Verdict {
    fn words(self) -> &'static str {
        match self {
            Verdict::Fine => "正常 ok     ",
            Verdict::Warning => "注意 warning",
            Verdict::Fault => "故障 fault  ",
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Check {
    Switch,
    Configuration,
    Ports,
    Address,
    Dns,
    Trunk,
    Clock,
    Files,
    Rtp,
    Certificate,
    Prompts,
    Data,
    Disk,
}

impl Check {
    fn words(self) -> &'static str {
        match self {
            Check::Switch => "运行 switch",
            Check::Configuration => "配置 configuration",
            Check::Ports => "端口 port",
            Check::Address => "对外地址 address",
            Check::Dns => "域名 DNS",
            Check::Trunk => "中继 trunk",
            Check::Clock => "时钟 clock",
            Check::Files => "文件数 files",
            Check::Rtp => "RTP 端口 ports",
            Check::Certificate => "证书 certificate",
            Check::Prompts => "语音文件 prompts",
            Check::Data => "数据目录 data",
            Check::Disk => "磁盘 disk",
        }
    }
}

/// One thing that was looked at, and how it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    pub check: Check,
    /// Which of its kind: `udp 192.0.2.10:5060`, a trunk's name.
    pub subject: String,
    pub verdict: Verdict,
    pub zh: String,
    pub en: String,
    /// What to do about it.
    pub fix: Option<Fix>,
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Fix {
    pub zh: String,
    pub en: String,
}

impl Finding {
    pub fn new(
        verdict: Verdict,
        (check, subject): (Check, &str),
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Finding {
        Finding { check, subject: subject.to_owned(), verdict, zh: zh.into(), en: en.into(), fix: None }
    }

    pub fn fine(of: (Check, &str), zh: impl Into<String>, en: impl Into<String>) -> Finding {
        Finding::new(Verdict::Fine, of, zh, en)
    }

    pub fn warning(of: (Check, &str), zh: impl Into<String>, en: impl Into<String>) -> Finding {
        Finding::new(Verdict::Warning, of, zh, en)
    }

    pub fn fault(of: (Check, &str), zh: impl Into<String>, en: impl Into<String>) -> Finding {
        Finding::new(Verdict::Fault, of, zh, en)
    }

    /// The same with what to do about it.
    pub fn fix(self, zh: impl Into<String>, en: impl Into<String>) -> Finding {
        Finding { fix: Some(Fix { zh: zh.into(), en: en.into() }), ..self }
    }

    /// For people: a line, and one more with the fix.
    pub fn lines(&self) -> Vec<String> {
        let subject = match self.subject.as_str() {
            "" => String::new(),
            subject => format!(" {subject}"),
        };
        let (verdict, check) = (self.verdict.words(), self.check.words());
        let mut lines = vec![format!("{verdict}  {check}{subject}: {} / {}", self.zh, self.en)];
        lines.extend(self.fix.as_ref().map(|fix| format!("{:14}→ {} / {}", "", fix.zh, fix.en)));
        lines
    }
}
