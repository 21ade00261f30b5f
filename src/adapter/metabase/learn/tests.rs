use serde_json::json;

use super::*;
use crate::adapter::{
    metabase::{
        MetabaseSpec, Unmapped,
        layout::testing::{dashboard, parameter, spec},
        spec::{Item, ItemId},
    },
    secret::SecretBytes,
};

/// A site with so many locked and so many open parameters, and its dashboard.
fn site(locked: usize, open: usize) -> (Metabase, Vec<u8>) {
    let mut params = Vec::new();
    let mut listed = Vec::new();
    for (count, mode) in [(locked, Mode::Locked), (open, Mode::Enabled)] {
        for index in 0..count {
            let name = format!("{mode:?}{index}").to_lowercase();
            listed.push(parameter(&name, "string/="));
            params.push(spec(&name, mode, Type::String));
        }
    }
    let mut json = dashboard(&[]);
    json["parameters"] = json!(listed);
    let spec = MetabaseSpec {
        embedding_secret: Some(SecretBytes::new(&[b'a'; 64])),
        token_ttl: MetabaseSpec::TOKEN_TTL,
        version: Some(58),
        downloads: true,
        values: Values::Constrained,
        api_key: None,
        unmapped: Unmapped::Report,
        guest_token_ttl: MetabaseSpec::GUEST_TOKEN_TTL,
        layout_ttl: MetabaseSpec::LAYOUT_TTL,
        settings: Vec::new(),
        geojson: Vec::new(),
        items: std::collections::BTreeMap::new(),
        public: std::collections::BTreeMap::new(),
    };
    let json = json.to_string().into_bytes();
    (Metabase::new(spec, &params, Vec::new()), json)
}

#[test]
fn an_exchange_ends_however_many_parameters_there_are() {
    let table = [
        (0, 3, 1, 3),
        (1, 3, 4, 3),
        (1, 50, 13, 12),
        (4, 12, 41, 10),
        (50, 3, 1, 0),
    ];
    for (locked, open, expected, kept) in table {
        let (metabase, json) = site(locked, open);
        let item = Item {
            kind: Kind::Dashboard,
            id: ItemId::Number(10),
        };
        let now = UnixTime(1_764_000_000);
        let mut step = metabase.begin(&Want::MetabaseValues(item), now).unwrap();
        let mut calls = 0;
        let known = loop {
            let (call, pending) = match step {
                Step::Done(known) => break known,
                Step::Call(call, pending) => (call, pending),
            };
            calls += 1;
            let body: &[u8] = if call.path.contains("/params/") {
                br#"{"values":[],"has_more_values":false}"#
            } else {
                &json
            };
            let status = StatusCode::OK;
            step = metabase
                .resume(pending, Reply { status, body }, now)
                .unwrap();
        };
        assert_eq!(calls, expected, "{locked} locked, {open} open");
        let Known::Metabase(learnt) = known else {
            panic!("{known:?}")
        };
        assert_eq!(learnt.fit().unwrap().1.len(), kept);
    }
}
