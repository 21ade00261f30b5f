//! The configuration: one TOML file, read with every fault at once, compiled to a [`Snapshot`] that the shell only reads.
//!
//! text → `document` (where everything stands) → `read` → [`raw`] (as written) → `compile` → [`Snapshot`].

pub mod cluster;
mod compile;
mod document;
mod error;
mod key;
pub mod raw;
mod read;
pub mod remote;
pub mod secret;
pub mod spec;
mod stamp;
pub mod units;

use std::path::Path;

pub use error::{ConfigError, ConfigErrors};
pub use raw::schema;
pub use secret::Secret;
pub use spec::{
    AdapterSpec, AdminSpec, AuditOutput, AuditSpec, CookieMode, IdentitySource, IssuerEntry,
    KeyInfo, KeySource, ListenSpec, LogSpec, RevocationsSpec, SiteEntry, Snapshot, TlsFiles,
    TunnelSpec, UpstreamSpec, UpstreamTls,
};
pub use stamp::FileStamp;

use compile::Context;
use document::{Document, Position};
use key::KeyPath;

impl Snapshot {
    /// Reads and compiles a file, with the secrets and keys that it points to.
    ///
    /// # Errors
    /// Every fault, each with its line and key path.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let stamp = FileStamp::now(path);
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigErrors::of_file(path, format!("cannot be read: {error}")))?;
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        let mut snapshot = Self::compile(&text, path, base, &|name| std::env::var(name).ok())?;
        snapshot.files.push(stamp);
        Ok(snapshot)
    }

    /// Compiles a text. Paths in it are relative to `base`, and environment variables are asked of `env`.
    ///
    /// # Errors
    /// Every fault; the file's name in them is `config.toml`.
    pub fn parse(
        text: &str,
        base: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        Self::compile(text, Path::new("config.toml"), base, env)
    }

    fn compile(
        text: &str,
        file: &Path,
        base: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let document = Document::parse(text).map_err(|errors| {
            let located = errors
                .into_iter()
                .map(|error| (error.position, String::new(), error.problem));
            in_order(file, located.collect())
        })?;
        let reading = read::read::<raw::Config>(document.root());
        let context = Context::new(base, env, &document, reading.left_out, reading.faults);
        context.note(text.as_bytes());
        let snapshot = compile::snapshot(&reading.value, &context);
        let faults = context.into_faults();
        match snapshot {
            Some(snapshot) if faults.is_empty() => Ok(snapshot),
            _ => Err(in_order(file, located(&document, faults))),
        }
    }
}

/// Finds the line of every fault.
fn located(
    document: &Document<'_>,
    faults: Vec<(KeyPath, String)>,
) -> Vec<(Position, String, String)> {
    faults
        .into_iter()
        .map(|(path, problem)| (document.position(&path), path.to_string(), problem))
        .collect()
}

/// Sorts faults as they stand in the file.
fn in_order(file: &Path, mut faults: Vec<(Position, String, String)>) -> ConfigErrors {
    faults.sort();
    faults.dedup();
    let file = file.into();
    let error = |(position, key, problem): (Position, String, String)| ConfigError {
        file: std::sync::Arc::clone(&file),
        line: position.line,
        column: position.column,
        key,
        problem,
    };
    ConfigErrors(faults.into_iter().map(error).collect())
}
