//! `embedgate token`: signs a viewer token, for development and smoke tests.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use super::{Failure, TokenArgs};
use crate::{
    config::{IssuerEntry, KeyInfo, Snapshot, units},
    gate::{
        origin::Origin,
        param::Type,
        request::UnixTime,
        resource::Resource,
        token::{Issuer, Signer},
    },
};

/// Prints a token.
pub(super) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let snapshot = Snapshot::load(&args.config)?;
    let entry = issuer(&snapshot, &args.issuer)?;
    let claims = claims(args, &snapshot, &entry.issuer, now()?)?;
    let token = signer(args, entry)?
        .sign(&Value::Object(claims))
        .map_err(|error| Failure::Usage(error.to_string()))?;
    if let Some(warning) = too_large(&snapshot, &entry.issuer, &token, clock()?) {
        super::warn(&warning);
    }
    super::print(&token)
}

/// What to say of a grant that does not fit into the session that it should become.
fn too_large(
    snapshot: &Snapshot,
    issuer: &Arc<Issuer>,
    token: &str,
    now: UnixTime,
) -> Option<String> {
    let sealer = snapshot.sessions.as_ref()?;
    let sites = snapshot.sites.iter().map(|entry| &entry.site);
    let mut sites = sites.filter(|site| {
        site.sessions && site.issuers.iter().any(|known| *known.name == *issuer.name)
    });
    let site = sites.clone().find(|site| site.sharing.wants_session());
    let (refused, site) = (site.is_some(), site.or_else(|| sites.next())?);
    let large = sealer
        .fits(token, std::slice::from_ref(issuer), now)
        .err()?;
    let then = if refused {
        "which the site refuses"
    } else {
        "so its page loads earn none"
    };
    Some(format!(
        "this grant is too large for a session at site `{}`: {large}, {then}; name fewer resources and parameters",
        site.name
    ))
}

fn issuer<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s IssuerEntry, Failure> {
    let found = snapshot
        .issuers
        .iter()
        .find(|entry| *entry.issuer.name == *name);
    found.ok_or_else(|| {
        let names: Vec<&str> = snapshot
            .issuers
            .iter()
            .map(|entry| &*entry.issuer.name)
            .collect();
        Failure::Usage(format!(
            "there is no issuer `{name}`; there are: {}",
            names.join(", ")
        ))
    })
}

fn signer(args: &TokenArgs, entry: &IssuerEntry) -> Result<Signer, Failure> {
    let wanted = |key: &&KeyInfo| args.kid.is_none() || key.kid.as_deref() == args.kid.as_deref();
    let key = match &args.key {
        None => entry
            .keys
            .iter()
            .filter(wanted)
            .find(|key| key.secret.is_some()),
        Some(_) => entry
            .keys
            .iter()
            .filter(wanted)
            .find(|key| key.secret.is_none()),
    };
    let key = key.ok_or_else(|| Failure::Usage(no_key(args)))?;
    let algorithm = format!("{:?}", key.algorithm);
    let made = match (&args.key, &key.secret) {
        (Some(path), _) => {
            let pem = std::fs::read(path)
                .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            Signer::new(
                &algorithm,
                &zeroize::Zeroizing::new(pem),
                key.kid.as_deref(),
            )
        }
        (None, Some(secret)) => Signer::new(&algorithm, secret.expose(), key.kid.as_deref()),
        (None, None) => return Err(Failure::Usage(no_key(args))),
    };
    made.map_err(|error| Failure::Usage(error.to_string()))
}

fn no_key(args: &TokenArgs) -> String {
    let which = args
        .kid
        .as_ref()
        .map_or_else(String::new, |kid| format!(" of kid `{kid}`"));
    match args.key {
        None => format!(
            "issuer `{}` has no shared secret{which} to sign with; give the private key with --key FILE",
            args.issuer
        ),
        Some(_) => format!(
            "issuer `{}` has no public key{which} that --key could belong to",
            args.issuer
        ),
    }
}

fn claims(
    args: &TokenArgs,
    snapshot: &Snapshot,
    issuer: &Issuer,
    now: u64,
) -> Result<Map<String, Value>, Failure> {
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    if let Some(iss) = &issuer.iss {
        put("iss", json!(iss));
    }
    if let Some(audience) = &issuer.audience {
        put("aud", json!(audience));
    }
    put("sub", json!(args.sub));
    put("jti", json!(token_id(args)?));
    put("iat", json!(now));
    put("exp", json!(now.saturating_add(lifetime(args, issuer)?)));
    if let Some(tenant) = &args.tenant {
        put(
            issuer.claims.tenant.as_deref().unwrap_or("tenant"),
            json!(tenant),
        );
    }
    let (claim, granted) = resources(&args.resource)?;
    put(claim, granted);
    // Metabase's front end reads the payload, and wants it there.
    put("params", json!({}));
    if let Some(scope) = &args.scope {
        put("scope", json!(scope));
    }
    if let Some(origin) = &args.origin {
        if Origin::parse(origin).is_none() {
            return Err(Failure::Usage(format!(
                "`{origin}` is not an origin, such as https://app.example.com"
            )));
        }
        put("origin", json!(origin));
    }
    for (param, value) in params(args, snapshot)? {
        let own = issuer
            .claims
            .params
            .iter()
            .find(|(name, _)| **name == *param);
        match own {
            Some((_, claim)) => claims.insert(claim.to_string(), value),
            None => inside(&mut claims, "params").and_then(|params| params.insert(param, value)),
        };
    }
    Ok(claims)
}

fn inside<'m>(
    claims: &'m mut Map<String, Value>,
    name: &str,
) -> Option<&'m mut Map<String, Value>> {
    claims
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
}

