/* Plan: the plan language bound to C data: names resolved to pointers, defaults filled in, units
 * converted. Made by plan_bind (bind.c) from a tree that the schema has passed; sound once the
 * checks (check_*.c) found no error. Everything lies in one arena and is not changed after that. */
#ifndef DRC_PLAN_PLAN_H
#define DRC_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/map.h"
#include "compiler/base/workflow.h"
#include "compiler/front/source.h"
#include "compiler/plan/reference.h"

struct arena;
struct diagnostics;
struct tree;

/* The two networks; most per-site values come in both. */
enum site_network { NETWORK_PRODUCTION, NETWORK_TEST, NETWORK_COUNT };

/* Text with its place; value NULL: not given. */
struct text {
    const char *value;
    struct span at;
};
struct texts {
    struct text *items;
    size_t count;
    struct span at;
};
/* Milliseconds with their place; given is false for a default. */
struct duration {
    int64_t ms;
    bool given;
    struct span at;
};
/* "30s", "15m", "4h", "30d" in milliseconds; -1: it is no duration, or longer than ten years. */
int64_t duration_parse(const char *text);
struct tag {
    const char *key, *value;
    struct span at;
};

/* env:NAME | file:PATH | command:PATH; never the value itself. */
struct secret {
    const char *reference; /* NULL: not given */
    struct span at;
};

struct subnet {
    const char *name; /* symbolic */
    struct text id, cidr, zone;
    struct span at;         /* of the symbolic name */
    uint32_t network, mask; /* of cidr, host byte order */
};
struct security_group {
    const char *name;
    struct text id;
    struct span at;
};
struct network {
    bool given;
    struct span at;
    struct text vpc;
    struct subnet *subnets;
    size_t subnet_count;
    struct security_group *groups;
    size_t group_count;
    struct texts dns; /* test only: zones that steps may change */
};

struct zone { /* of dns */
    const char *name;
    struct span at;
    bool rfc2136; /* else Route 53 */
    struct text zone_id, role_arn, server;
    struct text tsig_name, tsig_algorithm;
    struct secret tsig_secret;
};

/* A network card of a VM. */
struct card {
    struct span at;
    struct text subnet_name;
    const struct subnet
        *subnet[NETWORK_COUNT]; /* NULL where the network lacks it or is not given */
    struct texts group_names;
    const struct security_group **groups[NETWORK_COUNT]; /* group_names.count of them */
    struct text private_ip[NETWORK_COUNT]; /* as written; one text for both is in both */
    bool private_ip_shared; /* one address for both networks: used where the subnet holds it */
};

struct volume_settings { /* for one disk */
    int disk;
    struct text type;
    int64_t iops, throughput, initialization_rate; /* MiB/s; 0: not given */
    struct span at;
};

enum dependency_stage { STAGE_RUNNING, STAGE_READY, STAGE_RECOVERED };
struct dependency {
    struct plan_vm *vm;
    enum dependency_stage stage;
    struct span at;
};

enum step_kind { STEP_SCRIPT, STEP_DNS, STEP_CHECK, STEP_APPROVE, STEP_DELAY };
enum check_kind { CHECK_INSTANCE_STATUS, CHECK_TCP, CHECK_HTTP, CHECK_DNS, CHECK_SCRIPT };

struct check {
    enum check_kind kind;
    struct span at;
    int port;          /* tcp, http */
    const char *path;  /* http */
    int status;        /* http */
    const char *match; /* http: PCRE2 pattern on the body, NULL: none */
    struct span match_at;
    bool tls;              /* http */
    struct text script;    /* script */
    const char *dns_name;  /* dns */
    struct template value; /* dns */
    bool on_instance;      /* run_on: instance */
    struct duration timeout, interval;
};

struct step {
    enum step_kind kind;
    const char *name; /* for people */
    struct span at;
    unsigned during; /* bit (1 << enum workflow) for each workflow that runs it */
    struct duration timeout;
    int retries;
    bool continue_on_failure;
    /* script */
    struct text script;
    bool on_instance;
    struct template *args;
    size_t arg_count;
    struct env_entry {
        const char *name;
        struct template value;
    } * env;
    size_t env_count;
    /* dns */
    const struct zone *zone;
    const char *record, *record_type;
    int64_t ttl_s;
    struct template *values;
    size_t value_count;
    struct texts expect;
    /* check / approve / delay */
    struct check check;
    const char *question;
    struct duration delay;
};

