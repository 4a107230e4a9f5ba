//! Gaussians in space as pictures, and back: cameras, spherical harmonics, the rasteriser and its derivative, densification.
//!
//! | module | what it holds |
//! |---|---|
//! | [`gaussians`], [`camera`], [`sh`] | the parameters, who looks at them, their colours |
//! | [`project`], [`tile`], [`mod@render`] | one Gaussian, one tile, a whole picture; forward and backward |
//! | [`surfel`] | flat Gaussians: discs with depths and normals of their own |
//! | [`loss`] | absolute error, structural similarity, peak signal to noise |
//! | [`quality`] | every measure that pictures are judged by, averaged |
//! | [`optimise`] | Gaussians under way: Adam's moments, what densification wants to know |
//! | [`control`], [`relocate`] | two ways to have as many Gaussians as are needed where they are needed |
//! | [`refinement`] | what they did to the number of Gaussians, each time |
//! | [`scene`] | photographs with their cameras |
//! | [`prior`] | depths, flows and points that other models estimate for the pixels of photographs |
//! | [`fit`], [`model`] | from photographs to Gaussians, and what is kept of them |
//! | [`mod@make`] | made-up scenes with everything known, of drawn bodies or of the meshes of glTF files, and stand-ins for priors |
//! | [`mod@file`] | files that viewers open: PLY, compressed PLY, SPZ, `.splat` |
//! | `cuda`, with the feature of this name | pictures and their derivatives on an NVIDIA GPU |
//! | [`real`] | single precision for pictures, double for finite differences |
//!
//! A strategy is a step of a [`optimise::Cloud`]: to add one, write it beside [`relocate`] and combine it with the descent.

pub mod camera;
pub mod control;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod file;
pub mod fit;
pub mod gaussians;
pub mod loss;
pub mod make;
pub mod model;
pub mod optimise;
pub mod prior;
pub mod project;
pub mod quality;
pub mod real;
pub mod refinement;
pub mod relocate;
pub mod render;
pub mod scene;
pub mod sh;
pub mod surfel;
pub mod tile;
