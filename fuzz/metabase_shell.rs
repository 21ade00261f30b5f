//! Whatever shell or settings Metabase sends: what comes out tells no inner name, and a second pass changes nothing.
#![no_main]

use embedgate::adapter::metabase::{
    settings::{self, Around, SettingsError},
    shell::{self, ShellError},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const INNER: &str = "mb.in:3";

fn tells(out: &[u8]) -> bool {
    let text = std::str::from_utf8(out).expect("UTF-8 stays UTF-8");
    text.to_ascii_lowercase().contains(INNER) || text.contains("setup-token")
}

fuzz_target!(|data: &[u8]| {
    let around = Around {
        public_url: "https://bi.example.com/reports",
        page: "/embed/dashboard/a.b.c",
        extra: &["has-user-setup".into(), "version".into()],
        geojson: &["a".into()],
        inner: &[INNER],
    };
    match settings::filter(data, &around) {
        Ok(out) => {
            assert!(!tells(&out));
            let Ok(Value::Object(members)) = serde_json::from_slice(&out) else {
                panic!("an object stays one");
            };
            assert!(!members.keys().any(|name| settings::never(name)));
            assert_eq!(settings::filter(&out, &around).as_ref(), Ok(&out));
        }
        Err(SettingsError::NotObject) => {}
        Err(SettingsError::NotJson) => {
            assert!(serde_json::from_slice::<Value>(data).is_err());
        }
    }
    for page in [
        "#",
        "<base href=/><script id=_metabaseBootstrap>#</script>",
        "<script>window.MetabaseBootstrap = #;</script>",
    ] {
        let (before, after) = page.split_once('#').expect("a place");
        let html = [before.as_bytes(), data, after.as_bytes()].concat();
        match shell::rewrite(&html, &around) {
            Ok(out) => {
                assert!(!tells(&out));
                assert_eq!(shell::rewrite(&out, &around).as_ref(), Ok(&out));
            }
            Err(
                ShellError::Markup
                | ShellError::Inner
                | ShellError::Settings(_)
                | ShellError::Unknown,
            ) => {}
        }
    }
});
