//! What bad input gets: an exit code, a message with a remedy, and nothing half-written.

use crate::folder::{Folder, model, table};
use std::io::Write;

/// Files that a case needs besides `t.csv`, `m.elbo` and `checkpoint`.
type Files = Vec<(&'static str, Vec<u8>)>;

struct Case {
    name: &'static str,
    files: Files,
    command: &'static str,
    code: i32,
    /// A part of the message or of the remedy.
    says: &'static str,
}

fn case(name: &'static str, file: &str, command: &'static str, code: i32, says: &'static str) -> Case {
    Case { name, files: vec![("bad.csv", file.into())], command, code, says }
}

const FIT: &str = "fit gpr bad.csv --target y --out new.elbo --report new.html";

fn tables() -> Vec<Case> {
    vec![
        case("an empty file", "", FIT, 1, "empty"),
        case("a header and nothing else", "a,b,y\n", FIT, 1, "row"),
        case("one row", "a,b,y\n1,2,3\n", FIT, 1, "two rows"),
        case("a column without any value", "a,b,y\n1,,3\n2,,4\n3,,5\n", FIT, 1, "--drop b"),
        case("a column of NaN", "a,b,y\n1,NaN,3\n2,nan,4\n3,NaN,5\n", FIT, 1, "--drop b"),
        case("a constant target", "a,y\n1,5\n2,5\n3,5\n", FIT, 1, "5 in every row"),
        case("constant inputs only", "a,y\n1,5\n1,6\n1,7\n", FIT, 1, "no input column varies"),
        case("a unit in a cell", "a,y\n1,2\n2,3\n3 kg,4\n4,5\n5,6\n6,7\n7,8\n8,9\n9,1\n10,2\n11,3\n", FIT, 1, "line 4"),
        case("a text target", "a,y\n1,red\n2,blue\n3,red\n", FIT, 1, "holds text"),
        case("a missing target column", "a,b\n1,2\n2,3\n", FIT, 2, "unknown column `y`"),
        case("a misspelt target", "a,price\n1,2\n2,3\n", "fit gpr bad.csv --target prise", 2, "did you mean `price`?"),
        case("no target named", "a,y\n1,2\n2,3\n", "fit gpr bad.csv", 1, "--target"),
        case("no target for auto", "a,y\n1,2\n2,3\n", "fit auto bad.csv", 1, "--target"),
        case("a wrong delimiter", "a,y\n1,2\n2,3\n", "fit gpr bad.csv --target y --delimiter ';'", 1, "--delimiter"),
        case(
            "a delimiter of two characters",
            "a,y\n1,2\n",
            "fit gpr bad.csv --target y --delimiter ab",
            2,
            "--delimiter",
        ),
        case("missing cells", "a,y\n1,2\n,3\n4,5\n", FIT, 1, "--missing drop"),
        case("every row incomplete", "a,b,y\n1,,2\n,3,4\n", "fit gpr bad.csv --target y --missing drop", 1, "--drop"),
        case("an infinite value", "a,y\n1,2\ninf,3\n4,5\n", FIT, 1, "not finite"),
        case("rows of different length", "a,y\n1,2\n2,3,4\n4,5\n", FIT, 1, "line 3"),
        case("a column name twice", "a,a,y\n1,2,3\n2,3,4\n", FIT, 1, "`a`"),
        case("dates", "day,y\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n", FIT, 1, "dates"),
        case("an identifier", &identifiers(), FIT, 1, "--drop id"),
        case("the target left out", "a,y\n1,2\n2,3\n", "fit gpr bad.csv --target y --drop y", 1, "left out"),
        case(
            "an unknown column to drop",
            "a,y\n1,2\n2,3\n",
            "fit gpr bad.csv --target y --drop z",
            2,
            "unknown column `z`",
        ),
        case(
            "an unknown column as categories",
            "a,y\n1,2\n2,3\n",
            "fit gpr bad.csv --target y --categorical z",
            2,
            "unknown column `z`",
        ),
        case(
            "a policy for missing cells that is none",
            "a,y\n1,2\n2,3\n",
            "fit gpr bad.csv --target y --missing fill",
            2,
            "invalid value 'fill'",
        ),
        case("100,000 columns", &wide(), FIT, 1, "columns"),
        case("JSON", "{\"a\": 1}", FIT, 1, "JSON"),
        case("a web page", "<!DOCTYPE html><html></html>", FIT, 1, "HTML"),
        case("one class", "a,y\n1,red\n2,red\n3,red\n", "fit auto bad.csv --target y", 1, "single class"),
        case(
            "fractions as classes",
            "a,y\n1,0.5\n2,1.5\n",
            "fit auto bad.csv --target y --task classification",
            1,
            "no class",
        ),
        case(
            "text as a quantity",
            "a,y\n1,red\n2,blue\n",
            "fit auto bad.csv --target y --task regression",
            1,
            "quantity",
        ),
    ]
}

/// Likelihoods that are not of the target.
fn likelihoods() -> Vec<Case> {
    let two = "a,y\n1,10\n2,20\n3,10\n4,20\n";
    let three = "a,y\n1,red\n2,blue\n3,green\n4,red\n";
    let numbers = "a,y\n1,0.5\n2,1.5\n3,0.7\n4,2.5\n";
    vec![
        case(
            "a likelihood of numbers for two classes",
            two,
            "fit svgp bad.csv --target y --set likelihood=student_t",
            1,
            "target `y` has 2 classes and `likelihood` is student_t",
        ),
        case(
            "the same in a stream",
            two,
            "fit memory-dual-gp bad.csv --target y --set likelihood=gaussian",
            1,
            "use --task regression if the target is a quantity",
        ),
        case(
            "the same with sites",
            two,
            "fit cvi-ep-hyper bad.csv --target y --set likelihood=laplace",
            1,
            "bernoulli_probit or bernoulli_logit",
        ),
        case(
            "a likelihood of two classes for three",
            three,
            "fit svgp bad.csv --target y --set likelihood=bernoulli_logit",
            1,
            "target `y` has 3 classes and `likelihood` is bernoulli_logit, which is of two",
        ),
        case(
            "ordered classes as classes",
            three,
            "fit svgp bad.csv --target y --set 'likelihood={type=\"ordinal\", edges=[0.0, 1.0]}'",
            1,
            "number the classes in their order",
        ),
        case(
            "noise that varies for classes",
            three,
            "fit svgp bad.csv --target y --set multi=heteroscedastic",
            1,
            "`multi` is heteroscedastic, which is of numbers",
        ),
        case(
            "a likelihood of two classes for numbers",
            numbers,
            "fit cvi-ep-hyper bad.csv --target y --set likelihood=bernoulli_probit",
            1,
            "target `y` is numeric and `likelihood` is bernoulli_probit",
        ),
        case(
            "a likelihood of classes for numbers",
            numbers,
            "fit memory-dual-gp bad.csv --target y --set multi=softmax",
            1,
            "--task classification",
        ),
    ]
}

fn identifiers() -> String {
    let mut text = String::from("id,a,y\n");
    (0..400).for_each(|i| text.push_str(&format!("user-{i},{},{}\n", i % 7, i % 11)));
    text
}

fn wide() -> String {
    let names: Vec<String> = (0..100_000).map(|i| format!("c{i}")).collect();
    let row = vec!["1"; 100_000].join(",");
    format!("{},y\n{row},1\n{row},2\n", names.join(","))
}

fn bytes() -> Vec<Case> {
    let file = |name: &'static str, file: &'static str, bytes: Vec<u8>, command, says| Case {
        name,
        files: vec![(file, bytes)],
        command,
        code: 1,
        says,
    };
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    gzip.write_all(table(200).as_bytes()).unwrap();
    let mut damaged = gzip.finish().unwrap();
    damaged.truncate(damaged.len() / 2);
    let utf16: Vec<u8> = "\u{feff}a,y\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        file("Latin-1 letters", "bad.csv", b"gr\xf6\xdfe,y\n1,2\n2,3\n".to_vec(), FIT, "UTF-8"),
        file("UTF-16", "bad.csv", utf16, FIT, "UTF-16"),
        file("a picture", "bad.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), FIT, "PNG"),
        file("a pickle", "bad.csv", b"\x80\x04\x95\x0b\0\0\0".to_vec(), FIT, "pickle"),
        file("zero bytes in text", "bad.csv", b"a,y\n1,\0\n2,3\n".to_vec(), FIT, ""),
        file("half a gzip file", "bad.csv.gz", damaged, "fit gpr bad.csv.gz --target y", "damaged"),
        file(
            "a CSV named Parquet",
            "bad.parquet",
            b"a,y\n1,2\n2,3\n".to_vec(),
            "fit gpr bad.parquet --target y",
            "not a Parquet",
        ),
        file("half a Parquet file", "bad.parquet", b"PAR1\x15\x04".to_vec(), "fit gpr bad.parquet --target y", ""),
        file("half an NPZ file", "bad.npz", b"PK\x03\x04\x14\0".to_vec(), "fit gpr bad.npz --target y", ""),
        file(
            "a sparse matrix of columns",
            "bad.npz",
            include_bytes!("../../../../crates/data/tests/golden/csc.npz").to_vec(),
            "fit gpr bad.npz --target y",
            "matrix.tocsr()",
        ),
    ]
}

fn commands() -> Vec<Case> {
    let of = |name, command, code, says| Case { name, files: vec![], command, code, says };
    vec![
        of("a path that is not there", "fit gpr none.csv --target y", 1, "check the path"),
        of("a folder as data", "fit gpr . --target y", 1, "folder"),
        of("an unknown system", "fit gprr t.csv --target y", 2, "did you mean `gpr`?"),
        of("an unknown setting", "fit gpr t.csv --target y --set nois=0.1", 2, "did you mean `noise`?"),
        of("a setting out of range", "fit gpr t.csv --target y --set noise=-1", 2, "setting `noise` is -1"),
        of(
            "a setting beyond its range",
            "fit gpr t.csv --target y --set starts=500",
            2,
            "the nearest allowed value is 100",
        ),
        of("a setting of another type", "fit gpr t.csv --target y --set starts=many", 2, "setting `starts`"),
        of("a setting that is infinite", "fit gpr t.csv --target y --set noise=inf", 2, "setting `noise`"),
        of("a setting without a value", "fit gpr t.csv --target y --set noise", 2, "has no value"),
        of("a misspelt verb", "fti gpr t.csv", 2, "did you mean `fit`?"),
        of("a misspelt verb of pictures", "smaple m.elbo --out drawn", 2, "did you mean `sample`?"),
        of("a misspelt flag", "fit gpr t.csv --traget y", 2, "--target"),
        of("no table", "fit gpr", 2, "no table"),
        of("no system", "fit t.csv --target y", 2, "fit auto t.csv"),
        of("nothing to fit", "fit", 2, "elbo fit auto"),
        of("a seed that is no number", "fit gpr t.csv --target y --seed abc", 2, "abc"),
        of("a negative seed", "fit gpr t.csv --target y --seed -1", 2, "invalid value '-1'"),
        of("a negative noise", "data make two-moons --noise -1", 2, "noise"),
        of("no threads", "fit gpr t.csv --target y --threads 0", 2, "0"),
        of("a budget without a unit known", "fit gpr t.csv --target y --budget 5days", 2, "30s"),
        of("a holdout of two", "fit gpr t.csv --target y --holdout 2", 2, "share"),
        of("a level in per cent", "predict m.elbo t.csv --level 95", 2, "0.95"),
        of("a level of one", "predict m.elbo t.csv --level 1", 2, "(0, 1)"),
        of("a configuration that is not there", "fit gpr t.csv --target y --config none.toml", 1, "check the path"),
        of("the output in no folder", "fit gpr t.csv --target y --out no/where/m.elbo", 1, "check the path"),
        of("the output below a file", "fit gpr t.csv --target y --out t.csv/m.elbo", 1, "not a folder"),
        of("the output over a folder", "fit gpr t.csv --target y --out .", 1, "folder"),
        of("the output where nobody may write", "fit gpr t.csv --target y --out /proc/m.elbo", 1, "/proc"),
        of(
            "the report where nobody may write",
            "fit gpr t.csv --target y --out new.elbo --report /proc/r.html",
            1,
            "/proc",
        ),
        of("the output over the data", "fit gpr t.csv --target y --out t.csv", 2, "overwritten"),
        of("the predictions over the data", "predict m.elbo t.csv --out t.csv", 2, "overwritten"),
        of("the report over the model", "fit gpr t.csv --target y --out n.elbo --report n.elbo", 2, "overwritten"),
        of(
            "the checkpoint over the model",
            "fit gpr t.csv --target y --out n.elbo --checkpoint n.elbo",
            2,
            "the same file",
        ),
        of("the figures where a file is", "fit gpr t.csv --target y --out n.elbo --figures t.csv", 1, "not a folder"),
        of("a recipe into no folder", "data make two-moons --out no/where/d.csv", 1, "check the path"),
        of("a full disk", "fit gpr t.csv --target y --set starts=1 --set iterations=5 --out /dev/full", 1, "space"),
        of("predictions on a full disk", "predict m.elbo t.csv --out /dev/full", 1, "space"),
        of("a table as a model", "predict t.csv t.csv", 1, "not a model file"),
        of("a model as a table", "fit gpr m.elbo --target y", 1, "model"),
        of("a model that is not there", "predict none.elbo t.csv", 1, "check the path"),
        of("a folder as a model", "predict . t.csv", 1, "folder"),
        of("a model as a checkpoint", "fit --resume m.elbo", 1, "finished fit"),
        of("resuming with other settings", "fit --resume m.elbo --set noise=1", 2, "--set"),
        of("nothing to reproduce", "reproduce", 2, "--all"),
        of("an unknown system to reproduce", "reproduce grp", 2, "unknown system"),
        of("an unknown family", "reproduce --family gps", 2, "unknown family"),
        of("an unknown family to list", "list --family gps", 2, "unknown family"),
        of("an unknown verb to list", "list --verb predikt", 2, "did you mean `predict`?"),
        of("an unknown system to list", "list gprx", 2, "did you mean `gpr`?"),
        of("an unknown system to explain", "info gprx", 2, "did you mean `gpr`?"),
        of("a model to explain that is not there", "info none.elbo", 1, "check the path"),
        of("an unknown table of a model", "info m.elbo --table none", 2, "unknown table"),
        of("a table of a system", "info gpr --table starts", 2, "model file"),
        of("a model that cannot absorb rows", "update m.elbo t.csv --out new.elbo", 2, "cannot update"),
        of("a model that cannot draw", "sample m.elbo --count 2 --out drawn", 2, "cannot sample"),
        of("a model that has no codes", "encode m.elbo t.csv", 2, "cannot encode"),
        of("an unknown recipe", "data make two-moon", 2, "did you mean `two-moons`?"),
        of("a recipe of no rows", "data make two-moons --rows 0", 2, "rows"),
        of("a recipe into an unknown format", "data make two-moons --out m.xlsx", 1, ".csv"),
        of("an unknown data set", "data get uci-yatch", 2, "did you mean `uci-yacht`?"),
        of("a data set that was not fetched", "data where uci-yacht", 1, "elbo data get uci-yacht"),
        of("a data set to verify that was not fetched", "data verify uci-yacht", 1, "elbo data get uci-yacht"),
    ]
}

fn models() -> Vec<Case> {
    let with = |name, files: Files, command, says| Case { name, files, command, code: 1, says };
    let mut truncated = model().to_vec();
    truncated.truncate(truncated.len() - 9);
    let mut flipped = model().to_vec();
    let last = flipped.len() - 5;
    flipped[last] ^= 4;
    let unknown = elbo_core::ModelFile::new("dreamer").to_bytes();
    let mut newer = elbo_core::ModelFile::new("gpr");
    newer.set("format", &99);
    let mut checkpoint = elbo_core::ModelFile::new("gpr");
    checkpoint.set("checkpoint.stage", &1);
    let mut hollow = elbo_core::ModelFile::from_bytes(model()).unwrap();
    hollow.set("columns", &serde_json::Value::Null);
    let mut other = elbo_core::ModelFile::from_bytes(model()).unwrap();
    other.set("system", &"sgpr");
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let weights = [&(header.len() as u64).to_le_bytes()[..], &header[..], &[0; 4]].concat();
    let named = |bytes: Vec<u8>| vec![("bad.elbo", bytes)];
    let csv = |text: &str| vec![("bad.csv", text.as_bytes().to_vec())];
    vec![
        with("half a model", named(truncated), "predict bad.elbo t.csv", "damaged"),
        with("a model with a flipped bit", named(flipped), "predict bad.elbo t.csv", "damaged"),
        with("an empty model", named(vec![]), "predict bad.elbo t.csv", "damaged"),
        with("a model of a system unknown here", named(unknown), "predict bad.elbo t.csv", "`dreamer`"),
        with("a model of another system", named(other.to_bytes()), "predict bad.elbo t.csv", "`config`"),
        with("weights as a model", named(weights), "predict bad.elbo t.csv", "not a model file"),
        with("a model of a newer format", named(newer.to_bytes()), "predict bad.elbo t.csv", "format 99"),
        with("a checkpoint as a model", named(checkpoint.to_bytes()), "predict bad.elbo t.csv", "--resume"),
        with("a model without its columns", named(hollow.to_bytes()), "predict bad.elbo t.csv", "`columns`"),
        with("rows without an input", csv("a,y\n1,2\n"), "predict m.elbo bad.csv", "`b`"),
        with(
            "rows with text in a number",
            csv("a,b,y\n1,low,3\n2,high,4\n"),
            "predict m.elbo bad.csv",
            "`b` holds text",
        ),
        with("rows with a missing input", csv("a,b\n1,2\n,3\n"), "predict m.elbo bad.csv", "missing"),
        with("no rows", csv("a,b\n"), "predict m.elbo bad.csv", "row"),
        with("rows without the target", csv("a,b\n1,2\n"), "evaluate m.elbo bad.csv", "`y`, the model's target"),
        with("a target of text", csv("a,b,y\n1,2,x\n"), "evaluate m.elbo bad.csv", "holds text"),
    ]
}

fn configurations() -> Vec<Case> {
    let with = |name, text: &str, code, says| Case {
        name,
        files: vec![("run.toml", text.as_bytes().to_vec())],
        command: "fit gpr t.csv --target y --config run.toml",
        code,
        says,
    };
    vec![
        with("a configuration that is no TOML", "system = ", 2, "line 1"),
        with("a configuration with an unknown key", "sytem = \"gpr\"\n", 2, "sytem"),
        with("a configuration with an unknown setting", "[settings]\nnoize = 1\n", 2, "did you mean `noise`?"),
    ]
}

#[test]
fn bad_input_gets_a_message_with_a_remedy_and_leaves_nothing_behind() {
    let cases: Vec<Case> =
        [tables(), likelihoods(), bytes(), commands(), models(), configurations()].into_iter().flatten().collect();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let mut wrong = vec![];
    let threads = 4;
    std::thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(cases.len().div_ceil(threads))
            .map(|part| scope.spawn(move || part.iter().filter_map(check).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().for_each(|part| wrong.extend(part.join().unwrap()));
    });
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// What is wrong with the answer to a case, if anything.
fn check(case: &Case) -> Option<String> {
    let folder = Folder::with_table();
    folder.write("m.elbo", model());
    case.files.iter().for_each(|(name, bytes)| folder.write(name, bytes));
    let before = folder.names();
    let ran = folder.elbo(case.command);
    let mut faults = vec![];
    let mut expect = |holds: bool, what: &str| faults.extend((!holds).then(|| what.to_owned()));
    expect(ran.code == case.code, "the exit code");
    expect(ran.err.contains(case.says), "the message");
    expect(ran.err.lines().any(|l| l.starts_with("error: ")), "no line `error:`");
    expect(ran.err.lines().any(|l| l.starts_with("remedy: ") && l.len() > 12), "no line `remedy:`");
    expect(ran.out.is_empty(), "something on standard output");
    expect(!ran.err.contains("panicked") && !ran.err.contains("RUST_BACKTRACE"), "a panic");
    expect(folder.names() == before, "files were left behind");
    expect(folder.read("t.csv") == table(60).as_bytes() && folder.read("m.elbo") == model(), "a file was changed");
    let describe = || format!("{} (`elbo {}`): {}; got {ran:?}", case.name, case.command, faults.join(", "));
    (!faults.is_empty()).then(describe)
}

#[test]
fn with_json_an_error_is_one_object_on_standard_error() {
    let folder = Folder::with_table();
    for (words, kind, code) in [
        ("fit gprr t.csv --target y --json", "unknown", 2),
        ("fit gpr none.csv --target y --json", "file", 1),
        ("predict t.csv t.csv --json", "model_file", 1),
        ("fit gpr t.csv --target y --set noise=-1 --json", "setting", 2),
        ("fti --json", "usage", 2),
    ] {
        let ran = folder.elbo(words);
        let value: serde_json::Value = serde_json::from_str(&ran.err).unwrap_or_else(|e| panic!("{e}: {}", ran.err));
        assert_eq!((value["error"]["kind"].as_str(), ran.code), (Some(kind), code), "{words}");
        assert!(value["error"]["message"].as_str().is_some_and(|m| !m.is_empty()));
        assert!(value["error"]["remedy"].as_str().is_some_and(|m| !m.is_empty()));
        assert!(ran.out.is_empty());
    }
}

#[test]
fn files_of_more_than_eight_gibibytes_are_refused_by_every_verb() {
    let folder = Folder::with_table();
    for name in ["big.elbo", "big.ply", "big.toml"] {
        // Without any byte written.
        std::fs::File::create(folder.path(name)).unwrap().set_len((8 << 30) + 1).unwrap();
    }
    for words in [
        "predict big.elbo t.csv",
        "render big.ply --orbit 1 --out pictures",
        "fit gpr t.csv --target y --config big.toml",
        "suggest big.toml",
    ] {
        let ran = folder.elbo(words);
        assert_ne!(ran.code, 0, "{words}");
        assert!(ran.err.contains("larger than 8 GiB"), "{words}: {}", ran.err);
    }
}
