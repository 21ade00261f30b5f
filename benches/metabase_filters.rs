//! What Metabase's filters cost: the query of a signed embed and of a public link rebuilt, a token minted.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use embedgate::{
    adapter::{
        metabase::{
            Item, ItemId, Kind, Lens,
            filters::{
                Extras, Ids, Rules,
                objects::{self, Locks},
                slugs,
            },
            mint::Mint,
        },
        secret::SecretBytes,
    },
    gate::{
        param::{Granted, Mode, ParamSpec, Scalar, Type, Value},
        query::{self, Query},
        request::UnixTime,
    },
};

struct Layout;

impl Ids for Layout {
    fn param(&self, id: &str) -> Option<usize> {
        [1, 2].into_iter().find(|param| self.id(*param) == Some(id))
    }

    fn id(&self, param: usize) -> Option<&str> {
        ["5aefc725", "c0ffee01", "bead0002"].get(param).copied()
    }

    fn kind(&self, _: usize) -> Option<&str> {
        Some("string/=")
    }
}

fn params() -> Vec<ParamSpec> {
    let spec = |name: &str, mode, list| ParamSpec {
        name: name.into(),
        folded: query::fold(name).into(),
        mode,
        kind: Type::String,
        list,
        all: None,
    };
    vec![
        spec("tenant", Mode::Locked, false),
        spec("category", Mode::Enabled, true),
        spec("region", Mode::Enabled, false),
    ]
}

fn values() -> Vec<Option<Value>> {
    let scalar = Scalar {
        text: "acme".into(),
        kind: Type::String,
    };
    vec![Some(Value::One(scalar)), None, None]
}

fn encoded(json: &str) -> String {
    let mut out = String::new();
    query::push(&mut out, "parameters", json);
    out
}

fn filters(c: &mut Criterion) {
    let (params, values) = (params(), values());
    let modes: Vec<_> = params.iter().map(|spec| spec.mode).collect();
    let rules = Rules {
        lens: Lens {
            params: &params,
            modes: &modes,
        },
        granted: Granted {
            values: &values,
            all: &[],
        },
    };
    let extras = Extras::default();
    let long = format!(r#"{{"category":[{}"last"]}}"#, r#""Gizmo","#.repeat(200));
    for (name, text) in [
        ("empty", String::new()),
        ("plain", "category=Gizmo&category=Gadget&region=west".into()),
        (
            "object",
            encoded(r#"{"category":["Gizmo","Gadget"],"region":"west"}"#),
        ),
        ("200 values", encoded(&long)),
    ] {
        c.bench_function(&format!("metabase/signed/{name}"), |b| {
            b.iter(|| {
                let query = Query::parse(black_box(&text)).unwrap();
                slugs::read(&query, rules, extras).unwrap().to_query()
            });
        });
    }
    let list = r#"[{"id":"c0ffee01","type":"string/=","value":["Gizmo"],"target":["dimension",["field",61,{"base-type":"type/Text"}],{"stage-number":0}],"slug":"category","name":"Category"}]"#;
    for (name, text) in [("empty", String::new()), ("list", encoded(list))] {
        c.bench_function(&format!("metabase/public/{name}"), |b| {
            b.iter(|| {
                let query = Query::parse(black_box(&text)).unwrap();
                objects::from_query(&query, &Layout, rules, extras, Locks::Appended)
                    .unwrap()
                    .to_query()
            });
        });
    }
    let mint = Mint::new(&SecretBytes::new(&[b'a'; 64]), Duration::from_mins(1));
    let item = Item {
        kind: Kind::Dashboard,
        id: ItemId::Number(10),
    };
    c.bench_function("metabase/mint", |b| {
        b.iter(|| {
            let now = black_box(UnixTime(1_700_000_000));
            mint.token(&item, rules.lens, rules.granted, now).unwrap()
        });
    });
}

criterion_group!(benches, filters);
criterion_main!(benches);
