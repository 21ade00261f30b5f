//! `embedgate revoke`, `revocations`, `unrevoke`: ends access before its time, by way of the running gateway.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    Failure, RevokeArgs, UnrevokeArgs,
    admin::{Admin, plain},
};
use crate::gate::revocation::Wanted;

/// Revokes, and prints the revocation's id.
///
/// # Errors
/// The command line is no revocation; the gateway cannot be asked, or refuses.
pub(super) fn revoke(args: &RevokeArgs) -> Result<(), Failure> {
    let wanted = Value::Object(wanted(args));
    Wanted::read(wanted.to_string().as_bytes())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let reply = Admin::find(&args.config)?.ask("POST", "/v1/revocations", Some(&wanted))?;
    if reply.status != 201 {
        return Err(Failure::Runtime(reply.problem()));
    }
    super::print(&line(&reply.body))?;
    if reply.body.get("durable") != Some(&Value::Bool(true)) {
        warn("a restart forgets it: set `revocations.file`");
    }
    Ok(())
}

/// Lists what is in force, oldest first: id, end, subject, reason.
///
/// # Errors
/// The gateway cannot be asked, or refuses.
pub(super) fn list(config: &Path) -> Result<(), Failure> {
    let admin = Admin::find(config)?;
    let mut target = "/v1/revocations?limit=1000".to_owned();
    loop {
        let reply = admin.ask("GET", &target, None)?;
        if reply.status != 200 {
            return Err(Failure::Runtime(reply.problem()));
        }
        let lines: Vec<String> = reply.list("revocations").map(line).collect();
        if !lines.is_empty() {
            super::print(&lines.join("\n"))?;
        }
        match reply.body.get("next").and_then(Value::as_str) {
            None => return Ok(()),
            Some(next) => target = format!("/v1/revocations?limit=1000&after={next}"),
        }
    }
}

/// Takes a revocation back.
///
/// # Errors
/// There is none of this id; the gateway cannot be asked, or refuses.
pub(super) fn unrevoke(args: &UnrevokeArgs) -> Result<(), Failure> {
    if !args.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::Usage(format!("`{}` is not an id", args.id)));
    }
    let target = format!("/v1/revocations/{}", args.id);
    let reply = Admin::find(&args.config)?.ask("DELETE", &target, None)?;
    match reply.status {
        204 => Ok(()),
        404 => Err(Failure::Runtime(format!(
            "no revocation `{}` is in force",
            args.id
        ))),
        _ => Err(Failure::Runtime(reply.problem())),
    }
}

/// The command line as the gateway reads it.
fn wanted(args: &RevokeArgs) -> Map<String, Value> {
    let until = args.until.as_ref().map(|text| {
        let seconds = text.parse::<i64>().map(Value::from);
        seconds.unwrap_or_else(|_| text.as_str().into())
    });
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let members = [
        ("viewer", text(&args.viewer)),
        ("tenant", text(&args.tenant)),
        ("jti", text(&args.jti)),
        ("issuer", text(&args.issuer)),
        ("kid", text(&args.kid)),
        ("session", text(&args.session)),
        ("reason", Some(args.reason.as_str().into())),
        ("until", until),
    ];
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// One revocation, as one line of columns: `cut` and `grep` can read it.
fn line(revocation: &Value) -> String {
    let text = |name: &str| revocation.get(name)?.as_str().map(plain);
    let named = ["viewer", "tenant", "jti", "kid", "session", "issuer"];
    let subject: Vec<String> = named
        .iter()
        .filter_map(|name| Some(format!("{name}={}", text(name)?)))
        .collect();
    let part = |name| text(name).unwrap_or_default();
    format!(
        "{}\t{}\t{}\t{}",
        part("id"),
        part("until"),
        subject.join(" "),
        part("reason")
    )
}

#[expect(clippy::print_stderr, reason = "the command line speaks to people")]
fn warn(text: &str) {
    eprintln!("embedgate: {text}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_revocation_is_one_line_that_cannot_steer_a_terminal() {
        let shown = json!({ "id": "ab", "viewer": "v\u{1b}[2J", "tenant": "acme", "reason": "left\nus", "until": "2026-01-31T12:00:00Z", "durable": true });
        assert_eq!(
            line(&shown),
            "ab\t2026-01-31T12:00:00Z\tviewer=v[2J tenant=acme\tleftus"
        );
    }
}
