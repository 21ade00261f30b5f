//! Whatever form a viewer sends: the upstream reads the locked value once and no token; multipart fields are found or refused.
#![no_main]

use embedgate::{
    gate::{
        param::{Lock, Mode, ParamSpec, Place, Scalar, Type, Value},
        query,
    },
    rewrite::{Bindings, form, multipart},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
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
    let locks = [Lock {
        param: 0,
        place: Place::Form("tenant".into()),
    }];
    let bindings = Bindings {
        params: &params,
        values: &values,
        locks: &locks,
    };
    let drop: [Box<str>; 1] = ["guest_token".into()];
    if let Ok(out) = form::apply(data, bindings, &drop) {
        assert_eq!(form::field(&out, "tenant").unwrap().as_deref(), Some("99"));
        assert_eq!(form::field(&out, "tenant_id"), Ok(None));
        assert_eq!(form::field(&out, "guest_token"), Ok(None));
        assert_eq!(form::apply(&out, bindings, &drop).as_deref(), Ok(&*out));
    }
    if let Ok(Some(token)) = multipart::field(data, "X", "guest_token") {
        assert!(!token.contains("\r\n--X"));
    }
});
