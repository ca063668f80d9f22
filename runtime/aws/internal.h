/* What the files of runtime/aws share of a struct aws. */
#ifndef DRC_AWS_INTERNAL_H
#define DRC_AWS_INTERNAL_H

#include "runtime/aws/aws.h"
#include "runtime/aws/client.h"
#include "runtime/world/script_source.h"

struct operation;

struct aws {
    struct provider provider;
    struct aws_client *client;
    char *account; /* NULL: any */
    struct operation *operations;
    struct script_source scripts;
};

/* The operations of the provider (provider.c); aws->provider is its first member. */
struct provider provider_of(struct aws *aws);

#endif
