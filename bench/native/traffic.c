// SPDX-License-Identifier: Apache-2.0
// Traffic for the benchmarks, run inside network namespaces:
//   traffic server PORT                   answers every byte with a byte, HTTP heads with a small response, datagrams with
//                                         themselves; swallows what begins with a zero
//   traffic rr ADDRESS PORT SECONDS [N]   request/response on N connections at once (1); prints transactions a second
//   traffic crr ADDRESS PORT SECONDS      a new connection for each request; prints connections a second
//   traffic urr ADDRESS PORT SECONDS      request/response with datagrams; prints transactions a second
//   traffic stream ADDRESS PORT SECONDS N zeros on N connections at once, until the server has read the last; prints Mbit a second
//   traffic probe ADDRESS PORT            a datagram every 500 us; prints `up NS` or `down NS` (CLOCK_MONOTONIC) when answers begin or end
// ADDRESS is of either family.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536
#define MOST_CONNECTIONS 64

struct target {
	struct sockaddr_storage address;
	socklen_t size;
};

static const char RESPONSE[] = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nShip landed\n";

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + time.tv_nsec;
}

static struct target target_of(const char *host, const char *port)
{
	struct target target = { .size = sizeof(struct sockaddr_in) };
	struct sockaddr_in *four = (struct sockaddr_in *)&target.address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&target.address;

	four->sin_family = AF_INET;
	four->sin_port = htons(atoi(port));
	if (inet_pton(AF_INET, host, &four->sin_addr) == 1)
		return target;
	six->sin6_family = AF_INET6;
	target.size = sizeof(*six);
	if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1)
		die(host);
	return target;
}

// Small requests go out at once; and no congestion control that paces by timers, whatever the machine's own is, for its
// timers would be what is measured.
static void unpaced(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", strlen("cubic"));
}

// Of both families, or of IPv4 where the kernel has no other.
static int bound(int type, const char *port)
{
	struct target target = target_of("::", port);
	int one = 1, fd = socket(AF_INET6, type, 0);

	if (fd < 0) {
		target = target_of("0.0.0.0", port);
		fd = socket(AF_INET, type, 0);
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&target.address, target.size))
		die("bind");
	return fd;
}

static void watch(int epoll, int fd, uint32_t what)
{
	struct epoll_event event = { .events = what, .data.fd = fd };

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// One response for each end of a head ("\r\n\r\n"), a byte for anything that is not HTTP.
static void answer(int fd)
{
	static char buffer[CHUNK], out[CHUNK];
	ssize_t got = read(fd, buffer, sizeof(buffer));
	size_t length = 0;

	if (got <= 0) {
		close(fd);
		return;
	}
	if (!buffer[0])
		return;
	if (got == 1) {
		if (write(fd, buffer, 1) != 1)
			close(fd);
		return;
	}
	for (ssize_t i = 3; i < got; i++) {
		if (memcmp(buffer + i - 3, "\r\n\r\n", 4) || length + sizeof(RESPONSE) > sizeof(out))
			continue;
		memcpy(out + length, RESPONSE, sizeof(RESPONSE) - 1);
		length += sizeof(RESPONSE) - 1;
	}
	if (length && write(fd, out, length) != (ssize_t)length)
		close(fd);
}

static void echo(int fd)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	char buffer[2048];
	ssize_t got = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &size);

	if (got > 0)
		sendto(fd, buffer, got, 0, (struct sockaddr *)&peer, size);
}

static int serve(const char *port)
{
	int listener = bound(SOCK_STREAM, port), datagrams = bound(SOCK_DGRAM, port), epoll = epoll_create1(0);
	struct epoll_event events[64];

	unpaced(listener);
	listen(listener, 1024);
	watch(epoll, listener, EPOLLIN);
	watch(epoll, datagrams, EPOLLIN);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;

			if (fd == datagrams) {
				echo(fd);
			} else if (fd == listener) {
				int client = accept(listener, NULL, NULL);

				watch(epoll, client, EPOLLIN);
			} else {
				answer(fd);
			}
		}
	}
}

static int connected(const struct target *target, int type)
{
	int fd = socket(target->address.ss_family, type, 0);

	if (type == SOCK_STREAM)
		unpaced(fd);
	if (connect(fd, (const struct sockaddr *)&target->address, target->size))
		die("connect");
	return fd;
}

static int transact(int fd)
{
	char byte = 'x';

	return write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1;
}

static int request_response(struct target target, double seconds, int type, int reconnect)
{
	uint64_t started = now_ns(CLOCK_MONOTONIC), end = started + (uint64_t)(seconds * 1e9), done = 0;
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct timeval patience = { .tv_sec = 1 };
	int fd = reconnect ? -1 : connected(&target, type);

	// a datagram that is lost ends the run: on one machine none is lost but by a fault
	if (!reconnect)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (now_ns(CLOCK_MONOTONIC) < end) {
		if (reconnect)
			fd = connected(&target, type);
		if (!transact(fd))
			die("transaction");
		if (reconnect) {
			// a reset, or the client's ports would run out in TIME_WAIT
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			close(fd);
		}
		done++;
	}
	printf("%.0f\n", done / ((now_ns(CLOCK_MONOTONIC) - started) / 1e9));
	return 0;
}

