/* The sections: each runs in a process of its own, and prints its rows. `main.c` lists them. */
#ifndef SECTIONS_H
#define SECTIONS_H

/* arguments.c */
void check_arguments(void);
void call_before_start(void);
void check_no_shconf(void);
void check_in_memory(void);

/* one_way.c */
void send_one_way(void);
void send_replies(void);

/* sync.c, async.c */
void request_sync(void);
void request_async(void);

/* secondary.c */
void be_secondary(void);
void be_secondary_of_killed(void);
void be_secondary_of_ended(void);

/* threads.c */
void run_handlers(void);

/* crashes.c */
void crash_sync_timeout(void);
void crash_sync_reply(void);
void crash_async_timeout(void);
void crash_async_callback(void);
void crash_memzone_reserve(void);
void crash_memzone_lookup(void);

/* eal.c */
void init_and_cleanup(void);
void init_plain(void);
void init_with_words(void);
void init_with_words_behind(void);
void init_with_words_around(void);
void init_mistakes(void);
void init_retry(void);
void init_roles(void);
void init_no_huge(void);
void disable_ipc(void);
void disable_late(void);
void disable_secondary(void);
void look_for_primary(void);
void look_for_itself(void);
void be_alive_peer(void);
void clean_up_twice(void);
void show_help(void);
void exit_with_status(void);
void panic(void);

/* memzones.c */
void reserve_memzones(void);
void share_memzones(void);
void be_memzone_peer(void);

/* lcores.c, alarms.c, memory.c, small.c, logs.c, texts.c */
void run_lcores(void);
void choose_main_lcore(void);
void run_alarms(void);
void allocate(void);
void check_small_things(void);
void write_logs(void);
void handle_texts(void);

#endif /* SECTIONS_H */
