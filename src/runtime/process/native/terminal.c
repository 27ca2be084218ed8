/* terminal SOCKET COMMAND…: gives COMMAND a terminal of the devpts that is mounted here, as its controlling one, and
 * hands the other side over SOCKET to the shim. Runs inside the container, under its filter. */
#include "pod.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int open_terminal(int *end)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), unlocked = 0;
	if (terminal < 0 || ioctl(terminal, TIOCSPTLCK, &unlocked) != 0) fail("/dev/ptmx");
	*end = ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*end < 0) fail("terminal");
	return terminal;
}

/* A message of one byte with room for one descriptor; `control` outlives it. */
static struct msghdr descriptor_message(struct iovec *byte, char *control, size_t size)
{
	return (struct msghdr){.msg_iov = byte, .msg_iovlen = 1, .msg_control = control, .msg_controllen = size};
}

static void send_descriptor(int socket, int descriptor)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec byte = {"x", 1};
	struct msghdr message = descriptor_message(&byte, control, sizeof(control));
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(head), &descriptor, sizeof(int));
	if (sendmsg(socket, &message, MSG_NOSIGNAL) != 1) fail("terminal");
}

int receive_descriptor(int socket)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	char text[1];
	struct iovec byte = {text, 1};
	struct msghdr message = descriptor_message(&byte, control, sizeof(control));
	int descriptor = -1;
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	if (head != NULL && head->cmsg_type == SCM_RIGHTS) memcpy(&descriptor, CMSG_DATA(head), sizeof(int));
	return descriptor;
}

int terminal(int argc, char **argv)
{
	int end;
	if (argc < 3) return 2;
	send_descriptor(atoi(argv[1]), open_terminal(&end));
	setsid();
	for (int i = 0; i < 3; i++) dup2(end, i);
	ioctl(0, TIOCSCTTY, 0);
	close_range(3, ~0U, 0);
	execvp(argv[2], argv + 2);
	int is_missing = errno == ENOENT;
	fprintf(stderr, "exec: \"%s\": %s\n", argv[2], is_missing ? "executable file not found in $PATH" : strerror(errno));
	return is_missing ? 127 : 126;
}
