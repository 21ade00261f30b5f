//! A table built of any patterns finds only routes whose pattern has the shape of the path.
#![no_main]

use embedgate::gate::{
    path::NormalPath,
    route::{Access, Action, Route, RouteTable},
};
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.lines();
    let Some(path) = lines.next() else { return };
    let route = |pattern: &str| Route {
        name: pattern.into(),
        pattern: pattern.into(),
        methods: vec![],
        access: Access::Viewer,
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
    };
    let Ok(table) = RouteTable::build(lines.map(route).collect()) else {
        return;
    };
    let Ok(path) = NormalPath::parse(path) else {
        return;
    };
    assert_eq!(
        table.path_known(path.as_str()),
        table.find(&Method::GET, path.as_str()).is_ok()
    );
    let Ok(found) = table.find(&Method::GET, path.as_str()) else {
        return;
    };
    let mut segments = path.as_str().split('/');
    let mut captures = found.captures.iter();
    for part in found.route.pattern.split('/') {
        if part == "*" {
            assert!(segments.next().is_some());
            assert_eq!(captures.next(), None);
            return;
        }
        let segment = segments
            .next()
            .expect("as many segments as the pattern has");
        if part.starts_with('{') {
            assert_eq!(captures.next().map(|(_, value)| *value), Some(segment));
            assert!(!segment.is_empty());
        }
    }
    assert_eq!(segments.next(), None);
    assert_eq!(captures.next(), None);
});
