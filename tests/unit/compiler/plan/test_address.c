#include "tests/unit/support/cmocka_all.h"

#include "compiler/plan/address.h"

static void addresses_read(void **state)
{
    (void)state;
    uint32_t address;
    assert_true(address_parse("10.20.2.10", &address));
    assert_int_equal(address, 0x0a14020a);
    assert_true(address_parse("255.255.255.255", &address));
    assert_int_equal(address, UINT32_MAX);
    static const char *const wrong[] = {"",           "10.20.2",      "10.20.2.300", "10.20.2.10.1",
                                        "10.20.02.1", "10..2.1",      "10.20.2.1 ",  "a.b.c.d",
                                        "-1.2.3.4",   "10.20.2.10/24"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(address_parse(wrong[i], &address));
    }
}

static void addresses_write(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_SIZE];
    assert_string_equal(address_format(0x0a14020a, text), "10.20.2.10");
    assert_string_equal(address_format(UINT32_MAX, text), "255.255.255.255");
}

static void blocks_read(void **state)
{
    (void)state;
    uint32_t network, mask;
    assert_true(cidr_parse("10.20.2.0/24", &network, &mask));
    assert_int_equal(network, 0x0a140200);
    assert_int_equal(mask, 0xffffff00);
    assert_int_equal(cidr_prefix(mask), 24);
    assert_true(cidr_parse("0.0.0.0/0", &network, &mask));
    assert_int_equal(cidr_prefix(mask), 0);
    assert_true(cidr_parse("10.0.0.1/32", &network, &mask));
    assert_false(cidr_parse("10.20.2.10/24", &network, &mask));
    assert_true(cidr_read("10.20.2.10/24", &network, &mask));
    static const char *const wrong[] = {"10.20.2.0",  "10.20.2.0/33",  "10.20.2.0/",
                                        "10.20.2/24", "10.20.2.0/24x", "10.20.2.0/-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(cidr_parse(wrong[i], &network, &mask));
    }
}

static struct subnet make_subnet(const char *cidr)
{
    struct subnet subnet = {0};
    assert_true(cidr_parse(cidr, &subnet.network, &subnet.mask));
    return subnet;
}

static void subnets_know_their_addresses(void **state)
{
    (void)state;
    struct subnet subnet = make_subnet("10.20.2.0/28");
    uint32_t base = subnet.network;
    assert_true(subnet_holds(&subnet, base + 15));
    assert_false(subnet_holds(&subnet, base + 16));
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(subnet_reserves(&subnet, base + i), i < 4 || i == 15);
    }
    assert_false(subnet_reserves(&subnet, base + 16));
    assert_int_equal(subnet_room(&subnet), 11);
    struct subnet unknown = {0};
    assert_false(subnet_holds(&unknown, 0));
    assert_int_equal(subnet_room(&unknown), 0);
}

static void overlaps_are_seen(void **state)
{
    (void)state;
    struct subnet wide = make_subnet("10.20.0.0/16"), inside = make_subnet("10.20.2.0/24");
    struct subnet apart = make_subnet("10.21.0.0/16"), unknown = {0};
    assert_true(subnets_overlap(&wide, &inside));
    assert_true(subnets_overlap(&inside, &wide));
    assert_false(subnets_overlap(&wide, &apart));
    assert_false(subnets_overlap(&wide, &unknown));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_read),    cmocka_unit_test(addresses_write),
        cmocka_unit_test(blocks_read),       cmocka_unit_test(subnets_know_their_addresses),
        cmocka_unit_test(overlaps_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
