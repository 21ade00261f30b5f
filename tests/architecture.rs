//! The shape of the source, as ARCHITECTURE.md tells it: which module may know which, what the pure ring must not touch, how long a file may be.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Module, and the modules of ours that it may name. Everything may name itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("gate", &[]),
    ("rewrite", &["gate"]),
    ("adapter", &["gate", "rewrite"]),
    ("config", &["adapter", "gate", "rewrite"]),
    ("observe", &["config", "gate"]),
    (
        "server",
        &["adapter", "admin", "config", "gate", "observe", "rewrite"],
    ),
    ("admin", &["observe"]),
    ("demo", &["cli", "config", "server"]),
    (
        "cli",
        &[
            "adapter", "admin", "config", "demo", "gate", "observe", "rewrite", "server",
        ],
    ),
];

const PURE: &[&str] = &["gate", "rewrite", "adapter"];

/// What the pure ring must not contain, and why.
const IMPURE: &[(&str, &str)] = &[
    ("async ", "it decides, it does not wait"),
    (".await", "it decides, it does not wait"),
    ("tokio", "no runtime"),
    ("hyper::", "no transport"),
    ("std::net::Tcp", "no sockets"),
    ("std::net::Udp", "no sockets"),
    ("std::fs", "no files"),
    ("std::io::std", "no console"),
    ("std::env", "no environment"),
    ("std::thread", "no threads"),
    ("std::process", "no processes"),
    ("SystemTime", "`now` is an argument"),
    ("Instant::now", "`now` is an argument"),
    ("Timestamp::now", "`now` is an argument"),
    ("Zoned::now", "`now` is an argument"),
    ("tracing::", "decisions do not log"),
    ("prometheus", "decisions do not count"),
];

const LONGEST_FILE: usize = 500;

#[test]
fn modules_know_only_what_the_arrows_allow() {
    let mut wrong = vec![];
    for (module, allowed) in ARROWS {
        for file in sources(module) {
            for (number, named) in names_of_ours(&code(&file)) {
                if named != *module && !allowed.contains(&named.as_str()) {
                    wrong.push(format!(
                        "{}:{number}: {module} names crate::{named}",
                        file.display()
                    ));
                }
            }
        }
    }
    report(&wrong);
}

#[test]
fn every_module_has_its_arrows() {
    let library = fs::read_to_string("src/lib.rs").unwrap();
    let modules: Vec<_> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert!(!modules.is_empty(), "src/lib.rs declares no module");
    for module in modules {
        assert!(
            ARROWS.iter().any(|(known, _)| *known == module),
            "say in ARROWS what `{module}` may know"
        );
    }
}

#[test]
fn the_pure_ring_touches_nothing_outside() {
    let mut wrong = vec![];
    for file in PURE.iter().flat_map(|module| sources(module)) {
        for (number, line) in code(&file) {
            for (impure, why) in IMPURE.iter().filter(|(impure, _)| line.contains(impure)) {
                wrong.push(format!(
                    "{}:{number}: `{impure}` in the pure ring: {why}",
                    file.display()
                ));
            }
        }
    }
    report(&wrong);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = vec![];
    for file in rust_files(Path::new("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!(
                "{}: {lines} lines, {LONGEST_FILE} is the end",
                file.display()
            ));
        }
        if !text.starts_with("//!") && !file.ends_with("tests.rs") {
            wrong.push(format!(
                "{}: the first line says what the file is for (`//! …`)",
                file.display()
            ));
        }
    }
    report(&wrong);
}

