//! Secrets: never written in the file, never shown, zeroed when dropped.

use std::{borrow::Cow, fmt, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess},
};
use zeroize::Zeroizing;

/// Secret bytes. No `Display`, no `Clone`, no `PartialEq`; `Debug` shows nothing.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes; whoever calls this must not show them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret comes from: `{ env = "NAME" }` or `{ file = "path" }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a final line break does not count.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

/// Answers every plain value with the same words, so that no secret is repeated in an error.
struct SourceVisitor;

impl<'de> de::Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ env = \"NAME\" } or { file = \"path\" }")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretSource, E> {
        Err(E::custom(IN_THE_FILE))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretSource, E> {
        Err(E::custom(IN_THE_FILE))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretSource, E> {
        Err(E::custom(IN_THE_FILE))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretSource, E> {
        Err(E::custom(IN_THE_FILE))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let mut source = None;
        while let Some(key) = map.next_key::<String>()? {
            let next = match key.as_str() {
                "env" => SecretSource::Env(map.next_value()?),
                "file" => SecretSource::File(map.next_value()?),
                _ => return Err(de::Error::custom(ONE_SOURCE)),
            };
            if source.replace(next).is_some() {
                return Err(de::Error::custom(ONE_SOURCE));
            }
        }
        source.ok_or_else(|| de::Error::custom(ONE_SOURCE))
    }
}

impl JsonSchema for SecretSource {
    fn schema_name() -> Cow<'static, str> {
        "SecretSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Where a secret comes from; it is never written in the file.",
            "properties": {
                "env": { "type": "string", "description": "Name of an environment variable." },
                "file": { "type": "string", "description": "Path of a file; a final line break does not count." }
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1
        })
    }
}

const IN_THE_FILE: &str =
    "a secret is never written in the file: use { env = \"NAME\" } or { file = \"path\" }";
const ONE_SOURCE: &str = "a secret has one source: { env = \"NAME\" } or { file = \"path\" }";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_nothing() {
        assert_eq!(
            format!("{:?}", Secret::new(b"hunter2".to_vec())),
            "Secret(…)"
        );
    }
}
