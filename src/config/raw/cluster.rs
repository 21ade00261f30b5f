//! `[cluster]` as written.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, SeqAccess, value::SeqAccessDeserializer},
};

use super::site::UpstreamTls;
use crate::config::{secret::SecretSource, units::Duration};

/// What several gateways share through Redis (or Valkey): limits, used tokens, revocations.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["redis", "secret"]))]
pub struct Cluster {
    /// Where Redis is: `"rediss://host:6379"`, or a list: nodes of a Redis Cluster, a master and its replicas, or Sentinels.
    pub redis: Option<Addresses>,
    /// The addresses are Sentinels', and this is the name of the master that they watch.
    pub sentinel: Option<String>,
    /// The user that Redis knows; without one, its default user.
    pub username: Option<SecretSource>,
    /// The user's password.
    pub password: Option<SecretSource>,
    /// The Sentinels' password, where they have one.
    pub sentinel_password: Option<SecretSource>,
    /// Hashes the names of viewers and seals records, so that Redis holds none of them; the same at every gateway, at least 32 bytes.
    pub secret: Option<SecretSource>,
    /// How Redis is verified (`rediss://`), and what we show it.
    pub tls: Option<UpstreamTls>,
    /// Begins the name of every key, so that several installations may use one Redis.
    pub prefix: String,
    /// The longest that a request waits for Redis.
    pub timeout: Duration,
    /// What happens to rate limits while Redis does not answer.
    pub limits: WithoutRedis,
    /// While Redis does not answer, let a token open one page at each gateway, instead of none.
    pub danger_local_single_use: bool,
    /// Speak to a Redis that is not on this machine without TLS.
    pub danger_cleartext: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            redis: None,
            sentinel: None,
            username: None,
            password: None,
            sentinel_password: None,
            secret: None,
            tls: None,
            prefix: "embedgate".into(),
            timeout: Duration::millis(50),
            limits: WithoutRedis::Local,
            danger_local_single_use: false,
            danger_cleartext: false,
        }
    }
}

/// One address, or several.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
pub enum Addresses {
    /// Several.
    Many(Vec<String>),
    /// One.
    One(String),
}

impl Addresses {
    /// The addresses.
    pub fn all(&self) -> &[String] {
        match self {
            Self::Many(all) => all,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressesVisitor)
    }
}

struct AddressesVisitor;

impl<'de> de::Visitor<'de> for AddressesVisitor {
    type Value = Addresses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, or an array of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Addresses, E> {
        Ok(Addresses::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Addresses, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Addresses::Many)
    }
}

/// What happens to rate limits while Redis does not answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutRedis {
    /// Each gateway counts for itself.
    #[default]
    Local,
    /// Requests that are limited are refused.
    Refuse,
}
