/* Keys from a credential_process: run on a thread of the pool, its output bounded in size and
 * time. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/aws/fetch.h"
#include "runtime/world/program.h"

enum { WORDS_MAX = 256 };

struct process { /* touched by the thread only between work's start and end */
    struct arena *arena;
    char **words;
    struct buffer output;
    const char *failure; /* static text, or in the arena */
};

void process_destroy(struct process *process)
{
    if (process) {
        buffer_wipe(&process->output);
        arena_destroy(process->arena);
        free(process);
    }
}

/* Words as a shell splits them: quotes and backslashes, nothing else. NULL: an open quote, or too
 * many. */
static char **split_words(struct arena *arena, const char *text)
{
    char **words = ARENA_ARRAY(arena, char *, WORDS_MAX + 1);
    size_t count = 0;
    while (*(text += strspn(text, " \t"))) {
        if (count == WORDS_MAX) {
            return NULL;
        }
        char *word = arena_alloc(arena, strlen(text) + 1), quote = '\0';
        size_t length = 0;
        for (; *text && (quote || (*text != ' ' && *text != '\t')); text++) {
            if (quote ? *text == quote : *text == '"' || *text == '\'') {
                quote = quote ? '\0' : *text;
            } else {
                text += *text == '\\' && quote != '\'' && text[1];
                word[length++] = *text;
            }
        }
        if (quote) {
            return NULL;
        }
        word[length] = '\0';
        words[count++] = word;
    }
    return count ? words : NULL;
}

static void run_process(void *context)
{
    struct process *process = ((struct fetch *)context)->process;
    process->failure = program_run(process->arena, process->words, &process->output);
}

static void on_process_ended(void *context)
{
    struct fetch *fetch = context;
    struct process *process = fetch->process;
    fetch->task = NULL;
    if (process->failure) {
        fetch_failed(fetch, "run it by hand to see why", "%s: %s", fetch->recipe->description,
                     process->failure);
    } else {
        fetch_read_json(fetch, fetch->recipe->description, buffer_text(&process->output),
                        process->output.length, "SessionToken");
    }
}

void fetch_from_process(struct fetch *fetch)
{
    process_destroy(fetch->process);
    fetch->process = base_alloc(sizeof *fetch->process);
    fetch->process->arena = arena_create();
    arena_wipe_at_end(fetch->process->arena);
    fetch->process->words = split_words(fetch->process->arena, fetch->recipe->process);
    if (!fetch->process->words) {
        fetch_failed(fetch, "quotes have to be closed", "%s: not a command line",
                     fetch->recipe->description); /* there may be a password in it */
        return;
    }
    fetch->task = world_work(fetch->settings->world, run_process, on_process_ended, fetch);
}
