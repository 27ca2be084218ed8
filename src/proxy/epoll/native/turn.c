// SPDX-License-Identifier: Apache-2.0
// The system calls of a turn of the proxy's epoll set, many at a time: a call from JavaScript costs a good part of what the
// system call itself does. Numbers are the machine's own.
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MOST_READ 65536
// Less room is not worth a read: the descriptor is told of again.
#define LEAST_READ 16384

// A part of the bytes for a descriptor. `took` = how many the kernel took, or the errno, negative.
struct part {
	int32_t fd, from, to, took;
};

void sg_send(struct part *parts, int count, const uint8_t *bytes)
{
	for (struct part *part = parts; part < parts + count; part++) {
		ssize_t took = send(part->fd, bytes + part->from, part->to - part->from, MSG_NOSIGNAL);

		part->took = took < 0 ? -errno : took;
	}
}

// Where the bytes are that were read with an event, -1 = none were; and how many, or the errno, negative.
struct outcome {
	int32_t at, length;
};

// As epoll_wait; reads where an event says nothing but that there is something, if the top bit of its data asks for it.
int sg_wait(int set, struct epoll_event *events, int most, int timeout, uint8_t *bytes, int size, struct outcome *outcomes)
{
	int count = epoll_wait(set, events, most, timeout);
	int at = 0;

	for (int index = 0; index < count; index++) {
		uint64_t data = events[index].data.u64;
		int room = size - at < MOST_READ ? size - at : MOST_READ;
		ssize_t length;

		outcomes[index].at = -1;
		if (!(data >> 63) || events[index].events != EPOLLIN || room < LEAST_READ)
			continue;
		length = recv((int)(uint32_t)data, bytes + at, room, 0);
		outcomes[index].at = at;
		outcomes[index].length = length < 0 ? -errno : length;
		if (length > 0)
			at += length;
	}
	return count;
}
