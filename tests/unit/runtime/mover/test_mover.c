/* put-blocks and record-copy over a repository in memory and a target that fails in every way.
 * Covers: copy.c copy_blocks.c record_copy.c */
#include "runtime/mover/mover.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"
#include "runtime/mover/block_map.h"
#include "runtime/mover/reached.h"
#include "runtime/mover/repository_state.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/flaky_store.h"
#include "tests/unit/support/mover_place.h"
#include "tests/unit/support/sink_target.h"

enum { DISK_BLOCKS = 400, CALLS_MAX = 4 };

/* One call and what came of it. */
struct errand {
    struct call call;
    struct graph_node node;
    struct input inputs[8];
    char map[65], parent[65];
    bool over;
    enum outcome outcome;
    bool gone;
    char *message, *help;
    char outputs[3][128];
    int notes;
    int64_t done_bytes, total_bytes;
    char text[256], kept[CALL_KEEP_MAX + 1];
};

/* A store whose blocks are read on threads, as a directory's are. */
struct near_store {
    struct store store; /* first */
    struct store *inner;
    int reads;
};

struct scene {
    struct mover_place *place;
    struct near_store near;
    bool is_near; /* each store from now on is that one */
    struct sink_target sink;
    struct graph graph;
    struct graph_vm vm;
    struct mover_options options;
    struct provider *mover;
    struct errand errands[CALLS_MAX];
    const char *unreadable; /* of each store from now on: what cannot be read, how often; and whether it */
    int unread;             /* says that it passes */
    bool passing;
};

static void near_get(struct store *store, const char *key, store_callback done, void *context)
{
    struct store *inner = ((struct near_store *)store)->inner;
    inner->get(inner, key, done, context);
}

static void near_fetch_into(struct store *store, const char *key, const struct store_room *room,
                            store_callback done, void *context)
{
    struct near_store *near = (struct near_store *)store;
    near->reads++;
    near->inner->fetch_into(near->inner, key, room, done, context);
}

static void near_forget(struct store *store, void *context)
{
    struct store *inner = ((struct near_store *)store)->inner;
    inner->forget(inner, context);
}

static void near_destroy(struct store *store)
{
    struct store *inner = ((struct near_store *)store)->inner;
    inner->destroy(inner);
}

static struct store *open_near(struct scene *scene)
{
    scene->near = (struct near_store){.store = {.name = "near",
                                                .get = near_get,
                                                .fetch_into = near_fetch_into,
                                                .forget = near_forget,
                                                .destroy = near_destroy},
                                      .inner = mover_place_store(scene->place)};
    return &scene->near.store;
}

static struct store *open_store(void *context, const char *url, bool lazy, struct error *error)
{
    struct scene *scene = context;
    (void)lazy;
    if (strcmp(url, "dir:test") != 0) {
        error_set(error, "there is no %s", url);
        return NULL;
    }
    if (scene->is_near) {
        return open_near(scene);
    }
    struct flaky_store *flaky =
        flaky_store_create(scene->place->world, mover_place_store(scene->place));
    flaky->unreadable = scene->unreadable;
    flaky->unread = scene->unread;
    flaky->passing = scene->passing;
    return &flaky->store;
}

static void begin_mover(struct scene *scene)
{
    scene->mover = mover_provider_create(&scene->options);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->place = mover_place_create(MOVER_MEMORY);
    sink_init(&scene->sink, scene->place->world);
    scene->vm = (struct graph_vm){.name = "db", .critical = true};
    scene->graph = (struct graph){.plan_name = "shop", .vms = &scene->vm, .vm_count = 1};
    scene->options = (struct mover_options){.world = scene->place->world,
                                            .stores = {scene, open_store},
                                            .target = &scene->sink.base};
    begin_mover(scene);
    *state = scene;
    return 0;
}

static void end_mover(struct scene *scene)
{
    if (scene->mover) {
        scene->mover->destroy(scene->mover);
        scene->mover = NULL;
    }
    assert_int_equal(scene->sink.under_way, 0);
}

