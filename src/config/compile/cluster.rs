//! `[cluster]`.

use super::{
    Reported,
    context::{At, fingerprint},
    tls,
};
use crate::{
    config::{
        cluster::{Address, ClusterSpec},
        raw,
        secret::{Secret, SecretSource},
        spec::UpstreamTls,
    },
    gate::cluster::Names,
};

/// `[cluster]`, where there is one.
pub(super) fn cluster(
    raw: Option<&raw::Cluster>,
    at: &At<'_>,
) -> Result<Option<ClusterSpec>, Reported> {
    let Some(raw) = raw else { return Ok(None) };
    compile(raw, at).map(Some).ok_or(Reported)
}

fn compile(raw: &raw::Cluster, at: &At<'_>) -> Option<ClusterSpec> {
    let addresses = addresses(raw, &at.key("redis"));
    let tls = raw.tls.as_ref().map_or_else(
        || Some(UpstreamTls::default()),
        |table| tls::upstream(table, &at.key("tls")),
    );
    if raw.danger_local_single_use {
        at.key("danger_local_single_use").danger();
    }
    if raw.danger_cleartext {
        at.key("danger_cleartext").danger();
    }
    if raw.sentinel.is_none() && raw.sentinel_password.is_some() {
        at.key("sentinel_password")
            .report("goes with `sentinel`: without it, `redis` names no Sentinels");
    }
    if raw.username.is_some() && raw.password.is_none() {
        at.key("username").report("goes with `password`");
    }
    let secrets = Secrets::of(raw, at);
    let names = names(raw, at);
    let sentinel = sentinel(raw, &at.key("sentinel"));
    let timeout = at.key("timeout").positive(raw.timeout);
    if timeout > LONGEST_WAIT {
        at.key("timeout")
            .report("at most 10s: every request may wait so long");
    }
    let addresses = addresses?;
    let secure = addresses.first()?.secure;
    if !secure && raw.tls.is_some() {
        at.key("tls")
            .report("`redis` is redis://: there is no TLS to speak; use rediss://");
    }
    let Secrets {
        username,
        password,
        sentinel_password,
    } = secrets?;
    let (names, tls, sentinel) = (names?, tls?, sentinel?);
    let shown = |secret: &Option<Secret>| secret.as_ref().map_or(&[][..], Secret::expose).to_vec();
    let fingerprint = fingerprint(&[
        format!("{addresses:?} {tls:?} {sentinel:?}").as_bytes(),
        names.began().as_bytes(),
        names.fingerprint().as_bytes(),
        &shown(&username),
        &shown(&password),
        &shown(&sentinel_password),
    ]);
    Some(ClusterSpec {
        secure,
        database: addresses.first()?.database,
        nodes: addresses.into_iter().map(|address| address.node).collect(),
        tls,
        cleartext: raw.danger_cleartext,
        sentinel,
        username,
        password,
        sentinel_password,
        names,
        timeout,
        limits: raw.limits,
        local_single_use: raw.danger_local_single_use,
        fingerprint,
    })
}

/// All of them alike, and none that would be spoken to in the open.
fn addresses(raw: &raw::Cluster, at: &At<'_>) -> Option<Vec<Address>> {
    let written = at.require(
        raw.redis.as_ref(),
        "where Redis is, such as \"rediss://redis.example.com:6379\"",
    )?;
    let port = if raw.sentinel.is_some() { 26379 } else { 6379 };
    let place = |index| match written {
        raw::Addresses::Many(_) => at.index(index),
        raw::Addresses::One(_) => at.clone(),
    };
    let mut all = Vec::new();
    let mut whole = true;
    for (index, text) in written.all().iter().enumerate() {
        let at = place(index);
        let Some(address) = at.accept(Address::parse(text, port)) else {
            whole = false;
            continue;
        };
        if !address.secure && !raw.danger_cleartext && !address.node.is_loopback() {
            at.report(format!(
                "{} is not loopback: whoever is on the way could read and change what gateways share; use rediss://, or set \
                 danger_cleartext = true where something else protects the way",
                address.node
            ));
        }
        all.push(address);
    }
    if whole && all.is_empty() {
        at.report("names no Redis");
        whole = false;
    }
    let alike = |(one, other): (&Address, &Address)| {
        one.secure == other.secure && one.database == other.database
    };
    if !all.iter().zip(all.iter().skip(1)).all(alike) {
        at.report("all addresses must have the same scheme and database");
        whole = false;
    }
    if raw.sentinel.is_some() && all.iter().any(|address| address.database != 0) {
        at.report("Sentinels have no databases: leave the number out");
        whole = false;
    }
    whole.then_some(all)
}

/// (Outer `None`: reported.)
#[expect(clippy::option_option, reason = "absent is not reported")]
fn sentinel(raw: &raw::Cluster, at: &At<'_>) -> Option<Option<Box<str>>> {
    match raw.sentinel.as_deref() {
        None => Some(None),
        Some(name) if is_plain(name) => Some(Some(name.into())),
        Some(_) => {
            at.report("is the name of a master, such as \"mymaster\": letters, digits, `-`, `_`, `.` and `:`");
            None
        }
    }
}

struct Secrets {
    username: Option<Secret>,
    password: Option<Secret>,
    sentinel_password: Option<Secret>,
}

impl Secrets {
    fn of(raw: &raw::Cluster, at: &At<'_>) -> Option<Self> {
        let read = |source: &Option<SecretSource>, key: &str| match source {
            None => Ok(None),
            Some(source) => {
                let at = at.key(key);
                let secret = at.secret(source).ok_or(Reported)?;
                if std::str::from_utf8(secret.expose()).is_err() {
                    at.report("is not UTF-8 text");
                    return Err(Reported);
                }
                Ok(Some(secret))
            }
        };
        let username = read(&raw.username, "username");
        let password = read(&raw.password, "password");
        let sentinel_password = read(&raw.sentinel_password, "sentinel_password");
        Some(Self {
            username: username.ok()?,
            password: password.ok()?,
            sentinel_password: sentinel_password.ok()?,
        })
    }
}

fn names(raw: &raw::Cluster, at: &At<'_>) -> Option<Names> {
    let key = at.key("secret");
    let source = key.require(
        raw.secret.as_ref(),
        "hashes the names of viewers, the same at every gateway, such as { env = \"EMBEDGATE_CLUSTER_SECRET\" }",
    );
    let secret = source.and_then(|source| key.long_secret(source, "a cluster secret", SHORTEST));
    if !is_plain(&raw.prefix) {
        at.key("prefix").report(
            "begins the names of keys: letters, digits, `-`, `_`, `.` and `:`, at most 64 of them",
        );
        return None;
    }
    let names = Names::new(&raw.prefix, secret?.expose());
    at.accept(names.ok_or("the secret cannot be used"))
}

fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Below this, whoever reads Redis could try all secrets.
const SHORTEST: usize = 32;
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(10);
