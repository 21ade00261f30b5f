//! The embedded page, its assets, and the calls that it makes. The page's path is documented, everything else about it is a guess.

use serde_json::{Value as Json, json};

use super::{
    super::wire::{Answer, Seen, nonce},
    Workspace, api, fault, rows,
    store::{Dashboard, Dataset},
};

type Reply = Result<Answer, Answer>;

const SHELL: &str = include_str!("../../databricks/embed.html");
/// By names that change with their content.
const ASSETS: [(&str, &str, &str); 3] = [
    (
        "embed.7c1be09d.js",
        "text/javascript",
        include_str!("../../databricks/embed.js"),
    ),
    (
        "table.5e90aa34.js",
        "text/javascript",
        include_str!("../../databricks/table.js"),
    ),
    (
        "embed.02fd8b61.css",
        "text/css",
        include_str!("../../databricks/embed.css"),
    ),
];

/// `/embed/dashboardsv3/<id>[/pages/<page>]?o=<workspace>`. It says nothing about the dashboard: the token is in the fragment, which no server sees.
pub(super) fn page(workspace: &Workspace, seen: &Seen, id: &str, page: Option<&str>) -> Answer {
    let query = seen.query();
    let named: Vec<_> = query.iter().filter(|(name, _)| name == "o").collect();
    if !matches!(named[..], [(_, id)] if *id == workspace.id) {
        return Answer::text(303, "").with("Location", "/login");
    }
    let paths = &workspace.behaviour.paths;
    let setup = json!({
        "workspaceId": workspace.id, "dashboardId": id, "pageId": page,
        "layout": paths.layout, "query": paths.query,
    });
    let asset = |place: usize| {
        let name = ASSETS.get(place).map_or("", |(name, ..)| name);
        format!("{}{}/{name}", paths.base, paths.assets)
    };
    let html = SHELL
        .replace("%SETUP%", &setup.to_string().replace('<', "\\u003c"))
        .replace("%SCRIPT%", &asset(0))
        .replace("%TABLE%", &asset(1))
        .replace("%STYLE%", &asset(2));
    let nonce = nonce();
    let html = html.replace("%NONCE%", &nonce);
    let cookie = "workspace-session=5e551040; Path=/; Secure; HttpOnly; SameSite=None";
    let mut answer =
        Answer::of("text/html; charset=utf-8", html.into_bytes()).with("Set-Cookie", cookie);
    answer.nonce = Some(nonce);
    answer
}

/// What a page may load, and who may frame it: the setting "approved domains".
pub(super) fn policy(workspace: &Workspace, nonce: &str) -> String {
    let ancestors = if workspace.approved.is_empty() {
        "'none'".into()
    } else {
        workspace.approved.join(" ")
    };
    let sources = format!("'self' {}", workspace.behaviour.paths.base);
    let sources = sources.trim();
    format!(
        "default-src {sources}; script-src {sources} 'nonce-{nonce}'; style-src {sources} 'unsafe-inline'; \
         img-src {sources} data:; connect-src {sources}; frame-ancestors {ancestors}"
    )
}

/// A script, a style sheet.
pub(super) fn asset(name: &str) -> Answer {
    let Some((_, kind, text)) = ASSETS.iter().find(|(known, ..)| *known == name) else {
        return Answer::text(404, "Not found");
    };
    let mut answer = Answer::of(kind, text.as_bytes().to_vec());
    answer.cacheable = true;
    answer
}

/// Everything else that is a page: one to log in.
pub(super) fn elsewhere() -> Answer {
    let mut answer = fault::login();
    let mark = format!("<!-- {} -->", super::LEAK);
    answer.body.extend(mark.into_bytes());
    answer
}

/// A dashboard's layout.
pub(super) fn layout(workspace: &Workspace, seen: &Seen, id: &str) -> Answer {
    let reply = viewer(workspace, seen, id, "dashboards.lakeview-embedded:read");
    let reply = reply.map(|(found, _)| {
        let page = |(id, name, dataset): &(String, String, String)| json!({"id": id, "name": name, "dataset": dataset});
        let pages: Vec<_> = found.pages.iter().map(page).collect();
        Answer::json(200, &json!({"id": found.id, "title": found.title, "pages": pages}))
    });
    reply.unwrap_or_else(|refusal| refusal)
}

