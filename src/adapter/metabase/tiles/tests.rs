use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use serde_json::{Value as Json, json};

use super::{learning::Stage as MapStage, *};
use crate::{
    adapter::{
        exchange::{self, Call, Known, Reply, Step, Want},
        metabase::{
            ItemId, Metabase, MetabaseSpec, PublicLink, Unmapped, Values,
            layout::testing::{card, dashboard, dashcard, field, mapping, parameter, params},
            learn,
        },
        secret::SecretBytes,
    },
    gate::request::UnixTime,
};

const LINK: &str = "d0000000-0000-4000-8000-000000000042";
const QUESTION: &str = "c0000000-0000-4000-8000-000000000009";
const NOW: UnixTime = UnixTime(1_800_000_000);

fn metabase(api_key: bool, unmapped: Unmapped) -> Metabase {
    let link = |kind| PublicLink {
        kind,
        downloads: false,
        values: Values::Deny,
        safe_values: vec![],
    };
    let spec = MetabaseSpec {
        embedding_secret: Some(SecretBytes::new(&[b'a'; 64])),
        token_ttl: MetabaseSpec::TOKEN_TTL,
        version: Some(58),
        downloads: false,
        values: Values::Deny,
        api_key: api_key.then(|| SecretBytes::new(b"mb_key")),
        unmapped,
        guest_token_ttl: MetabaseSpec::GUEST_TOKEN_TTL,
        layout_ttl: MetabaseSpec::LAYOUT_TTL,
        settings: vec![],
        geojson: vec![],
        items: BTreeMap::new(),
        public: BTreeMap::from([
            (Uuid::parse(LINK).unwrap(), link(Kind::Dashboard)),
            (Uuid::parse(QUESTION).unwrap(), link(Kind::Question)),
        ]),
    };
    Metabase::new(spec, &params(), vec![])
}

fn signed(kind: Kind, place: Option<(u64, u64)>) -> MapCard {
    let id = ItemId::Number(10);
    let origin = Origin::Signed(Item { kind, id });
    MapCard { origin, place }
}

fn public(uuid: &str, place: Option<(u64, u64)>) -> MapCard {
    let origin = Origin::Public(Uuid::parse(uuid).unwrap());
    MapCard { origin, place }
}

/// A card that is a map.
fn map(id: u64) -> Json {
    let mut card = card(id);
    card["display"] = json!("map");
    card["visualization_settings"] =
        json!({"map.type": "pin", "map.latitude_column": "LAT", "map.longitude_column": "LON"});
    card
}

/// A dashboard with one map, that `org` reaches.
fn board(map: Json) -> Json {
    let id = map["id"].as_u64().unwrap();
    let mappings = ["org", "region"].map(|slug| mapping(slug, id, field(61)));
    let mut board = dashboard(&[dashcard(31, map, &mappings)]);
    board["parameters"][0] = parameter("org", "string/=");
    board
}

fn result() -> Json {
    json!({"status": "completed", "data": {"rows": [], "cols": [
        {"name": "NAME", "field_ref": ["field", 62, null], "semantic_type": "type/Name"},
        {"name": "LAT", "field_ref": ["field", 67, {"base-type": "type/Float"}], "semantic_type": "type/Latitude"},
        {"name": "LON", "field_ref": ["field", "LON", {"base-type": "type/Float"}], "semantic_type": "type/Longitude"},
    ]}})
}

/// What is learnt from these replies, and what was asked.
fn learn(
    metabase: &Metabase,
    card: &MapCard,
    replies: &[(u16, Json)],
) -> Result<(Known, Vec<Call>), exchange::ExchangeError> {
    let mut asked = vec![];
    let mut step = metabase.begin(&Want::MetabaseMap(card.clone()), NOW)?;
    for (status, body) in replies {
        let (call, pending) = match step {
            Step::Done(_) => panic!("no call for {body}"),
            Step::Call(call, pending) => (call, pending),
        };
        asked.push(*call);
        let body = body.to_string().into_bytes();
        let reply = Reply {
            status: StatusCode::from_u16(*status).unwrap(),
            body: &body,
        };
        step = metabase.resume(pending, reply, NOW)?;
    }
    match step {
        Step::Done(known) => Ok((known, asked)),
        Step::Call(call, _) => panic!("one call more: {}", call.path),
    }
}

/// The columns that were learnt; or why there are none, and for how long that is believed.
fn outcome(
    metabase: &Metabase,
    card: &MapCard,
    replies: &[(u16, Json)],
) -> Result<[String; 2], (String, Duration)> {
    let (known, _) = learn(metabase, card, replies).unwrap();
    let valid_for = known.valid_for();
    let Known::Metabase(learnt) = known else {
        panic!("of another adapter");
    };
    let map = learnt.map().map_err(|denial| {
        assert_eq!(denial.refusal, Refusal::ResourceDenied);
        (denial.detail.unwrap_or_default().to_string(), valid_for)
    })?;
    assert_eq!(valid_for, MetabaseSpec::LAYOUT_TTL);
    Ok([&map.latitude, &map.longitude].map(|column| column.as_str().to_owned()))
}

