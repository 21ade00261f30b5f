//! Locked public links: how a viewer gets in, stays in, and what the page and the layout know.

use serde_json::{Value, json};

use super::{
    public_links::Links,
    public_setup::{MAIN, Viewer, board, dashcard, encoded, id, named, question, table},
    setup::Scene,
};
use crate::support::{
    client::{Reply, post},
    get,
    metabase::fixtures,
};

const FRAMED: [(&str, &str); 2] = [
    ("Sec-Fetch-Dest", "iframe"),
    ("Referer", "https://app.example.com/reports"),
];

pub(crate) fn page(id: u64) -> String {
    format!("/public/dashboard/{}", fixtures::dashboard_link(id))
}

/// Opens a page with a token in its address, as a frame does.
pub(crate) fn opened(scene: &Scene, page: &str, token: &str) -> Reply {
    get(
        scene.gateway.address,
        &format!("{page}?embed_token={token}"),
        &FRAMED,
    )
}

/// `GET` with cookies.
fn by_cookie(scene: &Scene, target: &str, cookie: &str) -> Reply {
    scene.get_with(target, &[("Cookie", cookie)])
}

pub(crate) fn session(viewer: &Viewer<'_>) -> String {
    opened(viewer.scene, &page(MAIN), &viewer.token)
        .session()
        .unwrap()
}

#[test]
fn a_page_load_with_a_token_earns_a_session() {
    let scene = Links::usual().start();
    let viewer = Viewer::mine(&scene);
    scene.metabase.forget();
    let first = get(
        scene.gateway.address,
        &format!(
            "{}?region=Europe&embed_token={}&a=%20b",
            page(MAIN),
            viewer.token
        ),
        &FRAMED,
    );
    assert_eq!(first.status, 303, "{first:?}");
    let (clean, _tag) = first
        .header("location")
        .and_then(|location| location.split_once("&embed_session="))
        .unwrap();
    assert_eq!(clean, format!("{}?region=Europe&a=%20b", page(MAIN)));
    assert!(first.header("cache-control").unwrap().contains("no-store"));
    assert!(scene.metabase.seen().is_empty(), "nothing went on");

    let cookie = first.session().unwrap();
    let shell = scene.get_with(&page(MAIN), &[("Cookie", &cookie), FRAMED[0], FRAMED[1]]);
    assert_eq!(shell.status, 200);
    let seen = scene.metabase.last();
    assert_eq!(
        (
            seen.target,
            seen.headers.iter().any(|(name, _)| name == "cookie")
        ),
        (page(MAIN), false)
    );
    for text in [
        "metabase.inner",
        "oembed",
        "setup-token",
        fixtures::VERSION,
        &viewer.token,
    ] {
        assert!(!shell.text().contains(text), "{text}");
    }

    let rows = by_cookie(&scene, &table(), &cookie);
    assert_eq!(
        (
            rows.status,
            named(rows.text(), 999),
            named(rows.text(), 777)
        ),
        (202, 7, 0)
    );
    let layout = by_cookie(&scene, &board(MAIN), &cookie);
    assert_eq!(layout.status, 200);

    scene.metabase.forget();
    for target in [
        page(MAIN),
        table(),
        board(MAIN),
        format!("{}/query", question(7)),
    ] {
        assert_eq!(scene.get(&target).code(), "token_missing", "{target}");
        assert_eq!(
            by_cookie(&scene, &target, "__Host-embedgate=AYl_x").code(),
            "session_invalid"
        );
    }
    let export = post(scene.gateway.address, &format!("{}/csv", table()), &[], b"");
    assert_eq!(export.code(), "token_missing");
    assert!(scene.metabase.seen().is_empty());
}

#[test]
fn a_token_opens_the_links_that_it_names_and_no_others() {
    let scene = Links::usual().dashboard(43, "").start();
    let link = fixtures::dashboard_link(MAIN);
    let resources = json!([{"type": "dashboard", "id": link}]);
    let viewer = Viewer::with(&scene, 999, &json!({ "resources": resources }));
    viewer.get(&table()).harmless(7);
    for target in [
        page(43),
        board(43),
        dashcard(43, 121, 201),
        question(7),
        format!("{}/query", question(7)),
    ] {
        viewer.get(&target).refused("resource_denied");
    }
    let unknown = "d0000000-0000-4000-8000-000000009999";
    for target in [table(), board(MAIN), page(MAIN)] {
        viewer
            .get(&target.replace(&link, unknown))
            .refused("route_denied");
        let bare = scene.get(&target.replace(&link, unknown));
        assert!(
            matches!(&*bare.code(), "route_denied" | "token_missing"),
            "{bare:?}"
        );
    }
    // Nor does the session of one link open another.
    let cookie = session(&viewer);
    for target in [board(43), dashcard(43, 121, 201), page(43)] {
        assert_eq!(
            by_cookie(&scene, &target, &cookie).code(),
            "resource_denied",
            "{target}"
        );
    }
    // The object form of Metabase's own tokens names a link, too.
    let viewer = Viewer::with(
        &scene,
        999,
        &json!({"resources": null, "resource": {"dashboard": link}}),
    );
    viewer.get(&table()).harmless(7);
}

