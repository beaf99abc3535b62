//! How does a snapshot look in a file?
//!
//! All numbers are little-endian.
//!
//! | Bytes | What |
//! |---|---|
//! | 0..8 | `compsnap` |
//! | 8..12 | version of this format |
//! | 12..16 | version of the instrumenter |
//! | 16..24 | length of the head: all before the content, a multiple of 4096 |
//! | 24..32 | length of the content |
//! | 32..36 | CRC-32 of the content |
//! | 36..40 | CRC-32 of the head, in which these four bytes are zero |
//! | 40.. | the binding, then the state of each space, then zeros |
//! | at 4096·n | the saved pages, in the order of spaces, memories and addresses |
//!
//! The content is aligned so that it can be mapped.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::handles::INDEX_MAX;
use super::pages::{PAGE_BYTES, PageRange, WASM_PAGE_BYTES};
use super::snapshot::{Content, Handle, MemoryState, Snapshot, SpaceState};
use crate::VERSION;

const MAGIC: &[u8; 8] = b"compsnap";
const FORMAT: u32 = 1;
const FIXED_BYTES: usize = 40;

/// A memory cannot have more of them.
const WASM_PAGES_MAX: u32 = 1 << 16;

/// A head that is longer was not written here: it would describe more pages than a
/// component's memories can have.
const HEAD_BYTES_MAX: u64 = 1 << 28;

/// How much of a file is compared with its checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// All of it, which reads all of it.
    Everything,
    /// All but the saved pages: for a file that this process has written itself, and
    /// that nobody else can have touched.
    Head,
}

