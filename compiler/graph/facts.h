/* Facts: what a plan cannot know, as drc-facts/1 (schemas/facts.schema.json). Inventory decides
 * the graph's shape; bindings fill it. Gathered by the runtime (or read from a file), used by
 * lower/ and estimate. */
#ifndef DRC_GRAPH_FACTS_H
#define DRC_GRAPH_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/base/map.h"
#include "compiler/graph/action.h"

struct arena;
struct buffer;

struct fact_disk {
    int64_t bytes;          /* of the source disk */
    int64_t size_gib;       /* of the DR copy: what a volume needs at least */
    const char *controller; /* pvscsi, lsilogic, sata, ide, nvme; NULL unknown */
    bool bootable;          /* disk 0: a dr-copy-bootable snapshot is there (replicate: of what is copied) */
    /* Of replicate: */
    const char *whole; /* why its next copy has to be a whole one: a word of fact_whole_reason; NULL: it is
                          a change of the copy that the bindings name */
};

/* Why a DR copy has to be a whole one, in a few words for people; NULL: no such word. Words: "first",
 * "map-missing", "snapshot-gone", "key-changed", "unencrypted-parent", "disk-shrank". */
const char *fact_whole_reason(const char *word);

struct fact_vm {
    const char *name;
    int64_t cpus, memory_mib; /* 0: unknown */
    const char *firmware;     /* "bios", "uefi"; NULL unknown */
    const char *os;           /* "linux", "windows"; NULL unknown */
    const char *arch;         /* "x86_64", "arm64"; NULL unknown */
    const char *guest_id;
    struct fact_disk *disks;
    size_t disk_count;
    /* Of replicate: */
    bool copied;     /* the recovery point is a usable DR copy already: nothing to do */
    int64_t excess;  /* snapshots over `keep` once it is copied, none of them held */
};

struct fact_instance_type {
    const char *name; /* m6i.large */
    int64_t vcpus, memory_mib;
    const char *arch;        /* x86_64, arm64 */
    bool bios, uefi;         /* supported boot modes */
    int max_cards;           /* network interfaces */
    int max_volumes;         /* EBS attachments, root included, with one card */
    bool shared_attachments; /* each further card takes the place of a volume */
    const char **zones;      /* where it is offered; zone_count 0: not known */
    size_t zone_count;
};

struct fact_image {
    const char *id;
    const char *root_device; /* /dev/xvda */
    const char *boot_mode;   /* legacy-bios, uefi, uefi-preferred */
    const char *os;          /* linux, windows */
    const char *arch;
};

struct fact_subnet {
    const char *id, *zone, *cidr, *vpc;
};

struct fact_conversion {
    const char *id, *zone, *state;
    int cpus;
    int slots; /* devices free for boot disks: /dev/sdp, /dev/sdo, … down to the first taken one */
};

/* Lies in an arena. Without facts a pointer to this is NULL everywhere. */
struct facts {
    const char *observed_at; /* RFC 3339, UTC */
    const char *source;      /* "aws:eu-west-1/111122223333", "file:…" */
    const char *account, *region;
    struct map vms;            /* name -> struct fact_vm * */
    struct map instance_types; /* name -> struct fact_instance_type * */
    struct map images;         /* plan's text (ami-… or ssm:PARAMETER) -> struct fact_image * */
    struct map subnets;        /* id -> struct fact_subnet * */
    struct map conversions;    /* id -> struct fact_conversion * */
    /* -> const char *: "db/disk-0/snapshot", "db/disk-0/bootable-snapshot" (fact_disk.bootable),
     * "db/recovery-point". Of replicate: "db/recovery-point" (of the repository), "db/last-copy" (the
     * recovery point of the last usable DR copy; absent: there is none), "db/disk-0/map",
     * "db/disk-0/parent-map" and "db/disk-0/parent-snapshot" (of increments), "db/excess-0/snapshot",
     * "db/disk-0/snapshot" (of a VM that is copied, and lacks its bootable copy), "web/damaged" (why its
     * recovery point cannot be read: the VM is not among `vms`), "kms-key" (the ARN of the plan's key),
     * "repository" (with an absolute path) */
    struct map bindings;
    struct map durations; /* action name, or node id -> int64_t * (ms), measured before */
    struct map blocks;    /* "db/disk-0" -> int64_t *: how many blocks of 512 KiB its next copy takes */
    struct {              /* measured by earlier runs; 0: never */
        int64_t copy_bytes_per_s;   /* put-blocks, of all disks at once: bytes of blocks sent */
        int64_t backup_bytes_per_s; /* of all disks at once: bytes of disks read */
    } throughput;
    /* --bandwidth of the run that is predicted, of all disks at once; 0: none. Not of the sites: neither
     * read from a file of facts nor written. */
    int64_t copy_limit_bytes_per_s;
    struct {
        const char *at, *digest; /* NULL: never */
        bool passed;
    } last_test;
};

struct facts *facts_create(struct arena *arena);
/* Refuses what its schema does not allow. */
struct facts *facts_read(struct arena *arena, const char *path, const char *text, size_t length,
                         struct error *error);
void facts_write(const struct facts *facts, struct buffer *out);
/* SHA-256 in hex over the inventory alone, written canonically. */
void facts_inventory_digest(const struct facts *facts, char out[65]);

/* The built-in catalogue of instance types (instance_type.def): for "auto" and checks without
 * facts. NULL when unknown. */
const struct fact_instance_type *catalogue_type(const char *name);
size_t catalogue_count(void);
const struct fact_instance_type *catalogue_at(size_t index); /* families together, small first */

#endif