fn lifetime(args: &TokenArgs, issuer: &Issuer) -> Result<u64, Failure> {
    let Some(text) = &args.ttl else {
        return Ok(DEFAULT_TTL.min(issuer.max_lifetime.as_secs()));
    };
    let ttl: units::Duration = text
        .parse()
        .map_err(|problem| Failure::Usage(format!("--ttl {problem}")))?;
    if ttl.0 > issuer.max_lifetime {
        let most = units::Duration(issuer.max_lifetime);
        return Err(Failure::Usage(format!(
            "--ttl {ttl} is longer than max_lifetime = \"{most}\" of issuer `{}`",
            issuer.name
        )));
    }
    if ttl.0.as_secs() == 0 {
        return Err(Failure::Usage(format!(
            "--ttl {ttl} is shorter than a second"
        )));
    }
    Ok(ttl.0.as_secs())
}

fn token_id(args: &TokenArgs) -> Result<String, Failure> {
    use std::fmt::Write as _;

    if let Some(id) = &args.jti {
        return Ok(id.clone());
    }
    let mut random = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Failure::Runtime("no randomness to be had".into()))?;
    let mut id = String::with_capacity(32);
    for byte in random {
        write!(id, "{byte:02x}").map_err(|error| Failure::Runtime(error.to_string()))?;
    }
    Ok(id)
}

/// One resource stands in the form that Metabase's front end reads, numbers as numbers; several as a list.
fn resources(texts: &[String]) -> Result<(&'static str, Value), Failure> {
    let one = |text: &String| {
        Resource::parse(text).ok_or_else(|| {
            Failure::Usage(format!("`{text}` is not a resource, such as dashboard:42"))
        })
    };
    let all: Vec<Resource> = texts.iter().map(one).collect::<Result<_, _>>()?;
    if let [only] = all.as_slice() {
        let mut claim = Map::new();
        claim.insert(only.kind.to_string(), id(&only.id));
        return Ok(("resource", Value::Object(claim)));
    }
    let listed = |resource: &Resource| json!({ "type": resource.kind, "id": resource.id });
    Ok(("resources", all.iter().map(listed).collect()))
}

/// An identifier that reads back the same as a number is one.
fn id(text: &str) -> Value {
    let number = text.parse::<u64>().ok();
    match number.filter(|number| number.to_string() == text) {
        Some(number) => json!(number),
        None => json!(text),
    }
}

fn params(args: &TokenArgs, snapshot: &Snapshot) -> Result<Vec<(String, Value)>, Failure> {
    let mut params: Vec<(String, Value)> = Vec::with_capacity(args.param.len());
    for text in &args.param {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::Usage(format!(
                "`{text}` is not a parameter, such as region=us-west"
            )));
        };
        if params.iter().any(|(other, _)| other == name) {
            return Err(Failure::Usage(format!(
                "parameter `{name}` is given twice; write a list as {name}='[1, 2]'"
            )));
        }
        params.push((
            name.to_owned(),
            typed(value, declared(snapshot, &args.issuer, name)),
        ));
    }
    Ok(params)
}

/// The type that a site of this issuer declares for a parameter.
fn declared(snapshot: &Snapshot, issuer: &str, name: &str) -> Option<Type> {
    let sites = snapshot.sites.iter().map(|entry| &entry.site);
    let own = sites.filter(|site| site.issuers.iter().any(|known| *known.name == *issuer));
    own.flat_map(|site| &site.params)
        .find(|param| *param.name == *name)
        .map(|param| param.kind)
}

/// Text where the type is one that JSON writes as text; else JSON where it is some. A list is JSON always.
fn typed(text: &str, kind: Option<Type>) -> Value {
    let written = serde_json::from_str::<Value>(text).ok();
    let as_text = matches!(kind, Some(Type::Date | Type::String | Type::Uuid));
    match written {
        Some(value @ Value::Array(_)) => value,
        Some(value) if !as_text => value,
        Some(_) | None => Value::String(text.to_owned()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a development tool outside the server; the server's clock is not running"
)]
fn now() -> Result<u64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .map(|since| since.as_secs())
        .map_err(|_| Failure::Runtime("the clock stands before 1970".into()))
}

fn clock() -> Result<UnixTime, Failure> {
    let now = i64::try_from(now()?).unwrap_or(i64::MAX);
    Ok(UnixTime(now))
}

const DEFAULT_TTL: u64 = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_resource_is_in_metabases_form() {
        let claim = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
            resources(&texts).ok()
        };
        for (text, value) in [
            ("dashboard:42", json!({ "dashboard": 42 })),
            ("dashboard:042", json!({ "dashboard": "042" })),
            ("report:q:3", json!({ "report": "q:3" })),
        ] {
            assert_eq!(claim(&[text]), Some(("resource", value)), "{text}");
        }
        let both = json!([{ "type": "dashboard", "id": "42" }, { "type": "question", "id": "5" }]);
        let found = claim(&["dashboard:42", "question:5"]);
        assert_eq!(found, Some(("resources", both)));
        assert_eq!(claim(&["q3"]), None);
    }

    #[test]
    fn values_are_typed_as_the_site_declares() {
        for (text, kind, value) in [
            ("99", Some(Type::Integer), json!(99)),
            ("99", Some(Type::String), json!("99")),
            ("99", None, json!(99)),
            ("us-west", None, json!("us-west")),
            ("true", Some(Type::Boolean), json!(true)),
            ("[1, 2]", Some(Type::Integer), json!([1, 2])),
            ("[\"a\"]", Some(Type::String), json!(["a"])),
            ("", Some(Type::String), json!("")),
        ] {
            assert_eq!(typed(text, kind), value, "{text} {kind:?}");
        }
    }
}
