-- The sandbox's state. Times are UTC milliseconds by the sandbox's clock; a state that passes by
-- itself (pending, detaching …) is never stored, it follows from the times.
CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE faults (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE credentials (access_key TEXT PRIMARY KEY, secret TEXT NOT NULL, session_token TEXT,
    account TEXT NOT NULL, arn TEXT NOT NULL, user_id TEXT NOT NULL, expires_ms INTEGER) WITHOUT ROWID;
CREATE TABLE tokens (operation TEXT, token TEXT, digest TEXT NOT NULL, resource TEXT NOT NULL,
    PRIMARY KEY (operation, token)) WITHOUT ROWID;
CREATE TABLE buckets (name TEXT PRIMARY KEY, tokens REAL NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE requests (service TEXT, operation TEXT, code TEXT, count INTEGER NOT NULL,
    PRIMARY KEY (service, operation, code)) WITHOUT ROWID;
CREATE TABLE tags (resource TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (resource, key)) WITHOUT ROWID;

CREATE TABLE vpcs (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, cidr TEXT NOT NULL);
CREATE TABLE subnets (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, vpc TEXT NOT NULL,
    cidr TEXT NOT NULL, zone TEXT NOT NULL);
CREATE TABLE security_groups (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, vpc TEXT NOT NULL,
    name TEXT NOT NULL, description TEXT NOT NULL);
CREATE TABLE key_pairs (name TEXT PRIMARY KEY, id TEXT NOT NULL, created_ms INTEGER NOT NULL);
CREATE TABLE instance_profiles (name TEXT PRIMARY KEY, id TEXT NOT NULL);
CREATE TABLE capacity_reservations (id TEXT PRIMARY KEY);
CREATE TABLE addresses (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, public_ip TEXT NOT NULL UNIQUE,
    association TEXT, instance TEXT, interface TEXT);
CREATE TABLE interfaces (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, subnet TEXT NOT NULL,
    instance TEXT NOT NULL, device_index INTEGER NOT NULL, attachment TEXT NOT NULL,
    private_ip TEXT NOT NULL, public_ip TEXT, wants_public INTEGER NOT NULL, mac TEXT NOT NULL,
    description TEXT NOT NULL, delete_on_termination INTEGER NOT NULL, deleted_ms INTEGER);
CREATE INDEX interfaces_by_instance ON interfaces (instance);
CREATE INDEX interfaces_by_address ON interfaces (private_ip);
CREATE TABLE interface_groups (interface TEXT, position INTEGER, security_group TEXT NOT NULL,
    PRIMARY KEY (interface, position)) WITHOUT ROWID;

-- content: blank, data, vmware (born there: does not boot on EC2 until drivers are injected),
-- bootable. firmware: of the boot disk's own loader; NULL boots either way.
-- map: which blocks it has, in the table blocks; NULL: none are known. lineage: snapshots that can be
-- compared with each other have the same. expires_ms: one that is being written through EBS direct, and
-- then becomes an error; NULL once it is completed.
CREATE TABLE snapshots (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, completed_ms INTEGER NOT NULL,
    deleted_ms INTEGER, volume TEXT NOT NULL, size_gib INTEGER NOT NULL, encrypted INTEGER NOT NULL,
    description TEXT NOT NULL, content TEXT NOT NULL, firmware TEXT, kms_key TEXT, map INTEGER,
    lineage TEXT, parent TEXT, expires_ms INTEGER, timeout_ms INTEGER, progress INTEGER);
CREATE INDEX snapshots_by_map ON snapshots (map);
-- written: put into this map itself; the others came from the parent. digest: the SHA-256 that its bytes
-- are found by.
CREATE TABLE blocks (map INTEGER, position INTEGER, digest BLOB NOT NULL, written INTEGER NOT NULL,
    PRIMARY KEY (map, position)) WITHOUT ROWID;
CREATE TABLE volumes (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, deleted_ms INTEGER,
    available_ms INTEGER NOT NULL, size_gib INTEGER NOT NULL, type TEXT NOT NULL, iops INTEGER,
    throughput INTEGER, initialization_rate INTEGER, zone TEXT NOT NULL, snapshot TEXT,
    encrypted INTEGER NOT NULL, kms_key TEXT, content TEXT NOT NULL, firmware TEXT,
    injected_ms INTEGER, instance TEXT, device TEXT, attach_ms INTEGER, attached_ms INTEGER,
    detached_ms INTEGER, delete_on_termination INTEGER NOT NULL DEFAULT 0,
    modified_ms INTEGER, original_size_gib INTEGER, original_type TEXT, original_iops INTEGER,
    original_throughput INTEGER, map INTEGER, lineage TEXT);
CREATE INDEX volumes_by_map ON volumes (map);
CREATE INDEX volumes_by_instance ON volumes (instance);

CREATE TABLE images (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, available_ms INTEGER NOT NULL,
    deleted_ms INTEGER, name TEXT NOT NULL, description TEXT NOT NULL, owner TEXT NOT NULL,
    public INTEGER NOT NULL, architecture TEXT NOT NULL, platform TEXT, boot_mode TEXT,
    virtualization TEXT NOT NULL, ena INTEGER NOT NULL, root_device TEXT NOT NULL);
CREATE TABLE image_devices (image TEXT, position INTEGER, device TEXT NOT NULL, snapshot TEXT,
    size_gib INTEGER NOT NULL, type TEXT NOT NULL, iops INTEGER, throughput INTEGER,
    delete_on_termination INTEGER NOT NULL, PRIMARY KEY (image, position)) WITHOUT ROWID;

-- transition (pending, stopping, shutting-down) has passed from settle_ms on.
CREATE TABLE instances (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, reservation TEXT NOT NULL,
    launch_index INTEGER NOT NULL, launched_ms INTEGER NOT NULL, transition TEXT NOT NULL,
    transition_ms INTEGER NOT NULL, settle_ms INTEGER NOT NULL, image TEXT NOT NULL,
    type TEXT NOT NULL, subnet TEXT NOT NULL, vpc TEXT NOT NULL, zone TEXT NOT NULL,
    architecture TEXT NOT NULL, platform TEXT, boot_mode TEXT, root_device TEXT NOT NULL,
    key_name TEXT, profile TEXT, tenancy TEXT NOT NULL, capacity_reservation TEXT, token TEXT,
    protected INTEGER NOT NULL, ssm INTEGER NOT NULL, reason_code TEXT, reason_message TEXT);
CREATE INDEX instances_by_reservation ON instances (reservation);

CREATE TABLE kms_keys (id TEXT PRIMARY KEY, alias TEXT, created_ms INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE s3_buckets (name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL) WITHOUT ROWID;
-- headers: those of the put that are given back, as a JSON object.
CREATE TABLE s3_objects (bucket TEXT, key TEXT, modified_ms INTEGER NOT NULL, digest BLOB NOT NULL,
    size INTEGER NOT NULL, etag TEXT NOT NULL, headers TEXT NOT NULL,
    PRIMARY KEY (bucket, key)) WITHOUT ROWID;
CREATE INDEX s3_objects_by_digest ON s3_objects (digest);

CREATE TABLE parameters (name TEXT PRIMARY KEY, type TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE commands (id TEXT, instance TEXT, document TEXT NOT NULL, parameters TEXT NOT NULL,
    comment TEXT NOT NULL, requested_ms INTEGER NOT NULL, starts_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, timeout_s INTEGER NOT NULL,
    outcome TEXT NOT NULL, exit_code INTEGER NOT NULL, output TEXT NOT NULL, errors TEXT NOT NULL,
    volume TEXT, PRIMARY KEY (id, instance));
CREATE INDEX commands_by_instance ON commands (instance);
-- The ports that the plan's checks ask each VM for; where on this machine they are answered while
-- `drc sandbox guests` runs; the addresses of others that scripts told an instance.
CREATE TABLE guest_services (plan TEXT, vm TEXT, port INTEGER, http INTEGER NOT NULL,
    PRIMARY KEY (plan, vm, port)) WITHOUT ROWID;
CREATE TABLE guest_ports (instance TEXT, port INTEGER, host TEXT NOT NULL, host_port INTEGER NOT NULL,
    PRIMARY KEY (instance, port)) WITHOUT ROWID;
CREATE TABLE guest_backends (instance TEXT, address TEXT, since_ms INTEGER NOT NULL,
    PRIMARY KEY (instance, address)) WITHOUT ROWID;
-- Zones that take dynamic updates; names in lower case with the dot at their end, data as in a zone file.
CREATE TABLE dns_zones (name TEXT PRIMARY KEY, serial INTEGER NOT NULL, key_name TEXT,
    key_algorithm TEXT) WITHOUT ROWID;
CREATE TABLE dns_records (zone TEXT, name TEXT, type TEXT, data TEXT, ttl INTEGER NOT NULL,
    PRIMARY KEY (zone, name, type, data)) WITHOUT ROWID;
-- Route 53. Names in their usual form: small letters, no dot at the end. place: the name's labels from the
-- last to the first, each with a dot behind it: the order of lists. records: a JSON array of values; of an
-- alias NULL. identifier: of a routing policy; "".
CREATE TABLE hosted_zones (id TEXT PRIMARY KEY, name TEXT NOT NULL, private INTEGER NOT NULL,
    account TEXT NOT NULL, reference TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE record_sets (zone TEXT, place TEXT, type TEXT, identifier TEXT, name TEXT NOT NULL,
    ttl INTEGER NOT NULL, records TEXT, alias_zone TEXT, alias_name TEXT, alias_evaluate INTEGER,
    weight INTEGER, PRIMARY KEY (zone, place, type, identifier)) WITHOUT ROWID;
CREATE TABLE dns_changes (id TEXT PRIMARY KEY, account TEXT NOT NULL, submitted_ms INTEGER NOT NULL,
    insync_ms INTEGER NOT NULL, comment TEXT) WITHOUT ROWID;
-- load_balancer NULL: no listener sends to it. drained_ms: a target that was taken out is shown until then.
CREATE TABLE target_groups (arn TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
    vpc TEXT NOT NULL, protocol TEXT NOT NULL, port INTEGER NOT NULL, load_balancer TEXT) WITHOUT ROWID;
CREATE TABLE targets (target_group TEXT, id TEXT, port INTEGER, registered_ms INTEGER NOT NULL,
    health_ms INTEGER NOT NULL, drained_ms INTEGER, PRIMARY KEY (target_group, id, port)) WITHOUT ROWID;
PRAGMA user_version = 3;
