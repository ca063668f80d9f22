#include "tests/sim/copies.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/world.h"
#include "tests/sim/cloud.h"
#include "tests/sim/trial_state.h"

void copies_begin(struct copies *copies, const char *run, int generation)
{
    copies->run = arena_strdup(copies->trial->arena, run);
    copies->generation = generation;
    copies->put_again = 0;
}

static struct snapshot *find(struct copies *copies, const char *id)
{
    for (size_t i = 0; id && i < copies->count; i++) {
        if (strcmp(copies->items[i].id, id) == 0) {
            return &copies->items[i];
        }
    }
    return NULL;
}

/* What the snapshot holds there, its parents' blocks included; NULL: zeros. */
static const struct block_digest *content(const struct snapshot *snapshot, size_t i)
{
    for (; snapshot; snapshot = snapshot->parent) {
        if (snapshot->put[i]) {
            return &snapshot->digests[i];
        }
    }
    return NULL;
}

static bool same(const struct disk *disk, const struct block_digest *held, int generation, size_t i)
{
    return held ? block_digest_equal(held, &disk->digests[generation][i])
                : disk->values[generation][i] == 0;
}

/* --- what was asked of EBS direct --- */

static const char *json_tag(const cJSON *body, const char *key)
{
    const cJSON *tags = cJSON_GetObjectItemCaseSensitive(body, "Tags"), *tag;
    cJSON_ArrayForEach (tag, tags) {
        const char *name = cloud_json_text(tag, "Key");
        if (name && strcmp(name, key) == 0) {
            return cloud_json_text(tag, "Value");
        }
    }
    return NULL;
}

static void add(struct copies *copies, const char *id, const cJSON *body)
{
    struct trial *trial = copies->trial;
    const char *number = json_tag(body, "drc:disk"), *run = json_tag(body, "drc:run");
    const char *parent = cloud_json_text(body, "ParentSnapshotId");
    const struct disk *disk =
        disks_find(copies->disks, json_tag(body, "drc:vm"), number ? atoi(number) : -1);
    struct snapshot *from = find(copies, parent);
    if (!disk || !run || copies->count == SNAPSHOTS_MAX) {
        trial_complain(trial, "%s is begun without the tags of a disk, or is one too many", id);
        return;
    }
    if (parent && (!from || !from->tagged || from->disk != disk)) {
        trial_complain(trial, "%s is built upon %s, which is no copy of its disk", id, parent);
    }
    copies->items[copies->count++] = (struct snapshot){.id = arena_strdup(trial->arena, id),
                                                       .run = arena_strdup(trial->arena, run),
                                                       .disk = disk,
                                                       .parent = from,
                                                       .generation = copies->generation};
}

static void started(struct copies *copies, const struct http_request *request,
                    const struct http_response *response)
{
    cJSON *body = cJSON_ParseWithLength(request->body, request->body_length);
    cJSON *answer = cJSON_ParseWithLength(response->body, response->body_length);
    const char *id = cloud_json_text(answer, "SnapshotId");
    if (id && !find(copies, id)) { /* the same token gives the same snapshot */
        add(copies, id, body);
    }
    cJSON_Delete(body);
    cJSON_Delete(answer);
}

static void check_put(struct copies *copies, const struct snapshot *snapshot, size_t i,
                      const struct block_digest *digest)
{
    const struct disk *disk = snapshot->disk;
    struct trial *trial = copies->trial;
    uint64_t index = disk->indexes[i];
    if (snapshot->completed) {
        trial_complain(trial, "block %" PRIu64 " of %s is put behind its completion", index, snapshot->id);
    }
    if (!same(disk, digest, snapshot->generation, i)) {
        trial_complain(trial, "block %" PRIu64 " of %s is not what the disk holds", index, snapshot->id);
    }
    if (same(disk, content(snapshot->parent, i), snapshot->generation, i)) {
        trial_complain(trial, "block %" PRIu64 " is sent into %s and has not changed", index, snapshot->id);
    }
    if (snapshot->kept[i] && !copies->repeats) {
        trial_complain(trial, "block %" PRIu64 " is sent into %s again, though the journal has it as put",
                       index, snapshot->id);
    }
}

static void put(struct copies *copies, const char *id, uint64_t index,
                const struct http_request *request)
{
    struct snapshot *snapshot = find(copies, id);
    struct block_digest digest;
    size_t i = 0;
    while (snapshot && i < snapshot->disk->count && snapshot->disk->indexes[i] != index) {
        i++;
    }
    if (!snapshot || i == snapshot->disk->count) {
        trial_complain(copies->trial, "block %" PRIu64 " is put into %s, where nothing has changed", index, id);
        return;
    }
    block_digest(request->body, request->body_length, &digest);
    check_put(copies, snapshot, i, &digest);
    copies->puts++;
    copies->put_again += snapshot->put[i];
    snapshot->put[i] = true;
    snapshot->digests[i] = digest;
}

