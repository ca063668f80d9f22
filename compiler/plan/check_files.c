#include "compiler/plan/check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "compiler/plan/files.h"

/* The files that a plan names, but for scripts. Certificates belong to the plan and have to be there;
 * secrets and appliances may be on the runner only. */

struct seen {
    struct diagnostics *diagnostics;
    struct map paths; /* each file is reported once, where it is named first */
};

/* Whether there is a file; *reason says why not. */
static bool find_file(const struct plan *plan, const char *path, struct stat *status,
                      const char **reason)
{
    if (stat(plan_file_path(plan, path), status) != 0) {
        *reason = strerror(errno);
        return false;
    }
    *reason = "it is not a regular file";
    return S_ISREG(status->st_mode);
}

/* A file that only its owner may read. Not there: it may be where the plan is run. */
static void check_secret(const struct plan *plan, struct seen *seen, struct secret secret)
{
    struct stat status;
    const char *reason;
    if (!secret.reference || strncmp(secret.reference, "file:", 5) != 0 ||
        !map_put(&seen->paths, secret.reference, (void *)secret.reference)) {
        return;
    }
    const char *path = secret.reference + 5;
    if (find_file(plan, path, &status, &reason) && (status.st_mode & 077)) {
        struct diagnostic *found =
            diagnose(seen->diagnostics, DIAG_SECRET_FILE_OPEN, secret.at,
                     "others than its owner may use %s (mode %04o)", path, status.st_mode & 0777);
        diagnostic_help(seen->diagnostics, found, "chmod 600 %s", plan_file_path(plan, path));
    }
}

static void check_secrets(const struct plan *plan, struct seen *seen)
{
    check_secret(plan, seen, plan->vcenter.credentials);
    check_secret(plan, seen, plan->failback.proxy_psk);
    for (size_t i = 0; i < plan->zone_count; i++) {
        check_secret(plan, seen, plan->zones[i].tsig_secret);
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        check_secret(plan, seen, plan->vms[i].guest_credentials);
        check_secret(plan, seen, plan->vms[i].failback.proxy_psk);
    }
}

static void check_certificate(const struct plan *plan, struct seen *seen)
{
    struct stat status;
    const char *reason;
    struct text file = plan->vcenter.ca_file;
    if (!file.value) {
        return;
    }
    if (!find_file(plan, file.value, &status, &reason)) {
        struct diagnostic *found = diagnose(seen->diagnostics, DIAG_FILE_MISSING, file.at,
                                            "there is no file %s", file.value);
        diagnostic_label(seen->diagnostics, found, "%s", reason);
        diagnostic_help(seen->diagnostics, found, "it is looked for at %s, beside the plan",
                        plan_file_path(plan, file.value));
    } else if (status.st_size > PLAN_FILE_SIZE_MAX) {
        diagnose(seen->diagnostics, DIAG_FILE_TOO_LARGE, file.at, "%s is larger than %d MiB",
                 file.value, PLAN_FILE_SIZE_MAX >> 20);
    }
}

/* What is too large for a repository of plans, and used late: a warning. */
static void check_artefact(const struct plan *plan, struct seen *seen, struct text file,
                           const char *prefix, const char *purpose)
{
    struct stat status;
    if (!file.value) {
        return;
    }
    size_t skip = strncmp(file.value, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    const char *path = plan_file_path(plan, file.value + skip);
    if (stat(path, &status) == 0 || !map_put(&seen->paths, file.value, (void *)file.value)) {
        return;
    }
    struct diagnostic *found = diagnose(seen->diagnostics, DIAG_ARTEFACT_MISSING, file.at,
                                        "%s is not there", file.value + skip);
    diagnostic_label(seen->diagnostics, found, "%s", strerror(errno));
    diagnostic_help(seen->diagnostics, found, "%s needs it at %s", purpose, path);
}

void check_files(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct seen seen = {.diagnostics = diagnostics, .paths.arena = plan->arena};
    check_secrets(plan, &seen);
    check_certificate(plan, &seen);
    check_artefact(plan, &seen, plan->failback.proxy_ova, "", "failback");
    check_artefact(plan, &seen, plan->aws.ssm_agent, "dir:", "driver injection");
}
