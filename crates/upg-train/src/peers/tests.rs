//! Numbers that several bring together.

use super::*;
use std::thread;

/// What each of `size` threads finds, in their order.
pub(crate) fn together<O: Send>(size: usize, work: impl Fn(Peers) -> O + Sync) -> Vec<O> {
    let work = &work;
    thread::scope(|scope| {
        let start = |threads| scope.spawn(move || work(Peers::of(threads)));
        let all: Vec<_> = Threads::team(size).into_iter().map(start).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn numbers(rank: usize, len: usize) -> Vec<f32> {
    (0..len).map(|i| ((rank * 31 + i) as f32).sin() * 10_f32.powi(rank as i32)).collect()
}

#[test]
fn shares_are_contiguous_and_differ_by_one_at_most() {
    for (size, total) in [(1, 5), (3, 7), (4, 4), (4, 3), (256, 1000)] {
        let all = together(1, |_| Peers { rank: 0, size, local_rank: 0, shared: None });
        let shares: Vec<_> = (0..size).map(|rank| all[0].share_of(rank, total)).collect();
        assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((shares[0].start, shares[size - 1].end), (0, total));
        let lengths = || shares.iter().map(Range::len);
        assert!(lengths().max().unwrap() - lengths().min().unwrap() <= 1);
    }
}

/// In the order of the processes, in the precision of the numbers: to the bit.
#[test]
fn a_sum_is_added_in_the_order_of_the_processes() {
    for (size, len) in [(1, 9), (2, 1), (3, 2), (3, 100), (4, 37), (3, 300_001)] {
        let expected = (1..size)
            .fold(numbers(0, len), |sum, rank| sum.iter().zip(numbers(rank, len)).map(|(a, b)| a + b).collect());
        let sums = together(size, |peers| {
            let mut values = numbers(peers.rank(), len);
            peers.sum(&mut values).unwrap();
            values
        });
        assert!(sums.iter().all(|sum| *sum == expected), "{size} processes, {len} numbers: {sums:?}");
    }
}

/// Pieces know where they begin.
#[test]
fn a_sum_is_prepared_piece_by_piece() {
    let len = 300_001;
    let expected: Vec<f32> = numbers(0, len).iter().zip(numbers(1, len)).map(|(a, b)| 2.0 * a + 2.0 * b).collect();
    let sums = together(2, |peers| {
        let (own, mut values) = (numbers(peers.rank(), len), vec![f32::NAN; len]);
        let prepare = |at: usize, piece: &mut [f32]| {
            piece.iter_mut().zip(&own[at..]).for_each(|(to, from)| *to = 2.0 * from);
        };
        peers.sum_prepared(&mut values, prepare).unwrap();
        values
    });
    assert!(sums.iter().all(|sum| *sum == expected));
}

#[test]
fn numbers_are_gathered_in_order_and_bytes_come_from_the_first() {
    let found = together(3, |peers| {
        let own: Vec<f64> = (0..2 * peers.rank()).map(|i| (10 * peers.rank() + i) as f64).collect();
        let all = peers.gather(&own, |rank| 2 * rank).unwrap();
        let mut bytes = vec![peers.rank() as u8; 3 + peers.rank()];
        peers.broadcast(&mut bytes).unwrap();
        (all, bytes, peers.stop())
    });
    let expected = (vec![10.0, 11.0, 20.0, 21.0, 22.0, 23.0], vec![0, 0, 0], None);
    assert!(found.iter().all(|found| *found == expected), "{found:?}");
}

#[test]
fn pieces_are_done_in_turn_and_taken_in_order() {
    for (by, size, pieces) in
        [(By::First, 1, 3), (By::All, 2, 5), (By::First, 3, 4), (By::First, 4, 2), (By::All, 3, 0)]
    {
        let found = together(size, |peers| {
            let (mut done, mut taken) = (vec![], vec![]);
            let see = |piece| {
                done.push(piece);
                Ok::<_, DeviceError>(vec![piece as f64; piece + 1])
            };
            let take = |piece, numbers: &[f64]| {
                taken.push((piece, numbers.to_vec()));
                Ok(())
            };
            peers.in_turn(by, pieces, |piece| piece + 1, see, take).unwrap();
            (done, taken)
        });
        let expected: Vec<_> = (0..pieces).map(|piece| (piece, vec![piece as f64; piece + 1])).collect();
        for (rank, (done, taken)) in found.iter().enumerate() {
            assert_eq!(*done, (rank..pieces).step_by(size).collect::<Vec<_>>());
            assert_eq!(*taken, if rank == 0 || by == By::All { expected.clone() } else { vec![] });
        }
    }
}

#[test]
fn all_learn_in_the_same_gathering_that_one_was_asked_to_stop() {
    let found = together(3, |peers| {
        peers.gather(&[], |_| 0).unwrap();
        let before = peers.stop();
        if peers.rank() == 1 {
            peers.heed(|| Some("SIGTERM"));
        }
        peers.gather(&[], |_| 0).unwrap();
        (before, peers.stop())
    });
    assert!(found.iter().all(|found| *found == (None, Some("SIGTERM".into()))), "{found:?}");
}

#[test]
fn nobody_waits_for_one_that_fails_is_gone_or_is_silent() {
    let farewell = Farewell::Failed { status: 2, why: "no more".into() };
    let failed = together(3, |peers| {
        if peers.rank() == 2 {
            peers.part(&farewell);
        }
        let outcome = peers.sum(&mut [1.0, 2.0, 3.0]).map_err(|error| error.to_string());
        (outcome, peers.parted())
    });
    for (outcome, parted) in failed {
        assert_eq!(parted, Some(Parting::Left { process: 2, farewell: farewell.clone() }));
        assert_eq!(outcome, Err("another process of the run: process 2: no more".into()));
    }
    // The last one awaits the first alone, which learns of a farewell, and is there for a while.
    let told = Farewell::Failed { status: 1, why: "a disk".into() };
    let relayed = together(3, |peers| {
        if peers.rank() == 1 {
            peers.part(&told);
            return peers.parted();
        }
        peers.collect(vec![1.0], |_| 1).map(drop).and_then(|()| peers.broadcast(&mut vec![])).unwrap_err();
        if peers.is_first() {
            thread::sleep(3 * GRACE);
        }
        peers.parted()
    });
    assert!(relayed.iter().all(|parted| *parted == Some(Parting::Left { process: 1, farewell: told.clone() })));
    let gone = together(2, |peers| {
        if peers.rank() == 0 {
            return None;
        }
        peers.gather(&[], |_| 0).unwrap_err();
        peers.parted()
    });
    assert!(matches!(gone[1], Some(Parting::Lost { process: 0, .. })), "{gone:?}");
    let asked = together(2, |peers| {
        if peers.rank() == 0 {
            thread::sleep(3 * GRACE);
            while peers.gather(&[], |_| 0).is_ok() {} // the first has come before the farewell
            return peers.parted();
        }
        peers.heed(|| Some("SIGTERM"));
        peers.gather(&[], |_| 0).unwrap_err();
        peers.parted()
    });
    let farewell = Farewell::Stopped("SIGTERM".into());
    assert_eq!(asked, [Some(Parting::Left { process: 1, farewell }), Some(Parting::Stopped("SIGTERM".into()))]);
}

/// Whoever still asks for something, as the answer to a signal may, is refused, and nobody hears of it.
#[test]
fn nothing_is_exchanged_after_the_end() {
    let heard = together(2, |peers| {
        if peers.rank() == 1 {
            peers.end();
            peers.part(&Farewell::Stopped("SIGTERM".into()));
            assert_eq!((peers.parted(), peers.missing()), (Some(Parting::Ended), None));
            peers.gather(&[], |_| 0).unwrap_err();
            return None;
        }
        peers.gather(&[], |_| 0).unwrap_err();
        peers.parted()
    });
    assert!(matches!(heard[0], Some(Parting::Lost { process: 1, .. })), "{heard:?}");
}