static void ask_ebs(struct copies *copies, const char *path, const struct http_request *request,
                    const struct http_response *response)
{
    char id[64];
    uint64_t index;
    if (strcmp(request->method, "PUT") == 0 &&
        sscanf(path, "/snapshots/%63[^/]/blocks/%" SCNu64, id, &index) == 2) {
        put(copies, id, index, request);
    } else if (strcmp(request->method, "POST") == 0 && strcmp(path, "/snapshots") == 0) {
        started(copies, request, response);
    } else if (sscanf(path, "/snapshots/completion/%63[^/?]", id) == 1) {
        struct snapshot *snapshot = find(copies, id);
        if (snapshot) {
            snapshot->completed = true;
        }
    }
}

/* --- what was asked of EC2 --- */

/* By the cloud's own book: completing takes its time. */
static bool is_completed(struct copies *copies, const char *id, int64_t utc_ms)
{
    struct sandbox_item *items = NULL;
    size_t count = sandbox_list(copies->sandbox, copies->trial->arena, utc_ms, SANDBOX_SNAPSHOT, &items);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i].id, id) == 0) {
            return strcmp(items[i].state, "completed") == 0;
        }
    }
    return false;
}

static void tagged(struct copies *copies, const char *id, const struct exchange_seen *seen)
{
    struct snapshot *snapshot = find(copies, id);
    const char *role = cloud_tag(seen, "drc:role"), *time = cloud_tag(seen, "drc:recovery-point");
    struct trial *trial = copies->trial;
    if (!role || strcmp(role, "dr-copy") != 0) {
        return;
    }
    if (!snapshot || !snapshot->completed || snapshot->deleted ||
        !is_completed(copies, id, seen->utc_ms)) {
        trial_complain(trial, "%s is tagged as a DR copy, and is not completed", id);
        return;
    }
    if (!time || strcmp(time, disks_time(snapshot->generation)) != 0) {
        trial_complain(trial, "%s is tagged as a copy of %s", id, time ? time : "nothing");
    }
    for (size_t i = 0; i < snapshot->disk->count; i++) {
        if (!same(snapshot->disk, content(snapshot, i), snapshot->generation, i)) {
            trial_complain(trial, "%s is tagged as a DR copy, and block %" PRIu64 " is another", id,
                           snapshot->disk->indexes[i]);
        }
    }
    snapshot->tagged = true;
}

static void deleted(struct copies *copies, const char *id)
{
    struct snapshot *snapshot = find(copies, id);
    if (!snapshot) {
        trial_complain(copies->trial, "%s is deleted, which no replicate has made", id ? id : "?");
        return;
    }
    if (snapshot->tagged && snapshot->generation == copies_newest(copies, snapshot->disk->vm)) {
        trial_complain(copies->trial, "%s is deleted: it is of the newest complete copy of %s", id,
                       snapshot->disk->vm);
    }
    snapshot->deleted = true;
}

static void ask_ec2(struct copies *copies, int64_t utc_ms, const struct http_request *request,
                    const struct http_response *response)
{
    struct exchange_seen seen = cloud_read(copies->trial->arena, utc_ms, request, response);
    const char *id;
    if (strcmp(seen.operation, "CreateTags") == 0) {
        for (int i = 0; (id = cloud_nth(&seen, "ResourceId", i)); i++) {
            tagged(copies, id, &seen);
        }
    } else if (strcmp(seen.operation, "DeleteSnapshot") == 0 && seen.changes) {
        deleted(copies, cloud_parameter(&seen, "SnapshotId"));
    }
    cloud_forget(&seen);
}

