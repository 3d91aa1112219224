//! Where an answer is: both sides agree on one place, and who sleeps there is woken.

use loom::thread;

use super::*;

/// What the asker learns of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The server has not seen it, nor will.
    Refused,
    /// The answer comes to the return address.
    Elsewhere,
    Here(u8),
}

/// Asks, polls for `looks` times, sleeps if `sleeps`, and gives up.
fn ask(outlet: &Arc<Outlet>, request: u8, looks: usize, sleeps: bool) -> Asked {
    let Push::In(ticket) = outlet.ask(&bytes(request), 7) else { return Asked::Refused };
    let mut answer = Answer::Awaited;
    for _ in 0..looks {
        answer = ticket.look();
        if !matches!(answer, Answer::Awaited) {
            break;
        }
    }
    if sleeps && matches!(answer, Answer::Awaited) {
        answer = ticket.wait();
    }
    if matches!(answer, Answer::Awaited) {
        match ticket.give_up() {
            Whereabouts::Nowhere => return Asked::Refused,
            Whereabouts::WithServer => return Asked::Elsewhere,
            Whereabouts::Answered => answer = ticket.look(),
        }
    }
    match answer {
        Answer::Here(bytes) => Asked::Here(number(bytes)),
        Answer::Elsewhere => Asked::Elsewhere,
        Answer::Awaited => panic!("it was answered"),
    }
}

/// Takes a request and answers it. Tells which one it was, and whether the answer was taken here.
fn answer_one(inlet: &mut Inlet) -> Option<(u8, bool)> {
    let (request, way_back) = take(inlet)?;
    let is_here = way_back.expect("it is a request").answer(&bytes(100 + request));
    Some((request, is_here))
}

/// Answers so many requests, and sleeps where there is none.
fn answer(inlet: &mut Inlet, count: usize) -> Vec<(u8, bool)> {
    let mut served = Vec::new();
    while served.len() < count {
        served.extend(answer_one(inlet));
        if served.len() < count && inlet.fall_asleep() {
            inlet.wait();
        }
    }
    served
}

/// Each request that was put in was answered once, and where the asker looks for it.
fn assert_agree(asked: &[(u8, Asked)], served: &[(u8, bool)]) {
    for (request, asked) in asked {
        let of_request = served.iter().filter(|(served, _)| served == request);
        let places: Vec<_> = of_request.map(|(_, is_here)| *is_here).collect();
        match asked {
            Asked::Refused => assert_eq!(places, [], "{request}"),
            Asked::Elsewhere => assert_eq!(places, [false], "{request}"),
            Asked::Here(answer) => {
                assert_eq!((*answer, &places[..]), (100 + request, &[true][..]));
            }
        }
    }
}

#[test]
fn both_sides_agree_where_the_answer_is() {
    for looks in 0..2 {
        explore(4, move || {
            let (outlet, mut inlet) = lane();
            let serving = thread::spawn(move || (answer(&mut inlet, 1), inlet));
            let asked = ask(&outlet, 5, looks, false);
            let (served, mut inlet) = serving.join().unwrap();
            assert_ne!(asked, Asked::Refused);
            assert_agree(&[(5, asked)], &served);
            // Its slot is free.
            for request in 6..=7 {
                assert!(matches!(outlet.ask(&bytes(request), 7), Push::In(_)));
                assert_eq!(answer_one(&mut inlet), Some((request, true)));
            }
        });
    }
}

#[test]
fn who_sleeps_for_his_answer_is_woken_or_finds_it() {
    for looks in 0..2 {
        explore(4, move || {
            let (outlet, mut inlet) = lane();
            // Without a ring the asker sleeps for ever: the end of the server waits for him.
            let serving = thread::spawn(move || (answer(&mut inlet, 1), inlet));
            assert_eq!(ask(&outlet, 5, looks, true), Asked::Here(105));
            assert_eq!(serving.join().unwrap().0, [(5, true)]);
        });
    }
}

