//! The test peer that behaves like DPDK 26.07, as a process of its own.

use std::env;
use std::io;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    rte_mp_interop::peer_26_07::main(&arguments)
}
