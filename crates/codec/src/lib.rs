//! Entropy models, integer tables, the coder, the container.
//!
//! | I want | look at |
//! |---|---|
//! | integer frequency tables, alphabets with an escape | [`table`] |
//! | a coder | [`coder`] |
//! | densities, their probabilities of integers, the rate in training | [`density`], [`factorised`] |
//! | mixtures of Gaussians, whose tables are made for each integer | [`mixture`], [`density::mixture_bits`] |
//! | indices of a codebook, by how often they occur | [`indices`] |
//! | what stands for rounding in training | [`proxy`] |
//! | arithmetic that every machine does alike | [`integer`] |
//! | a file | [`container`] |
//! | photographs in and out | [`picture`] |
//! | which entropy model suits my integers | [`compare`](mod@compare) |
//! | rates at equal distortion, in per cent | [`measure`] |
//!
//! A codec is a transform, a quantiser, an entropy model of integers, a coder and a container. Encoder and decoder must choose the same
//! tables: all that chooses is made once when training ends, as integers, is stored with the model, and its digest stands in every file.

pub mod coder;
pub mod compare;
pub mod container;
pub mod density;
pub mod factorised;
pub mod indices;
pub mod integer;
pub mod measure;
pub mod mixture;
pub mod picture;
pub mod proxy;
pub mod table;
pub mod tiles;
