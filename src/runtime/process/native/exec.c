/* exec PID SECCOMP|- UID GID tty|pipe stdin|- DIRECTORY [NAME=VALUE…] -- COMMAND…
 * Runs a command in every namespace of PID, as confined as the container itself, and ends with its exit code.
 * fds 0 to 2 are the caller's streams, fd 3 its control: lines `size COLUMNS ROWS` and `signal NUMBER`.
 * With `-` for SECCOMP, PID is a process of the lab itself: its user stays, and nothing is given up.
 * The command gets real pipes (a program may open /dev/stdout again) or a terminal of the container's own devpts. */
#include "pod.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct command {
	uid_t uid;
	gid_t gid;
	int tty, with_stdin;
	/* -1: a process of the lab is entered, with all its rights */
	int seccomp;
	const char *directory;
	char **environment, **argv;
};

/* One direction of copying; `from` is -1 when it has ended. */
struct flow {
	int from, to;
	size_t start, end;
	char bytes[32768];
};

static volatile sig_atomic_t child_ended;

static void on_child(int signal_number)
{
	(void)signal_number;
	child_ended = 1;
}

static void enter_container(pid_t pid, int confined)
{
	static const char *const names[] = {"net", "ipc", "uts", "cgroup", "pid", "mnt", "user"};
	int fds[7], count = confined ? 7 : 6;
	for (int i = 0; i < count; i++) fds[i] = open_namespace(pid, names[i]);
	for (int i = 0; i < count; i++) enter_namespace(fds[i], names[i]);
}

__attribute__((noreturn)) static void start(const struct command *c, const int fds[3])
{
	signal(SIGCHLD, SIG_DFL);
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 3; i++) dup2(fds[i], i);
	if (c->tty) ioctl(0, TIOCSCTTY, 0);
	if (chdir(c->directory) != 0) {
		fprintf(stderr, "chdir %s: %s\n", c->directory, strerror(errno));
		_exit(126);
	}
	if (c->seccomp >= 0) {
		drop_capabilities();
		install_seccomp(fcntl(c->seccomp, F_DUPFD_CLOEXEC, 3));
	}
	close_range(3, ~0U, 0);
	environ = c->environment;
	execvp(c->argv[0], c->argv);
	int missing = errno == ENOENT;
	fprintf(stderr, "exec: \"%s\": %s\n", c->argv[0],
		missing ? "executable file not found in $PATH" : strerror(errno));
	_exit(missing ? 127 : 126);
}

/* Reads what there is. Returns 0 when nothing more will come. */
static int fill(struct flow *f)
{
	ssize_t count = read(f->from, f->bytes, sizeof(f->bytes));
	if (count < 0 && (errno == EINTR || errno == EAGAIN)) return 1;
	if (count <= 0) return 0;
	f->start = 0;
	f->end = (size_t)count;
	return 1;
}

/* Writes what it may. Returns 0 when the reader has gone. */
static int spill(struct flow *f)
{
	ssize_t count = write(f->to, f->bytes + f->start, f->end - f->start);
	if (count < 0 && (errno == EINTR || errno == EAGAIN)) return 1;
	if (count < 0) return 0;
	f->start += (size_t)count;
	return 1;
}

static void end_flow(struct flow *f, int close_target)
{
	if (close_target && f->to >= 0) close(f->to);
	f->from = -1;
	f->start = f->end = 0;
}

static void control(char *line, int terminal, pid_t pid)
{
	unsigned columns, rows;
	int number;
	if (sscanf(line, "size %u %u", &columns, &rows) == 2 && terminal >= 0) {
		struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
		ioctl(terminal, TIOCSWINSZ, &size);
	} else if (sscanf(line, "signal %d", &number) == 1) {
		if (kill(-pid, number) != 0) kill(pid, number);
	}
}

static int read_control(int terminal, pid_t pid)
{
	char text[512];
	ssize_t length = read(3, text, sizeof(text) - 1);
	if (length <= 0) {
		/* the caller has gone: nobody would read the rest */
		kill(pid, SIGKILL);
		return 0;
	}
	text[length] = 0;
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) control(line, terminal, pid);
	return 1;
}

