//! The file behind the revocations: one JSON line per change, on the disk before anybody is told, written afresh once most lines say nothing any more.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::LedgerError;
use crate::gate::{
    request::UnixTime,
    revocation::{Entry, Revocations, Unreadable},
};

/// A log that is ours alone.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Up to here every byte is a line that was acknowledged.
    length: u64,
    /// Whether there may be more than that in the file: a write failed half-way.
    torn: bool,
    /// Whether the file's name is on the disk, too.
    named: bool,
    lines: usize,
    /// With so many lines it is worth while to look whether most of them say nothing.
    look_at: usize,
}

/// What became of the file behind our back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// Its name is gone.
    Gone,
    /// Nothing.
    Ours,
    /// Another file has its name. It may be one that somebody restored, so it is not touched.
    Replaced,
}

/// How far a file is good.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Good {
    length: u64,
    lines: usize,
    /// Whether a torn line follows.
    torn: bool,
}

impl Log {
    /// Opens a log, or begins it, and puts in force what it holds.
    pub(super) fn open(
        path: &Path,
        index: &Revocations,
        now: UnixTime,
    ) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::File {
            path: path.to_owned(),
            source,
        };
        let file = lock(path)?;
        // Where the name is a link, what it leads to is written afresh.
        let path = fs::canonicalize(path).map_err(failed)?;
        sync_folder(&path).map_err(failed)?;
        let good = replay(&path, &file, index, now)?;
        if good.torn {
            tracing::warn!(path = %path.display(), line = good.lines.saturating_add(1), "a crash tore the last line of the revocation log; it was not acknowledged and is cut off");
            file.set_len(good.length)
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
        }
        Ok(Self {
            path,
            file,
            length: good.length,
            torn: false,
            named: true,
            lines: good.lines,
            look_at: FEWEST_LINES,
        })
    }

    /// Appends lines; they are on the disk when this returns. After a failure the file is as before, now or before the next line.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.heal()?;
        self.name()?;
        if self.fate()? != Fate::Ours {
            return Err(io::Error::other("the file was moved or replaced"));
        }
        let lines: String = entries.iter().map(Entry::write).collect();
        let written = self
            .file
            .write_all(lines.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.torn = true;
            tracing::error!(path = %self.path.display(), %error, "the revocation log cannot be written");
            let _tried_again_next_time = self.heal();
            return Err(error);
        }
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        self.length = self.length.saturating_add(length);
        self.lines = self.lines.saturating_add(entries.len());
        Ok(())
    }

    /// Writes the log afresh if most of its lines say nothing any more, or if it was taken away.
    pub(super) fn tidy(&mut self, index: &Revocations) {
        let full = self.lines >= self.look_at && self.lines / 2 > index.len();
        match self.fate() {
            Ok(Fate::Gone) => {}
            Ok(Fate::Ours) if full => {}
            Ok(Fate::Ours | Fate::Replaced) | Err(_) => return,
        }
        if let Err(error) = self.rewrite(index) {
            tracing::warn!(path = %self.path.display(), %error, "the revocation log cannot be written afresh; it grows");
            self.look_at = self.lines.saturating_mul(2);
        }
    }

    /// A new file beside the old one, complete and on the disk before it takes the old one's name.
    fn rewrite(&mut self, index: &Revocations) -> io::Result<()> {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let name = PathBuf::from(name);
        let _left_by_a_crash = fs::remove_file(&name);
        let file = options().create_new(true).open(&name)?;
        let _no_locks_on_this_disk = file.try_lock();
        let mut out = BufWriter::new(&file);
        let (mut length, mut lines, mut after) = (0_u64, 0_usize, None);
        loop {
            let page = index.list(after, PAGE);
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for revocation in &page {
                let line = Entry::Made((**revocation).clone()).write();
                out.write_all(line.as_bytes())?;
                length = length.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
                lines = lines.saturating_add(1);
            }
        }
        out.flush()?;
        drop(out);
        file.sync_all()?;
        fs::rename(&name, &self.path)?;
        tracing::info!(path = %self.path.display(), before = self.lines, after = lines, "revocation log written afresh");
        *self = Self {
            path: self.path.clone(),
            file,
            length,
            torn: false,
            named: false,
            lines,
            look_at: FEWEST_LINES,
        };
        self.name()
    }

    /// Has the file's name on the disk: after a crash, a line would be lost with a file that nobody finds.
    fn name(&mut self) -> io::Result<()> {
        if !self.named {
            sync_folder(&self.path)?;
            self.named = true;
        }
        Ok(())
    }

    /// Whether the name still leads to the file that we write: who rotates it away must not make us write where nobody reads.
    fn fate(&self) -> io::Result<Fate> {
        match fs::metadata(&self.path) {
            Ok(named) if same(&named, &self.file.metadata()?) => Ok(Fate::Ours),
            Ok(_) => Ok(Fate::Replaced),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Fate::Gone),
            Err(error) => Err(error),
        }
    }

    /// Cuts off what a failed write left.
    fn heal(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.file.sync_all()?;
            self.torn = false;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Log {
    /// Another file in the place of its own.
    pub(super) fn replace_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

/// Puts in force what a file holds, without touching it.
pub(super) fn peek(path: &Path, index: &Revocations, now: UnixTime) -> Result<(), LedgerError> {
    let file = File::open(path).map_err(|source| LedgerError::File {
        path: path.to_owned(),
        source,
    })?;
    replay(path, &file, index, now).map(drop)
}

/// Opens the file, which nobody but us may have: two writers would not know of one another's revocations.
fn lock(path: &Path) -> Result<File, LedgerError> {
    let failed = |source| LedgerError::File {
        path: path.to_owned(),
        source,
    };
    let locked = || LedgerError::Locked {
        path: path.to_owned(),
    };
    let file = options().create(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(locked()),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(path = %path.display(), %error, "the revocation log cannot be locked: see to it that one gateway alone uses it");
        }
    }
    // Between opening and locking, whoever had it may have written it afresh: then this is the old one.
    let ours = file.metadata().map_err(failed)?;
    if same(&ours, &fs::metadata(path).map_err(failed)?) {
        return Ok(file);
    }
    Err(locked())
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// It names viewers: for the gateway's user alone.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    options
}

/// A file is there after a crash only once its folder is on the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// Reads the lines from the beginning.
fn replay(
    path: &Path,
    file: &File,
    index: &Revocations,
    now: UnixTime,
) -> Result<Good, LedgerError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut good = Good::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line);
        let read = read.map_err(|source| LedgerError::File {
            path: path.to_owned(),
            source,
        })?;
        if read == 0 {
            return Ok(good);
        }
        let number = good.lines.saturating_add(1);
        let corrupt = |source| LedgerError::Corrupt {
            path: path.to_owned(),
            line: number,
            source,
        };
        let last = reader.fill_buf().is_ok_and(<[u8]>::is_empty);
        let whole = line.strip_suffix(b"\n");
        match (whole, whole.map(Entry::read)) {
            (_, Some(Ok(Entry::Made(revocation)))) => {
                if revocation.until > now {
                    index.add(revocation);
                }
            }
            (_, Some(Ok(Entry::Removed(id)))) => {
                index.remove(id);
            }
            // The end never reached the disk, or only as a hole of zeros.
            (None, _) if last && is_ours(&line) => {
                good.torn = true;
                return Ok(good);
            }
            (Some(text), Some(Err(_))) if last && text.contains(&0) && is_ours(text) => {
                good.torn = true;
                return Ok(good);
            }
            (_, Some(Err(why))) => return Err(corrupt(why)),
            (_, None) => return Err(corrupt(Unreadable::Json)),
        }
        good.lines = number;
        good.length = good
            .length
            .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

/// Whether text can be what is left of a line of ours: its beginning, or a hole of zeros and what came after it. A file that holds anything else is somebody
/// else's, whose path was mistaken for the log's: nothing is cut off it.
fn is_ours(text: &[u8]) -> bool {
    let begins = |start: &&[u8]| text.starts_with(start) || start.starts_with(text);
    text.first() == Some(&0) || BEGINNINGS.iter().any(begins)
}

/// How the lines begin that [`Entry::write`] makes.
const BEGINNINGS: [&[u8]; 2] = [b"{\"id\":\"", b"{\"removed\":\""];
/// Longer than any line that we write.
const LONGEST_LINE: u64 = 16 * 1024;
/// A shorter log is never written afresh.
const FEWEST_LINES: usize = 1024;
/// Entries that are taken from the index at a time.
const PAGE: usize = 1000;
