//! What `docs/tokens.md` shows of the signing examples stands in them, and each is shown. `tests/run signing` runs them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

/// A block of code below a link to a file in `docs/signing/`.
struct Quote {
    file: String,
    code: String,
}

fn docs() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs"))
}

/// The first block after each line that is a link to an example and nothing else.
fn quotes(page: &str) -> Vec<Quote> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let linked = line
            .strip_prefix("[signing/")
            .and_then(|rest| rest.strip_suffix(')')?.split_once("](signing/"));
        let Some((named, file)) = linked else {
            continue;
        };
        assert_eq!(named, file, "a link says where it leads");
        assert_eq!(lines.next(), Some(""), "{file}");
        assert!(lines.next().unwrap().starts_with("```"), "{file}");
        let code: Vec<&str> = lines.by_ref().take_while(|&line| line != "```").collect();
        found.push(Quote {
            file: file.to_owned(),
            code: code.join("\n"),
        });
    }
    found
}

/// As it stands inside a class.
fn indented(code: &str) -> String {
    let lines = code.lines().map(|line| match line {
        "" => String::new(),
        line => format!("    {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_the_page_shows_of_an_example_stands_in_its_file() {
    let page = fs::read_to_string(docs().join("tokens.md")).unwrap();
    for Quote { file, code } in quotes(&page) {
        let text = fs::read_to_string(docs().join("signing").join(&file)).unwrap();
        let whole = |code: &str| text.contains(&format!("\n{code}\n"));
        assert!(code.lines().count() > 9, "{file} is hardly shown");
        assert!(
            whole(&code) || whole(&indented(&code)),
            "docs/tokens.md shows what is not in docs/signing/{file}:\n{code}"
        );
    }
}

#[test]
fn every_example_is_shown() {
    let page = fs::read_to_string(docs().join("tokens.md")).unwrap();
    let folder = |quote: Quote| quote.file.split('/').next().map(str::to_owned);
    let shown: BTreeSet<String> = quotes(&page).into_iter().filter_map(folder).collect();
    let entries = fs::read_dir(docs().join("signing")).unwrap();
    let there: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(shown, there);
    assert_eq!(shown.len(), 7);
}
