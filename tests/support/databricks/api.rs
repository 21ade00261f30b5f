//! `/api/2.0/lakeview`: what `published/tokeninfo` gives, and what else a principal may ask about a dashboard.

use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};

use super::{
    super::wire::{Answer, Seen},
    LEAK, Workspace,
    store::{Dashboard, Issue},
};

type Reply = Result<Answer, Answer>;

/// What the id and the value of a viewer may come to: bytes.
const LONGEST: usize = 1024;
/// What a scoped token may do, as third parties have seen it.
const SCOPE: &str = "dashboards.query-execution dashboards.lakeview-embedded:read sql.redash-config:read settings:read";

/// How Databricks says no.
pub(super) fn failed(status: u16, code: &str, text: &str) -> Answer {
    Answer::json(status, &json!({"error_code": code, "message": text}))
}

/// The claims of a request's token.
pub(super) fn bearer(workspace: &Workspace, seen: &Seen) -> Result<Json, Answer> {
    let none = "Credential was not sent or was of an unsupported type for this API.";
    let none = || failed(401, "UNAUTHENTICATED", none);
    let [credentials] = seen.all("authorization")[..] else {
        return Err(none());
    };
    let (scheme, token) = credentials.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(none());
    }
    let status = workspace.behaviour.bad_token;
    let code = if status == 401 {
        "UNAUTHENTICATED"
    } else {
        "403"
    };
    let bad = || failed(status, code, "Invalid access token.");
    workspace.verify(token).ok_or_else(bad)
}

/// The principal, where the token is its own and may do everything that it may.
fn own(workspace: &Workspace, seen: &Seen) -> Result<String, Answer> {
    let claims = bearer(workspace, seen)?;
    let principal = claims["sub"]
        .as_str()
        .filter(|_| claims["scope"] == "all-apis");
    let denied = "Provided OAuth token does not have required scopes: all-apis";
    principal
        .map(Into::into)
        .ok_or_else(|| failed(403, "PERMISSION_DENIED", denied))
}

/// Answers under `/api`, the embedded page's calls aside.
pub(super) fn answer(workspace: &mut Workspace, seen: &Seen, path: &[&str]) -> Answer {
    let reading = seen.method == "GET";
    let reply = match path {
        ["2.0", "lakeview", "dashboards", id, "published", "tokeninfo"] if reading => {
            info(workspace, seen, id)
        }
        ["2.0", "lakeview", "dashboards", id, "published"] if reading => {
            runnable(workspace, seen, id).map(|(_, found)| {
                let body = json!({"display_name": found.title, "embed_credentials": false, "warehouse_id": "0123456789abcdef"});
                Answer::json(200, &body)
            })
        }
        ["2.0", "lakeview", "dashboards", id] if reading => draft(workspace, seen, id),
        _ => own(workspace, seen).map(|_| {
            let text = format!("{LEAK} {} {}", seen.method, seen.path());
            Answer::json(200, &json!({"leak": text}))
        }),
    };
    reply.unwrap_or_else(|refusal| refusal)
}

fn info(workspace: &mut Workspace, seen: &Seen, id: &str) -> Reply {
    let (principal, _) = runnable(workspace, seen, id)?;
    let (viewer, value) = viewer(seen)?;
    let claim = format!("urn:aibi:external_data:{value}:{viewer}:{id}");
    let issue = issue(workspace, &principal, id, claim);
    let mut body = json!({
        "authorization_details": issue.details,
        "custom_claim": issue.claim,
        "scope": issue.scope,
    });
    for (name, value) in &issue.extra {
        body[name] = value.clone();
    }
    let same = |one: &Issue| one.principal == principal && one.claim == issue.claim;
    workspace.issued.retain(|one| !same(one));
    workspace.issued.push(issue);
    Ok(Answer::json(200, &body))
}

/// `external_viewer_id` and `external_value`, each once, and nothing else.
fn viewer(seen: &Seen) -> Result<(String, String), Answer> {
    let wrong = |text: String| Err(failed(400, "INVALID_PARAMETER_VALUE", &text));
    let query = seen.target.split_once('?').map_or("", |(_, query)| query);
    let (mut viewer, mut value) = (None, None);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, text) = part.split_once('=').unwrap_or((part, ""));
        let place = match name {
            "external_viewer_id" => &mut viewer,
            "external_value" => &mut value,
            other => return wrong(format!("{other} is unknown")),
        };
        let text = text.replace('+', " ");
        let Ok(text) = percent_decode_str(&text).decode_utf8() else {
            return wrong(format!("{name} is not a text"));
        };
        if place.replace(text.into_owned()).is_some() {
            return wrong(format!("{name} is repeated"));
        }
    }
    let value: String = value.unwrap_or_default();
    let Some(viewer) = viewer.filter(|viewer| !viewer.is_empty()) else {
        return wrong("external_viewer_id is missing".into());
    };
    if viewer.len() + value.len() > LONGEST {
        return wrong(format!(
            "external_viewer_id and external_value exceed {LONGEST} bytes"
        ));
    }
    Ok((viewer, value))
}

/// What a principal is given for a dashboard.
pub(super) fn issue(workspace: &Workspace, principal: &str, id: &str, claim: String) -> Issue {
    let mut details = vec![json!({
        "type": "workspace_rule_set",
        "resource_name": format!("workspaces/{}/dashboards/{id}", workspace.id),
        "resource_legacy_acl_path": format!("/dashboards/{id}"),
        "grant_rules": [{"permission_set": "permissionSets/dashboard.runner"}],
    })];
    details.extend(workspace.behaviour.details.clone());
    Issue {
        principal: principal.into(),
        dashboard: id.into(),
        claim,
        details,
        scope: SCOPE.into(),
        extra: workspace.behaviour.extra.clone(),
    }
}

/// A published dashboard that the asking principal may run.
fn runnable<'a>(
    workspace: &'a Workspace,
    seen: &Seen,
    id: &str,
) -> Result<(String, &'a Dashboard), Answer> {
    let principal = own(workspace, seen)?;
    let missing = || {
        let text = format!("Unable to find published dashboard [dashboardId={id}]");
        failed(404, "RESOURCE_DOES_NOT_EXIST", &text)
    };
    let found = workspace.published(id).ok_or_else(missing)?;
    if !found.runners.contains(&principal) {
        let text = format!("{principal} does not have permission to run dashboard {id}");
        return Err(failed(403, "PERMISSION_DENIED", &text));
    }
    Ok((principal, found))
}

/// The draft, with its queries.
fn draft(workspace: &Workspace, seen: &Seen, id: &str) -> Reply {
    let (_, found) = runnable(workspace, seen, id)?;
    let dataset = |one: &super::store::Dataset| json!({"name": one.name, "displayName": one.name, "queryLines": [one.sql]});
    let serialized =
        json!({"datasets": found.datasets.iter().map(dataset).collect::<Vec<_>>(), "pages": []});
    let body = json!({
        "dashboard_id": found.id,
        "display_name": found.title,
        "lifecycle_state": "ACTIVE",
        "serialized_dashboard": serialized.to_string(),
    });
    Ok(Answer::json(200, &body))
}
