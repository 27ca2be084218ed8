/* shieldgate-pod: what a pod's sandbox needs below Node. `hold` keeps its namespaces, `run` starts a container through
 * bubblewrap and is its shim, `exec` runs a command inside a container, `terminal` gives a container's program one. Linked statically: it starts as root, so nothing
 * of a pod may choose its libraries, and one copy of its pages serves every pod. */
#ifndef SHIELDGATE_POD_H
#define SHIELDGATE_POD_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <sys/types.h>

#define MAX_ARGUMENTS 4096

/* Says `what: reason` on stderr and ends with code 125. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *what, ...);

/* Opens /proc/<pid>/ns/<name>. */
int open_namespace(pid_t pid, const char *name);
/* setns and close; ends the program when refused. */
void enter_namespace(int fd, const char *name);
/* Gives up supplementary groups: before a user namespace is entered, which may forbid it. */
void leave_groups(void);
/* Becomes uid and gid of the user namespace entered. */
void become(uid_t uid, gid_t gid);
/* No capability in any set, no new privileges. */
void drop_capabilities(void);
/* Installs the classic BPF program in the file behind fd, and closes it. */
void install_seccomp(int fd);
void write_text(const char *path, const char *text);
/* Exit code as a shell gives it: 128 + signal when one ended the process. */
int exit_code(int wait_status);
void write_all(int fd, const char *bytes, size_t length);

/* Opens a terminal of the devpts at /dev: returns its controlling side and sets *end to the other. */
int open_terminal(int *end);
/* The descriptor that comes over a socket; -1 when none does. */
int receive_descriptor(int socket);

int hold(int argc, char **argv);
int run(int argc, char **argv);
int execute(int argc, char **argv);
int terminal(int argc, char **argv);
#endif
