//! Damaged input: whatever is done to a file, its loader gives a value or a one-line error, without a panic and without asking
//! for much memory.
//!
//! Every seed file is altered in some thousand ways, the same in every run. `fuzz/` holds the same loaders against a fuzzer.

mod seeds;

use seeds::{CheckpointSeed, configs, golden_files};
use upg_core::{Layer, ParamLayout};
use upg_experiments::config::{Config, ConfigFile};
use upg_experiments::io::checkpoint::Format;
use upg_experiments::io::metrics::{Lines, lines_up_to};
use upg_experiments::io::samples::decode_samples;
use upg_experiments::io::weights::{decode_params, seal};
use upg_testkit::alloc;
use upg_testkit::mutate::{Mutator, headers_of, numbers_of, texts_of};

#[global_allocator]
static COUNTER: alloc::Counter = alloc::Counter;

/// Bytes that a loader may allocate in any case, and per byte of the file.
const BYTES: usize = 64 << 20;
const BYTES_PER_BYTE: usize = 16;

/// Longest message, in bytes.
const LONGEST: usize = 2000;

/// Says which input it was, should `load` panic.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was {}", self.0);
        }
    }
}

/// Loads, and checks all that must hold; whether the input was accepted.
#[track_caller]
fn holds<V, E: ToString>(what: &str, len: usize, load: impl FnOnce() -> Result<V, E>) -> bool {
    let _named = Named(what);
    let (outcome, peak) = alloc::peak(|| load().map(drop).map_err(|e| e.to_string()));
    let most = BYTES + BYTES_PER_BYTE * len;
    assert!(peak.largest <= most && peak.held <= most as isize, "{peak:?} for {len} bytes");
    let Err(message) = outcome else { return true };
    for line in message.split('\n') {
        assert!(!line.is_empty() && line.len() < LONGEST, "{} bytes: {line}", line.len());
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
    false
}

/// The layout of the parameters of a configuration.
fn layout_of(config: &Config) -> ParamLayout {
    config.build::<f64>().unwrap().flow.params()
}

/// A model is made from an altered configuration only if it is small; that large ones are refused, `check` must tell.
const SMALL: u64 = 1 << 16;

fn load_config(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let file = ConfigFile::parse("c.ron".as_ref(), text.to_owned()).map_err(|e| e.to_string())?;
    let line = file.config.to_ron();
    assert_eq!(Config::parse(&line).map(|again| again.to_ron()).as_ref(), Ok(&line), "survives its own text");
    file.check().map_err(|e| e.to_string())?;
    let size = file.config.flow_spec().and_then(|spec| spec.size()).map_err(|e| e.to_string())?;
    if size.parameters.max(size.indices) > SMALL {
        return Ok(());
    }
    file.build::<f32>().map(drop).map_err(|e| e.to_string())
}

#[test]
fn configurations() {
    let (seeds, mut mutator) = (configs(), Mutator::new(1));
    let others: Vec<_> = seeds.iter().map(|(_, text)| text.as_bytes()).collect();
    let mut accepted = 0;
    for (name, text) in &seeds {
        assert!(holds(name, text.len(), || load_config(text.as_bytes())), "{name}");
        for n in 0..250 {
            let (bytes, how) =
                if n % 2 == 0 { mutator.text(text, &seeds) } else { mutator.bytes(text.as_bytes(), &others) };
            let what = format!("{name}, {how}: {}", bytes.escape_ascii());
            accepted += usize::from(holds(&what, bytes.len(), || load_config(&bytes)));
        }
        for (number, value, altered) in numbers_of(text) {
            let what = format!("{name}, {number} replaced with {value}");
            accepted += usize::from(holds(&what, altered.len(), || load_config(altered.as_bytes())));
        }
    }
    assert!(accepted > 100, "{accepted} accepted: nothing behind the parser is reached");
}

#[test]
fn texts_that_are_hard_to_read() {
    for (what, text) in texts_of(10_000) {
        assert!(!holds(&what, text.len(), || load_config(text.as_bytes())), "{what}");
    }
}

#[test]
fn weights() {
    let (files, mut mutator) = (golden_files("params.safetensors"), Mutator::new(2));
    let others: Vec<_> = files.iter().map(|file| &file.bytes[..]).collect();
    for file in &files {
        let layout = layout_of(&file.config);
        let load = |bytes: &[u8]| decode_params::<f32>(bytes, &layout);
        assert!(holds(&file.name, file.bytes.len(), || load(&file.bytes)), "{}", file.name);
        for _ in 0..600 {
            let (bytes, how) = mutator.bytes(&file.bytes, &others);
            holds(&format!("{}, {how}", file.name), bytes.len(), || load(&bytes));
        }
    }
}

#[test]
fn samples() {
    let (mut files, mut mutator) = (golden_files("z.npy"), Mutator::new(3));
    files.extend(golden_files("x_data.npy"));
    let others: Vec<_> = files.iter().map(|file| &file.bytes[..]).collect();
    for file in &files {
        let shape = file.config.build::<f64>().unwrap().sample_shape;
        let load = |bytes: &[u8]| decode_samples::<f32>(bytes, &shape);
        assert!(holds(&file.name, file.bytes.len(), || load(&file.bytes)), "{}", file.name);
        for _ in 0..600 {
            let (bytes, how) = mutator.bytes(&file.bytes, &others);
            let what = format!("{}, {how}: {}", file.name, bytes[..bytes.len().min(256)].escape_ascii());
            holds(&what, bytes.len(), || load(&bytes));
        }
    }
}

#[test]
fn headers_that_are_hard_to_read() {
    for (what, bytes) in [20, 3000, 100_000].into_iter().flat_map(headers_of) {
        assert!(!holds(&what, bytes.len(), || decode_samples::<f32>(&bytes, &[2])), "{what}");
    }
}

#[test]
fn checkpoints() {
    let (seeds, mut mutator) = (CheckpointSeed::all(), Mutator::new(4));
    let others: Vec<_> = seeds.iter().map(|seed| &seed.bytes[..]).collect();
    let mut behind_the_checksum = 0;
    for CheckpointSeed { config, bytes, .. } in &seeds {
        let layout = layout_of(config);
        let format = Format::new(config, &layout);
        let load = |bytes: &[u8]| format.decode::<f32>(bytes, "c".as_ref());
        assert!(holds("the seed", bytes.len(), || load(bytes)));
        for n in 0..1200 {
            let (mut altered, how) = mutator.bytes(bytes, &others);
            if n % 4 != 0 {
                seal(&mut altered);
            }
            let accepted = holds(&how, altered.len(), || load(&altered));
            behind_the_checksum += usize::from(accepted && altered != *bytes);
        }
    }
    assert!(behind_the_checksum > 100, "{behind_the_checksum} accepted: nothing behind the checksum is reached");
}

#[test]
fn an_altered_checkpoint_is_never_accepted() {
    let (seeds, mut mutator) = (CheckpointSeed::all(), Mutator::new(5));
    let others: Vec<_> = seeds.iter().map(|seed| &seed.bytes[..]).collect();
    for CheckpointSeed { config, bytes, .. } in &seeds {
        let layout = layout_of(config);
        for _ in 0..600 {
            let (altered, how) = mutator.bytes(bytes, &others);
            let accepted = Format::new(config, &layout).decode::<f32>(&altered, "c".as_ref()).is_ok();
            assert!(!accepted || seeds.iter().any(|seed| seed.bytes == altered), "{how}");
        }
    }
}

/// `bytes` with `old`, which occurs once, replaced with `new` of the same length, and a checksum that fits.
fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    let mut places =
        altered.windows(old.len()).enumerate().filter(|(_, part)| *part == old.as_bytes()).map(|(at, _)| at);
    let (Some(at), None) = (places.next(), places.next()) else { panic!("{old} doesn't occur once") };
    altered[at..][..new.len()].copy_from_slice(new.as_bytes());
    seal(&mut altered);
    altered
}

