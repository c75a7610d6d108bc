//! Owns how phones' calls go out: prefix, ways by number, and what is kept of them. Does not own who may call where (see
//! `service`) nor which trunk of a group is tried first (see `trunk_state`).

use std::sync::Arc;
use std::time::Duration;

use model::TrunkName;
use model::numbers::{Caller, CallerKind};

use crate::service::EMERGENCY;
use crate::trunk_numbers::fits;
use crate::{Plan, RecordPolicy};

/// What an operator sets for the calls that phones make.
#[derive(Clone, Debug, PartialEq)]
pub struct Dialling {
    /// What is dialled before an outside number; empty: nothing.
    pub prefix: Arc<str>,
    /// Ways out by number, the first that fits.
    pub routes: Vec<OutsideRoute>,
    /// The trunk or group of all other outside numbers; None: they are not called.
    pub trunk: Option<TrunkName>,
    /// How long a colleague's phone rings.
    pub ring: Duration,
    /// How long a phone rings whose calls are forwarded when nobody answers.
    pub forward_after: Duration,
    /// How often a call is forwarded at most.
    pub max_forwards: usize,
    /// What is recorded of calls between our own phones.
    pub record_inside: RecordPolicy,
    /// What is recorded of calls to outside numbers.
    pub record_outside: RecordPolicy,
}

impl Default for Dialling {
    fn default() -> Dialling {
        Dialling {
            prefix: Arc::from(""),
            routes: Vec::new(),
            trunk: None,
            ring: Duration::from_secs(60),
            forward_after: Duration::from_secs(20),
            max_forwards: 5,
            record_inside: RecordPolicy::Talk,
            record_outside: RecordPolicy::Talk,
        }
    }
}

/// A way out for numbers that begin in some way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideRoute {
    /// What the number looks like, as dialled behind the prefix: see [`crate::is_pattern`].
    pub pattern: Arc<str>,
    /// The trunk or group.
    pub trunk: TrunkName,
}

/// An outside number and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// In the form of records (national, abroad `00…`).
    pub number: Arc<str>,
    /// The trunk or group by which it is called.
    pub trunk: TrunkName,
}

/// Why there is no way to an outside number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoWayOut {
    /// It is no telephone number.
    #[error("号码不存在 / no such number")]
    NoNumber,
    /// No trunk is set for it.
    #[error("没有设置呼出中继 / no trunk is set for calls out")]
    NoTrunk,
}

impl Plan {
    /// What is dialled behind the prefix, where an outside number is dialled. Emergency numbers need no prefix.
    pub fn behind_prefix<'d>(&self, dialled: &'d str) -> Option<&'d str> {
        if EMERGENCY.contains(&dialled) {
            return Some(dialled);
        }
        dialled.strip_prefix(&*self.dialling.prefix).filter(|number| !number.is_empty())
    }

    /// The way to an outside number, written without the prefix in any usual form.
    ///
    /// # Errors
    /// Why there is none.
    pub fn outside(&self, number: &str) -> Result<Outside, NoWayOut> {
        let plain = number.strip_prefix('+').unwrap_or(number);
        if plain.len() < 3 || plain.len() > LONGEST || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoWayOut::NoNumber);
        }
        let route = self.dialling.routes.iter().find(|route| fits(&route.pattern, number));
        let trunk = route.map(|route| &route.trunk).or(self.dialling.trunk.as_ref());
        let home_area = trunk.and_then(|trunk| self.home_area_of(trunk));
        let called = Caller::parse(number, home_area);
        match called.kind {
            CallerKind::Extension | CallerKind::Alias | CallerKind::Anonymous => Err(NoWayOut::NoNumber),
            CallerKind::Mobile
            | CallerKind::Fixed
            | CallerKind::Service
            | CallerKind::Short
            | CallerKind::International
            | CallerKind::Unknown => {
                let trunk = trunk.ok_or(NoWayOut::NoTrunk)?.clone();
                Ok(Outside { number: called.normalised, trunk })
            }
        }
    }

    /// The area of a trunk, or of the first trunk of a group.
    pub fn home_area_of(&self, name: &TrunkName) -> Option<&str> {
        let group = self.groups.iter().find(|group| group.name == *name);
        let first = group.and_then(|group| group.members.iter().min_by_key(|member| member.order));
        let name = first.map_or(name, |member| &member.trunk);
        self.trunks.iter().find(|trunk| trunk.name == *name)?.numbers.home_area.as_deref()
    }
}

/// E.164 has fifteen digits; a prefix for calls abroad and one for a carrier come before them.
const LONGEST: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{plan, trunk};

    fn office() -> Plan {
        let mut local = trunk("local", 0, &[]);
        local.numbers.home_area = Some("0755".into());
        let mut plan = plan(vec![local, trunk("abroad", 0, &[])], vec![], vec![]);
        plan.dialling.prefix = "9".into();
        plan.dialling.trunk = Some(TrunkName::new("local"));
        plan.dialling.routes = vec![OutsideRoute { pattern: "00.".into(), trunk: TrunkName::new("abroad") }];
        plan
    }

    #[test]
    fn an_outside_number_is_dialled_behind_the_prefix_and_an_emergency_without() {
        let plan = office();
        let table = [
            ("913800138000", Some("13800138000")),
            ("13800138000", None),
            ("9", None),
            ("110", Some("110")),
            ("9110", Some("110")),
        ];
        for (dialled, expected) in table {
            assert_eq!(plan.behind_prefix(dialled), expected, "{dialled}");
        }
        let mut plan = plan;
        plan.dialling.prefix = "".into();
        assert_eq!(plan.behind_prefix("13800138000"), Some("13800138000"));
    }

    #[test]
    fn a_number_goes_by_the_first_route_that_fits_and_is_kept_in_the_form_of_records() {
        let plan = office();
        let way =
            |number: &str| plan.outside(number).map(|out| (out.number.to_string(), out.trunk.to_string()));
        let to = |number: &str, trunk: &str| Ok((number.to_owned(), trunk.to_owned()));
        assert_eq!(way("28780808"), to("075528780808", "local"));
        assert_eq!(way("013800138000"), to("13800138000", "local"));
        assert_eq!(way("+8613800138000"), to("13800138000", "local"));
        assert_eq!(way("0085212345678"), to("0085212345678", "abroad"));
        assert_eq!(way("95588"), to("95588", "local"));
        for nothing in ["8500", "12", "", "*22", "1380013800x", "1234567890123456789012345"] {
            assert_eq!(way(nothing), Err(NoWayOut::NoNumber), "{nothing}");
        }
        let mut plan = plan;
        plan.dialling.trunk = None;
        assert_eq!(plan.outside("13800138000"), Err(NoWayOut::NoTrunk));
    }
}
