/* Disks into a repository and out of it again.
 * Covers: export.c sink.c */
#include "runtime/mover/import.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/mover/export.h"
#include "runtime/mover/image.h"
#include "runtime/mover/sink.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/mover_place.h"
#include "tests/unit/support/scratch_folder.h"

static const enum mover_kind KINDS[] = {MOVER_MEMORY, MOVER_DIRECTORY_REAL};

struct bench {
    struct mover_place *place;
    struct repository_writer *writer;
    struct scratch_folder folder;
    char path[128];
};

static struct bench begin(enum mover_kind kind)
{
    struct bench bench = {.place = mover_place_create(kind), .folder = scratch_create()};
    bench.writer = mover_place_write(bench.place);
    snprintf(bench.path, sizeof bench.path, "%s/disk.raw", bench.folder.path);
    return bench;
}

static void end(struct bench *bench)
{
    repository_writer_close(bench->writer);
    mover_place_destroy(bench->place);
    scratch_remove(&bench->folder);
}

/* Random bytes by the seed into one block of the file, or its part of that block. */
static void write_block(const struct bench *bench, uint64_t index, uint32_t seed, size_t length)
{
    char *block = mover_block(0, seed);
    int file = open(bench->path, O_WRONLY);
    assert_int_equal(pwrite(file, block, length, (off_t)(index * BLOCK_BYTES)), length);
    close(file);
    free(block);
}

static bool import_file(struct bench *bench, const struct block_digest *previous,
                        struct repository_disk *disk, struct import_counts *counts,
                        struct error *error)
{
    struct image_options options = {0};
    struct image *image = image_create(bench->path, &options);
    assert_true(image_open(image, NULL));
    struct import_options import_options = {.repository = bench->place->repository,
                                            .writer = bench->writer,
                                            .image = image,
                                            .previous = previous,
                                            .cores = 2};
    struct import *import = import_create(&import_options);
    disk->bytes = image_bytes(image);
    bool ok = import_run(import, &disk->map, &disk->blocks, error);
    *counts = *import_counts(import);
    import_destroy(import);
    image_destroy(image);
    return ok;
}

static bool export_file(struct bench *bench, const struct repository_disk *disk, const char *path,
                        enum image_format format, bool force, struct error *error)
{
    struct sink_options options = {.format = format, .bytes = disk->bytes, .force = force};
    struct sink *sink = sink_create(path, &options);
    bool ok = sink_open(sink, error);
    if (ok) {
        struct export_options export_options = {
            .repository = bench->place->repository, .disk = disk, .sink = sink, .cores = 2};
        struct export *export = export_create(&export_options);
        ok = export_run(export, error) && sink_finish(sink, error);
        if (ok) {
            assert_int_equal(export_counts(export)->written, disk->blocks);
        }
        export_destroy(export);
    }
    sink_destroy(sink);
    return ok;
}

static void expect_same(const char *one, const char *other)
{
    char command[400];
    snprintf(command, sizeof command, "cmp '%s' '%s'", one, other);
    assert_int_equal(system(command), 0);
}

static void expect_round_trip(struct bench *bench, const struct repository_disk *disk)
{
    char back[160];
    struct error error = {0};
    struct stat info;
    snprintf(back, sizeof back, "%s/back.raw", bench->folder.path);
    if (!export_file(bench, disk, back, IMAGE_RAW, false, &error)) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(stat(back, &info), 0);
    assert_int_equal(info.st_size, disk->bytes);
    if (disk->bytes % 512 == 0) { /* passes over holes */
        char command[400];
        snprintf(command, sizeof command, "qemu-img compare -q -f raw -F raw '%s' '%s'", bench->path, back);
        assert_int_equal(system(command), 0);
    } else {
        expect_same(bench->path, back);
    }
    assert_true((uint64_t)info.st_blocks * 512 <= disk->blocks * BLOCK_BYTES + 65536);
    unlink(back);
}

static void disks_of_any_size_come_back(void **state)
{
    (void)state;
    static const size_t SIZES[] = {1,           511,         512,
                                   BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1,
                                   99 * BLOCK_BYTES + 4711};
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
            struct bench bench = begin(KINDS[kind]);
            struct repository_disk disk = {0};
            struct import_counts counts;
            scratch_write_sparse(&bench.folder, "disk.raw", SIZES[i], 0600);
            for (size_t at = 0; at < SIZES[i]; at += BLOCK_BYTES) {
                size_t left = SIZES[i] - at;
                write_block(&bench, at / BLOCK_BYTES, (uint32_t)at + 1,
                            left < BLOCK_BYTES ? left : BLOCK_BYTES);
            }
            assert_true(import_file(&bench, NULL, &disk, &counts, NULL));
            assert_int_equal(disk.bytes, SIZES[i]);
            assert_int_equal(counts.blocks, block_count_of(disk.bytes));
            assert_int_equal(counts.fresh, counts.blocks);
            assert_int_equal(counts.bytes_read, SIZES[i]);
            expect_round_trip(&bench, &disk);
            /* The last block's name is that of the block with zeros behind it. */
            assert_int_equal(truncate(bench.path, (off_t)(counts.blocks * BLOCK_BYTES)), 0);
            assert_true(import_file(&bench, &disk.map, &disk, &counts, NULL));
            assert_int_equal(counts.fresh, 0);
            end(&bench);
        }
    }
}

