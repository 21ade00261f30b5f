//! Tables and properties of route lookup.

use proptest::prelude::*;

use super::*;

fn route(pattern: &str, methods: &[Method], access: Access) -> Route {
    Route {
        name: pattern.into(),
        pattern: pattern.into(),
        methods: methods.to_vec(),
        access,
        action: Action::Proxy,
        resource: None,
        scope: "view".into(),
        locks: vec![],
        query_allow: None,
        form_credential: None,
        path_credential: None,
        earns_session: false,
        from_ancestors: false,
        top_level: false,
        body_limit: 0,
        no_store: false,
        unread_body: false,
        websocket: false,
    }
}

fn table(patterns: &[&str]) -> RouteTable {
    let routes = patterns
        .iter()
        .map(|pattern| route(pattern, &[], Access::Viewer));
    RouteTable::build(routes.collect()).unwrap()
}

fn found(table: &RouteTable, path: &str) -> Option<String> {
    let found = table.find(&Method::GET, path).ok()?;
    Some(found.route.pattern.clone().into())
}

#[test]
fn the_most_specific_pattern_wins() {
    let table = table(&[
        "/",
        "/*",
        "/reports/{id}",
        "/reports/*",
        "/reports/new",
        "/reports/{id}/data",
        "/reports/new/{step}",
        "/reports/{id}/*",
        "/a/b/c",
        "/a/{x}/d",
        "/{x}/b/e",
        "/static/*",
        "/static/",
        "/app/",
    ]);
    let expected = [
        ("/", "/"),
        ("/x", "/*"),
        ("/x/y/", "/*"),
        ("/reports", "/*"),
        ("/reports/", "/reports/*"),
        ("/reports/7", "/reports/{id}"),
        ("/reports/7/", "/reports/{id}/*"),
        ("/reports/new", "/reports/new"),
        ("/reports/newer", "/reports/{id}"),
        ("/reports/7/data", "/reports/{id}/data"),
        ("/reports/new/1", "/reports/new/{step}"),
        ("/reports/new/data", "/reports/new/{step}"),
        ("/reports/new/1/2", "/reports/{id}/*"),
        ("/reports/7/data/x", "/reports/{id}/*"),
        ("/a/b/c", "/a/b/c"),
        ("/a/b/d", "/a/{x}/d"),
        ("/a/b/e", "/{x}/b/e"),
        ("/a/b/f", "/*"),
        ("/static", "/*"),
        ("/static/", "/static/"),
        ("/static/a/b.js", "/static/*"),
        ("/app/", "/app/"),
        ("/app", "/*"),
    ];
    for (path, pattern) in expected {
        assert_eq!(found(&table, path).as_deref(), Some(pattern), "{path}");
    }
}

#[test]
fn what_is_not_listed_is_denied() {
    let table = table(&["/reports/{id}", "/static/*"]);
    for path in [
        "/",
        "",
        "/reports",
        "/reports/",
        "/reports/1/2",
        "/static",
        "/staticx",
        "/Static/a",
        "reports/1",
        "*",
    ] {
        let outcome = table.find(&Method::GET, path);
        assert_eq!(outcome.err(), Some(Refusal::RouteDenied), "{path}");
        assert!(!table.path_known(path), "{path}");
    }
}

#[test]
fn a_final_slash_is_no_way_around_a_route_that_asks_for_more() {
    let report = ResourceRule {
        kind: "report".into(),
        id: IdRule::Capture("id".into()),
    };
    let table = RouteTable::build(vec![
        route("/*", &[], Access::Viewer),
        route("/admin/*", &[], Access::Deny),
        route("/secret", &[], Access::Deny),
        route("/static/*", &[], Access::Public),
        route("/static/mine/", &[], Access::Viewer),
        route("/plain", &[], Access::Viewer),
        Route {
            resource: Some(report.clone()),
            ..route("/reports/{id}", &[], Access::Viewer)
        },
        Route {
            scope: "download".into(),
            ..route("/export", &[], Access::Viewer)
        },
        Route {
            resource: Some(report),
            ..route("/boards/{id}", &[Method::POST], Access::Viewer)
        },
    ])
    .unwrap();
    for path in [
        "/admin",
        "/admin/",
        "/admin/x/",
        "/secret/",
        "/reports/7/",
        "/export/",
        "/static/mine",
    ] {
        assert_eq!(found(&table, path), None, "{path}");
    }
    for (path, pattern) in [
        ("/", "/*"),
        ("/x", "/*"),
        ("/x/", "/*"),
        ("/plain/", "/*"),
        ("/static", "/*"),
        ("/static/", "/static/*"),
        ("/static/a", "/static/*"),
        ("/reports/7", "/reports/{id}"),
        ("/reports/7/x", "/*"),
        ("/boards/7/", "/*"),
    ] {
        assert_eq!(found(&table, path).as_deref(), Some(pattern), "{path}");
    }
    let inner = RouteTable::build(vec![
        route("/*", &[], Access::Deny),
        route("/a/*", &[], Access::Viewer),
    ])
    .unwrap();
    assert_eq!(found(&inner, "/a/").as_deref(), Some("/a/*"));
}

