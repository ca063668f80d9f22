/* Images: files, and what a qemu-nbd serves.
 * Covers: image_file.c nbd_lanes.c */
#include "runtime/mover/image.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/mover/nbd_lanes.h"
#include "runtime/world/child.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/scratch_folder.h"

#define OVERLAY "qemu-img create -q -f qcow2 -F raw -b '%s' '%s'"

enum { MIB = 1 << 20 };

static void path_in(char out[128], const struct scratch_folder *folder, const char *name)
{
    snprintf(out, 128, "%s/%s", folder->path, name);
}

/* 8 MiB: bytes at 1 MiB + 3 and at 5 MiB, holes elsewhere. */
static void make_sparse(const struct scratch_folder *folder, char path[128])
{
    path_in(path, folder, "disk.raw");
    scratch_write_sparse(folder, "disk.raw", 8 * MIB, 0600);
    int file = open(path, O_WRONLY);
    assert_int_equal(pwrite(file, "here", 4, MIB + 3), 4);
    assert_int_equal(pwrite(file, "there", 5, 5 * MIB), 5);
    close(file);
}

static void run(const char *format, const char *one, const char *other)
{
    char command[400];
    snprintf(command, sizeof command, format, one, other);
    assert_int_equal(system(command), 0);
}

/* That disk, made into an image of this name by a command of it and the image's path. */
static void make_image(const struct scratch_folder *folder, char path[128], const char *name,
                       const char *command)
{
    char raw[128];
    make_sparse(folder, raw);
    path_in(path, folder, name);
    run(command, raw, path);
}

static struct image *open_image(const char *path, const char *format)
{
    struct image_options options = {.format = format};
    struct image *image = image_create(path, &options);
    struct error error = {0};
    if (!image_open(image, &error)) {
        fail_msg("%s", error.message);
    }
    return image;
}

static void expect_no_image(const char *path, const char *format, const char *part)
{
    struct image_options options = {.format = format};
    struct image *image = image_create(path, &options);
    struct error error = {0};
    assert_false(image_open(image, &error));
    if (!strstr(error.message, part)) {
        fail_msg("no \"%s\" in: %s", part, error.message);
    }
    error_clear(&error);
    image_destroy(image);
}

/* Both places are told to be data, most of the rest is not, and the bytes are right. */
static void expect_sparse_disk(struct image *image)
{
    struct image_extent extents[8];
    char text[8] = "";
    int64_t data = 0;
    bool here = false, there = false;
    assert_int_equal(image_bytes(image), 8 * MIB);
    for (int64_t at = 0; at < image_bytes(image);) {
        size_t count = 0;
        int64_t covered = 0;
        assert_true(image_extents(image, at, extents, 8, &count, &covered, NULL));
        assert_true(covered > at);
        for (size_t i = 0; i < count; i++) {
            assert_true(extents[i].offset >= at && extents[i].end <= covered);
            data += extents[i].end - extents[i].offset;
            here = here || (extents[i].offset <= MIB + 3 && extents[i].end >= MIB + 7);
            there = there || (extents[i].offset <= 5 * MIB && extents[i].end >= 5 * MIB + 5);
        }
        at = covered;
    }
    assert_true(here && there);
    assert_true(data <= 2 * MIB);
    assert_true(image_read(image, MIB + 3, text, 4, NULL));
    assert_string_equal(text, "here");
    assert_true(image_read(image, 5 * MIB, text, 5, NULL));
    assert_string_equal(text, "there");
    char *whole = malloc(8 * MIB);
    assert_true(image_read(image, 0, whole, 8 * MIB, NULL));
    assert_memory_equal(whole + MIB + 3, "here", 4);
    assert_int_equal(whole[8 * MIB - 1], 0);
    free(whole);
}

static void holes_of_a_file_are_known(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char path[128];
    make_sparse(&folder, path);
    struct image *image = open_image(path, NULL);
    assert_string_equal(image_form(image), "raw");
    assert_false(image_form_was_guessed(image));
    expect_sparse_disk(image);
    assert_true(image_check_unchanged(image, NULL));
    image_destroy(image);
    scratch_remove(&folder);
}

