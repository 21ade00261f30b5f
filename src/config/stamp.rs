//! What a file looked like just before it was read: so that a change is noticed however soon after the reading it comes.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A file and its state at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStamp {
    path: PathBuf,
    /// `None`: there was no such file, or it could not be looked at.
    state: Option<(SystemTime, u64)>,
}

impl FileStamp {
    /// Of a file as it is now. Taken before the file is read, never after.
    pub fn now(path: &Path) -> Self {
        let state = std::fs::metadata(path)
            .ok()
            .and_then(|found| Some((found.modified().ok()?, found.len())));
        Self {
            path: path.to_owned(),
            state,
        }
    }

    /// The same file as it is now.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::now(&self.path)
    }
}