fn both() -> [String; 2] {
    [
        r#"["field",67,{"base-type":"type/Float"}]"#.to_owned(),
        r#"["field","LON",{"base-type":"type/Float"}]"#.to_owned(),
    ]
}

/// The claims of a minted token.
fn claims(path: &str) -> Json {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let token = path.split('/').find(|part| part.starts_with("ey")).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The text of `parameters`, decoded.
fn said(path: &str) -> String {
    let (_, query) = path.split_once('?').unwrap();
    let read = crate::gate::query::Query::parse(query).unwrap();
    assert_eq!(read.pairs().len(), 1);
    assert_eq!(read.pairs()[0].name, "parameters");
    read.pairs()[0].value.as_deref().unwrap().to_owned()
}

#[test]
fn a_signed_map_is_learnt_from_its_layout_and_from_a_result_with_nobodys_rows() {
    let metabase = metabase(false, Unmapped::Report);
    let card = signed(Kind::Dashboard, Some((31, 44)));
    let mut board = board(map(44));
    // As a viewer gets it: what is locked is not in it.
    board["parameters"].as_array_mut().unwrap().remove(0);
    let replies = [(200, board), (202, result())];
    assert_eq!(outcome(&metabase, &card, &replies), Ok(both()));
    let (_, asked) = learn(&metabase, &card, &replies).unwrap();
    assert!(asked[0].path.starts_with("/api/embed/dashboard/ey"));
    let path = &asked[1].path;
    assert!(path.starts_with("/api/embed/dashboard/ey") && path.contains("/dashcard/31/card/44?"));
    let locked = json!({"org": ["embedgate-asks-for-nobodys-rows"]});
    assert_eq!(claims(path)["params"], locked);
    assert_eq!(claims(path)["resource"], json!({"dashboard": 10}));
    assert_eq!(said(path), "{}");
}

#[test]
fn with_an_api_key_the_layout_is_read_where_nothing_is_hidden() {
    let metabase = metabase(true, Unmapped::Deny);
    let card = signed(Kind::Dashboard, Some((31, 44)));
    let replies = [(200, board(map(44))), (202, result())];
    assert_eq!(outcome(&metabase, &card, &replies), Ok(both()));
    let (_, asked) = learn(&metabase, &card, &replies).unwrap();
    assert_eq!(asked[0].path, "/api/dashboard/10");
    assert!(asked[0].headers.contains_key("x-api-key"));
    assert!(!asked[1].headers.contains_key("x-api-key"));
}

#[test]
fn a_question_names_its_columns_itself() {
    let mut question = map(9);
    question["parameters"] = json!([parameter("org", "string/=")]);
    question["parameters"][0]["target"] = field(61);
    let replies = [(200, question), (202, result())];
    let (plain, keyed) = (
        metabase(false, Unmapped::Report),
        metabase(true, Unmapped::Deny),
    );
    let card = signed(Kind::Question, None);
    assert_eq!(outcome(&plain, &card, &replies), Ok(both()));
    let (_, asked) = learn(&plain, &card, &replies).unwrap();
    assert!(asked[0].path.starts_with("/api/embed/card/ey"));
    assert!(asked[1].path.contains("/query?parameters="));
    assert_eq!(outcome(&keyed, &card, &replies), Ok(both()));

    let card = public(QUESTION, None);
    let (_, asked) = learn(&plain, &card, &replies).unwrap();
    assert_eq!(asked[0].path, format!("/api/public/card/{QUESTION}"));
    let path = &asked[1].path;
    assert!(path.starts_with(&format!("/api/public/card/{QUESTION}/query?")));
    assert_eq!(outcome(&plain, &card, &replies), Ok(both()));
}

#[test]
fn a_public_map_is_asked_for_with_the_lock_at_the_end() {
    let metabase = metabase(false, Unmapped::Report);
    let card = public(LINK, Some((31, 44)));
    let replies = [(200, board(map(44))), (202, result())];
    assert_eq!(outcome(&metabase, &card, &replies), Ok(both()));
    let (_, asked) = learn(&metabase, &card, &replies).unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].path, format!("/api/public/dashboard/{LINK}"));
    let path = &asked[1].path;
    let start = format!("/api/public/dashboard/{LINK}/dashcard/31/card/44?");
    assert!(path.starts_with(&start), "{path}");
    let locked = r#"[{"id":"id-org","value":["embedgate-asks-for-nobodys-rows"]}]"#;
    assert_eq!(said(path), locked);
}

