//! The document in parts: rows and sections, which the tool writes, and what is said by hand between markers.

use crate::error::{DevError, Result};
use crate::markers;
use elbo::core::claim::Verdict;

/// The markers of what is said of all measurements.
const MEASURED: &str = "measured";
/// The markers of the bounds, which are those of their own page, and the heading above them.
const BOUNDS: &str = "bounds";
const BOUNDS_TITLE: &str = "## Bounds on the log likelihood of pictures";
const TITLE: &str = "# Results";
/// How the paragraph under the title begins.
const INTRODUCED: &str = "Claims of systems in the full budget: ";
const INTRODUCTION: &str = "the number measured with the method, the number without it (or with the baseline), the \
     threshold, the verdict. Written by `elbo-dev results` from `elbo reproduce ID --budget full --json`; a failure is shown \
     as one, with what is known of its cause. Bounds on the log likelihood of pictures stand at the end, explained in [bounds.md](bounds.md); \
     their row `flow-vi` is `aevb --set flow=planar:10`, since the system `flow-vi` takes no pictures.";
/// How the line ends that counts the claims.
const COUNTED: &str = " claims hold.";
/// The head of the overview.
const OVERVIEW: [&str; 2] = ["| system | claim | checks that hold | seeds | seconds |", "|---|---|---:|---:|---:|"];
/// The head of a section's table.
pub(super) const CHECKS: [&str; 2] = ["| check | value | baseline | threshold | verdict |", "|---|---:|---:|---|---|"];

/// The document.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    /// What is said of all measurements, markers included; empty where nothing is.
    pub(super) measured: String,
    /// The systems in the document's order.
    pub(super) systems: Vec<Part>,
    /// The bounds on the log likelihood of pictures, markers included; empty where there are none.
    pub(super) bounds: String,
}

/// What the document has of one system.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) id: String,
    pub(super) verdict: Verdict,
    /// Its line in the overview.
    pub(super) row: String,
    /// Its section from the heading on.
    pub(super) section: String,
    /// What is said of it by hand, markers included; empty where nothing is.
    pub(super) note: String,
}

/// A verdict as the document says it.
pub(super) fn word(verdict: Verdict) -> &'static str {
    if verdict == Verdict::Holds { "holds" } else { "fails" }
}

/// A section's heading.
pub(super) fn heading(id: &str, verdict: Verdict) -> String {
    format!("## {id}: {}", word(verdict))
}

/// The beginning of a row of the overview: a link to the section's heading, and the verdict.
pub(super) fn row_start(id: &str, verdict: Verdict) -> String {
    let claim = word(verdict);
    let shown = if verdict == Verdict::Holds { claim.to_owned() } else { format!("**{claim}**") };
    format!("| [`{id}`](#{id}-{claim}) | {shown} | ")
}

/// How many checks hold, as the overview says it.
pub(super) fn holding(holding: usize, all: usize) -> String {
    format!("{holding} of {all}")
}

/// A section's first line under its heading; both numbers as the overview has them.
pub(super) fn effort(seeds: &str, seconds: &str) -> String {
    format!("{seeds} seeds, full budget, {seconds} s.")
}

