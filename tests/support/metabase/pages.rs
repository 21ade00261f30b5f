//! Pages, assets and public settings, and the headers that stand on every answer.

use serde_json::{Value as Json, json};

use super::{
    State, danger,
    fixtures::VERSION,
    http::{Answer, Seen, nonce},
    now,
    store::Store,
};

/// The front end's script, by a name that changes with its content.
pub(crate) const SCRIPT: &str = "/app/dist/embed.4f1c2a9be07d3358.js";
const STYLE: &str = "/app/dist/embed.91d07ac4b6e2f835.css";

const SHELL: &str = include_str!("../../metabase/shell.html");
const ASSETS: [(&str, &str, &str); 5] = [
    (
        SCRIPT,
        "text/javascript",
        include_str!("../../metabase/embed.js"),
    ),
    (STYLE, "text/css", include_str!("../../metabase/embed.css")),
    (
        "/app/embed.js",
        "text/javascript",
        include_str!("../../metabase/guest.js"),
    ),
    (
        "/app/embedding-sdk.js",
        "text/javascript",
        "/* The SDK is not part of the stand-in. */\n",
    ),
    (
        "/app/locales/en.json",
        "application/json",
        "{\"headers\":{\"language\":\"en\"},\"translations\":{\"\":{}}}\n",
    ),
];

/// Answers everything outside `/api` and `/auth`.
pub(super) fn answer(store: &Store, seen: &Seen, path: &[&str]) -> Answer {
    match path {
        ["embed", "question", file] => forward(store, seen, file, "embed"),
        ["public", "question", file] => forward(store, seen, file, "public"),
        ["embed" | "public", ..] => page(store, seen),
        ["app", ..] => asset(seen, path),
        ["favicon.ico"] => Answer::of("image/x-icon", vec![0, 0, 1, 0, 0, 0]),
        _ => {
            let mut page = page(store, seen);
            let text = format!("<!-- {} -->", danger::LEAK);
            page.body.extend(text.into_bytes());
            page
        }
    }
}

/// `/embed/question/T.csv` and its like: to the API, by the address that the setting `site-url` has.
fn forward(store: &Store, seen: &Seen, file: &str, flavour: &str) -> Answer {
    let split = file.rsplit_once('.');
    let split = split.filter(|(_, end)| matches!(*end, "csv" | "json" | "xlsx"));
    let Some((item, format)) = split else {
        return page(store, seen);
    };
    let query = seen.target.split_once('?').map_or("", |(_, query)| query);
    let place = format!(
        "{}/api/{flavour}/card/{item}/query/{format}?{query}",
        store.site_url
    );
    Answer::text(302, "").with("Location", &place)
}

/// The shell. It says everything about the instance, and its own address.
fn page(store: &Store, seen: &Seen) -> Answer {
    let nonce = nonce();
    let base = store
        .site_url
        .split_once("://")
        .map_or("", |(_, rest)| rest);
    let base = base.split_once('/').map_or("", |(_, path)| path);
    let base = format!("/{base}").trim_end_matches('/').to_owned();
    let here = format!("{}{}", store.site_url, seen.target);
    let here = percent_encoding::utf8_percent_encode(&here, percent_encoding::NON_ALPHANUMERIC);
    let settings = settings(store).to_string().replace('<', "\\u003c");
    let html = SHELL
        .replace("%BASE%", &format!("{base}/"))
        .replace("%NONCE%", &nonce)
        .replace(
            "%OEMBED%",
            &format!(
                "{}/api/public/oembed?url={here}&format=json",
                store.site_url
            ),
        )
        .replace("%STYLE%", STYLE.trim_start_matches('/'))
        .replace("%SCRIPT%", SCRIPT.trim_start_matches('/'))
        .replace("%SETTINGS%", &settings);
    let mut answer = Answer::of("text/html;charset=utf-8", html.into_bytes());
    answer.nonce = Some(nonce);
    answer
}

fn asset(seen: &Seen, path: &[&str]) -> Answer {
    let name = format!("/{}", path.join("/"));
    let known = ASSETS.iter().find(|(known, ..)| *known == name);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let (kind, body) = match (known, path, end) {
        (Some((_, kind, text)), ..) => (*kind, text.as_bytes().to_vec()),
        (_, ["app", "fonts", ..], "woff2") => ("font/woff2", b"wOF2".to_vec()),
        (_, ["app", "assets", "geojson", _], _) => {
            ("application/json", shapes().to_string().into_bytes())
        }
        (_, ["app", "assets", ..], "svg") => (
            "image/svg+xml",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(),
        ),
        _ => return Answer::text(404, "Not found."),
    };
    let hashed = matches!(path, ["app", "dist" | "fonts", ..]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let digest = digest
        .as_ref()
        .first_chunk()
        .map_or(0, |half| u128::from_be_bytes(*half));
    let tag = format!("\"{digest:064x}\"");
    let mut answer = Answer::of(kind, body);
    if hashed {
        answer.cacheable = true;
    } else {
        if seen.all("if-none-match").contains(&tag.as_str()) {
            (answer.status, answer.body) = (304, vec![]);
        }
        answer = answer.with("ETag", &tag);
    }
    answer
}

/// `/api/geojson/:key`.
pub(super) fn geojson(key: &str) -> Answer {
    if matches!(key, "offices" | "us_states" | "world_countries") {
        return Answer::json(200, &shapes());
    }
    Answer::text(400, "Invalid custom GeoJSON key")
}

fn shapes() -> Json {
    json!({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"name": "Office"}, "geometry": {"type": "Point", "coordinates": [21.0, 11.0]}},
    ]})
}

