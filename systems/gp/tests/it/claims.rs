//! Every system's claim in its smoke budget, with three seeds.

elbo_core::claim_tests! {
    elbo_systems_gp::SYSTEMS, seeds [31, 32, 33];
    gpr_holds: "gpr",
    sgpr_holds: "sgpr",
    svgp_holds: "svgp",
    bayesian_gpr_holds: "bayesian-gpr",
    cvi_ep_hyper_holds: "cvi-ep-hyper",
    cvtgp_holds: "cvtgp",
    memory_dual_gp_holds: "memory-dual-gp",
    sdd_gp_holds: "sdd-gp",
    scale_mixture_nngp_holds: "scale-mixture-nngp",
}
