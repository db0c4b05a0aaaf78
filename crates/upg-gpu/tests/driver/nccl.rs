//! Messages between cards: arguments and order of the calls, what is waited for, and what is said where they can't be connected.

use crate::stubs::{ALL, Setup, log, run};
use std::thread;
use std::time::{Duration, Instant};
use upg_core::DeviceError;
use upg_gpu::driver::Driver;
use upg_gpu::gpu::{Argument, Gpu, Launch, Link, Links, Message, Source};

const WITH_NCCL: &[&str] = &["libcuda.so", "libnvrtc.so", "libcublas.so", "libnccl.so.2"];

fn patient(done: &mut dyn FnMut() -> bool) -> Result<(), DeviceError> {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > Duration::from_secs(2) {
            return Err(DeviceError::Unavailable { device: "another".into(), reason: "waited in vain".into() });
        }
        thread::yield_now();
    }
    Ok(())
}

fn joined(driver: &Driver, rank: usize, size: usize) -> Result<Box<dyn Link>, DeviceError> {
    let links: &dyn Links = driver.links().unwrap();
    links.check()?;
    links.join(&links.invite()?, rank, size, &mut patient)
}

fn said(words: &[&str]) -> Vec<String> {
    log().into_iter().filter(|line| words.iter().any(|word| line.starts_with(word))).collect()
}

/// Sends its two bytes to the other card, and gets four.
fn exchange(rank: usize) -> Vec<u8> {
    let driver = Driver::new(0).unwrap();
    let mut link = joined(&driver, rank, 2).unwrap();
    assert_eq!(link.words(), "NCCL 2.27.3");
    let other = 1 - rank;
    let bytes = |rank: usize| 2 + 2 * rank;
    let (send, receive) = (driver.allocate(bytes(rank)).unwrap(), driver.allocate(bytes(other)).unwrap());
    driver.write(&vec![rank as u8 + 1; bytes(rank)], send).unwrap();
    let message = Message { other, send: (send, bytes(rank)), receive: (receive, bytes(other)) };
    let nothing = Message { other, send: (send, 0), receive: (receive, 0) };
    assert_eq!(link.piece(), 4 << 20);
    link.begin(&[message, nothing], &mut patient).unwrap();
    link.arrived(&mut patient).unwrap();
    let mut back = vec![0; bytes(other)];
    driver.read(receive, &mut back).unwrap();
    back
}

#[test]
fn cards_exchange_messages() {
    run("nccl::cards_exchange_messages", Setup { libraries: WITH_NCCL, ..Setup::default() }, || {
        let received = thread::scope(|scope| {
            let both = [0, 1].map(|rank| scope.spawn(move || exchange(rank)));
            both.map(|one| one.join().unwrap())
        });
        assert_eq!(received, [vec![2; 4], vec![1; 2]]);
        let way = "create stream, flags 1, priority -2147483648";
        let mut lines =
            said(&["connect", "send", "receive", "abort", "4 bytes", "2 bytes", way, "messages", "destroy stream of"]);
        lines.sort();
        let none = i32::MIN;
        let connect = |rank| {
            format!(
                "connect {rank} of 2 by xx, config of 48 bytes, cafebeef, 21700, blocking 0, {none} {none} {none}, {none}"
            )
        };
        let mut expected: Vec<_> =
            ["abort 0", "abort 1", "receive 2 from 0", "receive 4 from 1", "send 2 to 1", "send 4 to 0"]
                .map(str::to_owned)
                .into();
        expected.extend([connect(0), connect(1)]);
        expected.extend(
            [way, "messages after work", "destroy stream of messages"].repeat(2).into_iter().map(str::to_owned),
        );
        expected.sort();
        assert_eq!(lines, expected);
    });
}

/// The wait ends, and the communicator is given up, which ends what is under way.
#[test]
fn a_card_that_does_not_answer() {
    run("nccl::a_card_that_does_not_answer", Setup { libraries: WITH_NCCL, ..Setup::default() }, || {
        let driver = Driver::new(0).unwrap();
        let mut link = joined(&driver, 0, 2).unwrap();
        let at = driver.allocate(16).unwrap();
        let message = Message { other: 1, send: (at, 8), receive: (at.offset(8), 8) };
        link.begin(&[message], &mut patient).unwrap();
        assert_eq!(link.arrived(&mut patient).unwrap_err().to_string(), "another: waited in vain");
        drop(link);
        assert_eq!(said(&["abort"]), ["abort 0"]);
    });
}