static int connect_all(const struct target *target, int *fds, int count, uint32_t what)
{
	int epoll = epoll_create1(0);

	if (count < 1 || count > MOST_CONNECTIONS)
		die("connections");
	for (int i = 0; i < count; i++) {
		fds[i] = connected(target, SOCK_STREAM);
		watch(epoll, fds[i], what);
	}
	return epoll;
}

// Each connection asks again as soon as it has its answer.
static int many_request_response(struct target target, double seconds, int count)
{
	int fds[MOST_CONNECTIONS], epoll = connect_all(&target, fds, count, EPOLLIN);
	uint64_t started = now_ns(CLOCK_MONOTONIC), end = started + (uint64_t)(seconds * 1e9), done = 0;
	struct epoll_event events[MOST_CONNECTIONS];
	char byte = 'x';

	for (int i = 0; i < count; i++)
		if (write(fds[i], &byte, 1) != 1)
			die("write");
	while (now_ns(CLOCK_MONOTONIC) < end) {
		int ready = epoll_wait(epoll, events, MOST_CONNECTIONS, 1000);

		if (ready <= 0)
			die("no answer");
		for (int i = 0; i < ready; i++)
			if (read(events[i].data.fd, &byte, 1) != 1 || write(events[i].data.fd, &byte, 1) != 1)
				die("transaction");
		done += ready;
	}
	printf("%.0f\n", done / ((now_ns(CLOCK_MONOTONIC) - started) / 1e9));
	return 0;
}

// Counts what has arrived: the clock stops when the server, having read all, has closed every connection.
static int stream(struct target target, double seconds, int count)
{
	int fds[MOST_CONNECTIONS], epoll = connect_all(&target, fds, count, EPOLLOUT);
	uint64_t started = now_ns(CLOCK_MONOTONIC), end = started + (uint64_t)(seconds * 1e9), sent = 0;
	struct epoll_event events[MOST_CONNECTIONS];
	static char zeros[CHUNK];

	while (now_ns(CLOCK_MONOTONIC) < end) {
		int ready = epoll_wait(epoll, events, MOST_CONNECTIONS, 1000);

		if (ready <= 0)
			die("no way out");
		for (int i = 0; i < ready; i++) {
			ssize_t wrote = send(events[i].data.fd, zeros, CHUNK, MSG_DONTWAIT);

			if (wrote < 0 && errno != EAGAIN)
				die("send");
			sent += wrote > 0 ? wrote : 0;
		}
	}
	for (int i = 0; i < count; i++)
		shutdown(fds[i], SHUT_WR);
	for (int i = 0; i < count; i++)
		if (read(fds[i], zeros, 1) != 0)
			die("end of the stream");
	printf("%.0f\n", sent * 8 / 1e6 / ((now_ns(CLOCK_MONOTONIC) - started) / 1e9));
	return 0;
}

// Answers carry the time of their question. Down = the first question that stayed unanswered for 20 ms.
static int probe(struct target target)
{
	int fd = connected(&target, SOCK_DGRAM), up = -1;
	uint64_t last_answered = now_ns(CLOCK_MONOTONIC), sent;
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		uint64_t now = now_ns(CLOCK_MONOTONIC);

		if (send(fd, &now, sizeof(now), 0) < 0 && errno != ECONNREFUSED)
			die("send");
		usleep(500);
		while (poll(&readable, 1, 0) > 0 && recv(fd, &sent, sizeof(sent), MSG_DONTWAIT) == sizeof(sent)) {
			if (up != 1)
				printf("up %lu\n", sent);
			up = 1;
			last_answered = sent;
		}
		if (up != 0 && now - last_answered > 20000000ull) {
			printf("down %lu\n", last_answered);
			up = 0;
		}
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	double seconds = argc > 4 ? atof(argv[4]) : 0;
	int count = argc > 5 ? atoi(argv[5]) : 1;

	if (argc == 3 && !strcmp(mode, "server"))
		return serve(argv[2]);
	if (argc == 4 && !strcmp(mode, "probe"))
		return probe(target_of(argv[2], argv[3]));
	if (argc == 6 && !strcmp(mode, "rr") && count > 1)
		return many_request_response(target_of(argv[2], argv[3]), seconds, count);
	if (argc == 5 && (!strcmp(mode, "rr") || !strcmp(mode, "crr") || !strcmp(mode, "urr")))
		return request_response(target_of(argv[2], argv[3]), seconds, *mode == 'u' ? SOCK_DGRAM : SOCK_STREAM, *mode == 'c');
	if (argc == 6 && !strcmp(mode, "stream"))
		return stream(target_of(argv[2], argv[3]), seconds, count);
	fprintf(stderr, "usage: traffic server PORT | rr|crr|urr|stream ADDRESS PORT SECONDS [N] | probe ADDRESS PORT\n");
	return 2;
}
