//! How is a snapshot kept in little RAM?

use super::file::{Reader, Unreadable, read_state, write_state};
use super::snapshot::{Content, Snapshot};

/// A snapshot in RAM, under LZ4.
#[derive(Clone, Debug)]
pub struct Packed(Box<[u8]>);

impl Packed {
    /// Packs a snapshot. Fails when it is in a file that cannot be read.
    pub fn new(snapshot: &Snapshot) -> std::io::Result<Packed> {
        let mut bytes = Vec::new();
        write_state(&mut bytes, &snapshot.spaces);
        bytes.extend_from_slice(&snapshot.content()?);
        Ok(Packed(lz4_flex::compress_prepend_size(&bytes).into()))
    }

    /// The snapshot as it was.
    pub fn unpack(&self) -> Result<Snapshot, Unreadable> {
        const DAMAGED: Unreadable = Unreadable::Damaged("it cannot be unpacked");
        let bytes = lz4_flex::decompress_size_prepended(&self.0).map_err(|_| DAMAGED)?;
        let mut reader = Reader(&bytes);
        let spaces = read_state(&mut reader)?;
        let state_len = bytes.len() - reader.0.len();
        let mut content = bytes;
        content.drain(..state_len);
        let snapshot = Snapshot {
            spaces,
            content: Content::Bytes(content),
        };
        match &snapshot.content {
            Content::Bytes(content) if content.len() as u64 == snapshot.content_len() => {
                Ok(snapshot)
            }
            _ => Err(DAMAGED),
        }
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}
