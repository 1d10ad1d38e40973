-- The same by the hour in which the messages were sent.
SELECT channel, hour, count(*) AS messages, count(*) FILTER (WHERE arrived) AS arrived,
    CAST(count(*) FILTER (WHERE arrived) AS double precision) / count(*) AS rate
FROM messages
GROUP BY channel, hour
ORDER BY channel, hour;
