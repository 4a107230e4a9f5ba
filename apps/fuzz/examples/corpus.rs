//! Writes the seeds of every target as files, where cargo-fuzz looks for them: `cargo run -p elbo-fuzz --example corpus -- FOLDER`.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "apps/fuzz/libfuzzer/corpus".into()));
    for target in elbo_fuzz::TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        let seeds = (target.seeds)();
        for (k, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{k}")), seed)?;
        }
        println!("{} seeds in {}", seeds.len(), folder.display());
    }
    Ok(())
}
