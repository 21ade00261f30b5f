//! A page, its session, its frame: what a browser meets.

use crate::support::{self, Answer, Gateway, Upstream, gateway::bearer, get, token};
use serde_json::json;

const HTML: &str = "text/html,application/xhtml+xml";

#[test]
fn a_page_load_with_a_token_earns_a_session_and_a_clean_url() {
    let upstream = Upstream::start(|_| Answer::html("<p>q3</p>"));
    let gateway = Gateway::generic(upstream.address, "");
    let token = token(&json!({}));
    let framed = [
        ("Sec-Fetch-Dest", "iframe"),
        ("Referer", "https://app.example.com/page"),
    ];

    let first = get(
        gateway.address,
        &format!("/reports/q3?a=1&embed_token={token}&b=%20x"),
        &framed,
    );
    assert_eq!(first.status, 303, "{first:?}");
    let location = first.header("location").unwrap();
    let (clean, tag) = location.split_once("&embed_session=").unwrap();
    assert_eq!(clean, "/reports/q3?a=1&b=%20x");
    let cookie = first.all("set-cookie")[0];
    for attribute in [
        "Secure",
        "HttpOnly",
        "SameSite=None",
        "Partitioned",
        "Path=/",
    ] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
    }
    // The same again, for an embed that loads at the same moment and takes the plain name.
    let twin = cookie.replacen('=', &format!("-{tag}="), 1);
    assert_eq!(first.all("set-cookie"), [cookie, &twin]);
    assert!(
        upstream.seen().is_empty(),
        "the token's page load itself is not forwarded"
    );

    // Who is no browser has one session and needs no name for it.
    let plain = get(
        gateway.address,
        &format!("/reports/q3?a=1&embed_token={token}"),
        &[],
    );
    assert_eq!(plain.header("location"), Some("/reports/q3?a=1"));
    assert!(plain.header("set-cookie").is_some());

    let session = first.session().unwrap();
    let page = get(
        gateway.address,
        "/reports/q3?a=1",
        &[framed[0], framed[1], ("Cookie", &session)],
    );
    assert_eq!(page.status, 200);
    assert_eq!(page.text(), "<p>q3</p>");
    assert_eq!(
        page.header("content-security-policy"),
        Some("frame-ancestors https://app.example.com https://*.partner.example")
    );
    assert_eq!(page.header("referrer-policy"), Some("strict-origin"));
    let seen = upstream.last();
    assert_eq!(seen.target, "/reports/q3?a=1&tenant=999");
    assert!(seen.all("cookie").is_empty(), "{seen:?}");
    assert!(!seen.holds(&token));
}

#[test]
fn nothing_of_the_credential_reaches_the_upstream() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let token = token(&json!({}));
    let bearer = format!("Bearer {token}");
    let reply = get(
        gateway.address,
        &format!("/api/default?x=1&embed_token={token}"),
        &[
            ("Authorization", &bearer),
            ("Sec-Fetch-Dest", "empty"),
            (
                "Referer",
                &format!("http://bi.example.com/p?embed_token={token}"),
            ),
        ],
    );
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = upstream.last();
    assert!(!seen.holds(&token), "{seen:?}");
    assert_eq!(seen.target, "/api/default?x=1&tenant_id=999");
}

#[test]
fn what_a_client_says_about_itself_is_replaced() {
    let upstream = Upstream::plain();
    let text = support::gateway::generic(upstream.address, "").replace(
        "kind = \"generic\"",
        "kind = \"generic\"\nidentity = { \"X-Viewer\" = \"viewer\", \"X-Scope\" = \"scope\" }",
    );
    let gateway = Gateway::start(&text);
    let reply = get(
        gateway.address,
        "/api/default",
        &[
            ("Authorization", &bearer()),
            ("X-Viewer", "admin"),
            ("X_Viewer", "admin"),
            ("X-Forwarded-For", "6.6.6.6"),
            ("X-Forwarded-Host", "evil.example"),
            ("Forwarded", "for=6.6.6.6"),
            ("X-Request-Id", "evil"),
            ("traceparent", "evil"),
            ("Connection", "close, X-Tenant"),
        ],
    );
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = upstream.last();
    assert_eq!(seen.all("x-viewer"), ["viewer-7"]);
    assert_eq!(seen.all("x-scope"), ["view"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-host"), ["bi.example.com"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-request-id"), reply.all("x-request-id"));
    assert!(
        !seen.holds("evil") && !seen.holds("6.6.6.6") && !seen.holds("admin"),
        "{seen:?}"
    );
}

