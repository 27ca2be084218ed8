/* run HOLDER STATUS LOG SECCOMP STAGE ARGUMENTS [SOURCE…] -- BWRAP COMMAND…
 * Starts a container in the holder's namespaces through bubblewrap and stays as its shim: it stamps and writes the log,
 * and writes the exit code to STATUS, so that both survive the kubelet. bubblewrap runs inside the pod's user namespace
 * and so cannot reach what only root may read: each SOURCE is bound to STAGE/<n> for it, in a mount namespace of its own.
 * ARGUMENTS is a file of bubblewrap's arguments, each ended by NUL: the pod can read the command line of its pid 1, which
 * is a bubblewrap. There fd 3 is --json-status-fd, fd 4 --seccomp. */
#include "pod.h"
#include "log.h"
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
	int command_count;
	pid_t init;
	int started, ran;
	int out[2], err[2], json[2];
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

__attribute__((noreturn)) static void start_bubblewrap(const struct container *c)
{
	static const char *const names[] = {"net", "ipc", "uts"};
	int user = open_namespace(c->holder, "user");
	int seccomp = open(c->seccomp, O_RDONLY | O_CLOEXEC);
	int arguments = open(c->arguments, O_RDONLY | O_CLOEXEC);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (seccomp < 0 || null < 0 || arguments < 0) fail("%s", c->arguments);
	for (int i = 0; i < 3; i++) enter_namespace(open_namespace(c->holder, names[i]), names[i]);
	stage_sources(c);
	leave_groups();
	enter_namespace(user, "user");
	become(0, 0);
	/* a shim that is killed takes its container along: nothing runs that nobody watches */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* first out of the way of the numbers they get */
	int json = fcntl(c->json[1], F_DUPFD_CLOEXEC, 10), filter = fcntl(seccomp, F_DUPFD_CLOEXEC, 10);
	arguments = fcntl(arguments, F_DUPFD_CLOEXEC, 10);
	int out = fcntl(c->out[1], F_DUPFD_CLOEXEC, 10), err = fcntl(c->err[1], F_DUPFD_CLOEXEC, 10);
	dup2(null, 0);
	dup2(out, 1);
	dup2(err, 2);
	dup2(json, 3);
	dup2(filter, 4);
	dup2(arguments, 5);
	close_range(6, ~0U, 0);
	char *environment[] = {NULL}, **argv = c->command - 4;
	const char *program = c->command[0];
	/* there is room before it: the arguments of `run` */
	argv[0] = "bwrap", argv[1] = "--args", argv[2] = "5", argv[3] = "--";
	memmove(argv + 4, c->command + 1, sizeof(char *) * (size_t)c->command_count);
	execve(program, argv, environment);
	fail("%s", program);
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

static int same_program(pid_t a, pid_t b)
{
	char path[64];
	struct stat first, second;
	snprintf(path, sizeof(path), "/proc/%d/exe", a);
	if (stat(path, &first) != 0) return 1;
	snprintf(path, sizeof(path), "/proc/%d/exe", b);
	return stat(path, &second) != 0 || (first.st_ino == second.st_ino && first.st_dev == second.st_dev);
}

/* bubblewrap tells its pid 1 when it is cloned; the container runs once a child of that has become another program. */
static int await_program(pid_t init, int status)
{
	char line[128];
	for (int i = 0; i < 5000; i++) {
		pid_t program = first_child(init);
		if (program > 0 && !same_program(program, init)) {
			int length = snprintf(line, sizeof(line), "started %d %d %lld\n", init, program, now_ms());
			write_all(status, line, (size_t)length);
			return 1;
		}
		if (kill(init, 0) != 0) break;
		usleep(200);
	}
	return 0;
}

static void read_json(struct container *c, int status)
{
	char text[512];
	ssize_t length = read(c->json[0], text, sizeof(text) - 1);
	if (length <= 0) return;
	text[length] = 0;
	const char *key = strstr(text, "\"child-pid\"");
	if (key != NULL) {
		c->init = atoi(strchr(key, ':') + 1);
		c->started = await_program(c->init, status);
	}
	if (strstr(text, "\"exit-code\"") != NULL) c->ran = 1;
}

static void watch(struct container *c, struct log *log, pid_t pid)
{
	int status = open(c->status, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640), wait_status, length = 0;
	struct pollfd polls[3] = {{c->json[0], POLLIN, 0}, {c->out[0], POLLIN, 0}, {c->err[0], POLLIN, 0}};
	char line[128];
	if (status < 0) fail("%s", c->status);
	while (polls[0].fd >= 0 || polls[1].fd >= 0 || polls[2].fd >= 0) {
		if (poll(polls, 3, -1) < 0 && errno != EINTR) fail("poll");
		if (polls[1].revents != 0 && log_read(log, 0, c->out[0]) == 0) polls[1].fd = -1;
		if (polls[2].revents != 0 && log_read(log, 1, c->err[0]) == 0) polls[2].fd = -1;
		if (polls[0].revents & POLLIN) read_json(c, status);
		else if (polls[0].revents != 0) polls[0].fd = -1;
	}
	while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR)
		;
	log_end(log);
	/* over before it could be seen running */
	if (c->ran && !c->started) length = snprintf(line, sizeof(line), "started %d 0 %lld\n", c->init, now_ms());
	length += snprintf(line + length, sizeof(line) - (size_t)length, "%s %d %lld\n", c->ran ? "exited" : "failed", exit_code(wait_status), now_ms());
	write_all(status, line, (size_t)length);
}

int run(int argc, char **argv)
{
	if (argc < 9) return 2;
	struct container c = {.holder = atoi(argv[1]), .status = argv[2], .seccomp = argv[4], .stage = argv[5], .arguments = argv[6], .sources = argv + 7};
	int i = 7;
	while (i < argc && strcmp(argv[i], "--") != 0) i++;
	if (i + 1 >= argc) return 2;
	c.source_count = i - 7;
	c.command = argv + i + 1;
	c.command_count = argc - i - 1;
	struct log *log = log_open(argv[3]);
	if (pipe2(c.out, O_CLOEXEC) || pipe2(c.err, O_CLOEXEC) || pipe2(c.json, O_CLOEXEC)) fail("pipe");
	prctl(PR_SET_NAME, "pod-shim");
	pid_t pid = fork();
	if (pid < 0) fail("fork");
	if (pid == 0) {
		dup2(c.err[1], 2);
		start_bubblewrap(&c);
	}
	close(c.out[1]);
	close(c.err[1]);
	close(c.json[1]);
	if (chdir("/") != 0) fail("/");
	watch(&c, log, pid);
	return 0;
}
