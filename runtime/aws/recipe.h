/* Recipe: where credentials will come from, decided from environment and files alone, in the order
 * of AWS's tools: environment, assume-role profile, web identity, SSO, shared credentials file,
 * process, config file, container, instance metadata. */
#ifndef DRC_AWS_RECIPE_H
#define DRC_AWS_RECIPE_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler/base/error.h"
#include "runtime/aws/profile.h"
#include "runtime/aws/sigv4.h"

enum source_kind {
    SOURCE_STATIC,
    SOURCE_WEB_IDENTITY,
    SOURCE_SSO,
    SOURCE_PROCESS,
    SOURCE_CONTAINER,
    SOURCE_IMDS,
};

struct role_step { /* sts:AssumeRole with what came before */
    const char *arn, *session_name;
    const char *external_id; /* NULL: none */
    const char *duration_s;  /* decimal; NULL: STS's default */
};

enum { ROLE_STEPS_MAX = 8 };

/* Lies in the settings' arena. */
struct recipe {
    enum source_kind kind;
    const char *description; /* "environment", "profile dr (~/.aws/config): role …" */
    const char *looked_at;   /* what was looked at before, for "no credentials found" */
    struct sigv4_key key;    /* STATIC */
    struct {                 /* WEB_IDENTITY */
        const char *token_file, *role_arn, *session_name;
    } web;
    struct {
        const char *token_path, *region, *account, *role, *profile;
    } sso;
    const char *process; /* the command line */
    struct {
        const char *url, *token, *token_file; /* CONTAINER */
    } container;
    const char *imds;                       /* its endpoint */
    struct role_step roles[ROLE_STEPS_MAX]; /* in the order in which they are assumed */
    size_t role_count;
};

/* The roles (NULL: none) are assumed on top of what is found, one by the other. NULL: half a
 * configuration (a key without its secret, a circle of source_profile …) or none. */
struct recipe *recipe_make(const struct aws_settings *settings, const char *role_arn,
                           const char *further_role_arn, struct error *error);

#endif