#[test]
fn an_export_of_a_session_comes_from_the_own_page() {
    let scene = Links::usual().start();
    let cookie = session(&Viewer::mine(&scene));
    let export = |headers: &[(&str, &str)]| {
        let mut all = vec![("Cookie", cookie.as_str())];
        all.extend_from_slice(headers);
        scene.metabase.forget();
        post(
            scene.gateway.address,
            &format!("{}/csv", table()),
            &all,
            b"",
        )
    };
    for good in [
        &[("Sec-Fetch-Site", "same-origin")][..],
        &[("Origin", "http://bi.example.com")],
    ] {
        let reply = export(good);
        assert_eq!(
            (
                reply.status,
                named(reply.text(), 999),
                named(reply.text(), 777)
            ),
            (200, 7, 0)
        );
        assert!(reply.header("content-disposition").is_some());
    }
    for bad in [
        &[][..],
        &[("Sec-Fetch-Site", "cross-site")],
        &[
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "https://app.example.com"),
        ],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
    ] {
        let reply = export(bad);
        assert!(
            matches!(&*reply.code(), "csrf_denied" | "origin_denied"),
            "{bad:?} {reply:?}"
        );
        assert!(scene.metabase.seen().is_empty());
    }
}

#[test]
fn of_token_and_session_the_token_counts() {
    let scene = Links::usual().start();
    let [mine, other] = [999, 777].map(|tenant| Viewer::of(&scene, tenant));
    let [own, foreign] = [&mine, &other].map(session);
    for (cookie, viewer) in [
        (&own, &mine),
        (&foreign, &mine),
        (&own, &other),
        (&foreign, &other),
    ] {
        viewer
            .get_with(&table(), &[("Cookie", cookie)])
            .harmless(if viewer.tenant == 999 { 7 } else { 5 });
        let query = format!("{}?embed_token={}", table(), viewer.token);
        let reply = scene.get_with(&query, &[("Cookie", cookie), ("Sec-Fetch-Dest", "empty")]);
        assert_eq!(reply.status, 202);
        assert_eq!(
            named(reply.text(), viewer.tenant),
            if viewer.tenant == 999 { 7 } else { 5 }
        );
        assert!(!scene.metabase.last().holds(&viewer.token));
    }
    let both = format!("{own}; {foreign}");
    assert_eq!(
        by_cookie(&scene, &table(), &both).code(),
        "credential_conflict"
    );
    assert_eq!(
        by_cookie(&scene, &table(), &format!("{own}; {own}")).status,
        202
    );
    let query = format!("{}?embed_token={}", table(), other.token);
    mine.get(&query).refused("credential_conflict");
    let twice = format!("{}?embed_token={}&embed_token=", table(), mine.token);
    mine.get_with(&twice, &[("Sec-Fetch-Dest", "empty")])
        .harmless(7);
    let twice = format!(
        "{}?embed_token={}&embed_token={}",
        table(),
        mine.token,
        other.token
    );
    assert_eq!(scene.get(&twice).code(), "credential_conflict");
    // A token that is not valid is not made good by a session.
    let bad = scene.get_with(
        &table(),
        &[("Cookie", &own), ("Authorization", "Bearer x.y.z")],
    );
    assert_eq!(bad.code(), "token_invalid");
}