static void clear_errand(struct errand *errand)
{
    free(errand->message);
    free(errand->help);
    errand->message = errand->help = NULL;
    errand->over = false;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    end_mover(scene);
    for (int i = 0; i < CALLS_MAX; i++) {
        clear_errand(&scene->errands[i]);
    }
    mover_place_destroy(scene->place);
    free(scene);
    return 0;
}

/* --- disks --- */

/* Those indexes for which `has` holds, random by index and generation. */
static struct block_digest make_disk(struct scene *scene, int (*generation)(uint64_t index),
                                     uint64_t blocks)
{
    struct repository_writer *writer = mover_place_write(scene->place);
    struct map_writer *map = map_writer_create(writer, (int64_t)blocks * BLOCK_BYTES);
    struct block_digest root;
    uint64_t count;
    struct error error = {0};
    for (uint64_t i = 0; i < blocks; i++) {
        int g = generation(i);
        if (g > 0) {
            char *block = mover_block(0, (uint32_t)(i * 10 + (uint64_t)g));
            struct block_digest digest;
            block_digest(block, BLOCK_BYTES, &digest);
            char *said = mover_put(scene->place, writer, &digest, block);
            assert_null(said);
            map_writer_add(map, i, &digest);
            free(block);
        }
    }
    assert_true(map_writer_finish(map, &root, &count, &error));
    map_writer_destroy(map);
    repository_writer_close(writer);
    return root;
}

/* Two of three blocks. */
static int first_time(uint64_t index)
{
    return index % 3 != 0;
}

/* Each tenth changed, each 20th behind 5 is zero now. */
static int second_time(uint64_t index)
{
    return index % 20 == 5 ? 0 : index % 10 == 0 ? 2 : first_time(index);
}

/* What LINEAR means: over the digests of the entries, in order. */
static void expect_result(struct scene *scene, const struct errand *errand,
                          const struct block_digest *map, const struct block_digest *parent)
{
    struct map_cursor *cursor = map_cursor_create(scene->place->repository, map, parent, 0);
    struct sha256 *sum = sha256_create();
    struct block_entry entry;
    char *zeros = calloc(1, BLOCK_BYTES), text[32];
    struct block_digest zero;
    int count = 0;
    block_digest(zeros, BLOCK_BYTES, &zero);
    while (mover_step(scene->place, cursor, &entry) == MAP_ENTRY) {
        const struct block_digest *digest = entry.zero ? &zero : &entry.digest;
        sha256_update(sum, digest->bytes, BLOCK_DIGEST_BYTES);
        assert_true(scene->sink.puts[entry.index] > 0);
        assert_true(block_digest_equal(&scene->sink.digests[entry.index], digest));
        count++;
    }
    unsigned char digest[32], base64[64];
    sha256_finish(sum, digest);
    EVP_EncodeBlock(base64, digest, 32);
    assert_string_equal(errand->outputs[1], (char *)base64);
    snprintf(text, sizeof text, "%d", count);
    assert_string_equal(errand->outputs[0], text);
    snprintf(text, sizeof text, "%lld", (long long)count * BLOCK_BYTES);
    assert_string_equal(errand->outputs[2], text);
    assert_int_equal(sink_count(&scene->sink), count); /* and nothing else */
    map_cursor_destroy(cursor);
    free(zeros);
}

/* --- calls --- */

static void on_note(struct call *call, const struct call_note *note)
{
    struct errand *errand = (struct errand *)call;
    errand->notes++;
    errand->done_bytes = note->done;
    errand->total_bytes = note->total;
    if (note->text) {
        snprintf(errand->text, sizeof errand->text, "%s", note->text);
    }
    if (note->keep) {
        assert_true(strlen(note->keep) <= CALL_KEEP_MAX);
        strcpy(errand->kept, note->keep);
    }
}

static void on_done(void *context, struct call *call, const struct call_result *result)
{
    struct errand *errand = (struct errand *)call;
    (void)context;
    assert_false(errand->over);
    errand->over = true;
    errand->outcome = result->outcome;
    errand->gone = result->error.gone;
    errand->message = result->error.message ? strdup(result->error.message) : NULL;
    errand->help = result->error.help ? strdup(result->error.help) : NULL;
    for (size_t i = 0; i < result->output_count; i++) {
        snprintf(errand->outputs[i], sizeof errand->outputs[i], "%s", result->outputs[i].value);
    }
}

