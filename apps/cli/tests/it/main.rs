//! The program, from outside: what users and scripts see.

mod bad_input;
mod codec;
mod compress;
mod cookbook;
mod folder;
mod formats;
mod full_disk;
mod generative;
mod interrupt;
mod kill;
mod places;
mod read_only;
mod render;
mod restore;
mod results;
mod suggest;
mod unusual;
