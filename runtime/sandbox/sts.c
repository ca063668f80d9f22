/* STS: who calls, and roles. */
#include <inttypes.h>
#include <string.h>

#include "runtime/sandbox/request.h"

bool sts_get_caller_identity(struct request *r)
{
    xml_put(&r->xml, "Arn", r->caller.arn);
    xml_put(&r->xml, "UserId", r->caller.user_id);
    xml_put(&r->xml, "Account", r->caller.account);
    return true;
}

/* arn:aws:iam::111122223333:role/path/name */
static bool parse_role(struct request *r, const char *arn, const char **account, const char **name)
{
    static const char prefix[] = "arn:aws:iam::";
    const char *at = arn + sizeof prefix - 1;
    if (strncmp(arn, prefix, sizeof prefix - 1) != 0 || strspn(at, "0123456789") != 12 ||
        strncmp(at + 12, ":role/", 6) != 0 || !at[18]) {
        return fail(r, 400, "ValidationError", "%s is invalid", arn);
    }
    *account = arena_strndup(r->arena, at, 12);
    *name = strrchr(at, '/') + 1;
    return true;
}

bool sts_assume_role(struct request *r)
{
    const char *arn, *session, *account = NULL, *name = NULL;
    int64_t duration_s = 3600;
    if (!need(r, "RoleArn", &arn) || !need(r, "RoleSessionName", &session) ||
        !optional_int(r, "DurationSeconds", &duration_s) || !parse_role(r, arn, &account, &name)) {
        return false;
    }
    if (duration_s < 900 || duration_s > 43200) {
        return fail(r, 400, "ValidationError",
                    "DurationSeconds has to be between 900 and 43200 seconds");
    }
    const char *key = arena_printf(r->arena, "ASIA%016" PRIX64, draw(r));
    const char *secret = arena_printf(r->arena, "%016" PRIx64 "%016" PRIx64, draw(r), draw(r));
    const char *token = arena_printf(r->arena, "%016" PRIx64 "%016" PRIx64, draw(r), draw(r));
    const char *role_id =
        arena_printf(r->arena, "AROA%016" PRIX64 ":%s", mix_text(1, arn), session);
    const char *assumed =
        arena_printf(r->arena, "arn:aws:sts::%s:assumed-role/%s/%s", account, name, session);
    int64_t expires_ms = r->now_ms + duration_s * 1000;
    state_run(r->state, "INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?)", "ssssssi", key,
              secret, token, account, assumed, role_id, expires_ms);
    xml_open(&r->xml, "Credentials");
    xml_put(&r->xml, "AccessKeyId", key);
    xml_put(&r->xml, "SecretAccessKey", secret);
    xml_put(&r->xml, "SessionToken", token);
    xml_time(&r->xml, "Expiration", expires_ms);
    xml_close(&r->xml, "Credentials");
    xml_open(&r->xml, "AssumedRoleUser");
    xml_put(&r->xml, "AssumedRoleId", role_id);
    xml_put(&r->xml, "Arn", assumed);
    xml_close(&r->xml, "AssumedRoleUser");
    return true;
}
