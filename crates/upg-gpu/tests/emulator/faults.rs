//! Kernels that are wrong, each in one way.

use crate::support::*;
use crate::words::SUM;
use upg_gpu::emulator::{Emulator, Order};
use upg_gpu::gpu::{Address, Argument, Gpu, Launch};

/// Every number from its neighbour, which lacks a barrier in between.
const SHIFT: &str = "
KERNEL(32) test(float* x) {
    SHARED(float, all, 32);
    all[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = all[threadIdx.x == 0 ? 0 : threadIdx.x - 1];
}";

#[test]
fn a_missing_barrier_shows_in_reverse_order() {
    let values: Vec<_> = (0..32).map(|i| i as f32).collect();
    let [forward, reverse] = both_orders().map(|gpu| changed(&gpu, SHIFT, 1, 32, &values));
    assert_eq!(forward[1..], values[..31]);
    assert!(reverse[1..].iter().all(|x| x.is_nan()), "{reverse:?}");
}

#[test]
fn blocks_that_depend_on_their_order_show_in_reverse_order() {
    let text = "KERNEL(1) test(float* x) { x[0] = blockIdx.x; }";
    assert_eq!(both_orders().map(|gpu| changed(&gpu, text, 5, 1, &[9.0])[0]), [4.0, 0.0]);
}

#[test]
fn threads_that_meet_in_shared_memory() {
    let gpu = Emulator::counting().unwrap();
    assert_panics(
        &["test.cu, kernel test: block (0, 0, 0): thread 1 reads what was written at byte 0 of all", "thread 0"],
        || {
            changed(&gpu, SHIFT, 1, 32, &[1.0; 32]);
        },
    );
    let gpu = gpu.order(Order::Reverse);
    assert_panics(&["thread 30 writes what was read at byte 120 of all", "thread 31 of block (0, 0, 0)"], || {
        changed(&gpu, SHIFT, 1, 32, &[1.0; 32]);
    });
    let gpu = gpu.order(Order::Forward);
    let one_place =
        "KERNEL(8) test(float* x) { SHARED(float, all, 8); BARRIER(); all[threadIdx.x / 2] = x[threadIdx.x]; }";
    assert_panics(&["thread 1 writes what was written at byte 0 of all", "thread 0"], || {
        changed(&gpu, one_place, 1, 8, &[1.0; 8]);
    });
    let later = "KERNEL(8) test(float* x) {
        SHARED(float, all, 1);
        int t = threadIdx.x;
        if (t == 0) all[0] = 1;
        BARRIER();
        if (t == 7) x[t] = all[0];
        BARRIER();
        if (t == 0) x[t] = all[0];
        if (t == 7) all[0] = 2;
    }";
    assert_panics(&["thread 7 writes what was read at byte 0 of all", "thread 0"], || {
        drop(changed(&gpu, later, 1, 8, &[1.0; 8]))
    });
    let last = SUM.replace("    BARRIER();\n    x[THREAD] = part[0]", "    x[THREAD] = part[0]");
    assert_panics(&["byte 0 of part"], || {
        changed(&gpu, &last, 1, 64, &[1.0; 64]);
    });
    assert_eq!(changed(&gpu, SUM, 1, 64, &[1.0; 64]), [64.0; 64]);
}

#[test]
fn threads_that_meet_in_global_memory() {
    let gpu = Emulator::counting().unwrap();
    let blocks = "KERNEL(4) test(float* x) { x[threadIdx.x] = blockIdx.x; }";
    assert_panics(
        &[
            "block (1, 0, 0): thread 0 writes what was written at byte 0 of an allocation",
            "thread 0 of block (0, 0, 0)",
        ],
        || {
            changed(&gpu, blocks, 2, 4, &[1.0; 8]);
        },
    );
    let reads = "KERNEL(4) test(float* x) { float last = x[3]; BARRIER(); x[threadIdx.x] = last; }";
    changed(&gpu, reads, 1, 4, &[1.0; 8]);
    assert_panics(&["block (1, 0, 0): thread 0 reads what was written at byte 12 of an allocation"], || {
        changed(&gpu, reads, 2, 4, &[1.0; 8]);
    });
}

#[test]
fn threads_that_miss_a_barrier() {
    let finish = "KERNEL(8) test(float* x) {\n if (threadIdx.x == 5) return;\n BARRIER();\n x[THREAD] = 1; }";
    let elsewhere = "KERNEL(8) test(float* x) {\n if (threadIdx.x < 5) BARRIER();\n else BARRIER();\n x[THREAD] = 1; }";
    let line = source("").text.lines().count();
    for gpu in both_orders() {
        let waits = format!(
            "kernel test: block (0, 0, 0): thread 0 waits at BARRIER() of line {}, thread 5 has finished",
            line + 3
        );
        assert_panics(&[&waits], || drop(changed(&gpu, finish, 1, 8, &[0.0; 8])));
        let waits = format!("thread 0 waits at BARRIER() of line {}, thread 5 at that of line {}", line + 2, line + 3);
        assert_panics(&[&waits], || drop(changed(&gpu, elsewhere, 1, 8, &[0.0; 8])));
        // And it goes on as if nothing had been.
        assert_eq!(changed(&gpu, SUM, 1, 64, &[1.0; 64]), [64.0; 64]);
    }
}

