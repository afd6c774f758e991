//! The file behind the store: a header with the version it was rewritten at, then one JSON line per change.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{ChangeKind, Object, Table, Tables, object_of};
use crate::rehearsal::resource::by_plural;

/// The log is rewritten when it holds this many bytes more than twice the live objects.
const SLACK: u64 = 16 << 20;

/// The open log.
pub struct Log {
    path: PathBuf,
    file: File,
    /// Bytes in the file.
    written: u64,
    /// Bytes of the objects that are alive.
    live: u64,
}

/// One change.
#[derive(Serialize, Deserialize)]
pub struct Line<'a> {
    group: Cow<'a, str>,
    plural: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u64,
}

impl Log {
    /// Returns what a log leads to, with its version. A last line that was cut off is passed over.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(path: &Path) -> io::Result<(Tables, u64)> {
        let mut tables: HashMap<_, Table> = HashMap::new();
        let mut version = 1;
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((tables, version)),
            file => file?,
        };
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            if let Ok(header) = serde_json::from_slice::<Header>(&line) {
                version = header.version;
            } else {
                let entry: Line = serde_json::from_slice(&line)?;
                version = version.max(replay(&mut tables, &entry)?);
            }
            line.clear();
        }
        Ok((tables, version))
    }

    /// Replaces the file at `path` by the shortest that leads to `tables`, and opens it.
    ///
    /// # Errors
    /// When it cannot be written; the old one then stays as it is.
    pub fn rewrite(path: &Path, tables: &Tables, version: u64) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        let mut live = 0;
        {
            let mut out = BufWriter::new(temporary.as_file_mut());
            serde_json::to_writer(&mut out, &Header { version })?;
            out.write_all(b"\n")?;
            for object in tables.values().flat_map(Table::values) {
                live += object.raw.len() as u64;
                out.write_all(&encode(object, ChangeKind::Added)?)?;
            }
            out.flush()?;
        }
        temporary.as_file().sync_all()?;
        let mut file = temporary.persist(path).map_err(|error| error.error)?;
        let written = file.seek(io::SeekFrom::End(0))?;
        Ok(Self { path: path.to_owned(), file, written, live })
    }

    /// Replaces this log's own file, as [`Log::rewrite`] does.
    ///
    /// # Errors
    /// When it cannot be written; the old one then stays as it is.
    pub fn rewritten(&self, tables: &Tables, version: u64) -> io::Result<Self> {
        Self::rewrite(&self.path, tables, version)
    }

    /// Writes a change. `previous` is the version of the object that it replaces.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, object: &Object, kind: ChangeKind, previous: Option<&Object>) -> io::Result<()> {
        let line = encode(object, kind)?;
        self.file.write_all(&line)?;
        self.written += line.len() as u64;
        self.live += if kind == ChangeKind::Deleted { 0 } else { object.raw.len() as u64 };
        self.live -= previous.map_or(0, |object| object.raw.len() as u64);
        Ok(())
    }

    /// Whether most of the file is no longer needed.
    pub fn is_wasteful(&self) -> bool {
        self.written >= self.live * 2 + SLACK
    }
}

impl Line<'_> {
    /// Returns the object; `None` when the rehearsal serves no such resource.
    ///
    /// # Errors
    /// When it is no object.
    pub fn object(&self) -> io::Result<Option<Object>> {
        #[derive(Deserialize)]
        struct Metadata {
            metadata: Value,
        }
        let Some(resource) = by_plural(&self.group, &self.plural) else { return Ok(None) };
        let raw = Bytes::copy_from_slice(self.object.get().as_bytes());
        let metadata = serde_json::from_slice::<Metadata>(&raw)?.metadata;
        Ok(Some(object_of(resource, raw, &metadata)))
    }
}

/// Returns a change as the line that the log has, with its line end.
///
/// # Errors
/// When the object is no JSON.
pub fn encode(object: &Object, kind: ChangeKind) -> io::Result<Vec<u8>> {
    let text = std::str::from_utf8(&object.raw).map_err(io::Error::other)?;
    let line = Line {
        group: object.key.resource.group.into(),
        plural: object.key.resource.plural.into(),
        deleted: kind == ChangeKind::Deleted,
        object: serde_json::from_str(text)?,
    };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    Ok(line)
}

/// Makes a change in `tables` and returns its version; 0 when the rehearsal serves no such resource.
///
/// # Errors
/// When it is about no object.
pub fn replay(tables: &mut Tables, line: &Line) -> io::Result<u64> {
    let Some(object) = line.object()? else { return Ok(0) };
    let version = object.version;
    let table = tables.entry((object.key.resource.group, object.key.resource.plural)).or_default();
    let place = (object.key.namespace.clone(), object.key.name.clone());
    if line.deleted {
        table.remove(&place);
    } else {
        table.insert(place, Arc::new(object));
    }
    Ok(version)
}
