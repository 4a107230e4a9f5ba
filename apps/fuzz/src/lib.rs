//! Hostile inputs: what reads bytes from outside, inputs that it accepts, and how they are changed into inputs that it should refuse.
//!
//! | what is read | file |
//! |---|---|
//! | tables, arrays, pictures, recordings | `tables` |
//! | scenes: COLMAP's models, `transforms.json` | `scenes` |
//! | Gaussians: PLY, SPZ, `.splat` | `splats` |
//! | meshes: glTF | `meshes` |
//! | depths, flows and points over pictures: `.flo`, grey PNG, NPY | `priors` |
//! | compressed photographs | `codec` |
//! | models, weights, kernel expressions | `models` |
//! | models whose contents somebody changed, sealed again | `forged` |
//! | tables, pictures, sequences, photographs and scenes with values that nobody expects, fitted by every registered system | `fitting` |
//!
//! An input may be refused with an error; it may not panic, hang, or take memory out of proportion. The test of this package changes the seeds of every
//! target a fixed number of times; README.md says how to do it for longer, and with cargo-fuzz.
//!
//! To add a target: a function in the file it belongs to, and a line in [`TARGETS`] and in `libfuzzer/`.

mod codec;
mod fitting;
mod forged;
mod meshes;
mod models;
mod mutate;
mod priors;
mod scenes;
mod splats;
mod tables;

pub use mutate::mutate;

/// Something that reads bytes from outside.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// How often the test changes its seeds: fewer where an input takes longer.
    pub rounds: usize,
    /// Most memory that a small input may take, in bytes.
    pub memory: usize,
    /// Inputs that are accepted.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads an input, and uses what came out of it. Returns whether it was accepted.
    pub run: fn(&[u8]) -> bool,
}

const MIB: usize = 1 << 20;

impl Target {
    const fn new(name: &'static str, seeds: fn() -> Vec<Vec<u8>>, run: fn(&[u8]) -> bool) -> Self {
        Self { name, rounds: 2000, memory: 256 * MIB, seeds, run }
    }

    const fn with(self, rounds: usize, memory: usize) -> Self {
        Self { rounds, memory, ..self }
    }
}

/// All of them.
pub static TARGETS: &[Target] = &[
    Target::new("csv", tables::csv_seeds, tables::table),
    Target::new("csv-gz", tables::gzip_seeds, tables::table),
    // A page says how large it is unpacked, up to 2 GiB; the `parquet` crate reserves that much, and touches what it needs.
    Target::new("parquet", tables::parquet_seeds, tables::table).with(1000, 6 << 30),
    Target::new("npy", tables::npy_seeds, tables::table),
    Target::new("npz", tables::npz_seeds, tables::table),
    Target::new("idx", tables::idx_seeds, tables::table),
    Target::new("wav", tables::wav_seeds, tables::table),
    // A picture is refused from 512 MiB on, and is copied once.
    Target::new("picture", tables::picture_seeds, tables::picture).with(1000, 2 << 30),
    Target::new("colmap", scenes::colmap_seeds, scenes::colmap).with(1000, 256 * MIB),
    Target::new("transforms", scenes::transforms_seeds, scenes::transforms).with(1000, 256 * MIB),
    Target::new("ply", splats::ply_seeds, splats::ply),
    Target::new("spz", splats::spz_seeds, splats::spz),
    Target::new("splat", splats::splat_seeds, splats::splat),
    Target::new("gltf", meshes::seeds, meshes::run),
    Target::new("flo", priors::flow_seeds, priors::run),
    Target::new("map", priors::map_seeds, priors::run),
    Target::new("bitstream", codec::seeds, codec::run).with(300, 512 * MIB),
    Target::new("model", models::model_seeds, models::model),
    Target::new("forged", forged::seeds, forged::run).with(1000, 1 << 30),
    Target::new("weights", models::weight_seeds, models::weights),
    Target::new("kernel", models::kernel_seeds, models::kernel),
    // Four changes of each seed; there is one seed or two for every registered system.
    Target::new("fit", fitting::seeds, fitting::run).with(180, 512 * MIB),
];

/// Gives an input to the target of this name: for cargo-fuzz, whose targets are one line each.
///
/// # Panics
/// When there is no such target; and when the target has found a bug.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no target is named `{name}`"));
    (target.run)(input);
}
