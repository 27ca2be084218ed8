// SPDX-License-Identifier: Apache-2.0
// DNS for the benchmarks, run inside network namespaces:
//   dns serve PORT                              answers every question for an A record, over UDP
//   dns load ADDRESS PORT SECONDS WINDOW NAMES  asks for so many names in turn (0 = another one each time), WINDOW questions at once
//   dns pace ADDRESS PORT SECONDS RATE NAMES    asks RATE times a second, whatever the answers do
// load and pace print: answers a second, median and 99th percentile of the latency in microseconds, questions without answer.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE 512
#define HEADER 12
#define IDS 65536
#define MOST_SAMPLES (1 << 22)

static uint64_t sent_ns[IDS];
static uint32_t samples[MOST_SAMPLES];
static size_t sampled;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + time.tv_nsec;
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
		fprintf(stderr, "%s is no IPv4 address\n", host);
		exit(2);
	}
	return address;
}

static void serve(const char *port)
{
	static const uint8_t record[] = { 0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 18, 0, 1 };
	struct sockaddr_in address = address_of("0.0.0.0", port), client;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t message[MESSAGE];

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("bind");
	puts("ready");
	fflush(stdout);
	for (;;) {
		socklen_t size = sizeof(client);
		ssize_t length = recvfrom(fd, message, sizeof(message) - sizeof(record), 0, (struct sockaddr *)&client, &size);

		if (length < HEADER)
			continue;
		message[2] |= 0x80;
		message[7] = 1;
		memcpy(message + length, record, sizeof(record));
		sendto(fd, message, length + sizeof(record), 0, (struct sockaddr *)&client, size);
	}
}

static void ask(int fd, uint16_t id, uint32_t name)
{
	uint8_t message[MESSAGE] = { id >> 8, id & 255, 1, 0, 0, 1 };
	int length = HEADER + 1 + sprintf((char *)message + HEADER + 1, "n%07u", name);

	message[HEADER] = 8;
	memcpy(message + length, "\7example\3com\0\0\1\0\1", 17);
	sent_ns[id] = now_ns();
	send(fd, message, length + 17, 0);
}

/* Takes what has come; returns how many answers. */
static int take(int fd)
{
	uint8_t message[MESSAGE];
	int count = 0;

	while (recv(fd, message, sizeof(message), MSG_DONTWAIT) >= HEADER) {
		uint16_t id = message[0] << 8 | message[1];

		if (!sent_ns[id] || (message[3] & 15))
			continue;
		if (sampled < MOST_SAMPLES)
			samples[sampled++] = (now_ns() - sent_ns[id]) / 1000;
		sent_ns[id] = 0;
		count++;
	}
	return count;
}

static int by_size(const void *a, const void *b)
{
	return (*(const uint32_t *)a > *(const uint32_t *)b) - (*(const uint32_t *)a < *(const uint32_t *)b);
}

static void load(const char *host, const char *port, double seconds, double much, uint32_t names, int paced)
{
	struct sockaddr_in address = address_of(host, port);
	struct pollfd ready = { .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN };
	uint64_t start, end, asked = 0, answered = 0;

	if (connect(ready.fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect");
	start = now_ns();
	end = start + (uint64_t)(seconds * 1e9);
	while (now_ns() < end) {
		uint64_t due = paced ? (now_ns() - start) * much / 1e9 : answered + (uint64_t)much;

		/* what was lost must not stop the window for ever */
		if (!paced && poll(&ready, 1, 0) == 0 && due <= asked && poll(&ready, 1, 200) == 0)
			answered = asked;
		for (; asked < due; asked++)
			ask(ready.fd, asked % IDS, names ? asked % names : (uint32_t)(start / 1000 + asked) % 10000000);
		if (paced)
			poll(&ready, 1, 1);
		answered += take(ready.fd);
	}
	usleep(100000);
	take(ready.fd);
	qsort(samples, sampled, sizeof(*samples), by_size);
	printf("%.0f %u %u %llu\n", sampled / seconds, samples[sampled / 2], samples[sampled * 99 / 100],
	       (unsigned long long)(asked - sampled));
}

int main(int count, char **words)
{
	if (count == 3 && !strcmp(words[1], "serve"))
		serve(words[2]);
	else if (count == 7 && (!strcmp(words[1], "load") || !strcmp(words[1], "pace")))
		load(words[2], words[3], atof(words[4]), atof(words[5]), atoi(words[6]), words[1][0] == 'p');
	else
		return fprintf(stderr, "dns: see its source\n"), 2;
	return 0;
}
