/* run HOLDER STATUS LOG ATTACH SECCOMP STAGE ARGUMENTS tty|pipe stdin|once|- PID|- [SOURCE…] -- BWRAP COMMAND…
 * Starts a container in the holder's namespaces through bubblewrap and stays as its shim: it stamps and writes the log,
 * and writes the exit code to STATUS, so that both survive the kubelet. Who connects to ATTACH gets the output too, and
 * gives input (attach.h). With a PID the container joins that process's pid namespace, which is fd 8. bubblewrap runs inside the pod's user namespace
 * and so cannot reach what only root may read: each SOURCE is bound to STAGE/<n> for it, in a mount namespace of its own.
 * ARGUMENTS is a file of bubblewrap's arguments, each ended by NUL: the pod can read the command line of its pid 1, which
 * is a bubblewrap. There fd 3 is --json-status-fd, fd 4 --seccomp. */
#include "pod.h"
#include "attach.h"
#include "log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct container {
	pid_t holder;
	const char *status, *seccomp, *stage, *arguments;
	char **sources;
	int source_count;
	char **command;
	int tty, with_input;
	/* whose processes this container sees; 0 when it has its own pid namespace */
	pid_t neighbour;
	pid_t init;
	/* of the container's mount namespace: tells its processes from its neighbour's */
	ino_t mounts;
	int started, ran;
	/* terminal: a socket by which the terminal comes, then that itself */
	int in[2], out[2], err[2], json[2], terminal[2];
};

static long long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void stage_sources(const struct container *c)
{
	char target[4096];
	if (unshare(CLONE_NEWNS) != 0) fail("unshare mount");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) fail("slave");
	if (mount("stage", c->stage, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") != 0) fail("%s", c->stage);
	for (int i = 0; i < c->source_count; i++) {
		struct stat status;
		if (stat(c->sources[i], &status) != 0) fail("%s", c->sources[i]);
		snprintf(target, sizeof(target), "%s/%d", c->stage, i);
		int made = S_ISDIR(status.st_mode) ? mkdir(target, 0755) : mknod(target, S_IFREG | 0644, 0);
		if (made != 0 || mount(c->sources[i], target, NULL, MS_BIND | MS_REC, NULL) != 0) fail("bind %s", c->sources[i]);
	}
}

/* A program that wants a terminal gets it from within its container, where alone its device can be made: by this program. */
__attribute__((noreturn)) static void become_bubblewrap(const struct container *c)
{
	static char *const words[] = {"bwrap", "--args", "5", "--", "/proc/self/fd/7", "terminal", "6"};
	char *environment[] = {NULL};
	const char *program = c->command[0];
	int count = c->tty ? 7 : 4;
	/* there is room before it: the arguments of `run` */
	char **argv = c->command + 1 - count;
	memcpy(argv, words, sizeof(char *) * (size_t)count);
	execve(program, argv, environment);
	fail("%s", program);
}

__attribute__((noreturn)) static void start_bubblewrap(const struct container *c)
{
	static const char *const names[] = {"net", "ipc", "uts"};
	int user = open_namespace(c->holder, "user");
	int seccomp = open(c->seccomp, O_RDONLY | O_CLOEXEC);
	int arguments = open(c->arguments, O_RDONLY | O_CLOEXEC);
	int launcher = c->tty ? open("/proc/self/exe", O_PATH | O_CLOEXEC) : -1;
	int pids = c->neighbour > 0 ? open_namespace(c->neighbour, "pid") : -1;
	if (seccomp < 0 || arguments < 0) fail("%s", c->arguments);
	for (int i = 0; i < 3; i++) enter_namespace(open_namespace(c->holder, names[i]), names[i]);
	stage_sources(c);
	leave_groups();
	enter_namespace(user, "user");
	become(0, 0);
	/* a shim that is killed takes its container along: nothing runs that nobody watches */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fds[] = {c->in[0], c->out[1], c->err[1], c->json[1], seccomp, arguments, c->terminal[1], launcher, pids};
	/* first out of the way of the numbers they get */
	for (int i = 0; i < 9; i++) fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < 9; i++)
		if (fds[i] >= 0) dup2(fds[i], i);
		else close(i);
	close_range(9, ~0U, 0);
	become_bubblewrap(c);
}

