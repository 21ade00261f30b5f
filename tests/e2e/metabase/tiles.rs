//! Map tiles: signed ones (E15, E16; rows 86, 87, 89 and 90 of §5.1) and those of public links (P8, P14; rows 135 and 136 of §5.3), and B22.

use embedgate::demo::accounts::ACCOUNTS;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::setup::{HOST, Scene, dashboard, question, text};
use crate::support::{
    Answer, Upstream,
    client::Reply,
    eventually,
    gateway::{self, Gateway},
    get,
    metabase::{
        Behaviour, SECRET, Seen, Standin, fixtures,
        store::{Mode, Query},
    },
};

mod b22;

const LATITUDE: &str = r#"["field",67,null]"#;
const LONGITUDE: &str = r#"["field",68,{"base-type":"type/Float"}]"#;

/// What makes a tile of a tile's path: the kind of link, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    PublicCard,
    PublicDashcard,
    SignedCard,
    SignedDashcard,
}

const WAYS: [Way; 4] = [
    Way::PublicCard,
    Way::PublicDashcard,
    Way::SignedCard,
    Way::SignedDashcard,
];

impl Way {
    fn is_public(self) -> bool {
        matches!(self, Self::PublicCard | Self::PublicDashcard)
    }

    fn is_dashboard(self) -> bool {
        matches!(self, Self::PublicDashcard | Self::SignedDashcard)
    }

    fn token(self, params: &Value, scope: &str) -> String {
        let resource = match self {
            Self::PublicCard => json!({"question": fixtures::question_link(9)}),
            Self::PublicDashcard => json!({"dashboard": fixtures::dashboard_link(42)}),
            Self::SignedCard => json!({"question": 9}),
            Self::SignedDashcard => json!({"dashboard": 42}),
        };
        gateway::token(&json!({"resource": resource, "params": params, "scope": scope}))
    }

    /// The path of a tile, with a signed embed's token or a public link in it.
    fn path(self, token: &str, spot: &str) -> String {
        let api = if self.is_public() { "public" } else { "embed" };
        let named = match self {
            Self::PublicCard => fixtures::question_link(9),
            Self::PublicDashcard => fixtures::dashboard_link(42),
            Self::SignedCard | Self::SignedDashcard => token.to_owned(),
        };
        if self.is_dashboard() {
            format!("/api/{api}/tiles/dashboard/{named}/dashcard/104/card/204/{spot}")
        } else {
            format!("/api/{api}/tiles/card/{named}/{spot}")
        }
    }

    /// The id of a parameter by its number.
    fn id(self, number: u64) -> String {
        if self.is_dashboard() {
            fixtures::on_dashboard(42, number)
        } else {
            fixtures::on_question(9, number)
        }
    }
}

/// All links, and what else is configured.
fn scene(more: &str) -> Scene {
    let scene = Scene::with(&links(more));
    let layout = |one: &&Seen| one.path().matches('/').count() == 4;
    let looked = || scene.metabase.seen().iter().filter(layout).count();
    eventually("every link was looked at", || looked() >= 4);
    scene
}

