//! Layouts put together at random: what is hidden stays hidden, what is kept is served.

use proptest::prelude::*;

use super::*;
use crate::rewrite::json;

fn some_target() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(field(61)),
        Just(json!(["text-tag", "tag-text"])),
        Just(json!(null)),
        prop::sample::select(vec!["tag-a", "tag-b"]).prop_map(tag),
    ]
}

fn some_slug() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["org", "region", "secret", "other", "unknown"])
}

fn some_dashcard() -> impl Strategy<Value = Json> {
    let mappings = prop::collection::vec((some_slug(), 1_u64..5, some_target()), 0..6);
    let series = prop::collection::vec(1_u64..5, 0..3);
    (1_u64..5, mappings, series, any::<[bool; 4]>()).prop_map(
        |(main, mappings, series, [text, action, sql, click])| {
            let of = |id| if sql { native(id, &["tag-a", "tag-b"]) } else { card(id) };
            let mappings: Vec<_> = mappings
                .into_iter()
                .map(|(slug, card, target)| mapping(slug, card, target))
                .collect();
            let mut json = dashcard(1, of(main), &mappings);
            json["series"] = series.into_iter().map(of).collect();
            json["inline_parameters"] = json!(["id-org", "id-region"]);
            if text {
                json["card_id"] = json!(null);
                json["card"] = json!({});
                json["visualization_settings"]["text"] = json!("{{tag-text}} {{org}}");
            }
            if action {
                json["action"] = json!({"id": 1});
            }
            if click {
                json["visualization_settings"]["click_behavior"] = json!({"type": "crossfilter", "parameterMapping": {"id-other": {"id": "id-other"}}});
            }
            json
        },
    )
}

proptest! {
    #[test]
    fn what_is_hidden_stays_hidden(mut dashcards in prop::collection::vec(some_dashcard(), 0..5), open in any::<bool>()) {
        for (dashcard, id) in dashcards.iter_mut().zip(31..) {
            dashcard["id"] = json!(id);
        }
        let mut json = dashboard(&dashcards);
        json["parameters"][1]["filteringParameters"] = json!(["id-org"]);
        let layout = read(&json, Kind::Dashboard);
        let open: &[usize] = if open { &[1] } else { &[] };
        let keep = Keep { layout: &layout, open, safe: &[], unmapped: Unmapped::Deny };
        let Ok(once) = prune(json.to_string().as_bytes(), &keep) else {
            prop_assert!(!layout.problems().is_empty());
            return Ok(());
        };
        let text = String::from_utf8(once.clone()).unwrap();
        for hidden in ["id-org", "id-secret", "id-other", "unknown", "\"org\"", "{{org}}", "\"secret\"", "\"other\""] {
            prop_assert!(!text.contains(hidden), "{} in {}", hidden, text);
        }
        prop_assert_eq!(text.contains("id-region"), !open.is_empty());
        let read: Json = serde_json::from_str(&text).unwrap();
        for dashcard in read["dashcards"].as_array().unwrap() {
            let id = dashcard["id"].as_u64().unwrap();
            let cards = dashcard["series"].as_array().unwrap().iter().map(|card| card["id"].as_u64());
            for card in cards.chain([dashcard["card_id"].as_u64()]).flatten() {
                prop_assert!(layout.serves(id, card, Unmapped::Deny));
            }
        }
        let twice = prune(&once, &keep).unwrap();
        prop_assert_eq!(String::from_utf8(twice).unwrap(), text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\":,0-9a-z.-]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let layout = read(&dashboard(&[]), Kind::Dashboard);
        let keep = Keep { layout: &layout, open: &[1], safe: &[], unmapped: Unmapped::Deny };
        for input in [text.as_bytes(), &bytes] {
            if let Ok(out) = prune(input, &keep) {
                prop_assert!(json::check(&out).is_ok());
            }
        }
    }
}