/// A file is no snapshot that can be restored.
#[derive(Debug)]
pub enum Unreadable {
    Io(io::Error),
    /// It is something else, or of another version.
    Foreign(&'static str),
    /// It is not what was written.
    Damaged(&'static str),
    /// It is a snapshot of something else.
    OtherBinding,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Io(error) => write!(f, "the snapshot cannot be read: {error}"),
            Unreadable::Foreign(what) => write!(f, "the file {what}"),
            Unreadable::Damaged(what) => write!(f, "the snapshot is damaged: {what}"),
            Unreadable::OtherBinding => write!(f, "the snapshot is of something else"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Unreadable {
        Unreadable::Io(error)
    }
}

impl Snapshot {
    /// Writes the snapshot. `binding` says what it is of: it can only be read again
    /// under the same binding.
    ///
    /// To be written to a new file, which then takes the place of an older one: an
    /// instance may have mapped that.
    pub fn write(&self, out: &mut impl Write, binding: &[u8]) -> io::Result<()> {
        let content = self.content()?;
        let mut head = Vec::new();
        head.extend_from_slice(MAGIC);
        put(&mut head, FORMAT);
        put(&mut head, VERSION);
        head.resize(FIXED_BYTES, 0);
        put(&mut head, binding.len() as u32);
        head.extend_from_slice(binding);
        write_state(&mut head, &self.spaces);
        head.resize(head.len().next_multiple_of(PAGE_BYTES), 0);
        let head_len = head.len() as u64;
        head[16..24].copy_from_slice(&head_len.to_le_bytes());
        head[24..32].copy_from_slice(&(content.len() as u64).to_le_bytes());
        head[32..36].copy_from_slice(&crc32fast::hash(&content).to_le_bytes());
        let checksum = crc32fast::hash(&head);
        head[36..40].copy_from_slice(&checksum.to_le_bytes());
        out.write_all(&head)?;
        out.write_all(&content)
    }

    /// Reads what [`Snapshot::write`] wrote under the same binding. The pages stay in
    /// the file until an instance is restored.
    pub fn read(file: File, binding: &[u8], check: Check) -> Result<Snapshot, Unreadable> {
        let length = file.metadata()?.len();
        let mut head = vec![0; PAGE_BYTES];
        if length < head.len() as u64 {
            return Err(Unreadable::Foreign("is too short to be a snapshot"));
        }
        file.read_exact_at(&mut head, 0)?;
        let mut fixed = Reader(&head);
        if fixed.bytes(MAGIC.len())? != MAGIC {
            return Err(Unreadable::Foreign("is no snapshot"));
        }
        if (fixed.number()?, fixed.number()?) != (FORMAT, VERSION) {
            return Err(Unreadable::Foreign("is a snapshot of another version"));
        }
        let (head_len, content_len) = (fixed.long()?, fixed.long()?);
        let (content_checksum, head_checksum) = (fixed.number()?, fixed.number()?);
        let is_whole = head_len <= HEAD_BYTES_MAX
            && head_len.is_multiple_of(PAGE_BYTES as u64)
            && head_len.checked_add(content_len) == Some(length);
        if !is_whole {
            return Err(Unreadable::Damaged("its length is another one"));
        }
        head.resize(head_len as usize, 0);
        if let Some(rest) = head.get_mut(PAGE_BYTES..) {
            file.read_exact_at(rest, PAGE_BYTES as u64)?;
        }
        head.get_mut(36..FIXED_BYTES).ok_or(SHORT)?.fill(0);
        if crc32fast::hash(&head) != head_checksum {
            return Err(Unreadable::Damaged(
                "the checksum of its head is another one",
            ));
        }
        let mut rest = Reader(head.get(FIXED_BYTES..).ok_or(SHORT)?);
        let binding_len = rest.number()?;
        if rest.bytes(binding_len as usize)? != binding {
            return Err(Unreadable::OtherBinding);
        }
        let snapshot = Snapshot {
            spaces: read_state(&mut rest)?,
            content: Content::File {
                file: Arc::new(file),
                offset: head_len,
                mappable: None,
            },
        };
        if snapshot.content_len() != content_len {
            return Err(Unreadable::Damaged("it has not as many pages as it says"));
        }
        if check == Check::Everything && snapshot.content_checksum()? != content_checksum {
            return Err(Unreadable::Damaged(
                "the checksum of its pages is another one",
            ));
        }
        Ok(snapshot)
    }

    fn content_checksum(&self) -> io::Result<u32> {
        const CHUNK_BYTES: usize = 1 << 17;
        let Content::File { file, offset, .. } = &self.content else {
            return Ok(crc32fast::hash(&self.content()?));
        };
        let mut hasher = crc32fast::Hasher::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let (mut at, end) = (*offset, offset + self.content_len());
        while at < end {
            let length = chunk.len().min((end - at) as usize);
            file.read_exact_at(&mut chunk[..length], at)?;
            hasher.update(&chunk[..length]);
            at += length as u64;
        }
        Ok(hasher.finalize())
    }

    /// The saved pages, in RAM.
    pub(super) fn content(&self) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        match &self.content {
            Content::Bytes(bytes) => Ok(bytes.into()),
            Content::File { file, offset, .. } => {
                let mut bytes = vec![0; self.content_len() as usize];
                file.read_exact_at(&mut bytes, *offset)?;
                Ok(bytes.into())
            }
        }
    }
}

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Writes everything but the pages.
pub(super) fn write_state(out: &mut Vec<u8>, spaces: &[SpaceState]) {
    put(out, spaces.len() as u32);
    for space in spaces {
        put(out, space.globals.len() as u32);
        for global in &space.globals {
            out.extend_from_slice(&global.to_le_bytes());
        }
        put(out, space.memories.len() as u32);
        for memory in &space.memories {
            put(out, memory.wasm_pages);
            put(out, memory.ranges.len() as u32);
            for range in &memory.ranges {
                put(out, range.first);
                put(out, range.count);
            }
        }
        put(out, space.handles.len() as u32);
        for handle in &space.handles {
            put(out, handle.index);
            put(out, handle.resource);
            put(out, handle.description.len() as u32);
            out.extend_from_slice(&handle.description);
        }
    }
}

/// Reads what `write_state` wrote. What could not have been written is an error.
pub(super) fn read_state(reader: &mut Reader<'_>) -> Result<Vec<SpaceState>, Unreadable> {
    reader.list(|reader| {
        Ok(SpaceState {
            globals: reader.list(Reader::long)?,
            memories: reader.list(read_memory)?,
            handles: {
                let handles = reader.list(read_handle)?;
                let indices = handles.iter().map(|handle| handle.index);
                let first = indices.clone().next().unwrap_or(1);
                let last = indices.clone().next_back().unwrap_or(1);
                if first == 0 || last > INDEX_MAX || !indices.is_sorted_by(|one, next| one < next) {
                    return Err(Unreadable::Damaged("its handles have no order"));
                }
                handles
            },
        })
    })
}

fn read_memory(reader: &mut Reader<'_>) -> Result<MemoryState, Unreadable> {
    let wasm_pages = reader.number()?;
    let ranges = reader.list(|reader| {
        Ok(PageRange {
            first: reader.number()?,
            count: reader.number()?,
        })
    })?;
    let mut free_from = 0;
    let end = u64::from(wasm_pages) * (WASM_PAGE_BYTES / PAGE_BYTES) as u64;
    for range in &ranges {
        let range_end = u64::from(range.first) + u64::from(range.count);
        if range.count == 0 || u64::from(range.first) < free_from || range_end > end {
            return Err(Unreadable::Damaged("its pages have no order"));
        }
        free_from = range_end;
    }
    if wasm_pages > WASM_PAGES_MAX {
        return Err(Unreadable::Damaged("a memory is too large"));
    }
    Ok(MemoryState { wasm_pages, ranges })
}

fn read_handle(reader: &mut Reader<'_>) -> Result<Handle, Unreadable> {
    Ok(Handle {
        index: reader.number()?,
        resource: reader.number()?,
        description: {
            let length = reader.number()?;
            reader.bytes(length as usize)?.to_vec()
        },
    })
}

const SHORT: Unreadable = Unreadable::Damaged("its head is too short");

/// Bytes that are still to be read.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u32, Unreadable> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes).map_err(|_| SHORT)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn long(&mut self) -> Result<u64, Unreadable> {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes).map_err(|_| SHORT)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A list of items, each of at least four bytes.
    fn list<Item>(
        &mut self,
        mut item: impl FnMut(&mut Reader<'a>) -> Result<Item, Unreadable>,
    ) -> Result<Vec<Item>, Unreadable> {
        let count = self.number()? as usize;
        if count > self.0.len() / 4 {
            return Err(SHORT);
        }
        (0..count).map(|_| item(self)).collect()
    }
}
