#include "compiler/plan/bind.h"

#include "compiler/base/arena.h"

/* What a plan says once: header, objectives, schedules, sites. */

static const int64_t day_ms = 86400000;

void bind_header(struct binder *binder, const struct tree *root)
{
    struct plan *plan = binder->plan;
    struct text name = bind_text(binder, tree_get(root, "name"));
    plan->name = name.value ? name.value : "";
    plan->name_at = name.at;
    plan->description = bind_string(binder, tree_get(root, "description"), "");
    plan->owner = bind_string(binder, tree_get(root, "owner"), "");
    plan->state = bind_text(binder, tree_get(root, "state"));
}

static void bind_objectives(struct binder *binder, const struct tree *tree)
{
    struct plan *plan = binder->plan;
    plan->objectives.rpo = bind_positive_duration(binder, tree_get(tree, "rpo"), 0);
    plan->objectives.rto = bind_positive_duration(binder, tree_get(tree, "rto"), 0);
    plan->objectives.test_every = bind_positive_duration(binder, tree_get(tree, "test_every"), 0);
    plan->objectives.refuse_on_miss = bind_is(tree_get(tree, "on_miss"), "refuse");
}

static void bind_backup(struct binder *binder, const struct tree_pair *pair)
{
    struct plan *plan = binder->plan;
    const struct tree *tree = pair ? pair->value : NULL;
    plan->backup.given = tree != NULL;
    plan->backup.at = pair ? pair->key->span : (struct span){0};
    plan->backup.every = bind_positive_duration(binder, tree_get(tree, "every"), 0);
    plan->backup.keep = bind_positive_duration(binder, tree_get(tree, "keep"), 7 * day_ms);
    plan->backup.quiesce = bind_string(binder, tree_get(tree, "quiesce"), "auto");
    plan->backup.repository = bind_text(binder, tree_get(tree, "repository"));
}

static void bind_replication(struct binder *binder, const struct tree_pair *pair)
{
    struct plan *plan = binder->plan;
    const struct tree *tree = pair ? pair->value : NULL;
    const struct tree *prepare = tree_get(tree, "prepare");
    plan->replication.given = tree != NULL;
    plan->replication.at = pair ? pair->key->span : (struct span){0};
    plan->replication.every = bind_positive_duration(binder, tree_get(tree, "every"), 0);
    plan->replication.keep = bind_int(tree_get(tree, "keep"), 1);
    plan->replication.prepare = bind_is(prepare, "replication");
    plan->replication.prepare_at = bind_span(prepare, plan->replication.at);
}

void bind_schedules(struct binder *binder, const struct tree *root)
{
    bind_objectives(binder, tree_get(root, "objectives"));
    bind_backup(binder, tree_pair(root, "backup"));
    bind_replication(binder, tree_pair(root, "replication"));
}

static void bind_vcenter(struct binder *binder, const struct tree_pair *pair)
{
    struct plan *plan = binder->plan;
    const struct tree *tree = pair ? pair->value : NULL;
    plan->vcenter.given = tree != NULL;
    plan->vcenter.at = pair ? pair->key->span : (struct span){0};
    plan->vcenter.url = bind_text(binder, tree_get(tree, "url"));
    plan->vcenter.ca_file = bind_text(binder, tree_get(tree, "ca_file"));
    plan->vcenter.datacenter = bind_text(binder, tree_get(tree, "datacenter"));
    plan->vcenter.credentials = bind_secret(binder, tree_get(tree, "credentials"));
    if (plan->vcenter.ca_file.value) {
        bind_file(binder, plan->vcenter.ca_file.value);
    }
}

static void bind_images(struct binder *binder, const struct tree *tree)
{
    struct plan *plan = binder->plan;
    if (tree && tree->kind != TREE_MAPPING) {
        plan->aws.image_bios = plan->aws.image_uefi = plan->aws.image_windows =
            bind_text(binder, tree);
        return;
    }
    plan->aws.image_bios = bind_text(binder, tree_get(tree, "bios"));
    plan->aws.image_uefi = bind_text(binder, tree_get(tree, "uefi"));
    plan->aws.image_windows = bind_text(binder, tree_get(tree, "windows"));
}

static void bind_conversion(struct binder *binder, const struct tree *tree)
{
    struct plan *plan = binder->plan;
    const struct tree *inject = tree_get(tree, "inject");
    const struct tree *instances = tree_get(tree, "instances");
    plan->aws.inject = !bind_is(inject, "never");
    plan->aws.inject_at = bind_span(inject, bind_span(tree, plan->aws.at));
    plan->aws.ssm_agent = bind_text(binder, tree_get(tree, "ssm_agent"));
    size_t count = instances ? instances->pair_count : 0;
    plan->aws.conversions = ARENA_ARRAY(binder->arena, struct conversion_instance, count);
    for (size_t i = 0; i < count; i++) {
        struct conversion_instance *conversion =
            &plan->aws.conversions[plan->aws.conversion_count++];
        const struct tree *key = instances->pairs[i].key;
        conversion->zone = (struct text){key->text, key->span};
        conversion->id = bind_text(binder, instances->pairs[i].value);
    }
}

