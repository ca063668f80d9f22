#include "runtime/aws/recovery_points.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

static const char *kept(struct recovery_points *points, const char *text)
{
    return text && *text ? one_line(points->arena, text, strlen(text), 255) : NULL;
}

/* Whole decimal numbers only; -1 otherwise. */
static int64_t number(const char *text)
{
    size_t length = text ? strspn(text, "0123456789") : 0;
    return length > 0 && length <= 18 && text[length] == '\0' ? strtoll(text, NULL, 10) : -1;
}

static int64_t number_or_zero(const char *text)
{
    int64_t value = number(text);
    return value > 0 ? value : 0;
}

/* The point of that time, put in its place when it is new. */
static struct recovery_point *point_of(struct recovery_points *points, const char *vm,
                                       const char *time, int64_t utc_ms)
{
    struct recovery_point *first = map_get(&points->by_vm, vm), **at = &first;
    while (*at && (*at)->utc_ms > utc_ms) {
        at = &(*at)->next;
    }
    if (!*at || (*at)->utc_ms != utc_ms) {
        struct recovery_point *point = ARENA_NEW(points->arena, struct recovery_point);
        point->time = kept(points, time);
        point->utc_ms = utc_ms;
        point->next = *at;
        *at = point;
        map_put(&points->by_vm, arena_strdup(points->arena, vm), first);
        return point;
    }
    return *at;
}

/* The run of a tag drc:hold:RUN. */
static const char *holder_of(struct recovery_points *points, const struct xml *snapshot)
{
    static const char hold[] = "drc:hold:";
    for (const struct xml *tag = xml_first(snapshot, "tagSet"); tag; tag = tag->next) {
        const char *key = xml_text(tag, "key");
        if (key && strncmp(key, hold, sizeof hold - 1) == 0) {
            return kept(points, key + sizeof hold - 1);
        }
    }
    return NULL;
}

static struct dr_copy *read_copy(struct recovery_points *points, const struct xml *snapshot)
{
    struct dr_copy *copy = ARENA_NEW(points->arena, struct dr_copy);
    const char *state = xml_text(snapshot, "status");
    copy->id = kept(points, xml_text(snapshot, "snapshotId"));
    copy->completed = state && strcmp(state, "completed") == 0;
    const char *started = xml_text(snapshot, "startTime");
    int64_t started_utc_ms = started ? parse_time(started) : -1;
    copy->started_utc_ms = started_utc_ms > 0 ? started_utc_ms : 0;
    copy->size_gib = number_or_zero(xml_text(snapshot, "volumeSize"));
    copy->disk_bytes = number_or_zero(xml_tag(snapshot, "drc:disk-bytes"));
    copy->controller = kept(points, xml_tag(snapshot, "drc:controller"));
    copy->disks = number_or_zero(xml_tag(snapshot, "drc:disks"));
    copy->cpus = number_or_zero(xml_tag(snapshot, "drc:cpus"));
    copy->memory_mib = number_or_zero(xml_tag(snapshot, "drc:memory-mib"));
    copy->firmware = kept(points, xml_tag(snapshot, "drc:firmware"));
    copy->os = kept(points, xml_tag(snapshot, "drc:os"));
    copy->arch = kept(points, xml_tag(snapshot, "drc:arch"));
    copy->guest_id = kept(points, xml_tag(snapshot, "drc:guest-id"));
    const char *encrypted = xml_text(snapshot, "encrypted");
    copy->encrypted = encrypted && strcmp(encrypted, "true") == 0;
    copy->kms_key = kept(points, xml_text(snapshot, "kmsKeyId"));
    copy->held_by = holder_of(points, snapshot);
    return copy;
}

/* Of two copies of one disk and time, the completed one counts, then the smaller id, so that the
 * choice does not depend on the order of answers. */
