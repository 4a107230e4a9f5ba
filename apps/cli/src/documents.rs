//! The commands in the documents are commands of this program: verbs, options, systems and settings are known.

use crate::args::{Arguments, Command};
use crate::settings::merge;
use clap::Parser;
use std::path::{Path, PathBuf};

/// README.md, and the Markdown files of `docs` and `systems`.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs"), root.join("systems")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The command lines of the program in a text's shell blocks.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let lines = blocks.flat_map(|block| {
        let joined = block.replace("\\\n", " ");
        joined.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    lines.filter(|line| line.starts_with("elbo ")).collect()
}

/// The line's words as a shell reads them, up to a comment or the next command.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (vec![], None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => found.extend(word.take()),
            None if word.is_none() && "#&|>;".contains(c) => break,
            None => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word);
    found
}

/// What is wrong with a command.
fn fault(line: &str) -> Option<String> {
    let arguments = match Arguments::try_parse_from(words(line)) {
        Ok(arguments) => arguments,
        Err(error) => return Some(error.to_string()),
    };
    let (id, set) = match &arguments.command {
        Command::Fit(fit) => {
            let time = fit.time.iter().map(|time| format!("time={time}"));
            (fit.system.clone()?, fit.set.iter().cloned().chain(time).collect::<Vec<_>>())
        }
        Command::Suggest(suggest) => (suggest.system.clone().unwrap_or_else(|| "bo".into()), suggest.set.clone()),
        Command::Info(info) if !info.what.contains('.') => (info.what.clone(), vec![]),
        Command::Reproduce(reproduce) => (reproduce.id.clone()?, vec![]),
        _ => return None,
    };
    if id == "auto" {
        return (!set.is_empty()).then(|| "`auto` has no settings".into());
    }
    // A word in capitals stands for what the reader puts there.
    if id.chars().all(|c| c.is_ascii_uppercase()) {
        return None;
    }
    let system = match elbo::find(&id) {
        Ok(system) => system,
        Err(error) => return Some(error.to_string()),
    };
    let settings = match merge(&toml::Table::new(), &set) {
        Ok(settings) => settings,
        Err(failure) => return Some(format!("{failure:?}")),
    };
    system.check_config(&settings).err().map(|error| error.to_string())
}

#[test]
fn every_command_in_the_documents_is_accepted() {
    let (mut count, mut found) = (0, vec![]);
    for path in documents() {
        for line in commands(&std::fs::read_to_string(&path).unwrap()) {
            count += 1;
            found.extend(fault(&line).map(|fault| format!("{}: `{line}`: {fault}", path.display())));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(count > 100, "only {count} commands were found");
}

#[test]
fn a_wrong_command_is_noticed() {
    for (line, part) in [
        ("elbo fitt gpr t.csv", "fitt"),
        ("elbo fit gpr t.csv --targett y", "--targett"),
        ("elbo fit gprr t.csv", "gprr"),
        ("elbo fit gpr t.csv --set nois=1", "nois"),
        ("elbo fit gpr t.csv --set noise=-1", "noise"),
    ] {
        assert!(fault(line).is_some_and(|fault| fault.contains(part)), "{line}");
    }
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(
        words("elbo fit x --set 'a={b=\"c\"}' --set k=\"r + l\"  # why"),
        ["elbo", "fit", "x", "--set", "a={b=\"c\"}", "--set", "k=r + l"]
    );
    assert_eq!(words("elbo data get pairs && elbo list"), ["elbo", "data", "get", "pairs"]);
}
