//! The tutorial's pair under tools that watch memory: what the programs do with what the library gave
//! them, and what the library leaves behind in them.
//!
//! AddressSanitizer, LeakSanitizer and UBSan see the C code and every call of malloc; valgrind sees
//! all instructions, the library's too. Each makes a program's exit status tell what it found.

use rte_mp_interop::{Against, CBuild, CPair, Conformance, Transcript, with_c_library};

/// Ends a program with this status when something was found, or lost for good.
const VALGRIND: [&str; 8] = [
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--show-leak-kinds=definite,indirect,possible",
    "--errors-for-leak-kinds=definite,indirect,possible",
    "--error-exitcode=99",
    "--gen-suppressions=all",
    concat!("--suppressions=", env!("CARGO_MANIFEST_DIR"), "/tests/valgrind.supp"),
];

#[test]
fn sanitizers_find_nothing_in_the_pair() {
    with_c_library(|room| {
        for abi in [25, 22] {
            let build = CBuild::new(Against::RteMp { abi }).sanitized();
            let pair = CPair::built(&build, &build);
            assert_eq!(pair.play(room, &[]), Transcript::expected(), "RTE_MP_ABI={abi}");
        }
    });
}

#[test]
fn sanitizers_find_nothing_in_the_pair_linked_statically() {
    with_c_library(|room| {
        let build = CBuild::new(Against::RTE_MP).sanitized().linked_statically();
        assert_eq!(CPair::built(&build, &build).play(room, &[]), Transcript::expected());
    });
}

#[test]
fn valgrind_finds_nothing_in_the_pair() {
    with_c_library(|room| {
        let build = CBuild::new(Against::RTE_MP).flags(["-g"]);
        let pair = CPair::built(&build, &build);
        assert_eq!(pair.play(room, &VALGRIND), Transcript::expected());
    });
}

/// So that the tests above can fail.
#[test]
fn a_leak_and_a_read_beyond_the_end_are_found() {
    with_c_library(|room| {
        let plain = CBuild::new(Against::RTE_MP).flags(["-g"]);
        let sanitized = plain.clone().sanitized();
        let mistakes = [
            ("leak", "volatile char *lost = malloc(8); lost[0] = 0; lost = NULL;"),
            (
                "read",
                "char *text = calloc(8, 1); volatile char past = text[argc + 7]; (void)past; free(text);",
            ),
        ];
        for (name, mistake) in mistakes {
            let source = room.base().join(format!("{name}.c"));
            let main = format!(
                "int main(int argc, char **argv) {{ (void)argv; {mistake} return !argc; }}"
            );
            let text = format!("#include <stdlib.h>\n{main}\n");
            std::fs::write(&source, text).expect("the room is writable");
            for (build, under) in [(&sanitized, &[][..]), (&plain, &VALGRIND[..])] {
                let program = build.compile(name, std::slice::from_ref(&source));
                let path = program.path();
                let words = [under, &[path.to_str().expect("it is UTF-8")]].concat();
                let mut command = room.command(words[0]);
                command.args(&words[1..]);
                let status = room.start(command).finish(rte_mp_interop::PATIENCE);
                assert_ne!(status.code(), Some(0), "{name} under {under:?}");
            }
        }
    });
}

/// All that C programs may do, the mistakes among it, and a process that is left by each of its ends.
#[test]
fn sanitizers_find_nothing_in_the_conformance_program() {
    with_c_library(|room| {
        let build = CBuild::new(Against::RTE_MP);
        let plain = Conformance::start(room, &build, "plain");
        let watched = Conformance::start(room, &build.sanitized(), "watched");
        let ((plain, _), (watched, errors)) = (plain.finish(), watched.finish());
        // A section in which something is found ends with an error, which is a row.
        assert_eq!(watched, plain, "{errors}");
        for found in ["AddressSanitizer", "LeakSanitizer", "runtime error"] {
            assert!(!errors.contains(found), "{errors}");
        }
    });
}