static struct input text_input(const char *name, const char *text)
{
    return (struct input){name, {.kind = VALUE_TEXT, .text = text}};
}

static struct errand *start_action(struct scene *scene, int which, enum action action,
                                   const struct block_digest *map,
                                   const struct block_digest *parent)
{
    struct errand *errand = &scene->errands[which];
    clear_errand(errand);
    errand->node = (struct graph_node){.id = "db/disk-0/put-blocks", .action = action, .vm = 0};
    block_digest_hex(map, errand->map);
    size_t n = 0;
    errand->inputs[n++] = text_input("repository", "dir:test");
    errand->inputs[n++] = text_input("recovery_point", "2026-11-22T10:00:00Z");
    errand->inputs[n++] = (struct input){"disk", {.kind = VALUE_INT, .integer = 0}};
    errand->inputs[n++] = text_input("map", errand->map);
    errand->inputs[n++] = text_input("snapshot_id", "snap-1");
    if (parent) {
        block_digest_hex(parent, errand->parent);
        errand->inputs[n++] = text_input("parent_map", errand->parent);
    }
    errand->call = (struct call){.graph = &scene->graph,
                                 .node = &errand->node,
                                 .inputs = errand->inputs,
                                 .input_count = n,
                                 .run_id = "r1",
                                 .token = "t1",
                                 .kept = *errand->kept ? errand->kept : NULL,
                                 .note = on_note};
    struct call *calls[] = {&errand->call};
    scene->mover->start(scene->mover, calls, 1, on_done, scene);
    assert_false(errand->over);
    return errand;
}

static struct errand *start(struct scene *scene, const struct block_digest *map,
                            const struct block_digest *parent)
{
    return start_action(scene, 0, ACTION_PUT_BLOCKS, map, parent);
}

static void wait_for(struct scene *scene, struct errand *errand)
{
    world_run(scene->place->world, &errand->over);
    assert_true(errand->over);
}

static void wait_ok(struct scene *scene, struct errand *errand)
{
    wait_for(scene, errand);
    if (errand->outcome != OUTCOME_OK) {
        fail_msg("%s: %s", outcome_name(errand->outcome), errand->message);
    }
}

static void set(void *context)
{
    *(bool *)context = true;
}

static void pass(struct scene *scene, int64_t ms)
{
    bool over = false;
    world_timer(scene->place->world, ms, set, &over);
    world_run(scene->place->world, &over);
}

/* --- tests --- */

static void test_whole(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
    struct errand *errand = start(scene, &map, NULL);
    wait_ok(scene, errand);
    expect_result(scene, errand, &map, NULL);
    assert_int_equal(scene->sink.arrived, scene->sink.asked); /* each once */
    assert_int_equal(scene->sink.puts[0], 0);                 /* zero: skipped */
    assert_in_range(scene->sink.last_percent, 80, 100);
}

static void test_increment(void **state)
{
    struct scene *scene = *state;
    struct block_digest parent = make_disk(scene, first_time, DISK_BLOCKS);
    struct block_digest map = make_disk(scene, second_time, DISK_BLOCKS);
    struct errand *errand = start(scene, &map, &parent);
    wait_ok(scene, errand);
    expect_result(scene, errand, &map, &parent);
    assert_int_equal(scene->sink.puts[5], 1); /* zeros, where data was */
    assert_int_equal(scene->sink.puts[1], 0);
    int changed = 0;
    for (uint64_t i = 0; i < DISK_BLOCKS; i++) {
        changed += first_time(i) != second_time(i);
    }
    assert_int_equal(scene->sink.arrived, changed);
}

static int only_the_first(uint64_t index)
{
    return index == 0;
}

static int none(uint64_t index)
{
    (void)index;
    return 0;
}

