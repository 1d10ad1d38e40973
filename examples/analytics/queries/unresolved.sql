-- Time ran out for these: the last word that was heard of them, and since when they have waited.
-- The share is of all messages of the channel.
SELECT channel, coalesce(status, '(nothing heard)') AS last_status, count(*) AS messages,
    CAST(count(*) AS double precision) / max(of_channel) AS share,
    count(DISTINCT campaign) AS campaigns, min(sent_at) AS oldest, max(sent_at) AS newest
FROM (SELECT *, count(*) OVER (PARTITION BY channel) AS of_channel FROM messages) AS counted
WHERE outcome = 'unresolved'
GROUP BY channel, status
ORDER BY channel, messages DESC, last_status;