impl Page {
    /// The parts of a document that the tool has written.
    ///
    /// # Errors
    /// [`DevError::Format`] where rows and sections do not agree, a marker is missing, or something stands outside of the markers that the tool
    /// does not write, and that would be lost.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut pieces = pieces(text)?;
        let bounds = take_bounds(&mut pieces)?;
        let first = pieces.iter().position(|piece| piece.heading().is_some()).unwrap_or(pieces.len());
        let (top, rest) = pieces.split_at(first);
        let (measured, rows) = read_top(top)?;
        let groups = rest.chunk_by(|_, next| next.heading().is_none());
        let systems = groups.map(|group| Part::read(group, &rows)).collect::<Result<Vec<Part>>>()?;
        if rows.len() != systems.len() {
            return Err(damaged(format!("the overview has {} rows for {} sections", rows.len(), systems.len())));
        }
        Ok(Self { measured, systems, bounds })
    }

    /// The document.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{TITLE}\n\n{INTRODUCED}{INTRODUCTION}\n");
        let mut add = |part: &str| {
            if !part.is_empty() {
                text.push_str(&format!("\n{part}\n"));
            }
        };
        add(&self.measured);
        let held = self.systems.iter().filter(|part| part.verdict == Verdict::Holds).count();
        add(&format!("{held} of {}{COUNTED}", self.systems.len()));
        let rows = self.systems.iter().map(|part| part.row.as_str());
        add(&OVERVIEW.into_iter().chain(rows).collect::<Vec<_>>().join("\n"));
        for Part { section, note, .. } in &self.systems {
            add(section);
            add(note);
        }
        if !self.bounds.is_empty() {
            add(BOUNDS_TITLE);
            add(&self.bounds);
        }
        text
    }

    /// Puts the tables of the bounds, each with its number of epochs, in the place of those before; they are copies of those of their own page.
    pub(super) fn put_bounds(&mut self, tables: &[(usize, &str)]) {
        let part = |(epochs, table): &(usize, &str)| format!("### After {epochs} epochs\n\n{table}");
        let parts: Vec<String> = tables.iter().map(part).collect();
        self.bounds = match &parts[..] {
            [] => String::new(),
            parts => format!("{}\n{}\n{}", markers::begin(BOUNDS), parts.join("\n\n"), markers::end(BOUNDS)),
        };
    }

    /// Puts a system's row and section in the place of its former ones; what is said of it by hand stays.
    pub(super) fn put(&mut self, new: Part) {
        match self.systems.iter_mut().find(|part| part.id == new.id) {
            Some(part) => {
                let note = std::mem::take(&mut part.note);
                *part = Part { note, ..new };
            }
            None => self.systems.push(new),
        }
    }

    /// Brings the systems into this order and drops those that are not in it, whose ids are returned.
    pub(super) fn arrange(&mut self, order: &[&str]) -> Vec<String> {
        let place = |part: &Part| order.iter().position(|id| *id == part.id);
        let (mut kept, dropped): (Vec<Part>, Vec<Part>) =
            std::mem::take(&mut self.systems).into_iter().partition(|part| place(part).is_some());
        kept.sort_by_key(place);
        self.systems = kept;
        dropped.into_iter().map(|part| part.id).collect()
    }
}

impl Part {
    /// A section that begins with its heading, and its row among those of the overview.
    fn read(pieces: &[Piece<'_>], rows: &[&str]) -> Result<Self> {
        let (title, body) = pieces.split_first().expect("a group is not empty");
        let (id, verdict) = title.heading().expect("a group begins with a heading");
        let (mut lines, mut note) = (vec![], String::new());
        for piece in body {
            match piece {
                Piece::ByHand { name, text } if *name == id && note.is_empty() => note.clone_from(text),
                Piece::ByHand { name, .. } => {
                    return Err(damaged(format!("`{}` stands in the section of `{id}`", markers::begin(name))));
                }
                Piece::Line(line) if line.is_empty() || (note.is_empty() && is_written(line)) => lines.push(*line),
                Piece::Line(line) => return Err(outside(line)),
            }
        }
        let row = row_of(id, verdict, rows, &lines)?.to_owned();
        let section = format!("{}\n{}", heading(id, verdict), lines.join("\n")).trim_end().to_owned();
        Ok(Self { id: id.to_owned(), verdict, row, section, note })
    }
}

/// The overview's row of a system, which must say what the lines of its section say.
fn row_of<'a>(id: &str, verdict: Verdict, rows: &[&'a str], lines: &[&str]) -> Result<&'a str> {
    let link = format!("| [`{id}`](");
    let own: Vec<&'a str> = rows.iter().copied().filter(|row| row.starts_with(&link)).collect();
    let [row] = own[..] else {
        return Err(damaged(format!("the overview has {} rows of `{id}`", own.len())));
    };
    let checks: Vec<&str> =
        lines.iter().copied().filter(|line| line.starts_with("| ") && !CHECKS.contains(line)).collect();
    let held = checks.iter().filter(|line| line.ends_with("| holds |")).count();
    let cells = row.strip_prefix(&row_start(id, verdict)).and_then(|rest| rest.strip_suffix(" |"));
    let agrees = match cells.map(|cells| cells.split(" | ").collect::<Vec<_>>()).as_deref() {
        Some([count, seeds, seconds]) => {
            *count == holding(held, checks.len()) && lines.contains(&effort(seeds, seconds).as_str())
        }
        _ => false,
    };
    if agrees {
        Ok(row)
    } else {
        Err(damaged(format!("the overview's row of `{id}` does not say what its section says")))
    }
}

/// Takes the bounds from the end of the pieces, with their heading; empty where there are none.
///
/// # Errors
/// [`DevError::Format`] for anything else behind their heading.
fn take_bounds(pieces: &mut Vec<Piece<'_>>) -> Result<String> {
    let is_title = |piece: &Piece<'_>| matches!(piece, Piece::Line(line) if *line == BOUNDS_TITLE);
    let Some(at) = pieces.iter().position(is_title) else { return Ok(String::new()) };
    let mut bounds = String::new();
    for piece in pieces.drain(at..).skip(1) {
        match piece {
            Piece::Line("") => {}
            Piece::ByHand { name: BOUNDS, text } if bounds.is_empty() => bounds = text,
            Piece::ByHand { name, .. } => {
                return Err(damaged(format!("`{}` stands behind the bounds", markers::begin(name))));
            }
            Piece::Line(line) => return Err(outside(line)),
        }
    }
    Ok(bounds)
}

