/** koffi bindings to libbpf.so.1 (1.1 and newer) and the few calls of libc that the datapath needs. Errors carry the
 * kernel's own words: libbpf's log is kept and added to them. */
import { getSystemErrorName } from "node:util";
import koffi from "koffi";

export type Pointer = unknown;

const libc = koffi.load("libc.so.6");
const libbpf = koffi.load("libbpf.so.1");

const vsnprintf = libc.func("int vsnprintf(_Out_ uint8_t *s, size_t n, const char *format, void *args)");
const logProto = koffi.proto("int sg_libbpf_log(int level, const char *format, void *args)");
const setPrint = libbpf.func("void *libbpf_set_print(sg_libbpf_log *log)");

const LOG_LINES = 40;
const log: string[] = [];
const WARN = 0;

/** libbpf hands over a va_list, which on x86-64 is a pointer that vsnprintf takes as it is. */
function keepLog(level: number, format: string, args: Pointer): number {
  if (level !== WARN) return 0;
  const text = Buffer.alloc(4096);
  const length = Math.min(vsnprintf(text, text.length, format, args), text.length - 1);
  log.push(text.toString("utf8", 0, length).trimEnd());
  if (log.length > LOG_LINES) log.shift();
  return 0;
}
setPrint(koffi.register(keepLog, koffi.pointer(logProto)));

/** Error of a failed kernel or libbpf call: what was done, the error's name, and what libbpf logged meanwhile. */
export function failure(what: string, errno: number): Error {
  const name = errno > 0 ? getSystemErrorName(-errno) : "unknown error";
  const said = log.splice(0).join("\n");
  return new Error(`datapath: ${what}: ${name}${said ? `\n${said}` : ""}`);
}

/** Throws unless `result` is 0 or more; libbpf 1.x returns minus errno. */
export function check(what: string, result: number): number {
  if (result < 0) throw failure(what, result === -1 ? koffi.errno() || 1 : -result);
  return result;
}

export const libcCalls = {
  mmap: libc.func("void *mmap(void *addr, size_t length, int prot, int flags, int fd, int64_t offset)"),
  munmap: libc.func("int munmap(void *addr, size_t length)"),
  ifNameToIndex: libc.func("uint32_t if_nametoindex(const char *name)"),
  ifIndexToName: libc.func("const char *if_indextoname(uint32_t index, _Out_ uint8_t *name)"),
  epollCreate: libc.func("int epoll_create1(int flags)"),
  epollControl: libc.func("int epoll_ctl(int epfd, int op, int fd, void *event)"),
  epollWait: libc.func("int epoll_wait(int epfd, void *events, int max, int timeout)"),
  eventfd: libc.func("int eventfd(uint32_t initial, int flags)"),
  write: libc.func("int64_t write(int fd, const void *data, size_t length)"),
  close: libc.func("int close(int fd)"),
  yield: libc.func("int sched_yield()"),
  errno: () => koffi.errno(),
  view: (pointer: Pointer, length: number): ArrayBuffer => koffi.view(pointer, length),
};

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;

/** Maps pages of a kernel map into the process, from `offset` bytes on; stays until it is unmapped. */
export function mapPages(
  what: string,
  fd: number,
  length: number,
  { writable, offset }: { readonly writable: boolean; readonly offset: number },
): Pointer {
  const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const pointer = libcCalls.mmap(null, length, protection, MAP_SHARED, fd, BigInt(offset));
  if (!pointer || pointer === -1n) throw failure(`map ${what}`, libcCalls.errno());
  return pointer;
}

export const bpf = {
  openFile: libbpf.func("void *bpf_object__open_file(const char *path, void *opts)"),
  load: libbpf.func("int bpf_object__load(void *object)"),
  closeObject: libbpf.func("void bpf_object__close(void *object)"),
  nextMap: libbpf.func("void *bpf_object__next_map(void *object, void *map)"),
  mapName: libbpf.func("const char *bpf_map__name(void *map)"),
  mapFd: libbpf.func("int bpf_map__fd(void *map)"),
  mapPinPath: libbpf.func("const char *bpf_map__pin_path(void *map)"),
  setMapPinPath: libbpf.func("int bpf_map__set_pin_path(void *map, const char *path)"),
  findProgram: libbpf.func("void *bpf_object__find_program_by_name(void *object, const char *name)"),
  programFd: libbpf.func("int bpf_program__fd(void *program)"),
  objGet: libbpf.func("int bpf_obj_get(const char *path)"),
  mapCreate: libbpf.func(
    "int bpf_map_create(uint32_t type, const char *name, uint32_t keySize, uint32_t valueSize, uint32_t max, void *opts)",
  ),
  update: libbpf.func("int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)"),
  lookup: libbpf.func("int bpf_map_lookup_elem(int fd, const void *key, void *value)"),
  remove: libbpf.func("int bpf_map_delete_elem(int fd, const void *key)"),
  nextKey: libbpf.func("int bpf_map_get_next_key(int fd, const void *key, void *next)"),
  updateBatch: libbpf.func(
    "int bpf_map_update_batch(int fd, const void *keys, const void *values, void *count, void *opts)",
  ),
  lookupBatch: libbpf.func(
    "int bpf_map_lookup_batch(int fd, void *inBatch, void *outBatch, void *keys, void *values, void *count, void *opts)",
  ),
  info: libbpf.func("int bpf_obj_get_info_by_fd(int fd, void *info, void *length)"),
  mapFdById: libbpf.func("int bpf_map_get_fd_by_id(uint32_t id)"),
  tcHookCreate: libbpf.func("int bpf_tc_hook_create(void *hook)"),
  tcHookDestroy: libbpf.func("int bpf_tc_hook_destroy(void *hook)"),
  tcAttach: libbpf.func("int bpf_tc_attach(const void *hook, void *opts)"),
  possibleCpus: libbpf.func("int libbpf_num_possible_cpus()"),
  testRun: libbpf.func("int bpf_prog_test_run_opts(int fd, void *opts)"),
};
