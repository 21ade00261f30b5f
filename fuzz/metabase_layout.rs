//! Whatever a dashboard or a question says: what a viewer gets of it names no parameter but theirs and no card that is not served, and is the same when
//! it is rewritten again.
#![no_main]

use embedgate::{
    adapter::metabase::{
        Kind, Lens, Unmapped,
        layout::Layout,
        prune::{Keep, prune},
    },
    gate::param::{Mode, ParamSpec, Type},
    rewrite::json,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const PARAMETERS: &str = r#""parameters":[{"id":"id-org","slug":"org","type":"string/="},{"id":"id-region","slug":"region","type":"string/="},{"id":"id-other","slug":"other","type":"id"}]"#;
const MAPPINGS: &str = r#""parameter_mappings":[{"parameter_id":"id-org","card_id":44,"target":["dimension",["field",61,null]]},{"parameter_id":"id-region","card_id":44,"target":["variable",["template-tag","t"]]}]"#;
const TAGS: &str = r#""dataset_query":{"type":"native","native":{"query":"-","template-tags":{"org":{"id":"id-org","name":"org","type":"text"},"t":{"id":"id-region"}}}}"#;
const HIDDEN: [&str; 2] = ["id-org", "id-other"];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match choice % 5 {
        0 => any(text, Kind::Dashboard),
        1 => any(text, Kind::Question),
        // Deeper than chance would get: a dashcard, its card, its settings, a parameter.
        2 => known(
            &format!(
                "{{\"id\":10,{PARAMETERS},\"dashcards\":[{{\"id\":31,\"card_id\":44,{MAPPINGS},\"card\":{{\"id\":44,{TAGS}}},\"series\":[{text}]}},{text}]}}"
            ),
            Kind::Dashboard,
        ),
        3 => known(
            &format!(
                "{{\"id\":10,{PARAMETERS},\"dashcards\":[{{\"id\":31,\"card_id\":44,{MAPPINGS},\"card\":{{\"id\":44,\"dataset_query\":{text}}},\"visualization_settings\":{text}}}],\"param_fields\":{text}}}"
            ),
            Kind::Dashboard,
        ),
        _ => known(
            &format!(
                "{{\"id\":5,{TAGS},\"parameters\":[{{\"id\":\"id-region\",\"slug\":\"region\",\"target\":[\"variable\",[\"template-tag\",\"t\"]]}},{text}]}}"
            ),
            Kind::Question,
        ),
    }
});

/// Reads and rewrites; what comes out is JSON, and its parameters are the viewer's.
fn any(text: &str, kind: Kind) {
    let _ = rewritten(text, kind);
}

/// The same, where the hidden ids are known: they are nowhere.
fn known(text: &str, kind: Kind) {
    if let Some(out) = rewritten(text, kind) {
        assert!(!mentions(&out), "{out}");
    }
}

fn rewritten(text: &str, kind: Kind) -> Option<Value> {
    let params = [
        spec("org", Mode::Locked),
        spec("region", Mode::Enabled),
        spec("secret", Mode::Disabled),
    ];
    let modes = [Mode::Locked, Mode::Enabled, Mode::Disabled];
    let lens = Lens {
        params: &params,
        modes: &modes,
    };
    let judged = Layout::read(text.as_bytes(), kind, lens);
    let open = Layout::read_open(text.as_bytes(), kind, lens);
    assert_eq!(judged.is_ok(), open.is_ok(), "both read the same");
    let layout = judged.ok()?;
    let keep = Keep {
        layout: &layout,
        open: &[1],
        safe: &[],
        unmapped: Unmapped::Deny,
    };
    let once = prune(text.as_bytes(), &keep).ok()?;
    assert!(layout.fit().is_ok());
    json::check(&once).expect("JSON with a single reading comes out");
    // Numbers beyond every range are JSON, and pass as text.
    let out: Value = serde_json::from_slice(&once).ok()?;
    for parameter in out["parameters"].as_array().into_iter().flatten() {
        assert_eq!(parameter["slug"], "region");
    }
    let dashcards = out["dashcards"]
        .as_array()
        .filter(|_| kind == Kind::Dashboard);
    for dashcard in dashcards.into_iter().flatten() {
        let id = dashcard["id"].as_u64().expect("numbered");
        let series = dashcard["series"].as_array().into_iter().flatten();
        for card in series
            .map(|card| &card["id"])
            .chain([&dashcard["card_id"], &dashcard["card"]["id"]])
            .filter(|card| !card.is_null())
        {
            let card = card.as_u64().expect("numbered");
            assert!(layout.serves(id, card, Unmapped::Deny));
        }
    }
    if let Ok(twice) = prune(&once, &keep) {
        assert_eq!(
            String::from_utf8_lossy(&twice),
            String::from_utf8_lossy(&once)
        );
    }
    Some(out)
}

fn mentions(value: &Value) -> bool {
    match value {
        Value::Array(all) => all.iter().any(mentions),
        Value::Object(all) => all
            .iter()
            .any(|(name, value)| HIDDEN.contains(&&**name) || mentions(value)),
        Value::String(text) => HIDDEN.contains(&&**text),
        Value::Bool(_) | Value::Null | Value::Number(_) => false,
    }
}

fn spec(name: &str, mode: Mode) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        folded: name.into(),
        mode,
        kind: Type::String,
        list: false,
        all: None,
    }
}
