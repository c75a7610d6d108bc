-- What a record says is written once, in its JSON: columns are for finding it, and what else used to be a column or a row
-- of a segment is read from there when somebody asks.
DROP TABLE segment;
ALTER TABLE cdr RENAME TO cdr_before;
CREATE TABLE cdr (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    number TEXT,
    caller TEXT NOT NULL,
    agent TEXT,
    queue TEXT,
    result TEXT NOT NULL,
    began INTEGER NOT NULL,
    json TEXT NOT NULL,
    direction TEXT AS (json ->> '$.direction'),
    trunk TEXT AS (json ->> '$.parties.trunk'),
    called TEXT AS (json ->> '$.parties.called'),
    hung_up_by TEXT AS (json ->> '$.ending.by'),
    ended INTEGER AS (json ->> '$.times.ended'),
    wait_ms INTEGER AS (coalesce(json ->> '$.lengths.wait', 0) / 1000),
    ring_ms INTEGER AS (coalesce(json ->> '$.lengths.ring', 0) / 1000),
    talk_ms INTEGER AS (coalesce(json ->> '$.lengths.talk', 0) / 1000),
    hold_ms INTEGER AS (coalesce(json ->> '$.lengths.hold', 0) / 1000)
);
INSERT INTO cdr (id, tenant, number, caller, agent, queue, result, began, json)
    SELECT id, tenant, number, caller, agent, queue, result, began, json FROM cdr_before;
DROP TABLE cdr_before;
CREATE INDEX cdr_by_time ON cdr (tenant, began);
CREATE INDEX cdr_by_caller ON cdr (tenant, caller, began);
CREATE INDEX cdr_by_agent ON cdr (tenant, agent, began) WHERE agent IS NOT NULL;

CREATE VIEW segment AS
SELECT
    cdr.id AS call,
    offer.key AS place,
    cdr.tenant AS tenant,
    offer.value ->> '$.agent.name' AS agent,
    offer.value ->> '$.party' AS party,
    offer.value ->> '$.reason' AS reason,
    offer.value ->> '$.offered' AS offered,
    offer.value ->> '$.rang' AS rang,
    offer.value ->> '$.answered' AS answered,
    offer.value ->> '$.left[0]' AS left_at,
    max(0, coalesce(
        coalesce(offer.value ->> '$.answered', offer.value ->> '$.left[0]') - (offer.value ->> '$.rang'), 0
    )) / 1000 AS ring_ms,
    max(0, coalesce(
        (offer.value ->> '$.left[0]') - (offer.value ->> '$.answered')
            - coalesce(offer.value ->> '$.hold.total', 0), 0
    )) / 1000 AS talk_ms,
    coalesce(offer.value ->> '$.hold.total', 0) / 1000 AS hold_ms,
    coalesce(offer.value ->> '$.hold.count', 0) AS holds,
    offer.value -> '$.left[1]' AS outcome
FROM cdr, json_each(cdr.json, '$.segments') AS offer;