#[test]
fn captures_come_in_order_and_only_from_the_match() {
    let table = table(&["/{a}/x/{b}", "/{c}/{d}/y", "/{e}/*"]);
    let captures = |path| table.find(&Method::GET, path).unwrap().captures.to_vec();
    assert_eq!(captures("/1/x/2%20"), [("a", "1"), ("b", "2%20")]);
    assert_eq!(captures("/1/x/y"), [("a", "1"), ("b", "y")]);
    assert_eq!(captures("/1/z/y"), [("c", "1"), ("d", "z")]);
    assert_eq!(captures("/1/z/z"), [("e", "1")]);
}

#[test]
fn methods_of_one_shape_merge() {
    let routes = vec![
        route("/q/{id}", &[], Access::Viewer),
        route("/q/{key}", &[Method::POST], Access::Viewer),
        route("/q/{k}", &[Method::DELETE], Access::Deny),
    ];
    let table = RouteTable::build(routes).unwrap();
    let outcome = |method: Method| {
        let outcome = table.find(&method, "/q/1");
        outcome.map(|found| found.captures.first().copied())
    };
    assert_eq!(outcome(Method::GET).unwrap(), Some(("id", "1")));
    assert_eq!(outcome(Method::HEAD).unwrap(), Some(("id", "1")));
    assert_eq!(outcome(Method::POST).unwrap(), Some(("key", "1")));
    assert_eq!(outcome(Method::PUT), Err(Refusal::MethodDenied));
    assert_eq!(outcome(Method::DELETE), Err(Refusal::RouteDenied));
    assert_eq!(table.allowed_methods("/q/1"), "GET, HEAD, POST");
    assert!(table.path_known("/q/1"));
    assert_eq!(table.allowed_methods("/r"), "");
}

#[test]
fn a_denied_path_looks_like_none() {
    let routes = vec![
        route("/*", &[Method::GET, Method::POST], Access::Viewer),
        route("/admin", &[], Access::Deny),
        route("/admin/*", &[], Access::Deny),
    ];
    let table = RouteTable::build(routes).unwrap();
    for path in ["/admin", "/admin/", "/admin/x"] {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let outcome = table.find(&method, path);
            assert_eq!(outcome.err(), Some(Refusal::RouteDenied), "{method} {path}");
        }
        assert!(!table.path_known(path), "{path}");
    }
    assert_eq!(found(&table, "/administrator").as_deref(), Some("/*"));
}

#[test]
fn a_specific_path_with_other_methods_is_not_passed_over() {
    let routes = vec![
        route("/*", &[], Access::Public),
        route("/q", &[Method::POST], Access::Viewer),
    ];
    let table = RouteTable::build(routes).unwrap();
    let outcome = table.find(&Method::GET, "/q");
    assert_eq!(outcome.err(), Some(Refusal::MethodDenied));
}

#[test]
fn the_same_requests_cannot_be_claimed_twice() {
    let get = [Method::GET];
    let conflicts = [
        (
            route("/a/{x}", &[], Access::Viewer),
            route("/a/{y}", &get, Access::Viewer),
        ),
        (
            route("/a/*", &get, Access::Viewer),
            route("/a/*", &[Method::HEAD], Access::Public),
        ),
        (
            route("/%61", &[], Access::Viewer),
            route("/a", &[], Access::Viewer),
        ),
        (
            route("/a", &[], Access::Deny),
            route("/a", &[Method::PATCH], Access::Viewer),
        ),
        (
            route("/a", &[Method::PATCH], Access::Viewer),
            route("/a", &[], Access::Deny),
        ),
    ];
    for (one, other) in conflicts {
        let text = format!("{} {}", one.pattern, other.pattern);
        let outcome = RouteTable::build(vec![one, other]);
        assert!(
            matches!(outcome, Err(RouteError::Conflict { .. })),
            "{text}"
        );
    }
}

