//! One file per verb.

pub mod data;
pub mod evaluate;
pub mod fit;
pub mod info;
pub mod list;
pub mod predict;
pub mod reproduce;
pub mod update;
