//! Work that repeats: what is asked of the driver at the first, the second and the third sight, and that results don't depend on it.

use crate::stubs::{ALL, Setup, log, run};
use upg_core::DeviceError;
use upg_gpu::driver::{Driver, Graphs, Module};
use upg_gpu::gpu::{Address, Argument, Gpu, Launch, Matrix, Numbers, Product, Products, Source};

const STUBS: Setup<'static> = Setup { libraries: ALL, damaged: &[], options: &[], variables: &[] };

/// Four doubles on a card, and a kernel that adds a multiple of one to another.
struct Work<'a> {
    driver: &'a Driver,
    module: Module,
    at: Address,
    /// What the numbers are, by the host.
    numbers: [f64; 4],
}

/// A piece of work: what of it can differ without and with another shape.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Factors of the first six sums.
    factors: [f64; 6],
    /// Factor of the last one, after the product and the copy.
    last: f64,
    alpha: f64,
    grid: u32,
    /// Numbers that are copied.
    copied: usize,
}

const PIECE: Piece = Piece { factors: [1.0, -1.0, 0.5, 0.25, -0.5, 2.0], last: 1.0, alpha: 0.5, grid: 1, copied: 1 };

impl<'a> Work<'a> {
    fn new(driver: &'a Driver) -> Self {
        let source = Source { name: "some.cu", text: "text".into(), defines: vec![] };
        let (module, at, numbers) =
            (driver.compile(&source).unwrap(), driver.allocate(32).unwrap(), [1.0, 2.0, -1.0, 0.5]);
        driver.write(&numbers.map(f64::to_ne_bytes).concat(), at).unwrap();
        Self { driver, module, at, numbers }
    }

    fn place(&self, number: usize) -> Address {
        self.at.offset(8 * number)
    }

    fn add(&mut self, to: usize, from: usize, factor: f64, grid: u32) {
        let arguments =
            [Argument::Address(self.place(to)), Argument::Address(self.place(from)), Argument::Double(factor)];
        let launch = Launch { kernel: "add", grid: [grid, 1, 1], block: [32, 1], shared: 0, arguments: &arguments };
        self.driver.launch(&self.module, &launch).unwrap();
        self.numbers[to] += self.numbers[from] * factor;
    }

    fn product(&mut self, alpha: f64) {
        let [a, b] = [0, 1].map(|number| Matrix::new(self.place(number), 1));
        let (numbers, products, c) = (Numbers::Double, Products::Full, self.place(2));
        let product = Product { numbers, products, shape: [1; 3], alpha, a, b, beta: 0.0, c, c_stride: 1 };
        self.driver.product(&product).unwrap();
        self.numbers[2] = alpha * self.numbers[0] * self.numbers[1];
    }

    /// Nine items: six sums, a product, a copy, a sum.
    fn ask(&mut self, piece: Piece) {
        for (i, factor) in piece.factors.into_iter().enumerate() {
            self.add(i % 2, 3 - i % 2, factor, piece.grid);
        }
        self.product(piece.alpha);
        self.driver.copy(self.place(2), self.place(3), 8 * piece.copied).unwrap();
        self.numbers[3] = self.numbers[2];
        self.add(1, 3, piece.last, 1);
    }

    /// Whether the card's numbers are the host's, to the bit.
    #[track_caller]
    fn agrees(&self) {
        let mut bytes = [0; 32];
        self.driver.read(self.at, &mut bytes).unwrap();
        assert_eq!(bytes, self.numbers.map(f64::to_ne_bytes).concat()[..], "{:?}", self.numbers);
    }

    /// Does pieces of work.
    #[track_caller]
    fn make_all(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        for piece in pieces {
            self.ask(piece);
            self.agrees();
        }
    }

    /// Does a piece of work; returns what was asked of the driver for it.
    #[track_caller]
    fn make(&mut self, piece: Piece) -> Vec<String> {
        let before = log().len();
        self.ask(piece);
        self.agrees();
        calls(before)
    }
}

/// What was issued since then.
fn calls(before: usize) -> Vec<String> {
    let words = ["launch", "capture", "  ", "end of capture", "instantiate", "set", "spoilt", "another"];
    let issued = |line: &String| words.iter().any(|word| line.starts_with(word));
    log().into_iter().skip(before).filter(issued).collect()
}

fn launch(grid: u32) -> String {
    format!("launch add {grid} 1 1, 32 1 1, 0")
}

