/* Entering namespaces and giving up rights: shared by the three commands. */
#include "pod.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void fail(const char *what, ...)
{
	int number = errno;
	va_list arguments;
	va_start(arguments, what);
	fputs("shieldgate-pod: ", stderr);
	vfprintf(stderr, what, arguments);
	fprintf(stderr, ": %s\n", strerror(number));
	va_end(arguments);
	_exit(125);
}

int open_namespace(pid_t pid, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) fail("%s", path);
	return fd;
}

void enter_namespace(int fd, const char *name)
{
	if (setns(fd, 0) != 0) fail("setns %s", name);
	close(fd);
}

void become(uid_t uid, gid_t gid)
{
	if (setresgid(gid, gid, gid) != 0) fail("setresgid %u", gid);
	if (setresuid(uid, uid, uid) != 0) fail("setresuid %u", uid);
}

void leave_groups(void)
{
	if (setgroups(0, NULL) != 0) fail("setgroups");
}

void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* the bounding set ends with the first number that the kernel does not know */
	for (int capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
		;
	if (syscall(SYS_capset, &header, none) != 0) fail("capset");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
}

void install_seccomp(int fd)
{
	static struct sock_filter filter[512];
	ssize_t length = read(fd, filter, sizeof(filter));
	if (length <= 0 || length % (ssize_t)sizeof(filter[0]) != 0) fail("seccomp filter");
	close(fd);
	struct sock_fprog program = {.len = (unsigned short)(length / (ssize_t)sizeof(filter[0])), .filter = filter};
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) fail("seccomp");
}

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) fail("%s", path);
	close(fd);
}

int exit_code(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t count = write(fd, bytes, length);
		if (count < 0 && errno == EINTR) continue;
		if (count <= 0) return;
		bytes += count;
		length -= (size_t)count;
	}
}