void copies_exchange(struct copies *copies, int64_t utc_ms, const struct http_request *request,
                     const struct http_response *response)
{
    const char *host = strstr(request->url, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    if (!path || response->failure != HTTP_ANSWERED || response->status < 200 ||
        response->status > 299) {
        return;
    }
    if (strncmp(host + 3, "ebs.", 4) == 0) {
        ask_ebs(copies, path, request, response);
    } else if (strncmp(host + 3, "ec2.", 4) == 0) {
        ask_ec2(copies, utc_ms, request, response);
    }
}

/* --- what the journal has --- */

/* The blocks of a snapshot that its disk's map and its parent's differ in, in order. */
static size_t changed(const struct snapshot *snapshot, size_t out[DISK_BLOCKS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->disk->count; i++) {
        if (!same(snapshot->disk, content(snapshot->parent, i), snapshot->generation, i)) {
            out[count++] = i;
        }
    }
    return count;
}

/* "blocks MARK:HEX": all before MARK, and from there one bit for each, the lowest first. */
static bool is_kept(const char *text, size_t number)
{
    unsigned long mark = 0;
    int at = 0;
    if (sscanf(text, "blocks %lu:%n", &mark, &at) != 1 || at == 0) {
        return false;
    }
    size_t digits = strlen(text + at), beyond = number - mark;
    if (number < mark || beyond / 4 >= digits) {
        return number < mark;
    }
    char digit[2] = {text[at + (int)(beyond / 4)], '\0'};
    return strtoul(digit, NULL, 16) >> beyond % 4 & 1;
}

static struct snapshot *under_way(struct copies *copies, const char *node)
{
    char vm[16];
    int number;
    if (sscanf(node, "%15[^/]/disk-%d/put-blocks", vm, &number) != 2) {
        return NULL;
    }
    for (size_t i = copies->count; i-- > 0;) {
        struct snapshot *snapshot = &copies->items[i];
        if (strcmp(snapshot->run, copies->run) == 0 && snapshot->disk->number == number &&
            strcmp(snapshot->disk->vm, vm) == 0) {
            return snapshot->deleted ? NULL : snapshot;
        }
    }
    return NULL;
}

static void take_note(struct copies *copies, const char *node, const char *text)
{
    struct snapshot *snapshot = under_way(copies, node);
    size_t list[DISK_BLOCKS_MAX];
    size_t count = snapshot && text ? changed(snapshot, list) : 0;
    for (size_t n = 0; n < count; n++) {
        snapshot->kept[list[n]] = is_kept(text, n);
        copies->trial->counts->blocks_kept += snapshot->kept[list[n]];
        if (snapshot->kept[list[n]] && !snapshot->put[list[n]]) {
            trial_complain(copies->trial, "%s: the journal has block %" PRIu64 " as put, and it is not", node,
                           snapshot->disk->indexes[list[n]]);
        }
    }
}

static void take_record(const cJSON *record, const struct graph *graph, char **notes)
{
    const char *kind = cloud_json_text(record, "r"), *kept = cloud_json_text(record, "k");
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(record, "n");
    if (!kind || !cJSON_IsNumber(node) || (size_t)node->valuedouble >= graph->node_count) {
        return;
    }
    char **note = &notes[(size_t)node->valuedouble];
    bool noted = strcmp(kind, "note") == 0;
    if (noted || strcmp(kind, "next") == 0 || strcmp(kind, "redo") == 0) {
        free(*note);
        *note = noted && kept ? strdup(kept) : NULL;
    }
}

static void read_groups(struct copies *copies, sqlite3 *file, const struct graph *graph, char **notes)
{
    sqlite3_stmt *rows = NULL;
    sqlite3_prepare_v2(file, "SELECT records FROM groups ORDER BY number", -1, &rows, NULL);
    int step = SQLITE_ERROR;
    while (rows && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        for (const char *line = (const char *)sqlite3_column_text(rows, 0); *line;) {
            size_t length = strcspn(line, "\n");
            cJSON *record = cJSON_ParseWithLength(line, length);
            take_record(record, graph, notes);
            cJSON_Delete(record);
            line += length + (line[length] == '\n');
        }
    }
    sqlite3_finalize(rows);
    if (step != SQLITE_DONE) {
        trial_complain(copies->trial, "reading the journal: %s", sqlite3_errmsg(file));
    }
}

void copies_read_journal(struct copies *copies, const struct graph *graph, const char *path)
{
    char **notes = base_alloc((graph->node_count + 1) * sizeof *notes);
    sqlite3 *file = NULL;
    if (sqlite3_open_v2(path, &file, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
        read_groups(copies, file, graph, notes);
    } else {
        trial_complain(copies->trial, "%s: %s", path, sqlite3_errmsg(file));
    }
    sqlite3_close(file);
    for (size_t i = 0; i < graph->node_count; i++) {
        take_note(copies, graph->nodes[i].id, notes[i]);
        free(notes[i]);
    }
    free(notes);
}

/* --- what there is --- */

size_t copies_of(const struct copies *copies, const struct disk *disk, int generation)
{
    size_t count = 0;
    for (size_t i = 0; i < copies->count; i++) {
        const struct snapshot *one = &copies->items[i];
        count += one->disk == disk && one->generation == generation && one->tagged && !one->deleted;
    }
    return count;
}

int copies_newest(const struct copies *copies, const char *vm)
{
    for (int g = GENERATIONS - 1; g >= 0; g--) {
        bool whole = true;
        for (int i = 0; i < DISKS; i++) {
            const struct disk *disk = &copies->disks->disks[i];
            whole = whole && (strcmp(disk->vm, vm) != 0 || copies_of(copies, disk, g) > 0);
        }
        if (whole) {
            return g;
        }
    }
    return -1;
}
