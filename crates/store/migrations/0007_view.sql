-- What is read from a record's JSON is a view: as columns of the table, SQLite read the JSON of each row that was written. Who
-- asks finds them in `cdr` as before.
ALTER TABLE cdr DROP COLUMN direction;
ALTER TABLE cdr DROP COLUMN trunk;
ALTER TABLE cdr DROP COLUMN called;
ALTER TABLE cdr DROP COLUMN hung_up_by;
ALTER TABLE cdr DROP COLUMN ended;
ALTER TABLE cdr DROP COLUMN wait_ms;
ALTER TABLE cdr DROP COLUMN ring_ms;
ALTER TABLE cdr DROP COLUMN talk_ms;
ALTER TABLE cdr DROP COLUMN hold_ms;
ALTER TABLE cdr RENAME TO cdr_row;

CREATE VIEW cdr AS
SELECT
    id, tenant, number, caller, agent, queue, result, began, json,
    CAST(json ->> '$.direction' AS TEXT) AS direction,
    CAST(json ->> '$.parties.trunk' AS TEXT) AS trunk,
    CAST(json ->> '$.parties.called' AS TEXT) AS called,
    CAST(json ->> '$.ending.by' AS TEXT) AS hung_up_by,
    CAST(json ->> '$.times.ended' AS INTEGER) AS ended,
    CAST(coalesce(json ->> '$.lengths.wait', 0) / 1000 AS INTEGER) AS wait_ms,
    CAST(coalesce(json ->> '$.lengths.ring', 0) / 1000 AS INTEGER) AS ring_ms,
    CAST(coalesce(json ->> '$.lengths.talk', 0) / 1000 AS INTEGER) AS talk_ms,
    CAST(coalesce(json ->> '$.lengths.hold', 0) / 1000 AS INTEGER) AS hold_ms
FROM cdr_row;
