//! The program, from outside: what users and scripts see.

mod bad_input;
mod folder;
mod formats;
mod generative;
mod interrupt;
mod places;
mod results;
mod unusual;