static void a_file_that_changes_is_told(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char path[128], byte;
    struct error error = {0};
    make_sparse(&folder, path);
    struct image *image = open_image(path, NULL);
    assert_int_equal(truncate(path, 6 * MIB), 0);
    assert_false(image_read(image, 7 * MIB, &byte, 1, &error));
    assert_non_null(strstr(error.message, "it ends at offset 7340032, and had 8388608 bytes"));
    assert_false(image_check_unchanged(image, &error));
    assert_non_null(strstr(error.message, "it ends at offset 6291456"));
    struct image_extent extents[4];
    size_t count;
    int64_t covered;
    assert_false(image_extents(image, 7 * MIB, extents, 4, &count, &covered, &error));
    assert_int_equal(truncate(path, 9 * MIB), 0);
    assert_false(image_check_unchanged(image, &error));
    assert_non_null(strstr(error.message, "it was written to while it was read"));
    error_clear(&error);
    image_destroy(image);
    scratch_remove(&folder);
}

static void what_is_no_disk_is_refused(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char path[128];
    expect_no_image(folder.path, NULL, "a folder is no disk image");
    path_in(path, &folder, "none");
    expect_no_image(path, NULL, "No such file");
    scratch_write(&folder, "empty", "", 0600);
    path_in(path, &folder, "empty");
    expect_no_image(path, NULL, "it is empty, 0 bytes");
    expect_no_image("/dev/zero", NULL, "neither a file nor a block device");
    path_in(path, &folder, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_no_image(path, NULL, "neither a file nor a block device");
    scratch_write(&folder, "short", "x", 0600);
    path_in(path, &folder, "short");
    expect_no_image(path, "iso", "drc knows no image format \"iso\"");
    scratch_remove(&folder);
}

static void images_of_qemus_are_read_through_a_server(void **state)
{
    (void)state;
    static const char *const FORMATS[] = {"qcow2", "vmdk", "vdi"};
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
        struct scratch_folder folder = scratch_create();
        char path[128], command[64];
        snprintf(command, sizeof command, "qemu-img convert -O %s '%%s' '%%s'", FORMATS[i]);
        make_image(&folder, path, "disk: \"odd\",name", command);
        struct image *image = open_image(path, NULL);
        assert_string_equal(image_form(image), FORMATS[i]);
        assert_true(image_form_was_guessed(image));
        if (strcmp(FORMATS[i], "vdi") == 0) { /* whose blocks are of 1 MiB */
            assert_int_equal(image_bytes(image), 8 * MIB);
        } else {
            expect_sparse_disk(image);
        }
        image_destroy(image);
        scratch_remove(&folder);
    }
}

static void a_backing_file_is_read_only_when_told(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char path[128];
    make_image(&folder, path, "over.qcow2", OVERLAY);
    expect_no_image(path, NULL, "it has a backing file");
    struct image_options options = {.backing = true};
    struct image *image = image_create(path, &options);
    assert_true(image_open(image, NULL));
    expect_sparse_disk(image);
    image_destroy(image);
    scratch_remove(&folder);
}

/* A guest may write anything onto its disk, also a header of qcow2 with a backing file. */
static void a_raw_disk_is_raw_when_told(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char path[128], head[4];
    make_image(&folder, path, "guest.raw", OVERLAY);
    struct image *image = open_image(path, "raw");
    assert_true(image_bytes(image) != 8 * MIB);
    assert_true(image_read(image, 0, head, 4, NULL));
    assert_memory_equal(head, "QFI\xfb", 4);
    image_destroy(image);
    scratch_remove(&folder);
}

static void a_damaged_image_is_told_by_qemu(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char path[128];
    scratch_write(&folder, "bad.qcow2", "QFI\xfbxxxxxxxx", 0600);
    path_in(path, &folder, "bad.qcow2");
    expect_no_image(path, NULL, "bad.qcow2: ");
    expect_no_image(path, "vhdx", "bad.qcow2: ");
    scratch_remove(&folder);
}

