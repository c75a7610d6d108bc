-- What a restart or another node must know of an agent, a counter, a registration: one JSON value each. A writer
-- with an older epoch is refused.
CREATE TABLE snapshot (
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (kind, tenant, key)
) WITHOUT ROWID;
