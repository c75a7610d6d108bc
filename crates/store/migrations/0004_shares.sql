-- How a recording's time divides, in milliseconds; a row when it is known.
CREATE TABLE recording_shares (
    recording TEXT NOT NULL PRIMARY KEY,
    caller_ms INTEGER NOT NULL,
    persons_ms INTEGER NOT NULL,
    both_ms INTEGER NOT NULL,
    silence_ms INTEGER NOT NULL,
    held_ms INTEGER NOT NULL,
    masked_ms INTEGER NOT NULL
) WITHOUT ROWID;