/// What is said of all measurements, and the rows of the overview.
fn read_top<'a>(pieces: &[Piece<'a>]) -> Result<(String, Vec<&'a str>)> {
    let (mut measured, mut rows, mut counts) = (String::new(), vec![], 0);
    for piece in pieces {
        match piece {
            Piece::ByHand { name, text } if *name == MEASURED && measured.is_empty() => measured.clone_from(text),
            Piece::ByHand { name, .. } => {
                return Err(damaged(format!("`{}` stands before the sections", markers::begin(name))));
            }
            Piece::Line(line) if line.ends_with(COUNTED) => counts += 1,
            Piece::Line(line) if line.starts_with("| [`") => rows.push(*line),
            Piece::Line(line) => {
                let is_head = line.is_empty() || *line == TITLE || OVERVIEW.contains(line);
                if !is_head && !line.starts_with(INTRODUCED) {
                    return Err(outside(line));
                }
            }
        }
    }
    if counts == 1 {
        Ok((measured, rows))
    } else {
        Err(damaged(format!("the line that ends in `{}` occurs {counts} times", COUNTED.trim_start())))
    }
}

/// Whether the tool writes such lines under a heading.
fn is_written(line: &str) -> bool {
    let is_table = line.starts_with('|') && line.ends_with('|');
    let is_effort = line.contains(" seeds, ") && line.ends_with(" s.");
    is_table || is_effort || line.starts_with("Not measured: ") || line.starts_with("Skipped: ")
}

/// A line, or all lines between two markers.
#[derive(Debug)]
enum Piece<'a> {
    Line(&'a str),
    ByHand { name: &'a str, text: String },
}

impl<'a> Piece<'a> {
    /// The system and the verdict of a section's heading.
    fn heading(&self) -> Option<(&'a str, Verdict)> {
        let Self::Line(line) = self else { return None };
        let (id, said) = line.strip_prefix("## ")?.split_once(": ")?;
        let verdict = [Verdict::Holds, Verdict::Fails].into_iter().find(|verdict| word(*verdict) == said)?;
        Some((id, verdict))
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = vec![];
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(name) = marked(line, ":begin -->") else {
            if marked(line, ":end -->").is_some() {
                return Err(damaged(format!("`{line}` ends what nothing began")));
            }
            pieces.push(Piece::Line(line));
            continue;
        };
        let mut body = vec![line];
        while body.last().is_some_and(|last| marked(last, ":end -->") != Some(name)) {
            match lines.next() {
                Some(next) if marked(next, ":begin -->").is_none() => body.push(next),
                _ => return Err(damaged(format!("`{}` is missing", markers::end(name)))),
            }
        }
        pieces.push(Piece::ByHand { name, text: body.join("\n") });
    }
    Ok(pieces)
}

/// The name in a line that is a marker of this kind.
fn marked<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    line.trim().strip_prefix("<!-- ")?.strip_suffix(kind)
}

fn outside(line: &str) -> DevError {
    let begin: String = line.chars().take(40).collect();
    damaged(format!("`{begin}` stands where only the tool writes, and would be lost; put it between markers"))
}