/* Copies until the command has ended and what it wrote has been passed on. */
static void pump(struct flow *flows, int terminal, pid_t pid, const sigset_t *open_mask)
{
	int control_fd = 3;
	for (;;) {
		struct pollfd polls[4];
		for (int i = 0; i < 3; i++) {
			int pending = flows[i].end > flows[i].start;
			polls[i].fd = pending ? flows[i].to : flows[i].from;
			polls[i].events = pending ? POLLOUT : POLLIN;
		}
		polls[3] = (struct pollfd){control_fd, POLLIN, 0};
		/* once it has ended: only what is already written, a grandchild may hold the pipe for ever */
		int ended = child_ended;
		if (ended) polls[0].fd = -1;
		struct timespec none = {0};
		int ready = ppoll(polls, 4, ended && flows[1].start == flows[1].end && flows[2].start == flows[2].end ? &none : NULL, open_mask);
		if (ready < 0 && errno == EINTR) continue;
		int moved = 0;
		for (int i = 0; i < 3; i++) {
			if (polls[i].fd < 0 || ready <= 0 || polls[i].revents == 0) continue;
			moved |= i > 0;
			int alive = polls[i].events == POLLOUT ? spill(&flows[i]) : fill(&flows[i]);
			if (!alive) end_flow(&flows[i], i == 0 && terminal < 0);
		}
		if (ready > 0 && polls[3].revents != 0 && !read_control(terminal, pid)) control_fd = -1;
		if (ended && !moved) return;
	}
}

static void parse(int argc, char **argv, struct command *c)
{
	static char *environment[MAX_ARGUMENTS];
	int i = 8, count = 0;
	c->uid = (uid_t)strtoul(argv[3], NULL, 10);
	c->gid = (gid_t)strtoul(argv[4], NULL, 10);
	c->tty = strcmp(argv[5], "tty") == 0;
	c->with_stdin = strcmp(argv[6], "stdin") == 0;
	c->directory = argv[7];
	for (; i < argc && strcmp(argv[i], "--") != 0 && count < MAX_ARGUMENTS - 1; i++) environment[count++] = argv[i];
	if (i + 1 >= argc) fail("no command");
	c->environment = environment;
	c->argv = argv + i + 1;
}

static void make_pipes(const struct command *c, int inside[3], int outside[3])
{
	int ends[2];
	for (int i = 0; i < 3; i++) {
		if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
		inside[i] = ends[i == 0 ? 0 : 1];
		outside[i] = ends[i == 0 ? 1 : 0];
	}
	if (c->with_stdin) return;
	close(outside[0]);
	outside[0] = -1;
}

int execute(int argc, char **argv)
{
	struct command c = {0};
	static struct flow flows[3];
	int inside[3], outside[3] = {-1, -1, -1}, terminal = -1, wait_status;
	sigset_t blocked, open_mask;
	if (argc < 9) return 2;
	parse(argc, argv, &c);
	int confined = strcmp(argv[2], "-") != 0;
	c.seccomp = confined ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
	if (confined && c.seccomp < 0) fail("%s", argv[2]);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (confined) leave_groups();
	enter_container(atoi(argv[1]), confined);
	if (confined) become(c.uid, c.gid);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (c.tty) {
		terminal = outside[0] = outside[1] = open_terminal(&inside[0]);
		inside[1] = inside[2] = inside[0];
	}
	else make_pipes(&c, inside, outside);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, on_child);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &open_mask);
	pid_t pid = fork();
	if (pid < 0) fail("fork");
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_SETMASK, &open_mask, NULL);
		start(&c, inside);
	}
	for (int i = 0; i < 3; i++)
		if (i == 0 || inside[i] != inside[0]) close(inside[i]);
	/* output is written with waiting, input without: a command that does not read must still be heard */
	if (outside[0] >= 0) fcntl(outside[0], F_SETFL, O_NONBLOCK);
	flows[0] = (struct flow){.from = c.with_stdin ? 0 : -1, .to = outside[0]};
	flows[1] = (struct flow){.from = outside[1], .to = 1};
	flows[2] = (struct flow){.from = outside[2], .to = 2};
	pump(flows, terminal, pid, &open_mask);
	while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR)
		;
	return exit_code(wait_status);
}
