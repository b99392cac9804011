//! The run's directory: plan, history, verdict, logs; readable after a crash.
//!
//! `runs/<utc>-<name>/` holds `plan.toml`, `history.jsonl.zst`, `verdict.json`, `summary.txt`,
//! `findings/` and `nodes/<name>/`; `runs/latest` points at the newest.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use checkers::calls::Calls;
use checkers::history::{Ending, Format, Op, Read, ReadError, binary, jepsen, jsonl};

/// The plan of the run, as it was carried out.
pub const PLAN: &str = "plan.toml";
/// The history: JSON Lines in zstd frames.
pub const HISTORY: &str = "history.jsonl.zst";
/// The verdict, in the schema that `schism schema verdict` prints.
pub const VERDICT: &str = "verdict.json";

/// A frame is closed at this size, so that little is lost when the process is killed.
const FRAME_BYTES: usize = 1 << 20;
/// A frame is closed at the latest after this time.
const FRAME_TIME: Duration = Duration::from_millis(200);
/// Level 1 is smaller and faster than level 3 on histories.
const ZSTD_LEVEL: i32 = 1;

/// Why a run directory could not be made, written or read. Continues "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory refused.
    #[error("{doing} {path}: {source}{}", remedy(.source))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A history holds something that is not an operation.
    #[error("use {path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Where and what.
        reason: String,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "; free some space: what was recorded so far is kept",
        io::ErrorKind::PermissionDenied => "; choose another place with --runs",
        _ => "",
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Makes `runs/<utc>-<name>/`, with a number behind it if that exists, and points
/// `runs/latest` at it.
///
/// # Errors
///
/// [`StoreError::Io`] when the directory cannot be made.
pub fn new_run(runs: &Path, name: &str) -> Result<PathBuf, StoreError> {
    fs::create_dir_all(runs).map_err(io_error("make", runs))?;
    let stamp = utc_stamp(SystemTime::now());
    for attempt in 1..1000 {
        let suffix = if attempt == 1 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        let base = format!("{stamp}-{name}{suffix}");
        let path = runs.join(&base);
        match fs::create_dir(&path) {
            Ok(()) => {
                point_latest(runs, &base);
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("make", &path)(error)),
        }
    }
    Err(io_error("make", runs)(io::ErrorKind::AlreadyExists.into()))
}

/// Convenience only: a run is not lost because a link could not be moved.
fn point_latest(runs: &Path, base: &str) {
    let link = runs.join("latest");
    let fresh = runs.join(format!(".latest-{}", std::process::id()));
    let moved = std::os::unix::fs::symlink(base, &fresh).and_then(|()| fs::rename(&fresh, &link));
    if let Err(error) = moved {
        tracing::warn!("failed to point {} at {base}: {error}", link.display());
    }
}

/// `2026-11-22T23-15-16Z`: sorts by time and stands in a file name.
pub(crate) fn utc_stamp(now: SystemTime) -> String {
    let seconds = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}Z")
}

/// Year, month and day of a day counted from 1970. Source: Howard Hinnant, "chrono-compatible
/// low-level date algorithms", 2013, `civil_from_days`.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// Writes a file of the run whole or not at all.
///
/// # Errors
///
/// [`StoreError::Io`] when it cannot be written.
pub fn write_file(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let fresh = path.with_extension("part");
    fs::write(&fresh, contents).map_err(io_error("write", &fresh))?;
    fs::rename(&fresh, path).map_err(io_error("write", path))
}

/// Writes the history to disk while it grows, on a thread of its own.
#[derive(Debug)]
pub struct Journal {
    sender: Option<mpsc::Sender<Vec<Op>>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<io::Error>>>,
    path: PathBuf,
}

impl Journal {
    /// Begins a new file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when it cannot be made.
    ///
    /// # Panics
    ///
    /// When the system cannot start a thread.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let file = File::create_new(path).map_err(io_error("make", path))?;
        let (sender, receiver) = mpsc::channel();
        let failure = Arc::new(Mutex::new(None));
        let told = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                if let Err(error) = write_frames(file, &receiver) {
                    *told.lock().expect("nobody panics with this lock") = Some(error);
                }
            })
            .expect("the system starts a thread");
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
            failure,
            path: path.to_owned(),
        })
    }

    /// Hands over entries; they are on disk a fraction of a second later. Returns false once
    /// the disk has refused: [`Journal::finish`] then tells why.
    pub fn append(&self, ops: Vec<Op>) -> bool {
        self.sender
            .as_ref()
            .is_some_and(|sender| sender.send(ops).is_ok())
    }

    /// Waits until all is on disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when something could not be written, now or before.
    ///
    /// # Panics
    ///
    /// If the journal's thread panicked.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the journal's thread does not panic");
        }
        match self
            .failure
            .lock()
            .expect("nobody panics with this lock")
            .take()
        {
            None => Ok(()),
            Some(source) => Err(io_error("write", &self.path)(source)),
        }
    }
}

