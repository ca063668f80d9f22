#include "runtime/mover/image_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/scratch_folder.h"

static FILE *file_of(const void *bytes, size_t length, size_t whole)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(ftruncate(fileno(file), (off_t)whole), 0);
    return file;
}

static void expect_format(const void *bytes, size_t length, size_t whole,
                          enum image_format expected)
{
    FILE *file = file_of(bytes, length, whole);
    assert_int_equal(image_format_detect(fileno(file), (int64_t)whole), expected);
    fclose(file);
}

static void the_first_bytes_tell_the_format(void **state)
{
    (void)state;
    char vdi[80] = "<<< any text >>>";
    memcpy(vdi + 64, "\x7f\x10\xda\xbe", 4);
    char fixed_vhd[2048] = "";
    memcpy(fixed_vhd + 1536, "conectix", 8);
    expect_format("QFI\xfb\0\0\0\3", 8, 4096, IMAGE_QCOW2);
    expect_format("KDMV", 4, 4096, IMAGE_VMDK);
    expect_format("# Disk DescriptorFile\n", 22, 22, IMAGE_VMDK);
    expect_format("vhdxfile", 8, 4096, IMAGE_VHDX);
    expect_format(vdi, sizeof vdi, 4096, IMAGE_VDI);
    expect_format("conectix", 8, 4096, IMAGE_VHD);
    expect_format(fixed_vhd, sizeof fixed_vhd, sizeof fixed_vhd, IMAGE_VHD);
    expect_format("QFI", 3, 3, IMAGE_RAW);
    expect_format("", 0, 0, IMAGE_RAW);
    expect_format("\xeb\x63\x90", 3, 4096, IMAGE_RAW);
}

static void names_are_qemus_or_peoples(void **state)
{
    (void)state;
    enum image_format format;
    for (int i = 0; i < IMAGE_FORMAT_COUNT; i++) {
        assert_true(image_format_parse(image_format_name((enum image_format)i), &format));
        assert_int_equal(format, i);
    }
    assert_true(image_format_parse("vpc", &format));
    assert_int_equal(format, IMAGE_VHD);
    assert_false(image_format_parse("QCOW2", &format));
    assert_false(image_format_parse("", &format));
}

/* The message, which the caller frees; NULL: it stands alone. */
static char *refused(enum image_format format, const void *bytes, size_t length)
{
    FILE *file = file_of(bytes, length, length);
    struct error error = {0};
    bool ok = image_format_check_alone(fileno(file), format, &error);
    assert_true(ok == (error.message == NULL));
    char *message = error.message ? strdup(error.message) : NULL;
    error_clear(&error);
    fclose(file);
    return message;
}

static void expect_refused(enum image_format format, const void *bytes, size_t length,
                           const char *part)
{
    char *message = refused(format, bytes, length);
    assert_non_null(message);
    if (!strstr(message, part)) {
        fail_msg("no \"%s\" in: %s", part, message);
    }
    free(message);
}

static void qcow2_with_another_file_is_refused(void **state)
{
    (void)state;
    unsigned char header[1024] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3};
    assert_null(refused(IMAGE_QCOW2, header, sizeof header));
    header[14] = 2; /* backing file at 0x200 */
    header[19] = 11;
    memcpy(header + 512, "/etc/shadow", 11);
    expect_refused(IMAGE_QCOW2, header, sizeof header, "a backing file \"/etc/shadow\"");
    memset(header + 8, 0xff, 12); /* nowhere, and endless */
    expect_refused(IMAGE_QCOW2, header, sizeof header, "a backing file");
    memset(header + 8, 0, 12);
    header[79] = 4; /* incompatible feature: external data file */
    expect_refused(IMAGE_QCOW2, header, sizeof header, "an external data file");
    header[7] = 2; /* version 2 has no features */
    assert_null(refused(IMAGE_QCOW2, header, sizeof header));
}

