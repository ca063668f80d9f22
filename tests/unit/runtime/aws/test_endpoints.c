#include "runtime/aws/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/cmocka_all.h"

struct fixture {
    struct arena *arena;
    struct world *world;
    char path[64];
};

static void write_config(struct fixture *fixture, const char *text)
{
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void set(struct fixture *fixture, const char *name, const char *value)
{
    world_simulated_set_environment(fixture->world, name, value);
}

static struct aws_endpoint resolve(struct fixture *fixture, enum aws_service service,
                                   const char *region)
{
    struct error error = {0};
    struct aws_endpoint endpoint = {0};
    struct aws_settings *settings = aws_settings_read(fixture->arena, fixture->world, NULL, &error);
    if (!settings || !aws_endpoint(settings, service, region, &endpoint, &error)) {
        fail_msg("%s", error.message);
    }
    return endpoint;
}

static void assert_url(struct fixture *fixture, enum aws_service service, const char *region,
                       const char *url)
{
    assert_string_equal(resolve(fixture, service, region).url, url);
}

static void test_own_endpoints(void **state)
{
    struct fixture *f = *state;
    assert_url(f, AWS_SERVICE_EC2, "eu-west-1", "https://ec2.eu-west-1.amazonaws.com");
    assert_url(f, AWS_SERVICE_STS, "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn");
    assert_url(f, AWS_SERVICE_SSM, "us-gov-west-1", "https://ssm.us-gov-west-1.amazonaws.com");
    assert_false(resolve(f, AWS_SERVICE_EC2, "eu-west-1").overridden);
    set(f, "AWS_USE_FIPS_ENDPOINT", "TRUE");
    assert_url(f, AWS_SERVICE_EC2, "us-east-1", "https://ec2-fips.us-east-1.amazonaws.com");
    assert_url(f, AWS_SERVICE_EC2, "us-gov-west-1", "https://ec2.us-gov-west-1.amazonaws.com");
    set(f, "AWS_USE_FIPS_ENDPOINT", NULL);
    set(f, "AWS_USE_DUALSTACK_ENDPOINT", "true");
    assert_url(f, AWS_SERVICE_EC2, "eu-west-1", "https://ec2.eu-west-1.api.aws");
    assert_url(f, AWS_SERVICE_EC2, "cn-north-1",
               "https://ec2.cn-north-1.api.amazonwebservices.com.cn");
}

static struct aws_endpoint bucket(struct fixture *fixture, const char *name)
{
    struct error error = {0};
    struct aws_endpoint endpoint = {0};
    struct aws_settings *settings = aws_settings_read(fixture->arena, fixture->world, NULL, &error);
    for (int i = 0; i < 2; i++) { /* the second time from what is known */
        assert_true(aws_bucket_endpoint(settings, "eu-west-1", name, false, &endpoint, &error));
    }
    return endpoint;
}

static void test_buckets(void **state)
{
    struct fixture *f = *state;
    struct aws_endpoint own = bucket(f, "my-state");
    assert_string_equal(own.url, "https://my-state.s3.eu-west-1.amazonaws.com");
    assert_string_equal(own.host, "my-state.s3.eu-west-1.amazonaws.com");
    assert_string_equal(own.path, "");
    struct aws_endpoint dots = bucket(f, "my.state");
    assert_string_equal(dots.url, "https://s3.eu-west-1.amazonaws.com/my.state");
    assert_string_equal(dots.host, "s3.eu-west-1.amazonaws.com");
    assert_string_equal(dots.path, "/my.state");
    assert_url(f, AWS_SERVICE_EBS, "eu-west-1", "https://ebs.eu-west-1.amazonaws.com");
    assert_url(f, AWS_SERVICE_S3, "cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn");
    set(f, "AWS_USE_DUALSTACK_ENDPOINT", "true");
    assert_url(f, AWS_SERVICE_S3, "eu-west-1", "https://s3.dualstack.eu-west-1.amazonaws.com");
    set(f, "AWS_USE_FIPS_ENDPOINT", "true");
    assert_url(f, AWS_SERVICE_S3, "us-gov-west-1",
               "https://s3-fips.dualstack.us-gov-west-1.amazonaws.com");
    set(f, "AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000/base/");
    struct aws_endpoint given = bucket(f, "my-state");
    assert_string_equal(given.url, "http://127.0.0.1:9000/base/my-state");
    assert_string_equal(given.path, "/base/my-state");
    struct error error = {0};
    struct aws_endpoint endpoint;
    struct aws_settings *settings = aws_settings_read(f->arena, f->world, NULL, &error);
    assert_false(aws_bucket_endpoint(settings, "eu-west-1", "a/../b", false, &endpoint, &error));
    assert_string_equal(error.message, "\"a/../b\" is not the name of an S3 bucket");
    error_clear(&error);
}

static void test_order(void **state)
{
    struct fixture *f = *state;
    write_config(f, "[default]\nservices = dr\nendpoint_url = http://profile:1\n"
                    "[services dr]\nssm =\n  endpoint_url = http://section:2\n");
    assert_url(f, AWS_SERVICE_EC2, "eu-west-1", "http://profile:1");
    assert_url(f, AWS_SERVICE_SSM, "eu-west-1", "http://section:2");
    set(f, "AWS_ENDPOINT_URL", "http://all:3/");
    assert_url(f, AWS_SERVICE_SSM, "eu-west-1", "http://all:3");
    set(f, "AWS_ENDPOINT_URL_SSM", "http://ssm:4/base/");
    struct aws_endpoint ssm = resolve(f, AWS_SERVICE_SSM, "eu-west-1");
    assert_string_equal(ssm.url, "http://ssm:4/base");
    assert_string_equal(ssm.path, "/base");
    assert_string_equal(ssm.host, "ssm:4");
    assert_true(ssm.overridden);
    assert_url(f, AWS_SERVICE_EC2, "eu-west-1", "http://all:3");
    set(f, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    assert_url(f, AWS_SERVICE_SSM, "eu-west-1", "https://ssm.eu-west-1.amazonaws.com");
    assert_false(resolve(f, AWS_SERVICE_SSM, "eu-west-1").overridden);
}

static void test_host_header(void **state)
{
    struct fixture *f = *state;
    set(f, "AWS_ENDPOINT_URL", "https://proxy.example:443");
    assert_string_equal(resolve(f, AWS_SERVICE_EC2, "eu-west-1").host, "proxy.example");
    set(f, "AWS_ENDPOINT_URL", "http://[::1]:80/x");
    assert_string_equal(resolve(f, AWS_SERVICE_EC2, "eu-west-1").host, "[::1]");
    set(f, "AWS_ENDPOINT_URL", "http://127.0.0.1:443");
    assert_string_equal(resolve(f, AWS_SERVICE_EC2, "eu-west-1").host, "127.0.0.1:443");
}

static void assert_refused(struct fixture *fixture, const char *region, const char *message)
{
    struct error error = {0};
    struct aws_endpoint endpoint;
    struct aws_settings *settings = aws_settings_read(fixture->arena, fixture->world, NULL, &error);
    assert_non_null(settings);
    assert_false(aws_endpoint(settings, AWS_SERVICE_EC2, region, &endpoint, &error));
    assert_string_equal(error.message, message);
    error_clear(&error);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "eu-west-1.evil.example/",
                   "\"eu-west-1.evil.example/\" is not the name of an AWS region");
    assert_refused(f, "", "\"\" is not the name of an AWS region");
    set(f, "AWS_ENDPOINT_URL", "localhost:5000");
    assert_refused(f, "eu-west-1",
                   "\"localhost:5000\" (from AWS_ENDPOINT_URL) is not the URL of an endpoint");
    set(f, "AWS_ENDPOINT_URL", "http://[::1");
    assert_refused(f, "eu-west-1",
                   "\"http://[::1\" (from AWS_ENDPOINT_URL) is not the URL of an endpoint");
    set(f, "AWS_ENDPOINT_URL_EC2", "http://user@host/");
    assert_refused(
        f, "eu-west-1",
        "\"http://[redacted]@host/\" (from AWS_ENDPOINT_URL_EC2) is not the URL of an endpoint");
}

static void test_ca_bundle(void **state)
{
    struct fixture *f = *state;
    write_config(f, "[profile dr]\nca_bundle = /profile.pem\n");
    set(f, "AWS_PROFILE", "dr");
    assert_string_equal(aws_ca_bundle(aws_settings_read(f->arena, f->world, NULL, NULL)),
                        "/profile.pem");
    set(f, "AWS_CA_BUNDLE", "/environment.pem");
    assert_string_equal(aws_ca_bundle(aws_settings_read(f->arena, f->world, NULL, NULL)),
                        "/environment.pem");
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->arena = arena_create();
    fixture->world = world_simulated_create(1, 0, (struct world_responder){0});
    strcpy(fixture->path, "/tmp/drc-endpoints-XXXXXX");
    int file = mkstemp(fixture->path);
    assert_true(file >= 0);
    close(file);
    world_simulated_set_environment(fixture->world, "AWS_CONFIG_FILE", fixture->path);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    unlink(fixture->path);
    world_destroy(fixture->world);
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own_endpoints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_buckets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_host_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ca_bundle, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
