use proptest::prelude::*;

use super::*;
use crate::{
    adapter::metabase::filters::testing::{
        CATEGORY, Layout, PLAN, PRICE, TENANT, World, layout, many, world,
    },
    gate::param::Type,
};

fn drop_places() -> Vec<Box<str>> {
    vec!["embed_token".into()]
}

fn ask(world: &World, text: &str, link: bool) -> Result<String, Denial> {
    let query = Query::parse(text).unwrap();
    if link {
        public(&query, &layout(), world.rules(), &drop_places())
    } else {
        signed(&query, &layout(), world.rules(), &drop_places(), false)
    }
}

/// Rows 62, 65, 67, 68, B19: whose values may be asked for.
#[test]
fn only_open_parameters_have_values() {
    let world = world();
    assert_eq!(target("c0ffee", &layout(), world.rules()), Ok(CATEGORY));
    assert_eq!(target("bead01", &layout(), world.rules()), Ok(PRICE));
    for (id, refusal) in [
        ("5aefc7", Refusal::ParamLocked),
        ("bead02", Refusal::ParamLocked),
        ("bead03", Refusal::ParamDisabled),
        ("5AEFC7", Refusal::ParamLocked),
        ("tenant", Refusal::ParamLocked),
        ("category", Refusal::ParamInvalid),
        ("nobody", Refusal::ParamInvalid),
        ("", Refusal::ParamInvalid),
    ] {
        let denial = target(id, &layout(), world.rules()).unwrap_err();
        assert_eq!(denial.refusal, refusal, "{id}");
    }
    let denial = target("5aefc7", &layout(), world.rules()).unwrap_err();
    assert_eq!(
        denial.told.as_deref(),
        Some("Cannot search for values: \"5aefc7\" is not an enabled parameter.")
    );
    let closed = Layout {
        closed: vec![CATEGORY],
        ..layout()
    };
    assert!(target("c0ffee", &closed, world.rules()).is_err());
    let unwhole = world.with(TENANT, None);
    let denial = target("c0ffee", &layout(), unwhole.rules()).unwrap_err();
    assert_eq!(denial.refusal, Refusal::ParamMissing);
}

/// Rows 58, 65, 67, 81; B20, B21: constraints of the viewer's on open parameters, and ours.
#[test]
fn constraints_are_rebuilt() {
    let locked = "5aefc7=acme&bead02=gold";
    for (sent, theirs) in [
        ("", ""),
        ("c0ffee=a", "c0ffee=a"),
        (
            "bead01=5&c0ffee=b&c0ffee=a&c0ffee=b",
            "c0ffee=b&c0ffee=a&bead01=5",
        ),
        ("bead01=5&bead01=5", "bead01=5"),
        ("c0ffee=", ""),
        ("embed_token=x&ignore_cache=true&dashboard_load_id=1", ""),
    ] {
        assert_eq!(ask(&world(), sent, false), Ok(theirs.to_owned()), "{sent}");
        let comma = if theirs.is_empty() { "" } else { "&" };
        let both = format!("{theirs}{comma}{locked}");
        assert_eq!(ask(&world(), sent, true), Ok(both), "{sent}");
    }
    for (sent, refusal) in [
        ("5aefc7=other", Refusal::ParamLocked),
        ("5aefc7=acme", Refusal::ParamLocked),
        ("5aefc7=", Refusal::ParamLocked),
        ("5AEFC7=acme", Refusal::ParamLocked),
        ("tenant=acme", Refusal::ParamLocked),
        ("bead02=gold", Refusal::ParamLocked),
        ("bead03=1", Refusal::ParamDisabled),
        ("category=a", Refusal::ParamInvalid),
        ("c0ffee[]=a", Refusal::ParamInvalid),
        ("nobody=1", Refusal::ParamInvalid),
        ("value=1", Refusal::ParamInvalid),
        ("bead01=x", Refusal::ParamInvalid),
        ("bead01=5&bead01=6", Refusal::RequestMalformed),
    ] {
        for link in [false, true] {
            let denial = ask(&world(), sent, link).unwrap_err();
            assert_eq!(denial.refusal, refusal, "{sent}");
        }
    }
}

#[test]
fn several_locked_values_and_all_of_them() {
    let world = world().with(PLAN, None);
    let two = world
        .clone()
        .with(TENANT, Some(many(&["a&b", "c"], Type::String)));
    assert_eq!(ask(&two, "", true), Ok("5aefc7=a%26b&5aefc7=c".to_owned()));
    assert_eq!(
        ask(&world.clone().with_all(TENANT), "", true),
        Ok(String::new())
    );
    for link in [false, true] {
        let denial = ask(&world.clone().with(TENANT, None), "", link).unwrap_err();
        assert_eq!(denial.refusal, Refusal::ParamMissing);
    }
    let mut moved = layout();
    moved.ids[TENANT] = None;
    let denial = public(&Query::default(), &moved, world.rules(), &[]).unwrap_err();
    assert_eq!(denial.refusal, Refusal::ResourceDenied);
}

/// Row 83.
#[test]
fn one_value_is_remapped() {
    let ask = |text: &str| {
        let query = Query::parse(text).unwrap();
        signed(&query, &layout(), world().rules(), &[], true).map_err(|denial| denial.refusal)
    };
    assert_eq!(ask("value=a%2520b"), Ok("value=a%2520b".to_owned()));
    assert_eq!(ask("c0ffee=x&value="), Ok("value=&c0ffee=x".to_owned()));
    assert_eq!(ask(""), Err(Refusal::RequestMalformed));
    assert_eq!(ask("value=1&value=1"), Err(Refusal::RequestMalformed));
    assert_eq!(ask("value=1&VALUE=2"), Err(Refusal::ParamInvalid));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn whatever_passes_is_constrained_by_the_lock(pairs in prop::collection::vec((prop::sample::select(vec!["5aefc7", "c0ffee", "bead01", "bead02", "tenant", "nobody", "5AEFC7", "ignore_cache"]), "(acme|5|a|)"), 0..4)) {
        let text = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let Ok(sent) = ask(&world(), &text, true) else { return Ok(()) };
        let read = Query::parse(&sent).unwrap();
        let locked: Vec<_> = read.pairs().iter().filter(|pair| pair.name == "5aefc7").map(|pair| pair.raw).collect();
        prop_assert_eq!(locked, ["5aefc7=acme"]);
        for pair in read.pairs() {
            prop_assert!(["5aefc7", "bead02", "c0ffee", "bead01"].contains(&&*pair.name));
        }
    }
}