static pid_t first_child(pid_t parent)
{
	char path[64], text[32] = "";
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return 0;
	ssize_t length = read(fd, text, sizeof(text) - 1);
	close(fd);
	return length > 0 ? atoi(text) : 0;
}

static ino_t mount_namespace(pid_t pid)
{
	char path[64];
	struct stat found;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	return stat(path, &found) == 0 ? found.st_ino : 0;
}

static int same_program(pid_t a, pid_t b)
{
	char path[64];
	struct stat first, second;
	snprintf(path, sizeof(path), "/proc/%d/exe", a);
	if (stat(path, &first) != 0) return 1;
	snprintf(path, sizeof(path), "/proc/%d/exe", b);
	return stat(path, &second) != 0 || (first.st_ino == second.st_ino && first.st_dev == second.st_dev);
}

/* bubblewrap tells its pid 1 when it is cloned; the container runs once a child of that has become another program. In
 * another's pid namespace there is no pid 1 of its own, and what is cloned becomes the program. */
static int await_program(struct container *c, pid_t bubblewrap, int status)
{
	char line[128];
	for (int i = 0; i < 5000; i++) {
		pid_t program = c->neighbour > 0 ? c->init : first_child(c->init);
		if (program > 0 && !same_program(program, bubblewrap)) {
			c->mounts = mount_namespace(program);
			int length = snprintf(line, sizeof(line), "started %d %d %lld\n", c->init, program, now_ms());
			write_all(status, line, (size_t)length);
			return 1;
		}
		if (kill(c->init, 0) != 0) break;
		usleep(200);
	}
	return 0;
}

/* Without a pid 1 of its own that takes them along, a container's processes outlive its program. */
static void kill_rest(const struct container *c)
{
	if (c->neighbour == 0 || c->mounts == 0) return;
	for (int found = 1, round = 0; found && round < 1000; round++) {
		DIR *processes = opendir("/proc");
		if (processes == NULL) fail("/proc");
		found = 0;
		for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
			pid_t pid = atoi(entry->d_name);
			if (pid <= 0 || mount_namespace(pid) != c->mounts) continue;
			found = kill(pid, SIGKILL) == 0;
		}
		closedir(processes);
		usleep(500);
	}
}

static void read_json(struct container *c, pid_t bubblewrap, int status)
{
	char text[512];
	ssize_t length = read(c->json[0], text, sizeof(text) - 1);
	if (length <= 0) return;
	text[length] = 0;
	const char *key = strstr(text, "\"child-pid\"");
	if (key != NULL) {
		c->init = atoi(strchr(key, ':') + 1);
		c->started = await_program(c, bubblewrap, status);
	}
	if (strstr(text, "\"exit-code\"") != NULL) c->ran = 1;
}

/* Passes on what came. Returns 0 when nothing more will. */
static int read_output(int fd, struct log *log, struct attachments *attached, int stream)
{
	char bytes[4096];
	ssize_t length = read(fd, bytes, sizeof(bytes));
	if (length < 0 && (errno == EINTR || errno == EAGAIN)) return 1;
	if (length <= 0) return 0;
	log_write(log, stream, bytes, (size_t)length);
	attach_send(attached, stream, bytes, (size_t)length);
	return 1;
}

/* Takes the terminal that the container's program has made. Returns 0 when none came. */
static int take_terminal(struct container *c, struct attachments *attached)
{
	int terminal = receive_descriptor(c->terminal[0]);
	close(c->terminal[0]);
	c->terminal[0] = terminal;
	if (terminal >= 0) attach_terminal(attached, terminal, c->with_input);
	return terminal >= 0;
}

