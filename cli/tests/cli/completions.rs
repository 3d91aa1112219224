//! Completions, in a real bash, and what each shell is told.

use std::fs;
use std::process::Command;

use crate::support::{Ended, Room, rte_mp};

fn script(shell: &str) -> String {
    let ended = Ended::from(rte_mp().args(["completions", shell]).output().unwrap());
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{shell}");
    ended.out
}

/// Asks a bash that has loaded the script what it offers for the last of these words.
fn offered_by_bash(words: &[&str]) -> Vec<String> {
    let room = Room::new();
    let file = room.path().join("rte-mp.bash");
    fs::write(&file, script("bash")).unwrap();
    // As bash does it: the function that is registered gets the command, the word and the one before.
    let program = r#"
        source "$1" && shift
        registered=$(complete -p rte-mp) || exit 1
        function=${registered##*-F } && function=${function%% *}
        COMP_WORDS=("$@") && COMP_CWORD=$(($# - 1))
        "$function" rte-mp "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-u", "-c", program, "bash"]).arg(&file).args(words);
    let ended = Ended::from(bash.output().expect("there is a bash"));
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{words:?}");
    ended.out.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_subcommands_options_and_values() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&["rte-mp", "de"], &["demo"]),
        (&["rte-mp", "--file"], &["--file-prefix"]),
        (&["rte-mp", "demo", "--file"], &["--file-prefix"]),
        (&["rte-mp", "completions", "z"], &["zsh"]),
        (&["rte-mp", "demo", "--color", "a"], &["auto", "always"]),
    ];
    for (words, expected) in cases {
        assert_eq!(offered_by_bash(words), expected, "{words:?}");
    }
}

#[test]
fn every_shell_is_told_of_what_users_type_and_of_nothing_else() {
    for shell in ["bash", "zsh", "fish"] {
        let script = script(shell);
        for word in ["demo", "doctor", "file-prefix", "runtime-dir"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        assert!(!script.contains("demo-member"), "{shell} shows what is hidden");
        assert!(!script.ends_with("\n\n") && script.ends_with('\n'), "{shell}");
    }
}

#[test]
fn a_shell_that_is_not_known_is_named() {
    let cases: [(&[&str], &str); 2] = [
        (&["completions", "tcsh"], "rte-mp: invalid value 'tcsh' for '<SHELL>'"),
        (
            &["completions"],
            "rte-mp: the following required arguments were not provided: <SHELL>; \
             see `rte-mp completions --help`\n",
        ),
    ];
    for (arguments, expected) in cases {
        let ended = Ended::from(rte_mp().args(arguments).output().unwrap());
        assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""));
        assert!(ended.err.starts_with(expected), "{}", ended.err);
    }
}
