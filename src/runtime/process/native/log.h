#ifndef SHIELDGATE_LOG_H
#define SHIELDGATE_LOG_H
#include <stddef.h>
struct log;
/* A container log in the format of the container runtime interface: `<time> stdout|stderr F|P <text>`. */
struct log *log_open(const char *path);
/* Takes what came on stdout (0) or stderr (1), and writes the lines that it completes. */
void log_write(struct log *log, int stream, const char *bytes, size_t length);
/* Writes what is left of unfinished lines. */
void log_end(struct log *log);
#endif
