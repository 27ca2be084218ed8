#include "attach.h"
#include "pod.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD 5
#define ROOM 65536
#define DRAIN_MS 10000

enum { INPUT, INPUT_END, SIZE };

struct client {
	/* -1: nobody */
	int fd;
	int feeds;
	/* takes nothing more; what it has said is still read */
	int deaf;
	unsigned char head[HEAD];
	size_t head_length;
	/* input of the present frame that is still to come */
	size_t left;
	char *out;
	size_t start, end, capacity;
};

struct attachments {
	int listener;
	/* -1: none */
	int input, terminal;
	int awaits_terminal;
	/* 1: ends with its first client; 2: ends as soon as what was said has been taken */
	int once;
	char pending[4096];
	size_t start, end;
	/* frames for the first client; NULL: nobody is waited for */
	char *early;
	size_t early_length;
	struct client clients[ATTACH_CLIENTS];
};

struct attachments *attach_listen(const char *path)
{
	static struct attachments all;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char directory[4096];
	const char *name = strrchr(path, '/');
	/* a socket's path is short: it is made from within its directory */
	snprintf(directory, sizeof(directory), "%.*s", (int)(name - path), path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", name + 1);
	if (chdir(directory) != 0) fail("%s", directory);
	unlink(address.sun_path);
	all.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (all.listener < 0 || bind(all.listener, (struct sockaddr *)&address, sizeof(address)) != 0) fail("%s", path);
	if (chmod(address.sun_path, 0600) != 0 || listen(all.listener, ATTACH_CLIENTS) != 0) fail("%s", path);
	all.input = all.terminal = -1;
	for (int i = 0; i < ATTACH_CLIENTS; i++) all.clients[i].fd = -1;
	return &all;
}

void attach_input(struct attachments *all, int fd, int once)
{
	if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK | fcntl(fd, F_GETFL));
	all->input = fd;
	all->once = once;
}

void attach_keep(struct attachments *all)
{
	all->early = malloc(ROOM);
	if (all->early == NULL) fail("attach");
}

void attach_await_terminal(struct attachments *all)
{
	all->awaits_terminal = 1;
}

void attach_terminal(struct attachments *all, int fd, int with_input)
{
	attach_input(all, with_input ? fd : -1, 0);
	all->terminal = fd;
	all->awaits_terminal = 0;
}

static void end_input(struct attachments *all)
{
	if (all->start < all->end || all->input < 0) return;
	close(all->input);
	all->input = -1;
}

static void leave(struct attachments *all, struct client *client)
{
	close(client->fd);
	free(client->out);
	int fed = client->feeds;
	*client = (struct client){.fd = -1};
	if (!fed || !all->once) return;
	all->once = 2;
	end_input(all);
}

void attach_polls(struct attachments *all, struct pollfd polls[ATTACH_POLLS])
{
	int is_pending = all->start < all->end;
	polls[0] = (struct pollfd){all->listener, POLLIN, 0};
	polls[1] = (struct pollfd){is_pending ? all->input : -1, POLLOUT, 0};
	for (int i = 0; i < ATTACH_CLIENTS; i++) {
		const struct client *client = &all->clients[i];
		short events = client->start < client->end ? POLLOUT : 0;
		/* who has input to give waits until the container has taken the earlier */
		if (!all->awaits_terminal && (client->left == 0 || !is_pending)) events |= POLLIN;
		/* a hang-up is told without being asked for, again and again */
		polls[i + 2] = (struct pollfd){events != 0 ? client->fd : -1, events, 0};
	}
}

static void feed(struct attachments *all)
{
	ssize_t count = write(all->input, all->pending + all->start, all->end - all->start);
	if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
	/* nobody reads any more: what is said is lost, as in a pipe */
	all->start = count < 0 ? all->end : all->start + (size_t)count;
	if (count < 0 || all->once == 2) end_input(all);
}

static void obey(struct attachments *all, struct client *client)
{
	uint32_t value = client->head[1] | client->head[2] << 8 | client->head[3] << 16 | (uint32_t)client->head[4] << 24;
	client->head_length = 0;
	if (client->head[0] == INPUT) {
		client->feeds = 1;
		client->left = value;
	} else if (client->head[0] == INPUT_END && all->once) {
		all->once = 2;
		end_input(all);
	} else if (client->head[0] == SIZE && all->terminal >= 0) {
		struct winsize size = {.ws_col = (unsigned short)value, .ws_row = (unsigned short)(value >> 16)};
		ioctl(all->terminal, TIOCSWINSZ, &size);
	}
}

