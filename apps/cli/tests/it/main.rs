//! The program, from outside: what users and scripts see.

mod bad_input;
mod compress;
mod folder;
mod formats;
mod generative;
mod interrupt;
mod places;
mod render;
mod restore;
mod results;
mod suggest;
mod unusual;
