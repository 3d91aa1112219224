//! Joins a group as a secondary, looks up a memory zone, and prints what came of it in one line.
//!
//! `zone_client BASE PREFIX ZONE` -> `ok request_count=N` or `error errno=N REASON`.

use std::env;
use std::error::Error;

use rte_mp::{Group, Role};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [base, prefix, zone] = &arguments[..] else { return Err("BASE PREFIX ZONE".into()) };
    let builder = Group::builder().runtime_base(base).file_prefix(prefix);
    let group = builder.role(Role::Secondary).join()?;
    match group.memzones().lookup(zone) {
        Ok(zone) => {
            let mut count = [0; 8];
            zone.read_at(8, &mut count)?;
            println!("ok request_count={}", u64::from_ne_bytes(count));
        }
        Err(error) => {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            println!("error errno={} {reason}", error.errno());
        }
    }
    Ok(())
}
