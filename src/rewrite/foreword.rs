//! Members of our own at the beginning of a JSON object that streams through.

/// Writes members at the beginning of the object that a text is. A text that is anything else, which has no place for them, stays as it is.
///
/// The text is JSON already ([`super::sieve`] reads it): here only its first two signs count.
#[derive(Debug)]
pub struct Foreword {
    /// `"name":value`, several with commas between them.
    members: Box<str>,
    place: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Nothing has come so far but white space.
    Before,
    /// The members are written; whether a comma goes behind them is not known.
    Behind,
    /// There is nothing left to do.
    Past,
}

impl Foreword {
    /// Of members without braces: `"name":value`.
    pub fn new(members: Box<str>) -> Self {
        Self {
            members,
            place: Place::Before,
        }
    }

    /// Takes the next part of the text, cut anywhere, and writes into it.
    pub fn write(&mut self, part: &mut Vec<u8>) {
        let mut at = 0;
        if self.place == Place::Before {
            let Some((place, sign)) = sign(part, 0) else {
                return;
            };
            if sign != b'{' {
                self.place = Place::Past;
                return;
            }
            at = place.saturating_add(1);
            part.splice(at..at, self.members.bytes());
            at = at.saturating_add(self.members.len());
            self.place = Place::Behind;
        }
        if self.place == Place::Behind {
            let Some((_, sign)) = sign(part, at) else {
                return;
            };
            if sign != b'}' {
                part.insert(at, b',');
            }
            self.place = Place::Past;
        }
    }
}

/// The first sign that is no white space, from a place on, and where it stands.
fn sign(part: &[u8], from: usize) -> Option<(usize, u8)> {
    let signs = part.iter().copied().enumerate().skip(from);
    let mut signs = signs.filter(|(_, byte)| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    signs.next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const OWN: &str = r#""own":[1]"#;

    fn written(parts: &[&[u8]]) -> String {
        let mut foreword = Foreword::new(OWN.into());
        let mut out = Vec::new();
        for part in parts {
            let mut part = part.to_vec();
            foreword.write(&mut part);
            out.extend(part);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_stand_first_in_an_object_and_nowhere_else() {
        for (text, expected) in [
            ("{}", r#"{"own":[1]}"#),
            ("{ }", r#"{"own":[1] }"#),
            (r#"{"a":{}}"#, r#"{"own":[1],"a":{}}"#),
            ("\n { \"a\":1}", "\n {\"own\":[1], \"a\":1}"),
            ("{}{}", r#"{"own":[1]}{}"#),
            ("[{}]", "[{}]"),
            ("\"{\"", "\"{\""),
            ("", ""),
            (" ", " "),
        ] {
            assert_eq!(written(&[text.as_bytes()]), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn however_the_text_is_cut_one_member_is_added(
            members in prop::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..4),
            pretty in any::<bool>(),
            size in 1_usize..9,
        ) {
            let mut expected = json!(members);
            let text = if pretty { serde_json::to_vec_pretty(&expected) } else { serde_json::to_vec(&expected) }.unwrap();
            let parts: Vec<&[u8]> = text.chunks(size).collect();
            let read: Value = serde_json::from_str(&written(&parts)).unwrap();
            if let Value::Object(known) = &mut expected {
                known.entry("own").or_insert(json!([1]));
            }
            prop_assert_eq!(read, expected);
        }
    }
}
