use proptest::prelude::*;

use super::*;
use crate::{
    gate::param::{Scalar, Type},
    rewrite::judge::tests::{int, integer, one, spec},
};

/// `tenant_id` locked to 99 as `tenant`, `region` enabled, `debug` disabled, `ids` a locked list; `embed_token` is dropped.
struct Setup {
    params: Vec<ParamSpec>,
    values: Vec<Option<Value>>,
    locks: Vec<Lock>,
    drop: Vec<Box<str>>,
}

impl Setup {
    fn new() -> Self {
        let ids = ParamSpec {
            list: true,
            ..integer("ids", Mode::Locked)
        };
        let many = ["1", "2"].map(|text| Scalar {
            text: text.into(),
            kind: Type::Integer,
        });
        let lock = |param, name: &str| Lock {
            param,
            place: Place::Query(name.into()),
        };
        Self {
            params: vec![
                integer("tenant_id", Mode::Locked),
                spec("region", Mode::Enabled),
                spec("debug", Mode::Disabled),
                ids,
            ],
            values: vec![Some(int("99")), None, None, Some(Value::Many(many.into()))],
            locks: vec![lock(0, "tenant"), lock(3, "ids")],
            drop: vec!["embed_token".into()],
        }
    }

    fn over(&self, text: &str) -> Result<String, Denial> {
        self.allowing(text, None)
    }

    fn allowing(&self, text: &str, allow: Option<&[Box<str>]>) -> Result<String, Denial> {
        let bindings = Bindings {
            params: &self.params,
            values: &self.values,
            locks: &self.locks,
        };
        rebuild(&Query::parse(text)?, bindings, &self.drop, allow)
    }
}

const LOCKED: &str = "tenant=99&ids=1&ids=2";

#[test]
fn locked_values_stand_once() {
    let setup = Setup::new();
    for (client, upstream) in [
        ("", ""),
        ("page=2", "page=2&"),
        ("tenant=99", ""),
        ("tenant_id=99&page=2", "page=2&"),
        ("TENANT_ID=99&tenant%5Fid%5b%5d=99", ""),
        ("ids=2&ids=1", ""),
        ("region=west", "region=west&"),
        ("region=", "region=&"),
        ("embed_token=secret&page=2", "page=2&"),
        ("EMBED_TOKEN=secret", ""),
        (
            "flag&q=(columns:!(id,slug))",
            "flag&q=(columns:!(id,slug))&",
        ),
    ] {
        assert_eq!(
            setup.over(client),
            Ok(format!("{upstream}{LOCKED}")),
            "{client}"
        );
    }
}

#[test]
fn attempts_on_parameters_are_refused() {
    let setup = Setup::new();
    for (client, refusal, name) in [
        ("tenant=777", Refusal::ParamLocked, "tenant_id"),
        ("tenant=99&tenant=777", Refusal::ParamLocked, "tenant_id"),
        ("tenant_id=777", Refusal::ParamLocked, "tenant_id"),
        ("tenant%5Fid=777", Refusal::ParamLocked, "tenant_id"),
        ("tenant%255Fid=777", Refusal::ParamLocked, "tenant_id"),
        ("TENANT_ID=777", Refusal::ParamLocked, "tenant_id"),
        ("tenant_id[]=777", Refusal::ParamLocked, "tenant_id"),
        ("tenant_id[0]=777", Refusal::ParamLocked, "tenant_id"),
        ("tenant[x]=777", Refusal::ParamLocked, "tenant_id"),
        (
            "%EF%BD%94%EF%BD%85%EF%BD%8E%EF%BD%81%EF%BD%8E%EF%BD%94=777",
            Refusal::ParamLocked,
            "tenant_id",
        ),
        ("tenant_id+=777", Refusal::ParamLocked, "tenant_id"),
        ("tenant_id", Refusal::ParamLocked, "tenant_id"),
        ("tenant_id=", Refusal::ParamLocked, "tenant_id"),
        ("tenant_id=99%20OR%201", Refusal::ParamLocked, "tenant_id"),
        ("ids=1", Refusal::ParamLocked, "ids"),
        ("ids=1&ids=3", Refusal::ParamLocked, "ids"),
        ("ids=1,2", Refusal::ParamLocked, "ids"),
        ("debug=1", Refusal::ParamDisabled, "debug"),
        ("debug", Refusal::ParamDisabled, "debug"),
        ("DeBuG[]=1", Refusal::ParamDisabled, "debug"),
        ("region=a&region=b", Refusal::ParamInvalid, "region"),
        ("REGION=a", Refusal::ParamInvalid, "region"),
        ("region[]=a", Refusal::ParamInvalid, "region"),
    ] {
        let denial = setup.over(client).expect_err(client);
        assert_eq!(
            (denial.refusal, denial.detail.as_deref()),
            (refusal, Some(name)),
            "{client}"
        );
    }
}

#[test]
fn a_locked_parameter_without_a_value_is_never_left_out() {
    let mut setup = Setup::new();
    setup.values[0] = None;
    assert_eq!(
        setup.over("page=1").unwrap_err().refusal,
        Refusal::ParamMissing
    );
}

#[test]
fn the_viewer_replaces_a_preset() {
    let mut setup = Setup::new();
    setup.values[1] = Some(one("us west"));
    setup.locks.push(Lock {
        param: 1,
        place: Place::Query("r".into()),
    });
    assert_eq!(setup.over(""), Ok(format!("{LOCKED}&r=us%20west")));
    assert_eq!(setup.over("region=east"), Ok(format!("r=east&{LOCKED}")));
    assert_eq!(setup.over("r=east"), Ok(format!("r=east&{LOCKED}")));
    assert_eq!(
        setup.over("r=east&region=east").unwrap_err().refusal,
        Refusal::ParamInvalid
    );
}

#[test]
fn an_allow_list_names_exactly() {
    let setup = Setup::new();
    let allow: [Box<str>; 1] = ["page".into()];
    let over = |text| setup.allowing(text, Some(&allow));
    assert_eq!(
        over("page=1&sort=2&PAGE=3&region=x"),
        Ok(format!("page=1&{LOCKED}"))
    );
    assert_eq!(
        over("tenant=1").unwrap_err().refusal,
        Refusal::ParamLocked,
        "judged before it is dropped"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_upstream_reads_each_locked_value_exactly_once(pairs in prop::collection::vec(("(tenant|region|ids|x|%74enant|tenant_id|\\PC)(\\[\\])?", "(99|1|2|[ -~]{0,4})"), 0..5)) {
        let encoded: Vec<String> = pairs
            .iter()
            .map(|(name, value)| {
                let mut text = String::new();
                query::push(&mut text, name, value);
                text
            })
            .collect();
        let text = encoded.join("&");
        if let Ok(upstream) = Setup::new().over(&text) {
            let read = Query::parse(&upstream).unwrap();
            for (param, expected) in [("tenant", vec!["99"]), ("ids", vec!["1", "2"]), ("tenant_id", vec![])] {
                let folded: Vec<_> = read.pairs().iter().filter(|pair| query::fold(&pair.name) == param).map(|pair| pair.value.as_deref().unwrap()).collect();
                prop_assert_eq!(folded, expected, "{} became {}", text, upstream);
            }
            let again = Setup::new().over(&upstream).unwrap();
            prop_assert_eq!(again, upstream, "idempotent");
        }
    }
}