#[test]
fn no_test_is_ignored_without_a_reason_and_no_lint_is_allowed() {
    let (ignored, allowed) = (concat!("#[", "ignore]"), concat!("[", "allow("));
    let mut wrong = vec![];
    for file in ["src", "tests", "benches", "fuzz"]
        .iter()
        .flat_map(|folder| rust_files(Path::new(folder)))
    {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if line.contains(ignored)
                || line
                    .trim_start()
                    .trim_start_matches(['#', '!'])
                    .starts_with(allowed)
            {
                wrong.push(format!(
                    "{}:{}: {}",
                    file.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    report(&wrong);
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let tests: Vec<String> = ["src", "tests"]
        .iter()
        .flat_map(|folder| rust_files(Path::new(folder)))
        .flat_map(|file| test_names(&fs::read_to_string(file).unwrap()))
        .collect();
    let model = fs::read_to_string("docs/threats.md").unwrap();
    let mut wrong = vec![];
    for (row, cell) in model
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|row| Some((row, row.trim_end_matches('|').rsplit('|').next()?)))
    {
        for named in cell
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|named| is_test_name(named))
        {
            if !tests.iter().any(|test| test == named) {
                wrong.push(format!(
                    "docs/threats.md: no test is called `{named}` ({}…)",
                    row.chars().take(60).collect::<String>()
                ));
            }
        }
    }
    report(&wrong);
}

/// A backticked word of the last column that can only be a test: snake case with a few words in it.
fn is_test_name(word: &str) -> bool {
    word.matches('_').count() >= 2
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Functions that follow a `#[test]`-like attribute, or stand inside `proptest!`.
fn test_names(text: &str) -> Vec<String> {
    let has_tests =
        text.contains("#[test]") || text.contains("::test]") || text.contains("::test(");
    text.lines()
        .filter(|_| has_tests)
        .filter_map(|line| {
            line.trim_start()
                .trim_start_matches("async ")
                .strip_prefix("fn ")
        })
        .filter_map(|rest| Some(rest.split('(').next()?.to_owned()))
        .collect()
}

/// Numbered lines without comments and without the tests at the end.
fn code(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let end = lines
        .windows(2)
        .position(|pair| matches!(pair, ["#[cfg(test)]", next] if next.starts_with("mod ")));
    lines
        .iter()
        .take(end.unwrap_or(lines.len()))
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| {
            (
                index + 1,
                line.split(" // ").next().unwrap_or(line).to_owned(),
            )
        })
        .collect()
}

/// The modules of ours that code names, as `crate::name` or in `crate::{name…, name…}`, with the line where `crate` stands.
fn names_of_ours(code: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut found = vec![];
    for (index, (number, line)) in code.iter().enumerate() {
        for (at, path) in line.match_indices("crate::") {
            let mut rest = line.split_at(at + path.len()).1.to_owned();
            if rest.starts_with('{') {
                let more = code.iter().skip(index + 1).map(|(_, line)| line.as_str());
                rest.extend(more);
            }
            let named = first_names(&rest).into_iter();
            found.extend(named.map(|name| (*number, name)));
        }
    }
    found.retain(|(_, name)| ARROWS.iter().any(|(module, _)| module == name));
    found
}

/// `name` of `name::…`, and every first name of `{name::…, name, …}`.
fn first_names(path: &str) -> Vec<String> {
    let (mut depth, mut fresh, mut names) = (0, true, vec![String::new()]);
    for c in path.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(String::new()),
            _ if fresh && (c.is_alphanumeric() || c == '_') => {
                names.last_mut().unwrap().push(c);
                continue;
            }
            _ => {}
        }
        // A name ends with its first character that is none, and the next begins after a brace or comma of the outermost list.
        fresh = (depth == 1 && matches!(c, '{' | ',')) || (fresh && c.is_whitespace());
        if depth <= 0 && !fresh {
            break;
        }
    }
    names
}

#[test]
fn first_names_are_found_in_every_form_of_a_path() {
    for (path, expected) in [
        ("gate::path::NormalPath;", vec!["gate"]),
        (
            "{gate, observe::{audit, metrics::Metrics}, rewrite};",
            vec!["gate", "observe", "rewrite"],
        ),
        (
            "{    config::{self, Snapshot},    server::launch::{Launched, launch},};",
            vec!["config", "server", ""],
        ),
    ] {
        assert_eq!(first_names(path), expected, "{path}");
    }
}

/// The sources of one module, without files that hold tests alone.
fn sources(module: &str) -> Vec<PathBuf> {
    let mut files = rust_files(&Path::new("src").join(module));
    files.extend(
        Some(Path::new("src").join(module).with_extension("rs")).filter(|file| file.exists()),
    );
    files.retain(|file| {
        !file
            .components()
            .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
    });
    files
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    let mut files = vec![];
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') && name != "artifacts" {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn report(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "
{}
",
        wrong.join(
            "
"
        )
    );
}