/* Zeros are not read, and no other copy is there to move them on. */
static void test_nothing_but_zeros(void **state)
{
    struct scene *scene = *state;
    struct block_digest parent = make_disk(scene, only_the_first, 1);
    struct block_digest map = make_disk(scene, none, 1);
    struct errand *errand = start(scene, &map, &parent);
    pass(scene, 60000);
    assert_true(errand->over);
    assert_int_equal(errand->outcome, OUTCOME_OK);
    expect_result(scene, errand, &map, &parent);
}

static void test_nothing_changed(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
    struct errand *errand = start(scene, &map, &map);
    wait_ok(scene, errand);
    assert_int_equal(scene->sink.asked, 0);
    assert_string_equal(errand->outputs[0], "0");
    assert_string_equal(errand->outputs[1], "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

/* Whatever passes: everything arrives. */
static void test_passing_faults(void **state)
{
    static const enum outcome outcomes[] = {OUTCOME_RETRY, OUTCOME_THROTTLED, OUTCOME_UNKNOWN,
                                            OUTCOME_CONFLICT};
    struct scene *scene = *state;
    for (size_t i = 0; i < 4; i++) {
        tear_down(state);
        set_up(state);
        scene = *state;
        struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
        scene->sink.every = 3;
        scene->sink.outcome = outcomes[i];
        struct errand *errand = start(scene, &map, NULL);
        wait_ok(scene, errand);
        expect_result(scene, errand, &map, NULL);
        assert_true(scene->sink.asked > scene->sink.arrived || outcomes[i] == OUTCOME_UNKNOWN);
    }
}

static void test_patience(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 20);
    scene->sink.from = 5;
    scene->sink.outcome = OUTCOME_UNKNOWN;
    scene->sink.message = "no answer within 60 s";
    int64_t from = world_monotonic_ms(scene->place->world);
    struct errand *errand = start(scene, &map, NULL);
    pass(scene, 60000);
    assert_non_null(strstr(errand->text, "; tries again: no answer within 60 s"));
    wait_for(scene, errand);
    assert_int_equal(errand->outcome, OUTCOME_FATAL);
    assert_non_null(strstr(errand->message, "no block could be put for 10 minutes; at last: no answer"));
    assert_true(world_monotonic_ms(scene->place->world) - from < 11 * 60000);
}

static void test_interrupted_and_resumed(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
    scene->options.bandwidth = 32 << 20; /* 4 s in all */
    end_mover(scene);
    begin_mover(scene);
    struct errand *errand = start(scene, &map, NULL);
    pass(scene, 2000);
    assert_false(errand->over);
    scene->mover->interrupt(scene->mover);
    assert_false(errand->over);
    int64_t from = world_monotonic_ms(scene->place->world);
    wait_for(scene, errand);
    assert_true(world_monotonic_ms(scene->place->world) - from < 1000);
    assert_int_equal(errand->outcome, OUTCOME_RETRY);
    assert_non_null(strstr(errand->message, "interrupted: "));
    int sent = scene->sink.arrived;
    assert_in_range(sent, 50, 250);
    end_mover(scene);
    begin_mover(scene);
    errand = start(scene, &map, NULL);
    wait_ok(scene, errand);
    expect_result(scene, errand, &map, NULL);
    assert_int_equal(scene->sink.arrived, sink_count(&scene->sink)); /* none twice */
}

/* Killed after any number of events: no block that was kept is sent again. */
static void test_killed_and_resumed(void **state)
{
    struct scene *scene = *state;
    for (int64_t at = 100; at < 3500; at += 400) {
        tear_down(state);
        set_up(state);
        scene = *state;
        struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
        scene->sink.every = 7;
        scene->sink.outcome = OUTCOME_RETRY;
        scene->options.bandwidth = 40 << 20;
        end_mover(scene);
        begin_mover(scene);
        struct errand *errand = start(scene, &map, NULL);
        pass(scene, at);
        assert_false(errand->over);
        end_mover(scene);
        struct reached reached = {0};
        if (*errand->kept) {
            assert_true(reached_parse(&reached, errand->kept));
        }
        int sent = scene->sink.arrived;
        begin_mover(scene);
        errand = start(scene, &map, NULL);
        wait_ok(scene, errand);
        expect_result(scene, errand, &map, NULL);
        int again = scene->sink.arrived - sink_count(&scene->sink);
        assert_true(again <= sent - (int)reached.count);
        assert_int_equal(scene->sink.arrived - sent, sink_count(&scene->sink) - (int)reached.count);
        assert_true(at < 1500 || reached.count > 0);
    }
}

static void test_what_was_kept_and_is_not_of_this_disk(void **state)
{
    struct scene *scene = *state;
    static const char *const kept[] = {"blocks 5000:", "nonsense", "blocks 3:f"};
    for (size_t i = 0; i < 3; i++) {
        struct block_digest map = make_disk(scene, first_time, 30);
        strcpy(scene->errands[0].kept, kept[i]);
        struct errand *errand = start(scene, &map, NULL);
        wait_ok(scene, errand);
        assert_string_equal(errand->outputs[0], "20");
        assert_int_equal(scene->sink.asked, i < 2 ? 20 * (int)(i + 1) : 40 + 13);
    }
}

static void test_snapshot_gone(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
    scene->sink.from = 100;
    scene->sink.outcome = OUTCOME_ABSENT;
    scene->sink.message = "ebs PutSnapshotBlock: SNAPSHOT_NOT_FOUND";
    struct errand *errand = start(scene, &map, NULL);
    wait_for(scene, errand);
    assert_int_equal(errand->outcome, OUTCOME_FATAL);
    assert_true(errand->gone);
    assert_ptr_equal(strstr(errand->message,
                            "recovery point 2026-11-22T10:00:00Z of shop/db, disk 0: block "),
                     errand->message);
    assert_non_null(strstr(errand->message, " into snap-1: ebs PutSnapshotBlock: SNAPSHOT_NOT_FOUND"));
    assert_non_null(strstr(errand->help, "resume"));
}

static void test_refused(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
    scene->sink.from = 1;
    scene->sink.outcome = OUTCOME_FATAL;
    struct errand *errand = start(scene, &map, NULL);
    wait_for(scene, errand);
    assert_int_equal(errand->outcome, OUTCOME_FATAL);
    assert_false(errand->gone);
}

static void test_missing_block(void **state)
{
    struct scene *scene = *state;
    const uint64_t indexes[] = {4, 7};
    struct repository_writer *writer = mover_place_write(scene->place);
    struct block_digest map =
        mover_map(scene->place, writer, 20 * BLOCK_BYTES, indexes, 2, 1); /* made-up digests */
    repository_writer_close(writer);
    struct errand *errand = start(scene, &map, NULL);
    wait_for(scene, errand);
    assert_int_equal(errand->outcome, OUTCOME_FATAL);
    assert_non_null(strstr(errand->message, "of shop/db, disk 0: block "));
    assert_non_null(strstr(errand->message, " of the disk) into snap-1: reading blocks/"));
    assert_non_null(strstr(errand->message, "it is missing"));
    assert_int_equal(scene->sink.asked, 0);
}

static void test_missing_map_and_repository(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = {{1}};
    struct errand *errand = start(scene, &map, NULL);
    wait_for(scene, errand);
    assert_int_equal(errand->outcome, OUTCOME_FATAL);
    assert_non_null(strstr(errand->message, "disk 0: reading maps/01/01000"));
    errand = start(scene, &map, NULL);
    errand->inputs[0].value.text = "dir:elsewhere";
    wait_for(scene, errand);
    assert_string_equal(errand->message, "there is no dir:elsewhere");
    errand = start(scene, &map, NULL);
    errand->inputs[3].value.text = "no digest";
    wait_for(scene, errand);
    assert_non_null(strstr(errand->message, "the graph names no block map that is one"));
}

/* What passes is tried again by the executor; what does not, is not. */
static void test_repository_not_to_be_read(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 30);
    const char *const objects[] = {"repository", "maps/", "blocks/"};
    const enum action actions[] = {ACTION_PUT_BLOCKS, ACTION_RECORD_COPY};
    for (size_t i = 0; i < 12; i++) {
        enum action action = actions[i / 6];
        if (action == ACTION_RECORD_COPY && i % 3 == 2) {
            continue; /* reads none */
        }
        scene->unreadable = objects[i % 3];
        scene->unread = 1000;
        scene->passing = i / 3 % 2;
        end_mover(scene);
        begin_mover(scene);
        struct errand *errand = start_action(scene, 0, action, &map, NULL);
        wait_for(scene, errand);
        assert_int_equal(errand->outcome, scene->passing ? OUTCOME_RETRY : OUTCOME_FATAL);
        assert_non_null(strstr(errand->message, "the network is down"));
        assert_non_null(errand->help);
    }
}

