//! Locked public links: credentials of signed embeds, tickets and Metabase's own tokens open none.

use serde_json::json;

use super::{
    public_links::Links,
    public_setup::{MAIN, Viewer, board, question, table, ways},
};
use crate::support::{
    gateway, get,
    metabase::{fixtures, token},
};

#[test]
fn credentials_of_other_kinds_open_nothing() {
    let scene = Links::usual()
        .settings("embedding_secret = { env = \"MB_SECRET\" }")
        .start();
    let link = fixtures::dashboard_link(MAIN);
    let lock = json!({"organization_id": 777});
    let theirs = token::sign(
        fixtures::SECRET,
        &json!({
            "resource": {"dashboard": link}, "resources": [{"type": "dashboard", "id": link}], "params": lock, "exp": gateway::now() + 60,
            "iss": "app", "aud": "embedgate", "sub": "x",
        }),
    );
    let mut viewer = Viewer::mine(&scene);
    let signed = gateway::token(&json!({
        "resource": {"dashboard": MAIN}, "params": {"organization_id": 999}, "scope": "view download",
    }));
    for (credential, code) in [(&theirs, "token_invalid"), (&signed, "resource_denied")] {
        credential.clone_into(&mut viewer.token);
        for way in ways() {
            viewer.keyed(&way, "").refused(code);
        }
        viewer.get(&board(MAIN)).refused(code);
    }
    // Nor does a link's token open a signed embed, by path, header or ticket.
    let viewer = Viewer::with(
        &scene,
        999,
        &json!({"resources": null, "resource": {"dashboard": link}}),
    );
    for target in [
        format!(
            "/api/embed/dashboard/{}/dashcard/101/card/201",
            viewer.token
        ),
        format!("/api/embed/dashboard/{}", viewer.token),
        format!("/embed/dashboard/{}", viewer.token),
    ] {
        let reply = scene.get(&target);
        assert_eq!(reply.code(), "resource_denied", "{target}");
    }
    let ours = [
        ("Origin", "https://app.example.com"),
        ("Content-Type", "application/json"),
    ];
    for wanted in [
        json!({"entityType": "dashboard", "entityId": 42}),
        json!({"entityType": "dashboard", "entityId": link}),
        json!({"entityType": "question", "entityId": 7}),
    ] {
        let outcome = viewer.post(
            "/_embedgate/metabase/token",
            &ours,
            wanted.to_string().as_bytes(),
        );
        outcome.refused_as(&["resource_denied", "request_malformed"]);
    }
    // A ticket of a signed embed is none for a link.
    let signed = Viewer::with(
        &scene,
        999,
        &json!({"resources": null, "resource": {"dashboard": MAIN}}),
    );
    let outcome = signed.post(
        "/_embedgate/metabase/token",
        &ours,
        json!({"entityType": "dashboard", "entityId": MAIN})
            .to_string()
            .as_bytes(),
    );
    let ticket = outcome.reply.json()["jwt"].as_str().unwrap().to_owned();
    let mut holder = Viewer::mine(&scene);
    holder.token = ticket;
    for target in [table(), board(MAIN), format!("/public/dashboard/{link}")] {
        holder.get(&target).refused("resource_denied");
    }
}

#[test]
fn a_session_of_a_signed_embed_is_none_of_a_link() {
    let scene = Links::usual()
        .settings("embedding_secret = { env = \"MB_SECRET\" }")
        .start();
    let signed = gateway::token(
        &json!({"resource": {"dashboard": MAIN}, "params": {"organization_id": 777}}),
    );
    let page = get(
        scene.gateway.address,
        &format!("/embed/dashboard/{signed}"),
        &[
            ("Sec-Fetch-Dest", "iframe"),
            ("Referer", "https://app.example.com/"),
        ],
    );
    let cookie = page.session().unwrap();
    for target in [table(), board(MAIN), format!("{}/query", question(7))] {
        let reply = scene.get_with(&target, &[("Cookie", &cookie)]);
        assert_eq!(reply.code(), "resource_denied", "{target}");
    }
    // Together with a link's own token, the token counts.
    Viewer::mine(&scene)
        .get_with(&table(), &[("Cookie", &cookie)])
        .harmless(7);
}
