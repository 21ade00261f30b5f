use serde_json::{Value as Json, json};

use super::{
    super::{LayoutError, testing::*},
    *,
};
use crate::{adapter::metabase::spec::Unmapped, gate::param::Mode};

fn problem(json: &Json, kind: Kind) -> String {
    let layout = read(json, kind);
    assert!(
        !layout.serves(31, 44, Unmapped::Report),
        "serves in spite of {:?}",
        layout.problems()
    );
    assert!(matches!(layout.fit(), Err(LayoutError::Unfit(_))));
    layout.problems().join("\n")
}

#[test]
fn types_that_do_not_mean_one_value_are_refused() {
    let kinds = [
        "string/=",
        "number/=",
        "id",
        "category",
        "date/single",
        "boolean/=",
    ];
    let table = [
        (Type::String, "string/= id category"),
        (Type::Uuid, "string/= id category"),
        (Type::Integer, "number/= id category"),
        (Type::Number, "number/= id category"),
        (Type::Date, "date/single"),
        (Type::Boolean, "boolean/="),
    ];
    for (declared, fitting) in table {
        let own = [spec("org", Mode::Locked, declared)];
        for kind in kinds {
            let mut json = dashboard(&[]);
            json["parameters"] = json!([parameter("org", kind)]);
            let layout = with(&json, &own, Kind::Dashboard).unwrap();
            let fits = fitting.split(' ').any(|own| own == kind);
            assert_eq!(layout.problems().is_empty(), fits, "{declared:?} {kind}");
        }
    }
    for kind in [
        "string/!=",
        "string/starts-with",
        "string/contains",
        "location/city",
        "number/between",
        "date/all-options",
        "text",
        "String/=",
        "",
        "string/=\n",
    ] {
        let mut json = dashboard(&[]);
        json["parameters"][0]["type"] = json!(kind);
        let said = problem(&json, Kind::Dashboard);
        assert!(
            said.contains("does not mean one exact value; use string/= or id or category"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_locked_parameter_must_be_there() {
    let mut json = dashboard(&[dashcard(31, card(44), &[])]);
    for parameters in [
        json!([]),
        json!(null),
        json!([parameter("Org", "string/=")]),
    ] {
        json["parameters"] = parameters;
        let said = problem(&json, Kind::Dashboard);
        assert_eq!(
            said,
            "dashboard 10 “Accounts”: it has no parameter with the slug `org`, which is locked"
        );
    }
    json.as_object_mut().unwrap().remove("parameters");
    problem(&json, Kind::Dashboard);
}

#[test]
fn a_template_tag_takes_one_value_so_nothing_shares_it() {
    let field_filter = |name: &str| json!(["dimension", ["template-tag", name]]);
    let of = |mappings: &[Json]| dashboard(&[dashcard(31, native(44, &["t", "u"]), mappings)]);
    let said = problem(
        &of(&[
            mapping("org", 44, tag("t")),
            mapping("region", 44, field_filter("t")),
        ]),
        Kind::Dashboard,
    );
    assert_eq!(
        said,
        "dashboard 10 “Accounts”: the locked parameter `org` and `region` go into the same template tag `t` of card 44 (dashcard 31)"
    );
    // Nobody can send these, but they may have a default.
    for slug in ["secret", "other"] {
        let mut json = of(&[mapping("org", 44, tag("t")), mapping(slug, 44, tag("t"))]);
        assert!(read(&json, Kind::Dashboard).fit().is_ok());
        let index = if slug == "secret" { 2 } else { 3 };
        json["parameters"][index]["default"] = json!("x");
        problem(&json, Kind::Dashboard);
    }
    for fine in [
        [
            mapping("org", 44, tag("t")),
            mapping("region", 44, tag("u")),
        ],
        [
            mapping("org", 44, tag("t")),
            mapping("region", 45, tag("t")),
        ],
        [
            mapping("org", 44, tag("t")),
            mapping("org", 44, field_filter("t")),
        ],
        [
            mapping("org", 44, field(61)),
            mapping("region", 44, field(61)),
        ],
    ] {
        assert!(read(&of(&fine), Kind::Dashboard).fit().is_ok(), "{fine:?}");
    }
    let both = [
        spec("org", Mode::Locked, Type::String),
        spec("region", Mode::Locked, Type::String),
    ];
    let json = of(&[
        mapping("org", 44, tag("t")),
        mapping("region", 44, tag("t")),
    ]);
    assert!(with(&json, &both, Kind::Dashboard).unwrap().fit().is_err());
}

#[test]
fn a_question_is_covered_by_its_own_parameters() {
    let fine = read(&native(5, &["org", "region"]), Kind::Question);
    assert!(fine.fit().is_ok());
    assert_eq!(fine.title(), "question 5 “Card 5”");
    assert_eq!(fine.open("tag-region"), Some(1));
    assert_eq!(fine.places().len(), 1);
    // Template tags alone, as older questions have them.
    let mut legacy = native(5, &["org", "region"]);
    legacy["parameters"] = json!([]);
    legacy["dataset_query"]["native"]["template-tags"]["s"] =
        json!({"id": "tag-s", "name": "s", "type": "snippet"});
    let read_so = read(&legacy, Kind::Question);
    assert!(read_so.fit().is_ok());
    assert_eq!(read_so.id_of(0), Some("tag-org"));
    assert_eq!(&*read_so.by_slug("org").unwrap().kind, "category");
    assert_eq!(read_so.role("tag-s"), None);
    // Without the lock; with one that filters nothing; without a number.
    assert!(
        problem(&native(5, &["region"]), Kind::Question)
            .contains("no parameter with the slug `org`")
    );
    for target in [json!(null), json!(["text-tag", "org"]), tag("gone")] {
        let mut adrift = native(5, &["org"]);
        adrift["parameters"][0]["target"] = target;
        assert!(
            problem(&adrift, Kind::Question).contains("is connected to nothing"),
            "{adrift}"
        );
    }
    let mut nameless = native(5, &["org"]);
    nameless["id"] = json!("5");
    assert!(problem(&nameless, Kind::Question).contains("no number"));
    let mut shared = native(5, &["org", "region"]);
    shared["parameters"][1]["target"] = tag("org");
    assert!(problem(&shared, Kind::Question).contains("the same template tag `org`"));
}
