/* Stamps lines as they arrive. The file is turned over at 10 MB, with one older file kept as <path>.1: a pod that shouts
 * must not fill the disk. */
#include "log.h"
#include "pod.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_LIMIT 16384
#define FILE_LIMIT (10 * 1024 * 1024)

struct log {
	const char *path;
	int fd;
	size_t size;
	struct {
		/* grows from nothing: a silent pod pays for no buffer */
		char *text;
		size_t length, capacity;
	} streams[2];
};

static void open_file(struct log *log)
{
	log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (log->fd < 0) fail("%s", log->path);
	off_t end = lseek(log->fd, 0, SEEK_END);
	log->size = end > 0 ? (size_t)end : 0;
}

struct log *log_open(const char *path)
{
	static struct log log;
	log.path = path;
	open_file(&log);
	return &log;
}

static void turn_over(struct log *log)
{
	char older[4096];
	snprintf(older, sizeof(older), "%s.1", log->path);
	close(log->fd);
	rename(log->path, older);
	open_file(log);
}

static void put_line(struct log *log, int stream, const char *text, size_t length, char tag)
{
	static char line[LINE_LIMIT + 64];
	struct timespec now;
	struct tm utc;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	size_t head = strftime(line, 32, "%Y-%m-%dT%H:%M:%S", &utc);
	head += (size_t)snprintf(line + head, 32, ".%09ldZ %s %c ", now.tv_nsec, stream == 0 ? "stdout" : "stderr", tag);
	memcpy(line + head, text, length);
	line[head + length] = '\n';
	if (log->size > FILE_LIMIT) turn_over(log);
	write_all(log->fd, line, head + length + 1);
	log->size += head + length + 1;
}

static void append(struct log *log, int stream, const char *bytes, size_t length)
{
	if (log->streams[stream].length + length > log->streams[stream].capacity) {
		log->streams[stream].capacity = log->streams[stream].length + length;
		log->streams[stream].text = realloc(log->streams[stream].text, log->streams[stream].capacity);
		if (log->streams[stream].text == NULL) fail("log");
	}
	memcpy(log->streams[stream].text + log->streams[stream].length, bytes, length);
	log->streams[stream].length += length;
}

static void flush(struct log *log, int stream, char tag)
{
	put_line(log, stream, log->streams[stream].text, log->streams[stream].length, tag);
	log->streams[stream].length = 0;
}

void log_write(struct log *log, int stream, const char *bytes, size_t length)
{
	for (const char *next = bytes, *end = bytes + length; next < end;) {
		const char *newline = memchr(next, '\n', (size_t)(end - next));
		size_t part = (size_t)((newline ? newline : end) - next);
		size_t room = LINE_LIMIT - log->streams[stream].length;
		if (part > room) part = room, newline = NULL;
		append(log, stream, next, part);
		next += part;
		if (newline != NULL) {
			flush(log, stream, 'F');
			next++;
		} else if (log->streams[stream].length == LINE_LIMIT) {
			flush(log, stream, 'P');
		}
	}
}

void log_end(struct log *log)
{
	for (int stream = 0; stream < 2; stream++)
		if (log->streams[stream].length > 0) flush(log, stream, 'F');
}
