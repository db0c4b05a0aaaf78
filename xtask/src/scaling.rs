//! `cargo xtask scaling`: how long a step takes on many processes, by what is counted; the tables of docs/SCALING.md. The seconds of a gradient and of
//! a host's copies are measured, the constants of networks and cards are those of data sheets: `upg peers` measures them where it is called.
//!
//! A step on n processes, with B samples and S bytes of gradient, is a gathering of the log-weights and a sum of the gradient. On hosts the sum is p pieces
//! with two exchanges of messages with everyone each:
//!
//! t(n) = c(B/n) + a + (n − 1) m + (n − 1) (24 + 8 B/n)/b + 2p (a + (n − 1) m) + 2 (n − 1)/n · S/b + (4 (n − 1)/n + 1) S/w
//!
//! On cards that are connected with each other the pieces are on their way while the layers that come after are at work: piece k is whole at Cₖ, has
//! been multiplied, and piece k − 1 added up, at Bₖ, and its segments have arrived, with the sums of piece k − 1, at Xₖ, when those of k + 1 may follow:
//!
//! C₁ = c/2 + c/2p, Bₖ = max(Cₖ, Xₖ₋₁) + (3 + 3/n) S/pv, Xₖ = Bₖ + a' + eₖ ((n − 1) m' + (n − 1)/n · S/pb), Cₖ₊₁ = Bₖ + c/2p
//!
//! with e₁ = 1 and eₖ = 2; then t(n) = Xₚ + (3 + 3/n) S/pv + a' + (n − 1) m' + (n − 1)/n · S/pb + 2 (a + (n − 1) m) + (n − 1) (24 + 8 B/n)/b.
//!
//! | symbol | what it is |
//! |---|---|
//! | c | seconds of the gradient and the optimiser of so many samples on one device, measured |
//! | a, m | seconds of an exchange between hosts, and of each of its messages |
//! | a', m' | the same between cards |
//! | b | bytes a second that a process sends, and receives at the same time |
//! | p | S over the size of a piece: on hosts 512 KiB, or 64 KiB for each process if that is more; on cards 4 MiB, 512 KiB for each process, or a layer if that is more |
//! | w | bytes a second that the host copies: messages at both ends, and the pieces of a segment as they are added up; measured |
//! | v | bytes a second of a card's memory: the gradient is read, multiplied and written, a segment of everyone is read and their sum written |

use std::process::ExitCode;

/// A connection between processes.
struct Network {
    name: &'static str,
    exchange: f64,
    message: f64,
    bandwidth: f64,
    sums: Sums,
}

/// Where gradients are summed.
enum Sums {
    /// On hosts, which copy so many bytes a second.
    Hosts { memory: f64 },
    /// On cards that are connected with each other, while the gradient is made or when it is done.
    Cards { exchange: f64, message: f64, memory: f64, when: When },
}

/// When gradients are summed.
#[derive(Clone, Copy, PartialEq)]
enum When {
    During,
    After,
}

/// A flow of the paper on a device.
struct Flow {
    name: &'static str,
    /// Bytes of its gradient, f32.
    gradient: f64,
    /// Samples, and seconds of a step, measured.
    steps: [(f64, f64); 3],
}

/// Bytes of a sum between two processes of a machine, 100 MB in 38 to 75 ms on two cores of an AMD EPYC (Zen 3), to which it adds up.
const COPIES: f64 = 5e9;

/// Nodes with 64 cores each and a network of 100 Gbit/s; one thread copies and adds.
const NODES: Network =
    Network { name: "nodes", exchange: 2e-6, message: 0.5e-6, bandwidth: 12.5e9, sums: Sums::Hosts { memory: COPIES } };
/// Cards with 400 Gbit/s each, connected by NCCL, whose messages take about ten times as long to begin as MPI's.
const CARDS: Network = Network {
    name: "cards",
    exchange: 2e-6,
    message: 0.5e-6,
    bandwidth: 50e9,
    sums: Sums::Cards { exchange: 20e-6, message: 2e-6, memory: 4e12, when: When::During },
};
/// The same with `UPG_NCCL=after`.
const AFTER: Network = Network {
    name: "cards, summed after each gradient",
    sums: Sums::Cards { exchange: 20e-6, message: 2e-6, memory: 4e12, when: When::After },
    ..CARDS
};
/// Couplings of the flows, whose gradients become whole one after the other.
const LAYERS: f64 = 8.0;

