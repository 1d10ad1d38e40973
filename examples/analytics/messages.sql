-- messages.sql: one row a message, in the words of a report. DuckDB and PostgreSQL read it alike,
-- and so they do all of queries/; `outcomes` and `latest` are made by the file for either.
--
-- What counts as arrived is decided here and nowhere else. `accepted` is among it because e-mail
-- and push have no better word: the last server that answers took the message, and nobody has
-- complained since. `fallback` is not: that message arrives, if it does, on another channel.
-- Who complained has read it. Hours are those of the send, in UTC; where the send was never seen,
-- of the status.
CREATE VIEW messages AS
SELECT channel, message_id, outcome, status, sent_at, settled_at, latency_ms, conflict,
    coalesce((attributes ->> 'campaign_id'), '(none)') AS campaign,
    date_trunc('hour', coalesce(sent_at, status_at, settled_at)) AS hour,
    outcome IN ('accepted', 'delivered', 'read', 'clicked', 'complained') AS arrived,
    outcome IN ('read', 'clicked', 'complained') AS was_read,
    outcome = 'clicked' AS clicked
FROM latest;
