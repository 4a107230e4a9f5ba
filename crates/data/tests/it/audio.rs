//! WAV files, and folders of them.

use crate::numbers;
use elbo_core::{Data, FromData, Result, Samples};
use elbo_data::{MissingPolicy, ReadOptions, read, read_bytes};

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let pad = vec![0; content.len() % 2];
    [&name[..], &(content.len() as u32).to_le_bytes()[..], content, &pad[..]].concat()
}

/// What stands before the samples: their kind, channels, moments a second, bits.
fn format(kind: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let frame = channels * (bits / 8);
    let mut content = vec![];
    [kind, channels].iter().for_each(|v| content.extend(v.to_le_bytes()));
    [rate, rate * u32::from(frame)].iter().for_each(|v| content.extend(v.to_le_bytes()));
    [frame, bits].iter().for_each(|v| content.extend(v.to_le_bytes()));
    content
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WAVE".to_vec(), chunks.concat()].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes()[..], &body[..]].concat()
}

fn wav(kind: u16, channels: u16, rate: u32, bits: u16, samples: &[u8]) -> Vec<u8> {
    file(&[chunk(b"fmt ", &format(kind, channels, rate, bits)), chunk(b"data", samples)])
}

fn of_16_bits(channels: u16, rate: u32, samples: &[i16]) -> Vec<u8> {
    let bytes: Vec<u8> = samples.iter().flat_map(|v| v.to_le_bytes()).collect();
    wav(1, channels, rate, 16, &bytes)
}

/// Three moments of two channels.
pub(crate) fn stereo() -> Vec<u8> {
    of_16_bits(2, 8000, &[16384, -16384, 8192, 0, -32768, 32767])
}

fn parse(bytes: &[u8]) -> Result<Data> {
    read_bytes("sound.wav", bytes.to_vec(), &ReadOptions::default())
}

#[test]
fn samples_of_every_kind_are_shares_of_the_largest() {
    let [quarter, low] = [0.25f32, -0.5].map(f32::to_le_bytes);
    let [fine, deep] = [0.25f64, -0.5].map(f64::to_le_bytes);
    let cases: [(u16, u16, Vec<u8>); 6] = [
        (1, 8, vec![160, 64]),
        (1, 16, [8192i16, -16384].iter().flat_map(|v| v.to_le_bytes()).collect()),
        (1, 24, vec![0, 0, 0x20, 0, 0, 0xc0]),
        (1, 32, [1i32 << 29, -(1 << 30)].iter().flat_map(|v| v.to_le_bytes()).collect()),
        (3, 32, [quarter, low].concat()),
        (3, 64, [fine, deep].concat()),
    ];
    for (kind, bits, samples) in cases {
        let data = parse(&wav(kind, 1, 4, bits, &samples)).unwrap();
        assert_eq!(numbers(&data, "audio"), [0.25, -0.5], "{kind}, {bits} bits");
        assert_eq!(numbers(&data, "time"), [0.0, 0.25], "{kind}, {bits} bits");
        let is_finer = bits == 64 || (kind, bits) == (1, 32);
        assert_eq!(data.notes.iter().any(|note| note.contains("24 bits")), is_finer, "{:?}", data.notes);
    }
}

#[test]
fn channels_stand_side_by_side() {
    let data = parse(&stereo()).unwrap();
    let audio = data.get("audio").unwrap();
    assert_eq!(audio.shape, [3, 2]);
    let expected = [0.5, -0.5, 0.25, 0.0, -1.0, 32_767.0 / 32_768.0];
    assert_eq!(audio.to_f64().unwrap(), expected);
    // One of them can be asked for by name.
    let named = read_bytes("s.wav", stereo(), &ReadOptions::with_target("audio[1]")).unwrap();
    assert_eq!(numbers(&named, "audio[1]"), [-0.5, 0.0, 32_767.0 / 32_768.0]);
}

#[test]
fn other_chunks_the_extended_form_and_an_unknown_size_are_taken() {
    let samples = [0u8, 0x20, 0, 0xc0];
    let mut extended = format(0xfffe, 1, 4, 16);
    // The size of what follows, the bits, where loudspeakers stand, the kind.
    extended.extend([22, 0, 16, 0, 0, 0, 0, 0, 1, 0]);
    extended.extend([0; 14]);
    let odd = chunk(b"LIST", b"abc");
    let mut piped = file(&[chunk(b"fmt ", &format(1, 1, 4, 16)), chunk(b"data", &samples)]);
    let at = piped.len() - samples.len() - 4;
    piped[at..at + 4].copy_from_slice(&[0xff; 4]);
    let with_others = file(&[odd.clone(), chunk(b"fmt ", &extended), odd.clone(), chunk(b"data", &samples), odd]);
    for bytes in [with_others, piped] {
        assert_eq!(numbers(&parse(&bytes).unwrap(), "audio"), [0.25, -0.5]);
    }
}

