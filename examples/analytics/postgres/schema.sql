-- schema.sql: outcomes in PostgreSQL (from 12), and of each message the one that counts.
--
--   psql -v ON_ERROR_STOP=1 -f schema.sql -f ../messages.sql
--
-- Then take.sql adds outcomes, any number of times and in any order; sink.py does so from Kafka.
-- Times are UTC. json, not jsonb: attributes stay the bytes that they were, whatever the numbers.

CREATE TABLE outcomes (
    channel text NOT NULL,
    message_id text NOT NULL,
    life bigint NOT NULL,
    revision bigint NOT NULL,
    send_seen boolean NOT NULL,
    outcome text NOT NULL,
    status text,
    phase text,
    settled_by text NOT NULL,
    settled_at timestamp NOT NULL,
    conflict boolean NOT NULL,
    sent_at timestamp,
    status_at timestamp,
    latency_ms bigint,
    reason text,
    timeline json NOT NULL,
    attributes json,
    PRIMARY KEY (channel, message_id, life, revision)
);

-- One row a message, which take.sql replaces by a better one only.
CREATE TABLE latest (
    LIKE outcomes,
    PRIMARY KEY (channel, message_id)
);