#[test]
fn a_dashboards_own_settings_count_before_the_cards() {
    let metabase = metabase(false, Unmapped::Report);
    let card = public(LINK, Some((31, 44)));
    let mut board = board(map(44));
    board["dashcards"][0]["visualization_settings"] = json!({"map.latitude_column": "LON"});
    let [_, longitude] = both();
    assert_eq!(
        outcome(&metabase, &card, &[(200, board), (202, result())]),
        Ok([longitude.clone(), longitude])
    );
}

#[test]
fn a_map_without_chosen_columns_is_drawn_from_those_of_the_types() {
    let metabase = metabase(false, Unmapped::Report);
    let card = public(LINK, Some((31, 44)));
    let mut map = map(44);
    map["visualization_settings"] = json!({});
    let board = board(map);
    assert_eq!(
        outcome(&metabase, &card, &[(200, board.clone()), (202, result())]),
        Ok(both())
    );
    let mut untyped = result();
    untyped["data"]["cols"][1]["semantic_type"] = Json::Null;
    let (why, _) = outcome(&metabase, &card, &[(200, board), (202, untyped)]).unwrap_err();
    assert!(why.contains("does not say"), "{why}");
}

#[test]
fn what_is_no_map_of_points_has_no_tiles_and_is_not_asked_for_rows() {
    let metabase = metabase(false, Unmapped::Report);
    let card = public(LINK, Some((31, 44)));
    let of = |path: &str, value: Json| {
        let mut board = board(map(44));
        *board.pointer_mut(path).unwrap() = value;
        board
    };
    for board in [
        of("/dashcards/0/card/display", json!("table")),
        of("/dashcards/0/card/display", Json::Null),
        of(
            "/dashcards/0/card/visualization_settings/map.type",
            json!("region"),
        ),
        of(
            "/dashcards/0/card/visualization_settings/map.type",
            json!("grid"),
        ),
        of(
            "/dashcards/0/visualization_settings",
            json!({"map.type": "region"}),
        ),
        of(
            "/dashcards/0/visualization_settings",
            json!({"visualization": {"display": "map"}}),
        ),
        of(
            "/dashcards/0/card/visualization_settings/map.latitude_column",
            json!(["LAT"]),
        ),
    ] {
        let told = board.to_string();
        let (why, ttl) = outcome(&metabase, &card, &[(200, board)]).unwrap_err();
        assert_eq!(why, "the card is no map of points", "{told}");
        assert_eq!(ttl, MetabaseSpec::LAYOUT_TTL);
    }
}

#[test]
fn only_what_the_layout_serves_has_tiles() {
    let mut unmapped = board(map(44));
    unmapped["dashcards"][0]["parameter_mappings"] = json!([]);
    let mut series = board(map(44));
    series["dashcards"][0]["series"] = json!([map(45)]);
    let strict = metabase(true, Unmapped::Deny);
    for (card, board) in [
        (public(LINK, Some((31, 45))), board(map(44))),
        (public(LINK, Some((32, 44))), board(map(44))),
        (public(LINK, Some((31, 44))), unmapped.clone()),
        (public(LINK, Some((31, 45))), series),
        (signed(Kind::Dashboard, Some((31, 45))), board(map(44))),
        (signed(Kind::Dashboard, Some((31, 44))), unmapped.clone()),
    ] {
        let (why, _) = outcome(&strict, &card, &[(200, board)]).unwrap_err();
        assert!(why.contains("does not reach"), "{card:?}: {why}");
    }
    let mut unfit = board(map(44));
    unfit["parameters"][0]["type"] = json!("string/starts-with");
    let card = public(LINK, Some((31, 44)));
    assert!(outcome(&strict, &card, &[(200, unfit)]).is_err());
    let lax = metabase(true, Unmapped::Report);
    let card = signed(Kind::Dashboard, Some((31, 44)));
    assert_eq!(
        outcome(&lax, &card, &[(200, unmapped), (202, result())]),
        Ok(both())
    );
}

