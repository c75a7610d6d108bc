-- Sums per day of a hotline number, queue or agent, as JSON.
CREATE TABLE figure (
    tenant TEXT NOT NULL,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    day TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (tenant, scope, name, day)
) WITHOUT ROWID;
