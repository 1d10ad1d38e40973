-- duckdb.sql: outcomes from files, and of each message the one that counts.
--
-- SET VARIABLE files = ['outcomes.jsonl']; comes before it: one outcome a line, as `upshot replay`
-- writes them and consumers/latest.py --every reads them from Kafka. Times are UTC.

-- A file that is given twice, or holds what another holds, changes nothing.
CREATE TABLE outcomes AS
SELECT DISTINCT ON (channel, message_id, life, revision) *
FROM read_json(getvariable('files'), format = 'newline_delimited', columns = {
    channel: 'VARCHAR', message_id: 'VARCHAR', life: 'BIGINT', revision: 'BIGINT',
    send_seen: 'BOOLEAN', outcome: 'VARCHAR', status: 'VARCHAR', phase: 'VARCHAR',
    settled_by: 'VARCHAR', settled_at: 'TIMESTAMP', conflict: 'BOOLEAN', sent_at: 'TIMESTAMP',
    status_at: 'TIMESTAMP', latency_ms: 'BIGINT', reason: 'VARCHAR', timeline: 'JSON',
    attributes: 'JSON'
});

-- The rule (DESIGN 4): of a message's lives the one that has seen the send, else the first; of that
-- life the highest revision. A life that has seen its send never forgets it, so the rule is one
-- order over all rows, and no life need be looked at as a whole.
CREATE VIEW latest AS
SELECT DISTINCT ON (channel, message_id) *
FROM outcomes
ORDER BY channel, message_id, send_seen DESC, life, revision DESC;
