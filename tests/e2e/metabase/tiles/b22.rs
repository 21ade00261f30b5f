//! B22: tiles of other columns, tiles without the lock, and the older form in which nothing is locked.

use super::*;

#[test]
fn b22_no_other_columns_become_coordinates() {
    let scene = scene("");
    let hostile = [
        r#"["field",62,null]"#,
        r#"["field","NAME",{"base-type":"type/Text"}]"#,
        r#"["field",67,{"join-alias":"Other"}]"#,
        r#"["field","67",null]"#,
        r#"["field",67.0,null]"#,
        r#"["field-id",67]"#,
        r#"["field",67,null,62]"#,
        r#"["expression","LATITUDE"]"#,
        r#"["field",{"base-type":"type/Float"},67]"#,
        r#"["field",67,{"a":1,"a":2}]"#,
        "67",
        "62",
        "NAME",
        "",
        "null",
    ];
    for way in WAYS {
        for sent in hostile {
            for query in [query(sent, LONGITUDE), query(LATITUDE, sent)] {
                let reply = tile(&scene, way, &query);
                refused(&scene, &reply, "param_invalid");
                let said = reply.json()["message"].clone();
                assert_eq!(said, "This map is drawn from other columns.", "{sent}");
            }
        }
        // Each by itself is the map's own.
        refused(
            &scene,
            &tile(&scene, way, &query(LONGITUDE, LATITUDE)),
            "param_invalid",
        );
    }
}

#[test]
fn b22_the_columns_of_a_tile_are_said_once_and_both() {
    let scene = scene("");
    let (lat, lon) = (encoded(LATITUDE), encoded(LONGITUDE));
    for way in WAYS {
        for query in [
            String::new(),
            format!("latField={lat}"),
            format!("lonField={lon}"),
            format!("{}&latField={}", own(), encoded(r#"["field",62,null]"#)),
            format!("latField={}&{}", encoded(r#"["field",62,null]"#), own()),
            format!("latfield={lat}&lonField={lon}"),
            format!("latField[]={lat}&lonField={lon}"),
            format!("{}&parameters=%5B%5D&parameters=%5B%5D", own()),
        ] {
            refused(&scene, &tile(&scene, way, &query), "request_malformed");
        }
        // What means nothing to a tile does not pass.
        let query = format!("{}&latField2=x&query=%7B%7D&ignore_cache=true", own());
        points(&tile(&scene, way, &query));
        assert_eq!(sent(&scene).query().len(), 3);
        scene.metabase.forget();
    }
}

/// Rows 89 and 90.
#[test]
fn columns_through_an_implicit_join_are_refused() {
    let scene = scene("");
    let joined = r#"["field",67,{"source-field":60}]"#;
    for way in WAYS {
        let reply = tile(&scene, way, &query(joined, LONGITUDE));
        refused(&scene, &reply, "param_invalid");
        assert_eq!(
            reply.json()["message"],
            "Fields referenced via implicit joins are not supported."
        );
    }
}

#[test]
fn b22_the_lock_holds_whatever_the_parameters_say() {
    for (more, unknown) in [
        ("", "param_invalid"),
        ("api_key = { env = \"MB_KEY\" }", "param_locked"),
    ] {
        let scene = scene(more);
        for way in WAYS {
            let code = if way.is_public() {
                "param_locked"
            } else {
                unknown
            };
            for value in [json!([777]), json!(777), json!(null), json!([]), json!("")] {
                let filters = json!([{"id": way.id(1), "value": value}]);
                refused(&scene, &tile(&scene, way, &parameters(&filters)), code);
            }
            let slug = json!([{"id": "organization_id", "value": [777]}]);
            let reply = tile(&scene, way, &parameters(&slug));
            refused(&scene, &reply, &reply.code());
            assert_eq!(reply.status, 403);
            for key in ["organization_id=777", &format!("{}=777", way.id(1))] {
                let reply = tile(&scene, way, &format!("{}&{key}", own()));
                if reply.status == 200 {
                    assert_eq!(points(&reply), places(999, None), "{way:?} {key}");
                    scene.metabase.forget();
                }
            }
            for broken in ["{}", "[", "[1]", "[{\"value\":[999]}]"] {
                let query = format!("{}&parameters={}", own(), encoded(broken));
                refused(&scene, &tile(&scene, way, &query), "request_malformed");
            }
        }
    }
}

#[test]
fn b22_the_older_form_is_not_there_and_a_tile_has_one_name() {
    let scene = scene("");
    for way in WAYS {
        let token = way.token(&json!({"organization_id": 999}), "view");
        let columns = [67, 68]
            .map(|id| encoded(&format!("[\"field\",{id}]")))
            .join("/");
        for spot in [
            format!("1/1/0/{columns}"),
            "1/1/0/67/68".into(),
            "1/1".into(),
            "01/1/0".into(),
            "1/-1/0".into(),
            "1/1/+0".into(),
            "1/1/0.0".into(),
            "1/2/0".into(),
            "31/0/0".into(),
            "64/0/0".into(),
            "1/a/0".into(),
            "99999999999999999999/0/0".into(),
        ] {
            let path = format!("{}?{}", way.path(&token, &spot), own());
            refused(&scene, &ask(&scene, way, &path, &token), "route_denied");
        }
        for spot in ["0/0/0", "18/130000/90000"] {
            let path = format!("{}?{}", way.path(&token, spot), own());
            points(&ask(&scene, way, &path, &token));
            let seen = sent(&scene);
            assert!(seen.path().ends_with(&format!("/{spot}")), "{seen:?}");
        }
        scene.metabase.forget();
    }
}

#[test]
fn b22_below_the_version_that_locks_tiles_there_are_none() {
    let other = ["", "version = 57\n", "version = 54\n"];
    for version in other {
        let metabase = Standin::with(Behaviour::old());
        let text = text(metabase.address, &links("")).replace("version = 58\n", version);
        let gateway = Gateway::start_with(&text, &|name| {
            (name == "MB_SECRET").then(|| SECRET.to_owned())
        });
        let scene = Scene { metabase, gateway };
        for way in WAYS {
            let token = way.token(&json!({"organization_id": 999}), "view");
            let columns = [62, 68]
                .map(|id| encoded(&format!("[\"field\",{id}]")))
                .join("/");
            for spot in ["1/1/0".to_owned(), format!("1/1/0/{columns}")] {
                let path = format!("{}?{}", way.path(&token, &spot), own());
                refused(&scene, &ask(&scene, way, &path, &token), "route_denied");
            }
        }
        // Which is as well: this Metabase asks nobody for what is locked.
        let signed = crate::support::metabase::token::sign(
            SECRET,
            &json!({"resource": {"question": 9}, "params": {"organization_id": [999]}, "exp": 4_102_444_800_i64}),
        );
        let path = format!("/api/embed/tiles/card/{signed}/1/1/0/62/68");
        let leaked = get(scene.metabase.address, &path, &[("Host", HOST)]);
        assert_eq!(points(&leaked).as_array().unwrap().len(), ACCOUNTS.len());
    }
}