#[test]
fn a_checkpoint_that_no_run_writes_is_refused() {
    let CheckpointSeed { config, bytes } = &CheckpointSeed::all()[0];
    let layout = layout_of(config);
    let format = Format::new(config, &layout);
    let load = |bytes: &[u8]| format.decode::<f32>(bytes, "c".as_ref()).map(|state| state.progress);
    let progress = load(bytes).unwrap();
    assert_eq!((progress.step, progress.updates, progress.skipped), (3, 3, 0));
    for (old, new, fragment) in [
        ("step:3", "step:4", "4 steps, 3 updates"),
        ("updates:3", "updates:2", "3 steps, 2 updates"),
        ("skipped_in_a_row:0", "skipped_in_a_row:1", "1 in a row"),
        ("seconds:0.0", "seconds:NaN", "NaN seconds"),
        ("seconds:0.0", "seconds:-2.", "-2 seconds"),
        ("seconds:0.0", "zeconds:0.0", "zeconds"),
        ("state.checksum", "state.chuckles", "no checksum"),
        ("state.progress", "state.regress ", "state.progress is missing"),
        (
            "state.first_moment.layers.1.net.0.bias",
            "state.first_moment.layers.1.net.0.bios",
            "net.0.bias of shape [3] is missing",
        ),
    ] {
        let message = load(&replaced(bytes, old, new)).expect_err(new).to_string();
        assert!(message.contains(fragment), "{message} should contain {fragment}");
    }
}

#[test]
fn metrics() {
    let line = "{\"step\":1,\"loss\":-3.5,\"ess_reverse\":0.5,\"ess_forward\":null,\"grad_norm\":1e-3,\"rate\":0.001,\
                \"seconds\":1.5,\"samples_per_second\":1e5,\"skipped\":0}\n";
    let text = [line; 3].concat();
    let (mut mutator, deep) = (Mutator::new(6), "[".repeat(100_000));
    assert_eq!(lines_up_to(text.as_bytes(), 5), Lines { kept: text.clone().into_bytes(), damaged: vec![] });
    for n in 0..2000 {
        let (mut bytes, how) = mutator.bytes(text.as_bytes(), &[deep.as_bytes()]);
        if n % 7 == 0 {
            bytes.extend_from_slice(deep.as_bytes());
            bytes.push(b'\n');
        }
        holds(&how, bytes.len(), || {
            let kept = lines_up_to(&bytes, 5).kept;
            let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
            assert!(kept.split_inclusive(|&byte| byte == b'\n').all(|line| lines.any(|other| other == line)));
            Ok::<_, String>(())
        });
    }
}