/* Reads what one client says. Returns 0 when it has gone. */
static int hear(struct attachments *all, struct client *client)
{
	char *to = client->left > 0 ? all->pending : (char *)client->head + client->head_length;
	size_t wanted = client->left > 0 ? client->left : HEAD - client->head_length;
	if (client->left > 0 && wanted > sizeof(all->pending)) wanted = sizeof(all->pending);
	ssize_t count = read(client->fd, to, wanted);
	if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
	if (count <= 0) return 0;
	if (client->left == 0) {
		client->head_length += (size_t)count;
		if (client->head_length == HEAD) obey(all, client);
		return 1;
	}
	client->left -= (size_t)count;
	if (all->input < 0) return 1;
	all->start = 0;
	all->end = (size_t)count;
	feed(all);
	return 1;
}

/* Writes what one client has to get. */
static void tell(struct client *client)
{
	ssize_t count = send(client->fd, client->out + client->start, client->end - client->start, MSG_NOSIGNAL);
	if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
	client->deaf = count < 0;
	client->start = client->deaf ? client->end : client->start + (size_t)count;
	if (client->start == client->end) client->start = client->end = 0;
}

static void put(struct client *client, const void *bytes, size_t length)
{
	if (client->end + length > client->capacity) {
		memmove(client->out, client->out + client->start, client->end - client->start);
		client->end -= client->start;
		client->start = 0;
	}
	if (client->end + length > client->capacity) {
		client->capacity = client->end + length;
		client->out = realloc(client->out, client->capacity);
		if (client->out == NULL) fail("attach");
	}
	memcpy(client->out + client->end, bytes, length);
	client->end += length;
}

static void admit(struct attachments *all)
{
	int fd = accept4(all->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) return;
	for (int i = 0; i < ATTACH_CLIENTS; i++) {
		if (all->clients[i].fd >= 0) continue;
		all->clients[i].fd = fd;
		if (all->early == NULL) return;
		put(&all->clients[i], all->early, all->early_length);
		free(all->early);
		all->early = NULL;
		return;
	}
	close(fd);
}

void attach_handle(struct attachments *all, const struct pollfd polls[ATTACH_POLLS])
{
	if (polls[1].revents != 0 && all->input >= 0) feed(all);
	for (int i = 0; i < ATTACH_CLIENTS; i++) {
		struct client *client = &all->clients[i];
		short seen = polls[i + 2].revents;
		if (client->fd < 0 || seen == 0) continue;
		if ((seen & POLLOUT) != 0) tell(client);
		/* an earlier one of this round may have filled what this one would need */
		int can_be_heard = client->left == 0 || all->start == all->end;
		if ((seen & ~POLLOUT) != 0 && can_be_heard && !hear(all, client)) leave(all, client);
	}
	if (polls[0].revents != 0) admit(all);
}

int attach_has_room(const struct attachments *all)
{
	for (int i = 0; i < ATTACH_CLIENTS; i++)
		if (all->clients[i].end - all->clients[i].start > ROOM) return 0;
	return 1;
}

/* What is older goes when there is no room: whole frames, since half of one would be none. */
static void keep(struct attachments *all, const unsigned char *head, const char *bytes, size_t length)
{
	if (all->early_length + HEAD + length > ROOM) all->early_length = 0;
	memcpy(all->early + all->early_length, head, HEAD);
	memcpy(all->early + all->early_length + HEAD, bytes, length);
	all->early_length += HEAD + length;
}

void attach_send(struct attachments *all, int stream, const char *bytes, size_t length)
{
	unsigned char head[HEAD] = {(unsigned char)stream, length & 255, length >> 8 & 255, length >> 16 & 255, 0};
	if (all->early != NULL) keep(all, head, bytes, length);
	for (int i = 0; i < ATTACH_CLIENTS; i++) {
		if (all->clients[i].fd < 0 || all->clients[i].deaf) continue;
		put(&all->clients[i], head, HEAD);
		put(&all->clients[i], bytes, length);
	}
}

void attach_end(struct attachments *all)
{
	struct pollfd polls[ATTACH_CLIENTS];
	all->input = all->terminal = -1;
	all->once = 0;
	/* who has just come is let in, and hears what there was */
	admit(all);
	for (;;) {
		int left = 0;
		for (int i = 0; i < ATTACH_CLIENTS; i++) {
			struct client *client = &all->clients[i];
			int is_pending = client->start < client->end;
			/* closed with words of theirs unread it would be a broken connection, and what it still carries lost */
			if (client->fd >= 0 && !is_pending) shutdown(client->fd, SHUT_WR);
			polls[i] = (struct pollfd){client->fd, (short)(is_pending ? POLLIN | POLLOUT : POLLIN), 0};
			left += client->fd >= 0;
		}
		if (left == 0 || poll(polls, ATTACH_CLIENTS, DRAIN_MS) == 0) return;
		for (int i = 0; i < ATTACH_CLIENTS; i++) {
			struct client *client = &all->clients[i];
			if ((polls[i].revents & POLLOUT) != 0) tell(client);
			if ((polls[i].revents & ~POLLOUT) != 0 && !hear(all, client)) leave(all, client);
		}
	}
}