/// The kernels of a piece launched one by one; a product and a copy say nothing then.
fn plainly() -> Vec<String> {
    vec![launch(1); 7]
}

/// A piece recorded and launched.
fn recorded() -> Vec<String> {
    let mut lines = vec!["capture, mode 1".to_owned()];
    lines.extend(vec![format!("  {}", launch(1)); 6]);
    lines.extend(["  product".to_owned(), "  copy 8".to_owned(), format!("  {}", launch(1))]);
    lines.extend(["end of capture", "instantiate 9 nodes, flags 0", "launch graph"].map(str::to_owned));
    lines
}

#[test]
fn the_third_sight_is_a_replay() {
    run("graphs::the_third_sight_is_a_replay", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        assert_eq!(work.make(PIECE), plainly());
        assert_eq!(work.make(PIECE), recorded());
        assert_eq!(work.make(PIECE), ["launch graph"]);
        let (replays, launched) = (driver.replays(), 2);
        assert_eq!((replays.made, replays.launched, replays.changed, replays.none), (1, launched, 0, None));
    });
}

#[test]
fn arguments_that_change_are_set_and_they_only() {
    run("graphs::arguments_that_change_are_set_and_they_only", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        let mut piece = PIECE;
        work.make(piece);
        piece.factors[4] = 3.0;
        assert_eq!(work.make(piece), recorded(), "with its own arguments");
        piece.last = -0.75;
        piece.factors[2] = -0.0;
        // The last sum is the ninth node.
        assert_eq!(work.make(piece), ["set 2: add 1 1 1, 32 1 1, 0", "set 8: add 1 1 1, 32 1 1, 0", "launch graph"]);
        assert_eq!(work.make(piece), ["launch graph"]);
        piece.factors[2] = 0.0;
        assert_eq!(work.make(piece), ["set 2: add 1 1 1, 32 1 1, 0", "launch graph"]);
        assert_eq!(driver.replays().changed, 3);
    });
}

#[test]
fn what_a_graph_cannot_change_makes_another() {
    run("graphs::what_a_graph_cannot_change_makes_another", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        for _ in 0..3 {
            work.make(PIECE);
        }
        let others = [Piece { alpha: 0.25, ..PIECE }, Piece { grid: 2, ..PIECE }];
        for (made, other) in others.into_iter().enumerate() {
            assert_eq!(work.make(other).iter().filter(|line| line.starts_with("launch add")).count(), 7, "{other:?}");
            assert_eq!(work.make(other)[0], "capture, mode 1");
            assert_eq!(work.make(other), ["launch graph"]);
            assert_eq!(work.make(PIECE), ["launch graph"]);
            assert_eq!(driver.replays().made, 2 + made as u64);
        }
        // The same work in other places: its product isn't the same.
        let mut elsewhere = Work::new(&driver);
        assert_eq!(elsewhere.make(PIECE), plainly());
        assert_eq!(elsewhere.make(PIECE), recorded());
    });
}

#[test]
fn a_few_launches_are_no_graph_and_many_are_issued_unasked() {
    run("graphs::a_few_launches_are_no_graph_and_many_are_issued_unasked", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        for _ in 0..4 {
            let before = log().len();
            (0..7).for_each(|i| work.add(i % 2, 2, 0.5, 1));
            work.agrees();
            assert_eq!(calls(before), vec![launch(1); 7]);
        }
        let before = log().len();
        (0..1023).for_each(|_| work.add(0, 1, 0.5, 1));
        assert_eq!(calls(before), [""; 0]);
        work.add(0, 1, 0.5, 1);
        assert_eq!(calls(before), vec![launch(1); 1024]);
        work.agrees();
    });
}

#[test]
fn graphs_that_are_used_stay_and_others_go() {
    run("graphs::graphs_that_are_used_stay_and_others_go", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        let pieces = |count: u32| (1..=count).map(|grid| Piece { grid, ..PIECE });
        let other = std::iter::repeat(Piece { alpha: 4.0, ..PIECE });
        (0..5).for_each(|_| work.make_all(pieces(20)));
        assert_eq!(driver.replays().made, 16, "no more are kept, and none was made twice");
        (0..5).for_each(|_| work.make_all(pieces(60)));
        assert_eq!(driver.replays().made, 16, "of so many no more is remembered");
        work.make_all(pieces(20).chain(other.take(10)));
        assert_eq!((driver.replays().made, driver.replays().launched), (17, 16 * 4 + 16 * 5 + 16 + 9));
        let destroyed = log().iter().filter(|line| line.ends_with("graph") && line.starts_with("destroy")).count();
        assert_eq!(destroyed, 2, "one graph, ready and not");
    });
}

