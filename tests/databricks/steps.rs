//! The three steps: what they give, and what they refuse.

use serde_json::{Value, json};

use super::{
    ALL_APIS, FORM, access, basic, bearing,
    client::{get, post},
    databricks::{
        BROKER, SECRET, Standin, Step,
        store::{DRAFT, ELSEWHERE, OTHER, OTHER_SECRET, SALES, WORKSPACE},
    },
    error, form, info, rows, scoped, third, token, tokeninfo,
};

#[test]
fn a_principals_token_is_signed_and_lives_for_an_hour() {
    let standin = Standin::start();
    let reply = token(&standin, ALL_APIS);
    let body = reply.json();
    assert_eq!(
        (&body["expires_in"], &body["token_type"]),
        (&json!(3600), &json!("Bearer"))
    );
    assert_eq!(reply.header("cache-control"), Some("no-cache, no-store"));
    let claims = standin.claims(body["access_token"].as_str().unwrap());
    assert_eq!(
        (&claims["sub"], &claims["scope"]),
        (&json!(BROKER), &json!("all-apis"))
    );
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 3600);
    let set = get(standin.address, "/oidc/jwks.json", &[]).json();
    assert_eq!(set["keys"][0]["alg"], "ES256");
}

#[test]
fn the_token_endpoint_takes_one_basic_credential_and_a_form() {
    let standin = Standin::start();
    let good = basic(BROKER, SECRET);
    let with = |headers: &[(&str, &str)], body: &str| {
        let reply = post(standin.address, "/oidc/v1/token", headers, body.as_bytes());
        assert_eq!(
            reply.all("www-authenticate").len(),
            usize::from(reply.status == 401)
        );
        (reply.status, error(&reply))
    };
    let client = (401, "invalid_client".to_owned());
    let request = (400, "invalid_request".to_owned());
    let authorization = ("Authorization", good.as_str());
    assert_eq!(with(&[FORM], ALL_APIS), client, "none");
    assert_eq!(
        with(&[FORM, authorization, authorization], ALL_APIS),
        client,
        "two"
    );
    for wrong in [
        basic(BROKER, "wrong"),
        basic(BROKER, ""),
        basic("nobody", SECRET),
        basic(OTHER, SECRET),
        "Basic ".into(),
        "Basic !!!".into(),
        good.trim_end_matches('=').replace("Basic", "Bearer"),
    ] {
        assert_eq!(
            with(&[FORM, ("Authorization", &wrong)], ALL_APIS),
            client,
            "{wrong}"
        );
    }
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencoded; charset=latin1",
    ] {
        assert_eq!(
            with(&[("Content-Type", kind), authorization], ALL_APIS),
            request,
            "{kind}"
        );
    }
    assert_eq!(with(&[authorization], ALL_APIS), request, "no type");
    let charset = (
        "Content-Type",
        "application/x-www-form-urlencoded;charset=UTF-8",
    );
    assert_eq!(with(&[charset, authorization], ALL_APIS).0, 200);
    let both = format!("{ALL_APIS}&client_id={BROKER}&client_secret={SECRET}");
    assert_eq!(with(&[FORM, authorization], &both), request, "two ways");
    assert_eq!(with(&[FORM], &both), client, "in the body alone");
}

#[test]
fn the_form_is_held_to_rfc_6749() {
    let standin = Standin::start();
    let cases = [
        ("", "invalid_request"),
        ("scope=all-apis", "invalid_request"),
        ("grant_type=&scope=all-apis", "invalid_request"),
        (
            "grant_type=client_credentials&scope=all-apis&scope=all-apis",
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&grant_type=password&scope=all-apis",
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&scope=all apis",
            "invalid_request",
        ),
        ("grant_type=client_credentials&scope=%zz", "invalid_request"),
        ("grant_type=client_credentials&scope=%ff", "invalid_request"),
        ("grant_type=client_credentials&x={}", "invalid_request"),
        ("{\"grant_type\":\"client_credentials\"}", "invalid_request"),
        (
            "grant_type=password&scope=all-apis",
            "unsupported_grant_type",
        ),
        (
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
            "unsupported_grant_type",
        ),
        ("grant_type=client_credentials", "invalid_scope"),
        ("grant_type=client_credentials&scope=", "invalid_scope"),
        ("grant_type=client_credentials&scope=sql", "invalid_scope"),
        (
            "grant_type=client_credentials&scope=all-apis+sql",
            "invalid_scope",
        ),
    ];
    for (body, wanted) in cases {
        let reply = token(&standin, body);
        assert_eq!(
            (reply.status, error(&reply).as_str()),
            (400, wanted),
            "{body}"
        );
    }
    let good = basic(BROKER, SECRET);
    let headers = [FORM, ("Authorization", good.as_str())];
    let target = format!("/oidc/v1/token?{ALL_APIS}");
    assert_eq!(post(standin.address, &target, &headers, b"").status, 400);
    let asked = get(standin.address, "/oidc/v1/token", &headers);
    assert_eq!((asked.status, asked.header("allow")), (405, Some("POST")));
}

