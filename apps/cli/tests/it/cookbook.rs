//! The shell examples of the cookbook that need shipped data alone run as they are printed; only that each fit gets a small budget.

use crate::folder::{Folder, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A page of the cookbook.
struct Page {
    name: &'static str,
    /// Commands that make what a reader brings along.
    brings: &'static str,
    /// Files that the page shows, and how their blocks begin.
    shows: &'static [(&'static str, &'static str)],
    /// A part of what the program prints.
    says: &'static str,
    /// Whether it takes minutes in a build for development: run where `ELBO_COOKBOOK` is set.
    is_long: bool,
}

const PAGES: [Page; 6] = [
    Page {
        name: "abstain",
        brings: "gzip -dc examples/data/small/wdbc.csv.gz | head -20 > new.csv",
        shows: &[],
        says: "171 rows",
        is_long: false,
    },
    Page {
        name: "intervals",
        brings: "gzip -dc examples/data/uci/autompg.csv.gz | head -20 > cars.csv",
        shows: &[],
        says: "392 rows",
        is_long: false,
    },
    Page { name: "series", brings: "", shows: &[], says: "rmse", is_long: false },
    Page {
        name: "tuning",
        brings: "",
        shows: &[("space.toml", "\n```toml\ntarget"), ("history.csv", "\n```text\nhidden,rate,error")],
        says: "best error so far: 1.46 (row 6) after 9 measured trials",
        is_long: false,
    },
    Page { name: "compression", brings: "", shows: &[], says: "bits a pixel", is_long: true },
    Page { name: "images", brings: "", shows: &[], says: "frechet", is_long: true },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shell blocks of a text that use the program and shipped data, in order.
fn commands(text: &str) -> Vec<&str> {
    let foreign = ["elbo data get", "cargo run", "pip install"];
    let blocks = text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.filter(|block| block.contains("elbo ") && !foreign.iter().any(|words| block.contains(words))).collect()
}

/// What stands in the block that begins so.
fn shown<'a>(text: &'a str, start: &str) -> &'a str {
    let at = text.find(start).unwrap_or_else(|| panic!("no block begins with {start:?}"));
    // Behind the fence and its language.
    let inside = text[at + 1..].split_once('\n').unwrap().1;
    inside.split("\n```").next().unwrap()
}

/// Files and folders that the commands name as their results.
fn promised(script: &str) -> Vec<&str> {
    let words: Vec<&str> = script.split_whitespace().collect();
    let names = words.windows(2).filter(|pair| ["--out", "--report", "--figures"].contains(&pair[0]));
    names.map(|pair| pair[1]).collect()
}

#[test]
fn the_commands_of_the_cookbook_run() {
    let is_patient = std::env::var_os("ELBO_COOKBOOK").is_some();
    for page in PAGES.iter().filter(|page| is_patient || !page.is_long) {
        let path = root().join(format!("docs/cookbook/{}.md", page.name));
        let text = std::fs::read_to_string(path).unwrap();
        let folder = Folder::new();
        std::os::unix::fs::symlink(root().join("examples"), folder.path("examples")).unwrap();
        page.shows.iter().for_each(|(name, start)| folder.write(name, format!("{}\n", shown(&text, start)).as_bytes()));
        let script = commands(&text).join("\n");
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", &format!("{}\n{}\n{script}", budget(), page.brings)])
            .env("ELBO", env!("CARGO_BIN_EXE_elbo"))
            .env("ELBO_DATA", folder.path("data-sets"));
        let ran = run(shell.current_dir(folder.path("")));
        assert!(ran.code == 0 && !ran.err.contains("panicked"), "{}: {ran:?}", page.name);
        assert!(ran.out.contains(page.says), "{}: `{}` is not in {ran:?}", page.name, page.says);
        let names = promised(&script);
        assert!(!names.is_empty(), "{}: nothing is made", page.name);
        for name in names {
            assert!(folder.path(name).exists(), "{}: {name} was not made", page.name);
        }
    }
}

/// The program as a function of the shell, which gives fits a few seconds.
fn budget() -> &'static str {
    r#"elbo() { if [ "$1" = fit ]; then "$ELBO" "$@" --budget 5s; else "$ELBO" "$@"; fi; }"#
}

#[test]
fn no_page_of_the_cookbook_is_left_out() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("docs/cookbook")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if !commands(&text).is_empty() {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(PAGES.iter().any(|page| page.name == name), "the commands of {name} are run by no test");
            count += 1;
        }
    }
    assert_eq!(count, PAGES.len(), "a page of the list has no commands any more");
}