/// Messages come after the work that was asked for before, not after what is asked for later.
#[test]
fn messages_come_after_the_work_before_them() {
    let test = "nccl::messages_come_after_the_work_before_them";
    run(test, Setup { libraries: WITH_NCCL, ..Setup::default() }, || {
        let driver = Driver::new(0).unwrap();
        let mut link = joined(&driver, 0, 2).unwrap();
        let source = Source { name: "some.cu", text: "text".into(), defines: vec![] };
        let (module, at) = (driver.compile(&source).unwrap(), driver.allocate(16).unwrap());
        let arguments = [Argument::Address(at), Argument::Address(at.offset(8)), Argument::Double(1.0)];
        let launch =
            |grid| Launch { kernel: "add", grid: [grid, 1, 1], block: [1, 1], shared: 0, arguments: &arguments };
        for grid in [3, 4] {
            driver.launch(&module, &launch(grid)).unwrap();
            link.begin(&[Message { other: 1, send: (at, 8), receive: (at, 0) }], &mut patient).unwrap();
        }
        let lines = said(&["launch", "record", "messages", "send"]);
        let [first, second] = ["add 3 1 1, 1 1 1, 0", "add 4 1 1, 1 1 1, 0"]
            .map(|work| [&format!("launch {work}"), "record", "messages after work", "send 8 to 1"].map(str::to_owned));
        assert_eq!(lines, [first, second].concat());
    });
}

#[test]
fn cards_that_can_not_be_connected() {
    let test = "nccl::cards_that_can_not_be_connected";
    let variables = &[("STUB_NCCL", "Duplicate GPU detected :\n rank 0 and rank 1")][..];
    run(test, Setup { libraries: WITH_NCCL, variables, ..Setup::default() }, || {
        let driver = Driver::new(0).unwrap();
        let error = joined(&driver, 0, 2).map(drop).unwrap_err().to_string();
        let words =
            "NCCL: invalid usage (run with NCCL_DEBUG=WARN for details): Duplicate GPU detected : rank 0 and rank 1";
        assert_eq!(error, format!("cuda:0: {words}"));
    });
}

#[test]
fn without_nccl() {
    if upg_gpu::driver::libraries::Library::Nccl.find().is_ok() {
        return;
    }
    run("nccl::without_nccl", Setup { libraries: ALL, ..Setup::default() }, || {
        let error = Driver::new(0).unwrap().links().unwrap().check().unwrap_err().to_string();
        assert!(error.starts_with("cuda:0: no NCCL: libnccl.so.2 and libnccl.so were looked for in the system's"));
        assert!(error.contains("nvidia-nccl-cu12") && !error.contains('\n'), "{error}");
    });
}

#[test]
fn as_the_environment_says() {
    let test = "nccl::as_the_environment_says";
    run(test, Setup { libraries: WITH_NCCL, variables: &[("UPG_NCCL", "off")], ..Setup::default() }, || {
        let told = || Driver::new(0).map(|driver| driver.links().unwrap().check());
        assert_eq!(told().unwrap().unwrap_err().to_string(), "cuda:0: UPG_NCCL = off");
        // SAFETY: the only thread that looks at the environment.
        unsafe { std::env::set_var("UPG_NCCL", "on") };
        assert_eq!(told().unwrap(), Ok(()));
        // SAFETY: as above.
        unsafe { std::env::set_var("UPG_NCCL", "after") };
        let driver = Driver::new(0).unwrap();
        let link = joined(&driver, 0, 1).unwrap();
        assert_eq!((link.piece(), &*link.words()), (usize::MAX, "NCCL 2.27.3, after each gradient"));
        // SAFETY: as above.
        unsafe { std::env::set_var("UPG_NCCL", "maybe") };
        assert_eq!(told().unwrap_err().to_string(), "cuda:0: UPG_NCCL = maybe: accepted are on, after and off");
    });
}

/// The library itself, loaded by LD_PRELOAD: it has all functions, makes invitations that differ, and says why it doesn't connect what is no card.
#[test]
#[ignore = "takes NVIDIA's libnccl.so.2 in LD_PRELOAD"]
fn the_library_itself() {
    run("nccl::the_library_itself", Setup { libraries: ALL, ..Setup::default() }, || {
        let driver = Driver::new(0).unwrap();
        let links = driver.links().unwrap();
        links.check().unwrap();
        let [first, second] = [links.invite().unwrap(), links.invite().unwrap()];
        assert_eq!((first.len(), first == second), (129, false));
        let error = links.join(&first, 0, 1, &mut patient).map(drop).unwrap_err().to_string();
        assert!(error.starts_with("cuda:0: NCCL: ") && !error.contains('\n'), "{error}");
        eprintln!("{error}");
    });
}
