-- What was said first and taken back later, by the time in between. Where both words are the same,
-- the correction is about the send, the status or a conflict.
WITH corrections AS (
    SELECT previous.outcome AS was, later.outcome AS became,
        extract(epoch FROM later.settled_at - earliest.settled_at) / 3600.0 AS hours
    FROM outcomes later
    JOIN outcomes previous
        ON previous.channel = later.channel AND previous.message_id = later.message_id
        AND previous.life = later.life AND previous.revision = later.revision - 1
    JOIN outcomes earliest
        ON earliest.channel = later.channel AND earliest.message_id = later.message_id
        AND earliest.life = later.life AND earliest.revision = 1
), aged AS (
    SELECT was, became, CASE
        WHEN hours < 0.25 THEN 1 WHEN hours < 1 THEN 2 WHEN hours < 4 THEN 3
        WHEN hours < 12 THEN 4 WHEN hours < 24 THEN 5 WHEN hours < 72 THEN 6 ELSE 7 END AS step
    FROM corrections
)
SELECT step, CASE step
        WHEN 1 THEN '< 15 min' WHEN 2 THEN '< 1 h' WHEN 3 THEN '< 4 h' WHEN 4 THEN '< 12 h'
        WHEN 5 THEN '< 24 h' WHEN 6 THEN '< 72 h' ELSE 'later' END AS age,
    was, became, count(*) AS corrections
FROM aged
GROUP BY step, was, became
ORDER BY step, was, became;
