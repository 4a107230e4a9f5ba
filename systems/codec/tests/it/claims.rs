//! The networks have barely begun to learn in a smoke run: it trains and codes, and checks what needs no trained network.

use elbo_systems_codec::SYSTEMS;

elbo_core::claim_tests! {
    SYSTEMS, seeds [31];
    hyperprior_holds: "hyperprior",
    ggm_codec_holds: "ggm-codec",
}
