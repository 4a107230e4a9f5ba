//! Tests of the crate as its users see it.

mod attack;
mod bayes;
mod common;
mod decoder_weights;
mod divergence;
mod equivariant;
mod evidence;
mod families;
mod flow;
mod golden;
mod gradients;
mod layers;
mod likelihood;
mod missing;
mod oracle;
mod perceptual;
mod regularisers;
mod training;
mod weights;