static void a_stop_ends_everything(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char path[128], byte;
    struct error error = {0};
    make_sparse(&folder, path);
    struct image *image = open_image(path, NULL);
    image_stop(image);
    assert_false(image_read(image, 0, &byte, 1, &error));
    assert_non_null(strstr(error.message, "stopped"));
    error_clear(&error);
    image_destroy(image);
    scratch_remove(&folder);
}

static void expect_no_server(const char *script, bool stop, const char *message)
{
    const char *const words[] = {"/bin/sh", "-c", script, NULL};
    atomic_bool stopped = stop;
    struct nbd_lanes_options options = {.name = "disk", .server = words, .stopped = &stopped};
    struct error error = {0};
    assert_null(nbd_lanes_open(&options, &error));
    assert_string_equal(error.message, message);
    error_clear(&error);
}

/* A server that accepts and then says nothing: a stop is all that ends it so soon. */
static void a_stop_ends_a_server_that_says_nothing(void **state)
{
    (void)state;
    expect_no_server("exec sleep 1000", true, "disk: stopped");
}

static void a_server_that_goes_away_is_told(void **state)
{
    (void)state;
    expect_no_server("echo 'nbd: out of luck' >&2; exit 1", false, "disk: out of luck");
    image_destroy(NULL);
    expect_no_image("nbd+unix:///?socket=/no/such/socket", NULL, "nbd+unix:");
    expect_no_image("nbd+unix:///?socket=/no/such/socket", "qcow2", "as it is, not qcow2");
}

static void a_bad_sector_is_named(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char raw[128], node[400];
    make_sparse(&folder, raw);
    /* QEMU's own fault injection: sector 2049 cannot be read, ever. */
    snprintf(node, sizeof node,
             "json:{\"driver\":\"blkdebug\",\"image\":{\"driver\":\"file\",\"filename\":\"%s\"},"
             "\"inject-error\":[{\"event\":\"none\",\"iotype\":\"read\",\"errno\":5,\"sector\":2049}]}",
             raw);
    const char *const words[] = {"/usr/bin/qemu-nbd", "--read-only", "--shared=4", node, NULL};
    atomic_bool stopped = false;
    struct nbd_lanes_options options = {.name = "disk", .server = words, .stopped = &stopped};
    struct error error = {0};
    struct nbd_lanes *lanes = nbd_lanes_open(&options, &error);
    if (!lanes) {
        fail_msg("%s", error.message);
    }
    char *bytes = malloc(4 * MIB);
    assert_false(nbd_lanes_read(lanes, 0, bytes, 4 * MIB, &error));
    assert_string_equal(error.message,
                        "disk: reading at offset 1049088 (sector 2049): Input/output error");
    assert_true(nbd_lanes_read(lanes, 2 * MIB, bytes, 2 * MIB, &error)); /* it goes on */
    free(bytes);
    error_clear(&error);
    nbd_lanes_close(lanes);
    scratch_remove(&folder);
}

/* No process of drc's, and no socket, even while it is open. */
static void nothing_is_left_behind(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    char path[128];
    int files = 0;
    make_image(&folder, path, "disk.qcow2", "qemu-img convert -O qcow2 '%s' '%s'");
    setenv("TMPDIR", folder.path, 1);
    struct image *image = open_image(path, NULL);
    DIR *listed = opendir(folder.path);
    for (struct dirent *entry; (entry = readdir(listed));) {
        files += entry->d_name[0] != '.';
    }
    closedir(listed);
    assert_int_equal(files, 2);
    image_destroy(image);
    unsetenv("TMPDIR");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child at all */
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_of_a_file_are_known),
        cmocka_unit_test(a_file_that_changes_is_told),
        cmocka_unit_test(what_is_no_disk_is_refused),
        cmocka_unit_test(images_of_qemus_are_read_through_a_server),
        cmocka_unit_test(a_backing_file_is_read_only_when_told),
        cmocka_unit_test(a_raw_disk_is_raw_when_told),
        cmocka_unit_test(a_damaged_image_is_told_by_qemu),
        cmocka_unit_test(a_stop_ends_everything),
        cmocka_unit_test(a_stop_ends_a_server_that_says_nothing),
        cmocka_unit_test(a_server_that_goes_away_is_told),
        cmocka_unit_test(a_bad_sector_is_named),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
