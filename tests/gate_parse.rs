//! Attacks on the one reading of a request, across the modules that read it: whatever spelling an attacker finds, it is refused, or it is the same request.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use embedgate::gate::{
    host::Host,
    path::NormalPath,
    query::{self, Query, fold},
    refusal::Refusal,
    route::{Access, Action, Route, RouteTable},
};
use http::Method;

fn route(pattern: &str, access: Access) -> Route {
    Route {
        name: pattern.into(),
        pattern: pattern.into(),
        methods: vec![],
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

/// A surface with a hole in it: everything below `/`, but not the administration.
fn surface() -> RouteTable {
    let routes = vec![
        route("/", Access::Viewer),
        route("/*", Access::Viewer),
        route("/data/{id}", Access::Viewer),
        route("/admin", Access::Deny),
        route("/admin/*", Access::Deny),
        route("/a@b!", Access::Deny),
    ];
    RouteTable::build(routes).unwrap()
}

fn outcome(table: &RouteTable, raw: &str) -> Result<String, Refusal> {
    let path = NormalPath::parse(raw)?;
    let found = table.find(&Method::GET, path.as_str())?;
    Ok(found.route.pattern.to_string())
}

#[test]
fn no_spelling_of_a_denied_path_is_served() {
    let spellings = [
        "/admin",
        "/%61dmin",
        "/a%64min",
        "/%61%64%6d%69%6e",
        "/%61%64%6D%69%6E",
        "/admin/",
        "/admin/users",
        "/%61dmin/%75sers",
        "/admin/%20",
        "//admin",
        "///admin",
        "/./admin",
        "/.//admin",
        "/x/../admin",
        "/x/..%2fadmin",
        "/x/%2e%2e/admin",
        "/x/.%2e/admin",
        "/x/%2E./admin",
        "/x/..%5cadmin",
        "/x\\..\\admin",
        "/x/..\\admin",
        "/%2fadmin",
        "/%5cadmin",
        "/\\admin",
        "/admin;x=1",
        "/admin;/",
        "/admin%3bx",
        "/;/admin",
        "/x/..;/admin",
        "/x/..%3b/admin",
        "/admin%00",
        "/admin%00.js",
        "/admin%0a",
        "/admin\0",
        "/admin%2f",
        "/admin%2fusers",
        "/%2561dmin",
        "/%252561dmin",
        "/x%252f..%252fadmin",
        "/x/%c0%ae%c0%ae/admin",
        "/x/..%c0%afadmin",
        "/x/..%e0%80%afadmin",
        "/x/%f0%80%80%ae./admin",
        "/x/..%ef%bc%8fadmin",
        "/x/\u{ff0e}\u{ff0e}/admin",
        "/x/\u{2025}/admin",
        "/x\u{ff0f}..\u{ff0f}admin",
        "/%u0061dmin",
        "/%zz/../admin",
        "/admin/.",
        "/admin/..",
        "/admin/../admin",
        "/admin/%2e",
        "/a@b!",
        "/a%40b!",
        "/a@b%21",
        "/%61%40%62%21",
        "admin",
        "",
        "http://x/admin",
        "*",
    ];
    let table = surface();
    for raw in spellings {
        let refusal = outcome(&table, raw).expect_err(raw);
        assert!(
            matches!(refusal, Refusal::PathAmbiguous | Refusal::RouteDenied),
            "{raw}"
        );
    }
}

#[test]
fn what_is_served_was_asked_for() {
    let table = surface();
    let served = [
        ("/", "/"),
        ("/data/42", "/data/{id}"),
        ("/%64ata/42", "/data/{id}"),
        ("/d%61ta/%34%32", "/data/{id}"),
        ("/data/a%20b", "/data/{id}"),
        ("/data/", "/*"),
        ("/data", "/*"),
        ("/administrator", "/*"),
        ("/x/admin", "/*"),
        ("/...", "/*"),
    ];
    for (raw, pattern) in served {
        assert_eq!(outcome(&table, raw).as_deref(), Ok(pattern), "{raw}");
    }
}

#[test]
fn no_alias_of_a_locked_parameter_stays_unseen() {
    let aliases = [
        "tenant_id=1",
        "tenant%5Fid=1",
        "tenant%5fid=1",
        "TENANT_ID=1",
        "Tenant_Id=1",
        "tenant_id[]=1",
        "tenant_id[0]=1",
        "tenant_id[x]=1",
        "tenant_id%5B%5D=1",
        "tenant_id%5b0%5d=1",
        "tenant_id%255B%255D=1",
        "tenant_id%20=1",
        "%20tenant_id=1",
        "tenant_id+=1",
        "+tenant_id=1",
        "%C2%A0tenant_id=1",
        "%74enant_id=1",
        "%2574enant_id=1",
        "%252574enant_id=1",
        "ｔｅｎａｎｔ＿ｉｄ=1",
        "%EF%BD%94%EF%BD%85%EF%BD%8E%EF%BD%81%EF%BD%8E%EF%BD%94_id=1",
        "tenant_id%E2%80%8B=1",
        "%EF%BB%BFtenant_id=1",
        "ten%C2%ADant_id=1",
        "tenant.id=1",
        "tenant%20id=1",
        "tenant[id=1",
        "[tenant_id]=1",
        "tenant_%C4%B1d=1",
        "tenant_id",
        "&&tenant_id=1&",
        "tenant_id=",
        "tenant_id%2500=1",
        "a=1&tenant_id=1",
    ];
    for text in aliases {
        let query = Query::parse(text).expect(text);
        let hits = query
            .pairs()
            .iter()
            .filter(|pair| fold(&pair.name) == "tenant_id");
        assert_eq!(hits.count(), 1, "{text}");
    }
    for text in [
        "tenant_id%00=1",
        "tenant_id%=1",
        "%u0074enant_id=1",
        "tenant_id%ff=1",
        "tenant_id%0d%0a=1",
        "tenant_id\t=1",
        "tenant_id%c0%9f=1",
    ] {
        assert_eq!(Query::parse(text), Err(Refusal::RequestMalformed), "{text}");
    }
}

#[test]
fn no_parameter_hides_in_the_value_of_another() {
    for text in [
        "a=1;tenant_id=2",
        "a;tenant_id=2",
        "a=1%26tenant_id=2",
        "a=1%3Btenant_id=2",
        "a=1?tenant_id=2",
        "a=1%0atenant_id=2",
        "a==tenant_id=2",
        "a=1#&tenant_id",
    ] {
        let Ok(query) = Query::parse(text) else {
            continue;
        };
        let mut upstream = String::new();
        for pair in query
            .pairs()
            .iter()
            .filter(|pair| fold(&pair.name) != "tenant_id")
        {
            query::pass(&mut upstream, pair);
        }
        query::push(&mut upstream, "tenant_id", "1");
        let by_semicolon = upstream.split(['&', ';', '?', '#', '\n']);
        let values: Vec<&str> = by_semicolon
            .filter_map(|pair| pair.strip_prefix("tenant_id="))
            .collect();
        assert_eq!(values, ["1"], "{text} became {upstream}");
    }
}

#[test]
fn a_site_has_one_name() {
    for text in [
        "bi.example.com",
        "BI.example.com",
        "bi.example.com.",
        "bi.example.com:443",
        "Bi.Example.Com.:443",
    ] {
        assert_eq!(Host::parse(text).expect(text).name(), "bi.example.com");
    }
    for text in [
        "bi.example.com@evil.example",
        "evil.example@bi.example.com",
        "bi.example.com:80@evil.example",
        "bi.example.com:443:443",
        "bi.example.com evil.example",
        "bi.example.com,evil.example",
        "bi.example.com/",
        "bi.example.com%2eevil.example",
        "bi.example.com\\",
        "bi.example.com..",
        "bi.example.com#",
        "bi。example.com",
    ] {
        assert_eq!(Host::parse(text), Err(Refusal::RequestMalformed), "{text}");
    }
}
