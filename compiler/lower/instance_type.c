#include "compiler/lower/instance_type.h"

#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"

const struct fact_instance_type *known_type(const struct facts *facts, const char *name)
{
    if (facts && map_count(&facts->instance_types) > 0) {
        return map_get(&facts->instance_types, name);
    }
    return catalogue_type(name);
}

static bool is_of_family(const char *type, const char *family)
{
    size_t length = strlen(family);
    return strncmp(type, family, length) == 0 && type[length] == '.';
}

bool family_is_known(const struct facts *facts, const char *family)
{
    for (size_t i = 0; i < catalogue_count(); i++) {
        if (is_of_family(catalogue_at(i)->name, family)) {
            return true;
        }
    }
    for (struct map_entry *entry = facts ? map_first(&facts->instance_types) : NULL; entry;
         entry = map_next(entry)) {
        if (is_of_family(entry->key, family)) {
            return true;
        }
    }
    return false;
}

bool type_is_offered(const struct fact_instance_type *type, const char *zone)
{
    if (type->zone_count == 0 || !zone) {
        return true;
    }
    for (size_t i = 0; i < type->zone_count; i++) {
        if (strcmp(type->zones[i], zone) == 0) {
            return true;
        }
    }
    return false;
}

static bool boots(const struct fact_instance_type *type, const char *firmware)
{
    return !firmware || (strcmp(firmware, "uefi") == 0 ? type->uefi : type->bios);
}

/* How many volumes go with that many cards. */
static size_t volume_room(const struct fact_instance_type *type, size_t cards)
{
    size_t room = (size_t)type->max_volumes, taken = cards > 0 ? cards - 1 : 0;
    if (!type->shared_attachments) {
        return room;
    }
    return room > taken ? room - taken : 0;
}

static bool has_arch(const struct fact_instance_type *type, const char *arch)
{
    return !arch || !type->arch || strcmp(type->arch, arch) == 0;
}

static bool fits(const struct fact_instance_type *type, const struct type_needs *needs)
{
    return has_arch(type, needs->arch) && boots(type, needs->firmware) &&
           (size_t)type->max_cards >= needs->cards &&
           volume_room(type, needs->cards) >= needs->volumes;
}

const char *type_misfit(struct arena *arena, const struct fact_instance_type *type,
                        const struct type_needs *needs)
{
    if (!has_arch(type, needs->arch)) {
        return arena_printf(arena, "is %s, and the VM is %s", type->arch, needs->arch);
    }
    if (!boots(type, needs->firmware)) {
        return arena_printf(arena, "does not boot by %s, as the VM does",
                            strcmp(needs->firmware, "uefi") == 0 ? "UEFI" : "BIOS");
    }
    if ((size_t)type->max_cards < needs->cards) {
        return arena_printf(arena, "takes %d network cards, and the VM has %zu", type->max_cards,
                            needs->cards);
    }
    if (volume_room(type, needs->cards) < needs->volumes) {
        return arena_printf(arena,
                            "takes %zu volumes beside %zu network card%s, and the VM has %zu",
                            volume_room(type, needs->cards), needs->cards,
                            needs->cards == 1 ? "" : "s", needs->volumes);
    }
    return NULL;
}

/* The place of the type's family in the list; the list's length when it is not in it. */
static size_t family_rank(const char *name, const struct texts *families)
{
    size_t i = 0;
    while (i < families->count && !is_of_family(name, families->items[i].value)) {
        i++;
    }
    return i;
}

static bool is_metal(const char *name)
{
    const char *size = strchr(name, '.');
    return size && strncmp(size + 1, "metal", 5) == 0;
}

static bool is_smaller(const struct fact_instance_type *a, const struct fact_instance_type *b,
                       const struct texts *families)
{
    if (a->vcpus != b->vcpus) {
        return a->vcpus < b->vcpus;
    }
    if (a->memory_mib != b->memory_mib) {
        return a->memory_mib < b->memory_mib;
    }
    size_t a_rank = family_rank(a->name, families), b_rank = family_rank(b->name, families);
    return a_rank != b_rank ? a_rank < b_rank : strcmp(a->name, b->name) < 0;
}

static void add_candidate(struct type_candidates *candidates, const struct fact_instance_type *type)
{
    if (is_metal(type->name) ||
        family_rank(type->name, candidates->families) == candidates->families->count) {
        return;
    }
    size_t at = candidates->count++;
    for (; at > 0 && is_smaller(type, candidates->types[at - 1], candidates->families); at--) {
        candidates->types[at] = candidates->types[at - 1];
    }
    candidates->types[at] = type;
}

struct type_candidates type_candidates(struct arena *arena, const struct facts *facts,
                                       const struct texts *families)
{
    struct type_candidates candidates = {.families = families};
    size_t known = facts ? map_count(&facts->instance_types) : 0;
    candidates.types = ARENA_ARRAY(arena, const struct fact_instance_type *,
                                   known > 0 ? known : catalogue_count());
    for (struct map_entry *entry = known > 0 ? map_first(&facts->instance_types) : NULL; entry;
         entry = map_next(entry)) {
        add_candidate(&candidates, entry->value);
    }
    for (size_t i = 0; known == 0 && i < catalogue_count(); i++) {
        add_candidate(&candidates, catalogue_at(i));
    }
    return candidates;
}

bool type_candidates_are_of(const struct type_candidates *candidates, const struct texts *families)
{
    const struct texts *own = candidates->families;
    if (!own || own->count != families->count) {
        return false;
    }
    for (size_t i = 0; i < own->count; i++) {
        if (strcmp(own->items[i].value, families->items[i].value) != 0) {
            return false;
        }
    }
    return true;
}

const struct fact_instance_type *choose_type(const struct type_candidates *candidates,
                                             const struct type_needs *needs)
{
    for (size_t i = 0; i < candidates->count; i++) {
        const struct fact_instance_type *type = candidates->types[i];
        if (type->vcpus >= needs->cpus && type->memory_mib >= needs->memory_mib &&
            fits(type, needs) && type_is_offered(type, needs->zone)) {
            return type;
        }
    }
    return NULL;
}
