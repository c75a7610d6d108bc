-- One row per call: columns to find it by, and the whole record as JSON. Times are microseconds since 1970.
CREATE TABLE cdr (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    direction TEXT NOT NULL,
    number TEXT,
    trunk TEXT,
    caller TEXT NOT NULL,
    called TEXT NOT NULL,
    agent TEXT,
    queue TEXT,
    result TEXT NOT NULL,
    hung_up_by TEXT NOT NULL,
    began INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    wait_ms INTEGER NOT NULL,
    ring_ms INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    hold_ms INTEGER NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX cdr_by_time ON cdr (tenant, began);
CREATE INDEX cdr_by_caller ON cdr (tenant, caller, began);
CREATE INDEX cdr_by_agent ON cdr (tenant, agent, began) WHERE agent IS NOT NULL;

-- One row per offer of a call: who was offered it, rang, answered, held, left, and how.
CREATE TABLE segment (
    call TEXT NOT NULL REFERENCES cdr (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    agent TEXT,
    party TEXT NOT NULL,
    reason TEXT NOT NULL,
    offered INTEGER NOT NULL,
    rang INTEGER,
    answered INTEGER,
    left_at INTEGER,
    ring_ms INTEGER NOT NULL,
    talk_ms INTEGER NOT NULL,
    hold_ms INTEGER NOT NULL,
    holds INTEGER NOT NULL,
    outcome TEXT,
    PRIMARY KEY (call, place)
) WITHOUT ROWID;

CREATE TABLE recording (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    call TEXT NOT NULL,
    began INTEGER NOT NULL,
    state TEXT NOT NULL,
    path TEXT,
    millis INTEGER,
    bytes INTEGER,
    sha256 TEXT
) WITHOUT ROWID;
CREATE INDEX recording_by_call ON recording (call);

-- How far the event journal is folded into these rows; written in the same transaction as they are.
CREATE TABLE fold_position (
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    folded INTEGER NOT NULL,
    low_water INTEGER NOT NULL
);
