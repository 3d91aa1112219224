//! Members that are killed at random while they reserve and free: what is left is a table of zones
//! as it was before or after, a lock that can be taken, and no space that is lost.

use std::time::{Duration, Instant};

use rte_mp::Role;

use crate::common::child::Child;
use crate::common::hammer::{Hammer, SIZE, check, check_nothing_is_lost};
use crate::common::{Scene, at_once};

/// How long members are killed.
const KILLING: Duration = Duration::from_secs(30);

/// How many members are at work at a time, beside the one that looks.
const MEMBERS: u64 = 3;

/// After how many kills all are killed, to see whether space was lost.
const ROUND: u64 = 20;

fn hammering(scene: &Scene, seed: u64) -> Child {
    let mut child = Child::member(scene, "secondary");
    child.tell(&format!("hammer {seed}"));
    child.expect("hammering");
    child
}

#[test]
fn members_that_are_killed_anywhere_leave_the_zones_whole() {
    let scene = Scene::with_killed();
    let primary = scene.builder(Role::Primary).memory_size(SIZE).join().unwrap();
    let zones = primary.memzones();
    let mut own = Hammer::new(&primary, 0);
    let start = Instant::now();
    let mut kills = 0;
    while start.elapsed() < KILLING {
        let seeds = kills..kills + MEMBERS;
        let mut children: Vec<_> = seeds.map(|seed| hammering(&scene, seed)).collect();
        for _ in 0..ROUND {
            // Our own work is what passes the time until the next one dies.
            for _ in 0..own.random(100) {
                own.strike().unwrap();
            }
            let victim = own.random(MEMBERS) as usize;
            children[victim].kill();
            kills += 1;
            at_once("looking after a kill", || check(&zones));
            children[victim] = hammering(&scene, kills + MEMBERS);
        }
        for child in &mut children {
            child.kill();
            kills += 1;
            check(&zones);
        }
        check_nothing_is_lost(&zones);
    }
    println!("{kills} members were killed");
    assert!(kills >= ROUND + MEMBERS, "{kills} kills");
}

#[test]
fn a_primary_that_is_killed_leaves_the_zones_to_those_who_have_them() {
    const KILLS: u64 = 20;
    for seed in 0..KILLS {
        let scene = Scene::with_killed();
        let mut primary = Child::start(&scene);
        primary.tell(&format!("join primary {SIZE}"));
        primary.expect("joined");
        let member = scene.secondary();
        let zones = member.memzones();
        let kept = zones.reserve("kept", 64).zeroed().commit().unwrap();
        kept.write_at(0, b"here to stay").unwrap();
        primary.tell(&format!("hammer {seed}"));
        primary.expect("hammering");
        let mut own = Hammer::new(&member, seed + KILLS);
        for _ in 0..own.random(200) {
            own.strike().unwrap();
        }
        primary.kill();

        check(&zones);
        let mut text = [0; 12];
        zones.lookup("kept").unwrap().read_at(0, &mut text).unwrap();
        assert_eq!(&text, b"here to stay");
        for _ in 0..100 {
            own.strike().unwrap();
        }
        check_nothing_is_lost(&zones);
        kept.read_at(0, &mut text).unwrap();
    }
}