fn links(more: &str) -> String {
    let boards = [42, 43].map(|id| (fixtures::dashboard_link(id), "dashboard"));
    let asked = [7, 9].map(|id| (fixtures::question_link(id), "question"));
    let tables = boards.into_iter().chain(asked).map(|(link, kind)| {
        format!("[site.reports.metabase.public.\"{link}\"]\nkind = \"{kind}\"\n")
    });
    tables.fold(format!("{more}\n"), |all, table| all + &table)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn query(latitude: &str, longitude: &str) -> String {
    format!(
        "latField={}&lonField={}",
        encoded(latitude),
        encoded(longitude)
    )
}

fn own() -> String {
    query(LATITUDE, LONGITUDE)
}

fn parameters(filters: &Value) -> String {
    format!("{}&parameters={}", own(), encoded(&filters.to_string()))
}

/// A tile for a viewer of tenant 999.
fn tile(scene: &Scene, way: Way, query: &str) -> Reply {
    tile_as(
        scene,
        way,
        query,
        &way.token(&json!({"organization_id": 999}), "view"),
    )
}

fn tile_as(scene: &Scene, way: Way, query: &str, token: &str) -> Reply {
    let path = format!("{}?{query}", way.path(token, "1/1/0"));
    ask(scene, way, &path, token)
}

fn ask(scene: &Scene, way: Way, path: &str, token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    if way.is_public() {
        scene.get_with(path, &[("Authorization", &bearer)])
    } else {
        scene.get(path)
    }
}

/// The points of a picture: what the stand-in writes into its comment.
#[track_caller]
fn points(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("image/png"));
    let mark = b"tEXtComment\0";
    let body = &reply.body;
    let at = body.windows(mark.len()).position(|part| part == mark);
    let at = at.expect("a comment");
    let length: [u8; 4] = body[at - 4..at].try_into().unwrap();
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
    serde_json::from_slice(&body[at + mark.len()..at + 4 + length]).unwrap()
}

/// Where a tenant's accounts are, of all regions or one.
fn places(tenant: u32, region: Option<&str>) -> Value {
    (1_u32..)
        .zip(&ACCOUNTS)
        .filter(|(_, one)| one.tenant == tenant)
        .filter(|(_, one)| region.is_none_or(|region| one.region == region))
        .map(|(place, _)| json!([f64::from(place) + 10.5, f64::from(place) + 20.25]))
        .collect()
}

/// What reached Metabase for tiles; not what the gateway asks for itself.
fn tiles(scene: &Scene) -> Vec<Seen> {
    let all = scene.metabase.seen();
    all.into_iter()
        .filter(|one| one.path().contains("/tiles/"))
        .collect()
}

/// The last of them.
#[track_caller]
fn sent(scene: &Scene) -> Seen {
    tiles(scene).pop().expect("a tile was asked for")
}

#[track_caller]
fn refused(scene: &Scene, reply: &Reply, code: &str) {
    assert_eq!(reply.code(), code, "{reply:?}");
    assert!(tiles(scene).is_empty(), "{:?}", tiles(scene));
}

#[test]
fn a_map_shows_the_own_rows_alone() {
    for more in ["", "api_key = { env = \"MB_KEY\" }\nunmapped = \"deny\""] {
        let scene = scene(more);
        for way in WAYS {
            let reply = tile(&scene, way, &own());
            assert_eq!(points(&reply), places(999, None), "{way:?}");
            let kept = reply.header("cache-control").unwrap();
            assert!(kept.starts_with("private, no-"), "{kept}");
            let seen = sent(&scene);
            let filters = if way.is_public() {
                json!([{"id": way.id(1), "value": [999]}])
            } else {
                assert_eq!(
                    seen.claims().unwrap()["params"],
                    json!({"organization_id": [999]})
                );
                json!([])
            };
            assert_eq!(seen.json("parameters"), filters, "{way:?}");
            assert_eq!(seen.json("latField"), json!(["field", 67, null]));
            assert_eq!(
                seen.json("lonField"),
                json!(["field", 68, null]),
                "as learnt"
            );
            assert_eq!(seen.query().len(), 3);
        }
    }
}

#[test]
fn open_filters_narrow_a_map_and_nothing_of_their_objects_passes_but_id_and_value() {
    let scene = scene("");
    for way in WAYS {
        let filter = json!([{
            "id": way.id(2), "value": ["Europe"], "type": "string/!=", "name": "organization_id", "default": 7,
            "target": ["dimension", ["field", 61, null]],
        }]);
        let reply = tile(&scene, way, &parameters(&filter));
        assert_eq!(points(&reply), places(999, Some("Europe")), "{way:?}");
        let sent = sent(&scene).json("parameters");
        assert_eq!(sent[0], json!({"id": way.id(2), "value": ["Europe"]}));
    }
    let way = Way::SignedDashcard;
    let preset = json!({"organization_id": 999, "region": ["Europe"]});
    let reply = tile_as(&scene, way, &own(), &way.token(&preset, "view"));
    assert_eq!(points(&reply), places(999, Some("Europe")));
}