#[test]
fn columns_that_a_result_does_not_tell_are_not_guessed() {
    let metabase = metabase(false, Unmapped::Report);
    let card = public(LINK, Some((31, 44)));
    let with = |path: &str, value: Json| {
        let mut result = result();
        *result.pointer_mut(path).unwrap() = value;
        result
    };
    for (status, result) in [
        (400, json!("An error occurred.")),
        (404, json!("Not found.")),
        (202, json!({"status": "failed", "error": "x"})),
        (
            202,
            json!({"status": "failed", "data": {"rows": [], "cols": []}}),
        ),
        (202, with("/data/cols/1/name", json!("lat"))),
        (202, with("/data/cols/0/name", json!("LAT"))),
        (202, with("/data/cols/1/field_ref", Json::Null)),
        (
            202,
            with("/data/cols/1/field_ref", json!(["aggregation", 0])),
        ),
        (202, json!([])),
    ] {
        let told = result.to_string();
        let replies = [(200, board(map(44))), (status, result)];
        let (why, ttl) = outcome(&metabase, &card, &replies).unwrap_err();
        assert!(why.contains("does not say"), "{told}: {why}");
        assert!(ttl < MetabaseSpec::LAYOUT_TTL, "it may be mended soon");
    }
    let joined = with(
        "/data/cols/1/field_ref",
        json!(["field", 67, {"source-field": 9}]),
    );
    let (why, _) = outcome(&metabase, &card, &[(200, board(map(44))), (202, joined)]).unwrap_err();
    assert!(why.contains("implicit join"), "{why}");
}

#[test]
fn what_is_not_there_has_no_map_and_what_fails_is_not_remembered() {
    let metabase = metabase(false, Unmapped::Report);
    let card = public(LINK, Some((31, 44)));
    let (why, ttl) = outcome(&metabase, &card, &[(404, json!("Not found."))]).unwrap_err();
    assert!(why.contains("nothing by this name"), "{why}");
    assert!(ttl < MetabaseSpec::LAYOUT_TTL);
    for replies in [
        vec![(500, json!("x"))],
        vec![(200, json!("x"))],
        vec![(200, board(map(44))), (500, json!("x"))],
        vec![(200, board(map(44))), (302, json!("x"))],
    ] {
        assert!(learn(&metabase, &card, &replies).is_err(), "{replies:?}");
    }
}

#[test]
fn every_locked_parameter_gets_nobodys_value_and_no_other_any() {
    use crate::gate::param::{Mode, Type};
    let kinds = [
        Type::Boolean,
        Type::Date,
        Type::Integer,
        Type::Number,
        Type::String,
        Type::Uuid,
    ];
    let spec = |kind| crate::adapter::metabase::layout::testing::spec("p", Mode::Locked, kind);
    let mut all = kinds.map(spec).to_vec();
    all.extend(params());
    let modes = learn::modes(&all);
    let lens = crate::adapter::metabase::Lens {
        params: &all,
        modes: &modes,
    };
    let values = learning::nobody(lens);
    for (index, (spec, value)) in all.iter().zip(&values).enumerate() {
        assert_eq!(value.is_some(), spec.mode == Mode::Locked, "{index}");
        if let Some(value) = value {
            let [one] = value.scalars() else {
                panic!("one value");
            };
            assert_eq!(spec.text(&one.text).as_ref(), Ok(one), "of its type");
        }
    }
}

#[test]
fn other_columns_are_refused_with_a_sentence() {
    let own = Column::parse(r#"["field",67,{"base-type":"type/Float"}]"#).unwrap();
    assert!(pinned(&own, r#"["field",67,{}]"#).is_ok());
    for (sent, sentence) in [
        (
            r#"["field",62,null]"#,
            "This map is drawn from other columns.",
        ),
        ("nonsense", "This map is drawn from other columns."),
        (
            r#"["field",67,{"source-field":9}]"#,
            "Fields referenced via implicit joins are not supported.",
        ),
    ] {
        let denial = pinned(&own, sent).unwrap_err();
        assert_eq!(denial.refusal, Refusal::ParamInvalid);
        assert_eq!(denial.told.as_deref(), Some(sentence), "{sent}");
    }
}

#[test]
fn an_exchange_has_two_calls_and_no_more() {
    let metabase = metabase(true, Unmapped::Deny);
    let card = signed(Kind::Dashboard, Some((31, 44)));
    let begun = metabase.begin(&Want::MetabaseMap(card), NOW).unwrap();
    let Step::Call(_, pending) = begun else {
        panic!("a call");
    };
    assert!(matches!(
        pending.0,
        exchange::Stage::Metabase(learn::Stage::Map(MapStage::Layout(_)))
    ));
}

#[test]
fn a_tile_is_named_by_canonical_numbers_within_its_zoom() {
    for (text, number) in [
        ("0", Some(0)),
        ("7", Some(7)),
        ("00", None),
        ("07", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1e1", None),
        ("", None),
        (" 1", None),
        ("%31", None),
    ] {
        assert_eq!(coordinate(text), number, "{text}");
    }
    for (spot, good) in [
        ((0, 0, 0), true),
        ((1, 1, 1), true),
        ((1, 2, 0), false),
        ((1, 0, 2), false),
        ((30, (1 << 30) - 1, 0), true),
        ((31, 0, 0), false),
        ((64, 0, 0), false),
        ((1 << 33, 0, 0), false),
    ] {
        assert_eq!(exists(spot), good, "{spot:?}");
    }
}
