#include <string.h>

#include "runtime/sandbox/populate.h"

enum { PLACEHOLDER_GIB = 8 };

/* ami-… as it is; for ssm:PARAMETER an image that the parameter names. */
static const char *image_id(struct request *r, const char *text)
{
    static const char prefix[] = "ssm:";
    if (strncmp(text, prefix, sizeof prefix - 1) != 0) {
        return text;
    }
    const char *name = text + sizeof prefix - 1;
    const char *known = state_value_text(r->state, r->arena,
                                         "SELECT value FROM parameters WHERE name = ?", "s", name);
    if (!known) {
        known = new_id(r, "ami");
        state_run(r->state, "INSERT INTO parameters VALUES (?, 'String', ?)", "ss", name, known);
    }
    return known;
}

static const char *add_snapshot(struct request *r, const char *content)
{
    const char *id = new_id(r, "snap");
    state_run(r->state,
              "INSERT INTO snapshots (id, created_ms, completed_ms, volume, size_gib, encrypted, "
              "description, content) VALUES (?, ?, ?, 'vol-ffffffff', ?, 0, 'placeholder', ?)",
              "siids", id, r->now_ms - 30 * (int64_t)DAY_MS, r->now_ms - 30 * (int64_t)DAY_MS,
              (int)PLACEHOLDER_GIB, content);
    return id;
}

static void add_image(struct request *r, const char *id, const char *name, const char *boot_mode,
                      const char *platform)
{
    const char *root = platform ? "/dev/sda1" : "/dev/xvda";
    if (state_value(r->state, 0, "SELECT 1 FROM images WHERE id = ?", "s", id)) {
        return;
    }
    state_run(r->state,
              "INSERT INTO images (id, created_ms, available_ms, name, description, owner, public, "
              "architecture, platform, boot_mode, virtualization, ena, root_device) VALUES "
              "(?, ?, ?, ?, 'placeholder', ?, 0, 'x86_64', ?, ?, 'hvm', 1, ?)",
              "siisssss", id, r->now_ms - 30 * (int64_t)DAY_MS, r->now_ms - 30 * (int64_t)DAY_MS,
              name, r->caller.account, platform, boot_mode, root);
    state_run(r->state, "INSERT INTO image_devices VALUES (?, 1, ?, ?, ?, 'gp3', 3000, 125, 1)",
              "sssd", id, root, add_snapshot(r, "bootable"), (int)PLACEHOLDER_GIB);
}

static bool same(const struct text *a, const struct text *b)
{
    return a->value && b->value && strcmp(a->value, b->value) == 0;
}

void populate_images(struct request *r, const struct plan *plan)
{
    const struct text *bios = &plan->aws.image_bios, *uefi = &plan->aws.image_uefi,
                      *windows = &plan->aws.image_windows;
    if (bios->value) {
        const char *id = image_id(r, bios->value);
        add_image(r, id, arena_printf(r->arena, "placeholder-%s", id),
                  same(bios, uefi) ? "uefi-preferred" : "legacy-bios", NULL);
    }
    if (uefi->value) {
        const char *id = image_id(r, uefi->value);
        add_image(r, id, arena_printf(r->arena, "placeholder-%s", id), "uefi", NULL);
    }
    if (windows->value) {
        const char *id = image_id(r, windows->value);
        add_image(r, id, arena_printf(r->arena, "placeholder-%s", id), "uefi", "windows");
    }
}

/* A network of their own, so that they take no address that a VM is to have. */
static struct subnet_object *conversion_subnet(struct request *r, const char *zone, size_t number)
{
    static const char find[] = "SELECT id FROM vpcs WHERE cidr = '192.168.0.0/16'";
    const char *vpc = state_value_text(r->state, r->arena, find, "");
    if (!vpc) {
        vpc = new_id(r, "vpc");
        state_run(r->state, "INSERT INTO vpcs VALUES (?, ?, '192.168.0.0/16')", "si", vpc,
                  r->now_ms - DAY_MS);
    }
    const char *id = new_id(r, "subnet");
    state_run(r->state, "INSERT INTO subnets VALUES (?, ?, ?, ?, ?)", "sisss", id,
              r->now_ms - DAY_MS, vpc, arena_printf(r->arena, "192.168.%zu.0/24", number % 256),
              zone);
    return subnet_load(r, id);
}

static void add_interface(struct request *r, const char *instance,
                          const struct subnet_object *subnet)
{
    state_run(r->state,
              "INSERT INTO interfaces (id, created_ms, subnet, instance, device_index, attachment, "
              "private_ip, wants_public, mac, description, delete_on_termination) VALUES "
              "(?, ?, ?, ?, 0, ?, ?, 0, '02:00:00:00:00:01', '', 1)",
              "sissss", new_id(r, "eni"), r->now_ms - DAY_MS, subnet->resource.id, instance,
              new_id(r, "eni-attach"), address_choose(r, subnet, NULL));
}

/* Eight CPUs: as many injections at once as the SSM agent runs commands, five. */
static void add_conversion(struct request *r, const struct plan *plan,
                           const struct conversion_instance *conversion, size_t number)
{
    const char *id = conversion->id.value;
    int64_t since_ms = r->now_ms - DAY_MS;
    struct subnet_object *subnet = conversion_subnet(r, conversion->zone.value, number);
    add_image(r, "ami-0c0de0000000000ff", "drc-conversion", "uefi-preferred", NULL);
    state_run(r->state,
              "INSERT INTO instances (id, created_ms, reservation, launch_index, launched_ms, "
              "transition, transition_ms, settle_ms, image, type, subnet, vpc, zone, architecture, "
              "boot_mode, root_device, profile, tenancy, protected, ssm) VALUES (?, ?, ?, 0, ?, "
              "'pending', ?, ?, 'ami-0c0de0000000000ff', 'm6i.2xlarge', ?, ?, ?, 'x86_64', 'uefi', "
              "'/dev/xvda', 'drc-conversion', 'default', 0, 1)",
              "sisiiisss", id, since_ms, new_id(r, "r"), since_ms, since_ms, since_ms + 25000,
              subnet->resource.id, subnet->vpc, subnet->zone);
    add_interface(r, id, subnet);
    state_run(
        r->state,
        "INSERT INTO volumes (id, created_ms, available_ms, size_gib, type, iops, throughput, "
        "zone, encrypted, content, instance, device, attach_ms, attached_ms, "
        "delete_on_termination) VALUES (?1, ?2, ?2, 16, 'gp3', 3000, 125, ?3, 0, "
        "'bootable', ?4, '/dev/xvda', ?2, ?2, 1)",
        "siss", new_id(r, "vol"), since_ms, conversion->zone.value, id);
    tag_put(r, id, "Name", arena_printf(r->arena, "drc-conversion %s", plan->name));
}

void populate_conversions(struct request *r, const struct plan *plan)
{
    state_run(r->state, "INSERT OR IGNORE INTO instance_profiles VALUES ('drc-conversion', ?)", "s",
              new_id(r, "AIPA"));
    for (size_t i = 0; i < plan->aws.conversion_count; i++) {
        const struct conversion_instance *conversion = &plan->aws.conversions[i];
        if (!state_value(r->state, 0, "SELECT 1 FROM instances WHERE id = ?", "s",
                         conversion->id.value)) {
            size_t number = (size_t)state_value(r->state, 0, "SELECT count(*) FROM subnets", "");
            add_conversion(r, plan, conversion, number);
        }
    }
}
