use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::{
    adapter::metabase::{
        Kind,
        filters::testing::{CATEGORY, ORG, PLAN, PRICE, TENANT, World, many, one, world},
    },
    gate::{
        param::{Mode, Type},
        refusal::Refusal,
    },
};

/// The key of the vectors.
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn mint() -> Mint {
    Mint::new(&SecretBytes::new(KEY), Duration::from_mins(1))
}

fn payload(token: &str) -> String {
    let payload = token.split('.').nth(1).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn token(world: &World) -> Result<String, Denial> {
    let rules = world.rules();
    let item = Item {
        kind: Kind::Dashboard,
        id: ItemId::Number(10),
    };
    mint().token(&item, rules.lens, rules.granted, UnixTime(1_000))
}

fn params(world: &World) -> Result<Value, Denial> {
    let payload: Value = serde_json::from_str(&payload(&token(world)?)).unwrap();
    Ok(payload["params"].clone())
}

/// Each vector that Metabase accepts, and those that it refuses for other reasons than the signature, carry a signature that this key makes.
#[test]
fn signatures_are_metabases() {
    for (name, payload, signature) in [
        (
            "ok-dashboard-locked",
            r#"{"resource":{"dashboard":10},"params":{"tenant":["acme"]},"exp":4102444800}"#,
            "w0fMC58oMVh5Rnor8xOt-JM9CyxwB7dic2aSRFdotEE",
        ),
        (
            "ok-question",
            r#"{"resource":{"question":5},"params":{},"exp":4102444800}"#,
            "xU9EX1ecHoNW5DVG8iOXOD7gBEHCDhfO4rv1zDltb5k",
        ),
        (
            "no-exp",
            r#"{"resource":{"dashboard":10},"params":{"tenant":["acme"]}}"#,
            "hQdtYO5nZkHv-hTwUtYr7f8-CSfveArwVxXJV13l9os",
        ),
        (
            "locked-empty-list",
            r#"{"resource":{"dashboard":10},"params":{"tenant":[]},"exp":4102444800}"#,
            "7tWRh_FFx9DczdgzmKlepc5TIDW3Vy3CK3ShUGDAzVQ",
        ),
        (
            "expired",
            r#"{"resource":{"dashboard":10},"params":{},"exp":1000000000}"#,
            "d_JhHaDuBIVOUWH6Fp60CxeIcETe0ZR7uH6nBCZ_Yo8",
        ),
        (
            "nbf-future",
            r#"{"resource":{"dashboard":10},"params":{},"exp":4102444800,"nbf":4102444790}"#,
            "QWohSycb0tewhUvJ33Idy5RCoDWjofVgoDJMIYZjUjw",
        ),
        (
            "no-params",
            r#"{"resource":{"dashboard":10},"exp":4102444800}"#,
            "4-lkqrPDGV12JQsIM-xzMwUjEWlb-gtuXrJeTDQAPIA",
        ),
        (
            "string-id",
            r#"{"resource":{"dashboard":"8"},"params":{},"exp":4102444800}"#,
            "OGw2_amztINI9tTPuQP2DYiLA8-FuFFd-0Sit34qay8",
        ),
        (
            "params-array",
            r#"{"resource":{"dashboard":10},"params":[],"exp":4102444800}"#,
            "4ks0tOTbgWN3bZWkGbSg7_hccVhwRi59SIenYsVRH0I",
        ),
    ] {
        let token = mint().sign(payload);
        let (signed, made) = token.rsplit_once('.').unwrap();
        assert_eq!(made, signature, "{name}");
        let head = signed.split('.').next().unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.decode(head).unwrap(),
            br#"{"alg":"HS256","typ":"JWT"}"#
        );
    }
}