/// Two cores, from the README, spread over 64.
const CORES: f64 = 32.0;
const ON_NODES: [Flow; 2] = [
    Flow {
        name: "RealNVP, 25 M parameters",
        gradient: 100e6,
        steps: [(64.0, 89.9e-3 / CORES), (1024.0, 1.11 / CORES), (8192.0, 8.88 / CORES)],
    },
    Flow {
        name: "U(1), 30 k parameters",
        gradient: 120e3,
        steps: [(64.0, 11.6e-3 / CORES), (1024.0, 0.17 / CORES), (8192.0, 1.36 / CORES)],
    },
];
/// An H200, from docs/GPU.md.
const ON_CARDS: [Flow; 2] = [
    Flow {
        name: "RealNVP, 25 M parameters",
        gradient: 100e6,
        steps: [(64.0, 2.0e-3), (1024.0, 7.1e-3), (8192.0, 39.2e-3)],
    },
    Flow {
        name: "U(1), 30 k parameters",
        gradient: 120e3,
        steps: [(64.0, 1.4e-3), (1024.0, 2.8e-3), (8192.0, 15.6e-3)],
    },
];

impl Flow {
    /// c: straight lines between what was measured; fewer samples take as long as the fewest.
    fn alone(&self, samples: f64) -> f64 {
        let [first, second, third] = self.steps;
        let line = |(x0, t0): (f64, f64), (x1, t1): (f64, f64)| t0 + (samples - x0) * (t1 - t0) / (x1 - x0);
        if samples <= first.0 {
            first.1
        } else if samples <= second.0 {
            line(first, second)
        } else {
            line(second, third)
        }
    }
}

impl Network {
    /// t(n) with `samples` on each process.
    fn step(&self, flow: &Flow, processes: usize, samples: f64) -> f64 {
        let (n, size) = (processes as f64, flow.gradient);
        if processes == 1 {
            return flow.alone(samples);
        }
        let exchange = self.exchange + (n - 1.0) * self.message;
        let gathered = exchange + (n - 1.0) * (24.0 + 8.0 * samples) / self.bandwidth;
        let seconds = flow.alone(samples);
        match self.sums {
            Sums::Hosts { memory } => {
                let pieces = (size / f64::max(524_288.0, n * 65_536.0)).ceil();
                let sent = 2.0 * (n - 1.0) / n * size / self.bandwidth;
                let copied = (4.0 * (n - 1.0) / n + 1.0) * size / memory;
                seconds + gathered + 2.0 * pieces * exchange + sent + copied
            }
            Sums::Cards { exchange: between_cards, message, memory, when } => {
                let piece = [4_194_304.0, n * 524_288.0, size / LAYERS].into_iter().fold(0.0, f64::max);
                let pieces = if when == When::During { (size / piece).ceil() } else { 1.0 };
                let sent = (n - 1.0) * message + (n - 1.0) / n * size / pieces / self.bandwidth;
                let added = (3.0 + 3.0 / n) * size / pieces / memory;
                let pass = if when == When::During { seconds / 2.0 } else { 0.0 };
                let (mut whole, mut arrived) = (seconds - pass + pass / pieces, 0.0);
                for number in 1..=pieces as usize {
                    let begun = f64::max(whole, arrived) + added;
                    arrived = begun + between_cards + if number == 1 { sent } else { 2.0 * sent };
                    whole = begun + pass / pieces;
                }
                arrived + added + between_cards + sent + gathered + exchange
            }
        }
    }
}

/// Prints the tables.
pub fn run() -> ExitCode {
    for (network, flows) in [(NODES, &ON_NODES[..]), (CARDS, &ON_CARDS), (AFTER, &ON_CARDS[..1])] {
        for flow in flows {
            table(&network, flow);
        }
    }
    ExitCode::SUCCESS
}

/// Weak scaling with 1024 samples on each process, strong scaling with 8192 in all.
fn table(network: &Network, flow: &Flow) {
    println!(
        "\n| {} on {} | weak: a step, ms | efficiency | strong: a step, ms | times as fast | MB sent by each |",
        flow.name, network.name
    );
    println!("|---|---|---|---|---|---|");
    let (weak, strong) = (1024.0, 8192.0);
    for processes in [1, 2, 4, 8, 16, 64, 256] {
        let n = processes as f64;
        let (of_weak, of_strong) = (network.step(flow, processes, weak), network.step(flow, processes, strong / n));
        let sent = 2.0 * (n - 1.0) / n * flow.gradient + (n - 1.0) * (24.0 + 8.0 * weak);
        println!(
            "| {processes} | {:.2} | {:.2} | {:.2} | {:.1} | {:.3} |",
            1e3 * of_weak,
            flow.alone(weak) / of_weak,
            1e3 * of_strong,
            flow.alone(strong) / of_strong,
            1e-6 * sent
        );
    }
}
