//! Laws of the codec, golden values, and damaged files.

mod coder;
mod damage;
mod fixed;
mod picture;
mod ranged;
mod zeros;
