-- One row per message that lies in a mailbox. Its sound is the recording of the same id. Times are microseconds since 1970.
CREATE TABLE message (
    recording TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    call TEXT NOT NULL,
    caller TEXT NOT NULL,
    began INTEGER NOT NULL,
    millis INTEGER,
    heard INTEGER NOT NULL
) WITHOUT ROWID;
