//! Where rte-mp differs from DPDK on purpose: the one list that there is. The headers say the same where
//! it applies, as `Differs from DPDK:`.

/// One decision, and each row that shows it.
pub(crate) struct Difference {
    /// What is so here. It is for whoever reads this.
    #[expect(dead_code, reason = "it is a heading")]
    reason: &'static str,
    /// Each row, DPDK's result, and ours.
    pub(crate) rows: &'static [(&'static str, &'static str, &'static str)],
}

/// All of them.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "A start that fails says why in `rte_errno`.",
        rows: &[
            ("init.roles.nobody ever.secondary", "-1 without rte_errno", "-1 ENOENT"),
            ("init.roles.a primary.primary", "-1 without rte_errno", "-1 EBUSY"),
            ("disable.secondary", "-1 without rte_errno", "-1 EACCES"),
        ],
    },
    Difference {
        reason: "What is no number is refused as one.",
        rows: &[("init.mistakes.memory that is no number", "starts as primary", "-1 EINVAL")],
    },
    Difference {
        reason: "A secondary does not join what a dead primary left behind.",
        rows: &[("init.roles.a killed primary.secondary", "starts as secondary", "-1 ENOENT")],
    },
    Difference {
        reason: "A primary that asks whether a primary is alive keeps its lock.",
        rows: &[("alive.itself.another sees it afterwards", "0", "1")],
    },
    Difference {
        reason: "Without a group, messages are not supported; nothing is tried.",
        rows: &[
            ("before.sendmsg", "-1 ENOENT", "-1 ENOTSUP"),
            (
                "before.request_sync",
                "-1 ENOENT, sent 0, received 0, msgs NULL",
                "-1 ENOTSUP, sent 0, received 0, msgs NULL",
            ),
            ("before.request_async", "-1 ENOENT", "-1 ENOTSUP"),
            ("before.reply", "-1 EBADF", "-1 ENOTSUP"),
        ],
    },
    Difference {
        reason: "A request that nobody will answer is told so at once (`MP_IGN`), and its sender is left out.",
        rows: &[
            ("reply.request.nobody handles it", "no answer", "type 3, unknown ''"),
            ("reply.request.handler NULL", "no answer", "type 3, no handler ''"),
            ("reply.request.handler refuses", "no answer", "type 3, refuse ''"),
            (
                "sync.a secondary.nobody handles it",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL",
                "0, sent 0, received 0, msgs NULL",
            ),
            (
                "sync.a secondary.handler NULL",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL",
                "0, sent 0, received 0, msgs NULL",
            ),
            (
                "sync.a secondary.handler refuses",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL",
                "0, sent 0, received 0, msgs NULL",
            ),
            (
                "async.a secondary.nobody handles it",
                "0, called once, sent 1, received 0, msgs NULL",
                "0, called once, sent 0, received 0, msgs NULL",
            ),
            (
                "async.a secondary.handler refuses",
                "0, called once, sent 1, received 0, msgs NULL",
                "0, called once, sent 0, received 0, msgs NULL",
            ),
            (
                "secondary.sync.nobody handles it",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL",
                "0, sent 0, received 0, msgs NULL",
            ),
            (
                "secondary.sync.handler NULL",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL",
                "0, sent 0, received 0, msgs NULL",
            ),
            (
                "secondary.sync.handler refuses",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL",
                "0, sent 0, received 0, msgs NULL",
            ),
            (
                "secondary.async.nobody handles it",
                "0, called once, sent 1, received 0, msgs NULL",
                "0, called once, sent 0, received 0, msgs NULL",
            ),
        ],
    },
    Difference {
        reason: "`NULL` is `EINVAL` where something must be, and 5 s for a timeout.",
        rows: &[
            ("arguments.request_async.callback NULL", "0", "-1 EINVAL"),
            ("sync.timeout NULL", "crash SIGSEGV", "0, sent 1, received 1: 'Got 'a''"),
            ("sync.reply NULL", "crash SIGSEGV", "-1 EINVAL"),
            (
                "async.timeout NULL",
                "crash SIGSEGV",
                "0, called once, sent 1, received 1: 'Got 'a''",
            ),
            ("async.callback NULL", "crash SIGSEGV", "-1 EINVAL"),
            ("memzone.reserve NULL", "crash SIGSEGV", "NULL EINVAL"),
            ("memzone.lookup NULL", "crash SIGSEGV", "NULL EINVAL"),
        ],
    },
    Difference {
        reason: "A message of a type that does not exist is dropped.",
        rows: &[("reply.message of type 7", "type 2, echo 'Got 'asked''", "no answer")],
    },
    Difference {
        reason: "What is no socket is left alone, and a reply removes nothing.",
        rows: &[
            ("sendmsg.plain file", "0 and rte_errno ECONNREFUSED, is removed", "0, is still there"),
            (
                "sendmsg.directory",
                "0 and rte_errno ECONNREFUSED, is still there",
                "0, is still there",
            ),
            ("reply.dead socket.afterwards", "removed", "still there"),
            ("reply.plain file", "0 and rte_errno ECONNREFUSED", "0"),
            ("reply.plain file.afterwards", "removed", "still there"),
            (
                "sync.plain file",
                "0 and rte_errno ECONNREFUSED, sent 0, received 0, msgs NULL, is removed",
                "0, sent 0, received 0, msgs NULL, is still there",
            ),
            (
                "sync.directory",
                "0 and rte_errno ECONNREFUSED, sent 0, received 0, msgs NULL, is still there",
                "0, sent 0, received 0, msgs NULL, is still there",
            ),
            (
                "async.plain file",
                "0 and rte_errno ECONNREFUSED, not called",
                "0, called once, sent 0, received 0, msgs NULL",
            ),
            ("async.plain file.afterwards", "removed", "still there"),
        ],
    },
    Difference {
        reason: "All peers are asked at once, and answers that came are kept when others did not.",
        rows: &[
            (
                "sync.a reply, then silence",
                "-1 ETIMEDOUT, sent 2, received 0, msgs NULL",
                "0, sent 2, received 1: 'Got 'a''",
            ),
            (
                "sync.silence, then a reply",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL",
                "0, sent 2, received 1: 'Got 'a''",
            ),
            (
                "sync.a stream socket and a reply",
                "-1 EPROTOTYPE, received 0, msgs NULL",
                "0, received 1, msgs not NULL",
            ),
            ("sync.a descriptor, then silence.left open", "1", "0"),
            (
                "sync.two peers that take 2/3 of the timeout",
                "-1 ETIMEDOUT, sent 2, received 0, msgs NULL",
                "0, sent 2, received 2: 'Got 'a'' 'Got 'a''",
            ),
        ],
    },
    Difference {
        reason: "An async request calls back exactly once, and does not fail besides. Who could not be \
                 asked counts as sent.",
        rows: &[
            ("async.nobody", "0, not called", "0, called once, sent 0, received 0, msgs NULL"),
            (
                "async.dead socket",
                "0 and rte_errno ECONNREFUSED, not called",
                "0, called once, sent 0, received 0, msgs NULL",
            ),
            (
                "async.stream socket",
                "-1 EPROTOTYPE, not called",
                "0, called once, sent 1, received 0, msgs NULL",
            ),
            (
                "async.a stream socket and a reply",
                "-1 EPROTOTYPE, called once, sent 1, received 1: 'Got 'a''",
                "0, called once, sent 2, received 1: 'Got 'a''",
            ),
            (
                "async.timeout 0",
                "-1 without rte_errno, not called",
                "0, called once, sent 1, received 0, msgs NULL",
            ),
            (
                "async.a secondary was killed",
                "0 and rte_errno ECONNREFUSED, not called",
                "0, called once, sent 0, received 0, msgs NULL",
            ),
            (
                "secondary.async.timeout 0",
                "-1 without rte_errno, not called",
                "0, called once, sent 1, received 0, msgs NULL",
            ),
        ],
    },
    Difference {
        reason: "Several requests of one name may be under way.",
        rows: &[
            (
                "sync.beside one of the same name.second",
                "-1 EEXIST, sent 0, received 0, msgs NULL",
                "0, sent 1, received 1: 'Got 'second''",
            ),
            (
                "sync.beside an async one of the same name.sync",
                "-1 EEXIST, sent 0, received 0, msgs NULL",
                "0, sent 1, received 1: 'Got 'second''",
            ),
            ("async.beside one of the same name.second", "-1 EEXIST", "0"),
            ("async.beside one of the same name.calls", "1", "2"),
            ("secondary.beside one of the same name.async again", "-1 EEXIST", "0"),
            (
                "secondary.beside one of the same name.sync",
                "-1 EEXIST, sent 0, received 0, msgs NULL",
                "0, sent 1, received 1: 'Got 'third''",
            ),
            ("secondary.beside one of the same name.calls", "1", "2"),
        ],
    },
    Difference {
        reason: "A late answer is not taken for the next request's.",
        rows: &[
            (
                "sync.a late reply.next request",
                "0, sent 1, received 1: 'Got 'first''",
                "0, sent 1, received 1: 'Got 'second''",
            ),
            (
                "async.a late reply.next request",
                "0, called once, sent 1, received 1: 'Got 'first''",
                "0, called once, sent 1, received 1: 'Got 'second''",
            ),
            (
                "secondary.sync.a late reply.next request",
                "0, sent 1, received 1: 'Got 'first''",
                "0, sent 1, received 1: 'Got 'second''",
            ),
            (
                "secondary.async.a late reply.next request",
                "0, called once, sent 1, received 1: 'Got 'first''",
                "0, called once, sent 1, received 1: 'Got 'second''",
            ),
        ],
    },
    Difference {
        reason: "A peer that dies is not waited for.",
        rows: &[
            (
                "sync.a secondary is killed",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL, after the timeout",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL, early",
            ),
            (
                "async.a secondary is killed",
                "0, called once, sent 1, received 0, msgs NULL, after the timeout",
                "0, called once, sent 1, received 0, msgs NULL, early",
            ),
            (
                "secondary.primary killed.while it is asked",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL, after the timeout",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL, early",
            ),
        ],
    },
    Difference {
        reason: "`rte_errno` is not touched where 0 is returned.",
        rows: &[
            ("sendmsg.dead socket", "0 and rte_errno ECONNREFUSED, is removed", "0, is removed"),
            ("reply.dead socket", "0 and rte_errno ECONNREFUSED", "0"),
            (
                "sync.dead socket",
                "0 and rte_errno ECONNREFUSED, sent 0, received 0, msgs NULL, is removed",
                "0, sent 0, received 0, msgs NULL, is removed",
            ),
            (
                "sync.a secondary was killed",
                "0 and rte_errno ECONNREFUSED, sent 0, received 0, msgs NULL",
                "0, sent 0, received 0, msgs NULL",
            ),
        ],
    },
    Difference {
        reason: "A request inside a handler or a callback works, and replies do not wait for handlers.",
        rows: &[
            (
                "sync.a secondary.asks inside its handler",
                "0, sent 1, received 1: '-1 ETIMEDOUT, sent 1, received 0, msgs NULL'",
                "0, sent 1, received 1: '0, sent 1, received 1: 'Got 'inside'''",
            ),
            (
                "async.sync inside the callback.inside",
                "-1 ETIMEDOUT, sent 1, received 0, msgs NULL",
                "0, sent 1, received 1: 'Got 'inside''",
            ),
            (
                "secondary.sync.asks inside its handler",
                "0, sent 1, received 1: '-1 ETIMEDOUT, sent 1, received 0, msgs NULL'",
                "0, sent 1, received 1: '0, sent 1, received 1: 'Got 'inside'''",
            ),
            (
                "handlers.a request beside a busy handler",
                "0, sent 1, received 1: 'Got 'a'', once it is done",
                "0, sent 1, received 1: 'Got 'a'', before it is done",
            ),
        ],
    },
    Difference {
        reason: "All callbacks are called in one thread.",
        rows: &[("async.a secondary.handler says nothing.thread", "another", "that of handlers")],
    },
    Difference {
        reason: "Nodes and sizes of pages are wishes.",
        rows: &[
            ("memzone.reserve.socket 7", "NULL ENOMEM", "'socket 7', len 64, flags 0"),
            ("memzone.reserve.16 GB", "NULL ENOMEM", "'16 GB', len 64, flags 0"),
            ("malloc.malloc.socket 7", "NULL", "memory"),
        ],
    },
    Difference {
        reason: "An array that is too large is not cut short.",
        rows: &[("malloc.calloc.too many", "memory", "NULL")],
    },
    Difference {
        reason: "A zone has a name.",
        rows: &[
            ("memzone.reserve.no name", "'', len 64, flags 0", "NULL EINVAL"),
            ("memzone.lookup.no name", "'', len 64, flags 0", "NULL ENOENT"),
        ],
    },
    Difference {
        reason: "The texts are our own.",
        rows: &[
            (
                "small.strerror.E_RTE_SECONDARY",
                "Invalid call in secondary process",
                "Not allowed in a secondary process",
            ),
            (
                "small.strerror.E_RTE_NO_CONFIG",
                "Missing rte_config structure",
                "No group was joined",
            ),
        ],
    },
];
