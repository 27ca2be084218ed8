// SPDX-License-Identifier: Apache-2.0
// The system calls of a turn of the proxy's epoll set, many at a time: a call from JavaScript costs a good part of what the
// system call itself does. Numbers are the machine's own.
#include <errno.h>
#include <stddef.h>
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

#define MOST_DATAGRAMS 16

// Takes datagrams that are there, at most MOST_DATAGRAMS, each to `room` bytes of its own; how many, or the errno, negative.
int sg_receive(int fd, uint8_t *bytes, int room, int32_t *lengths)
{
	struct mmsghdr messages[MOST_DATAGRAMS] = {};
	struct iovec vectors[MOST_DATAGRAMS];
	int count;

	for (int index = 0; index < MOST_DATAGRAMS; index++) {
		vectors[index] = (struct iovec){ bytes + (size_t)index * room, room };
		messages[index].msg_hdr.msg_iov = &vectors[index];
		messages[index].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(fd, messages, MOST_DATAGRAMS, MSG_DONTWAIT, NULL);
	if (count < 0)
		return -errno;
	for (int index = 0; index < count; index++)
		lengths[index] = messages[index].msg_len;
	return count;
}

// A datagram of the bytes. So many bytes before it are the address that it goes to; 0 = the descriptor is connected.
struct datagram {
	int32_t fd, from, to, name;
};

// What the kernel does not take is lost, as on any way.
void sg_send_datagrams(const struct datagram *datagrams, int count, const uint8_t *bytes)
{
	for (const struct datagram *one = datagrams; one < datagrams + count; one++) {
		const uint8_t *start = bytes + one->from;
		const void *name = one->name ? start - one->name : NULL;

		sendto(one->fd, start, one->to - one->from, MSG_DONTWAIT | MSG_NOSIGNAL, name, one->name);
	}
}