#[test]
fn secrets_overlap_and_end() {
    let standin = Standin::start();
    let with = |secret: &str| {
        let credentials = basic(BROKER, secret);
        let headers = [FORM, ("Authorization", credentials.as_str())];
        post(
            standin.address,
            "/oidc/v1/token",
            &headers,
            ALL_APIS.as_bytes(),
        )
        .status
    };
    standin.edit(|workspace| workspace.principal(BROKER).secrets.push("next".into()));
    assert_eq!((with(SECRET), with("next")), (200, 200));
    let old = access(&standin);
    standin.edit(|workspace| {
        let secrets = &mut workspace.principal(BROKER).secrets;
        secrets.retain(|one| one == "next");
    });
    assert_eq!((with(SECRET), with("next")), (401, 200));
    let target = tokeninfo(SALES, "v", "999");
    assert_eq!(
        bearing(&standin, &target, &old).status,
        200,
        "a token outlives its secret"
    );
    standin.edit(|workspace| workspace.revoke_tokens(BROKER));
    assert_eq!(bearing(&standin, &target, &old).status, 401);
    standin.edit(|workspace| workspace.behaviour.bad_token = 403);
    assert_eq!(bearing(&standin, &target, &old).status, 403);
}

#[test]
fn wrong_secrets_in_a_row_lock_the_principal() {
    let standin = Standin::start();
    let wrong = basic(BROKER, "wrong");
    let hammer = || {
        let headers = [FORM, ("Authorization", wrong.as_str())];
        post(
            standin.address,
            "/oidc/v1/token",
            &headers,
            ALL_APIS.as_bytes(),
        )
        .status
    };
    for _ in 0..4 {
        assert_eq!(hammer(), 401);
    }
    assert_eq!(
        token(&standin, ALL_APIS).status,
        200,
        "a right one begins anew"
    );
    for _ in 0..5 {
        assert_eq!(hammer(), 401);
    }
    assert_eq!(token(&standin, ALL_APIS).status, 401, "locked");
    standin.edit(|workspace| {
        let principal = workspace.principal(BROKER);
        assert_eq!(principal.locks, 1);
        principal.locked_until = 0;
    });
    assert_eq!(token(&standin, ALL_APIS).status, 200);
}

#[test]
fn tokeninfo_gives_what_the_third_step_must_repeat() {
    let standin = Standin::with(|workspace| {
        workspace.behaviour.extra = vec![
            ("hint".into(), json!("keep me")),
            ("level".into(), json!(3)),
        ];
    });
    let given = info(&standin, SALES, "viewer-1", "999");
    let claim = format!("urn:aibi:external_data:999:viewer-1:{SALES}");
    assert_eq!(given["custom_claim"], claim);
    let detail = &given["authorization_details"][0];
    assert_eq!(
        detail["resource_name"],
        format!("workspaces/{WORKSPACE}/dashboards/{SALES}")
    );
    let names: Vec<_> = given.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "authorization_details",
            "custom_claim",
            "scope",
            "hint",
            "level"
        ]
    );
    let reply = token(&standin, &third(&given));
    let claims = standin.claims(reply.json()["access_token"].as_str().unwrap());
    assert_eq!(claims["custom"]["claim"], claim);
    assert_eq!(claims["scope"], given["scope"]);
    assert_eq!(
        claims["authorization_details"],
        given["authorization_details"]
    );
    for name in ["hint", "level"] {
        let mut less = given.clone();
        less.as_object_mut().unwrap().shift_remove(name);
        assert_eq!(
            error(&token(&standin, &third(&less))),
            "invalid_request",
            "{name}"
        );
    }
}