/// Graphs that fail once: results stand, and there are no more graphs.
fn failing(name: &str) {
    let driver = Driver::new(0).unwrap();
    let mut work = Work::new(&driver);
    let mut piece = PIECE;
    for step in 0..5 {
        piece.factors[step] += 1.0;
        work.make(piece);
    }
    let replays = driver.replays();
    let why = replays.none.clone().unwrap_or_default();
    assert!(why.starts_with(&format!("cuda:0: {name}")), "{replays:?}");
    assert_eq!(work.make(PIECE), plainly());
    assert_eq!(work.make(PIECE), plainly(), "no more graphs");
    assert_eq!(driver.replays(), replays);
    let before = log().len();
    work.add(0, 1, 1.0, 1);
    assert_eq!(calls(before), [launch(1)], "nothing is held back any more");
    let [begun, ended, ready, destroyed] = ["capture, ", "end of ", "instantiate ", "destroy ready "]
        .map(|word| log().iter().filter(|line| line.starts_with(word)).count());
    assert!(begun == 1 && ended == usize::from(name != "cuStreamBeginCapture_v2"), "what is begun ends");
    assert_eq!(destroyed, ready - usize::from(name == "cuGraphInstantiateWithFlags"), "nothing is kept");
}

macro_rules! failing {
    ($($test:ident: $name:literal at $number:literal;)*) => {$(
        #[test]
        fn $test() {
            let variables = &[("STUB_FAILS", $name), ("STUB_FAILS_AT", $number)];
            run(concat!("graphs::", stringify!($test)), Setup { variables, ..STUBS }, || failing($name));
        }
    )*};
}

failing! {
    no_begin: "cuStreamBeginCapture_v2" at "1";
    no_first_node: "cuStreamGetCaptureInfo" at "1";
    no_last_node: "cuStreamGetCaptureInfo" at "7";
    no_end: "cuStreamEndCapture" at "1";
    no_graph: "cuGraphInstantiateWithFlags" at "1";
    no_first_launch: "cuGraphLaunch" at "1";
    no_second_launch: "cuGraphLaunch" at "2";
    no_first_change: "cuGraphExecKernelNodeSetParams_v2" at "1";
    no_second_change: "cuGraphExecKernelNodeSetParams_v2" at "2";
}

#[test]
fn modules_outlive_the_graphs_that_use_them() {
    run("graphs::modules_outlive_the_graphs_that_use_them", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        work.make(PIECE);
        work.make(PIECE);
        let mut held_back = Work::new(&driver);
        held_back.add(0, 1, 1.0, 1);
        let before = log().len();
        let Work { module, .. } = work;
        drop(module);
        let Work { module, at, .. } = held_back;
        drop(module);
        assert_eq!(log().len(), before, "nothing is issued, and nothing unloaded");
        driver.read(at, &mut [0; 8]).unwrap();
        drop(driver);
        let said: Vec<_> = log().into_iter().skip(before).filter(|line| line != "wait").collect();
        let order = ["unload", "destroy ready graph", "destroy graph", "unload", "destroy handle", "free"];
        assert_eq!(said, [&[&*launch(1)], &order[..], &["destroy stream", "release 40"]].concat());
    });
}

#[test]
fn work_is_issued_before_the_end() {
    run("graphs::work_is_issued_before_the_end", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        work.add(0, 1, 1.0, 1);
        let before = log().len();
        drop(work);
        assert_eq!(calls(before), [""; 0]);
        drop(driver);
        assert_eq!(calls(before), [launch(1)]);
    });
}

