//! Members that are killed at random while they allocate, resize and free: nobody else loses
//! anything, and the heap loses what they had in their hands.

use std::time::{Duration, Instant};

use rte_mp::Role;

use crate::common::child::Child;
use crate::common::heap_hammer::{HeapHammer, ROWS, SIZE, open_ledger};
use crate::common::{Scene, at_once};

/// How long members are killed.
const KILLING: Duration = Duration::from_secs(10);

fn hammering(scene: &Scene, row: usize, seed: u64) -> Child {
    let mut child = Child::member(scene, "secondary");
    child.tell(&format!("hammer-heap {row} {seed}"));
    child.expect("hammering");
    child
}

#[test]
fn members_that_are_killed_anywhere_lose_what_they_had_in_their_hands() {
    let scene = Scene::with_killed();
    let primary = scene.builder(Role::Primary).memory_size(SIZE).join().unwrap();
    let member = scene.secondary();
    open_ledger(&primary);
    let mut own = HeapHammer::new(&member, 0, 0);
    let heap = primary.heap();
    let mut kills = 0;
    let mut children: Vec<_> =
        (1..ROWS).map(|row| hammering(&scene, row, row as u64 + 100)).collect();
    let start = Instant::now();
    while start.elapsed() < KILLING {
        for _ in 0..own.random(200) {
            own.strike().unwrap();
        }
        let victim = own.random(ROWS as u64 - 1) as usize;
        children[victim].kill();
        kills += 1;
        // What it had is there to be freed by others, and the lock is not held.
        at_once("freeing what it had", || own.free_row(victim + 1));
        at_once("looking after a kill", || {
            for len in [64, 5000, 100_000] {
                if let Ok(block) = heap.allocate(len, 0) {
                    heap.free(block).unwrap();
                }
            }
            heap.usage().unwrap();
            assert_eq!(primary.memzones().iter().unwrap().count(), 1);
        });
        children[victim] = hammering(&scene, victim + 1, kills);
    }
    for child in &mut children {
        child.kill();
        kills += 1;
    }
    (0..ROWS).for_each(|row| own.free_row(row));
    // One who resizes has two for a moment.
    let usage = heap.usage().unwrap();
    println!("{kills} members were killed: {usage:?}");
    assert!(usage.blocks <= 2 * kills, "{kills} kills: {usage:?}");
    assert!(kills > 20, "{kills} kills");
}
