//! Tests of the crate as its users see it.

mod attack;
mod bayes;
mod code_density;
mod common;
mod condition;
mod decoder_weights;
mod divergence;
mod equivariant;
mod evidence;
mod families;
mod flow;
mod golden;
mod gp;
mod gradients;
mod layers;
mod likelihood;
mod missing;
mod mixtures;
mod oracle;
mod perceptual;
mod pixel_mixture;
mod points;
mod regularisers;
mod terms;
mod training;
mod weights;