fn damaged(message: String) -> DevError {
    DevError::format(super::RESULTS, format!("{message}; mend it by hand, or take the last whole version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "| [`gpr`](#gpr-fails) | **fails** | 1 of 2 | 3 | 27 |";

    fn part(id: &str, verdict: Verdict) -> Part {
        let held = word(verdict);
        let count = if verdict == Verdict::Holds { 2 } else { 1 };
        let [head, rule] = CHECKS;
        Part {
            id: id.into(),
            verdict,
            row: format!("{}{} | 3 | 27 |", row_start(id, verdict), holding(count, 2)),
            section: format!(
                "{}\n\n{}\n\n{head}\n{rule}\n| a | 1 |  | at most 2 | holds |\n| b | 3 |  | at most 2 | {held} |\n\n\
                 Skipped: c; get it.",
                heading(id, verdict),
                effort("3", "27")
            ),
            note: String::new(),
        }
    }

    fn page() -> Page {
        let note = "<!-- gpr:begin -->\nToo few rows.\n\n## By hand: holds\n<!-- gpr:end -->".to_owned();
        let measured = "<!-- measured:begin -->\nOn a busy machine.\n<!-- measured:end -->".to_owned();
        let systems = vec![Part { note, ..part("gpr", Verdict::Fails) }, part("bo", Verdict::Holds)];
        Page { measured, systems, bounds: String::new() }
    }

    #[test]
    fn a_page_that_is_read_back_is_the_same() {
        let text = page().text();
        assert_eq!(Page::read(&text).unwrap(), page());
        assert!(text.contains("\n\n1 of 2 claims hold.\n\n| system |"), "{text}");
        assert!(text.contains(&format!("\n{ROW}\n| [`bo`](#bo-holds) | holds | 2 of 2 | 3 | 27 |\n\n## gpr: fails\n")));
        assert_eq!(Page::read(&Page::default().text()).unwrap(), Page::default());
    }

    #[test]
    fn the_document_of_the_repository_can_be_read_and_is_what_would_be_written() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = crate::error::read(&root.join(super::super::RESULTS)).unwrap();
        let page = Page::read(&text).unwrap();
        assert!(!page.measured.is_empty() && page.systems.len() > 20);
        assert_eq!(page.text(), text);
    }

    #[test]
    fn new_numbers_keep_what_is_said_by_hand_and_move_the_anchor() {
        let mut page = page();
        let note = page.systems[0].note.clone();
        page.put(part("gpr", Verdict::Holds));
        page.put(part("aevb", Verdict::Fails));
        assert_eq!((page.systems.len(), &page.systems[0].note), (3, &note));
        let text = page.text();
        assert!(text.contains("\n2 of 3 claims hold.\n") && text.contains("[`gpr`](#gpr-holds) | holds |"), "{text}");
        assert!(!text.contains("gpr-fails") && text.contains("[`aevb`](#aevb-fails) | **fails** |"), "{text}");
        assert_eq!(page.arrange(&["aevb", "bo", "svgp"]), ["gpr"]);
        assert_eq!(page.systems.iter().map(|part| part.id.as_str()).collect::<Vec<_>>(), ["aevb", "bo"]);
    }

    #[test]
    fn bounds_stand_behind_all_systems_and_are_read_back() {
        let mut page = page();
        page.put_bounds(&[(50, "| a |\n|---|\n| 1 |"), (20, "b")]);
        let text = page.text();
        let end = "| holds |\n\nSkipped: c; get it.\n\n## Bounds on the log likelihood of pictures\n\n<!-- bounds:begin -->\n### After 50 epochs\n\n\
                   | a |\n|---|\n| 1 |\n\n### After 20 epochs\n\nb\n<!-- bounds:end -->\n";
        assert!(text.ends_with(end), "{text}");
        assert_eq!(Page::read(&text).unwrap(), page);
        let error = Page::read(&format!("{text}\nA remark.\n")).unwrap_err().to_string();
        assert!(error.contains("`A remark.` stands where only the tool writes"), "{error}");
        page.put_bounds(&[]);
        assert!(!page.text().contains("Bounds on the log likelihood of pictures\n"));
    }

    #[test]
    fn a_damaged_page_is_refused() {
        let text = page().text();
        let cases = [
            ("\n1 of 2 claims hold.\n", "\n", "occurs 0 times"),
            (ROW, "", "0 rows of `gpr`"),
            (ROW, "| [`gpr`](#gpr-holds) | holds | 1 of 2 | 3 | 27 |", "row of `gpr` does not say"),
            (ROW, "| [`gpr`](#gpr-fails) | **fails** | 2 of 2 | 3 | 27 |", "row of `gpr` does not say"),
            (ROW, "| [`gpr`](#gpr-fails) | **fails** | 1 of 2 | 3 |", "row of `gpr` does not say"),
            ("3 seeds, full budget, 27 s.", "3 seeds, full budget, 28 s.", "row of `gpr` does not say"),
            ("\n| a | 1 |  | at most 2 | holds |", "", "row of `gpr` does not say"),
            ("<!-- gpr:end -->", "", "`<!-- gpr:end -->` is missing"),
            ("<!-- measured:begin -->\n", "", "ends what nothing began"),
            ("<!-- gpr:begin -->", "<!-- bo:begin -->", "`<!-- bo:end -->` is missing"),
            ("\n## bo: holds\n", "\n## bo: perhaps\n", "`## bo: perhaps` stands where only the tool writes"),
            ("\nSkipped: c", "\nA remark.\n\nSkipped: c", "`A remark.` stands where only the tool writes"),
            ("# Results\n", "# Results\n\nA remark.\n", "`A remark.` stands where only the tool writes"),
        ];
        for (old, new, message) in cases {
            let error = Page::read(&text.replacen(old, new, 1)).unwrap_err().to_string();
            assert!(error.contains(message) && error.contains("mend it"), "{old:?} to {new:?}: {error}");
        }
        let cut = text.find("\n## bo").unwrap();
        assert!(Page::read(&text[..cut]).unwrap_err().to_string().contains("2 rows for 1 sections"));
        assert!(Page::read("").unwrap_err().to_string().contains("occurs 0 times"));
    }
}