/// Frames are independent of each other: whatever precedes a torn one can be read.
fn write_frames(mut file: File, receiver: &mpsc::Receiver<Vec<Op>>) -> io::Result<()> {
    let mut lines = Vec::with_capacity(FRAME_BYTES + 4096);
    let mut due = None;
    let mut open = true;
    while open {
        let patience = due.map_or(Duration::from_secs(3600), |due: std::time::Instant| {
            due.saturating_duration_since(std::time::Instant::now())
        });
        match receiver.recv_timeout(patience) {
            Ok(ops) => {
                for op in &ops {
                    jsonl::write(&mut lines, op)?;
                }
                due = due.or_else(|| Some(std::time::Instant::now() + FRAME_TIME));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
        let late = due.is_some_and(|due| due <= std::time::Instant::now());
        if !lines.is_empty() && (lines.len() >= FRAME_BYTES || late || !open) {
            file.write_all(&zstd::bulk::compress(&lines, ZSTD_LEVEL)?)?;
            lines.clear();
            due = None;
        }
    }
    file.sync_data()
}

/// A recorded history: a file, or what came in on standard input, which can be read again.
#[derive(Clone, Debug)]
pub enum Recording {
    /// A file.
    File(PathBuf),
    /// What came in on standard input.
    Stdin(Vec<u8>),
}

impl Recording {
    /// The recording of that name: `-` is standard input, which is read to its end.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when standard input fails.
    pub fn named(path: &Path) -> Result<Self, StoreError> {
        if path != Path::new("-") {
            return Ok(Self::File(path.to_owned()));
        }
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(io_error("read", path))?;
        Ok(Self::Stdin(bytes))
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Stdin(_) => Path::new("standard input"),
        }
    }

    /// Hands the recording, uncompressed, and its format to `read`; none if it is empty.
    fn read<T>(
        &self,
        read: impl FnOnce(Format, &mut dyn BufRead) -> Result<T, ReadError>,
    ) -> Result<Opened<T>, StoreError> {
        let path = self.path();
        let raw: Box<dyn BufRead + '_> = match self {
            Self::File(path) => {
                let file = File::open(path).map_err(io_error("open", path))?;
                Box::new(BufReader::with_capacity(READ_BYTES, file))
            }
            Self::Stdin(bytes) => Box::new(&bytes[..]),
        };
        let mut input = raw;
        let is_zstd = input
            .fill_buf()
            .map_err(io_error("read", path))?
            .starts_with(&ZSTD_MAGIC);
        if is_zstd {
            let decoder = zstd::stream::read::Decoder::with_buffer(input);
            let decoder = decoder.map_err(io_error("read", path))?;
            input = Box::new(BufReader::with_capacity(READ_BYTES, decoder));
        }
        let content = |reason: String| StoreError::Content {
            path: path.to_owned(),
            reason,
        };
        let head = match input.fill_buf() {
            Ok(head) => head,
            // Cut off before the first frame was whole.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Opened::Nothing { truncated: true });
            }
            Err(error) => return Err(io_error("read", path)(error)),
        };
        if head.is_empty() {
            return Ok(Opened::Nothing { truncated: false });
        }
        let format = Format::detect(head).map_err(|unknown| content(unknown.to_string()))?;
        let read = read(format, &mut input).map_err(|error| content(error.to_string()))?;
        Ok(Opened::Read(format, read))
    }

    /// All operations, up to where the recording was cut off, if it was.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] when it cannot be opened, [`StoreError::Content`] when nobody can tell
    /// its format, or when a whole entry of it is not an operation.
    pub fn history(&self) -> Result<Read, StoreError> {
        let read = self.read(|format, input| format.read(input, jepsen::Options::default()))?;
        Ok(match read {
            Opened::Nothing { truncated } => Read {
                truncated,
                ..Read::default()
            },
            Opened::Read(_, read) => read,
        })
    }

    /// The calls as columns, and the format. They are [irregular](Calls::irregular) if the
    /// recording must be read as a [`history`](Self::history) instead.
    ///
    /// # Errors
    ///
    /// As [`history`](Self::history).
    pub fn calls(&self) -> Result<(Calls, Option<Format>), StoreError> {
        let read = self.read(|format, input| {
            let options = jepsen::Options::default();
            if format == Format::Binary {
                let (columns, ending) = binary::columns(input)?;
                let mut calls = Calls::of_columns(columns);
                calls.end(&ending);
                return Ok(calls);
            }
            let mut calls = Calls::default();
            let ending = format.stream(input, options, &mut calls)?;
            calls.end(&ending);
            Ok(calls)
        })?;
        Ok(match read {
            Opened::Nothing { truncated } => {
                let mut calls = Calls::default();
                calls.end(&Ending {
                    truncated,
                    ..Ending::default()
                });
                (calls, None)
            }
            Opened::Read(format, calls) => (calls, Some(format)),
        })
    }
}

enum Opened<T> {
    Nothing { truncated: bool },
    Read(Format, T),
}

/// Reads a history file in any format that [`Format::detect`] knows, compressed with zstd or
/// not, up to where it was cut off, if it was. An empty file is an empty history.
///
/// # Errors
///
/// Those of [`Recording::history`].
pub fn read_history(path: &Path) -> Result<Read, StoreError> {
    Recording::File(path.to_owned()).history()
}

const READ_BYTES: usize = 1 << 18;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Writes a history file in that format, whole or not at all.
///
/// # Errors
///
/// [`StoreError::Content`] when the format cannot hold what the history holds,
/// [`StoreError::Io`] when the file cannot be written.
pub fn write_history(path: &Path, format: Format, ops: &[Op]) -> Result<(), StoreError> {
    let mut bytes = Vec::new();
    let content = |reason: String| StoreError::Content {
        path: path.to_owned(),
        reason,
    };
    format
        .write(&mut bytes, ops)
        .map_err(|error| content(error.to_string()))?;
    write_file(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_dates() {
        let at = |seconds| utc_stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00-00-00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00-00-00Z");
        assert_eq!(at(1_795_389_316), "2026-11-22T23-15-16Z");
    }
}