static void put(struct dr_copy **slot, struct dr_copy *copy)
{
    bool better = !*slot || (copy->completed && !(*slot)->completed) ||
                  (copy->completed == (*slot)->completed && strcmp(copy->id, (*slot)->id) < 0);
    if (better) {
        copy->other = *slot;
        *slot = copy;
    } else {
        copy->other = (*slot)->other;
        (*slot)->other = copy;
    }
}

static void see_snapshot(struct recovery_points *points, const struct xml *snapshot)
{
    const char *vm = xml_tag(snapshot, "drc:vm"), *role = xml_tag(snapshot, "drc:role");
    const char *time = xml_tag(snapshot, "drc:recovery-point");
    int64_t disk = number(xml_tag(snapshot, "drc:disk"));
    int64_t utc_ms = time ? parse_time(time) : -1;
    if (!vm || !role || utc_ms < 0 || disk < 0 || disk >= DR_DISKS_MAX ||
        !xml_text(snapshot, "snapshotId")) {
        return; /* not a DR copy as drc makes them */
    }
    struct recovery_point *point = point_of(points, vm, time, utc_ms);
    struct dr_copy *copy = read_copy(points, snapshot);
    if (strcmp(role, "dr-copy") == 0) {
        put(&point->copies[disk], copy);
    } else if (strcmp(role, "dr-copy-bootable") == 0 && disk == 0) {
        put(&point->bootable, copy);
    }
}

static void on_snapshots(void *context, const struct aws_answer *answer)
{
    const struct xml *item = xml_first(answer->xml, "snapshotSet");
    for (; item; item = item->next) {
        see_snapshot(context, item);
    }
}

void recovery_points_ask(struct recovery_points *points, struct asks *asks)
{
    struct form form = {{0}};
    points->by_vm.arena = points->arena;
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSnapshots");
    form_add(&form, "self", "Owner.1");
    form_filter(&form, 1, "tag:drc:plan", points->plan);
    form_filter(&form, 2, "tag:drc:role", "dr-copy");
    form_add(&form, "dr-copy-bootable", "Filter.2.Value.2");
    form_add(&form, "1000", "MaxResults");
    asks_add_form(asks, "DescribeSnapshots", &form, true, on_snapshots, points);
}

const char *recovery_point_flaw(struct arena *arena, const struct recovery_point *point,
                                bool bootable)
{
    const struct dr_copy *first = point->copies[0];
    if (!first) {
        return "has no copy of disk 0";
    }
    if (first->disks < 1 || first->disks > DR_DISKS_MAX) {
        return "does not tell the number of disks (drc:disks)";
    }
    for (int64_t disk = 0; disk < first->disks; disk++) {
        const struct dr_copy *copy = point->copies[disk];
        if (!copy || !copy->completed) {
            return arena_printf(arena, "%s disk %d of %d",
                                copy ? "is not completed yet for" : "lacks a copy of", (int)disk,
                                (int)first->disks);
        }
    }
    bool injected = point->bootable && point->bootable->completed;
    return bootable && !injected ? "has no boot disk with injected drivers (dr-copy-bootable)"
                                 : NULL;
}

const struct recovery_point *recovery_points_choose(const struct recovery_points *points,
                                                    const char *vm, int64_t until_utc_ms,
                                                    bool bootable, const char **why)
{
    const struct recovery_point *first = map_get(&points->by_vm, vm);
    *why = "there is no snapshot with its tags";
    bool told = false;
    for (const struct recovery_point *point = first; point; point = point->next) {
        if (point->utc_ms > until_utc_ms) {
            if (!told) {
                *why = arena_printf(points->arena, "that of %s is too new", point->time);
            }
            continue;
        }
        const char *what = recovery_point_flaw(points->arena, point, bootable);
        if (!what) {
            return point;
        }
        if (!told) { /* the newest one that came into question */
            *why = arena_printf(points->arena, "that of %s %s", point->time, what);
            told = true;
        }
    }
    return NULL;
}