static void bind_aws(struct binder *binder, const struct tree_pair *pair)
{
    struct plan *plan = binder->plan;
    const struct tree *tree = pair ? pair->value : NULL;
    const struct tree *boot = tree_get(tree, "boot");
    plan->aws.at = pair ? pair->key->span : (struct span){0};
    plan->aws.region = bind_text(binder, tree_get(tree, "region"));
    plan->aws.account = bind_text(binder, tree_get(tree, "account"));
    plan->aws.profile = bind_text(binder, tree_get(tree, "profile"));
    plan->aws.role_arn = bind_text(binder, tree_get(tree, "role_arn"));
    plan->aws.kms_key = bind_text(binder, tree_get(tree, "kms_key"));
    plan->aws.volume_type = bind_text(binder, tree_get(tree, "volume_type"));
    if (!plan->aws.volume_type.value) {
        plan->aws.volume_type = (struct text){"gp3", plan->aws.at};
    }
    plan->aws.boot = bind_is(boot, "image") ? BOOT_IMAGE : BOOT_ATTACH;
    plan->aws.boot_at = bind_span(boot, plan->aws.at);
    bind_images(binder, tree_get(tree, "placeholder_image"));
    bind_conversion(binder, tree_get(tree, "conversion"));
}

void bind_sites(struct binder *binder, const struct tree *sites)
{
    const struct tree *primary = tree_get(sites, "primary");
    const struct tree *recovery = tree_get(sites, "recovery");
    bind_vcenter(binder, primary ? tree_pair(primary, "vcenter") : NULL);
    bind_aws(binder, recovery ? tree_pair(recovery, "aws") : NULL);
}

static void own_text(struct binder *binder, struct text *text, const struct tree *tree)
{
    if (tree) {
        *text = bind_text(binder, tree);
    }
}

/* Names of subnets; that they exist is checked here, because VMs override the map. */
static void bind_port_groups(struct binder *binder, struct map *port_groups,
                             const struct tree *tree)
{
    *port_groups = (struct map){.arena = binder->arena};
    for (size_t i = 0; i < tree->pair_count; i++) {
        const struct tree *key = tree->pairs[i].key;
        struct text *value = ARENA_NEW(binder->arena, struct text);
        *value = bind_text(binder, tree->pairs[i].value);
        map_put(port_groups, key->text, value);
        if (!map_get(&binder->subnets[NETWORK_PRODUCTION], key->text)) {
            struct diagnostic *found =
                diagnose(binder->diagnostics, DIAG_UNKNOWN_SUBNET, key->span,
                         "there is no subnet \"%s\" in networks.production", key->text);
            bind_suggest(binder, found, key->text, &binder->subnets[NETWORK_PRODUCTION]);
        }
    }
}

static void bind_proxy(struct binder *binder, struct failback_settings *settings,
                       const struct tree *proxy)
{
    own_text(binder, &settings->proxy_vm, tree_get(proxy, "vm"));
    own_text(binder, &settings->proxy_ova, tree_get(proxy, "ova"));
    own_text(binder, &settings->proxy_port_group, tree_get(proxy, "port_group"));
    own_text(binder, &settings->proxy_nbd, tree_get(proxy, "nbd"));
    if (tree_get(proxy, "psk")) {
        settings->proxy_psk = bind_secret(binder, tree_get(proxy, "psk"));
    }
}

struct failback_settings bind_failback(struct binder *binder, const struct tree *tree,
                                       const struct failback_settings *base)
{
    struct failback_settings settings = *base;
    if (!tree) {
        return settings;
    }
    settings.given = true;
    settings.at = tree->span;
    own_text(binder, &settings.template_vm, tree_get(tree, "template"));
    own_text(binder, &settings.datastore, tree_get(tree, "datastore"));
    own_text(binder, &settings.resource_pool, tree_get(tree, "resource_pool"));
    own_text(binder, &settings.folder, tree_get(tree, "folder"));
    own_text(binder, &settings.existing, tree_get(tree, "existing"));
    const struct tree *port_groups = tree_get(tree, "port_groups");
    if (port_groups) {
        bind_port_groups(binder, &settings.port_groups, port_groups);
    }
    bind_proxy(binder, &settings, tree_get(tree, "proxy"));
    return settings;
}
