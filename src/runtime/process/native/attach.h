#ifndef SHIELDGATE_ATTACH_H
#define SHIELDGATE_ATTACH_H
#include <poll.h>
#include <stddef.h>

#define ATTACH_CLIENTS 16
/* The listener, the container's input, then the clients. */
#define ATTACH_POLLS (ATTACH_CLIENTS + 2)

/* Those who are attached to a container, and its input, which they share. Both directions of a connection are frames: a
 * byte that says what, four bytes of value (little-endian), and what belongs to it.
 * To a client: 0 stdout or 1 stderr, length, bytes. From one: 0 input, length, bytes; 1 end of input, 0; 2 size of the
 * terminal, columns + 65536 * rows. Who never sends a frame 0, not even an empty one, has no say over the input's end. */
struct attachments;

/* Listens at path, whose directory must exist. */
struct attachments *attach_listen(const char *path);
/* The container reads what fd is given. `once`: the first client that ends it, or goes, ends it for good. */
void attach_input(struct attachments *all, int fd, int once);
/* What is sent is kept for the first client, some 64 KiB of it at most: who starts a container to talk with it comes later than its first words. */
void attach_keep(struct attachments *all);
/* Nobody is heard until the terminal has come. */
void attach_await_terminal(struct attachments *all);
/* The same as attach_input for a terminal, which never ends and has a size; with_input: clients may type. */
void attach_terminal(struct attachments *all, int fd, int with_input);
void attach_polls(struct attachments *all, struct pollfd polls[ATTACH_POLLS]);
void attach_handle(struct attachments *all, const struct pollfd polls[ATTACH_POLLS]);
/* False while some client has too much left to take: the container waits for it, as for a terminal that is halted. */
int attach_has_room(const struct attachments *all);
void attach_send(struct attachments *all, int stream, const char *bytes, size_t length);
/* Gives the clients what they still have to get, as long as they take it, and lets them go. */
void attach_end(struct attachments *all);
#endif
