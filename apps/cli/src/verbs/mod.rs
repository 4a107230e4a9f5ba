//! One file per verb, or per group of verbs.

pub mod codec;
pub mod compress;
pub mod data;
pub mod evaluate;
pub mod fit;
pub mod generate;
pub mod info;
pub mod list;
pub mod predict;
pub mod render;
pub mod reproduce;
pub mod restore;
pub mod suggest;
pub mod update;
