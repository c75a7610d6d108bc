//! Owns feature codes: what each is for, and what is dialled behind it. Does not own what becomes of it (see `call`).

use std::sync::Arc;

use model::diversion::ForwardWhen;
use model::supervision::Verb;

/// What a feature code is for. The codes that are built in are FusionPBX's, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// 签入 and 空闲.
    Ready,
    /// 示忙.
    Busy,
    /// 小休.
    Pause,
    /// 签出.
    SignOut,
    /// Echo test.
    Echo,
    /// 呼叫转移 on, to what is dialled behind the code.
    Forward(ForwardWhen),
    /// 呼叫转移 off.
    ForwardOff(ForwardWhen),
    /// 免打扰 on.
    DoNotDisturb,
    /// 免打扰 off.
    Disturb,
    /// 监听, 强插: the conversation of the extension that is dialled behind the code.
    Supervise(Verb),
    /// 回拨: calls who called last.
    CallBack,
    /// 指定代接: takes the call for which the extension rings that is dialled behind the code.
    PickUp,
    /// 同组代接: takes the call for which a phone of the same pickup group has rung the longest.
    PickUpInGroup,
    /// 夜间模式: turns the night switch of the number behind the code, or of all that have one.
    Night,
    /// 听留言: the own mailbox, or the one behind the code.
    Voicemail,
    /// 留言: leaves a message in the mailbox behind the code.
    LeaveMessage,
}

/// What is dialled behind a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// A number; some features go without.
    Number,
}

impl Feature {
    /// What is dialled behind its code.
    pub const fn argument(self) -> Argument {
        match self {
            Feature::Forward(_)
            | Feature::Supervise(_)
            | Feature::PickUp
            | Feature::Night
            | Feature::Voicemail
            | Feature::LeaveMessage => Argument::Number,
            Feature::Ready
            | Feature::Busy
            | Feature::Pause
            | Feature::SignOut
            | Feature::Echo
            | Feature::ForwardOff(_)
            | Feature::DoNotDisturb
            | Feature::Disturb
            | Feature::CallBack
            | Feature::PickUpInGroup => Argument::None,
        }
    }
}

/// The codes of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureCodes {
    codes: Vec<(Arc<str>, Feature)>,
    /// What is pressed in a conversation.
    pub in_talk: TalkCodes,
}

/// Codes that are pressed in a conversation, with a number behind them. An empty one stands for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TalkCodes {
    /// 盲转: the other side goes to the number.
    pub transfer: Arc<str>,
    /// 咨询转: the number is asked first.
    pub consult: Arc<str>,
}

impl FeatureCodes {
    /// These codes; an empty one stands for nothing.
    pub fn new(codes: impl IntoIterator<Item = (Feature, Arc<str>)>) -> FeatureCodes {
        let codes = codes.into_iter().filter(|(_, code)| !code.is_empty());
        let codes = codes.map(|(feature, code)| (code, feature)).collect();
        FeatureCodes { codes, in_talk: TalkCodes::default() }
    }

    /// The same with what is pressed in a conversation.
    pub fn with_talk_codes(self, in_talk: TalkCodes) -> FeatureCodes {
        FeatureCodes { in_talk, ..self }
    }

    /// What is dialled for `feature`; None: nothing.
    pub fn code_of(&self, feature: Feature) -> Option<&str> {
        self.codes.iter().find(|(_, known)| *known == feature).map(|(code, _)| &**code)
    }

    /// What `dialled` means, and what is dialled behind the code. A whole code goes before one that is only the
    /// beginning, a longer beginning before a shorter one.
    pub fn meant_by<'d>(&self, dialled: &'d str) -> Option<(Feature, &'d str)> {
        if let Some((_, feature)) = self.codes.iter().find(|(code, _)| **code == *dialled) {
            return Some((*feature, ""));
        }
        let takes = self.codes.iter().filter(|(_, feature)| feature.argument() == Argument::Number);
        let fits =
            takes.filter_map(|(code, feature)| Some((code.len(), *feature, dialled.strip_prefix(&**code)?)));
        fits.max_by_key(|(length, ..)| *length).map(|(_, feature, argument)| (feature, argument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_alone_or_before_its_number() {
        let codes = FeatureCodes::new([
            (Feature::Ready, "*7".into()),
            (Feature::Forward(ForwardWhen::Always), "*7".into()),
            (Feature::Forward(ForwardWhen::Busy), "*72".into()),
            (Feature::Echo, "*729".into()),
            (Feature::Pause, "".into()),
        ]);
        let table = [
            ("*7", Some((Feature::Ready, ""))),
            ("*78001", Some((Feature::Forward(ForwardWhen::Always), "8001"))),
            ("*728001", Some((Feature::Forward(ForwardWhen::Busy), "8001"))),
            ("*72", Some((Feature::Forward(ForwardWhen::Busy), ""))),
            ("*729", Some((Feature::Echo, ""))),
            ("*7291", Some((Feature::Forward(ForwardWhen::Busy), "91"))),
            ("8001", None),
            ("", None),
        ];
        for (dialled, expected) in table {
            assert_eq!(codes.meant_by(dialled), expected, "{dialled}");
        }
    }
}
