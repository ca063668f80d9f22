#include "runtime/aws/recipe.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/aws/ini.h"

struct maker {
    const struct aws_settings *settings;
    struct arena *arena;
    struct recipe *recipe;
    struct buffer looked_at;
    struct error *error;
};

/* What looking at one place can come to. */
enum look { LOOK_NOTHING, LOOK_FOUND, LOOK_FAILED };

static enum look failed(struct maker *maker, const char *message, const char *help)
{
    error_set(maker->error, "%s", message);
    error_help(maker->error, "%s", help);
    return LOOK_FAILED;
}

static enum look nothing(struct maker *maker, const char *where)
{
    buffer_printf(&maker->looked_at, "%s%s", maker->looked_at.length ? ", " : "", where);
    return LOOK_NOTHING;
}

static enum look found(struct maker *maker, enum source_kind kind, const char *description)
{
    maker->recipe->kind = kind;
    maker->recipe->description = description;
    return LOOK_FOUND;
}

static const char *kept(struct maker *maker, const char *text)
{
    return text ? arena_strdup(maker->arena, text) : NULL;
}

static enum look static_keys(struct maker *maker, const char *id, const char *secret,
                             const char *token, const char *where)
{
    if (!id != !secret) {
        return failed(maker,
                      arena_printf(maker->arena, "credentials of %s: the %s is missing", where,
                                   id ? "secret access key" : "access key id"),
                      "give both, or neither");
    }
    if (!id) {
        return LOOK_NOTHING;
    }
    maker->recipe->key =
        (struct sigv4_key){kept(maker, id), kept(maker, secret), kept(maker, token)};
    return found(maker, SOURCE_STATIC, where);
}

static enum look from_environment(struct maker *maker)
{
    const struct aws_settings *s = maker->settings;
    const char *token = settings_environment(s, "AWS_SESSION_TOKEN");
    enum look look = static_keys(maker, settings_environment(s, "AWS_ACCESS_KEY_ID"),
                                 settings_environment(s, "AWS_SECRET_ACCESS_KEY"),
                                 token ? token : settings_environment(s, "AWS_SECURITY_TOKEN"),
                                 "the environment (AWS_ACCESS_KEY_ID)");
    return look == LOOK_NOTHING ? nothing(maker, "the environment (no AWS_ACCESS_KEY_ID)") : look;
}

static const char *session_name(struct maker *maker, const char *given)
{
    return given ? kept(maker, given) : "drc";
}

static bool add_role(struct maker *maker, const char *arn, const char *session,
                     const char *external_id, const char *duration_s)
{
    struct recipe *recipe = maker->recipe;
    if (recipe->role_count == ROLE_STEPS_MAX) {
        error_set(maker->error, "credentials: more than %d roles are assumed one from another",
                  ROLE_STEPS_MAX);
        return false;
    }
    recipe->roles[recipe->role_count++] =
        (struct role_step){kept(maker, arn), session_name(maker, session), kept(maker, external_id),
                           kept(maker, duration_s)};
    return true;
}

