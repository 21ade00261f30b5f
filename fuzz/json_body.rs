//! Whatever JSON a viewer sends: what comes out is JSON with the locked value once, unchanged when judged again; and what we read, serde reads.
#![no_main]

use embedgate::{
    gate::{
        param::{Lock, Mode, ParamSpec, Place, Scalar, Type, Value},
        query,
    },
    rewrite::{Bindings, json},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if json::check(data).is_ok() {
        serde_json::from_slice::<&serde_json::value::RawValue>(data).expect("what we read is JSON");
    }
    let params = [ParamSpec {
        name: "tenant_id".into(),
        folded: query::fold("tenant_id").into(),
        mode: Mode::Locked,
        kind: Type::Integer,
        list: false,
        all: None,
    }];
    let values = [Some(Value::One(Scalar {
        text: "99".into(),
        kind: Type::Integer,
    }))];
    let template = serde_json::json!({"field": "tenant_id", "op": "=", "value": "$value"});
    for (at, template) in [("/filters/-", Some(template)), ("/a/b", None)] {
        let place = Place::Json {
            at: at.into(),
            template,
        };
        let locks = [Lock { param: 0, place }];
        let bindings = Bindings {
            params: &params,
            values: &values,
            locks: &locks,
        };
        let Ok(out) = json::apply(data, bindings) else {
            continue;
        };
        let text = json::check(&out).expect("what comes out has one reading");
        assert_eq!(json::apply(&out, bindings).as_deref(), Ok(&*out));
        if at == "/filters/-" {
            assert!(text.contains(r#"{"field":"tenant_id","op":"=","value":99}]"#));
        } else {
            assert!(text.contains("99"));
        }
    }
});
