//! Every system's claim in its smoke budget, with two seeds.

elbo_core::claim_tests! { elbo_systems_temporal::SYSTEMS, seeds [31, 32]; markov_gp_holds: "markov-gp", cvhm_holds: "cvhm", markovian_gpvae_holds: "markovian-gpvae" }
