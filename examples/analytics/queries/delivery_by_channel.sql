-- Of a channel's messages, how many arrived.
SELECT channel, count(*) AS messages, count(*) FILTER (WHERE arrived) AS arrived,
    CAST(count(*) FILTER (WHERE arrived) AS double precision) / count(*) AS rate
FROM messages
GROUP BY channel
ORDER BY channel;
