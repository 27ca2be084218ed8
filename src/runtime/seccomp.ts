/**
 * The system calls a pod may not make, as a classic BPF program. A deny list on top of what already holds a pod without
 * it: no capability, no new privileges, its own namespaces. It closes what those leave open: kernel interfaces that ask
 * for no capability, and new user namespaces, in which a process would have every capability again.
 */

const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const AND = 0x54;
const RETURN = 0x06;

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const ERRNO = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const EPROTONOSUPPORT = 93;

/** Offsets in struct seccomp_data (little-endian): number, architecture, then six 64-bit arguments. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argument = (index: number): number => 16 + 8 * index;

const X86_64 = 0xc000003e;
/** Numbers from here on belong to the x32 interface, whose calls have the same effects under other numbers. */
const X32 = 0x40000000;

const CALL = { clone: 56, clone3: 435, socket: 41, socketpair: 53, ioctl: 16 } as const;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NEW_NAMESPACES = 0x7e020000;
const TERMINAL_INPUT_FAKING = [0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */];
const FAMILY = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;
const SOCK_TYPE_MASK = 0xf;
const SOCK_RAW = 3;
const SOCK_PACKET = 10;

/** Denied whatever their arguments, by x86-64 number. */
export const DENIED_CALLS: Readonly<Record<string, number>> = {
  ptrace: 101,
  syslog: 103,
  uselib: 134,
  ustat: 136,
  sysfs: 139,
  vhangup: 153,
  modify_ldt: 154,
  pivot_root: 155,
  _sysctl: 156,
  adjtimex: 159,
  chroot: 161,
  acct: 163,
  settimeofday: 164,
  mount: 165,
  umount2: 166,
  swapon: 167,
  swapoff: 168,
  reboot: 169,
  sethostname: 170,
  setdomainname: 171,
  iopl: 172,
  ioperm: 173,
  create_module: 174,
  init_module: 175,
  delete_module: 176,
  get_kernel_syms: 177,
  query_module: 178,
  quotactl: 179,
  nfsservctl: 180,
  lookup_dcookie: 212,
  clock_settime: 227,
  kexec_load: 246,
  add_key: 248,
  request_key: 249,
  keyctl: 250,
  unshare: 272,
  perf_event_open: 298,
  fanotify_init: 300,
  name_to_handle_at: 303,
  open_by_handle_at: 304,
  clock_adjtime: 305,
  setns: 308,
  process_vm_readv: 310,
  process_vm_writev: 311,
  kcmp: 312,
  finit_module: 313,
  kexec_file_load: 320,
  bpf: 321,
  userfaultfd: 323,
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  pidfd_getfd: 438,
  process_madvise: 440,
  mount_setattr: 442,
  quotactl_fd: 443,
  memfd_secret: 447,
  open_tree_attr: 467,
};

interface Instruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly k: number;
}

const load = (offset: number): Instruction => ({ code: LOAD_WORD, jumpTrue: 0, jumpFalse: 0, k: offset });
const ret = (value: number): Instruction => ({ code: RETURN, jumpTrue: 0, jumpFalse: 0, k: value });
const and = (mask: number): Instruction => ({ code: AND, jumpTrue: 0, jumpFalse: 0, k: mask });
/** Goes on when the comparison holds, else skips `otherwise` instructions. */
const when = (code: number, k: number, otherwise: number): Instruction => ({
  code,
  jumpTrue: 0,
  jumpFalse: otherwise,
  k,
});

/** `body` for one system call; it must end in a return on every path. */
function onCall(number: number, body: readonly Instruction[]): Instruction[] {
  return [when(JUMP_EQUAL, number, body.length), ...body];
}

function denyEqual(values: readonly number[], result: number): Instruction[] {
  return values.flatMap((value) => [when(JUMP_EQUAL, value, 1), ret(result)]);
}

/** IPv4 and IPv6 without raw sockets, unix, and route netlink; nothing else: vsock and its like know no namespaces. */
function socketRule(): Instruction[] {
  const byType = [
    load(argument(1)),
    and(SOCK_TYPE_MASK),
    ...denyEqual([SOCK_RAW, SOCK_PACKET], ERRNO | EPERM),
    ret(ALLOW),
  ];
  const routeOnly = [load(argument(2)), when(JUMP_EQUAL, 0, 1), ret(ALLOW), ret(ERRNO | EPROTONOSUPPORT)];
  return [
    load(argument(0)),
    ...onCall(FAMILY.unix, [ret(ALLOW)]),
    ...onCall(FAMILY.inet, byType),
    ...onCall(FAMILY.inet6, byType),
    ...onCall(FAMILY.netlink, routeOnly),
    ret(ERRNO | EAFNOSUPPORT),
  ];
}

function program(): Instruction[] {
  return [
    load(ARCHITECTURE),
    when(JUMP_EQUAL, X86_64, 1),
    load(NUMBER),
    // reached with the architecture still loaded when it is another one: as a number it is above X32, and killed
    when(JUMP_GREATER_EQUAL, X32, 1),
    ret(KILL_PROCESS),
    ...Object.values(DENIED_CALLS).flatMap((number) => onCall(number, [ret(ERRNO | EPERM)])),
    // its flags lie in memory that the program cannot read; the C library falls back to clone
    ...onCall(CALL.clone3, [ret(ERRNO | ENOSYS)]),
    ...onCall(CALL.clone, [load(argument(0)), when(JUMP_ANY_BIT, NEW_NAMESPACES, 1), ret(ERRNO | EPERM), ret(ALLOW)]),
    ...onCall(CALL.ioctl, [load(argument(1)), ...denyEqual(TERMINAL_INPUT_FAKING, ERRNO | EPERM), ret(ALLOW)]),
    ...onCall(CALL.socket, socketRule()),
    ret(ALLOW),
  ];
}

/** The filter as an array of struct sock_filter, for `bwrap --seccomp` and prctl(PR_SET_SECCOMP). x86-64 only. */
export function seccompFilter(): Uint8Array {
  const instructions = program();
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, instruction] of instructions.entries()) {
    view.setUint16(index * 8, instruction.code, true);
    view.setUint8(index * 8 + 2, instruction.jumpTrue);
    view.setUint8(index * 8 + 3, instruction.jumpFalse);
    view.setUint32(index * 8 + 4, instruction.k >>> 0, true);
  }
  return bytes;
}
