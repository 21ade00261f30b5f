//! A site that declares all parameters of the stand-in's dashboard 42 and of its questions, and what the tests of signed embeds ask of it.

use std::path::Path;

use embedgate::gate::token::Signer;
use serde_json::{Value, json};

use super::setup::{HOST, Scene, text};
use crate::support::{
    client::{Reply, send},
    gateway::{self, Gateway},
    metabase::{SECRET, Standin, fixtures},
};

/// The locked parameter.
pub(crate) const MINE: &str = "organization_id";
/// Dashboard 42's table, below its token.
pub(crate) const TABLE: &str = "dashcard/101/card/201";

/// What the usual site does not declare.
const MORE: &str = r#"
account = { mode = "enabled", type = "integer" }
tier = { mode = "enabled", list = true }
owner = { mode = "enabled" }
name = { mode = "enabled" }
note = { mode = "disabled" }
"#;

/// A gateway in front of the stand-in; `more` stands at the end, in `[site.reports.metabase]`.
pub(crate) fn wide(more: &str) -> Scene {
    changed(more, |text| text)
}

/// The same with the text of the configuration changed.
pub(crate) fn changed(more: &str, change: impl FnOnce(String) -> String) -> Scene {
    let metabase = Standin::start();
    let text = text(metabase.address, more).replacen(
        "[site.reports.metabase]",
        &format!("{}\n[site.reports.metabase]", MORE.trim()),
        1,
    );
    let gateway = Gateway::start_with(&change(text), &secrets);
    Scene { metabase, gateway }
}

/// The secrets that a configuration may name, beside the gateway's own.
pub(crate) fn secrets(name: &str) -> Option<String> {
    match name {
        "MB_SECRET" => Some(SECRET.to_owned()),
        "MB_KEY" => Some(fixtures::API_KEY.to_owned()),
        _ => None,
    }
}

/// The viewer's own rows.
pub(crate) fn own() -> Value {
    json!({ MINE: 999 })
}

/// The viewer's own rows, and more.
pub(crate) fn own_and(more: &Value) -> Value {
    let mut all = own();
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

/// A viewer token that may do everything, for a dashboard or question by number or entity id.
pub(crate) fn grant(kind: &str, id: &Value, params: &Value) -> String {
    gateway::token(
        &json!({ "resource": { kind: id }, "params": params, "scope": "view download staff" }),
    )
}

/// The same without any scope but the default one.
pub(crate) fn plain(kind: &str, id: u64, params: &Value) -> String {
    gateway::token(&json!({ "resource": { kind: id }, "params": params }))
}

/// A token that another key signs, with `kid` or without.
pub(crate) fn signed_by(algorithm: &str, key: &[u8], claims: &Value) -> String {
    let signer = Signer::new(algorithm, key, None).unwrap();
    signer.sign(claims).unwrap()
}

/// One place where data comes out: a path with `{}` for the token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// `dashboard` or `question`.
    pub(crate) kind: &'static str,
    pub(crate) id: u64,
    pub(crate) path: &'static str,
    /// What a good answer has.
    pub(crate) status: u16,
}

const fn door(kind: &'static str, id: u64, path: &'static str, status: u16) -> Door {
    Door {
        kind,
        id,
        path,
        status,
    }
}

/// Every way in which rows leave a dashboard or a question: as a page asks for them, in each format, pivoted.
pub(crate) const DOORS: [Door; 13] = [
    door(
        "dashboard",
        42,
        "/api/embed/dashboard/{}/dashcard/101/card/201",
        202,
    ),
    door(
        "dashboard",
        42,
        "/api/embed/dashboard/{}/dashcard/101/card/201/csv",
        200,
    ),
    door(
        "dashboard",
        42,
        "/api/embed/dashboard/{}/dashcard/101/card/201/json",
        200,
    ),
    door(
        "dashboard",
        42,
        "/api/embed/dashboard/{}/dashcard/101/card/201/xlsx",
        200,
    ),
    door(
        "dashboard",
        42,
        "/api/embed/dashboard/{}/dashcard/101/card/201/api",
        202,
    ),
    door(
        "dashboard",
        42,
        "/api/embed/dashboard/{}/dashcard/105/card/206",
        202,
    ),
    door(
        "dashboard",
        42,
        "/api/embed/pivot/dashboard/{}/dashcard/103/card/203",
        202,
    ),
    door("question", 7, "/api/embed/card/{}/query", 202),
    door("question", 7, "/api/embed/card/{}/query/csv", 200),
    door("question", 7, "/api/embed/card/{}/query/json", 200),
    door("question", 7, "/api/embed/card/{}/query/xlsx", 200),
    door("question", 7, "/api/embed/card/{}/query/api", 202),
    door("question", 8, "/api/embed/pivot/card/{}/query", 202),
];

impl Door {
    /// The target for a token and a query (with its `?`, or empty).
    pub(crate) fn target(self, token: &str, query: &str) -> String {
        format!("{}{query}", self.path.replace("{}", token))
    }

    /// Asks with a token for these parameters.
    pub(crate) fn ask(self, scene: &Scene, params: &Value, query: &str) -> Reply {
        let token = grant(self.kind, &json!(self.id), params);
        scene.get(&self.target(&token, query))
    }
}

/// `?parameters=…`.
pub(crate) fn encoded(parameters: &Value) -> String {
    let text = parameters.to_string();
    let text = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
    format!("?parameters={text}")
}

/// How many accounts an answer names.
pub(crate) fn named(reply: &Reply) -> usize {
    let text = String::from_utf8_lossy(&reply.body);
    fixtures::everything()
        .iter()
        .filter(|name| text.contains(**name))
        .count()
}

/// Whether an answer names nobody's accounts but the own ones of organisation 999.
pub(crate) fn names_own_only(reply: &Reply) -> bool {
    let text = String::from_utf8_lossy(&reply.body);
    let foreign =
        |one: &&embedgate::demo::accounts::Account| one.tenant != 999 && text.contains(one.name);
    !embedgate::demo::accounts::ACCOUNTS
        .iter()
        .any(|one| foreign(&one))
}

/// A refusal, with its status and code.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &*reply.code()), (status, code), "{reply:?}");
}

/// A refusal in these words.
#[track_caller]
pub(crate) fn told(reply: &Reply, status: u16, code: &str, message: &str) {
    refused(reply, status, code);
    assert_eq!(reply.json()["message"], message);
}

/// Refused, and the upstream heard nothing of it.
#[track_caller]
pub(crate) fn unheard(scene: &Scene, before: usize, reply: &Reply, status: u16, code: &str) {
    refused(reply, status, code);
    assert_eq!(scene.metabase.seen().len(), before, "{reply:?}");
}

/// Any method, with headers, without a body.
pub(crate) fn method(scene: &Scene, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if method != "GET" && method != "HEAD" && method != "OPTIONS" {
        text.push_str("Content-Length: 0\r\n");
    }
    text.push_str("Connection: close\r\n\r\n");
    send(scene.gateway.address, text.as_bytes())
}

/// Everything that a reply says, head and body.
pub(crate) fn whole(reply: &Reply) -> String {
    let mut text = format!("{:?}", reply.headers);
    text.push_str(&String::from_utf8_lossy(&reply.body));
    text
}

/// Starts a gateway from text alone.
pub(crate) fn gateway_of(text: &str, folder: &Path) -> Gateway {
    let text = text.replace("FOLDER", &folder.display().to_string());
    Gateway::start_with(&text, &secrets)
}
