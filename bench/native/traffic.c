// SPDX-License-Identifier: Apache-2.0
// Traffic for the benchmarks, run inside network namespaces:
//   traffic server PORT                   answers every byte with a byte, HTTP heads with a small response, datagrams with themselves
//   traffic rr ADDRESS PORT SECONDS       request/response on one connection; prints transactions a second
//   traffic crr ADDRESS PORT SECONDS      a new connection for each request; prints connections a second
//   traffic probe ADDRESS PORT            a datagram every 500 us; prints `up NS` or `down NS` (CLOCK_REALTIME) when answers begin or end
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

static struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die(host);
	return address;
}

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int bound(int type, const char *port)
{
	struct sockaddr_in address = address_of("0.0.0.0", port);
	int one = 1, fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("bind");
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// One response for each end of a head ("\r\n\r\n"), a byte for anything that is not HTTP.
static void answer(int fd)
{
	char buffer[65536], out[65536];
	ssize_t got = read(fd, buffer, sizeof(buffer));
	size_t length = 0;

	if (got <= 0) {
		close(fd);
		return;
	}
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
	struct sockaddr_in peer;
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

	listen(listener, 1024);
	watch(epoll, listener);
	watch(epoll, datagrams);
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

				no_delay(client);
				watch(epoll, client);
			} else {
				answer(fd);
			}
		}
	}
}

static int connected(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)address, sizeof(*address)))
		die("connect");
	no_delay(fd);
	return fd;
}

static int transact(int fd)
{
	char byte = 'x';

	return write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1;
}

static int request_response(struct sockaddr_in address, double seconds, int reconnect)
{
	uint64_t started = now_ns(CLOCK_MONOTONIC), end = started + (uint64_t)(seconds * 1e9), done = 0;
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = reconnect ? -1 : connected(&address);

	while (now_ns(CLOCK_MONOTONIC) < end) {
		if (reconnect)
			fd = connected(&address);
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

// Answers carry the time of their question. Down = the first question that stayed unanswered for 20 ms.
static int probe(struct sockaddr_in address)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), up = -1;
	uint64_t last_answered = now_ns(CLOCK_REALTIME), sent;
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;) {
		uint64_t now = now_ns(CLOCK_REALTIME);

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
	if (argc == 3 && !strcmp(argv[1], "server"))
		return serve(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "probe"))
		return probe(address_of(argv[2], argv[3]));
	if (argc == 5 && (!strcmp(argv[1], "rr") || !strcmp(argv[1], "crr")))
		return request_response(address_of(argv[2], argv[3]), atof(argv[4]), argv[1][0] == 'c');
	fprintf(stderr, "usage: traffic server PORT | rr|crr ADDRESS PORT SECONDS | probe ADDRESS PORT\n");
	return 2;
}
