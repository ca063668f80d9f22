/* Snapshots. */
#include <string.h>

#include "runtime/sandbox/ebs.h"
#include "runtime/sandbox/ec2.h"

static void load_state(struct request *r, struct snapshot *snapshot, int64_t percent)
{
    bool written = snapshot->expires_ms != 0;
    bool done = !written && r->now_ms >= snapshot->completed_ms;
    bool error = written && r->now_ms >= snapshot->expires_ms;
    snapshot->state = done ? "completed" : error ? "error" : "pending";
    snapshot->progress = arena_printf(r->arena, "%d%%", done ? 100 : (int)percent);
}

void *snapshot_load(struct request *r, const char *id)
{
    struct sqlite3_stmt *row = state_query(
        r->state,
        "SELECT created_ms, completed_ms, volume, size_gib, encrypted, description, content, "
        "firmware, kms_key, map, lineage, parent, expires_ms, timeout_ms, progress FROM snapshots "
        "WHERE id = ? AND deleted_ms IS NULL",
        "s", id);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct snapshot *snapshot = ARENA_NEW(r->arena, struct snapshot);
    snapshot->resource.id = arena_strdup(r->arena, id);
    snapshot->resource.created_ms = state_int(row, 0);
    snapshot->completed_ms = state_int(row, 1);
    snapshot->volume = state_text(r->arena, row, 2);
    snapshot->size_gib = state_int(row, 3);
    snapshot->encrypted = state_int(row, 4);
    snapshot->description = state_text(r->arena, row, 5);
    snapshot->content = state_text(r->arena, row, 6);
    snapshot->firmware = state_text(r->arena, row, 7);
    snapshot->kms_key = state_text(r->arena, row, 8);
    snapshot->map = state_int(row, 9);
    snapshot->lineage = state_text(r->arena, row, 10);
    snapshot->parent = state_text(r->arena, row, 11);
    snapshot->expires_ms = state_int(row, 12);
    snapshot->timeout_ms = state_int(row, 13);
    load_state(r, snapshot, state_int(row, 14));
    state_done(row);
    snapshot->owner = r->caller.account;
    tags_load(r, &snapshot->resource);
    return snapshot;
}

static void write_snapshot(struct request *r, const void *object)
{
    const struct snapshot *snapshot = object;
    xml_put(&r->xml, "snapshotId", snapshot->resource.id);
    xml_put(&r->xml, "volumeId", snapshot->volume);
    xml_put(&r->xml, "status", snapshot->state);
    xml_time(&r->xml, "startTime", snapshot->resource.created_ms);
    xml_put(&r->xml, "progress", snapshot->progress);
    xml_put(&r->xml, "ownerId", snapshot->owner);
    xml_int(&r->xml, "volumeSize", snapshot->size_gib);
    xml_put(&r->xml, "description", snapshot->description);
    tags_write(r, &snapshot->resource.tags);
    xml_bool(&r->xml, "encrypted", snapshot->encrypted);
    xml_put(&r->xml, "kmsKeyId", snapshot->kms_key);
    xml_put(&r->xml, "storageTier", "standard");
    if (strcmp(snapshot->state, "completed") == 0) {
        xml_time(&r->xml, "completionTime", snapshot->completed_ms);
    }
}

#define FIELD(name, type, member)                                                                  \
    {                                                                                              \
        name, FILTER_##type, offsetof(struct snapshot, member), NULL                               \
    }
static const struct filter_field fields[] = {
    FIELD("snapshot-id", TEXT, resource.id),
    FIELD("status", TEXT, state),
    FIELD("volume-id", TEXT, volume),
    FIELD("volume-size", INT, size_gib),
    FIELD("description", TEXT, description),
    FIELD("encrypted", BOOL, encrypted),
    FIELD("owner-id", TEXT, owner),
    FIELD("progress", TEXT, progress),
    FIELD("start-time", TIME, resource.created_ms),
    {0},
};
#undef FIELD

const struct resource_kind snapshot_kind = {
    .ids = "SnapshotId",
    .prefix = "snap",
    .set = "snapshotSet",
    .list = "SELECT id FROM snapshots ORDER BY rowid",
    .malformed = "InvalidSnapshotID.Malformed",
    .not_found = "InvalidSnapshot.NotFound",
    .noun = "snapshot '%s'",
    .fields = fields,
    .page_min = 5,
    .page_max = 1000,
    .page_excludes_ids = true,
    .load = snapshot_load,
    .write = write_snapshot,
};

/* Owner.N: only snapshots of the own account are here. */
static bool owned_by_caller(struct request *r, const void *object)
{
    (void)object;
    struct texts_list owners = query_list(&r->query, "Owner");
    for (size_t i = 0; i < owners.count; i++) {
        if (strcmp(owners.items[i], "self") == 0 ||
            strcmp(owners.items[i], r->caller.account) == 0) {
            return true;
        }
    }
    return owners.count == 0;
}

bool ec2_describe_snapshots(struct request *r)
{
    struct resource_kind kind = snapshot_kind;
    kind.listed = owned_by_caller;
    return describe(r, &kind);
}

bool ec2_create_snapshot(struct request *r)
{
    static const char *const taggable[] = {"snapshot", NULL};
    const char *volume_id;
    if (!need(r, "VolumeId", &volume_id) || !tags_check(r, taggable)) {
        return false;
    }
    struct volume *volume = find_object(r, &volume_kind, volume_id);
    if (!volume) {
        return false;
    }
    if (strcmp(volume->state, "available") != 0 && strcmp(volume->state, "in-use") != 0) {
        return fail(r, 400, "IncorrectState", "Volume '%s' is in the '%s' state.", volume_id,
                    volume->state);
    }
    const char *id = new_id(r, "snap");
    const char *description = query_get(&r->query, "Description");
    state_run(r->state,
              "INSERT INTO snapshots (id, created_ms, completed_ms, volume, size_gib, encrypted, "
              "description, content, firmware, kms_key, map, lineage) "
              "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?)",
              "siisidssssis", id, r->now_ms, r->now_ms + SNAPSHOT_MS, volume_id, volume->size_gib,
              (int)volume->encrypted, description ? description : "", volume->content,
              volume->firmware, volume->kms_key, volume->map, volume->lineage);
    tags_put(r, "snapshot", id);
    write_snapshot(r, snapshot_load(r, id));
    return true;
}

bool ec2_delete_snapshot(struct request *r)
{
    const char *id;
    struct snapshot *snapshot = NULL;
    if (!need(r, "SnapshotId", &id) || !(snapshot = find_object(r, &snapshot_kind, id))) {
        return false;
    }
    const char *image =
        state_value_text(r->state, r->arena,
                         "SELECT image FROM image_devices JOIN images ON images.id = image "
                         "WHERE snapshot = ? AND deleted_ms IS NULL",
                         "s", id);
    if (image) {
        return fail(r, 400, "InvalidSnapshot.InUse", "The snapshot %s is currently in use by %s",
                    id, image);
    }
    /* A volume that still loads from it does not keep it: EC2 lets it go. */
    state_run(r->state, "UPDATE snapshots SET deleted_ms = ? WHERE id = ?", "is", r->now_ms, id);
    blocks_forget(r, snapshot->map);
    xml_bool(&r->xml, "return", true);
    return true;
}
