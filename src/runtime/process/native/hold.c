/* hold HOSTNAME UID_BASE [pids]: makes the pod's network, ipc, uts and user namespaces and stays asleep inside them; with
 * `pids` also one pid namespace for all its containers, in which it is the first and takes what they leave.
 * The first three belong to the host's user namespace: whatever the pod becomes in its own, it has no right over them. */
#include "pod.h"
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) fail("lo up");
	close(fd);
}

static void set_network(void)
{
	loopback_up();
	/* low ports and ping need no capability then */
	write_text("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	write_text("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	/* eth0 gets no link-local address of its own making; lo keeps ::1 */
	if (access("/proc/sys/net/ipv6/conf/default/disable_ipv6", W_OK) == 0)
		write_text("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

static void sleep_for_ever(void)
{
	become(0, 0);
	drop_capabilities();
	prctl(PR_SET_NAME, "pod");
	if (chdir("/") != 0) _exit(1);
	setsid();
	close_range(0, ~0U, 0);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	for (;;) pause();
}

static void write_map(pid_t pid, const char *file, unsigned long base)
{
	char path[64], line[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	snprintf(line, sizeof(line), "0 %lu 65536\n", base);
	write_text(path, line);
}

int hold(int argc, char **argv)
{
	int made[2], mapped[2];
	char byte;
	if (argc != 3 && argc != 4) return 2;
	if (pipe2(made, O_CLOEXEC) != 0 || pipe2(mapped, O_CLOEXEC) != 0) fail("pipe");
	pid_t pid = fork();
	if (pid < 0) fail("fork");
	if (pid == 0) {
		close(made[0]);
		close(mapped[1]);
		if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0) fail("unshare");
		if (sethostname(argv[1], strlen(argv[1])) != 0) fail("hostname");
		set_network();
		leave_groups();
		if (unshare(CLONE_NEWUSER) != 0) fail("unshare user");
		if (write(made[1], "x", 1) != 1 || read(mapped[0], &byte, 1) != 1) _exit(125);
		if (argc == 4 && unshare(CLONE_NEWPID) != 0) fail("unshare pid");
		pid = argc == 4 ? fork() : 0;
		if (pid == 0) sleep_for_ever();
		_exit(pid > 0 && write(made[1], &pid, sizeof(pid)) == sizeof(pid) ? 0 : 125);
	}
	close(made[1]);
	close(mapped[0]);
	if (read(made[0], &byte, 1) != 1) _exit(125);
	write_map(pid, "uid_map", strtoul(argv[2], NULL, 10));
	write_map(pid, "gid_map", strtoul(argv[2], NULL, 10));
	if (write(mapped[1], "x", 1) != 1) fail("holder");
	if (argc == 4 && read(made[0], &pid, sizeof(pid)) != sizeof(pid)) fail("holder");
	/* end of file here means that the holder has left every right behind */
	if (read(made[0], &byte, 1) != 0) fail("holder");
	printf("%d\n", pid);
	return 0;
}