/* It has passed: the same call goes through, and what failed long ago counts no more. */
static void test_repository_is_back(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 30);
    scene->unreadable = "maps/";
    scene->unread = 1;
    scene->passing = true;
    for (int i = 0; i < 3; i++) {
        end_mover(scene);
        begin_mover(scene);
        struct errand *errand = start(scene, &map, NULL);
        wait_for(scene, errand);
        assert_int_equal(errand->outcome, OUTCOME_RETRY);
        pass(scene, 500000);
        wait_ok(scene, start(scene, &map, NULL));
    }
}

/* One that does not pass for ten minutes is no passing one. */
static void test_repository_stays_away(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 30);
    scene->unreadable = "repository";
    scene->unread = 1000;
    scene->passing = true;
    int64_t began = world_monotonic_ms(scene->place->world);
    struct errand *errand = NULL;
    do {
        errand = start(scene, &map, NULL);
        wait_for(scene, errand);
        pass(scene, 20000);
    } while (errand->outcome == OUTCOME_RETRY);
    assert_int_equal(errand->outcome, OUTCOME_FATAL);
    assert_in_range(world_monotonic_ms(scene->place->world) - began, 600000, 660000);
}

static void test_bandwidth_over_all(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 96); /* 64 blocks: 32 MiB */
    scene->options.bandwidth = 8 << 20;
    end_mover(scene);
    begin_mover(scene);
    int64_t from = world_monotonic_ms(scene->place->world);
    struct errand *a = start_action(scene, 0, ACTION_PUT_BLOCKS, &map, NULL);
    struct errand *b = start_action(scene, 1, ACTION_PUT_BLOCKS, &map, NULL);
    pass(scene, 4000);
    assert_in_range(scene->sink.arrived, 55, 75);
    assert_true(a->done_bytes > 0 && b->done_bytes > 0);
    assert_non_null(strstr(a->text, " MiB of 32 MiB, "));
    assert_non_null(strstr(a->text, " MiB/s, "));
    wait_ok(scene, a);
    wait_ok(scene, b);
    assert_in_range(world_monotonic_ms(scene->place->world) - from, 7500, 9000);
}

