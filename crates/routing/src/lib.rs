//! Owns where a call may come from and go to: trunks known by address, the number plan, admission.
//! Does not own signalling (see `sip`) or what a flow does (see `ivr`).

mod settings;

pub use settings::{
    AnswerMode, Cidr, CodecChoice, DigestChoice, FeatureCodes, Interface, Limits, Number, Phone, Plan,
    QueueProfile, RecordPolicy, RtpRange, TenantDomain, Trunk,
};
