//! The networks have barely begun to learn in a smoke run, so its thresholds are loose; what needs no network is checked in full.

use elbo_systems_codec::SYSTEMS;

elbo_core::claim_tests! {
    SYSTEMS, seeds [31];
    hyperprior_holds: "hyperprior",
    ggm_codec_holds: "ggm-codec",
}
