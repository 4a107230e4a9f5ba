//! Readers, writers, splits, study generators and the data catalogue.
//!
//! | want | use |
//! |---|---|
//! | a user's file as named arrays | [`read()`] with [`ReadOptions`] |
//! | one picture, or pictures of any size | [`read_picture`], [`read_pictures`] |
//! | depths, flows or points for the pixels of a picture | [`read_map`], [`write_flow`], [`write_grey16`] |
//! | predictions or a table on disk | [`write_table`], [`write_data`], [`write_npy`], [`write_npz`] |
//! | training and test rows | [`holdout`], [`folds`], [`fixed_split`] |
//! | a published data set | [`catalogue()`], [`get`], [`locate`], [`stored_table`], [`verify`] |
//! | data that travel with the program | [`digits8`], [`digits8_classes`], [`digits8_split`], [`diabetes`], [`photos`], [`photo_patches`] |
//! | made-up data with a known recipe | [`generators`], [`make()`] |
//!
//! How to add: a data set is one [`Entry`] listed in `catalogue/entries.rs`; a recipe is one [`Generator`] in `make/mod.rs`; a format is one
//! file under `read/` that turns bytes into columns, and one line in its dispatch.

pub mod catalogue;
pub mod make;
pub mod read;
pub mod shipped;
pub mod split;
pub mod write;

pub use catalogue::{
    Entry, LicenceClass, Member, Package, Stored, catalogue, default_dir, get, locate, stored_table, verify,
};
pub use make::{Generator, MakeOptions, generators, make, make_from};
pub use read::maps::{read_map, read_map_bytes};
pub use read::pictures::{is_picture_name, read_picture, read_picture_bytes, read_pictures};
pub use read::{MissingPolicy, ReadOptions, read, read_bytes};
pub use shipped::{diabetes, digits8, digits8_classes, digits8_split, photo_patches, photos};
pub use split::{Split, fixed_split, fixed_split_count, folds, holdout};
pub use write::{
    Cells, flow_bytes, grey16_bytes, table_bytes, table_columns, write_data, write_flow, write_grey16, write_npy,
    write_npz, write_table,
};