#[test]
fn tokeninfo_is_for_principals_that_may_run_what_is_published() {
    let standin = Standin::start();
    let all = access(&standin);
    let code = |target: &str, token: &str| {
        let reply = bearing(&standin, target, token);
        let body = reply.json();
        assert!(body["message"].is_string(), "{body}");
        (
            reply.status,
            body["error_code"].as_str().unwrap().to_owned(),
        )
    };
    let missing = (404, "RESOURCE_DOES_NOT_EXIST".to_owned());
    let denied = (403, "PERMISSION_DENIED".to_owned());
    let unknown = (401, "UNAUTHENTICATED".to_owned());
    let wrong = (400, "INVALID_PARAMETER_VALUE".to_owned());
    assert_eq!(code(&tokeninfo("nowhere", "v", "1"), &all), missing);
    assert_eq!(code(&tokeninfo(DRAFT, "v", "1"), &all), missing);
    assert_eq!(code(&tokeninfo(ELSEWHERE, "v", "1"), &all), denied);
    let target = tokeninfo(SALES, "v", "1");
    let viewer = scoped(&standin, SALES, "v", "1");
    assert_eq!(code(&target, &viewer), denied, "a viewer's token");
    assert_eq!(code(&target, "x.y.z"), unknown);
    let (text, signature) = all.rsplit_once('.').unwrap();
    let forged: String = signature.chars().rev().collect();
    assert_eq!(code(&target, &format!("{text}.{forged}")), unknown);
    assert_eq!(get(standin.address, &target, &[]).status, 401);
    let path = target.split('?').next().unwrap();
    for query in [
        "",
        "?external_viewer_id=&external_value=1",
        "?external_value=1",
        "?external_viewer_id=v&external_viewer_id=v&external_value=1",
        "?external_viewer_id=v&external_value=1&external_value=2",
        "?external_viewer_id=v&external_value=%ff",
        "?external_viewer_id=v&external_value=1&more=1",
    ] {
        assert_eq!(code(&format!("{path}{query}"), &all), wrong, "{query}");
    }
    let (long, longest) = ("ü".repeat(512), "ü".repeat(511));
    assert_eq!(
        code(&tokeninfo(SALES, "v", &long), &all),
        wrong,
        "1025 bytes"
    );
    assert_eq!(
        bearing(&standin, &tokeninfo(SALES, "v", &longest), &all).status,
        200
    );
    standin.edit(|workspace| workspace.withdraw(SALES));
    assert_eq!(code(&target, &all), denied, "withdrawn");
}

#[test]
fn the_third_step_takes_what_tokeninfo_gave_and_nothing_else() {
    let standin = Standin::start();
    let given = info(&standin, SALES, "v", "999");
    let code = |change: &dyn Fn(&mut Value)| {
        let mut info = given.clone();
        change(&mut info);
        error(&token(&standin, &third(&info)))
    };
    assert_eq!(code(&|_| {}), "");
    let details = "invalid_authorization_details";
    assert_eq!(
        code(&|info| info["authorization_details"] = json!([])),
        details
    );
    assert_eq!(
        code(&|info| info["authorization_details"] = json!("x")),
        details
    );
    assert_eq!(
        code(&|info| info["authorization_details"][0]["resource_name"] = json!("*")),
        details
    );
    assert_eq!(
        code(&|info| info["authorization_details"][0]["more"] = json!(1)),
        details
    );
    assert_eq!(
        code(&|info| drop(info["authorization_details"].as_array_mut().unwrap().pop())),
        details
    );
    let more = |more: Value| {
        code(&|info| {
            let details = info["authorization_details"].as_array_mut().unwrap();
            details.push(more.clone());
        })
    };
    assert_eq!(
        more(given["authorization_details"][0].clone()),
        details,
        "twice"
    );
    let lock = json!({"type": "unity_catalog_privileges", "privileges": ["SELECT"], "object_type": "TABLE", "object_full_path": "main.sales.accounts"});
    assert_eq!(more(lock.clone()), "", "a second lock");
    let mut empty = lock;
    empty["privileges"] = json!([]);
    assert_eq!(more(empty), details);
    for scope in ["", "all-apis", "dashboards.query-execution all-apis", "sql"] {
        assert_eq!(
            code(&|info| info["scope"] = json!(scope)),
            "invalid_scope",
            "{scope}"
        );
    }
    let claim = format!("urn:aibi:external_data:777:v:{SALES}");
    assert_eq!(
        code(&|info| info["custom_claim"] = json!(claim)),
        "invalid_request",
        "another value"
    );
    standin.edit(|workspace| workspace.behaviour.remembers = false);
    assert_eq!(
        code(&|info| info["custom_claim"] = json!(claim)),
        "",
        "unless nobody remembers"
    );
    standin.edit(|workspace| workspace.withdraw(SALES));
    assert_eq!(code(&|_| {}), details, "withdrawn between the steps");
}

#[test]
fn what_one_principal_was_given_is_nothing_to_another() {
    let standin = Standin::start();
    let given = info(&standin, SALES, "v", "999");
    let other = basic(OTHER, OTHER_SECRET);
    let headers = [FORM, ("Authorization", other.as_str())];
    let reply = post(
        standin.address,
        "/oidc/v1/token",
        &headers,
        third(&given).as_bytes(),
    );
    assert_eq!(error(&reply), "invalid_request");
}

#[test]
fn calls_are_told_apart_and_remembered() {
    let standin = Standin::start();
    let token = scoped(&standin, SALES, "v", "999");
    let _rows = rows(&standin, &token, SALES, "accounts");
    let steps: Vec<_> = standin.calls().iter().map(|call| call.step).collect();
    assert_eq!(steps, [Step::Access, Step::Info, Step::Scoped, Step::Data]);
    for call in standin.calls() {
        assert_eq!(
            (call.status, call.principal.as_deref()),
            (200, Some(BROKER))
        );
    }
    assert_eq!(standin.last().step, Step::Data);
    standin.forget();
    assert_eq!(standin.count(Step::Data), 0);
    assert_eq!(form(&[("a b", "ü&~")]), "a+b=%C3%BC%26%7E");
}
