/* Service Quotas: the one quota that preflight asks for. Nothing enforces it here. */
#include <string.h>

#include "runtime/sandbox/ssm.h"

enum { STANDARD_VCPUS = 100000 };

/* Running On-Demand Standard instances, as GetServiceQuota of the real service answers. */
bool service_quotas_get(struct request *r)
{
    static const char standard[] = "L-1216C47A";
    const char *service = member_text(r, "ServiceCode");
    const char *code = member_text(r, "QuotaCode");
    if (!service || !code) {
        return fail(r, 400, "IllegalArgumentException", "ServiceCode and QuotaCode are needed");
    }
    if (strcmp(service, "ec2") != 0 || strcmp(code, standard) != 0) {
        return fail(r, 400, "NoSuchResourceException",
                    "The request failed because the specified service or quota does not exist.");
    }
    struct json_writer *json = &r->writer;
    json_begin_object(json);
    json_key(json, "Quota");
    json_begin_object(json);
    json_key_string(json, "ServiceCode", "ec2");
    json_key_string(json, "ServiceName", "Amazon Elastic Compute Cloud (Amazon EC2)");
    json_key_string(json, "QuotaCode", standard);
    json_key_string(json, "QuotaName",
                    "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances");
    json_key(json, "Value");
    json_number(json, STANDARD_VCPUS);
    json_key_string(json, "Unit", "None");
    json_key_bool(json, "Adjustable", true);
    json_key_bool(json, "GlobalQuota", false);
    json_end_object(json);
    json_end_object(json);
    return true;
}
