//! Which SQLite does rusqlite speak to? The one that this crate's build script
//! compiles and links; there is nothing to call here.
#![no_std]