#[test]
fn a_token_that_says_all_shows_all() {
    let scene = scene("");
    for way in WAYS {
        let token = way.token(&json!({"organization_id": {"all": true}}), "view staff");
        let reply = tile_as(&scene, way, &own(), &token);
        assert_eq!(points(&reply).as_array().unwrap().len(), ACCOUNTS.len());
    }
}

#[test]
fn only_maps_that_are_served_have_tiles() {
    let scene = scene("api_key = { env = \"MB_KEY\" }\nunmapped = \"deny\"");
    let mine = json!({"organization_id": 999});
    let board = |id: u64, place: &str| {
        let token = dashboard(id, &mine);
        scene.get(&format!(
            "/api/embed/tiles/dashboard/{token}/{place}/1/1/0?{}",
            own()
        ))
    };
    let public = |id: u64, place: &str| {
        let link = fixtures::dashboard_link(id);
        let token = gateway::token(&json!({"resource": {"dashboard": link}, "params": mine}));
        let path = format!("/api/public/tiles/dashboard/{link}/{place}/1/1/0?{}", own());
        scene.get_with(&path, &[("Authorization", &format!("Bearer {token}"))])
    };
    for (id, place) in [
        (42, "dashcard/101/card/201"),
        (42, "dashcard/103/card/203"),
        (42, "dashcard/105/card/206"),
        (42, "dashcard/104/card/201"),
        (42, "dashcard/101/card/204"),
        (42, "dashcard/999/card/204"),
        (43, "dashcard/122/card/208"),
        (43, "dashcard/123/card/206"),
    ] {
        refused(&scene, &board(id, place), "resource_denied");
        refused(&scene, &public(id, place), "resource_denied");
    }
    refused(&scene, &public(44, "dashcard/131/card/201"), "route_denied");
    refused(&scene, &board(42, "dashcard/0104/card/204"), "route_denied");
    refused(&scene, &board(42, "dashcard/104/card/0"), "route_denied");
    let table = question(7, &mine);
    let path = format!("/api/embed/tiles/card/{table}/1/1/0?{}", own());
    refused(&scene, &scene.get(&path), "resource_denied");
    // The card is a map now, and the lock does not reach it.
    scene.metabase.edit(|store| {
        let card = store.card(208);
        (card.display, card.settings) = (
            "map".into(),
            json!({"map.type": "pin", "map.latitude_column": "ID", "map.longitude_column": "ID"}),
        );
    });
    let id = query(r#"["field",60,null]"#, r#"["field",60,null]"#);
    let token = dashboard(43, &mine);
    let path = format!("/api/embed/tiles/dashboard/{token}/dashcard/122/card/208/1/1/0?{id}");
    refused(&scene, &scene.get(&path), "resource_denied");
}

#[test]
fn a_tile_is_for_whom_the_token_is() {
    let scene = scene("");
    let mine = json!({"organization_id": 999});
    for (way, other) in [
        (Way::PublicCard, Way::PublicDashcard),
        (Way::PublicDashcard, Way::PublicCard),
        (Way::SignedCard, Way::SignedDashcard),
        (Way::SignedDashcard, Way::SignedCard),
    ] {
        let token = other.token(&mine, "view");
        let reply = tile_as(&scene, way, &own(), &token);
        refused(&scene, &reply, "resource_denied");
        let reply = tile_as(&scene, way, &own(), &way.token(&mine, "none"));
        refused(&scene, &reply, "scope_denied");
        let reply = tile_as(&scene, way, &own(), &way.token(&json!({}), "view"));
        refused(&scene, &reply, "param_missing");
    }
    for way in [Way::PublicCard, Way::PublicDashcard] {
        let path = format!("{}?{}", way.path("", "1/1/0"), own());
        refused(&scene, &scene.get(&path), "token_missing");
    }
}

#[test]
fn a_map_is_learnt_once_with_nobodys_rows() {
    let scene = scene("");
    for way in WAYS {
        tile(&scene, Way::PublicCard, &own());
        scene.metabase.forget();
        if way != Way::PublicCard {
            points(&tile(&scene, way, &own()));
            let seen = scene.metabase.seen();
            assert_eq!(seen.len(), 3, "layout, result, tile: {seen:?}");
            let asked = &seen[1];
            if way.is_public() {
                let lock = json!([{"id": way.id(1), "value": [-2_147_483_648_i64]}]);
                assert_eq!(asked.json("parameters"), lock);
            } else {
                let params = asked.claims().unwrap()["params"].clone();
                assert_eq!(params, json!({"organization_id": [-2_147_483_648_i64]}));
            }
            scene.metabase.forget();
        }
        for tenant in [555, 777] {
            let token = way.token(&json!({"organization_id": tenant}), "view");
            let reply = tile_as(&scene, way, &own(), &token);
            assert_eq!(points(&reply), places(tenant, None));
        }
        assert_eq!(scene.metabase.seen().len(), 2, "{way:?}");
    }
}

#[test]
fn an_edited_map_is_learnt_anew() {
    let scene = scene("layout_ttl = \"0s\"");
    for way in WAYS {
        points(&tile(&scene, way, &own()));
    }
    scene.metabase.edit(|store| {
        for id in [9, 204] {
            store.card(id).settings["map.latitude_column"] = json!("LONGITUDE");
        }
    });
    scene.metabase.forget();
    for way in WAYS {
        refused(&scene, &tile(&scene, way, &own()), "param_invalid");
        points(&tile(&scene, way, &query(LONGITUDE, LONGITUDE)));
        scene.metabase.forget();
    }
    scene.metabase.edit(|store| {
        for id in [9, 204] {
            store.card(id).settings["map.type"] = json!("region");
        }
    });
    for way in WAYS {
        refused(&scene, &tile(&scene, way, &own()), "resource_denied");
    }
}

#[test]
fn a_tile_that_fails_says_nothing_of_why() {
    let scene = scene("");
    for way in WAYS {
        points(&tile(&scene, way, &own()));
    }
    scene.metabase.edit(|store| {
        for id in [9, 204] {
            store.card(id).query = Query::Broken;
        }
        store.dashboard(42).embedding.params[0].1 = Mode::Disabled;
    });
    for way in WAYS {
        let reply = tile(&scene, way, &own());
        assert_eq!(reply.status, 400, "{way:?}: {reply:?}");
        assert_eq!(reply.text(), "An error occurred.");
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("text/plain; charset=utf-8"));
    }
}

