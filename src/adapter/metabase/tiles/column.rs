//! References to columns: `["field", 67, {"base-type": "type/Float"}]`, as results name theirs and requests for tiles ask for them.

use serde_json::{Map, Value as Json};

use crate::rewrite::json;

/// A reference to a column of a card's result.
#[derive(Clone, Debug)]
pub struct Column {
    /// As it was written.
    text: Box<str>,
    name: Name,
    /// What tells it from others of the same name; see [`Column::is_same`].
    options: Map<String, Json>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Name {
    Id(u64),
    Text(Box<str>),
}

/// Why a text is no reference that a tile may be drawn from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoColumn {
    /// It leads to another table.
    #[error("a column that is referenced through an implicit join")]
    Joined,
    /// Not a reference to a column, or one with two readings.
    #[error("no reference to a column")]
    Unreadable,
}

impl Column {
    /// Reads a reference: `field`, a positive number or a name, options or none.
    ///
    /// # Errors
    /// [`NoColumn::Joined`] for one whose options name a `source-field`; [`NoColumn::Unreadable`] for all else that is no such reference, or has no single
    /// reading.
    pub fn parse(text: &str) -> Result<Self, NoColumn> {
        if text.len() > MAX_TEXT {
            return Err(NoColumn::Unreadable);
        }
        let text = json::check(text.as_bytes()).map_err(|_| NoColumn::Unreadable)?;
        let parts: Vec<Json> = serde_json::from_str(text).map_err(|_| NoColumn::Unreadable)?;
        let (head, name, options) = match <[Json; 3]>::try_from(parts) {
            Ok([head, name, options]) => (head, name, options),
            Err(parts) => {
                let [head, name] =
                    <[Json; 2]>::try_from(parts).map_err(|_| NoColumn::Unreadable)?;
                (head, name, Json::Null)
            }
        };
        if head != "field" {
            return Err(NoColumn::Unreadable);
        }
        Ok(Self {
            text: text.into(),
            name: Name::read(&name).ok_or(NoColumn::Unreadable)?,
            options: telling(options)?,
        })
    }

    /// The reference as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether two references name the same column: alike but for options that say nothing (`null`), and for `base-type`, which Metabase's pages leave out.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.options == other.options
    }
}

impl Name {
    fn read(json: &Json) -> Option<Self> {
        if let Some(id) = json.as_u64() {
            return (id > 0).then_some(Self::Id(id));
        }
        let text = json.as_str().filter(|text| !text.is_empty())?;
        Some(Self::Text(text.into()))
    }
}

/// The options that tell columns apart.
fn telling(options: Json) -> Result<Map<String, Json>, NoColumn> {
    let mut options = match options {
        Json::Null => Map::new(),
        Json::Object(options) => options,
        Json::Array(_) | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            return Err(NoColumn::Unreadable);
        }
    };
    options.retain(|name, value| !value.is_null() && name != "base-type");
    if options.keys().any(|name| name.starts_with("source-field")) {
        return Err(NoColumn::Joined);
    }
    Ok(options)
}

/// Longer than any reference that Metabase writes.
const MAX_TEXT: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Column::parse(a)
            .unwrap()
            .is_same(&Column::parse(b).unwrap())
    }

    #[test]
    fn what_says_the_same_is_the_same() {
        let own = r#"["field",67,{"base-type":"type/Float"}]"#;
        for (sent, expected) in [
            (own, true),
            (r#" [ "field" , 67 , null ] "#, true),
            (r#"["field",67]"#, true),
            (r#"["field",67,{}]"#, true),
            (r#"["f\u0069eld",67,{"join-alias":null}]"#, true),
            (r#"["field",67,{"base-type":"type/Text"}]"#, true),
            (r#"["field",68,null]"#, false),
            (r#"["field",670,null]"#, false),
            (r#"["field","67",null]"#, false),
            (r#"["field",67,{"join-alias":"Orders"}]"#, false),
            (r#"["field",67,{"binning":{"strategy":"default"}}]"#, false),
        ] {
            assert_eq!(same(own, sent), expected, "{sent}");
        }
        let named = r#"["field","LATITUDE",{"base-type":"type/Float","join-alias":"O","temporal-unit":"day"}]"#;
        let turned = r#"["field","LATITUDE",{"temporal-unit":"day","join-alias":"O"}]"#;
        assert!(same(named, turned));
        assert!(!same(named, r#"["field","LATITUDE",{"join-alias":"O"}]"#));
        assert!(!same(r#"["field","LATITUDE"]"#, r#"["field","latitude"]"#));
    }

    #[test]
    fn what_is_no_reference_to_a_column_is_refused() {
        let long = format!(r#"["field","{}"]"#, "a".repeat(MAX_TEXT));
        for bad in [
            "",
            "67",
            "LATITUDE",
            "\"LATITUDE\"",
            "[]",
            "{}",
            "null",
            r#"["field"]"#,
            r#"["field",null]"#,
            r#"["field",""]"#,
            r#"["field",0]"#,
            r#"["field",-67]"#,
            r#"["field",67.0]"#,
            r#"["field",67e0]"#,
            r#"["field",true]"#,
            r#"["field",[67]]"#,
            r#"["field",67,[]]"#,
            r#"["field",67,"x"]"#,
            r#"["field",67,null,null]"#,
            r#"["field",67,{"a":1,"a":2}]"#,
            r#"["field",67] []"#,
            r#"["FIELD",67]"#,
            r#"["field-id",67]"#,
            r#"["expression","LATITUDE"]"#,
            r#"["aggregation",0]"#,
            r#"["field",{"base-type":"type/Float"},67]"#,
            &long,
        ] {
            let read = Column::parse(bad).map(|column| column.text);
            assert_eq!(read, Err(NoColumn::Unreadable), "{bad}");
        }
    }

    #[test]
    fn a_reference_through_an_implicit_join_is_refused() {
        for bad in [
            r#"["field",67,{"source-field":9}]"#,
            r#"["field",67,{"base-type":"type/Float","source-\u0066ield":"O"}]"#,
            r#"["field",67,{"source-field-name":"ORDER_ID"}]"#,
        ] {
            let read = Column::parse(bad).map(|column| column.text);
            assert_eq!(read, Err(NoColumn::Joined), "{bad}");
        }
        assert!(Column::parse(r#"["field",67,{"source-field":null}]"#).is_ok());
    }

    proptest! {
        #[test]
        fn a_reference_is_the_same_as_itself_however_it_is_written(
            id in 1_u64..1 << 53,
            other in 1_u64..1 << 53,
            kind in "[a-z/A-Z]{0,12}",
            alias in proptest::option::of("[ -~]{1,12}"),
        ) {
            let write = |id: u64, kind: Option<&str>| {
                let options = serde_json::json!({ "base-type": kind, "join-alias": alias });
                serde_json::json!(["field", id, options]).to_string()
            };
            let own = Column::parse(&write(id, Some(&kind))).unwrap();
            prop_assert!(own.is_same(&Column::parse(own.as_str()).unwrap()));
            prop_assert!(own.is_same(&Column::parse(&write(id, None)).unwrap()));
            let other = Column::parse(&write(other, None)).unwrap();
            prop_assert_eq!(own.is_same(&other), own.name == other.name);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            if let Ok(column) = Column::parse(&text) {
                prop_assert_eq!(column.as_str(), text.as_str());
            }
        }
    }
}
