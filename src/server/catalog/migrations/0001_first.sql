-- The first tables. Portable SQL: TEXT and BIGINT alone, so that SQLite and PostgreSQL run the same lines.
-- Times are microseconds since 1970 (UTC); a truth value is 0 or 1; what has many fields and is never searched is JSON.

CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    -- The repository's secret under the service's master key; NULL once it was destroyed.
    sealed_secret TEXT,
    shredded_us BIGINT,
    -- Jobs at once; NULL: as the service's limit says.
    jobs_max BIGINT
);
CREATE UNIQUE INDEX accounts_name ON accounts (name);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    disabled_us BIGINT
);
CREATE UNIQUE INDEX users_email ON users (email);
CREATE INDEX users_account ON users (account);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    hash TEXT NOT NULL,
    csrf TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    -- NULL: of the service itself.
    account TEXT REFERENCES accounts (id),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_us BIGINT,
    revoked_us BIGINT,
    last_used_us BIGINT
);
CREATE INDEX tokens_account ON tokens (account);

CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    removed_us BIGINT,
    -- When its policy asks for something next; NULL: never, or while a job sees to it.
    next_due_us BIGINT,
    -- When it was last looked whether the system under it changed.
    checked_us BIGINT,
    view TEXT NOT NULL
);
CREATE UNIQUE INDEX instances_name ON instances (account, name) WHERE removed_us IS NULL;
CREATE INDEX instances_due ON instances (next_due_us) WHERE removed_us IS NULL;

CREATE TABLE snapshots (
    account TEXT NOT NULL REFERENCES accounts (id),
    id TEXT NOT NULL,
    instance TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT,
    deleted_us BIGINT,
    bytes_total BIGINT NOT NULL,
    bytes_stored BIGINT NOT NULL,
    view TEXT NOT NULL,
    PRIMARY KEY (account, id)
);
CREATE INDEX snapshots_newest ON snapshots (account, created_us DESC, id DESC);
CREATE INDEX snapshots_of_instance ON snapshots (account, instance, created_us DESC, id DESC);
CREATE INDEX snapshots_expiring ON snapshots (expires_us) WHERE deleted_us IS NULL;

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL,
    instance TEXT,
    snapshot TEXT,
    -- 1: no other such job of its instance runs beside it.
    exclusive BIGINT NOT NULL,
    status TEXT NOT NULL,
    spec TEXT NOT NULL,
    result TEXT,
    error_kind TEXT,
    error_message TEXT,
    stage TEXT,
    bytes_done BIGINT NOT NULL,
    bytes_total BIGINT,
    attempt BIGINT NOT NULL,
    attempts_max BIGINT NOT NULL,
    worker TEXT,
    beat_us BIGINT,
    cancel_requested BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    not_before_us BIGINT NOT NULL,
    started_us BIGINT,
    finished_us BIGINT,
    created_by TEXT NOT NULL,
    request_id TEXT
);
CREATE INDEX jobs_by_status ON jobs (status, account);
CREATE INDEX jobs_newest ON jobs (account, created_us DESC, id DESC);
CREATE INDEX jobs_finished ON jobs (account, finished_us);

CREATE TABLE idempotency (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Of the method, the path and the body.
    digest TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    -- NULL: the first request is still being answered.
    status BIGINT,
    answer TEXT,
    PRIMARY KEY (account, key)
);

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    account TEXT,
    at_us BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT,
    detail TEXT NOT NULL,
    request_id TEXT,
    address TEXT
);
CREATE INDEX audit_newest ON audit (account, at_us DESC, id DESC);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until_us BIGINT NOT NULL,
    epoch BIGINT NOT NULL
);

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    instance TEXT NOT NULL,
    -- As its sender named it.
    name TEXT NOT NULL,
    length BIGINT,
    received BIGINT NOT NULL,
    status TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX uploads_account ON uploads (account, created_us DESC);

CREATE TABLE exports (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    snapshot TEXT NOT NULL,
    job TEXT NOT NULL,
    format TEXT NOT NULL,
    -- As it is called when it is downloaded; NULL until it is made.
    file_name TEXT,
    bytes BIGINT,
    blake3 TEXT,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);
CREATE INDEX exports_account ON exports (account, created_us DESC);

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    sealed_secret TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    removed_us BIGINT
);
CREATE INDEX webhooks_account ON webhooks (account);

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    webhook TEXT NOT NULL REFERENCES webhooks (id),
    account TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    delivered_us BIGINT,
    last_error TEXT
);
CREATE INDEX deliveries_due ON deliveries (status, next_us);

CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
