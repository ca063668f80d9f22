-- The journal of one run (runtime/state/journal.c). Written by one process, read by any.
-- PRAGMA application_id and user_version are set by the program: they say whose file this is.

-- Group commits: one row is what became durable at once. `number` counts from 1 without gaps, `at` is
-- UTC in milliseconds, `records` are lines of JSON, oldest first. Node numbers ("n") are indexes into
-- the graph that is kept in `blobs`.
CREATE TABLE groups (
    number  INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    records TEXT NOT NULL
) STRICT;

-- What the run was started with, written once: graph, facts, options, plan, the bytes of its files.
CREATE TABLE blobs (
    name  TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- The run at a glance, for lists: what the records say, as of the last group.
CREATE TABLE summary (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