/* Holes are not read, zeros that are read are no blocks, equal blocks are put once. */
static void sparse_disks_are_counted(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        struct bench bench = begin(KINDS[kind]);
        struct repository_disk disk = {0};
        struct import_counts counts;
        char *zeros = calloc(1, BLOCK_BYTES);
        scratch_write_sparse(&bench.folder, "disk.raw", INT64_C(9) << 30, 0600);
        write_block(&bench, 3, 1, BLOCK_BYTES);
        write_block(&bench, 17000, 2, 100); /* another segment of the map */
        write_block(&bench, 17001, 1, BLOCK_BYTES);
        write_block(&bench, 18431, 3, BLOCK_BYTES);
        int file = open(bench.path, O_WRONLY);
        assert_int_equal(pwrite(file, zeros, BLOCK_BYTES, 18000 * (off_t)BLOCK_BYTES), BLOCK_BYTES);
        close(file);
        free(zeros);
        assert_true(import_file(&bench, NULL, &disk, &counts, NULL));
        assert_int_equal(counts.blocks, 18432);
        assert_int_equal(counts.passed, 18432);
        assert_int_equal(counts.read, 5);
        assert_int_equal(counts.fresh, 3);
        assert_int_equal(counts.known, 1);
        assert_int_equal(counts.zero, 18428);
        assert_int_equal(disk.blocks, 4);
        expect_round_trip(&bench, &disk);
        end(&bench);
    }
}

static void an_increment_puts_what_has_changed(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        struct bench bench = begin(KINDS[kind]);
        struct repository_disk first = {0}, second = {0};
        struct import_counts counts;
        scratch_write_sparse(&bench.folder, "disk.raw", 40 * (size_t)BLOCK_BYTES, 0600);
        for (uint64_t i = 0; i < 40; i += 2) {
            write_block(&bench, i, (uint32_t)i, BLOCK_BYTES);
        }
        assert_true(import_file(&bench, NULL, &first, &counts, NULL));
        assert_int_equal(counts.fresh, 20);
        assert_true(import_file(&bench, &first.map, &second, &counts, NULL));
        assert_int_equal(counts.fresh, 0);
        assert_int_equal(counts.known, 20);
        assert_true(block_digest_equal(&first.map, &second.map));
        write_block(&bench, 1, 100, BLOCK_BYTES); /* was zero */
        write_block(&bench, 2, 101, BLOCK_BYTES);
        write_block(&bench, 38, 102, BLOCK_BYTES);
        assert_true(import_file(&bench, &first.map, &second, &counts, NULL));
        assert_int_equal(counts.fresh, 3);
        assert_int_equal(counts.known, 18);
        mover_expect_map(bench.place, &second.map, &first.map, second.bytes, "1 2 38");
        expect_round_trip(&bench, &second);
        end(&bench);
    }
}

static void a_previous_map_that_is_gone_costs_time_alone(void **state)
{
    (void)state;
    struct bench bench = begin(MOVER_MEMORY);
    struct repository_disk disk = {0};
    struct import_counts counts;
    struct block_digest nowhere = {{1}};
    scratch_write_sparse(&bench.folder, "disk.raw", BLOCK_BYTES, 0600);
    write_block(&bench, 0, 1, BLOCK_BYTES);
    assert_true(import_file(&bench, &nowhere, &disk, &counts, NULL));
    assert_int_equal(counts.fresh, 1);
    end(&bench);
}