#[test]
fn refuses_what_is_no_pattern() {
    for pattern in [
        "", "a", "*", "//", "/a//b", "/*/a", "/a*", "/*a", "/{}", "/{a", "/a}", "/{a}b", "/a{b}",
        "/{a}/{a}", "/{*a}", "/{a-b}", "/..", "/a/./b", "/a%2fb", "/a;b", "/a?b", "/%", "/{{a}}",
        "/a b",
    ] {
        let outcome = RouteTable::build(vec![route(pattern, &[], Access::Viewer)]);
        assert!(
            matches!(outcome, Err(RouteError::Pattern { .. })),
            "{pattern}"
        );
    }
    let mut resource = route("/a", &[], Access::Viewer);
    resource.resource = Some(ResourceRule {
        kind: "r".into(),
        id: IdRule::Capture("id".into()),
    });
    assert!(RouteTable::build(vec![resource]).is_err());
    let mut lock = route("/a", &[], Access::Viewer);
    lock.locks.push(Lock {
        param: 0,
        place: Place::Path("id".into()),
    });
    assert!(RouteTable::build(vec![lock]).is_err());
}

#[test]
fn literals_match_in_canonical_spelling() {
    let table = table(&["/caf%c3%a9", "/a+b", "/%7Bx%7D", "/a:b@c", "/%2A"]);
    for path in ["/caf%C3%A9", "/a%2Bb", "/%7Bx%7D", "/a:b@c", "/*"] {
        assert!(found(&table, path).is_some(), "{path}");
    }
    assert_eq!(found(&table, "/x"), None);
}

#[test]
fn a_capture_can_be_replaced() {
    let route = route("/t/{tenant}/r/{id}/*", &[], Access::Viewer);
    let replaced = |path: &str, name, text| route.replace_capture(path, name, text);
    assert_eq!(
        replaced("/t/1/r/2/x/y", "tenant", "a b").as_deref(),
        Some("/t/a%20b/r/2/x/y")
    );
    assert_eq!(
        replaced("/t/1/r/2/", "id", "9").as_deref(),
        Some("/t/1/r/9/")
    );
    assert_eq!(replaced("/t/1/r/2/", "other", "9"), None);
    assert_eq!(replaced("/t/1/r/2/", "id", ".."), None);
    assert_eq!(replaced("/t/1/r/2/", "id", "a/b"), None);
    assert_eq!(replaced("/t", "id", "9"), None);
}

/// The plain reading of the documentation: of all patterns that match, the one that is more specific at the first segment where they differ.
fn naive<'a>(patterns: &'a [String], path: &str) -> Option<&'a String> {
    let rank = |pattern: &str| -> Option<Vec<u8>> {
        let mut ranks = vec![];
        let mut segments = path.strip_prefix('/')?.split('/');
        for part in pattern.strip_prefix('/')?.split('/') {
            if part == "*" {
                segments.next()?;
                ranks.push(2);
                return Some(ranks);
            }
            let segment = segments.next()?;
            match part.starts_with('{') {
                true if !segment.is_empty() => ranks.push(1),
                false if part == segment => ranks.push(0),
                _ => return None,
            }
        }
        segments.next().is_none().then_some(ranks)
    };
    let ranked = patterns
        .iter()
        .filter_map(|pattern| Some((rank(pattern)?, pattern)));
    ranked.min().map(|(_, pattern)| pattern)
}

/// Captures of different names.
fn number(pattern: &str) -> String {
    let parts = pattern.split("{x}").enumerate();
    parts.fold(String::new(), |text, (index, part)| match index {
        0 => part.to_owned(),
        _ => format!("{text}{{x{index}}}{part}"),
    })
}

proptest! {
    #[test]
    fn lookup_agrees_with_the_definition(
        patterns in prop::collection::btree_set("(/([ab]|\\{x\\})){0,4}(/\\*|/|/a)", 1..12),
        paths in prop::collection::vec("(/[abc]){0,5}/?", 1..12),
    ) {
        let patterns: Vec<String> = patterns.iter().map(|pattern| number(pattern)).collect();
        let refs: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let table = table(&refs);
        for path in paths {
            prop_assert_eq!(found(&table, &path), naive(&patterns, &path).cloned(), "{}", path);
        }
    }

    #[test]
    fn no_text_makes_it_panic(pattern in "\\PC{0,12}", path in "\\PC{0,24}") {
        if let Ok(table) = RouteTable::build(vec![route(&pattern, &[], Access::Viewer)]) {
            let _ = table.find(&Method::GET, &path).is_ok();
        }
    }
}
