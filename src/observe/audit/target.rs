//! Where the trail goes: a file that may be rotated away, or a stream.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    os::{
        fd::AsFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::PathBuf,
};

/// A file by name, or a stream that cannot be opened again.
pub(super) enum Target {
    File(Named),
    Stream(Box<dyn Write + Send>),
}

/// An open file and the name it was opened by.
pub(super) struct Named {
    path: PathBuf,
    file: File,
    /// Device and inode.
    identity: (u64, u64),
}

impl Target {
    pub(super) fn file(path: PathBuf) -> io::Result<Self> {
        let (file, identity) = open(&path)?;
        Ok(Self::File(Named {
            path,
            file,
            identity,
        }))
    }

    /// Standard output without the library's line buffer: a batch is one write.
    pub(super) fn stdout() -> io::Result<Self> {
        let fd = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::Stream(Box::new(File::from(fd))))
    }

    /// Opens the file again where asked to, or where its name no longer leads to it. Whether it did.
    pub(super) fn refresh(&mut self, asked: bool) -> io::Result<bool> {
        let Self::File(named) = self else {
            return Ok(false);
        };
        let there = fs::metadata(&named.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == named.identity);
        if there && !asked {
            return Ok(false);
        }
        (named.file, named.identity) = open(&named.path)?;
        Ok(true)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(named) => named.file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(named) => write!(f, "{}", named.path.display()),
            Self::Stream(_) => f.write_str("stream"),
        }
    }
}

/// For appending, readable by nobody else; a line that a crash tore off is closed first.
fn open(path: &PathBuf) -> io::Result<(File, (u64, u64))> {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let found = file.metadata()?;
    if found.is_file() && found.len() > 0 && torn(path).unwrap_or(false) {
        file.write_all(b"\n")?;
    }
    Ok((file, (found.dev(), found.ino())))
}

fn torn(path: &PathBuf) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
