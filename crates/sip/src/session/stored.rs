//! Owns how requests within a session's state are written down: as they go on the wire.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::message::{Message, Request};

pub(super) fn serialize<S: Serializer>(request: &Request, serializer: S) -> Result<S::Ok, S::Error> {
    request.to_bytes().serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Request, D::Error> {
    match Message::parse_datagram(Bytes::deserialize(deserializer)?) {
        Ok(Message::Request(request)) => Ok(request),
        Ok(Message::Response(_)) => Err(serde::de::Error::custom("expected a request, found a response")),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

pub(super) mod optional {
    use super::{Bytes, Deserialize, Deserializer, Message, Request, Serialize, Serializer};

    pub(in crate::session) fn serialize<S: Serializer>(
        request: &Option<Box<Request>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        request.as_ref().map(|request| request.to_bytes()).serialize(serializer)
    }

    pub(in crate::session) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Box<Request>>, D::Error> {
        let Some(bytes) = Option::<Bytes>::deserialize(deserializer)? else { return Ok(None) };
        match Message::parse_datagram(bytes) {
            Ok(Message::Request(request)) => Ok(Some(Box::new(request))),
            _ => Err(serde::de::Error::custom("expected a request")),
        }
    }
}
