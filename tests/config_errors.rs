//! What is wrong with a file is said all at once, with line and key path, in words that help.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use embedgate::config::{ConfigErrors, Snapshot};
use proptest::prelude::*;

const GOOD: &str = r#"[listen]
address = "127.0.0.1:8080"

[session]
secret = { env = "SESSION" }

[issuer.app]
algorithm = "HS256"
secret = { env = "APP" }

[site.reports]
hosts = ["bi.example.com"]
upstream = "http://127.0.0.1:3000"
kind = "generic"
issuers = ["app"]
frame_ancestors = ["https://app.example.com"]

[site.reports.params]
tenant_id = { mode = "locked", type = "integer" }
region = { mode = "enabled" }
secret = { mode = "disabled" }

[[site.reports.routes]]
path = "/reports/{id}"
resource = "report:{id}"

[[site.reports.routes]]
path = "/api/query"
methods = ["POST"]
"#;

fn env(name: &str) -> Option<String> {
    match name {
        "APP" | "SESSION" => Some("0123456789abcdef0123456789abcdef".into()),
        "SHORT" => Some("hunter2".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Snapshot, ConfigErrors> {
    Snapshot::parse(text, Path::new("/nonexistent"), &env)
}

/// What `embedgate check` prints, without the file's name.
fn faults(text: &str) -> Vec<String> {
    let errors = parse(text).err().map(|errors| errors.0).unwrap_or_default();
    errors
        .iter()
        .map(|error| {
            error
                .to_string()
                .strip_prefix("config.toml:")
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// The good file with one piece in another's place.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

/// A piece of the good file, what stands in its place, and the one fault that this is.
struct Case {
    from: String,
    to: String,
    fault: String,
}

impl Case {
    fn read(block: &str) -> Self {
        let marked = |mark: &str| {
            let lines: Vec<&str> = block
                .lines()
                .filter_map(|line| line.strip_prefix(mark))
                .collect();
            lines
                .iter()
                .map(|line| line.strip_prefix(' ').unwrap_or(line))
                .collect::<Vec<_>>()
                .join("\n")
        };
        Self {
            from: marked("-"),
            to: marked("+"),
            fault: marked("="),
        }
    }
}

#[test]
fn each_fault_is_said_at_its_line() {
    let blocks = include_str!("config_errors/cases.txt")
        .split("\n\n")
        .filter(|block| block.starts_with('-'));
    let cases: Vec<Case> = blocks.map(Case::read).collect();
    assert!(cases.len() > 100, "{}", cases.len());
    let wrong = |case: &Case| {
        let found = faults(&changed(&case.from, &case.to));
        let (from, to, fault) = (&case.from, &case.to, &case.fault);
        (found != [fault.as_str()]).then(|| {
            format!(
                "{from} → {to}\n  expected {fault}\n  found    {}",
                found.join("\n           ")
            )
        })
    };
    let wrong: Vec<String> = cases.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(faults(GOOD), [""; 0]);
}

#[test]
fn no_secret_is_ever_repeated() {
    for text in [
        changed("{ env = \"APP\" }", "\"hunter2-hunter2\""),
        changed("{ env = \"APP\" }", "[\"hunter2-hunter2\"]"),
        changed("{ env = \"APP\" }", "{ env = \"hunter2-hunter2\" }"),
        changed("{ env = \"APP\" }", "{ value = \"hunter2-hunter2\" }"),
        changed("{ env = \"APP\" }", "{ env = \"SHORT\" }"),
    ] {
        let said = faults(&text).join("\n");
        assert!(!said.is_empty());
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_site_name_fits_into_a_metric() {
    let text = GOOD.replace("site.reports", "site.\"rapport d'été\"");
    assert_eq!(
        faults(&text),
        ["11: site.\"rapport d'été\": a name is 1 to 64 letters, digits, `_` and `-`"]
    );
}

#[test]
fn two_sites_on_one_host_need_prefixes() {
    let second = "[site.zwei]\nhosts = [\"BI.example.com\"]\nupstream = \"http://127.0.0.1:3001\"\nkind = \"generic\"\ntop_level = \"allow\"\n\
                  [[site.zwei.routes]]\npath = \"/x\"\naccess = \"public\"\n";
    let text = format!("{GOOD}{second}");
    let taken = "31: site.zwei.hosts[0]: `BI.example.com` is taken by site.reports in line 12; one of the two needs a path_prefix of its own";
    assert_eq!(faults(&text), [taken]);
    assert_eq!(
        faults(&text.replace("[site.zwei]", "[site.zwei]\npath_prefix = \"/zwei\"")),
        [""; 0]
    );
}

#[test]
fn all_faults_are_said_at_once() {
    let text = GOOD
        .replace("address", "adress")
        .replace("{ env = \"SESSION\" }", "\"written\"")
        .replace("HS256", "HS257")
        .replace(
            "issuers = [\"app\"]",
            "issuers = [\"ap\"]\ncolour = 1\nkolour = 2",
        )
        .replace("\"integer\"", "\"int\"")
        .replace("report:{id}", "report:{no}")
        .replace("POST", "LIST");
    let places: Vec<String> = faults(&text)
        .iter()
        .map(|fault| fault.split(": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        places,
        [
            "2 listen.adress",
            "5 session.secret",
            "8 issuer.app.algorithm",
            "15 site.reports.issuers[0]",
            "16 site.reports.colour",
            "17 site.reports.kolour",
            "21 site.reports.params.tenant_id.type",
            "27 site.reports.routes[0].resource",
            "31 site.reports.routes[1].methods[0]",
        ]
    );
}

#[test]
fn an_empty_file_says_what_it_needs() {
    let needs: Vec<String> = faults("")
        .iter()
        .map(|fault| fault.split(": is required").next().unwrap().to_owned())
        .collect();
    assert_eq!(needs, ["1: listen", "1: site"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let errors = Snapshot::load(Path::new("/nonexistent/embedgate.toml"))
        .err()
        .unwrap();
    assert_eq!(
        errors.to_string(),
        "/nonexistent/embedgate.toml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn dangers_are_listed_by_key_path() {
    let text = GOOD
        .replace(
            "address = \"127.0.0.1:8080\"",
            "address = \"0.0.0.0:8080\"\ndanger_cleartext = true",
        )
        .replace(
            "[session]",
            "[admin]\naddress = \"0.0.0.0:9901\"\ndanger_public = true\n[session]",
        )
        .replace(
            "[issuer.app]",
            "[issuer.app]\ndanger_resources = [\"report:q3\"]",
        )
        .replace("POST\"]", "POST\"]\ndanger_unlocked = [\"tenant_id\"]");
    let dangers = parse(&text).unwrap().dangers;
    assert_eq!(
        dangers,
        [
            "listen.danger_cleartext",
            "admin.danger_public",
            "issuer.app.danger_resources",
            "site.reports.routes[1].danger_unlocked"
        ]
    );
}

#[test]
fn the_generation_follows_text_and_secrets() {
    let generation = |text: &str, secret: &str| {
        let env = |_: &str| Some(secret.to_owned());
        Snapshot::parse(text, Path::new(""), &env)
            .unwrap()
            .generation
    };
    let (one, other) = (
        "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdeF",
    );
    assert_eq!(generation(GOOD, one), generation(GOOD, one));
    assert_ne!(generation(GOOD, one), generation(GOOD, other));
    assert_ne!(
        generation(GOOD, one),
        generation(&GOOD.replace("3000", "3001"), one)
    );
}

proptest! {
    #[test]
    fn a_damaged_file_is_refused_or_read_but_never_a_panic(
        cuts in proptest::collection::vec((0..GOOD.len(), 0_usize..12, "[\\[\\]{}=\",.a-z0-9\n _-]{0,6}"), 1..4),
    ) {
        let mut text = GOOD.to_owned();
        for (at, length, insert) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.replace_range(at..end, &insert);
        }
        if let Err(errors) = parse(&text) {
            let lines = text.matches('\n').count() + 1;
            prop_assert!(!errors.0.is_empty());
            prop_assert!(errors.0.iter().all(|error| (1..=lines).contains(&error.line)));
        }
    }
}
