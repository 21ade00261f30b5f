//! A value that is read has one text: it reads again as itself, and is never empty nor holds a control character.
#![no_main]

use embedgate::gate::param::{Mode, ParamSpec, Type};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let json = serde_json::from_str::<serde_json::Value>(text).ok();
    for kind in [
        Type::Boolean,
        Type::Date,
        Type::Integer,
        Type::Number,
        Type::String,
        Type::Uuid,
    ] {
        for list in [false, true] {
            let spec = ParamSpec {
                name: "p".into(),
                folded: "p".into(),
                mode: Mode::Locked,
                kind,
                list,
                all: None,
            };
            if let Ok(scalar) = spec.text(text) {
                assert!(
                    !scalar.text.trim().is_empty() && !scalar.text.chars().any(char::is_control)
                );
                assert_eq!(spec.text(&scalar.text).ok().as_ref(), Some(&scalar));
                assert!(serde_json::from_str::<serde_json::Value>(&scalar.json_text()).is_ok());
            }
            let Some(Ok(value)) = json.as_ref().map(|json| spec.value(json)) else {
                continue;
            };
            assert!(!value.scalars().is_empty());
            assert!(list || value.scalars().len() == 1);
            for scalar in value.scalars() {
                assert_eq!(spec.text(&scalar.text).ok().as_ref(), Some(scalar));
            }
            assert_eq!(spec.value(&value.to_json()).ok().as_ref(), Some(&value));
        }
    }
});
