//! C programs that use lcores, alarms, logs and the ways out. Those with threads are watched by
//! AddressSanitizer and UBSan.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rte_mp_interop::{Against, CBuild, CProgram, with_c_library};

fn source(name: &str) -> Vec<PathBuf> {
    vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)]
}

fn compile(name: &str) -> CProgram {
    CProgram::compile(Against::RTE_MP, name, &source(&format!("{name}.c")))
}

/// Runs each part of a program in a process of its own.
fn run_parts(name: &str, parts: &[&str]) {
    with_c_library(|_| {
        let build = CBuild::new(Against::RTE_MP).sanitized();
        let program = build.compile(name, &source(&format!("{name}.c")));
        for part in parts {
            let output = Command::new(program.path()).arg(part).output().expect("it was compiled");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{part}: {}\n{errors}", output.status);
        }
    });
}

#[test]
fn lcores_are_those_of_the_command_line() {
    run_parts("lcores", &["lists", "nodes", "threads", "main lcore", "no such cpu"]);
}

#[test]
fn workers_run_what_they_are_given_and_give_its_result() {
    run_parts("lcores", &["results", "busy", "order", "launch of others", "stack"]);
}

#[test]
fn whoever_waits_for_workers_and_alarms_uses_no_cpu() {
    run_parts("lcores", &["idle"]);
}

#[test]
fn workers_that_wait_end_with_the_group_and_others_with_their_function() {
    run_parts("lcores", &["end", "end while busy", "end in child"]);
}

#[test]
fn control_threads_run_where_lcores_do_not() {
    run_parts("lcores", &["control threads"]);
}

#[test]
fn alarms_are_called_once_in_their_order_and_never_too_early() {
    run_parts("alarms", &["arguments", "in order", "in time", "before start", "crowd"]);
}

#[test]
fn alarms_are_taken_back_unless_they_have_begun() {
    run_parts("alarms", &["cancelled", "cancel waits", "cancel inside"]);
}

#[test]
fn alarms_may_be_set_and_the_group_left_inside_of_them() {
    run_parts("alarms", &["set inside", "end inside", "end twice"]);
}

#[test]
fn alarms_end_with_the_group() {
    run_parts("alarms", &["end", "end waits"]);
}

/// What `says` does, run alone with these words.
fn says(program: &CProgram, words: &[&str]) -> Output {
    let (part, flags) = words.split_first().expect("there is a part");
    let mut command = Command::new(program.path());
    let command = command.arg(part).args(["--in-memory", "-l", &first_cpu()]).args(flags);
    command.output().expect("it was compiled")
}