#[test]
fn threads_that_share_a_bell_get_their_own_answers() {
    explore(2, || {
        let (outlet, mut inlet) = sleeping_lane();
        let serving = thread::spawn(move || (answer(&mut inlet, 2), inlet));
        let other = Arc::clone(&outlet);
        let asking = thread::spawn(move || ask(&other, 2, 0, true));
        let asked = [(1, ask(&outlet, 1, 0, true)), (2, asking.join().unwrap())];
        let (served, _inlet) = serving.join().unwrap();
        assert_agree(&asked, &served);
    });
}

#[test]
fn who_sleeps_for_an_answer_that_comes_elsewhere_is_woken() {
    explore(4, || {
        let (outlet, mut inlet) = lane();
        let serving = thread::spawn(move || {
            loop {
                if let Some((request, way_back)) = take(&mut inlet) {
                    assert_eq!(request, 5);
                    // Its answer carries descriptors.
                    drop(way_back);
                    return inlet;
                }
                if inlet.fall_asleep() {
                    inlet.wait();
                }
            }
        });
        assert_eq!(ask(&outlet, 5, 1, true), Asked::Elsewhere);
        serving.join().unwrap();
    });
}

#[test]
fn who_asks_a_server_that_goes_is_answered_once_or_can_ask_again() {
    for (sleeps, closes) in [(false, true), (true, true), (true, false)] {
        explore(4, move || {
            let (outlet, mut inlet) = lane();
            let serving = thread::spawn(move || {
                let mut served: Vec<_> = answer_one(&mut inlet).into_iter().collect();
                if closes {
                    inlet.close();
                    served.extend(answer_one(&mut inlet));
                }
                served
            });
            let asked = ask(&outlet, 5, 0, sleeps);
            let served = serving.join().unwrap();
            if asked == Asked::Elsewhere && served.is_empty() {
                // Killed, or about to close: nobody has told the asker who does not sleep.
                assert!(!closes, "it was put in before it was closed");
            } else {
                assert_agree(&[(5, asked)], &served);
            }
        });
    }
}

#[test]
fn a_late_answer_never_meets_another_request() {
    explore(2, || {
        let (outlet, mut inlet) = lane();
        let serving = thread::spawn(move || {
            // It answers each request only when it has the next one, or none is there.
            let mut served = Vec::new();
            let mut held: Option<(u8, WayBack)> = None;
            for _ in 0..3 {
                let next = take(&mut inlet).map(|(request, way)| (request, way.unwrap()));
                if let Some((request, way_back)) = held.take() {
                    served.push((request, way_back.answer(&bytes(100 + request))));
                }
                held = next;
            }
            (inlet, served, held)
        });
        let asks = [(1, 0), (2, 0), (3, 1)];
        let asked = asks.map(|(request, looks)| (request, ask(&outlet, request, looks, false)));
        let (mut inlet, mut served, held) = serving.join().unwrap();
        if let Some((request, way_back)) = held {
            served.push((request, way_back.answer(&bytes(100 + request))));
        }
        served.extend(std::iter::from_fn(|| answer_one(&mut inlet)));
        assert_agree(&asked, &served);
    });
}

#[test]
fn a_slot_that_was_given_up_is_used_again_when_the_server_has_done_with_it() {
    explore(3, || {
        let (outlet, mut inlet) = lane();
        // Both slots are with the server, and nobody waits for them.
        let [first, second] = [1, 2].map(|request| {
            let Push::In(ticket) = outlet.ask(&bytes(request), 7) else { panic!("there is room") };
            let way_back = take(&mut inlet).unwrap().1.unwrap();
            assert!(matches!(ticket.give_up(), Whereabouts::WithServer));
            way_back
        });
        let serving = thread::spawn(move || {
            assert!(!first.answer(&bytes(101)), "the asker is away");
            drop(second);
            let served: Vec<_> = answer_one(&mut inlet).into_iter().collect();
            (inlet, served)
        });
        let asked = ask(&outlet, 3, 1, false);
        let (mut inlet, mut served) = serving.join().unwrap();
        served.extend(answer_one(&mut inlet));
        assert_agree(&[(3, asked)], &served);
        assert!(matches!(outlet.ask(&bytes(4), 7), Push::In(_)), "a slot is free in the end");
    });
}