#[test]
fn writes_beside_memory() {
    let gpu = Emulator::new().unwrap();
    let write = "KERNEL(1) test(float* x, int at) { x[at] = 1; }";
    for (at, side) in [(4, "behind it, in byte 0"), (-1, "before it, in byte 252")] {
        let x = upload(&gpu, &[0.0; 4]);
        let said = format!("an allocation of 16 bytes: something was written {side}");
        assert_panics(&["kernel test", &said], || run(&gpu, write, 1, 1, &[Argument::Address(x), Argument::Int(at)]));
        assert_panics(&["free: ", &said], || gpu.free(x));
    }
    let gpu = Emulator::counting().unwrap();
    let x = upload(&gpu, &[0.0; 4]);
    let read = "KERNEL(1) test(float* x, int at) { x[0] = x[at]; }";
    assert_panics(&["thread 0 reads byte 16 of an allocation of 16 bytes"], || {
        run(&gpu, read, 1, 1, &[Argument::Address(x), Argument::Int(4)]);
    });
    assert_panics(&["thread 0 reads byte -4 of an allocation of 16 bytes"], || {
        run(&gpu, read, 1, 1, &[Argument::Address(x), Argument::Int(-1)]);
    });
}

#[test]
fn writes_beside_shared_memory() {
    let write = "KERNEL(4) test(float* x) { SHARED(float, first, 4); SHARED(float, second, 4); second[0] = 0; first[4] = x[threadIdx.x]; }";
    assert_panics(&["block (0, 0, 0): wrote to byte 16 of shared `first`, which has 16"], || {
        changed(&Emulator::new().unwrap(), write, 1, 1, &[1.0; 4]);
    });
    assert_panics(&["thread 0 writes byte 16 of shared `first`, which has 16"], || {
        changed(&Emulator::counting().unwrap(), write, 1, 1, &[1.0; 4]);
    });
}

#[test]
fn arrays_in_shared_memory_are_the_same_for_all_threads() {
    let gpu = Emulator::new().unwrap();
    let differ = "KERNEL(4) test(float* x) { if (threadIdx.x == 2) { SHARED(float, b, 4); b[0] = 1; } else { SHARED(float, a, 4); a[0] = x[0]; } }";
    assert_panics(&["block (0, 0, 0): thread 2 names shared `b`, where another names `a`"], || {
        drop(changed(&gpu, differ, 1, 4, &[1.0; 4]))
    });
    let large = "KERNEL(4) test(float* x) { SHARED(float, a, 12289); a[0] = x[0]; }";
    assert_panics(&["SHARED makes 49156 bytes, of 49152"], || drop(changed(&gpu, large, 1, 4, &[1.0; 4])));
}

#[test]
fn what_was_never_written_is_nan() {
    let text =
        "KERNEL(4) test(float* x) { SHARED(float, all, 4); x[threadIdx.x] += all[threadIdx.x]; all[threadIdx.x] = 1; }";
    let gpu = Emulator::new().unwrap();
    for _ in 0..2 {
        assert!(changed(&gpu, text, 2, 4, &[1.0; 4]).iter().all(|x| x.is_nan()));
    }
    let fresh = gpu.allocate(16).unwrap();
    assert!(download(&gpu, fresh, 4).iter().all(|x| x.is_nan()));
}

/// Launches that a card would refuse, or worse.
#[test]
fn launches_that_do_not_fit_their_kernel() {
    let gpu = Emulator::new().unwrap();
    let module = gpu
        .compile(&source("KERNEL(8) test(float* x, int n, double d) { SHARED(float, all, 12000); all[0] = x[0]; }"))
        .unwrap();
    let x = upload(&gpu, &[0.0; 4]);
    let right = [Argument::Address(x), Argument::Int(1), Argument::Double(1.0)];
    let usual = Launch { kernel: "test", grid: [1, 1, 1], block: [8, 1], shared: 0, arguments: &right };
    gpu.launch(&module, &usual).unwrap();
    let refused = |parts: &[&str], launch: Launch<'_>| assert_panics(parts, || gpu.launch(&module, &launch).unwrap());
    refused(&["test.cu, kernel nobody: there is no such kernel"], Launch { kernel: "nobody", ..usual });
    refused(
        &["it takes (pointer, int, double) and is given (pointer, int)"],
        Launch { arguments: &right[..2], ..usual },
    );
    let single = [right[0], right[1], Argument::Single(1.0)];
    refused(
        &["takes (pointer, int, double) and is given (pointer, int, float)"],
        Launch { arguments: &single, ..usual },
    );
    refused(&["a grid of [1, 0, 1] blocks"], Launch { grid: [1, 0, 1], ..usual });
    refused(&["blocks of [9, 1] threads, of 1 to 8"], Launch { block: [9, 1], ..usual });
    refused(&["blocks of [4, 0] threads"], Launch { block: [4, 0], ..usual });
    refused(&["166913 bytes of shared memory, of 166912"], Launch { shared: 166_913, ..usual });
    refused(&["shared `all` of 48000 bytes makes 198000, of 166912"], Launch { shared: 150_000, ..usual });
    let wild = [Argument::Address(Address(4096)), right[1], right[2]];
    refused(&["0x1000 is in no allocation"], Launch { arguments: &wild, ..usual });
    let inside = [Argument::Address(x.offset(8)), right[1], right[2]];
    gpu.launch(&module, &Launch { arguments: &inside, ..usual }).unwrap();
    gpu.free(x);
    refused(&["is in an allocation of 16 bytes that was freed"], Launch { arguments: &inside, ..usual });
}