static void watch(struct container *c, struct log *log, struct attachments *attached, pid_t pid)
{
	enum { JSON, OUT, ERR, TERMINAL, OWN };
	struct pollfd polls[OWN + ATTACH_POLLS];
	int status = open(c->status, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640), has_terminal = 0;
	int fds[OWN] = {c->json[0], c->out[0], c->err[0], c->terminal[0]};
	if (status < 0) fail("%s", c->status);
	while (fds[JSON] >= 0 || fds[OUT] >= 0 || fds[ERR] >= 0 || fds[TERMINAL] >= 0) {
		/* one that has ended waits for nobody */
		int listens = fds[JSON] < 0 || attach_has_room(attached);
		for (int i = 0; i < OWN; i++) polls[i] = (struct pollfd){i == JSON || listens ? fds[i] : -1, POLLIN, 0};
		attach_polls(attached, polls + OWN);
		if (poll(polls, OWN + ATTACH_POLLS, -1) < 0 && errno != EINTR) fail("poll");
		if (polls[OUT].revents != 0 && !read_output(fds[OUT], log, attached, 0)) fds[OUT] = -1;
		if (polls[ERR].revents != 0 && !read_output(fds[ERR], log, attached, 1)) fds[ERR] = -1;
		if (polls[TERMINAL].revents != 0) {
			int stays = has_terminal ? read_output(fds[TERMINAL], log, attached, 0) : take_terminal(c, attached);
			has_terminal = 1;
			fds[TERMINAL] = stays ? c->terminal[0] : -1;
		}
		if (polls[JSON].revents & POLLIN) read_json(c, pid, status);
		else if (polls[JSON].revents != 0) fds[JSON] = -1, kill_rest(c);
		attach_handle(attached, polls + OWN);
	}
	close(status);
}

static void tell_end(const struct container *c, int wait_status)
{
	int status = open(c->status, O_WRONLY | O_APPEND | O_CLOEXEC), length = 0;
	char line[128];
	/* over before it could be seen running */
	if (c->ran && !c->started) length = snprintf(line, sizeof(line), "started %d 0 %lld\n", c->init, now_ms());
	length += snprintf(line + length, sizeof(line) - (size_t)length, "%s %d %lld\n", c->ran ? "exited" : "failed", exit_code(wait_status), now_ms());
	write_all(status, line, (size_t)length);
}

static void open_streams(struct container *c)
{
	if (pipe2(c->out, O_CLOEXEC) || pipe2(c->err, O_CLOEXEC) || pipe2(c->json, O_CLOEXEC)) fail("pipe");
	c->in[1] = c->terminal[0] = c->terminal[1] = -1;
	if (c->with_input && !c->tty && pipe2(c->in, O_CLOEXEC) != 0) fail("pipe");
	if (c->in[1] < 0) c->in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (c->in[0] < 0) fail("/dev/null");
	if (c->tty && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c->terminal) != 0) fail("socketpair");
}

int run(int argc, char **argv)
{
	if (argc < 13) return 2;
	struct container c = {.holder = atoi(argv[1]), .status = argv[2], .seccomp = argv[5], .stage = argv[6], .arguments = argv[7], .sources = argv + 11};
	int i = 11, wait_status;
	while (i < argc && strcmp(argv[i], "--") != 0) i++;
	if (i + 1 >= argc) return 2;
	c.source_count = i - 11;
	c.command = argv + i + 1;
	c.tty = strcmp(argv[8], "tty") == 0;
	c.with_input = strcmp(argv[9], "-") != 0;
	c.neighbour = atoi(argv[10]);
	struct log *log = log_open(argv[3]);
	struct attachments *attached = attach_listen(argv[4]);
	open_streams(&c);
	prctl(PR_SET_NAME, "pod-shim");
	pid_t pid = fork();
	if (pid < 0) fail("fork");
	if (pid == 0) {
		dup2(c.err[1], 2);
		start_bubblewrap(&c);
	}
	signal(SIGPIPE, SIG_IGN);
	const int theirs[] = {c.in[0], c.out[1], c.err[1], c.json[1], c.terminal[1]};
	for (int end = 0; end < 5; end++)
		if (theirs[end] >= 0) close(theirs[end]);
	if (c.tty) attach_await_terminal(attached);
	if (c.with_input) attach_keep(attached);
	if (c.in[1] >= 0) attach_input(attached, c.in[1], strcmp(argv[9], "once") == 0);
	if (chdir("/") != 0) fail("/");
	watch(&c, log, attached, pid);
	while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR)
		;
	log_end(log);
	tell_end(&c, wait_status);
	attach_end(attached);
	return 0;
}
