//! RFC 3261, by section.

mod s12;
mod s13;
mod s14;
mod s15;
mod s17_1_1;
mod s17_1_2;
mod s17_1_3;
mod s17_2_1;
mod s17_2_2;
mod s17_2_3;
mod s8;
mod s9;