static void test_memory_is_shared(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
    scene->options.memory_bytes = 12 * BLOCK_BYTES;
    scene->sink.latency_ms = 50;
    end_mover(scene);
    begin_mover(scene);
    struct errand *a = start_action(scene, 0, ACTION_PUT_BLOCKS, &map, NULL);
    struct errand *b = start_action(scene, 1, ACTION_PUT_BLOCKS, &map, NULL);
    struct errand *c = start_action(scene, 2, ACTION_PUT_BLOCKS, &map, NULL);
    pass(scene, 3000);
    assert_int_equal(scene->sink.most_under_way, 12);
    int64_t least = a->done_bytes < b->done_bytes ? a->done_bytes : b->done_bytes;
    int64_t most = a->done_bytes > b->done_bytes ? a->done_bytes : b->done_bytes;
    least = c->done_bytes < least ? c->done_bytes : least;
    most = c->done_bytes > most ? c->done_bytes : most;
    assert_true(least > 0 && least * 3 > most * 2);
    wait_ok(scene, a);
    wait_ok(scene, b);
    wait_ok(scene, c);
    assert_int_equal(scene->sink.most_under_way, 12);
}

/* What is read long before it is sent has left the processor's caches. */
static void test_little_is_read_ahead_from_near(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, DISK_BLOCKS);
    scene->is_near = true;
    scene->sink.latency_ms = 10000;
    struct errand *errand = start(scene, &map, NULL);
    pass(scene, 5000);
    assert_int_equal(scene->sink.under_way, 32);
    assert_int_equal(scene->near.reads, 32 + 4);
    scene->sink.latency_ms = 50;
    wait_ok(scene, errand);
}

