/** Names of the static table, with its values where it has any (RFC 7541, appendix A). */
const STATIC = `:authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|:status=204
:status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|accept-encoding=gzip, deflate|accept-language
accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|content-encoding
content-language|content-length|content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match
if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate
proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent
vary|via|www-authenticate`;

export interface TableEntry {
  readonly name: string;
  readonly value: string;
}

/** Entries 1 to 61 of the index space, the first at 0. */
export const STATIC_TABLE: readonly TableEntry[] = STATIC.split(/[|\n]/).map((entry) => {
  const [name = "", value = ""] = entry.split("=");
  return { name, value };
});

/** Every entry counts with this many bytes beside its text (RFC 7541, 4.1). */
const ENTRY_OVERHEAD = 32;

export function fieldSize(name: string, value: string): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}

/** The dynamic table of one direction of a connection (RFC 7541, 2.3.2). */
export class DynamicTable {
  /** Entries that have ever come in. */
  inserted = 0;
  /** Counted up by whatever may make the table another one: while it stands still, the same bytes mean the same. */
  changes = 0;
  private entries: TableEntry[] = [];
  /** Entries at the front that are evicted already. */
  private gone = 0;
  private size = 0;
  private limit: number;
  private readonly evicted: (entry: TableEntry, number: number) => void;

  /** `limit` in bytes. `evicted` is told of entries that leave, with their number in order of insertion from 0. */
  constructor(limit: number, evicted: (entry: TableEntry, number: number) => void = () => undefined) {
    this.limit = limit;
    this.evicted = evicted;
  }

  get length(): number {
    return this.entries.length - this.gone;
  }

  /** The entry at `index`, the newest at 0. */
  at(index: number): TableEntry | undefined {
    return index < this.length ? this.entries[this.entries.length - 1 - index] : undefined;
  }

  resize(limit: number): void {
    this.changes++;
    this.limit = limit;
    this.evict(0);
  }

  insert(entry: TableEntry): void {
    const size = fieldSize(entry.name, entry.value);
    this.changes++;
    this.evict(size);
    if (size > this.limit) return; // the table is empty now, which is no error (RFC 7541, 4.4)
    this.entries.push(entry);
    this.size += size;
    this.inserted++;
  }

  private evict(room: number): void {
    while (this.length > 0 && this.size + room > this.limit) {
      const entry = this.entries[this.gone]!;
      this.evicted(entry, this.inserted - this.length);
      this.size -= fieldSize(entry.name, entry.value);
      this.gone++;
    }
    if (this.gone > 64 && this.gone * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.gone);
      this.gone = 0;
    }
  }
}