/// The public settings, and what stands among them.
pub(super) fn settings(store: &Store) -> Json {
    json!({
        "application-name": "Metabase stand-in",
        "application-colors": {},
        "application-font": "Lato",
        "available-locales": [["en", "English"]],
        "custom-formatting": {},
        "custom-geojson": {"offices": {"name": "Offices", "url": "http://files.inner.example/offices.json", "region_key": "name", "region_name": "name"}},
        "anon-tracking-enabled": false,
        "email-configured?": true,
        "embedding-app-origins-sdk": store.sdk_origins.join(" "),
        "enable-embedding-modular": store.embedding,
        "enable-public-sharing": store.sharing,
        "google-auth-client-id": "1234567890-inner.apps.example",
        "has-user-setup": true,
        "humanization-strategy": "simple",
        "instance-creation": "2024-02-29T12:00:00Z",
        "jwt-identity-provider-uri": "https://login.inner.example/sso",
        "landing-page": "",
        "ldap-configured?": false,
        "map-tile-server-url": "https://tiles.example/{z}/{x}/{y}.png",
        "password-complexity": {"total": 6, "digit": 1},
        "report-timezone-short": "UTC",
        "session-cookies": null,
        "setup-token": "5e70c0de-0000-4000-8000-000000000238",
        "show-metabot": false,
        "site-locale": "en",
        "site-name": "Inner analytics",
        "site-url": store.site_url,
        "site-uuid": "51730000-0000-4000-8000-000000000001",
        "start-of-week": "monday",
        "token-features": {"embedding": false, "whitelabel": false, "sso_jwt": false, "content_translation": false},
        "token-status": null,
        "version": {"date": "2026-08-11", "tag": VERSION, "branch": "release-x.58.x", "hash": "0ddba11"},
        "version-info": {"latest": {"version": VERSION}},
    })
}

/// Puts Metabase's headers on an answer. Those that it has already win.
pub(super) fn dress(store: &Store, seen: &Seen, answer: &mut Answer) {
    let segments = seen.segments();
    let first = segments.first().map_or("", String::as_str);
    let framed = matches!(first, "embed" | "public");
    let mut add = |name: &str, value: &str| {
        if !answer
            .headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            answer.headers.push((name.into(), value.into()));
        }
    };
    let nonce = answer.nonce.clone().unwrap_or_else(nonce);
    add("Content-Security-Policy", &csp(&nonce, framed));
    if !framed {
        add("X-Frame-Options", "DENY");
    }
    add("Strict-Transport-Security", "max-age=31536000");
    add("X-Content-Type-Options", "nosniff");
    add("X-Permitted-Cross-Domain-Policies", "none");
    if answer.cacheable {
        add("Cache-Control", "public, max-age=31536000");
    } else {
        add(
            "Cache-Control",
            "max-age=0, no-cache, must-revalidate, proxy-revalidate",
        );
        add("Expires", "Tue, 03 Jul 2001 06:00:00 GMT");
        add("Last-Modified", &date(now()));
    }
    add("Server", "Jetty(12.0.21)");
    add("X-Metabase-Version", VERSION);
    if matches!(first, "api" | "auth") {
        add("Access-Control-Allow-Headers", "*");
        add("Access-Control-Allow-Methods", "*");
        add(
            "Access-Control-Expose-Headers",
            "Content-Disposition, X-Metabase-Anti-CSRF-Token, X-Metabase-Version, Mcp-Session-Id",
        );
        add("Access-Control-Max-Age", "60");
        if let Some(origin) = seen.all("origin").first().filter(|one| trusted(store, one)) {
            add("Access-Control-Allow-Origin", origin);
            add("Vary", "Origin");
        }
    }
    if State::acting(store, seen) == Some(true) {
        add("X-Standin-Acting", "administrator");
    }
    if seen.cookie("metabase.DEVICE").is_none() {
        let secure = seen.all("x-forwarded-proto").first() == Some(&"https");
        let site = if secure { "None;Secure" } else { "Lax" };
        let expires = date(now() + 20 * 365 * 86_400);
        let id = "de71ce00-0000-4000-8000-000000000001";
        add(
            "Set-Cookie",
            &format!("metabase.DEVICE={id};HttpOnly;Path=/;Expires={expires};SameSite={site}"),
        );
    }
}

/// Whether an origin may read answers: those of the setting, and any port of this very machine.
fn trusted(store: &Store, origin: &str) -> bool {
    let host = origin.split_once("://").map_or("", |(_, rest)| rest);
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let local = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    store.sdk_origins.iter().any(|one| one == origin) || (store.cors_localhost && local)
}

fn csp(nonce: &str, framed: bool) -> String {
    let frames = if framed { "*" } else { "'none'" };
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' https://maps.google.com https://accounts.google.com \
         'sha256-dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0=' 'sha256-P8TM/nRYcOLA2Z9x8w/wZWyN7dQcwdfT03aw2+aF4vM=' \
         'sha256-i1udsME9skJWyCmqNkqpDG0uujGLkjKkq5MTuVTTVV8='; child-src 'self' https://accounts.google.com; \
         style-src 'self' 'nonce-{nonce}' https://accounts.google.com; style-src-attr 'self'; frame-src 'self' https://www.metabase.com/ https://metabase.com/; \
         font-src 'self' data:; img-src * 'self' data:; connect-src 'self' https://accounts.google.com metabase.us10.list-manage.com; \
         manifest-src 'self'; media-src www.metabase.com;  frame-ancestors {frames};"
    )
}

fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let printed = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time);
    printed.unwrap_or_default()
}