#[test]
fn the_key_is_the_text_and_not_what_it_spells() {
    let decoded: Vec<u8> = [1_u8, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(4);
    let mint = Mint::new(&SecretBytes::new(&decoded), Duration::from_mins(1));
    let token = mint.sign(r#"{"resource":{"dashboard":10},"params":{},"exp":4102444800}"#);
    let vector = "F1m_Ivc0yc0Zps2Nhwi1MNhFaPd2Jp5mE_T1IH6-c7c";
    assert!(
        token.ends_with(vector),
        "the vector `hex-decoded-key`: {token}"
    );
}

#[test]
fn a_token_says_item_values_and_times() {
    assert_eq!(
        payload(&token(&world()).unwrap()),
        r#"{"resource":{"dashboard":10},"params":{"tenant":["acme"],"plan":["gold"]},"iat":1000,"exp":1060}"#
    );
    let rules = world();
    let rules = rules.rules();
    let item = Item {
        kind: Kind::Question,
        id: ItemId::Number(5),
    };
    let long = Mint::new(&SecretBytes::new(KEY), Duration::from_hours(9));
    let token = long
        .token(&item, rules.lens, rules.granted, UnixTime(0))
        .unwrap();
    let read: Value = serde_json::from_str(&payload(&token)).unwrap();
    assert_eq!(read["resource"], json!({"question": 5}));
    assert_eq!(read["exp"], 120, "never longer than two minutes");
}

#[test]
fn an_entity_id_is_text_and_a_number_is_none() {
    let item = Item {
        kind: Kind::Dashboard,
        id: ItemId::parse("J3kT_fN0-aBcDeFgHiJkL").unwrap(),
    };
    let world = world();
    let rules = world.rules();
    let token = mint().token(&item, rules.lens, rules.granted, UnixTime(0));
    let read: Value = serde_json::from_str(&payload(&token.unwrap())).unwrap();
    assert_eq!(
        read["resource"],
        json!({"dashboard": "J3kT_fN0-aBcDeFgHiJkL"})
    );
    assert_eq!(format!("{:?}", mint()), "Mint(…)");
}

#[test]
fn numbers_are_exact_and_text_is_quoted() {
    let big = "123456789012345678901234567890";
    let world = world().with(PRICE, Some(one(big, Type::Integer))).with(
        CATEGORY,
        Some(many(&["a\"b", "\\", "ü\u{2028}"], Type::String)),
    );
    let text = payload(&token(&world).unwrap());
    assert!(text.contains(&format!("\"price\":[{big}]")), "{text}");
    assert_eq!(
        params(&world).unwrap()["category"],
        json!(["a\"b", "\\", "ü\u{2028}"])
    );
}

/// B36: an empty list stands for "all" where the token says so, and nowhere else.
#[test]
fn an_empty_list_is_never_an_accident() {
    assert_eq!(
        params(&world().with_all(TENANT)).unwrap()["tenant"],
        json!([])
    );
    let denial = token(&world().with(TENANT, None)).unwrap_err();
    assert_eq!(denial.refusal, Refusal::ParamMissing);
    assert_eq!(denial.detail.as_deref(), Some("tenant"));
    assert_eq!(denial.told, None);
    let denial = token(&world().with(PLAN, None).with_all(CATEGORY)).unwrap_err();
    assert_eq!(
        denial.refusal,
        Refusal::ParamInvalid,
        "`category` is not locked"
    );
    let mut short = world();
    short.modes.truncate(1);
    assert_eq!(token(&short).unwrap_err().refusal, Refusal::ParamMissing);
}

#[test]
fn what_an_item_does_not_have_is_left_out_or_refused() {
    assert_eq!(params(&world()).unwrap().get("org"), None);
    let locked = params(&world().mode(ORG, Mode::Locked)).unwrap();
    assert_eq!(locked["org"], json!([7]));
    let preset = world().mode(PLAN, Mode::Disabled);
    assert_eq!(token(&preset).unwrap_err().refusal, Refusal::ParamDisabled);
    let stricter = world().mode(CATEGORY, Mode::Locked);
    assert_eq!(token(&stricter).unwrap_err().refusal, Refusal::ParamMissing);
}
