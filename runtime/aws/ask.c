#include "runtime/aws/ask.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"

enum {
    UNREACHABLE_TRIES_MAX = 3, /* no network: a minute would tell nothing more */
    BRIEF_TRIES_MAX = 2,
    REQUEST_TIMEOUT_MS = 20000,
    BACKOFF_MAX_MS = 8000,
    PAGES_MAX = 1000,
};

struct asking {
    struct asks *asks;
    struct question question;
    char *next_token;       /* NULL: the first page */
    int64_t patience_until; /* monotonic */
    int tries, unreachable, pages;
    struct aws_client_call *sent;
    struct world_task *pause;
    struct asking *prev, *next;
};

struct asks {
    struct aws_client *client;
    struct asking *list;
    struct error error;
    bool over;
};

struct asks *asks_create(struct aws_client *client)
{
    struct asks *asks = base_alloc(sizeof *asks);
    asks->client = client;
    return asks;
}

static void end(struct asking *asking)
{
    struct asks *asks = asking->asks;
    if (asking->sent) {
        aws_client_cancel(asking->sent);
    }
    if (asking->pause) {
        world_cancel(aws_client_world(asks->client), asking->pause);
    }
    DL_DELETE(asks->list, asking);
    free((char *)asking->question.body);
    free(asking->next_token);
    free(asking);
    asks->over = asks->over || !asks->list;
}

void asks_destroy(struct asks *asks)
{
    if (asks) {
        while (asks->list) {
            end(asks->list);
        }
        error_clear(&asks->error);
        free(asks);
    }
}

static void send(struct asking *asking);

static void on_pause_over(void *context)
{
    struct asking *asking = context;
    asking->pause = NULL;
    send(asking);
}

static void extend_patience(struct asking *asking)
{
    struct world *world = aws_client_world(asking->asks->client);
    asking->patience_until = world_monotonic_ms(world) + ASK_PATIENCE_MS;
    asking->tries = asking->unreachable = 0;
}

static int64_t backoff(struct asking *asking, const struct aws_answer *answer)
{
    uint32_t bits;
    world_random(aws_client_world(asking->asks->client), &bits, sizeof bits);
    int64_t most = (int64_t)1000 << (asking->tries < 3 ? asking->tries : 3);
    most = most > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : most;
    int64_t delay = most / 4 + (int64_t)(bits % 1024) * most * 3 / 4 / 1024;
    return delay > answer->retry_after_ms ? delay : answer->retry_after_ms;
}

/* Whether another try is worth it, and within patience. */
static bool again(struct asking *asking, const struct aws_answer *answer)
{
    struct world *world = aws_client_world(asking->asks->client);
    if (answer->outcome != OUTCOME_RETRY && answer->outcome != OUTCOME_THROTTLED) {
        return false;
    }
    asking->unreachable += answer->failure == HTTP_UNREACHABLE;
    int64_t delay = backoff(asking, answer);
    asking->tries++;
    bool enough = asking->question.brief && asking->tries >= BRIEF_TRIES_MAX &&
                  answer->outcome == OUTCOME_RETRY;
    if (enough || asking->unreachable >= UNREACHABLE_TRIES_MAX ||
        world_monotonic_ms(world) + delay >= asking->patience_until) {
        return false;
    }
    asking->pause = world_timer(world, delay, on_pause_over, asking);
    return true;
}

static void fail(struct asking *asking, const struct aws_answer *answer)
{
    struct asks *asks = asking->asks;
    if (!asks->error.message) {
        aws_answer_error(answer, &asks->error);
        if (asking->tries > 1) {
            error_set(&asks->error, "%s; tried %d times", asks->error.message, asking->tries);
        }
    }
    asks->over = true;
}

/* A page that names itself as the next one, or pages without end: nothing to build facts on. */
static bool is_endless(const struct asking *asking, const char *next)
{
    bool same = asking->next_token && strcmp(asking->next_token, next) == 0;
    return same || asking->pages >= PAGES_MAX;
}

static void fail_endless(struct asking *asking)
{
    struct asks *asks = asking->asks;
    if (!asks->error.message) {
        error_set(&asks->error, "%s %s: the pages of the answer do not end (page %d)",
                  aws_service_info(asking->question.service)->name, asking->question.operation,
                  asking->pages);
        error_help(&asks->error, "something between here and AWS answers in its place: check "
                                 "AWS_ENDPOINT_URL and the proxy");
    }
    asks->over = true;
}

static void see_page(struct asking *asking, const struct aws_answer *answer)
{
    const struct question *question = &asking->question;
    const char *next = question->paged ? xml_text(answer->xml, "nextToken") : NULL;
    asking->pages++;
    if (next && is_endless(asking, next)) {
        fail_endless(asking);
        return;
    }
    free(asking->next_token);
    asking->next_token = next ? base_strdup(next) : NULL;
    question->page(question->context, answer);
    if (next) {
        extend_patience(asking);
        send(asking);
    } else {
        end(asking);
    }
}

static void on_answer(void *context, const struct aws_answer *answer)
{
    struct asking *asking = context;
    asking->sent = NULL;
    if (answer->outcome == OUTCOME_OK) {
        see_page(asking, answer);
    } else if (!again(asking, answer)) {
        const struct question *question = &asking->question;
        if (question->refused && question->refused(question->context, answer)) {
            end(asking);
        } else {
            fail(asking, answer);
        }
    }
}

static void send(struct asking *asking)
{
    const struct question *question = &asking->question;
    struct aws_client *client = asking->asks->client;
    int64_t left = asking->patience_until - world_monotonic_ms(aws_client_world(client));
    struct form form = {{0}};
    buffer_puts(&form.body, question->body);
    form_add(&form, asking->next_token, "NextToken");
    struct aws_client_request request = {.service = question->service,
                                         .operation = question->operation,
                                         .body = buffer_text(&form.body),
                                         .body_length = form.body.length,
                                         .bucket = question->bucket,
                                         .timeout_ms = left < 1 ? 1
                                                       : left < REQUEST_TIMEOUT_MS
                                                           ? left
                                                           : REQUEST_TIMEOUT_MS};
    asking->sent = aws_client_send(client, &request, on_answer, asking);
    buffer_free(&form.body);
}

void asks_add(struct asks *asks, const struct question *question)
{
    struct asking *asking = base_alloc(sizeof *asking);
    asking->asks = asks;
    asking->question = *question;
    asking->question.body = base_strdup(question->body);
    DL_APPEND(asks->list, asking);
    extend_patience(asking);
    send(asking);
}

void asks_add_form(struct asks *asks, const char *operation, struct form *form, bool paged,
                   void (*page)(void *context, const struct aws_answer *answer), void *context)
{
    struct question question = {.service = AWS_SERVICE_EC2,
                                .operation = operation,
                                .body = buffer_text(&form->body),
                                .paged = paged,
                                .bucket = bucket_of_api(operation, BUCKET_EC2_DESCRIBE),
                                .page = page,
                                .context = context};
    asks_add(asks, &question);
    buffer_free(&form->body);
}

bool asks_run(struct asks *asks, struct error *error)
{
    asks->over = !asks->list;
    world_run(aws_client_world(asks->client), &asks->over);
    if (asks->error.message) {
        return error_move(error, &asks->error);
    }
    return !asks->list || error_set(error, "AWS gave no answer");
}
