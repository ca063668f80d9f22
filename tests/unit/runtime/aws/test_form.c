/* Forms: bodies of Query requests.
 * Covers: block_devices.c */
#include "runtime/aws/form.h"

#include "runtime/aws/block_devices.h"
#include "tests/unit/support/cmocka_all.h"

static void parameters_are_encoded_and_null_is_left_out(void **state)
{
    (void)state;
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_STS, "GetCallerIdentity");
    assert_string_equal(buffer_text(&form.body), "Action=GetCallerIdentity&Version=2011-06-15");
    form_begin(&form, AWS_SERVICE_EC2, "DescribeVolumes"); /* anew */
    form_add(&form, "a b&c=d/é~", "Tag.%d.Value", 1);
    form_add(&form, NULL, "Nothing");
    form_add(&form, "", "Empty");
    form_add_int(&form, INT64_MIN, "N");
    form_filter(&form, 2, "tag:drc:plan", "shop");
    assert_string_equal(buffer_text(&form.body),
                        "Action=DescribeVolumes&Version=2016-11-15"
                        "&Tag.1.Value=a%20b%26c%3Dd%2F%C3%A9~&Empty=&N=-9223372036854775808"
                        "&Filter.2.Name=tag%3Adrc%3Aplan&Filter.2.Value.1=shop");
    buffer_free(&form.body);
}

static struct value text(const char *text)
{
    return (struct value){.kind = VALUE_TEXT, .text = text};
}

static struct value number(int64_t integer)
{
    return (struct value){.kind = VALUE_INT, .integer = integer};
}

static void block_devices_say_what_is_known(void **state)
{
    (void)state;
    static const char *keys[] = {"device", "snapshot_id", "size_gib", "iops"};
    struct value first[] = {text("/dev/sda1"), text("snap-1"), number(8), number(0)};
    struct value second[] = {text("/dev/sdf")};
    struct value devices[] = {
        {.kind = VALUE_MAP, .items = first, .keys = keys, .count = 4},
        {.kind = VALUE_MAP, .items = second, .keys = keys, .count = 1},
    };
    struct form form = {{0}};
    form_add_block_devices(&form,
                           &(struct value){.kind = VALUE_LIST, .items = devices, .count = 2});
    assert_string_equal(buffer_text(&form.body),
                        "&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fsda1"
                        "&BlockDeviceMapping.1.Ebs.SnapshotId=snap-1"
                        "&BlockDeviceMapping.1.Ebs.VolumeSize=8"
                        "&BlockDeviceMapping.1.Ebs.DeleteOnTermination=true"
                        "&BlockDeviceMapping.2.DeviceName=%2Fdev%2Fsdf"
                        "&BlockDeviceMapping.2.Ebs.DeleteOnTermination=true");
    buffer_clear(&form.body);
    form_add_block_devices(&form, NULL);
    form_add_block_devices(&form, &first[0]);
    assert_int_equal(form.body.length, 0);
    buffer_free(&form.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_encoded_and_null_is_left_out),
        cmocka_unit_test(block_devices_say_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