#[test]
fn what_is_no_picture_does_not_pass_for_one() {
    let upstream = Upstream::start(|seen| {
        let path = seen.target.split('?').next().unwrap_or_default();
        if path.contains("/tiles/") {
            return Answer::html("<script>rows()</script>");
        }
        if path.ends_with("/query") {
            let cols = json!([
                {"name": "LATITUDE", "field_ref": ["field", 67, null]},
                {"name": "LONGITUDE", "field_ref": ["field", 68, null]},
            ]);
            return Answer::json(&json!({"data": {"rows": [], "cols": cols}}).to_string());
        }
        let settings =
            json!({"map.latitude_column": "LATITUDE", "map.longitude_column": "LONGITUDE"});
        let card = json!({"id": 9, "display": "map", "visualization_settings": settings, "parameters": []});
        Answer::json(&card.to_string())
    });
    let gateway = Gateway::start_with(&text(upstream.address, ""), &|name| {
        (name == "MB_SECRET").then(|| SECRET.to_owned())
    });
    let token = question(9, &json!({"organization_id": 999}));
    let path = format!("/api/embed/tiles/card/{token}/1/1/0?{}", own());
    let reply = get(gateway.address, &path, &[("Host", HOST)]);
    assert_eq!(reply.code(), "upstream_failed", "{reply:?}");
    assert!(upstream.last().target.contains("/tiles/"));
}