#[test]
fn a_foreign_page_cannot_frame_it_and_a_tenant_has_its_own_portal() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    let acme = format!("Bearer {}", token(&json!({ "tenant": "acme" })));
    for (credential, referer, status) in [
        (&bearer, "https://app.example.com/x", 200),
        (&bearer, "https://a.partner.example/", 200),
        (&bearer, "https://partner.example/", 403),
        (&bearer, "https://evil.example/", 403),
        (&bearer, "http://app.example.com/", 403),
        (&bearer, "https://portal.acme.example/", 403),
        (&acme, "https://portal.acme.example/", 200),
        (&acme, "https://app.example.com/x", 403),
    ] {
        let headers = [
            ("Authorization", credential.as_str()),
            ("Sec-Fetch-Dest", "iframe"),
            ("Referer", referer),
            ("Accept", "*/*"),
        ];
        let reply = get(gateway.address, "/reports/q3", &headers);
        assert_eq!(reply.status, status, "{referer} {reply:?}");
    }
    let reply = get(
        gateway.address,
        "/reports/q3",
        &[("Authorization", &acme), ("Sec-Fetch-Dest", "iframe")],
    );
    assert_eq!(
        reply.header("content-security-policy"),
        Some("frame-ancestors https://portal.acme.example")
    );
    let top = get(
        gateway.address,
        "/reports/q3",
        &[("Authorization", &bearer), ("Sec-Fetch-Dest", "document")],
    );
    assert_eq!(top.code(), "top_level_denied");
}

#[test]
fn a_narrowed_token_is_for_one_frame() {
    let upstream = Upstream::start(|_| Answer::html("x"));
    let gateway = Gateway::generic(upstream.address, "");
    let narrowed = format!(
        "Bearer {}",
        token(&json!({ "origin": "https://a.partner.example" }))
    );
    let ask = |referer| {
        get(
            gateway.address,
            "/reports/q3",
            &[
                ("Authorization", &narrowed),
                ("Sec-Fetch-Dest", "iframe"),
                ("Referer", referer),
            ],
        )
    };
    let good = ask("https://a.partner.example/");
    assert_eq!(
        good.header("content-security-policy"),
        Some("frame-ancestors https://a.partner.example")
    );
    assert_eq!(ask("https://app.example.com/").code(), "origin_denied");
    let elsewhere = format!(
        "Bearer {}",
        token(&json!({ "origin": "https://evil.example" }))
    );
    let reply = get(
        gateway.address,
        "/reports/q3",
        &[("Authorization", &elsewhere), ("Sec-Fetch-Dest", "iframe")],
    );
    assert_eq!(reply.code(), "origin_denied");
}

#[test]
fn the_upstreams_own_policy_survives_but_for_framing() {
    let upstream = Upstream::start(|_| {
        Answer::html("x")
            .with(
                "content-security-policy",
                "default-src 'self'; script-src 'nonce-abc'; frame-ancestors *",
            )
            .with(
                "content-security-policy",
                "img-src *; frame-ancestors 'none'",
            )
            .with("x-frame-options", "DENY")
            .with("access-control-allow-origin", "*")
            .with("server", "inner/1.0")
            .with("set-cookie", "sid=1; Path=/")
    });
    let gateway = Gateway::generic(upstream.address, "");
    let reply = get(
        gateway.address,
        "/reports/q3",
        &[
            ("Authorization", &bearer()),
            ("Origin", "https://app.example.com"),
        ],
    );
    let policies = reply.all("content-security-policy").join(", ");
    assert!(
        policies.contains("default-src 'self'; script-src 'nonce-abc'"),
        "{policies}"
    );
    assert!(policies.contains("img-src *"), "{policies}");
    assert_eq!(policies.matches("frame-ancestors").count(), 1, "{policies}");
    assert_eq!(reply.header("x-frame-options"), None);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    assert_eq!(reply.header("server"), None);
    assert_eq!(reply.header("set-cookie"), None);
}

