-- load.sql: a file of outcomes into PostgreSQL, by psql alone.
--
--   psql -v ON_ERROR_STOP=1 -1 -f load.sql <outcomes.jsonl
--
-- Control characters never stand in a line of JSON, so as CSV each line is one value, untouched.
CREATE TEMPORARY TABLE incoming (line json) ON COMMIT DROP;
\copy incoming FROM pstdin WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
\ir take.sql
