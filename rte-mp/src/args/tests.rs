//! Whole command lines, in the grammars of all releases.

use std::os::unix::ffi::OsStringExt;

use super::*;

/// Parses on a machine with cores 0 to 3 and 140 to 141, of which this thread may use 1 and 2.
fn parse(words: &[&str]) -> Result<EalArgs, ArgsError> {
    parse_os(words.iter().map(OsString::from))
}

fn parse_os(words: impl Iterator<Item = OsString>) -> Result<EalArgs, ArgsError> {
    let machine = Machine { online: (0..4).chain(140..142).collect(), allowed: (1..3).collect() };
    EalArgs::parse_on(&mut std::iter::once(OsString::from("program")).chain(words), &machine)
}

fn parsed(words: &[&str]) -> EalArgs {
    parse(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn what_any_release_accepts_is_accepted() {
    let cases: &[&[&str]] = &[
        &["-l", "0,1"],
        &["-l", "0-1,1"],
        &["-l0"],
        &["-l=0"],
        &["-l", "1-0"],
        &["--lcore", "0", "--proc=primary"],
        &["-l", " 0 , 1 "],
        &["-l", "0 ,1"],
        &["--file-prefix", "x", "--file-prefix", "y"],
        &["--proc-type=PRIMARY"],
        &["-l", "0@1"],
        &["-l", "(0-1)@0"],
        &["-n4"],
        &["-n", "4", "-n", "2", "-n100"],
        &["--lcores", "1-0"],
        &["--lcores", "0@1"],
        &["--lcores", "(0,1)@(0,1)"],
        &["--lcores", "3@(0-1),4@1"],
        &["-R", "-A"],
        &["-c", "3"],
        &["-c", "0x3"],
        &["-c", "0X1"],
        &["-a", "X", "--allow=X"],
        &["-w", "X", "--pci-whitelist", "Y"],
        &["-b", "X", "--block=X", "--pci-blacklist", "Y"],
        &["--master-lcore", "1", "-l", "0-1"],
        &["--no-huge", "--single-file-segments"],
        &["--no-huge", "--huge-dir", "/mnt"],
        &["--in-memory", "--legacy-mem", "--match-allocations"],
        &["-m", "64", "--memory-size=64"],
        &["--socket-mem", "64,64", "--numa-mem=0", "--socket-limit=1", "--numa-limit", "1"],
        &["-r", "1", "--memory-ranks=16", "--memory-channels", "1"],
        &["--vdev", "a", "--vdev=b", "-d", "/x", "--driver-path=/y"],
        &["--no-pci", "--no-hpet", "--no-telemetry", "--telemetry", "--vmware-tsc-map"],
        &["--create-uio-dev", "--log-level=lib.eal:debug", "--log-level", "8"],
        &["--log-timestamp", "--log-timestamp=iso", "--log-color=never", "--syslog=user"],
        &["--trace=.*", "--trace-dir=/tmp", "--trace-bufsz=1M", "--trace-mode=o"],
        &["--iova-mode=pa", "--iova-mode", "va", "--vfio-intr=msix"],
        &["--vfio-vf-token=1", "--mbuf-pool-ops-name=x", "--force-max-simd-bitwidth=256"],
        &["--huge-worker-stack", "--huge-worker-stack=64", "--huge-unlink"],
        &["--huge-unlink=existing", "--huge-unlink=always", "--huge-unlink=never"],
        &["-s", "1", "-S", "1", "--service-coremask=1", "--service-corelist=1"],
        &["--auto-probing", "--no-auto-probing", "--pagesz-mem", "2M:64M"],
        &["-v", "--version"],
    ];
    for words in cases {
        parsed(words);
    }
}

#[test]
fn a_command_line_becomes_what_it_asks_for() {
    let tutorial = parsed(&["-l", "2-3", "-n", "4", "--proc-type=secondary", "--", "-x"]);
    let expected = EalArgs {
        role: Role::Secondary,
        file_prefix: None,
        shared_config: SharedConfig::Shared,
        lcores: vec![Lcore { id: 2, cpus: vec![2] }, Lcore { id: 3, cpus: vec![3] }],
        main_lcore: Some(2),
        base_virtaddr: None,
        memory_mib: None,
        pages: Pages::Default,
        log_levels: Vec::new(),
        information: Information::None,
        ignored: vec!["-n 4".to_owned()],
        rest: vec!["-x".into()],
        consumed: 6,
    };
    assert_eq!(tutorial, expected);
    assert_eq!(tutorial.main_cpus(), Some(&[2][..]));
}

#[test]
fn levels_of_logging_are_laid_aside_in_their_order() {
    let parsed = parsed(&["--log-level=lib.eal:debug", "--log", "8"]);
    assert_eq!(parsed.log_levels, ["lib.eal:debug", "8"]);
    assert_eq!(parsed.ignored, ["--log-level=lib.eal:debug", "--log 8"]);
}

#[test]
fn without_a_flag_each_cpu_that_may_be_used_is_an_lcore() {
    let parsed = parsed(&["--file-prefix", "x"]);
    assert_eq!(parsed.lcores, []);
    let lcores = parsed.lcores_or_allowed();
    assert!(!lcores.is_empty());
    assert!(lcores.iter().all(|lcore| lcore.cpus == [lcore.id]), "{lcores:?}");
    let chosen = super::EalArgs { lcores: vec![Lcore { id: 5, cpus: vec![0] }], ..parsed };
    assert_eq!(chosen.lcores_or_allowed(), chosen.lcores);
}

#[test]
fn the_last_of_repeated_flags_counts() {
    let cases: &[(&[&str], Role, Option<&str>)] = &[
        (&[], Role::Primary, None),
        (&["--proc-type=Secondary", "--proc-type=aUTO"], Role::Auto, None),
        (&["--file-prefix", "x", "--file-prefix=y"], Role::Primary, Some("y")),
        (&["--file-prefix="], Role::Primary, Some("")),
        (&["--file-prefix=a/../%"], Role::Primary, Some("a/../%")),
    ];
    for (words, role, prefix) in cases {
        let parsed = parsed(words);
        assert_eq!((parsed.role, parsed.file_prefix.as_deref()), (*role, *prefix), "{words:?}");
    }
}

#[test]
fn the_main_lcore_is_the_first_unless_named() {
    let cases = [
        ("", "", None, None),
        ("-l 3,1", "1,3", Some(1), Some(vec![1])),
        ("--main-lcore 3 -l 1,3", "1,3", Some(3), Some(vec![3])),
        ("-l 1,3 --main-lcore=0x3", "1,3", Some(3), Some(vec![3])),
        ("-l 1,3 --main-lcore=03", "1,3", Some(3), Some(vec![3])),
        ("--lcores 7@(2,1),9@0", "7,9", Some(7), Some(vec![1, 2])),
        ("-c c", "2-3", Some(2), Some(vec![2])),
        ("--main-lcore 2", "1-2", Some(2), Some(vec![2])),
        ("--main-lcore 1 --main-lcore 2", "1-2", Some(2), Some(vec![2])),
        ("-R", "0-1", Some(0), Some(vec![1])),
        ("-R=0x10", "16-17", Some(16), Some(vec![1])),
        ("-l 140-141 -R", "0-1", Some(0), Some(vec![140])),
        ("-R -c c --main-lcore=1", "0-1", Some(1), Some(vec![3])),
        ("-l 5@140", "5", Some(5), Some(vec![140])),
    ];
    for (line, lcores, main, cpus) in cases {
        let parsed = parsed(&words(line));
        let ids = cores::ranges(parsed.lcores.iter().map(|lcore| lcore.id));
        assert_eq!(ids, lcores, "{line}");
        assert_eq!(parsed.main_lcore, main, "{line}");
        assert_eq!(parsed.main_cpus(), cpus.as_deref(), "{line}");
    }
}

#[test]
fn memory_flags_are_read() {
    let hugetlbfs = || Pages::HugeDir("/mnt".into());
    let cases = [
        ("-m 64", Some(64), None, Pages::Default),
        ("-m 64 -m 32", Some(32), None, Pages::Default),
        ("-m0", None, None, Pages::Default),
        ("--socket-mem 512,0,64", Some(576), None, Pages::Default),
        ("--base-virtaddr 0x100000000", None, Some(1 << 32), Pages::Default),
        ("--base-virtaddr=100000001", None, Some((1 << 32) + (1 << 24)), Pages::Default),
        ("--base-virtaddr 0", None, None, Pages::Default),
        ("--huge-dir /x --huge-dir=/mnt", None, None, hugetlbfs()),
        ("--no-huge --huge-dir=/mnt", None, None, Pages::NoHuge),
        ("--huge-dir=/mnt --no-huge", None, None, Pages::NoHuge),
    ];
    for (line, memory, address, pages) in cases {
        let parsed = parsed(&words(line));
        assert_eq!(parsed.memory_mib, memory, "{line}");
        assert_eq!(parsed.base_virtaddr, address, "{line}");
        assert_eq!(parsed.pages, pages, "{line}");
    }
}

#[test]
fn shared_files_are_off_by_either_flag() {
    let off = |flag| SharedConfig::Off { flag };
    assert_eq!(parsed(&[]).shared_config, SharedConfig::Shared);
    assert_eq!(parsed(&["--no-shconf"]).shared_config, off("--no-shconf"));
    assert_eq!(parsed(&["--in-mem"]).shared_config, off("--in-memory"));
}

#[test]
fn help_ends_the_reading_and_version_does_not() {
    assert_eq!(parsed(&["-v"]).information, Information::Version);
    assert_eq!(parsed(&["-l", "99", "-vh", "--zork"]).information, Information::Help);
    assert!(parse(&["--version", "-l", "99"]).is_err());
}

#[test]
fn flags_without_meaning_are_listed_as_written() {
    let parsed = parsed(&["--no-pci", "-n4", "-l", "1", "-w", "X", "--vdev=y", "--iova=va", "x"]);
    assert_eq!(parsed.ignored, ["--no-pci", "-n4", "-w X", "--vdev=y", "--iova=va"]);
    assert_eq!(parsed.rest, ["x"]);
    assert_eq!(parsed.consumed, 8);
}

#[test]
fn mistakes_name_the_flag_and_what_would_be_right() {
    let list = "it takes cores below 1024 such as 0-3,8, or lcores mapped to them such as \
                0@4,(1,2)@(5-7)";
    let mask = "it takes a hexadecimal mask of cores below 1024 with a bit set, such as 0xf";
    let exists = "this machine has no core 5, only 0-3,140-141";
    let high = "give the core a lower id (0@CORE), or renumber from a low one with -R";
    let once = "give the cores once, by one of -l, --lcores and -c";
    let plain = "what -R renumbers is a plain list, without @ and groups";
    let cases: &[(&[&str], String)] = &[
        (&["-l", "0,"], format!("-l cannot be \"0,\": {list}")),
        (&["-l", ""], format!("-l cannot be \"\": {list}")),
        (&["-l", "-n"], format!("-l cannot be \"-n\": {list}")),
        (&["--lcore=a"], format!("--lcores cannot be \"a\": {list}")),
        (&["-l", "2,5"], format!("-l cannot be \"2,5\": {exists}")),
        (&["--lcores=0@(1,5)"], format!("--lcores cannot be \"0@(1,5)\": {exists}")),
        (&["-c", "0x2f"], format!("-c cannot be \"0x2f\": {exists}")),
        (&["-c", "0"], format!("-c cannot be \"0\": {mask}")),
        (
            &["-l", "140"],
            format!("-l cannot be \"140\": lcore 140 is past the last one, 127; {high}"),
        ),
        (
            &["-l", "128@0"],
            format!("-l cannot be \"128@0\": lcore 128 is past the last one, 127; {high}"),
        ),
        (
            &["-R=127", "-l0,1"],
            format!("-R cannot be \"127\": lcore 128 is past the last one, 127; {high}"),
        ),
        (&["-R=128"], "-R cannot be \"128\": it takes the first lcore id, below 128".into()),
        (&["-R", "-l", "0@1"], format!("-l and -R cannot be given together: {plain}")),
        (
            &["--lcores=(0)", "--remap"],
            format!("--lcores and --remap-lcore-ids cannot be given together: {plain}"),
        ),
        (&["-l0", "-c", "1"], format!("-l and -c cannot be given together: {once}")),
        (&["-c1", "--lcores=0"], format!("-c and --lcores cannot be given together: {once}")),
        (&["-l0", "-l1"], format!("-l and -l cannot be given together: {once}")),
        (
            &["-l", "0-2", "--main-lcore", "3"],
            "--main-lcore cannot be 3: it takes one of the lcores to run on, 0-2".into(),
        ),
        (
            &["--master-lcore=3"],
            "--master-lcore cannot be 3: it takes one of the lcores to run on, 1-2".into(),
        ),
        (
            &["--main-lcore=1x"],
            "--main-lcore cannot be \"1x\": it takes the number of an lcore".into(),
        ),
        (
            &["--proc-type=sec"],
            "--proc-type cannot be \"sec\": it takes primary, secondary or auto".into(),
        ),
        (
            &["-n", "0"],
            "-n cannot be \"0\": it takes a number of memory channels, at least 1".into(),
        ),
        (&["-r17"], "-r cannot be \"17\": it takes a number of memory ranks from 1 to 16".into()),
        (&["-m", "1G"], "-m cannot be \"1G\": it takes a number of megabytes".into()),
        (
            &["-m", "17592186044416"],
            "-m cannot be \"17592186044416\": it takes a number of megabytes".into(),
        ),
        (
            &["--socket-mem=1,"],
            "--socket-mem cannot be \"1,\": it takes numbers of megabytes, one per node, \
             such as 512,512"
                .into(),
        ),
        (
            &["-m1", "--numa-mem=1"],
            "-m and --numa-mem cannot be given together: give the total or the amounts per \
             node"
                .into(),
        ),
        (
            &["-w", "X", "--block=Y"],
            "-w and --block cannot be given together: allow some devices or block some".into(),
        ),
        (
            &["--base-virtaddr=zz"],
            "--base-virtaddr cannot be \"zz\": it takes a hexadecimal address such as \
             0x100000000"
                .into(),
        ),
        (
            &["--base-virtaddr=ffffffffffffffff"],
            "--base-virtaddr cannot be \"ffffffffffffffff\": it takes a hexadecimal address \
             such as 0x100000000"
                .into(),
        ),
        (&["--huge-dir="], "--huge-dir cannot be \"\": it takes a directory".into()),
        (&["--iova-mode=VA"], "--iova-mode cannot be \"VA\": it takes pa or va".into()),
    ];
    for (words, text) in cases {
        let error = parse(words).expect_err(text);
        assert_eq!(error.to_string(), *text, "{words:?}");
        assert_eq!(error.errno(), 22, "{words:?}");
    }
}

#[test]
fn only_paths_and_the_programs_own_words_may_be_other_than_utf8() {
    let odd = |before: &str| OsString::from_vec([before.as_bytes(), b"\xff"].concat());
    let parsed = parse_os([odd("--huge-dir=/"), odd("x")].into_iter()).unwrap();
    assert_eq!(parsed.pages, Pages::HugeDir(odd("/").into()));
    assert_eq!(parsed.rest, [odd("x")]);
    let cases = [
        ("--file-prefix=a", r#"--file-prefix cannot be "a\xFF": it takes a name in UTF-8"#),
        ("--proc", "unknown EAL flag --proc\u{fffd}; flags of the program itself stand after --"),
    ];
    for (before, text) in cases {
        let error = parse_os([odd(before)].into_iter()).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_command_line_is_parsed_on_this_machine() {
    let nothing = EalArgs::parse(std::iter::empty::<OsString>()).unwrap();
    assert_eq!((nothing.consumed, nothing.lcores.len()), (0, 0));
    let renumbered = EalArgs::parse(["program", "-R"]).unwrap();
    assert_eq!(renumbered.main_lcore, Some(0));
    let error = EalArgs::parse(["program", "-l", "1023"]).unwrap_err();
    assert!(matches!(error, ArgsError::NoSuchCore { core: 1023, .. }), "{error}");
}