static enum look from_container(struct maker *maker)
{
    const struct aws_settings *s = maker->settings;
    struct recipe *recipe = maker->recipe;
    const char *relative = settings_environment(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = settings_environment(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full) {
        return nothing(maker, "a container's endpoint (no AWS_CONTAINER_CREDENTIALS_…_URI)");
    }
    recipe->container.url = relative
                                ? arena_printf(maker->arena, "http://169.254.170.2%s", relative)
                                : kept(maker, full);
    recipe->container.token =
        kept(maker, settings_environment(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
    recipe->container.token_file =
        kept(maker, settings_environment(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    return found(maker, SOURCE_CONTAINER,
                 arena_printf(maker->arena, "the container's endpoint %s", recipe->container.url));
}

static enum look from_imds(struct maker *maker)
{
    const struct aws_settings *s = maker->settings;
    const char *off = settings_environment(s, "AWS_EC2_METADATA_DISABLED");
    if (off && strcasecmp(off, "true") == 0) {
        return nothing(maker, "instance metadata (AWS_EC2_METADATA_DISABLED is set)");
    }
    const char *endpoint = settings_environment(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    size_t length = endpoint ? strlen(endpoint) : 0;
    length -= length > 0 && endpoint[length - 1] == '/';
    maker->recipe->imds =
        endpoint ? arena_strndup(maker->arena, endpoint, length) : "http://169.254.169.254";
    return found(maker, SOURCE_IMDS, "the instance's metadata service");
}

static enum look from_profile(struct maker *maker, const char *profile, int depth);

static enum look from_credential_source(struct maker *maker, const char *profile,
                                        const char *source)
{
    enum look look = strcmp(source, "Environment") == 0           ? from_environment(maker)
                     : strcmp(source, "Ec2InstanceMetadata") == 0 ? from_imds(maker)
                     : strcmp(source, "EcsContainer") == 0        ? from_container(maker)
                                                                  : LOOK_FAILED;
    if (look == LOOK_FOUND || (maker->error && maker->error->message)) {
        return look;
    }
    return failed(maker,
                  arena_printf(maker->arena, "profile %s: credential_source %s yields nothing",
                               profile, source),
                  "it may be Environment, Ec2InstanceMetadata or EcsContainer, and has to exist");
}

static enum look keys_of_profile(struct maker *maker, const char *profile, bool credentials_file)
{
    const struct aws_settings *s = maker->settings;
    const char *path = credentials_file ? s->credentials_path : s->config_path;
    const struct ini *ini = credentials_file ? s->credentials : s->config;
    const char *section = profile;
    if (!credentials_file) {
        section = arena_printf(maker->arena, "profile %s", profile);
        section = ini_section(ini, section) || strcmp(profile, "default") != 0 ? section : profile;
    }
    const char *token = ini_get(ini, section, "aws_session_token");
    return static_keys(maker, ini_get(ini, section, "aws_access_key_id"),
                       ini_get(ini, section, "aws_secret_access_key"),
                       token && *token ? token : NULL,
                       arena_printf(maker->arena, "profile %s in %s", profile, path));
}

static enum look from_source_profile(struct maker *maker, const char *profile, const char *source,
                                     int depth)
{
    if (depth == ROLE_STEPS_MAX) {
        return failed(
            maker,
            arena_printf(maker->arena, "profile %s: source_profile goes in a circle", profile),
            "let one of these profiles have keys of its own");
    }
    enum look look = LOOK_NOTHING;
    if (strcmp(profile, source) == 0) { /* itself: its own keys */
        look = keys_of_profile(maker, source, true);
        look = look == LOOK_NOTHING ? keys_of_profile(maker, source, false) : look;
    } else {
        look = from_profile(maker, source, depth + 1);
    }
    if (look != LOOK_NOTHING) {
        return look;
    }
    return failed(maker,
                  arena_printf(maker->arena, "profile %s: its source_profile %s %s", profile,
                               source,
                               settings_has_profile(maker->settings, source) ? "has no credentials"
                                                                             : "does not exist"),
                  "see \"Configuration and credential file settings\" of the AWS CLI");
}

static enum look from_role_profile(struct maker *maker, const char *profile, int depth)
{
    const struct aws_settings *s = maker->settings;
    const char *arn = settings_get(s, profile, "role_arn");
    const char *source = settings_get(s, profile, "source_profile");
    const char *credential_source = settings_get(s, profile, "credential_source");
    if (!arn || (!source && !credential_source)) {
        return LOOK_NOTHING;
    }
    if (settings_get(s, profile, "mfa_serial")) {
        return failed(maker, arena_printf(maker->arena, "profile %s wants an MFA code", profile),
                      "drc asks nobody: get a session with \"aws sts assume-role\" and export its "
                      "keys");
    }
    enum look look = source ? from_source_profile(maker, profile, source, depth)
                            : from_credential_source(maker, profile, credential_source);
    if (look != LOOK_FOUND) {
        return look;
    }
    if (!add_role(maker, arn, settings_get(s, profile, "role_session_name"),
                  settings_get(s, profile, "external_id"),
                  settings_get(s, profile, "duration_seconds"))) {
        return LOOK_FAILED;
    }
    maker->recipe->description = arena_printf(maker->arena, "profile %s: role %s by %s", profile,
                                              arn, maker->recipe->description);
    return LOOK_FOUND;
}

static enum look web_identity(struct maker *maker, const char *file, const char *arn,
                              const char *session, const char *where)
{
    if (!file || !arn) {
        return LOOK_NOTHING;
    }
    maker->recipe->web.token_file = kept(maker, file);
    maker->recipe->web.role_arn = kept(maker, arn);
    maker->recipe->web.session_name = session_name(maker, session);
    return found(maker, SOURCE_WEB_IDENTITY,
                 arena_printf(maker->arena, "web identity of %s", where));
}

/* The cached token's file is named by the SHA-1 of the session's name, or of the start URL. */
static const char *sso_token_path(struct maker *maker, const char *name)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    EVP_Digest(name, strlen(name), digest, &length, EVP_sha1(), NULL);
    for (unsigned int i = 0; i < length; i++) {
        static const char digits[] = "0123456789abcdef";
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    return arena_printf(maker->arena, "%s/.aws/sso/cache/%s.json", maker->settings->home, hex);
}

static enum look from_sso(struct maker *maker, const char *profile)
{
    const struct aws_settings *s = maker->settings;
    const char *session = settings_get(s, profile, "sso_session");
    const char *start = session ? settings_section(s, "sso-session", session, "sso_start_url")
                                : settings_get(s, profile, "sso_start_url");
    const char *region = session ? settings_section(s, "sso-session", session, "sso_region")
                                 : settings_get(s, profile, "sso_region");
    const char *account = settings_get(s, profile, "sso_account_id");
    const char *role = settings_get(s, profile, "sso_role_name");
    if (!session && !start) {
        return LOOK_NOTHING;
    }
    if (!start || !region || !account || !role) {
        return failed(
            maker,
            arena_printf(maker->arena, "profile %s: its SSO settings are incomplete", profile),
            "\"aws configure sso\" writes sso_session, sso_start_url, sso_region, "
            "sso_account_id and sso_role_name");
    }
    struct recipe *recipe = maker->recipe;
    recipe->sso.token_path = sso_token_path(maker, session ? session : start);
    recipe->sso.region = region;
    recipe->sso.account = account;
    recipe->sso.role = role;
    recipe->sso.profile = profile;
    return found(maker, SOURCE_SSO, arena_printf(maker->arena, "profile %s: SSO", profile));
}

static enum look from_process(struct maker *maker, const char *profile)
{
    const char *command = settings_get(maker->settings, profile, "credential_process");
    if (!command) {
        return LOOK_NOTHING;
    }
    maker->recipe->process = command;
    return found(maker, SOURCE_PROCESS,
                 arena_printf(maker->arena, "profile %s: credential_process", profile));
}

static enum look from_profile(struct maker *maker, const char *profile, int depth)
{
    const struct aws_settings *s = maker->settings;
    enum look look = from_role_profile(maker, profile, depth);
    if (look == LOOK_NOTHING && depth == 0 && !s->profile_explicit) {
        look = web_identity(maker, settings_environment(s, "AWS_WEB_IDENTITY_TOKEN_FILE"),
                            settings_environment(s, "AWS_ROLE_ARN"),
                            settings_environment(s, "AWS_ROLE_SESSION_NAME"), "the environment");
    }
    if (look == LOOK_NOTHING) {
        look = web_identity(maker, settings_get(s, profile, "web_identity_token_file"),
                            settings_get(s, profile, "role_arn"),
                            settings_get(s, profile, "role_session_name"),
                            arena_printf(maker->arena, "profile %s", profile));
    }
    look = look == LOOK_NOTHING ? from_sso(maker, profile) : look;
    look = look == LOOK_NOTHING ? keys_of_profile(maker, profile, true) : look;
    look = look == LOOK_NOTHING ? from_process(maker, profile) : look;
    look = look == LOOK_NOTHING ? keys_of_profile(maker, profile, false) : look;
    return look;
}

static enum look from_named_profile(struct maker *maker)
{
    const struct aws_settings *s = maker->settings;
    enum look look = from_profile(maker, s->profile, 0);
    if (look != LOOK_NOTHING) {
        return look;
    }
    const char *state =
        settings_has_profile(s, s->profile) ? "no credentials in it" : "no such profile";
    if (*s->profile_from && !settings_has_profile(s, s->profile)) {
        return failed(
            maker,
            arena_printf(maker->arena, "there is no AWS profile \"%s\" (named by %s) in %s or %s",
                         s->profile, s->profile_from, s->config_path, s->credentials_path),
            "\"aws configure list-profiles\" shows those that there are");
    }
    return nothing(maker, arena_printf(maker->arena, "profile %s in %s and %s (%s)", s->profile,
                                       s->config_path, s->credentials_path, state));
}

static enum look look_everywhere(struct maker *maker)
{
    enum look look = LOOK_NOTHING;
    if (!maker->settings->profile_explicit) {
        look = from_environment(maker);
    }
    look = look == LOOK_NOTHING ? from_named_profile(maker) : look;
    look = look == LOOK_NOTHING ? from_container(maker) : look;
    look = look == LOOK_NOTHING ? from_imds(maker) : look;
    return look;
}

struct recipe *recipe_make(const struct aws_settings *settings, const char *role_arn,
                           const char *further_role_arn, struct error *error)
{
    const char *const roles[] = {role_arn, further_role_arn};
    struct error own = {0}; /* whether there is one decides, also when the caller wants none */
    struct maker maker = {
        settings, settings->arena, ARENA_NEW(settings->arena, struct recipe), {0}, &own};
    enum look look = look_everywhere(&maker);
    maker.recipe->looked_at = arena_strdup(settings->arena, buffer_text(&maker.looked_at));
    buffer_free(&maker.looked_at);
    if (look == LOOK_NOTHING) {
        error_set(&own, "no AWS credentials found: looked at %s", maker.recipe->looked_at);
        error_help(&own, "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile "
                         "with AWS_PROFILE");
    }
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (look == LOOK_FOUND && roles[i] && add_role(&maker, roles[i], NULL, NULL, NULL)) {
            maker.recipe->description =
                arena_printf(settings->arena, "role %s by %s", roles[i], maker.recipe->description);
        }
    }
    if (own.message) {
        error_move(error, &own);
        return NULL;
    }
    return maker.recipe;
}