#[test]
fn what_failed_shows_in_what_is_asked_for_next() {
    run("graphs::what_failed_shows_in_what_is_asked_for_next", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let (work, free) = (Work::new(&driver), driver.allocate(8).unwrap());
        let matrix = Matrix::new(work.at, 1);
        let wrong = Product {
            numbers: Numbers::Double,
            products: Products::Full,
            shape: [2; 3],
            alpha: 1.0,
            a: matrix,
            b: matrix,
            beta: 0.0,
            c: work.at,
            c_stride: 1,
        };
        let expected =
            DeviceError::Lost { device: "cuda:0".into(), reason: "cuBLAS: CUBLAS_STATUS_INVALID_VALUE".into() };
        let fails = |next: &dyn Fn() -> Result<(), DeviceError>| {
            driver.product(&wrong).unwrap();
            driver.free(driver.allocate(8).unwrap());
            assert_eq!(next(), Err(expected.clone()));
            work.agrees();
        };
        fails(&|| driver.allocate(8).map(|_| ()));
        fails(&|| driver.write(&[1; 8], free));
        fails(&|| driver.read(free, &mut [0; 8]));
        fails(&|| driver.copy(work.at, free, 8));
        fails(&|| driver.product(&wrong));
        let none = Launch { kernel: "add", grid: [1; 3], block: [1; 2], shared: 0, arguments: &[] };
        fails(&|| driver.launch(&work.module, &none));
    });
}

#[test]
fn any_thread_may_work_wait_and_unload_meanwhile() {
    run("graphs::any_thread_may_work_wait_and_unload_meanwhile", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let source = Source { name: "some.cu", text: "text".into(), defines: vec![] };
        std::thread::scope(|scope| {
            let work = |thread: u32| {
                let driver = &driver;
                // New shapes again and again, so that there is always one to be recorded.
                let piece =
                    move |step: u32| Piece { grid: 100 * thread + step / 10, last: f64::from(step % 3), ..PIECE };
                scope.spawn(move || Work::new(driver).make_all((0..300).map(piece)))
            };
            let workers = [1, 2, 3].map(work);
            let memory = scope.spawn(|| (0..300).for_each(|_| driver.free(driver.allocate(8).unwrap())));
            while !(memory.is_finished() && workers.iter().all(|worker| worker.is_finished())) {
                drop(driver.compile(&source).unwrap());
            }
        });
        assert_eq!(calls(0).iter().find(|line| line.starts_with("spoilt") || line.starts_with("another")), None);
        let replays = driver.replays();
        assert!(replays.none.is_none() && replays.made > 10, "{replays:?}");
    });
}

#[test]
fn an_older_driver_has_no_graphs() {
    let setup = Setup { options: &["-DNO_GRAPHS"], ..STUBS };
    run("graphs::an_older_driver_has_no_graphs", setup, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        (0..3).for_each(|_| assert_eq!(work.make(PIECE), plainly()));
        assert_eq!(driver.replays().none.unwrap(), "the driver has no cuGraphDestroy");
    });
}

#[test]
fn a_driver_of_cuda_12_0_tells_nodes_in_its_own_way() {
    let setup = Setup { options: &["-DSECOND"], ..STUBS };
    run("graphs::a_driver_of_cuda_12_0_tells_nodes_in_its_own_way", setup, || {
        let driver = Driver::new(0).unwrap();
        let mut work = Work::new(&driver);
        work.make(PIECE);
        let lines = work.make(PIECE);
        assert_eq!(lines.iter().filter(|line| *line == "  second").count(), 7);
        let changed = Piece { last: 7.0, ..PIECE };
        assert_eq!(work.make(changed), ["set 8: add 1 1 1, 32 1 1, 0", "launch graph"]);
    });
}

#[test]
fn without_graphs_work_is_issued_at_once() {
    let setup = Setup { variables: &[("UPG_CUDA_GRAPHS", "off")], ..STUBS };
    run("graphs::without_graphs_work_is_issued_at_once", setup, || {
        for driver in [Driver::new(0).unwrap(), Driver::with_graphs(0, Graphs::Never).unwrap()] {
            let mut work = Work::new(&driver);
            let before = log().len();
            work.ask(PIECE);
            assert_eq!(calls(before), plainly());
            (0..3).for_each(|_| assert_eq!(work.make(PIECE), plainly()));
            assert_eq!(driver.replays().none.unwrap(), "not wanted");
        }
    });
}

#[test]
fn the_variable_is_on_or_off() {
    let setup = Setup { variables: &[("UPG_CUDA_GRAPHS", "no")], ..STUBS };
    run("graphs::the_variable_is_on_or_off", setup, || {
        let error = Driver::new(0).unwrap_err().to_string();
        assert_eq!(error, "cuda:0: UPG_CUDA_GRAPHS = no: accepted are on and off");
        assert!(Driver::with_graphs(0, Graphs::Repeated).is_ok());
    });
}