static void test_one_block_of_memory_will_do(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 40);
    scene->options.memory_bytes = 1;
    end_mover(scene);
    begin_mover(scene);
    struct errand *a = start_action(scene, 0, ACTION_PUT_BLOCKS, &map, NULL);
    struct errand *b = start_action(scene, 1, ACTION_PUT_BLOCKS, &map, NULL);
    wait_ok(scene, a);
    wait_ok(scene, b);
    assert_int_equal(scene->sink.most_under_way, 1);
}

static void test_time_over(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 300);
    scene->options.bandwidth = 1 << 20;
    end_mover(scene);
    begin_mover(scene);
    struct errand *errand = start(scene, &map, NULL);
    errand->call.deadline_ms = world_monotonic_ms(scene->place->world) + 5000;
    wait_for(scene, errand);
    assert_int_equal(errand->outcome, OUTCOME_RETRY);
    assert_non_null(strstr(errand->message, "its time is over: "));
    assert_true(*errand->kept);
}

static void test_destroyed_at_any_moment(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 60);
    for (int64_t at = 0; at < 60; at += 3) {
        start_action(scene, 0, ACTION_PUT_BLOCKS, &map, NULL);
        start_action(scene, 1, ACTION_RECORD_COPY, &map, NULL);
        pass(scene, at);
        end_mover(scene);
        begin_mover(scene);
        memset(scene->errands[0].kept, 0, sizeof scene->errands[0].kept);
    }
}

static void test_record_copy(void **state)
{
    struct scene *scene = *state;
    struct block_digest map = make_disk(scene, first_time, 30);
    struct errand *errand = start_action(scene, 0, ACTION_RECORD_COPY, &map, NULL);
    wait_ok(scene, errand);
    struct arena *arena = arena_create();
    struct repository_copies found;
    assert_true(repository_list_copies(scene->place->repository, arena, "shop", &found, NULL));
    assert_int_equal(found.count, 1);
    const struct repository_copy *copies = found.copies;
    assert_string_equal(copies[0].snapshot_id, "snap-1");
    assert_string_equal(copies[0].vm, "db");
    assert_string_equal(copies[0].recovery_point, "2026-11-22T10:00:00Z");
    assert_int_equal(copies[0].disk_bytes, 30 * BLOCK_BYTES);
    assert_true(block_digest_equal(&copies[0].map, &map));
    arena_destroy(arena);
    struct block_digest other = {{1}};
    errand = start_action(scene, 0, ACTION_RECORD_COPY, &other, NULL);
    wait_for(scene, errand);
    assert_int_equal(errand->outcome, OUTCOME_FATAL);
    assert_non_null(strstr(errand->message, "noting what snap-1 holds: "));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_whole),
        TEST(test_increment),
        TEST(test_nothing_changed),
        TEST(test_nothing_but_zeros),
        TEST(test_passing_faults),
        TEST(test_patience),
        TEST(test_interrupted_and_resumed),
        TEST(test_killed_and_resumed),
        TEST(test_what_was_kept_and_is_not_of_this_disk),
        TEST(test_snapshot_gone),
        TEST(test_refused),
        TEST(test_missing_block),
        TEST(test_missing_map_and_repository),
        TEST(test_repository_not_to_be_read),
        TEST(test_repository_is_back),
        TEST(test_repository_stays_away),
        TEST(test_bandwidth_over_all),
        TEST(test_memory_is_shared),
        TEST(test_little_is_read_ahead_from_near),
        TEST(test_one_block_of_memory_will_do),
        TEST(test_time_over),
        TEST(test_destroyed_at_any_moment),
        TEST(test_record_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
