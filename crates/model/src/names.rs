//! Owns names: what operators call things. A tenant is part of every name that a tenant owns.

use std::fmt;
use std::sync::Arc;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as written.
            pub fn new(text: &str) -> $name {
                $name(Arc::from(text))
            }

            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// An enterprise served by this node. A plain configuration folder is tenant `default`.
    TenantId;
    /// A carrier's trunk; trunks belong to the node.
    TrunkName;
    /// A listener; listeners belong to the node.
    InterfaceName;
}

impl TenantId {
    /// The tenant of a configuration folder without `tenants/`.
    pub const DEFAULT: &str = "default";
}

impl Default for TenantId {
    fn default() -> TenantId {
        TenantId::new(TenantId::DEFAULT)
    }
}

macro_rules! tenant_names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            /// Whose it is.
            pub tenant: TenantId,
            /// What the tenant calls it.
            pub name: Arc<str>,
        }

        impl $name {
            /// `name` of `tenant`.
            pub fn new(tenant: &TenantId, name: &str) -> $name {
                $name { tenant: tenant.clone(), name: Arc::from(name) }
            }

            /// What the tenant calls it, without the tenant.
            pub fn as_str(&self) -> &str {
                &self.name
            }
        }

        /// The bare name for tenant `default`, else `tenant/name`.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.tenant.as_str() == TenantId::DEFAULT {
                    f.write_str(&self.name)
                } else {
                    write!(f, "{}/{}", self.tenant, self.name)
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

tenant_names! {
    /// A queue (队列).
    QueueName;
    /// A conference room (会议室).
    ConferenceName;
    /// A mailbox (语音信箱).
    MailboxName;
    /// An agent (坐席), by its number (工号).
    AgentId;
    /// A flow (流程).
    FlowName;
    /// A list of callers (名单).
    ListName;
    /// A prompt (语音).
    PromptName;
    /// A hotline number (400 号码) in the form callers dial, digits only.
    HotlineNumber;
}

/// An address of record: `user@domain`, the domain in lower case (RFC 3261 §10.3 compares users exactly).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Aor {
    user: Arc<str>,
    domain: Arc<str>,
}

impl Aor {
    /// `user` (unescaped) at `domain`.
    pub fn new(user: &str, domain: &str) -> Aor {
        Aor { user: Arc::from(user), domain: Arc::from(domain.to_ascii_lowercase()) }
    }

    /// The part before `@`.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The part behind `@`.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.domain)
    }
}

impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_part_of_every_name() {
        let ours = QueueName::new(&TenantId::default(), "sales");
        let theirs = QueueName::new(&TenantId::new("acme"), "sales");
        assert_ne!(ours, theirs);
        assert_eq!((ours.to_string(), theirs.to_string()), ("sales".into(), "acme/sales".into()));
    }

    #[test]
    fn an_aor_folds_its_domain_and_not_its_user() {
        assert_eq!(Aor::new("9001", "PBX.local"), Aor::new("9001", "pbx.local"));
        assert_ne!(Aor::new("Alice", "pbx"), Aor::new("alice", "pbx"));
    }
}
