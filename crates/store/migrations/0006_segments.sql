-- A record holds its segments already: whoever asks for them finds them there, and no call pays for writing them twice.
DROP TABLE segment;
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