struct failback_settings {
    bool given;
    struct span at;
    struct text template_vm, datastore, resource_pool, folder, existing;
    struct map port_groups; /* subnet name -> struct text * */
    struct text proxy_vm, proxy_ova, proxy_port_group, proxy_nbd;
    struct secret proxy_psk;
};

enum timeout_kind {
    TIMEOUT_START,
    TIMEOUT_STOP,
    TIMEOUT_VOLUME,
    TIMEOUT_SNAPSHOT,
    TIMEOUT_IMAGE,
    TIMEOUT_INJECT,
    TIMEOUT_SCRIPT,
    TIMEOUT_COUNT
};
const char *timeout_name(enum timeout_kind kind); /* "start": as the plan's key */

struct plan_vm {
    const char *name;
    size_t index;   /* in plan order */
    struct span at; /* of the name */
    struct text source;
    bool type_auto;
    struct texts instance_types; /* unless type_auto: tried in this order */
    struct texts instance_families;
    struct card *cards; /* at least one */
    size_t card_count;
    struct span subnet_at;
    bool public_ip[NETWORK_COUNT];
    struct text elastic_ip[NETWORK_COUNT];
    struct texts target_groups[NETWORK_COUNT];
    struct text iam_profile[NETWORK_COUNT];
    bool critical;
    struct span critical_at;
    bool licensing_aws;
    struct text licensing, tenancy, key_name, capacity_reservation;
    struct tag *tags; /* defaults' and own, own win */
    size_t tag_count;
    struct volume_settings *volumes;
    size_t volume_count;
    struct duration timeouts[TIMEOUT_COUNT];
    struct secret guest_credentials;
    struct dependency *dependencies;
    size_t dependency_count;
    struct duration delay;
    struct check *ready;
    size_t ready_count;
    struct step *post_boot;
    size_t post_boot_count;
    struct failback_settings failback;
};

struct conversion_instance {
    struct text zone, id;
};

enum boot_mode { BOOT_ATTACH, BOOT_IMAGE };

struct plan {
    struct arena *arena;
    const struct source *source;
    const char *directory; /* of the plan file: paths are relative to it */
    const char *name, *description, *owner;
    struct span name_at;
    struct text state;
    struct map vars; /* name -> const char * (the text) */

    struct {
        struct duration rpo, rto, test_every;
        bool refuse_on_miss;
    } objectives;
    struct {
        bool given;
        struct span at;
        struct duration every, keep;
        const char *quiesce;
        struct text repository;
    } backup;
    struct {
        bool given;
        struct span at;
        struct duration every;
        int64_t keep;
        bool prepare; /* replication: drivers are injected ahead */
        struct span prepare_at;
    } replication;
    struct {
        bool given;
        struct span at;
        struct text url, ca_file, datacenter;
        struct secret credentials;
    } vcenter;
    struct failback_settings failback;
    struct {
        struct span at;
        struct text region, account, profile, role_arn, kms_key, volume_type;
        enum boot_mode boot;
        struct span boot_at;
        struct text image_bios, image_uefi, image_windows; /* ami-… or ssm:PARAMETER */
        bool inject;                                       /* auto */
        struct span inject_at;
        struct conversion_instance *conversions;
        size_t conversion_count;
        struct text ssm_agent;
    } aws;
    struct network networks[NETWORK_COUNT];
    struct zone *zones;
    size_t zone_count;
    struct step *before, *after;
    size_t before_count, after_count;
    struct plan_vm *vms; /* in the order of the file */
    size_t vm_count;
    struct map vm_by_name; /* -> struct plan_vm * */
    const char **files;    /* scripts and other files named by the plan, relative to `directory` */
    size_t file_count;
    struct map file_digests; /* path as in `files` -> const char *: SHA-256 of its bytes in hex */
    char digest[65]; /* SHA-256 over the plan's bytes, variables and the bytes of its files */
};

/* --var NAME=VALUE. */
struct variable {
    const char *name, *value;
};

/* Binds a tree that the schema has passed. NULL when names or references were wrong; every one is
 * reported. */
struct plan *plan_bind(struct arena *arena, const struct source *source, const struct tree *tree,
                       const struct variable *variables, size_t variable_count,
                       struct diagnostics *diagnostics);

/* All checks that need no facts (check_names.c, check_network.c, check_objectives.c,
 * check_steps.c). True when there was no error (warnings do not count). */
bool plan_check(const struct plan *plan, struct diagnostics *diagnostics);

struct plan_vm *plan_vm_by_name(const struct plan *plan, const char *name);
const struct conversion_instance *plan_conversion_in(const struct plan *plan, const char *zone);

#endif
