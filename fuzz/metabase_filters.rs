//! Whatever a viewer sends to Metabase: what passes holds open filters alone, each once; on public links what is locked stands last, once, as the token
//! says; and what passes, passes again unchanged.
#![no_main]

use embedgate::{
    adapter::metabase::{
        Lens,
        filters::{
            Extras, Filters, Ids, Rules, export,
            objects::{self, Locks},
            slugs, values,
        },
    },
    gate::{
        param::{Granted, Mode, ParamSpec, Scalar, Type, Value},
        query::{self, Query},
    },
    rewrite::body::Media,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let world = World::new();
    match (choice % 6, std::str::from_utf8(data)) {
        (0, Ok(text)) => world.signed(text),
        (1, Ok(text)) => world.signed(&pair("parameters", text)),
        (2, Ok(text)) => world.public(text),
        (3, Ok(text)) => world.public(&pair("parameters", text)),
        (4, Ok(text)) => world.values(text),
        _ => world.export(data),
    }
});

fn pair(name: &str, value: &str) -> String {
    let mut out = String::new();
    query::push(&mut out, name, value);
    out
}

/// `tenant` is locked, `category` (a list) and `price` are open, `secret` is disabled.
struct World {
    params: [ParamSpec; 4],
    modes: [Mode; 4],
    values: [Option<Value>; 4],
}

struct Layout;

const IDS: [(&str, &str); 4] = [
    ("aa01", "string/="),
    ("aa02", "string/contains"),
    ("aa03", "number/="),
    ("aa04", "id"),
];

impl Ids for Layout {
    fn param(&self, id: &str) -> Option<usize> {
        [1, 2].into_iter().find(|param| IDS[*param].0 == id)
    }

    fn id(&self, param: usize) -> Option<&str> {
        IDS.get(param).map(|(id, _)| *id)
    }

    fn kind(&self, param: usize) -> Option<&str> {
        IDS.get(param).map(|(_, kind)| *kind)
    }
}

impl World {
    fn new() -> Self {
        let spec = |name: &str, mode, kind, list| ParamSpec {
            name: name.into(),
            folded: query::fold(name).into(),
            mode,
            kind,
            list,
            all: None,
        };
        let params = [
            spec("tenant", Mode::Locked, Type::String, false),
            spec("category", Mode::Enabled, Type::String, true),
            spec("price", Mode::Enabled, Type::Integer, false),
            spec("secret", Mode::Disabled, Type::String, false),
        ];
        let modes = [0, 1, 2, 3].map(|param: usize| params[param].mode);
        let acme = Value::One(Scalar {
            text: "acme".into(),
            kind: Type::String,
        });
        Self {
            params,
            modes,
            values: [Some(acme), None, None, None],
        }
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            lens: Lens {
                params: &self.params,
                modes: &self.modes,
            },
            granted: Granted {
                values: &self.values,
                all: &[],
            },
        }
    }

    fn signed(&self, text: &str) {
        let Ok(query) = Query::parse(text) else {
            return;
        };
        let Ok(filters) = slugs::read(&query, self.rules(), Extras::default()) else {
            return;
        };
        let sent = filters.to_query();
        let object = parameters(&sent);
        for (slug, value) in object.as_object().expect("an object") {
            is_typed(slug == "category", slug == "price", value);
        }
        let read = Query::parse(&sent).expect("what is written is read");
        let again = slugs::read(&read, self.rules(), Extras::default());
        assert_eq!(again.expect("passes again"), filters);
    }

    fn public(&self, text: &str) {
        let Ok(query) = Query::parse(text) else {
            return;
        };
        let read = |query: &Query<'_>| {
            objects::from_query(
                query,
                &Layout,
                self.rules(),
                Extras::default(),
                Locks::Appended,
            )
        };
        if let Ok(filters) = read(&query) {
            locked(&filters);
            let sent = filters.to_query();
            let sent = Query::parse(&sent).expect("what is written is read");
            assert_eq!(read(&sent).expect("passes again"), filters);
        }
    }

    fn export(&self, data: &[u8]) {
        for media in [Media::Form, Media::Json] {
            let nothing = Query::default();
            let read = |media: &Media, body: &[u8]| {
                export::read(&nothing, (media, body), &Layout, self.rules())
            };
            if let Ok(filters) = read(&media, data) {
                locked(&filters);
                let again = read(&Media::Form, filters.to_form().as_bytes());
                assert_eq!(again.expect("passes again"), filters);
            }
        }
    }

    fn values(&self, text: &str) {
        let Ok(query) = Query::parse(text) else {
            return;
        };
        if let Ok(sent) = values::public(&query, &Layout, self.rules(), &[]) {
            let read = Query::parse(&sent).expect("what is written is read");
            let (last, theirs) = read.pairs().split_last().expect("the lock");
            assert_eq!(last.raw, "aa01=acme");
            assert!(
                theirs
                    .iter()
                    .all(|pair| pair.name == "aa02" || pair.name == "aa03")
            );
        }
        if let Ok(param) = values::target(text, &Layout, self.rules()) {
            assert!(param == 1 || param == 2);
        }
    }
}

/// The one `parameters` of a query, which stands first; the rest are options of exports.
fn parameters(sent: &str) -> Json {
    let read = Query::parse(sent).expect("what is written is read");
    let (first, rest) = read
        .pairs()
        .split_first()
        .expect("`parameters` is always there");
    assert_eq!(first.name, "parameters");
    for pair in rest {
        assert!(matches!(
            &*pair.name,
            "format_rows" | "pivot_results" | "csv_include_bom"
        ));
        assert!(matches!(pair.value.as_deref(), Some("true" | "false")));
    }
    serde_json::from_str(first.value.as_deref().expect("a value")).expect("JSON")
}

fn locked(filters: &Filters) {
    let list = parameters(&filters.to_query());
    let (last, theirs) = list
        .as_array()
        .expect("a list")
        .split_last()
        .expect("the lock");
    assert_eq!(*last, serde_json::json!({"id": "aa01", "value": ["acme"]}));
    assert!(theirs.len() <= 2);
    for element in theirs {
        for key in element.as_object().expect("an object").keys() {
            assert!(matches!(&**key, "id" | "value" | "options"));
        }
        is_typed(
            element["id"] == "aa02",
            element["id"] == "aa03",
            &element["value"],
        );
    }
    assert!(theirs.len() < 2 || theirs[0]["id"] != theirs[1]["id"]);
}

fn is_typed(category: bool, price: bool, value: &Json) {
    let one = |value: &Json| {
        (category && value.as_str().is_some_and(|text| !text.is_empty()))
            || (price && value.is_number())
    };
    assert!(category || price, "no other filter is open");
    match value {
        Json::Null => {}
        Json::Array(all) => assert!(!all.is_empty() && all.iter().all(one)),
        lone => assert!(one(lone)),
    }
}
