//! C programs at the edges of a process's life: starts that fail, messages that come while a process
//! joins or leaves, ways out. A part that takes several processes forks them itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rte_mp_interop::{Against, CBuild, CProgram, Room, with_c_library};

fn source(name: &str) -> Vec<PathBuf> {
    vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)]
}

/// One part of a program, whose groups are below `base`.
fn part(program: &CProgram, name: &str, base: &Path) -> Command {
    let mut command = Command::new(program.path());
    command.arg(name).env("RUNTIME_DIRECTORY", base);
    command
}

fn expect_success(part: &str, output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{part}: {}\n{errors}", output.status);
}

/// Runs each part where nothing is in its way that another has left behind.
fn run_each(room: &Room, program: &CProgram, parts: &[&str]) {
    for (number, name) in parts.iter().enumerate() {
        let base = room.base().join(number.to_string());
        fs::create_dir(&base).expect("the room is writable");
        let output = part(program, name, &base).output().expect("it was compiled");
        expect_success(name, &output);
    }
}

/// Runs parts that start and end, watched by AddressSanitizer and UBSan.
fn run_parts(parts: &[&str]) {
    with_c_library(|room| {
        let build = CBuild::new(Against::RTE_MP).sanitized();
        run_each(room, &build.compile("edges", &source("edges.c")), parts);
    });
}

/// Runs parts that answer. Some fork while threads run, which LeakSanitizer does not know how to take.
fn run_answers(parts: &[&str]) {
    with_c_library(|room| {
        let sources = source("edges_answers.c");
        run_each(room, &CProgram::compile(Against::RTE_MP, "edges_answers", &sources), parts);
    });
}

#[test]
fn actions_registered_before_the_start_answer_the_first_request() {
    run_answers(&["early in primary", "early in secondary"]);
}

#[test]
fn what_shows_the_usage_may_end_the_program() {
    run_parts(&["usage exits", "usage cleans up"]);
}

#[test]
fn nothing_is_called_back_while_the_program_exits() {
    run_parts(&["exit long before the timeout", "exit just before the timeout"]);
}

#[test]
fn a_forked_child_that_leaves_takes_no_request_of_its_parent_with_it() {
    run_answers(&["child cleans up", "child exits"]);
}

#[test]
fn a_handler_answers_as_what_it_is_while_its_process_leaves() {
    run_answers(&["answer in cleanup"]);
}

#[test]
fn a_start_that_failed_leaves_the_next_one_alone() {
    run_parts(&[
        "join after bad prefix",
        "join after no primary",
        "join after bad lcore",
        "join after bad cpu",
    ]);
}

#[test]
fn a_reply_with_more_descriptors_than_there_is_room_for_is_none() {
    with_c_library(|room| {
        let compile = |abi| {
            let sources = source("edges_answers.c");
            CProgram::compile(Against::RteMp { abi }, "edges_answers", &sources)
        };
        let (newer, older) = (compile(25), compile(22));
        let mut primary = part(&newer, "descriptors primary", room.base())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was compiled");
        let mut line = String::new();
        // Like all parts it ends after a while, so nothing here waits for ever.
        let mut lines = BufReader::new(primary.stdout.take().expect("it is a pipe"));
        lines.read_line(&mut line).expect("it writes text");
        let asked = part(&older, "descriptors secondary", room.base()).output();
        drop(primary.stdin.take());
        let status = primary.wait().expect("it is our child");
        assert_eq!(line, "ready\n");
        expect_success("descriptors secondary", &asked.expect("it was compiled"));
        assert!(status.success(), "{status}");
    });
}

#[test]
fn zones_are_found_after_their_primary_was_killed() {
    run_parts(&["zone of killed"]);
}

#[test]
fn a_primary_is_not_told_of_itself_however_its_config_file_is_named() {
    run_parts(&["own config"]);
}

#[test]
fn actions_are_refused_by_name_before_the_start_and_altogether_after_the_end() {
    run_parts(&["reserved name", "late action"]);
}

#[test]
fn no_zone_is_an_invalid_one_at_any_time() {
    run_parts(&["no zone"]);
}
