-- From the send to the status that decided, by what it decided: reading takes people, delivery does
-- not. Milliseconds; below zero where two clocks disagree.
SELECT channel, outcome, count(*) AS messages,
    count(*) FILTER (WHERE latency_ms < 0) AS below_zero,
    percentile_disc(0.50) WITHIN GROUP (ORDER BY latency_ms) AS p50,
    percentile_disc(0.90) WITHIN GROUP (ORDER BY latency_ms) AS p90,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_ms) AS p99
FROM messages
WHERE arrived AND latency_ms IS NOT NULL
GROUP BY channel, outcome
ORDER BY channel, outcome;
