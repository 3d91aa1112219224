//! What is put in: it is taken once and in order, or taken back, whether the server polls, sleeps,
//! or goes.

use loom::thread;

use super::super::ring::{Consumer, Full, Producer, Receipt};
use super::*;

/// Those that were put in.
fn pushed(results: Vec<(u8, Result<Receipt, Full>)>) -> Vec<u8> {
    results.into_iter().filter(|(_, result)| result.is_ok()).map(|(number, _)| number).collect()
}

/// Takes what is there at most so many looks long.
fn take_all(consumer: &mut Consumer, lane: &Region, looks: usize) -> Vec<u8> {
    (0..looks).filter_map(|_| consumer.take(lane)).map(|taken| number(taken.bytes)).collect()
}

/// Both ends of a ring.
fn ring() -> (Producer, Consumer, Region, Region) {
    let region = Region::zeroed(WORDS);
    (Producer::default(), Consumer::default(), region.clone(), region)
}

#[test]
fn a_ring_loses_nothing_and_keeps_order() {
    explore(3, || {
        let (mut producer, mut consumer, lane, theirs) = ring();
        let consuming = thread::spawn(move || {
            let taken = take_all(&mut consumer, &theirs, 3);
            (consumer, taken)
        });
        let push = |number| (number, producer.push(&lane, None, &bytes(number)));
        let results: Vec<_> = (1..=4).map(push).collect();
        assert!(results[..2].iter().all(|(_, result)| result.is_ok()), "there was room");
        let (mut consumer, mut taken) = consuming.join().unwrap();
        taken.extend(take_all(&mut consumer, &lane, 3));
        assert_eq!(taken, pushed(results));
    });
}

#[test]
fn a_datagram_is_taken_or_taken_back() {
    explore(4, || {
        let (mut producer, mut consumer, lane, theirs) = ring();
        let consuming = thread::spawn(move || {
            let taken = take_all(&mut consumer, &theirs, 3);
            (consumer, taken)
        });
        let mut push = |number| producer.push(&lane, None, &bytes(number));
        let (first, second) = (push(1).unwrap(), push(2).unwrap());
        let kept = |number, is_back: bool| (!is_back).then_some(number);
        let mut pushed = Vec::new();
        pushed.extend(kept(1, first.take_back(&lane)));
        pushed.extend(kept(2, second.take_back(&lane)));
        // The same slot as the first, a lap later.
        if let Ok(third) = push(3) {
            assert!(!first.take_back(&lane), "it is not there any more");
            pushed.extend(kept(3, third.take_back(&lane)));
        }
        let (mut consumer, mut taken) = consuming.join().unwrap();
        taken.extend(take_all(&mut consumer, &lane, 3));
        assert_eq!(taken, pushed);
    });
}

/// Serves as the driver does: looks, says that it sleeps, looks once more, sleeps.
fn serve_until(inlet: &mut Inlet, count: usize, is_polling: bool) -> Vec<u8> {
    let mut taken = Vec::new();
    while taken.len() < count {
        if is_polling {
            stay_awake(inlet);
        }
        taken.extend(drain(inlet));
        if taken.len() < count && inlet.fall_asleep() {
            // Without a ring this lasts for ever: the asker waits for us.
            assert_eq!(inlet.wait(), End::There);
        }
        taken.extend(drain(inlet));
    }
    taken
}

#[test]
fn a_server_that_falls_asleep_sees_what_was_put_in_or_is_woken() {
    for is_polling in [true, false] {
        explore(3, move || {
            let (outlet, mut inlet) = lane();
            let serving = thread::spawn(move || serve_until(&mut inlet, 2, is_polling));
            for number in 1..=2 {
                assert!(matches!(outlet.send(&bytes(number)), Push::In(())), "there is room");
            }
            assert_eq!(serving.join().unwrap(), [1, 2]);
        });
    }
}

#[test]
fn a_server_that_sleeps_is_woken_by_each_thread() {
    explore(3, || {
        let (outlet, mut inlet) = sleeping_lane();
        let serving = thread::spawn(move || serve_until(&mut inlet, 2, false));
        let other = Arc::clone(&outlet);
        let sending = thread::spawn(move || assert!(matches!(other.send(&bytes(2)), Push::In(()))));
        assert!(matches!(outlet.send(&bytes(1)), Push::In(())), "there is room");
        sending.join().unwrap();
        let mut taken = serving.join().unwrap();
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn what_is_put_in_while_the_server_closes_is_taken_or_goes_by_socket() {
    explore(4, || {
        let (outlet, mut inlet) = lane();
        let serving = thread::spawn(move || {
            let mut taken = drain(&mut inlet);
            inlet.close();
            taken.extend(drain(&mut inlet));
            taken
        });
        let is_in = |number: &u8| matches!(outlet.send(&bytes(*number)), Push::In(()));
        let pushed: Vec<u8> = (1..=2).filter(is_in).collect();
        assert_eq!(serving.join().unwrap(), pushed);
        assert!(matches!(outlet.send(&bytes(3)), Push::Socket));
        assert!(outlet.is_broken());
    });
}

#[test]
fn what_is_put_in_for_a_sleeper_who_dies_is_taken_or_goes_by_socket() {
    explore(4, || {
        let (outlet, mut inlet) = sleeping_lane();
        let serving = thread::spawn(move || drain(&mut inlet));
        let is_in = matches!(outlet.send(&bytes(1)), Push::In(()));
        let taken = serving.join().unwrap();
        // Who dies after the ring has it as who dies after it was received from a socket.
        assert!(is_in || taken.is_empty(), "it comes twice");
        assert!(matches!(outlet.send(&bytes(2)), Push::Socket));
    });
}

#[test]
fn what_was_put_in_before_the_asker_went_is_taken() {
    explore(4, || {
        let (outlet, mut inlet) = lane();
        let serving = thread::spawn(move || {
            // As the server gives up a lane: whose other end is gone, and which is empty then.
            let mut taken = 0;
            for _ in 0..3 {
                let end = inlet.hush();
                taken += drain(&mut inlet).len();
                if end == End::Gone && inlet.is_empty() {
                    return (inlet, taken, true);
                }
            }
            (inlet, taken, false)
        });
        let pushed = (1..=2).filter(|number| matches!(outlet.send(&bytes(*number)), Push::In(())));
        let pushed = pushed.count();
        drop(outlet);
        let (mut inlet, taken, is_given_up) = serving.join().unwrap();
        let left = drain(&mut inlet).len();
        assert_eq!((taken + left, pushed), (2, 2));
        assert!(!is_given_up || left == 0, "it was given up too early");
    });
}
