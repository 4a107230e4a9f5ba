//! A folder to work in, and the program run in it.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Settings that make `gpr` quick.
pub const QUICK: &str = "--set starts=1 --set iterations=15";

/// A temporary folder.
pub struct Folder(tempfile::TempDir);

/// What a run left behind.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 when a signal ended the program.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output as JSON, of a run that went well.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }

    /// Standard output of a run that went well.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a table `t.csv` of 60 rows and the target `y`.
    pub fn with_table() -> Self {
        let folder = Self::new();
        folder.write("t.csv", table(60).as_bytes());
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Names of everything in the folder.
    pub fn names(&self) -> BTreeSet<String> {
        std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// The program with these words, in this folder.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elbo"));
        command
            .args(split(words))
            .current_dir(self.0.path())
            .env("ELBO_DATA", self.path("data-sets"))
            .stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub fn elbo(&self, words: &str) -> Ran {
        run(&mut self.command(words))
    }
}

pub fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Words as a shell splits them, with single quotes only.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A table of two inputs and a smooth target with a little noise.
pub fn table(rows: usize) -> String {
    let mut text = String::from("a,b,y\n");
    for i in 0..rows {
        let a = (i as f64 * 0.618_034).fract() * 4.0 - 2.0;
        let b = (i as f64 * 0.414_214).fract() * 2.0;
        let noise = ((i * 7919 % 97) as f64 / 97.0 - 0.5) * 0.2;
        text.push_str(&format!("{a:.5},{b:.5},{:.5}\n", (1.5 * a).sin() + 0.5 * b + noise));
    }
    text
}

/// A model of `gpr` fitted to `t.csv`, made once.
pub fn model() -> &'static [u8] {
    static MODEL: OnceLock<Vec<u8>> = OnceLock::new();
    MODEL.get_or_init(|| {
        let folder = Folder::with_table();
        folder.elbo(&format!("fit gpr t.csv --target y {QUICK} --out m.elbo")).ok();
        folder.read("m.elbo")
    })
}