#[test]
fn a_folder_is_a_table_with_a_row_for_each_recording() {
    let folder = tempfile::tempdir().unwrap();
    for (class, name, samples) in
        [("low", "a.wav", [8192, 0, 0]), ("low", "b.WAV", [0, 8192, 0]), ("high", "c.wav", [0, 0, 8192])]
    {
        std::fs::create_dir_all(folder.path().join(class)).unwrap();
        std::fs::write(folder.path().join(class).join(name), of_16_bits(1, 8000, &samples)).unwrap();
    }
    std::fs::write(folder.path().join("notes.txt"), "no recording").unwrap();
    let data = read(folder.path(), &ReadOptions::with_target("label")).unwrap();
    assert!(data.notes[0].contains("1 files"), "{:?}", data.notes);
    let samples = Samples::from_data(&data).unwrap();
    assert_eq!(samples.form.shape, [3]);
    // Classes and recordings in the order of their names.
    assert_eq!(samples.values, [0.0, 0.0, 0.25, 0.25, 0.0, 0.0, 0.0, 0.25, 0.0]);
    assert_eq!(samples.labels.unwrap().codes, [0, 1, 1]);
    // A model that knows single samples gets all of them.
    let kept = ReadOptions { keep: Some(vec!["audio[0]".into(), "audio[2]".into()]), ..ReadOptions::default() };
    assert_eq!(read(folder.path(), &kept).unwrap().get("audio").unwrap().shape, [3, 3]);
}

#[test]
fn channels_of_a_folder_are_averaged_and_a_note_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wav"), stereo()).unwrap();
    std::fs::write(folder.path().join("b.wav"), of_16_bits(1, 8000, &[1, 2, 3])).unwrap();
    let data = read(folder.path(), &ReadOptions::default()).unwrap();
    let found = numbers(&data, "audio");
    assert_eq!(found[..2], [0.0, 0.125]);
    assert!((found[2] + 0.5 / 32_768.0).abs() < 1e-7, "{found:?}");
    assert!(data.notes.iter().any(|note| note.contains("averaged")), "{:?}", data.notes);
}

#[test]
fn recordings_that_cannot_be_used_are_refused_with_a_remedy() {
    let nan = f32::NAN.to_le_bytes();
    let mut cut = stereo();
    cut.truncate(50);
    let mut wrong = format(1, 1, 8000, 16);
    wrong[12] = 3;
    let cases = [
        (wav(1, 1, 8000, 16, &[0, 0, 0]), "within the samples of a moment"),
        (cut, "ends within its samples"),
        (wav(1, 1, 8000, 16, &[]), "holds no samples"),
        (wav(2, 1, 8000, 8, &[0; 4]), "samples of the kind 2 with 8 bits"),
        (wav(3, 1, 8000, 32, &[[0; 4], nan].concat()), "sample 2 of the WAV file is no finite number"),
        (wav(1, 0, 8000, 16, &[0; 4]), "do not belong together"),
        (wav(1, 1, 0, 16, &[0; 4]), "do not belong together"),
        (file(&[chunk(b"fmt ", &wrong), chunk(b"data", &[0; 4])]), "do not belong together"),
        (file(&[chunk(b"fmt ", &wrong[..10]), chunk(b"data", &[0; 4])]), "is cut off"),
        (file(&[chunk(b"data", &[0; 4])]), "is missing or follows"),
        (file(&[chunk(b"fmt ", &format(1, 1, 8000, 16))]), "it has no samples"),
        (b"a,b\n1,2\n3,4\n".to_vec(), "is not a WAV file"),
    ];
    for (bytes, expected) in cases {
        let error = parse(&bytes).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(!error.remedy().is_empty());
    }
}

#[test]
fn recordings_of_different_lengths_or_too_many_samples_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, rate: u32, samples: &[i16]| {
        std::fs::write(folder.path().join(name), of_16_bits(1, rate, samples)).unwrap();
    };
    let refused = |options: &ReadOptions, expected: &str| {
        let error = read(folder.path(), options).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(!error.remedy().is_empty());
    };
    write("a.wav", 8000, &[1, 2, 3]);
    write("b.wav", 8000, &[1, 2]);
    refused(&ReadOptions::default(), "3 samples at 8000 a second in");
    write("b.wav", 16_000, &[1, 2, 3]);
    refused(&ReadOptions::default(), "3 at 16000 in");
    write("b.wav", 8000, &[1, 2, 3]);
    let narrow = ReadOptions { max_columns: 2, missing: MissingPolicy::Keep, ..ReadOptions::default() };
    refused(&narrow, "3 samples, more than 2");
    std::fs::write(folder.path().join("b.wav"), "RIFF").unwrap();
    refused(&ReadOptions::default(), "b.wav");
}