#[test]
fn a_session_belongs_to_one_site() {
    let more = |upstream| {
        let link = fixtures::dashboard_link(MAIN);
        format!(
            "[site.other]\nhosts = [\"bi.example.com\"]\npath_prefix = \"/other\"\nupstream = \"http://{upstream}\"\nkind = \"metabase\"\nissuers = [\"app\"]\nframe_ancestors = [\"https://app.example.com\"]\ntop_level = \"allow\"\n[site.other.params]\norganization_id = {{ mode = \"locked\", type = \"integer\" }}\n[site.other.metabase.public.\"{link}\"]\nkind = \"dashboard\"\n[site.other.metabase.public.\"{}\"]\nkind = \"question\"\n",
            fixtures::question_link(7)
        )
    };
    let metabase = crate::support::metabase::Standin::start();
    let tables = more(metabase.address);
    let scene = Links::usual().tables(&tables).start_on(metabase);
    let viewer = Viewer::mine(&scene);
    let cookie = session(&viewer);
    let there = format!("/other{}", table());
    assert_eq!(by_cookie(&scene, &there, &cookie).code(), "session_invalid");
    let foreign = opened(&scene, &format!("/other{}", page(MAIN)), &viewer.token);
    let (clean, _tag) = foreign
        .header("location")
        .and_then(|location| location.split_once("?embed_session="))
        .unwrap();
    assert_eq!(clean, format!("/other{}", page(MAIN)));
    let foreign = foreign.session().unwrap();
    assert_eq!(
        by_cookie(&scene, &table(), &foreign).code(),
        "session_invalid"
    );
    let rows = by_cookie(&scene, &there, &foreign);
    assert_eq!(
        (
            rows.status,
            named(rows.text(), 999),
            named(rows.text(), 777)
        ),
        (202, 7, 0)
    );
    assert_eq!(scene.metabase.last().path(), table());
    // What is below a prefix is not what is beside it.
    for near in [
        "/othe",
        "/others",
        "/other/other",
        "/other//",
        "/OTHER",
        "/other%2f",
    ] {
        let outcome = viewer.get(&format!("{near}{}", table()));
        outcome.refused_as(&["route_denied", "path_ambiguous"]);
    }
    // A file's page leads to the export of the same site.
    let file = format!("/public/question/{}.csv", fixtures::question_link(7));
    let outcome = viewer.get(&format!("/other{file}"));
    let place = outcome.reply.header("location").unwrap();
    assert_eq!(place, format!("/other{}/query/csv", question(7)));
    viewer.get(place).harmless(7);
    // The other site leaves its own filters unsaid: there nobody may set them.
    let open = json!([{"id": id(2), "value": ["Europe"]}]).to_string();
    let target = format!("{there}?parameters={}", encoded(&open));
    viewer.get(&target).refused("param_invalid");
}

#[test]
fn who_may_see_everything_says_so() {
    let scene = Links::usual().start();
    let claims =
        |scope: &str| json!({"scope": scope, "params": {"organization_id": {"all": true}}});
    let staff = Viewer::with(&scene, 999, &claims("view download staff"));
    let outcome = staff.get(&table());
    outcome.locked(&Value::Null);
    assert_eq!(
        [999, 777, 555].map(|tenant| named(&outcome.text(), tenant)),
        [7, 5, 4]
    );
    let outcome = staff.post(&format!("{}/csv", table()), &[], b"");
    outcome.locked(&Value::Null);
    let open = json!([{"id": id(2), "value": ["Europe"]}]).to_string();
    let outcome = staff.get(&format!("{}?parameters={}", table(), encoded(&open)));
    assert_eq!(
        [999, 777, 555].map(|tenant| named(&outcome.text(), tenant)),
        [3, 4, 1]
    );
    // Everything is all that they get: not one tenant at a time, by hand.
    for value in [json!([777]), json!(null), json!([])] {
        let other = json!([{"id": id(1), "value": value}]).to_string();
        staff
            .get(&format!("{}?parameters={}", table(), encoded(&other)))
            .refused("param_locked");
    }
    assert!(!staff.get(&board(MAIN)).text().contains("organization_id"));
    // Cards that the lock does not reach are not served to them, either: nobody judged those.
    for scope in [
        "view download",
        "view download Staff",
        "view download staffs",
    ] {
        Viewer::with(&scene, 999, &claims(scope))
            .get(&table())
            .refused("param_invalid");
    }
    for value in [
        json!({"all": "true"}),
        json!({"all": 1}),
        json!({"all": true, "x": 1}),
        json!([{"all": true}]),
    ] {
        let claims = json!({"scope": "view staff", "params": {"organization_id": value}});
        Viewer::with(&scene, 999, &claims)
            .get(&table())
            .refused_as(&["param_invalid", "param_missing"]);
    }
}

#[test]
fn what_a_token_presets_is_not_the_viewers() {
    let scene = Links::usual().start();
    let claims = json!({"params": {"organization_id": 999, "region": ["Europe"]}});
    let viewer = Viewer::with(&scene, 999, &claims);
    let outcome = viewer.get(&table());
    assert_eq!(named(&outcome.clean().text(), 999), 3);
    for value in [json!(["Americas"]), json!(null), json!([])] {
        let sent = json!([{"id": id(2), "value": value}]).to_string();
        let outcome = viewer.get(&format!("{}?parameters={}", table(), encoded(&sent)));
        outcome.refused("param_locked");
    }
    let layout = viewer.get(&board(MAIN));
    assert!(!layout.text().contains(&id(2)), "{}", layout.text());
    let sent = json!([{"id": id(8), "value": [1]}]).to_string();
    viewer
        .get(&format!("{}?parameters={}", table(), encoded(&sent)))
        .refused("param_disabled");
    Viewer::with(
        &scene,
        999,
        &json!({"params": {"organization_id": 999, "internal": 1}}),
    )
    .get(&table())
    .refused("param_disabled");
    Viewer::with(
        &scene,
        999,
        &json!({"params": {"organization_id": 999, "unlisted": "x"}}),
    )
    .get(&table())
    .refused("param_invalid");
}
