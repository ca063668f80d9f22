#include "tests/unit/support/captured.h"

#include <stdlib.h>
#include <unistd.h>

#include "compiler/base/arena.h"

void captured_begin(struct captured *captured)
{
    *captured = (struct captured){0};
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        captured->files[i] = tmpfile();
        captured->saved[i] = dup(STDOUT_FILENO + i);
        if (!captured->files[i] || captured->saved[i] < 0) {
            abort();
        }
        dup2(fileno(captured->files[i]), STDOUT_FILENO + i);
    }
}

static char *contents(FILE *file)
{
    long length = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    char *text = base_alloc((size_t)length + 1);
    rewind(file);
    text[fread(text, 1, (size_t)length, file)] = '\0';
    fclose(file);
    return text;
}

void captured_end(struct captured *captured)
{
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        dup2(captured->saved[i], STDOUT_FILENO + i);
        close(captured->saved[i]);
    }
    captured->out = contents(captured->files[0]);
    captured->err = contents(captured->files[1]);
}

void captured_free(struct captured *captured)
{
    free(captured->out);
    free(captured->err);
    *captured = (struct captured){0};
}
