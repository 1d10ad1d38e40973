-- How far messages came, and where the others stayed. messages = arrived + the last five;
-- clicked are among the read, and those among the arrived.
SELECT channel, count(*) AS messages,
    count(*) FILTER (WHERE arrived) AS arrived,
    count(*) FILTER (WHERE was_read) AS was_read,
    count(*) FILTER (WHERE clicked) AS clicked,
    count(*) FILTER (WHERE outcome = 'failed') AS failed,
    count(*) FILTER (WHERE outcome = 'rejected') AS rejected,
    count(*) FILTER (WHERE outcome = 'fallback') AS fallback,
    count(*) FILTER (WHERE outcome = 'incomplete') AS incomplete,
    count(*) FILTER (WHERE outcome = 'unresolved') AS unresolved
FROM messages
GROUP BY channel
ORDER BY channel;
