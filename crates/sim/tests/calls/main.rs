//! Whole calls in virtual time: a switch from TOML, carriers and phones on their own signalling, every scenario ending
//! with the RFC audit, the leak check and exactly one record per call.

mod agents;
mod conferences;
mod dialling;
mod diversions;
mod engagements;
mod fax;
mod flows;
mod hand;
mod media;
mod negotiation;
mod night;
mod operator;
mod originated;
mod pickups;
mod queues;
mod random;
mod recordings;
mod safety;
mod shards;
mod signalling;
mod stage;
mod states;
mod supervision;
mod transfers;
mod trunks;
mod verbs;
mod voicemail;
