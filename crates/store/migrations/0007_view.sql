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
    json ->> '$.direction' AS direction,
    json ->> '$.parties.trunk' AS trunk,
    json ->> '$.parties.called' AS called,
    json ->> '$.ending.by' AS hung_up_by,
    json ->> '$.times.ended' AS ended,
    coalesce(json ->> '$.lengths.wait', 0) / 1000 AS wait_ms,
    coalesce(json ->> '$.lengths.ring', 0) / 1000 AS ring_ms,
    coalesce(json ->> '$.lengths.talk', 0) / 1000 AS talk_ms,
    coalesce(json ->> '$.lengths.hold', 0) / 1000 AS hold_ms
FROM cdr_row;
