/* Ownership: before a graph is carried out whose ids were read from a file (a journal, a reviewed
 * graph): is what it changes and deletes the plan's own? Files can be damaged, copied or forged;
 * the tag in the cloud decides. */
#ifndef DRC_SITE_OWNERSHIP_H
#define DRC_SITE_OWNERSHIP_H

#include <stdbool.h>

#include "compiler/base/error.h"
#include "compiler/graph/graph.h"

struct arena;
struct aws;
struct journal;

/* Asks about each instance, volume and image that an action of the graph changes or deletes, where its
 * id is in the graph or was yielded by an action that the journal (NULL: none) says is done. Sends
 * nothing where there is none. False: something without the tag drc:plan of the graph's plan is among
 * them, or it could not be found out. An instance that a volume is attached to or detached from is the
 * volume's affair: conversion instances are nobody's. */
bool ownership_check(struct arena *arena, struct aws *aws, const struct graph *graph,
                     struct journal *journal, struct error *error);

#endif
