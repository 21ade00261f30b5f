//! Which part of the workspace answers, and what happens to the answer.

use std::time::Duration;

use super::{
    super::wire::{Answer, Lost},
    Call, Seen, State, Step, Workspace, api, embed, fault, now, oidc,
};

/// Answers a request.
pub(super) fn answer(state: &mut State, seen: Seen) -> Answer {
    let at = now();
    let workspace = &mut state.workspace;
    let segments = seen.segments_but("");
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let step = step(workspace, &seen, &path);
    let principal = principal(&seen);
    let fault = fault::next(workspace, step);
    let instead = fault.as_ref().and_then(fault::Fault::instead);
    let mut answer = instead.unwrap_or_else(|| admitted(workspace, &seen, step, &path));
    if let Some(fault) = fault {
        fault.spoil(&mut answer);
    }
    let slow = workspace.behaviour.latency.iter();
    let slow = slow.filter(|(one, _)| *one == step).map(|(_, by)| *by);
    answer.delay += slow.sum::<Duration>();
    dress(workspace, &mut answer);
    let accepts = seen.all("accept-encoding").concat().contains("gzip");
    if workspace.behaviour.gzip && accepts && answer.filler == 0 && !answer.body.is_empty() {
        answer.compress();
    }
    let status = if answer.lost == Some(Lost::All) {
        0
    } else {
        answer.status
    };
    state.note(Call {
        step,
        at,
        status,
        principal,
        seen,
    });
    answer
}

fn step(workspace: &Workspace, seen: &Seen, path: &[&str]) -> Step {
    let paths = &workspace.behaviour.paths;
    let under = |prefix: &str| {
        let prefix: Vec<&str> = prefix.split('/').filter(|one| !one.is_empty()).collect();
        !prefix.is_empty() && path.starts_with(&prefix)
    };
    match path {
        ["oidc", "v1", "token"] => oidc::step(seen),
        [
            "api",
            "2.0",
            "lakeview",
            "dashboards",
            _,
            "published",
            "tokeninfo",
        ] => Step::Info,
        ["embed", "dashboardsv3", _] | ["embed", "dashboardsv3", _, "pages", _] => Step::Page,
        _ if under(&paths.assets) => Step::Asset,
        _ if under(&paths.layout) || under(&paths.query) => Step::Data,
        _ => Step::Other,
    }
}

/// Whom a request names.
fn principal(seen: &Seen) -> Option<String> {
    let token = seen.all("authorization").first()?.split_once(' ')?.1;
    let claims = super::token::peek(token);
    let own = claims.and_then(|claims| Some(claims["sub"].as_str()?.to_owned()));
    own.or_else(|| oidc::named(seen))
}

/// The answer, unless the limits or the name of the host forbid it.
fn admitted(workspace: &mut Workspace, seen: &Seen, step: Step, path: &[&str]) -> Answer {
    let behaviour = &workspace.behaviour;
    if let Some(host) = &behaviour.host
        && seen.all("host") != [host.as_str()]
    {
        return Answer::text(421, "no such workspace");
    }
    let (most, counted) = (
        behaviour.loads_per_second,
        behaviour.counted.contains(&step),
    );
    if counted && !workspace.windows.admit(step, most) {
        let text = "Too many dashboard loads per second.";
        return api::failed(429, "REQUEST_LIMIT_EXCEEDED", text).with("Retry-After", "1");
    }
    let reading = matches!(seen.method.as_str(), "GET" | "HEAD");
    match (step, path) {
        (Step::Access | Step::Scoped, _) => oidc::token(workspace, seen),
        (Step::Page, [_, _, id]) if reading => embed::page(workspace, seen, id, None),
        (Step::Page, [_, _, id, _, page]) if reading => {
            embed::page(workspace, seen, id, Some(page))
        }
        (Step::Asset, [.., name]) if reading => embed::asset(name),
        (Step::Data, path) => {
            let query = workspace.behaviour.paths.query.trim_matches('/');
            match path {
                path if path.join("/") == query => embed::query(workspace, seen),
                [.., id] => embed::layout(workspace, seen, id),
                [] => embed::elsewhere(),
            }
        }
        (_, ["oidc", "jwks.json"]) if reading => Answer::json(200, &workspace.key.set()),
        (_, ["api", rest @ ..]) => api::answer(workspace, seen, rest),
        _ if reading => embed::elsewhere(),
        _ => Answer::text(405, ""),
    }
}

/// Puts on an answer what is from inside.
fn dress(workspace: &Workspace, answer: &mut Answer) {
    let more = [
        ("Server", "databricks"),
        ("X-Databricks-Org-Id", workspace.id.as_str()),
        (
            "Strict-Transport-Security",
            "max-age=31536000; includeSubDomains",
        ),
        ("X-Content-Type-Options", "nosniff"),
    ];
    if let Some(nonce) = &answer.nonce {
        let policy = embed::policy(workspace, nonce);
        let policy = ("Content-Security-Policy".into(), policy);
        answer.headers.push(policy);
    }
    let keep = if answer.cacheable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache, no-store"
    };
    let keep = ("Cache-Control".into(), keep.into());
    answer.headers.push(keep);
    let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
    answer.headers.extend(more);
}
