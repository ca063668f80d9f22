#include "tests/unit/support/scratch_folder.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <stdlib.h>

#include "tests/unit/support/cmocka_all.h"

struct scratch_folder scratch_create(void)
{
    struct scratch_folder folder = {"/tmp/drc-test-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static void join(char out[256], const struct scratch_folder *folder, const char *name)
{
    int length = snprintf(out, 256, "%s/%s", folder->path, name);
    assert_in_range(length, 1, 255);
}

void scratch_write(const struct scratch_folder *folder, const char *name, const char *text,
                   unsigned mode)
{
    char path[256];
    join(path, folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

void scratch_write_sparse(const struct scratch_folder *folder, const char *name, size_t length,
                          unsigned mode)
{
    char path[256];
    scratch_write(folder, name, "", mode);
    join(path, folder, name);
    assert_int_equal(truncate(path, (off_t)length), 0);
}

void scratch_remove(const struct scratch_folder *folder)
{
    DIR *directory = opendir(folder->path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[256];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            join(path, folder, entry->d_name);
            assert_int_equal(remove(path), 0);
        }
    }
    closedir(directory);
    assert_int_equal(rmdir(folder->path), 0);
}
