//! `docs/config.md` names every key of the JSON Schema with its default, and no other.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::Value;

/// A table's path, and its keys with what the documentation must give as their defaults.
type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// Collects the tables of the schema below one of its nodes.
struct Walk<'s> {
    root: &'s Value,
    tables: Tables,
}

impl<'s> Walk<'s> {
    fn whole(root: &'s Value) -> Tables {
        let mut walk = Self {
            root,
            tables: Tables::new(),
        };
        walk.table("", root);
        let top = walk.tables.remove("").unwrap();
        assert!(
            top.keys().all(|key| walk
                .tables
                .keys()
                .any(|path| path.split('.').next() == Some(key))),
            "every key of the root is a table"
        );
        walk.tables
    }

    fn table(&mut self, path: &str, schema: &'s Value) {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (key, property) in schema["properties"].as_object().unwrap() {
            let below = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let default = if required.contains(&key.as_str()) {
                "required".to_owned()
            } else {
                shown(property.get("default"))
            };
            self.tables
                .entry(path.to_owned())
                .or_default()
                .insert(key.clone(), default);
            self.value(&below, property);
        }
    }

    fn value(&mut self, path: &str, schema: &'s Value) {
        if let Some(name) = schema["$ref"].as_str() {
            if !name.ends_with("/SecretSource") {
                self.value(path, &self.root["$defs"][name.rsplit('/').next().unwrap()]);
            }
            return;
        }
        for choice in schema["anyOf"].as_array().into_iter().flatten() {
            self.value(path, choice);
        }
        if schema["properties"].is_object() {
            self.table(path, schema);
        } else if schema["additionalProperties"].is_object() {
            self.value(&format!("{path}.NAME"), &schema["additionalProperties"]);
        } else if schema["items"].is_object() {
            self.value(path, &schema["items"]);
        }
    }
}

fn shown(default: Option<&Value>) -> String {
    match default {
        None => "–".to_owned(),
        Some(Value::Array(items)) if items.is_empty() => "–".to_owned(),
        Some(Value::Object(members)) if members.is_empty() => "–".to_owned(),
        Some(value) => format!("`{value}`"),
    }
}

/// The tables of the documentation: a heading `## [path]`, then rows `| key | type | default | meaning |`.
fn documented(text: &str) -> Tables {
    let mut tables = Tables::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("##") {
            let path = heading.trim_matches(['#', ' ', '`', '[', ']']);
            current = heading.contains("`[").then(|| path.to_owned());
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (Some(path), ["", key, _, default, _, ""]) = (&current, cells.as_slice())
            && let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`'))
        {
            let before = tables
                .entry(path.clone())
                .or_default()
                .insert(key.to_owned(), (*default).to_owned());
            assert_eq!(before, None, "{path}.{key} is documented twice");
        }
    }
    tables
}

#[test]
fn every_key_is_documented_with_its_default_and_no_other() {
    let schema = embedgate::config::schema();
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md")).unwrap();
    let (code, docs) = (Walk::whole(&schema), documented(&text));
    let flat = |tables: &Tables| -> Vec<String> {
        tables
            .iter()
            .flat_map(|(path, keys)| {
                keys.iter()
                    .map(move |(key, default)| format!("{path}.{key}: {default}"))
            })
            .collect()
    };
    let (code, docs) = (flat(&code), flat(&docs));
    let missing: Vec<&String> = code.iter().filter(|line| !docs.contains(line)).collect();
    let surplus: Vec<&String> = docs.iter().filter(|line| !code.contains(line)).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "in the code only: {missing:#?}\nin docs/config.md only: {surplus:#?}"
    );
}

#[test]
fn every_key_is_explained_in_the_schema() {
    let schema = embedgate::config::schema();
    let objects = schema["$defs"]
        .as_object()
        .unwrap()
        .values()
        .chain([&schema]);
    for (key, property) in objects
        .filter_map(|object| object["properties"].as_object())
        .flatten()
    {
        let explained = property["description"]
            .as_str()
            .is_some_and(|text| text.ends_with('.'));
        assert!(explained, "{key}: {property}");
    }
}
