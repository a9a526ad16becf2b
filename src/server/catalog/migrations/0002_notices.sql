-- What the service tells by itself: mail that waits to be sent, and which instances are overdue.

CREATE TABLE mails (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    event TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    sent_us BIGINT,
    last_error TEXT
);
CREATE INDEX mails_due ON mails (status, next_us);

CREATE TABLE watches (
    instance_id TEXT PRIMARY KEY REFERENCES instances (id),
    -- The policy that was seen, as JSON; empty: none.
    policy TEXT NOT NULL,
    -- Since when it was seen.
    since_us BIGINT NOT NULL,
    -- The time that was missed; NULL: none was.
    overdue_us BIGINT
);

-- When others were told how a job ended.
ALTER TABLE jobs ADD COLUMN told_us BIGINT;
CREATE INDEX jobs_untold ON jobs (finished_us) WHERE told_us IS NULL AND finished_us IS NOT NULL;