static void a_missing_block_leaves_no_file(void **state)
{
    (void)state;
    struct bench bench = begin(MOVER_MEMORY);
    struct repository_disk disk = {.bytes = 4 * BLOCK_BYTES};
    const uint64_t indexes[] = {0, 2};
    struct error error = {0};
    char back[160];
    int files = 0;
    disk.map = mover_map(bench.place, bench.writer, disk.bytes, indexes, 2, 1);
    disk.blocks = 2;
    snprintf(back, sizeof back, "%s/back.raw", bench.folder.path);
    assert_false(export_file(&bench, &disk, back, IMAGE_RAW, false, &error));
    assert_non_null(strstr(error.message, "it is missing"));
    DIR *listed = opendir(bench.folder.path);
    for (struct dirent *entry; (entry = readdir(listed));) {
        files += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(listed);
    assert_int_equal(files, 0);
    error_clear(&error);
    end(&bench);
}

static void a_file_is_replaced_only_by_force(void **state)
{
    (void)state;
    struct bench bench = begin(MOVER_MEMORY);
    struct repository_disk disk = {0};
    struct import_counts counts;
    struct error error = {0};
    char back[160];
    scratch_write_sparse(&bench.folder, "disk.raw", 3 * BLOCK_BYTES, 0600);
    write_block(&bench, 1, 1, 1000);
    assert_true(import_file(&bench, NULL, &disk, &counts, NULL));
    scratch_write(&bench.folder, "back.raw", "precious", 0600);
    snprintf(back, sizeof back, "%s/back.raw", bench.folder.path);
    assert_false(export_file(&bench, &disk, back, IMAGE_RAW, false, &error));
    assert_non_null(strstr(error.message, "there is a file of that name already"));
    error_clear(&error);
    assert_true(export_file(&bench, &disk, back, IMAGE_RAW, true, NULL));
    expect_same(bench.path, back);
    assert_false(export_file(&bench, &disk, "/dev/null", IMAGE_RAW, true, &error));
    assert_non_null(strstr(error.message, "neither a file nor a block device"));
    error_clear(&error);
    end(&bench);
}

static void images_of_qemus_are_written(void **state)
{
    (void)state;
    static const enum image_format FORMATS[] = {IMAGE_QCOW2, IMAGE_VMDK};
    for (size_t i = 0; i < 2; i++) {
        struct bench bench = begin(MOVER_DIRECTORY_REAL);
        struct repository_disk disk = {0};
        struct import_counts counts;
        struct error error = {0};
        char back[160], command[500];
        scratch_write_sparse(&bench.folder, "disk.raw", 100 * (size_t)BLOCK_BYTES + 512, 0600);
        for (uint64_t k = 0; k < 60; k += 3) {
            write_block(&bench, k, (uint32_t)k, BLOCK_BYTES);
        }
        write_block(&bench, 100, 7, 512);
        assert_true(import_file(&bench, NULL, &disk, &counts, NULL));
        snprintf(back, sizeof back, "%s/back image", bench.folder.path);
        if (!export_file(&bench, &disk, back, FORMATS[i], false, &error)) {
            fail_msg("%s", error.message);
        }
        snprintf(command, sizeof command, "qemu-img compare -q -f raw -F %s '%s' '%s'",
                 image_format_name(FORMATS[i]), bench.path, back);
        assert_int_equal(system(command), 0);
        end(&bench);
    }
}

static void a_disk_that_shrinks_is_no_recovery_point(void **state)
{
    (void)state;
    struct bench bench = begin(MOVER_MEMORY);
    struct error error = {0};
    struct image_options image_options = {0};
    struct block_digest root;
    uint64_t blocks;
    scratch_write_sparse(&bench.folder, "disk.raw", 8 * (size_t)BLOCK_BYTES, 0600);
    write_block(&bench, 7, 1, BLOCK_BYTES);
    struct image *image = image_create(bench.path, &image_options);
    assert_true(image_open(image, NULL));
    struct import_options options = {
        .repository = bench.place->repository, .writer = bench.writer, .image = image};
    struct import *import = import_create(&options);
    assert_int_equal(truncate(bench.path, 7 * (off_t)BLOCK_BYTES + 5), 0);
    assert_false(import_run(import, &root, &blocks, &error));
    assert_non_null(strstr(error.message, "it ends at offset 3670021, and had 4194304 bytes"));
    error_clear(&error);
    import_destroy(import);
    image_destroy(image);
    end(&bench);
}

static void stop_it(void *context)
{
    import_stop(context);
}

static void a_stop_ends_it(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        struct bench bench = begin(KINDS[kind]);
        struct error error = {0};
        struct image_options image_options = {0};
        struct block_digest root;
        uint64_t blocks;
        scratch_write_sparse(&bench.folder, "disk.raw", 200 * (size_t)BLOCK_BYTES, 0600);
        for (uint64_t i = 0; i < 200; i++) {
            write_block(&bench, i, (uint32_t)i, BLOCK_BYTES);
        }
        struct image *image = image_create(bench.path, &image_options);
        assert_true(image_open(image, NULL));
        struct import_options options = {
            .repository = bench.place->repository, .writer = bench.writer, .image = image};
        struct import *import = import_create(&options);
        world_defer(bench.place->world, stop_it, import);
        assert_false(import_run(import, &root, &blocks, &error));
        assert_non_null(strstr(error.message, "stopped"));
        assert_true(import_counts(import)->passed < 200);
        error_clear(&error);
        import_destroy(import);
        image_destroy(image);
        end(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disks_of_any_size_come_back),
        cmocka_unit_test(sparse_disks_are_counted),
        cmocka_unit_test(an_increment_puts_what_has_changed),
        cmocka_unit_test(a_previous_map_that_is_gone_costs_time_alone),
        cmocka_unit_test(a_missing_block_leaves_no_file),
        cmocka_unit_test(a_file_is_replaced_only_by_force),
        cmocka_unit_test(images_of_qemus_are_written),
        cmocka_unit_test(a_disk_that_shrinks_is_no_recovery_point),
        cmocka_unit_test(a_stop_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
