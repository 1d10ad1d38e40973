-- Of a campaign's messages, how many arrived. Campaigns are small: look at the interval, too
-- (Wilson's, 95 of 100), before a rate is called bad.
WITH campaigns AS (
    SELECT campaign, count(*) AS messages, count(*) FILTER (WHERE arrived) AS arrived,
        CAST(count(*) FILTER (WHERE arrived) AS double precision) / count(*) AS rate
    FROM messages
    GROUP BY campaign
), bounds AS (
    SELECT *, (rate + 1.9208 / messages) / (1 + 3.8416 / messages) AS centre,
        1.96 * sqrt(rate * (1 - rate) / messages + 0.9604 / messages / messages)
            / (1 + 3.8416 / messages) AS half
    FROM campaigns
)
SELECT campaign, messages, arrived, rate,
    CAST(centre - half AS double precision) AS low, CAST(centre + half AS double precision) AS high
FROM bounds
ORDER BY rate, campaign;
