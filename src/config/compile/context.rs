//! What every table needs while it is compiled: where it stands, a place to report faults, and the way to secrets and files.

use std::{
    cell::RefCell,
    collections::HashSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest::{self, SHA256};

use crate::config::{
    document::Document,
    key::KeyPath,
    secret::{Secret, SecretSource},
    stamp::FileStamp,
    units,
};

/// One compilation.
pub(in crate::config) struct Context<'a> {
    base: &'a Path,
    env: &'a dyn Fn(&str) -> Option<String>,
    document: &'a Document<'a>,
    left_out: HashSet<KeyPath>,
    faults: RefCell<Vec<(KeyPath, String)>>,
    dangers: RefCell<Vec<KeyPath>>,
    files: RefCell<Vec<FileStamp>>,
    content: RefCell<digest::Context>,
}

impl<'a> Context<'a> {
    /// Begins one, with what was found wrong already.
    pub(in crate::config) fn new(
        base: &'a Path,
        env: &'a dyn Fn(&str) -> Option<String>,
        document: &'a Document<'a>,
        left_out: HashSet<KeyPath>,
        faults: Vec<(KeyPath, String)>,
    ) -> Self {
        Self {
            base,
            env,
            document,
            left_out,
            faults: RefCell::new(faults),
            dangers: RefCell::default(),
            files: RefCell::default(),
            content: RefCell::new(digest::Context::new(&SHA256)),
        }
    }

    /// The files that were read, as they were just before.
    pub(super) fn files(&self) -> Vec<FileStamp> {
        self.files.borrow().clone()
    }

    /// The root of the file.
    pub(super) fn root(&'a self) -> At<'a> {
        At {
            context: self,
            path: KeyPath::default(),
        }
    }

    /// Adds to what the generation is made of.
    pub(in crate::config) fn note(&self, bytes: &[u8]) {
        let mut content = self.content.borrow_mut();
        content.update(&bytes.len().to_be_bytes());
        content.update(bytes);
    }

    /// A number that changes with everything noted so far.
    pub(super) fn generation(&self) -> u64 {
        first_eight(self.content.borrow().clone().finish().as_ref())
    }

    /// The key paths of all dangers.
    pub(super) fn dangers(&self) -> Vec<String> {
        self.dangers
            .borrow()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// All faults.
    pub(in crate::config) fn into_faults(self) -> Vec<(KeyPath, String)> {
        self.faults.into_inner()
    }

    fn report(&self, path: &KeyPath, problem: String) {
        if !self.left_out.iter().any(|left_out| left_out.covers(path)) {
            self.faults.borrow_mut().push((path.clone(), problem));
        }
    }
}

/// A number made of bytes, for generations.
pub(super) fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mut content = digest::Context::new(&SHA256);
    for part in parts {
        content.update(&part.len().to_be_bytes());
        content.update(part);
    }
    first_eight(content.finish().as_ref())
}

fn first_eight(digest: &[u8]) -> u64 {
    digest
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A place in the file.
#[derive(Clone)]
pub(super) struct At<'a> {
    context: &'a Context<'a>,
    path: KeyPath,
}

impl At<'_> {
    /// The place of a key.
    pub(super) fn key(&self, key: &str) -> Self {
        Self {
            context: self.context,
            path: self.path.key(key),
        }
    }

    /// The place of an element.
    pub(super) fn index(&self, index: usize) -> Self {
        Self {
            context: self.context,
            path: self.path.index(index),
        }
    }

    /// Says what is wrong here, unless something worse was said already.
    pub(super) fn report(&self, problem: impl Into<String>) {
        self.context.report(&self.path, problem.into());
    }

    /// Notes that a guarantee is weakened here.
    pub(super) fn danger(&self) {
        self.context.dangers.borrow_mut().push(self.path.clone());
    }

    /// The line, for messages about another place.
    pub(super) fn line(&self) -> usize {
        self.context.document.position(&self.path).line
    }

    /// The value, or a report that it is missing.
    pub(super) fn require<'v, T>(&self, value: Option<&'v T>, meaning: &str) -> Option<&'v T> {
        if value.is_none() {
            self.report(format!("is required: {meaning}"));
        }
        value
    }

    /// The value of a result, or a report of its error.
    pub(super) fn accept<T>(&self, result: Result<T, impl ToString>) -> Option<T> {
        result
            .map_err(|problem| self.report(problem.to_string()))
            .ok()
    }

    /// A duration that is not zero.
    pub(super) fn positive(&self, duration: units::Duration) -> Duration {
        if duration.0.is_zero() {
            self.report("must be longer than 0s");
        }
        duration.0
    }

    /// A path of the file, relative to the file's folder.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.context.base.join(path)
    }

    /// The bytes of a secret, never empty.
    pub(super) fn secret(&self, source: &SecretSource) -> Option<Secret> {
        let bytes = match source {
            SecretSource::Env(name) => self.variable(name)?,
            SecretSource::File(path) => trimmed(self.read(path)?),
        };
        if bytes.is_empty() {
            self.report("the secret is empty");
            return None;
        }
        self.context.note(&bytes);
        Some(Secret::new(bytes))
    }

    /// The bytes of a secret of a least length.
    pub(super) fn long_secret(
        &self,
        source: &SecretSource,
        what: &str,
        least: usize,
    ) -> Option<Secret> {
        let secret = self.secret(source)?;
        let found = secret.expose().len();
        if found < least {
            self.report(format!(
                "{what} needs at least {least} bytes, this one has {found}"
            ));
            return None;
        }
        Some(secret)
    }

    /// The bytes of a file that the file names; bounded, and never of a pipe or device.
    pub(super) fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let resolved = self.resolve(path);
        self.context
            .files
            .borrow_mut()
            .push(FileStamp::now(&resolved));
        self.accept(contents(&resolved).map_err(|problem| format!("{}: {problem}", path.display())))
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        let first = name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if !first
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            // Perhaps the secret itself: not repeated.
            self.report("`env` is not the name of an environment variable");
            return None;
        }
        let value = (self.context.env)(name);
        if value.is_none() {
            self.report(format!("environment variable {name} is not set"));
        }
        value.map(String::into_bytes)
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a file".into());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|found| found < LARGEST_FILE) {
        Ok(bytes)
    } else {
        Err("is larger than 1 MiB".into())
    }
}

/// Without the line break that editors put at the end.
fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

/// Secrets, keys and certificates are small.
const LARGEST_FILE: u64 = 1024 * 1024;
