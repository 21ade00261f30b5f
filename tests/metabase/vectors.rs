//! The token vectors of the contract.

use super::{Standin, accounts, get, good, refused};

/// Header and claims say what they are; the key is the stand-in's.
const OK_DASHBOARD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7InRlbmFudCI6WyJhY21lIl19LCJleHAiOjQxMDI0NDQ4MDB9.w0fMC58oMVh5Rnor8xOt-JM9CyxwB7dic2aSRFdotEE";
const OK_QUESTION: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJxdWVzdGlvbiI6NX0sInBhcmFtcyI6e30sImV4cCI6NDEwMjQ0NDgwMH0.xU9EX1ecHoNW5DVG8iOXOD7gBEHCDhfO4rv1zDltb5k";
const NO_EXP: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7InRlbmFudCI6WyJhY21lIl19fQ.hQdtYO5nZkHv-hTwUtYr7f8-CSfveArwVxXJV13l9os";
const EMPTY_LIST: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7InRlbmFudCI6W119LCJleHAiOjQxMDI0NDQ4MDB9.7tWRh_FFx9DczdgzmKlepc5TIDW3Vy3CK3ShUGDAzVQ";
const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjoxMDAwMDAwMDAwfQ.d_JhHaDuBIVOUWH6Fp60CxeIcETe0ZR7uH6nBCZ_Yo8";
const EARLY: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwLCJuYmYiOjQxMDI0NDQ3OTB9.QWohSycb0tewhUvJ33Idy5RCoDWjofVgoDJMIYZjUjw";
const NO_PARAMS: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwiZXhwIjo0MTAyNDQ0ODAwfQ.4-lkqrPDGV12JQsIM-xzMwUjEWlb-gtuXrJeTDQAPIA";
const ALG_NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwfQ.8T_ILBGi4ACUooo5thVj8KZn3MC8jJJ7gSp9BmKoEC4";
const NO_ALG: &str = "eyJ0eXAiOiJKV1QifQ.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwfQ.03tacEJhx9kRCWnydF1BA5kVoXh6-QHXSEwYS4cWGws";
const HEX_DECODED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwfQ.F1m_Ivc0yc0Zps2Nhwi1MNhFaPd2Jp5mE_T1IH6-c7c";
const HS512: &str = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjp7fSwiZXhwIjo0MTAyNDQ0ODAwfQ.-oZCX-u2Yi3StSmbx3CSABjquhDzU9qxPbEKIEvtnD1gxTyLzXOsQBoPvvOXgtp2WJ3IG-Zn6KJJy4d8ecaOtA";
const STRING_ID: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOiI4In0sInBhcmFtcyI6e30sImV4cCI6NDEwMjQ0NDgwMH0.OGw2_amztINI9tTPuQP2DYiLA8-FuFFd-0Sit34qay8";
const PARAMS_ARRAY: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZXNvdXJjZSI6eyJkYXNoYm9hcmQiOjEwfSwicGFyYW1zIjpbXSwiZXhwIjo0MTAyNDQ0ODAwfQ.4ks0tOTbgWN3bZWkGbSg7_hccVhwRi59SIenYsVRH0I";

#[test]
fn good_tokens_give_what_they_say() {
    let standin = Standin::start();
    let data = "dashcard/31/card/44";
    good(&standin, &format!("/api/embed/dashboard/{OK_DASHBOARD}"));
    for (token, named) in [(OK_DASHBOARD, 7), (NO_EXP, 7), (EMPTY_LIST, 16)] {
        let target = format!("/api/embed/dashboard/{token}/{data}");
        assert_eq!(accounts(&standin, &target), named, "{token}");
    }
    good(&standin, &format!("/api/embed/card/{OK_QUESTION}"));
    let reply = good(&standin, &format!("/api/embed/card/{OK_QUESTION}/query"));
    assert_eq!(reply.json()["data"]["rows"].as_array().unwrap().len(), 3);
}

#[test]
fn bad_tokens_are_told_why() {
    let standin = Standin::start();
    let corrupt = "Message seems corrupt or manipulated";
    for (token, text) in [
        (EXPIRED, "Token is expired (1000000000)"),
        (EARLY, "Token is not yet valid (4102444790)"),
        (NO_PARAMS, "Token is missing value for keypath [:params]"),
        (ALG_NONE, "JWT `alg` cannot be `none`."),
        (NO_ALG, "JWT is missing `alg`."),
        (HEX_DECODED, corrupt),
        (HS512, corrupt),
        (
            STRING_ID,
            "Invalid input: [\"value must be an integer greater than zero., got: \"8\"\"]",
        ),
        (
            PARAMS_ARRAY,
            "Invalid input: {:params [\"invalid type, got: []\"]}",
        ),
        ("ey.ey.ey", corrupt),
    ] {
        for rest in ["", "/dashcard/31/card/44"] {
            refused(
                &standin,
                &format!("/api/embed/dashboard/{token}{rest}"),
                400,
                text,
            );
        }
    }
    for shape in ["x", "a.b.c%20d", "10"] {
        let reply = get(
            standin.address,
            &format!("/api/embed/dashboard/{shape}"),
            &[],
        );
        assert_eq!(
            (reply.status, reply.text()),
            (404, "API endpoint does not exist.")
        );
    }
}