static void vmdk_parts_have_to_lie_beside_it(void **state)
{
    (void)state;
    static const char FINE[] = "# Disk DescriptorFile\nCID=1\nRW 4192256 SPARSE \"disk-s001.vmdk\"\n"
                               "RW 10 FLAT \"disk flat.vmdk\" 0\nRW 10 ZERO\n";
    static const char *const WRONG[] = {"/etc/shadow", "../other.vmdk", "nbd:host:1", "sub\\x",
                                        "json:{}", ""};
    assert_null(refused(IMAGE_VMDK, FINE, strlen(FINE)));
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        char text[200];
        snprintf(text, sizeof text, "# Disk DescriptorFile\n  RW 1 FLAT \"%s\" 0\n", WRONG[i]);
        expect_refused(IMAGE_VMDK, text, strlen(text), WRONG[i]);
    }
    static const char DELTA[] = "# Disk DescriptorFile\nparentFileNameHint=\"base.vmdk\"\n";
    expect_refused(IMAGE_VMDK, DELTA, strlen(DELTA), "a parent \"base.vmdk\"");
}

static void a_sparse_vmdk_has_its_descriptor_inside(void **state)
{
    (void)state;
    static char image[32 << 10];
    memset(image, 0, sizeof image);
    memcpy(image, "KDMV", 4);
    image[12] = 1; /* capacity */
    image[28] = 1; /* descriptor at sector 1 */
    strcpy(image + 512, "# Disk DescriptorFile\nRW 1 SPARSE \"/named/by/itself.vmdk\"\n");
    assert_null(refused(IMAGE_VMDK, image, sizeof image));
    image[12] = 0; /* no capacity: the descriptor tells the parts */
    expect_refused(IMAGE_VMDK, image, sizeof image, "/named/by/itself.vmdk");
    image[12] = 1;
    strcpy(image + 512, "parentFileNameHint=\"x.vmdk\"\n");
    expect_refused(IMAGE_VMDK, image, sizeof image, "a parent \"x.vmdk\"");
    strcpy(image + 512, "CID=1\n");
    strcpy(image + 20000, "parentFileNameHint=\"the guest wrote this\"\n");
    assert_null(refused(IMAGE_VMDK, image, sizeof image));
    memset(image + 28, 0xff, 8); /* nowhere */
    assert_null(refused(IMAGE_VMDK, image, sizeof image));
}

static char *cut(enum image_format format, const char *path, const void *bytes, size_t length)
{
    FILE *file = file_of(bytes, length, length);
    struct error error = {0};
    bool ok = image_format_check_whole(fileno(file), path, (int64_t)length, format, &error);
    assert_true(ok == (error.message == NULL));
    char *message = error.message ? strdup(error.message) : NULL;
    error_clear(&error);
    fclose(file);
    return message;
}

static void what_is_shorter_than_it_says_was_cut_off(void **state)
{
    (void)state;
    unsigned char vdi[3000] = "";
    vdi[0x159] = 2; /* data from 512 on */
    vdi[0x179] = 4; /* blocks of 1 KiB */
    vdi[0x184] = 2; /* two of them */
    assert_null(cut(IMAGE_VDI, "x.vdi", vdi, 512 + 2048));
    char *message = cut(IMAGE_VDI, "x.vdi", vdi, 512 + 2047);
    assert_string_equal(message, "x.vdi has 2559 bytes, and should have 2560 at least: it was cut off");
    free(message);
    memset(vdi + 0x158, 0xff, 64);
    message = cut(IMAGE_VDI, "x.vdi", vdi, sizeof vdi);
    assert_non_null(message);
    free(message);

    struct scratch_folder folder = scratch_create();
    char path[128], text[] = "# Disk DescriptorFile\nRW 3 FLAT \"part\" 1\nRW 9 ZERO\n"
                             "RW 99999999999999999999 FLAT \"part\" 0\nRW 5 FLAT \"none\" 0\n";
    snprintf(path, sizeof path, "%s/disk.vmdk", folder.path);
    scratch_write_sparse(&folder, "part", 2048, 0600);
    assert_null(cut(IMAGE_VMDK, path, text, strlen(text)));
    scratch_write_sparse(&folder, "part", 2047, 0600);
    message = cut(IMAGE_VMDK, path, text, strlen(text));
    assert_non_null(strstr(message, "/part has 2047 bytes, and should have 2048 at least"));
    free(message);
    scratch_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_bytes_tell_the_format),
        cmocka_unit_test(names_are_qemus_or_peoples),
        cmocka_unit_test(qcow2_with_another_file_is_refused),
        cmocka_unit_test(vmdk_parts_have_to_lie_beside_it),
        cmocka_unit_test(what_is_shorter_than_it_says_was_cut_off),
        cmocka_unit_test(a_sparse_vmdk_has_its_descriptor_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
