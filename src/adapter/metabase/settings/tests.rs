use serde_json::json;

use super::*;

fn around<'a>(extra: &'a [Box<str>], geojson: &'a [Box<str>]) -> Around<'a> {
    Around {
        public_url: "https://bi.example.com/reports/",
        page: "/embed/dashboard/e30.e30.sig",
        extra,
        geojson,
        inner: &["http://metabase:3000", "10.1.2.3"],
    }
}

fn filtered(settings: &Value, around: &Around<'_>) -> Value {
    let out = filter(settings.to_string().as_bytes(), around).unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn what_pages_need_passes_and_the_rest_does_not() {
    let settings = json!({
        "admin-email": "root@acme.example",
        "analytics-uuid": "9a",
        "application-name": "Metabase",
        "custom-formatting": {"type/Temporal": {"date_style": "D MMMM, YYYY"}},
        "embedding-app-origins-sdk": "https://partner.example",
        "engines": {"postgres": {}},
        "google-auth-client-id": "x.apps",
        "has-user-setup": true,
        "hide-embed-branding?": false,
        "instance-creation": "2021-01-01T00:00:00Z",
        "jwt-identity-provider-uri": "https://login.acme.example",
        "ldap-host": "ldap.acme.example",
        "setup-token": "f2c0",
        "site-locale": "de",
        "site-url": "http://bi.internal",
        "site-uuid": "8b",
        "token-features": {"whitelabel": false},
        "unheard-of": 1,
        "version": {"tag": "v0.58.28"},
        "version-info-last-checked": "2026-01-01",
    });
    let expected = json!({
        "application-name": "Metabase",
        "custom-formatting": {"type/Temporal": {"date_style": "D MMMM, YYYY"}},
        "hide-embed-branding?": false,
        "site-locale": "de",
        "site-url": "https://bi.example.com/reports",
        "token-features": {"whitelabel": false},
    });
    assert_eq!(filtered(&settings, &around(&[], &[])), expected);
}

#[test]
fn nothing_is_invented_but_the_address() {
    let expected = json!({"site-url": "https://bi.example.com/reports"});
    assert_eq!(filtered(&json!({}), &around(&[], &[])), expected);
    let unset = json!({"site-url": null});
    assert_eq!(filtered(&unset, &around(&[], &[])), expected);
}

#[test]
fn configured_names_pass_unless_they_never_may() {
    let extra: Vec<Box<str>> = ["has-user-setup", "version", "setup-token", "SITE-UUID"]
        .map(Into::into)
        .into();
    let settings = json!({
        "has-user-setup": true, "version": {}, "setup-token": "f2c0", "SITE-UUID": "8b", "site-url": "x",
    });
    let expected = json!({"has-user-setup": true, "site-url": "https://bi.example.com/reports"});
    assert_eq!(filtered(&settings, &around(&extra, &[])), expected);
    assert!(KEPT.iter().all(|name| !never(name)));
    for name in [
        "Setup-Token",
        "setup_token",
        "premium-embedding-token",
        "google-auth-client-id",
        "version-info",
        "embedding-app-origin",
        "site-uuid-for-version-info-fetching",
    ] {
        assert!(never(name), "{name}");
    }
}

#[test]
fn a_setting_that_tells_an_inner_name_stays_out() {
    for told in [
        json!("http://metabase:3000/logo.png"),
        json!("HTTP://MetaBase:3000/logo.png"),
        json!("//metabase/logo.png"),
        json!("/proxy?to=http%3A%2F%2Fmetabase%3A3000"),
        json!("/proxy?to=http%253a%252f%252fmetabase%253a3000"),
        json!("http:\\/\\/metabase\\/logo.png"),
        json!("https://bi.internal/logo.png"),
        json!("https://user:pass@bi.internal:8443"),
        json!([{"src": "ftp://10.1.2.3/font"}]),
        json!({"http://metabase:3000": 1}),
    ] {
        let settings =
            json!({"application-logo-url": told, "site-url": "https://bi.internal:8443/x"});
        let expected = json!({"site-url": "https://bi.example.com/reports"});
        assert_eq!(filtered(&settings, &around(&[], &[])), expected, "{told}");
    }
}

#[test]
fn other_names_are_not_taken_for_inner_ones() {
    for other in [
        "app/assets/img/logo.svg",
        "https://metabase.example.org/logo.png",
        "Metabase",
        "https://bi.example.com/reports/logo.png",
        "https://cdn.example.com/%F0%9F",
    ] {
        let settings =
            json!({"application-logo-url": other, "site-url": "https://bi.example.com/reports"});
        assert_eq!(filtered(&settings, &around(&[], &[])), settings, "{other}");
    }
    let mut near = around(&[], &[]);
    near.inner = &["http://example.com", "bi.example.com:3000"];
    let settings = |url: &str| json!({"application-logo-url": url, "site-url": "https://bi.example.com/reports"});
    let ours = settings("https://bi.example.com/logo.png");
    assert_eq!(filtered(&ours, &near), ours);
    for told in [
        "https://bi.example.com:3000/logo.png",
        "https://example.com/logo.png",
        "https://bi.example.com.example.com/",
    ] {
        assert_eq!(
            filtered(&settings(told), &near),
            filtered(&json!({}), &near),
            "{told}"
        );
    }
}

#[test]
fn maps_load_from_our_site_or_not_at_all() {
    let keys: Vec<Box<str>> = ["regions", "a/b", "relative"].map(Into::into).into();
    let settings = json!({
        "custom-geojson": {
            "world": {"name": "World", "url": "app/assets/geojson/world.json", "region_key": "ISO", "builtin": true},
            "us": {"name": "US", "url": "http://bi.internal/app/assets/geojson/us.json", "builtin": true},
            "regions": {"name": "Ours", "url": "http://files.internal/r.json", "region_name": "NAME", "secret": 1},
            "a/b": {"name": "Odd", "url": "//files.internal/r.json", "builtin": true},
            "relative": {"name": "R", "url": "app/assets/geojson/r.json"},
            "other": {"name": "Other", "url": "https://files.example.org/o.json"},
            "fake": {"name": "Fake", "url": "app/assets/geojson/../../api/session", "builtin": true},
            "none": 1,
        },
        "site-url": "http://bi.internal/",
    });
    let expected = json!({
        "custom-geojson": {
            "world": {"name": "World", "url": "app/assets/geojson/world.json", "region_key": "ISO", "builtin": true},
            "us": {"name": "US", "url": "app/assets/geojson/us.json", "builtin": true},
            "regions": {"name": "Ours", "url": "/reports/api/geojson/regions", "region_name": "NAME"},
            "a/b": {"name": "Odd", "url": "/reports/api/geojson/a%2Fb", "builtin": true},
            "relative": {"name": "R", "url": "app/assets/geojson/r.json"},
        },
        "site-url": "https://bi.example.com/reports",
    });
    let around = around(&[], &keys);
    assert_eq!(filtered(&settings, &around), expected);
    assert_eq!(filtered(&expected, &around), expected, "once is enough");
    let odd = json!({"custom-geojson": "http://files.internal"});
    assert_eq!(filtered(&odd, &around), filtered(&json!({}), &around));
}

#[test]
fn what_is_no_object_is_refused() {
    for (text, error) in [
        ("", SettingsError::NotJson),
        ("{", SettingsError::NotJson),
        ("{}x", SettingsError::NotJson),
        ("[]", SettingsError::NotObject),
        ("null", SettingsError::NotObject),
    ] {
        assert_eq!(
            filter(text.as_bytes(), &around(&[], &[])),
            Err(error),
            "{text}"
        );
    }
}
