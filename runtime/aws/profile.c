#include "runtime/aws/profile.h"

#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ini.h"
#include "runtime/world/world.h"

const char *settings_environment(const struct aws_settings *settings, const char *name)
{
    const char *value = world_environment(settings->world, name);
    return value && *value ? value : NULL;
}

static const char *path_of(struct aws_settings *settings, const char *variable, const char *name)
{
    const char *path = settings_environment(settings, variable);
    if (path && strncmp(path, "~/", 2) == 0) {
        return arena_printf(settings->arena, "%s/%s", settings->home, path + 2);
    }
    return path ? arena_strdup(settings->arena, path)
                : arena_printf(settings->arena, "%s/.aws/%s", settings->home, name);
}

static void choose_profile(struct aws_settings *settings, const char *profile)
{
    const char *from = settings_environment(settings, "AWS_PROFILE");
    const char *older = settings_environment(settings, "AWS_DEFAULT_PROFILE");
    settings->profile_explicit = profile != NULL;
    settings->profile_from = profile ? "the plan"
                             : from  ? "AWS_PROFILE"
                             : older ? "AWS_DEFAULT_PROFILE"
                                     : "";
    settings->profile = arena_strdup(settings->arena, profile ? profile
                                                      : from  ? from
                                                      : older ? older
                                                              : "default");
}

struct aws_settings *aws_settings_read(struct arena *arena, struct world *world,
                                       const char *profile, struct error *error)
{
    struct aws_settings *settings = ARENA_NEW(arena, struct aws_settings);
    settings->world = world;
    settings->arena = arena;
    settings->endpoints = ARENA_NEW(arena, struct known_endpoint *);
    const char *home = settings_environment(settings, "HOME");
    settings->home = arena_strdup(arena, home ? home : "/nonexistent");
    settings->config_path = path_of(settings, "AWS_CONFIG_FILE", "config");
    settings->credentials_path = path_of(settings, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
    choose_profile(settings, profile);
    settings->config = ini_read(arena, settings->config_path, error);
    settings->credentials =
        settings->config ? ini_read(arena, settings->credentials_path, error) : NULL;
    if (!settings->credentials) {
        error_help(error, "mend the file, or name another one by AWS_CONFIG_FILE or "
                          "AWS_SHARED_CREDENTIALS_FILE");
        return NULL;
    }
    return settings;
}

/* In the config file a profile is "[profile x]", and the default one "[default]" as well. */
static const char *config_section(const struct aws_settings *settings, const char *profile)
{
    const char *section = arena_printf(settings->arena, "profile %s", profile);
    bool plain = strcmp(profile, "default") == 0 && !ini_section(settings->config, section);
    return plain ? profile : section;
}

bool settings_has_profile(const struct aws_settings *settings, const char *profile)
{
    return ini_section(settings->credentials, profile) ||
           ini_section(settings->config, config_section(settings, profile));
}

const char *settings_get(const struct aws_settings *settings, const char *profile, const char *key)
{
    const char *value = ini_get(settings->credentials, profile, key);
    value =
        value && *value ? value : ini_get(settings->config, config_section(settings, profile), key);
    return value && *value ? value : NULL;
}

const char *settings_section(const struct aws_settings *settings, const char *kind,
                             const char *name, const char *key)
{
    const char *section = arena_printf(settings->arena, "%s %s", kind, name);
    const char *value = ini_get(settings->config, section, key);
    return value && *value ? value : NULL;
}

bool settings_flag(const struct aws_settings *settings, const char *variable, const char *key)
{
    const char *value = settings_environment(settings, variable);
    value = value ? value : settings_get(settings, settings->profile, key);
    return value && strcasecmp(value, "true") == 0;
}
