//! How is one request to the disk written down?
//!
//! The recorder appends records to a file, the tests read them. Invariants:
//!
//! * A record is appended in one piece and after the change it tells of, before the
//!   process can know that the change was made. So the order of records agrees with
//!   every order that the process can rely on.
//! * A sync is two records: it covers what was recorded before it began, and nothing
//!   is safe until it has ended.

/// A file for as long as it exists, whatever its name: inode and time of birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId {
    pub inode: u64,
    pub born_ns: u64,
}

/// What a folder held: names of files and folders.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Relative to the recorded folder; empty for that folder itself.
    pub folder: String,
    /// A folder has no `FileId`: nothing but its name matters.
    pub entries: Vec<(String, Option<FileId>)>,
}

/// Paths are relative to the recorded folder.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Named {
        file: FileId,
        path: String,
    },
    Written {
        file: FileId,
        offset: u64,
        bytes: Vec<u8>,
    },
    Resized {
        file: FileId,
        length: u64,
    },
    Unlinked {
        path: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    FileSyncBegan {
        sync: u64,
        file: FileId,
    },
    /// Of one folder: its entries are covered, nothing else.
    FolderSyncBegan {
        sync: u64,
    },
    /// Of everything below the recorded folder.
    AllSyncBegan {
        sync: u64,
    },
    /// What a folder held some time after this sync had begun; the sync covers it.
    Listed {
        sync: u64,
        listing: Listing,
    },
    SyncEnded {
        sync: u64,
    },
    /// What these files had not synced yet is lost: a kernel forgets that pages
    /// which it failed to write are dirty.
    SyncFailed {
        sync: u64,
        lost: Vec<FileId>,
    },
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(vec![0; 4]);
        match self {
            Record::Named { file, path } => out.tag(1).file(*file).text(path),
            Record::Written {
                file,
                offset,
                bytes,
            } => out.tag(2).file(*file).number(*offset).bytes(bytes),
            Record::Resized { file, length } => out.tag(3).file(*file).number(*length),
            Record::Unlinked { path } => out.tag(4).text(path),
            Record::Renamed { from, to } => out.tag(5).text(from).text(to),
            Record::FileSyncBegan { sync, file } => out.tag(6).number(*sync).file(*file),
            Record::FolderSyncBegan { sync } => out.tag(7).number(*sync),
            Record::AllSyncBegan { sync } => out.tag(8).number(*sync),
            Record::Listed { sync, listing } => out.tag(11).number(*sync).listing(listing),
            Record::SyncEnded { sync } => out.tag(9).number(*sync),
            Record::SyncFailed { sync, lost } => {
                out.tag(10).number(*sync).number(lost.len() as u64);
                lost.iter().fold(&mut out, |out, file| out.file(*file))
            }
        };
        let length = (out.0.len() - 4) as u32;
        out.0[..4].copy_from_slice(&length.to_le_bytes());
        out.0
    }

    /// Reads the first record of `bytes` and says how long it is; none when it is
    /// not there as a whole.
    pub fn decode(bytes: &[u8]) -> Option<(Record, usize)> {
        let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let mut rest = Reader(bytes.get(4..4 + length)?);
        let record = match rest.byte()? {
            1 => Record::Named {
                file: rest.file()?,
                path: rest.text()?,
            },
            2 => Record::Written {
                file: rest.file()?,
                offset: rest.number()?,
                bytes: rest.bytes()?.to_vec(),
            },
            3 => Record::Resized {
                file: rest.file()?,
                length: rest.number()?,
            },
            4 => Record::Unlinked { path: rest.text()? },
            5 => Record::Renamed {
                from: rest.text()?,
                to: rest.text()?,
            },
            6 => Record::FileSyncBegan {
                sync: rest.number()?,
                file: rest.file()?,
            },
            7 => Record::FolderSyncBegan {
                sync: rest.number()?,
            },
            8 => Record::AllSyncBegan {
                sync: rest.number()?,
            },
            11 => Record::Listed {
                sync: rest.number()?,
                listing: rest.listing()?,
            },
            9 => Record::SyncEnded {
                sync: rest.number()?,
            },
            10 => Record::SyncFailed {
                sync: rest.number()?,
                lost: rest.many(Reader::file)?,
            },
            _ => return None,
        };
        Some((record, 4 + length))
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn tag(&mut self, tag: u8) -> &mut Writer {
        self.0.push(tag);
        self
    }

    fn number(&mut self, number: u64) -> &mut Writer {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn file(&mut self, file: FileId) -> &mut Writer {
        self.number(file.inode).number(file.born_ns)
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Writer {
        self.number(bytes.len() as u64).0.extend(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Writer {
        self.bytes(text.as_bytes())
    }

    fn listing(&mut self, listing: &Listing) -> &mut Writer {
        self.text(&listing.folder)
            .number(listing.entries.len() as u64);
        for (name, file) in &listing.entries {
            self.text(name).file(file.unwrap_or(FileId {
                inode: 0,
                born_ns: 0,
            }));
        }
        self
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn file(&mut self) -> Option<FileId> {
        Some(FileId {
            inode: self.number()?,
            born_ns: self.number()?,
        })
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length as usize)
    }

    fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    fn many<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| one(self)).collect()
    }

    fn listing(&mut self) -> Option<Listing> {
        let folder = self.text()?;
        let entries = self.many(|rest| {
            let name = rest.text()?;
            Some((
                name,
                rest.file().map(|file| (file.inode != 0).then_some(file))?,
            ))
        })?;
        Some(Listing { folder, entries })
    }
}