fn first_cpu() -> String {
    rte_mp_interop::first_processor().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn lines_are_written_by_the_levels_of_the_command_line() {
    let usual = "USER1: an error\nUSER1: news, 2 of two\nearly 4\nlater 4\nearly 5\nlater 5\n\
                 early 6\nlater 6\n";
    let cases: [(&[&str], &str); 7] = [
        (&[], usual),
        (&["--log-level=8"], usual),
        (&["--log-level", "error"], "USER1: an error\nearly 4\nlater 4\n"),
        (
            &["--log-level=app.*:error", "--log-level=user1:debug"],
            "USER1: an error\nUSER1: news, 2 of two\nUSER1: details\nearly 4\nlater 4\n",
        ),
        (
            &["--log-level=^user,crit", "--log-level=app.later:warn"],
            "early 4\nlater 4\nearly 5\nlater 5\nearly 6\n",
        ),
        (
            &["--log-level=app.*:8", "--log-level=app.early:1", "--log-level=.*later,4"],
            "USER1: an error\nUSER1: news, 2 of two\nlater 4\n",
        ),
        (
            &["--log-level=9", "--log-level=user1:1", "--log-level=app.*:1"],
            "EAL: log level 9 is above the highest, 8, and counts as that\n",
        ),
    ];
    with_c_library(|_| {
        let program = compile("says");
        for (flags, expected) in cases {
            let words = [&["lines"], flags].concat();
            let output = says(&program, &words);
            assert_eq!(text(&output.stderr), expected, "{flags:?}");
            assert_eq!((text(&output.stdout), output.status.code()), ("before\n".into(), Some(0)));
        }
    });
}

#[test]
fn a_bad_level_is_refused_with_a_reason() {
    let cases = [
        ("lib.eal:loud", "\"loud\" is no level; give a number from 1 to 8, or one of emergency, "),
        ("lib.eal:", "\"\" is no level"),
        ("0", "\"0\" is no level"),
        ("\\(,debug", "\"\\\\(\" is no basic regular expression"),
    ];
    with_c_library(|_| {
        let program = compile("says");
        for (level, reason) in cases {
            let output = says(&program, &["nothing", "--log-level", level]);
            let errors = text(&output.stderr);
            let expected = format!("EAL: --log-level cannot be {level:?}: {reason}");
            assert!(errors.starts_with(&expected), "{level}: {errors}");
            assert_eq!(output.status.code(), Some(2), "{level}");
        }
    });
}

#[test]
fn the_library_says_what_it_does_to_those_who_want_to_know() {
    with_c_library(|_| {
        let program = compile("says");
        let cpu = first_cpu();
        let output = says(&program, &["nothing", "--log-level=lib.eal:debug"]);
        let expected = format!("EAL: lcore {cpu} is the main one, on CPU {cpu}\n");
        assert_eq!(text(&output.stderr), expected);
        let output = says(&program, &["nothing", "-v"]);
        let version = concat!("EAL: rte-mp ", env!("CARGO_PKG_VERSION"), " (DPDK API 25.11)\n");
        assert_eq!((text(&output.stderr), output.status.code()), (version.into(), Some(0)));
    });
}

#[test]
fn usage_goes_to_stdout_with_the_programs_own_behind_it() {
    with_c_library(|_| {
        let program = compile("says");
        for flag in ["-h", "--help"] {
            let output = says(&program, &["nothing", flag]);
            let usage = text(&output.stdout);
            assert!(usage.starts_with("before\nUsage: nothing [EAL options]"), "{usage}");
            assert!(usage.contains("  --file-prefix NAME "), "{usage}");
            assert!(usage.ends_with("\nnothing knows words\n"), "{usage}");
            assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
        }
        let output = says(&program, &["nothing", "--log-level=help"]);
        let help = text(&output.stdout);
        assert!(help.contains("  8 debug\n") && help.contains("  app.early\n"), "{help}");
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
    });
}

#[test]
fn exit_says_why_leaves_the_group_and_gives_the_status() {
    let bad = |code, why| format!("EAL: Error - exiting with code: {code}\n  Cause: {why}\n");
    let cases = [
        ("exit well", 0, "all is well\n".to_owned()),
        ("exit badly", 3, bad(3, "this is bad")),
        ("exit in an alarm", 5, bad(5, "in an alarm")),
    ];
    with_c_library(|_| {
        let program = compile("says");
        for (part, status, expected) in cases {
            let output = says(&program, &[part]);
            assert_eq!(text(&output.stderr), expected, "{part}");
            assert_eq!(text(&output.stdout), "before\nafter\n", "{part}");
            assert_eq!(output.status.code(), Some(status), "{part}");
        }
        let lcores = format!("0@{0},3@{0}", first_cpu());
        let words = ["exit on a worker", "--in-memory", "--lcores", &lcores];
        let output = Command::new(program.path()).args(words).output().expect("it was compiled");
        assert_eq!(text(&output.stderr), bad(4, "on lcore 3"));
        assert_eq!(output.status.code(), Some(4));
    });
}

#[test]
fn a_panic_names_the_function_shows_the_stack_and_aborts() {
    use std::os::unix::process::ExitStatusExt;

    let cases = [
        ("panic", "PANIC in panic_here():\nsomething is wrong\n"),
        ("verify", "PANIC in verify():\nline "),
    ];
    with_c_library(|_| {
        let program = compile("says");
        for (part, expected) in cases {
            let output = says(&program, &[part]);
            let errors = text(&output.stderr);
            assert!(errors.starts_with(expected), "{part}: {errors}");
            assert!(errors.contains("(__rte_panic+"), "{part}: {errors}");
            assert_eq!(output.status.signal(), Some(6), "{part}");
        }
    });
}

#[test]
fn lines_go_to_the_stream_that_was_set() {
    with_c_library(|_| {
        let output = says(&compile("says"), &["stream"]);
        assert_eq!(text(&output.stdout), "before\n[6 of 25] USER2: elsewhere\n");
        assert_eq!(text(&output.stderr), "USER2: back\n");
        assert_eq!(output.status.code(), Some(0));
    });
}

#[test]
fn types_have_levels_that_programs_set() {
    with_c_library(|_| {
        let program = compile("says");
        let output = says(&program, &["levels"]);
        assert_eq!(text(&output.stderr), "OWN: shown\nOWN: shown too\n");
        let lists = text(&output.stdout);
        assert!(lists.contains("type app.early\ntype app.new\ntype app.own\ntype lib.acl\n"));
        assert!(lists.contains("\n0 lib.eal: info\n"), "{lists}");
        assert!(lists.contains(" app.early: alert\n"), "{lists}");
        assert_eq!(output.status.code(), Some(0));
        let output = says(&program, &["many"]);
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
    });
}
