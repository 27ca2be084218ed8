import { DatabaseSync } from "node:sqlite";

/** Raised by a change of the tables that an older program could not read; what is older is brought up to it when it is opened. */
const VERSION = 3;
/** A file of which more than half is empty is made small again when it is opened; below this many pages it does not matter. */
const SMALL_PAGES = 1024;
/** What the log may keep on disk after it was taken over. */
const MOST_LOG_BYTES = 16 << 20;
/** The log is taken over when it has so many pages: each time the disk is waited for. */
const LOG_PAGES = MOST_LOG_BYTES / 4096;

const TABLES = `
  CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (resource, namespace, name)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL);
  INSERT OR IGNORE INTO clock VALUES (0, 0);
`;

/**
 * Programs before version 3 wrote the empty time of templates. Left there, the first change of a workload would take it out, and the
 * template were another: all its pods would be made anew. Within texts quotes are escaped, so that none of them is touched.
 */
const MIGRATION = `
  UPDATE objects SET body = replace(replace(replace(body,
    '"creationTimestamp":null,', ''), ',"creationTimestamp":null', ''), '{"creationTimestamp":null}', '{}')
  WHERE (resource LIKE 'apps/%' OR resource LIKE 'batch/%') AND body LIKE '%"creationTimestamp":null%';
`;

function numberOf(database: DatabaseSync, pragma: string): number {
  const row = database.prepare(`PRAGMA ${pragma}`).get() as Record<string, number>;
  return Object.values(row)[0] ?? 0;
}

/** Commands that save what can still be read: `.recover` of Debian's sqlite3 fails, and a dump of a damaged file ends by taking all back. */
function wayOut(path: string): string {
  const saved = `sqlite3 ${path} .dump | sed 's/^ROLLBACK.*/COMMIT;/' | sqlite3 ${path}.saved`;
  return `${saved}; mkdir ${path}.damaged; mv ${path} ${path}-* ${path}.damaged; mv ${path}.saved ${path}`;
}

function damaged(path: string, why: string): Error {
  return new Error(
    `the cluster's objects in ${path} cannot be read: ${why}. Nothing was changed. To save what is left (with the package sqlite3): ${wayOut(path)}\nTo begin anew: move ${path}* away`,
  );
}

function prepare(database: DatabaseSync, path: string): void {
  const version = numberOf(database, "user_version");
  if (version > VERSION)
    throw new Error(
      `${path} was written by a newer program (version ${version}, this one knows ${VERSION}): use that one`,
    );
  const [check] = database.prepare("PRAGMA quick_check(1)").all() as { quick_check: string }[];
  if (check?.quick_check !== "ok") throw damaged(path, check?.quick_check ?? "no answer");
  database.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = ${MOST_LOG_BYTES}; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`,
  );
  // Nothing is written that is there already: on a full disk what is stored can still be read.
  if (version < VERSION)
    database.exec(`BEGIN IMMEDIATE; ${TABLES} ${MIGRATION} PRAGMA user_version = ${VERSION}; COMMIT`);
  const pages = numberOf(database, "page_count");
  if (pages > SMALL_PAGES && numberOf(database, "freelist_count") * 2 > pages) database.exec("VACUUM");
}

/**
 * Opens the file of objects (`:memory:` for none), checked. A write is in the log of the operating system when it is acknowledged: it
 * survives the end of this process; when power fails, the last ones may be gone, and the file is whole. Throws an Error that
 * says what to do when the file is damaged, or newer than this program.
 */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    prepare(database, path);
    return database;
  } catch (error) {
    database?.close();
    const { errcode, message } = error as Error & { readonly errcode?: number };
    // SQLITE_CORRUPT and SQLITE_NOTADB
    throw errcode === 11 || errcode === 26 ? damaged(path, message) : error;
  }
}
