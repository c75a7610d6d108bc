//! Owns where a call may come from and go to: trunks known by address, the number plan, hours, regions, admission, classes
//! of service, and the guard against those who are nobody.
//! Does not own signalling (see `sip`) or what a flow does (see `ivr`).

mod admission;
mod codes;
mod conference;
mod dialling;
mod diversions;
#[cfg(test)]
mod fixtures;
mod guard;
mod landing;
mod mailbox;
mod night;
mod overload;
mod phone_services;
mod pulse;
mod region;
mod router;
mod service;
mod settings;
mod shared;
mod supervision;
mod trunk;
mod trunk_numbers;
mod trunk_state;
mod unparsed;

pub use admission::{Admission, CallOut, Refusal, RefuseCause, Ticket};
pub use codes::{Argument, Feature, FeatureCodes, TalkCodes};
pub use conference::{ConferenceProfile, JoinTones};
pub use dialling::{Dialling, NoWayOut, Outside, OutsideRoute};
pub use diversions::Diversions;
pub use guard::{Ban, BanCause, Guard, Pass, block_of, is_of_scanner, is_strange_options};
pub use mailbox::{Mailbox, Mailboxes, Waiting};
pub use night::NightSwitches;
pub use overload::Overload;
pub use phone_services::{MessagePolicy, MessageRelay, PhoneServices, RegistrarLimits, SubscriptionLimits};
pub use pulse::{Beat, Life, Pulse};
pub use region::{KnownBy, Place, Region};
pub use router::{Claim, Dialled, Facts, Router, Source, Tie};
pub use service::{
    Barred, ClassOfService, Destination, DestinationKind, Holder, Hours, OutboundFacts, Verdict,
};
pub use settings::{
    AnswerMode, CertificateFiles, Cidr, ClientCertificate, CodecChoice, DigestChoice, Interface, KeyChoice,
    Limits, MediaChoice, MusicStart, Number, Phone, Plan, QueueProfile, RecordPolicy, Reliable, RtpRange,
    Security, SrtpChoice, StrangeOptions, TenantDomain, WhenDiskFull,
};
pub use shared::Shared;
pub use supervision::{Over, Rights, Supervised, Supervision, SupervisionKeys};
pub use trunk::{
    Access, CalledHeader, CallerHeader, Diversion, GroupMember, Heartbeat, NumberForm, NumberUri, Rewrite,
    Target, TargetHost, Trunk, TrunkAccount, TrunkChallenge, TrunkGroup, TrunkIdentity, TrunkLimits,
    TrunkNumbers, TrunkRegister, TrunkTransport, TrunkWay, ZeroBeforeMobile,
};
pub use trunk_numbers::is_pattern;
pub use trunk_state::{PassedOver, TrunkBinding, TrunkChange, TrunkNews, TrunkStates, WayOut, WaysOut};
pub use unparsed::{hash_of_call_id, header_lines};
