-- take.sql: from the table incoming (line json) into outcomes and latest.
--
-- Safe against repeats and in any order, so a sink may crash and begin again anywhere: an outcome
-- that is there is left alone, and `latest` is a maximum. The rule (DESIGN 4), as one comparison:
-- the life that has seen the send, else the first; of that life the highest revision. Both go in
-- by the order of their keys, so that two sinks wait for each other and never in a circle.
WITH taken AS (
    SELECT fields.*
    FROM incoming, json_populate_record(NULL::outcomes, line) AS fields
)
INSERT INTO outcomes
SELECT * FROM taken
ORDER BY channel, message_id, life, revision
ON CONFLICT DO NOTHING;

WITH taken AS (
    SELECT DISTINCT ON (fields.channel, fields.message_id) fields.*
    FROM incoming, json_populate_record(NULL::outcomes, line) AS fields
    ORDER BY fields.channel, fields.message_id,
        fields.send_seen DESC, fields.life, fields.revision DESC
)
INSERT INTO latest AS old
SELECT * FROM taken
ORDER BY channel, message_id
ON CONFLICT (channel, message_id) DO UPDATE
SET (life, revision, send_seen, outcome, status, phase, settled_by, settled_at, conflict,
        sent_at, status_at, latency_ms, reason, timeline, attributes)
    = (excluded.life, excluded.revision, excluded.send_seen, excluded.outcome, excluded.status,
        excluded.phase, excluded.settled_by, excluded.settled_at, excluded.conflict,
        excluded.sent_at, excluded.status_at, excluded.latency_ms, excluded.reason,
        excluded.timeline, excluded.attributes)
WHERE (excluded.send_seen, -excluded.life, excluded.revision)
    > (old.send_seen, -old.life, old.revision);