#[test]
fn a_refused_frame_gets_a_page_that_tells_its_embedder() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let old = token(
        &json!({ "iat": support::gateway::now() - 900, "exp": support::gateway::now() - 600 }),
    );
    let headers = [
        ("Sec-Fetch-Dest", "iframe"),
        ("Accept", HTML),
        ("Referer", "https://a.partner.example/x?secret=1"),
    ];
    let reply = get(
        gateway.address,
        &format!("/reports/q3?embed_token={old}"),
        &headers,
    );
    assert_eq!(reply.status, 401);
    let page = reply.text();
    assert!(
        page.contains(r#"["https://a.partner.example"]"#) && page.contains("token_expired"),
        "{page}"
    );
    assert!(!page.contains(&old) && !page.contains("secret=1"));
    let csp = reply.header("content-security-policy").unwrap();
    assert!(csp.ends_with("frame-ancestors https://app.example.com https://*.partner.example https://portal.acme.example"), "{csp}");
    assert!(upstream.seen().is_empty());
}

#[test]
fn only_the_surface_exists() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let bearer = bearer();
    for (target, code) in [
        ("/", "route_denied"),
        ("/admin", "route_denied"),
        ("/reports/q3/", "route_denied"),
        ("/REPORTS/q3", "route_denied"),
        ("/reports/q3/../../admin", "path_ambiguous"),
        ("/static/%2e%2e/admin", "path_ambiguous"),
        ("/static//admin", "path_ambiguous"),
        ("/static/..%2fadmin", "path_ambiguous"),
        ("/static/%252e%252e/admin", "path_ambiguous"),
        ("/static/..;/admin", "path_ambiguous"),
        ("/static\\..\\admin", "path_ambiguous"),
        ("/reports/q4", "resource_denied"),
        ("/api/export", "scope_denied"),
        ("/api/query", "method_denied"),
        ("/reports/q3?embed_token=x.y.z", "credential_conflict"),
    ] {
        let reply = get(gateway.address, target, &[("Authorization", &bearer)]);
        assert_eq!(reply.code(), code, "{target} {reply:?}");
    }
    assert!(upstream.seen().is_empty());
    let reply = get(
        gateway.address,
        "/reports/q3",
        &[("Host", "other.example"), ("Authorization", &bearer)],
    );
    assert_eq!(reply.code(), "site_unknown");
    let post = support::client::post(
        gateway.address,
        "/reports/q3",
        &[("Authorization", &bearer)],
        b"",
    );
    assert_eq!(
        (post.code().as_str(), post.header("allow")),
        ("method_denied", Some("GET, HEAD"))
    );
}

#[test]
fn a_preflight_is_answered_for_frame_ancestors_alone() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let ask = |origin: &str, target: &str| {
        let request = format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: bi.example.com\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\nConnection: close\r\n\r\n"
        );
        support::send(gateway.address, request.as_bytes())
    };
    let good = ask("https://app.example.com", "/api/query");
    assert_eq!(
        (good.status, good.header("access-control-allow-origin")),
        (204, Some("https://app.example.com"))
    );
    assert_eq!(good.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(good.header("access-control-allow-credentials"), None);
    for (origin, target) in [
        ("https://evil.example", "/api/query"),
        ("null", "/api/query"),
        ("https://app.example.com", "/admin"),
    ] {
        assert_eq!(
            ask(origin, target).header("access-control-allow-origin"),
            None,
            "{origin} {target}"
        );
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_session_may_not_be_ridden_from_elsewhere() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let first = get(
        gateway.address,
        &format!("/reports/q3?embed_token={}", token(&json!({}))),
        &[("Sec-Fetch-Dest", "iframe")],
    );
    let session = first.session().unwrap();
    let post = |headers: &[(&str, &str)]| {
        let mut all = vec![("Cookie", session.as_str())];
        all.extend_from_slice(headers);
        support::client::post(gateway.address, "/api/default", &all, b"").code()
    };
    assert_eq!(post(&[("Sec-Fetch-Site", "same-origin")]), "");
    assert_eq!(post(&[("Origin", "http://bi.example.com")]), "");
    assert_eq!(post(&[]), "csrf_denied");
    for elsewhere in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://app.example.com"),
        ("Origin", "null"),
    ] {
        let code = post(&[elsewhere]);
        assert!(
            matches!(code.as_str(), "csrf_denied" | "origin_denied"),
            "{elsewhere:?} {code}"
        );
    }
}
