#ifndef SHIELDGATE_LOG_H
#define SHIELDGATE_LOG_H
struct log;
/* A container log in the format of the container runtime interface: `<time> stdout|stderr F|P <text>`. */
struct log *log_open(const char *path);
/* Reads what fd has (0 = stdout, 1 = stderr) and writes the lines that it completes. 0 at end of file. */
int log_read(struct log *log, int stream, int fd);
/* Writes what is left of unfinished lines. */
void log_end(struct log *log);
#endif
