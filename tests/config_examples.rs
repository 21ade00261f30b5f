//! Every file in `config/`, and every whole file that the README shows, compiles.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use embedgate::config::Snapshot;

/// A folder `config/` beside a folder `certs/` with what the examples point to.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config")).unwrap();
        fs::create_dir(folder.path().join("certs")).unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["bi.example.com".to_owned()]).unwrap();
        for name in ["edge.pem", "ca.pem"] {
            fs::write(folder.path().join("certs").join(name), made.cert.pem()).unwrap();
        }
        fs::write(
            folder.path().join("certs/edge.key"),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        Self { folder }
    }

    fn compile(&self, text: &str) -> Result<Snapshot, String> {
        // As long as Metabase's embedding secret key, which is 64 hexadecimal digits.
        let env = |_: &str| Some("0123456789abcdef".repeat(4));
        Snapshot::parse(text, &self.folder.path().join("config"), &env)
            .map_err(|errors| errors.to_string())
    }
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect()
}

#[test]
fn every_example_compiles_and_is_short() {
    let stage = Stage::set();
    let files = examples();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        if let Err(errors) = stage.compile(&text) {
            panic!("{}:\n{errors}", file.display());
        }
        assert!(
            text.lines().count() <= 60,
            "{} is longer than 60 lines",
            file.display()
        );
    }
}

#[test]
fn every_whole_file_in_the_readme_compiles() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks = text
        .split("```toml")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let files: Vec<&str> = blocks.filter(|block| block.contains("[listen]")).collect();
    assert!(!files.is_empty());
    for file in files {
        if let Err(errors) = Stage::set().compile(file) {
            panic!("{file}:\n{errors}");
        }
    }
}

#[test]
fn no_example_sets_a_danger() {
    let stage = Stage::set();
    for file in examples() {
        let snapshot = stage.compile(&fs::read_to_string(&file).unwrap()).unwrap();
        assert!(
            snapshot.dangers.is_empty(),
            "{}: {:?}",
            file.display(),
            snapshot.dangers
        );
    }
}

#[test]
fn the_smallest_file_says_what_it_seems_to_say() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/minimal.toml"))
            .unwrap();
    let snapshot = Stage::set().compile(&text).unwrap();
    let site = &snapshot.sites[0].site;
    assert!(site.sessions);
    assert!(!site.frame.top_level);
    let locked: Vec<&str> = site
        .surface
        .routes()
        .iter()
        .filter(|route| !route.locks.is_empty())
        .map(|route| &*route.pattern)
        .collect();
    assert_eq!(
        locked,
        ["/reports/{id}"],
        "a locked parameter goes to the query of every viewer route by itself"
    );
}