/// Runs a dataset: `{"dashboardId": …, "dataset": …}`.
pub(super) fn query(workspace: &Workspace, seen: &Seen) -> Answer {
    run(workspace, seen).unwrap_or_else(|refusal| refusal)
}

fn run(workspace: &Workspace, seen: &Seen) -> Reply {
    let wrong = |text: &str| api::failed(400, "INVALID_PARAMETER_VALUE", text);
    if seen.method != "POST" {
        return Err(Answer::text(405, "").with("Allow", "POST"));
    }
    let asked: Json = serde_json::from_slice(&seen.body).map_err(|_| wrong("no JSON"))?;
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let id = text("dashboardId");
    let (found, claims) = viewer(workspace, seen, &id, "dashboards.query-execution")?;
    let named = |one: &&Dataset| one.name == text("dataset");
    let dataset = found.datasets.iter().find(named);
    let dataset = dataset.ok_or_else(|| wrong("no such dataset"))?;
    let details = claims["authorization_details"].as_array();
    let locks = details.into_iter().flatten();
    let mut locks = locks
        .filter(|one| one["type"] == "unity_catalog_privileges")
        .peekable();
    if locks.peek().is_some() && !locks.any(|one| one["object_full_path"] == *dataset.table) {
        let text = format!("no SELECT on {}", dataset.table);
        return Err(api::failed(403, "PERMISSION_DENIED", &text));
    }
    let claim = claims["custom"]["claim"].as_str().unwrap_or_default();
    let rows = rows::of(dataset.filter, &values(claim));
    Ok(Answer::json(
        200,
        &json!({"columns": rows::COLUMNS, "rows": rows}),
    ))
}

/// The dashboard that a viewer's token is for, and the token's claims.
fn viewer<'a>(
    workspace: &'a Workspace,
    seen: &Seen,
    id: &str,
    scope: &str,
) -> Result<(&'a Dashboard, Json), Answer> {
    let claims = api::bearer(workspace, seen)?;
    let denied = |text: &str| api::failed(403, "PERMISSION_DENIED", text);
    let claim = claims["custom"]["claim"].as_str().unwrap_or_default();
    let own = claim.rsplit(':').next().unwrap_or_default();
    if own.is_empty() {
        // In the words of a community report.
        let body =
            json!({"message": "BAD_REQUEST", "name": "Dashboard ID is missing in token claim."});
        return Err(Answer::json(400, &body));
    }
    let mut scopes = claims["scope"].as_str().unwrap_or_default().split(' ');
    if !scopes.any(|one| one == scope) {
        return Err(denied("Provided OAuth token does not have required scopes"));
    }
    let resource = format!("workspaces/{}/dashboards/{id}", workspace.id);
    let details = claims["authorization_details"].as_array();
    let mut details = details.into_iter().flatten();
    if own != id || !details.any(|one| one["resource_name"] == resource.as_str()) {
        return Err(denied("the token is for another dashboard"));
    }
    let missing = || api::failed(404, "RESOURCE_DOES_NOT_EXIST", "no such dashboard");
    let found = workspace.published(id).ok_or_else(missing)?;
    if !found
        .runners
        .iter()
        .any(|one| claims["sub"] == one.as_str())
    {
        return Err(denied("the principal may not run the dashboard"));
    }
    Ok((found, claims))
}

/// The external value of `urn:aibi:external_data:<value>:<viewer>:<dashboard>`: where colons leave it open, **every** reading, so that whoever could
/// choose one is seen to.
fn values(claim: &str) -> Vec<String> {
    let rest = claim.strip_prefix("urn:aibi:external_data:");
    let parts: Vec<&str> = rest.unwrap_or_default().split(':').collect();
    let most = parts.len().saturating_sub(2);
    (1..=most)
        .filter_map(|count| Some(parts.get(..count)?.join(":")))
        .collect()
}
