//! Every system's claim in its smoke budget, with two seeds.

elbo_core::claim_tests! { elbo_systems_decision::SYSTEMS, seeds [31, 32]; bo_holds: "bo", bo_mean_holds: "bo-mean" }
