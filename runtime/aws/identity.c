/* Who is asking: sts:GetCallerIdentity, and the guard of the account. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ask.h"
#include "runtime/aws/internal.h"

struct identification {
    struct arena *arena;
    struct aws_identity *identity;
};

static void on_identity(void *context, const struct aws_answer *answer)
{
    struct identification *identification = context;
    const char *account = xml_text(answer->xml, "GetCallerIdentityResult/Account");
    const char *arn = xml_text(answer->xml, "GetCallerIdentityResult/Arn");
    identification->identity->account =
        account ? one_line(identification->arena, account, strlen(account), 64) : NULL;
    identification->identity->arn =
        one_line(identification->arena, arn ? arn : "", arn ? strlen(arn) : 0, 2048);
}

bool aws_identify(struct aws *aws, struct arena *arena, struct aws_identity *identity,
                  struct error *error)
{
    struct identification identification = {arena, identity};
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_STS, "GetCallerIdentity");
    struct question question = {.service = AWS_SERVICE_STS,
                                .operation = "GetCallerIdentity",
                                .body = buffer_text(&form.body),
                                .bucket = BUCKET_STS,
                                .page = on_identity,
                                .context = &identification};
    struct asks *asks = asks_create(aws->client);
    asks_add(asks, &question);
    buffer_free(&form.body);
    bool ok = asks_run(asks, error);
    asks_destroy(asks);
    if (ok && !identity->account) {
        return error_set(error, "sts GetCallerIdentity: the answer names no account");
    }
    if (ok && aws->account && strcmp(aws->account, identity->account) != 0) {
        error_set(error, "these credentials (%s) are of account %s, and the plan recovers into %s",
                  identity->arn, identity->account, aws->account);
        return error_help(error,
                          "use credentials of account %s, or correct "
                          "sites.recovery.aws.account",
                          aws->account);
    }
    return ok;
}
