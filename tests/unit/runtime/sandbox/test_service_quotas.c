#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/support/sandbox_client.h"

static void ask(struct sandbox_client *client, const char *body)
{
    client_send(client, "servicequotas", "https://servicequotas.eu-west-1.amazonaws.com/",
                "ServiceQuotasV20190624.GetServiceQuota", body, strlen(body));
}

static void the_quota_that_preflight_asks_for(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    ask(c, "{\"ServiceCode\":\"ec2\",\"QuotaCode\":\"L-1216C47A\"}");
    assert_int_equal(c->response.status, 200);
    const cJSON *quota = cJSON_GetObjectItemCaseSensitive(c->json, "Quota");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(quota, "Value");
    assert_true(cJSON_IsNumber(value) && value->valuedouble > 0);
    client_destroy(c);
}

static void others_are_not_there(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    ask(c, "{\"ServiceCode\":\"ec2\",\"QuotaCode\":\"L-00000000\"}");
    assert_int_equal(c->response.status, 400);
    assert_string_equal(got_json(c, "__type"), "NoSuchResourceException");
    ask(c, "{\"ServiceCode\":\"ec2\"}");
    assert_string_equal(got_json(c, "__type"), "IllegalArgumentException");
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_quota_that_preflight_asks_for),
        cmocka_unit_test(others_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
