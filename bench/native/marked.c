// SPDX-License-Identifier: Apache-2.0
// Preloaded into a proxy that knows nothing of the datapath: every TCP socket it makes is transparent and has the mark of the
// environment's SOCKET_MARK, as the datapath wants the sockets of the node's own proxy. What it accepts inherits both.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

static int mark;
static int (*make)(int, int, int);

// Before the program's own code: nginx empties its environment.
__attribute__((constructor)) static void prepare(void)
{
	const char *text = getenv("SOCKET_MARK");

	mark = text ? atoi(text) : 0;
	make = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
}

int socket(int domain, int type, int protocol)
{
	int one = 1, fd = make(domain, type, protocol);

	if (fd >= 0 && domain == AF_INET && (type & 0xf) == SOCK_STREAM) {
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
		setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one));
	}
	return fd;
}
