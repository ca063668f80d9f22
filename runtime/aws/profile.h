/* Profile: what the environment and AWS's shared files say, read once. */
#ifndef DRC_AWS_PROFILE_H
#define DRC_AWS_PROFILE_H

#include <stdbool.h>

#include "compiler/base/error.h"

struct arena;
struct ini;
struct world;

/* Lies in an arena. */
struct aws_settings {
    struct known_endpoint **endpoints; /* resolved so far: endpoints.c's own */
    struct world *world;
    struct arena *arena;
    const char *home;
    const char *config_path, *credentials_path;
    struct ini *config, *credentials;
    const char *profile;      /* never NULL: "default" when none is named */
    bool profile_explicit;    /* named by the plan: environment keys do not count then, as in AWS's
                                 tools */
    const char *profile_from; /* "the plan", "AWS_PROFILE", "" */
};

/* `profile`: the plan's; NULL: AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". */
struct aws_settings *aws_settings_read(struct arena *arena, struct world *world,
                                       const char *profile, struct error *error);

/* An environment variable; NULL when unset or empty. */
const char *settings_environment(const struct aws_settings *settings, const char *name);

/* Whether either file has the profile. */
bool settings_has_profile(const struct aws_settings *settings, const char *profile);

/* A key of a profile; the credentials file wins, as in AWS's tools. NULL when absent. */
const char *settings_get(const struct aws_settings *settings, const char *profile, const char *key);
/* Of "[KIND NAME]" in the config file. */
const char *settings_section(const struct aws_settings *settings, const char *kind,
                             const char *name, const char *key);

/* A switch: the environment variable, else the key of the profile; false when neither. */
bool settings_flag(const struct aws_settings *settings, const char *variable, const char *key);

#endif
