#include "pod.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	umask(022);
	/* who starts pods comes before them, and they must not come with it */
	setpriority(PRIO_PROCESS, 0, 0);
	if (argc > 1 && strcmp(argv[1], "hold") == 0) return hold(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "run") == 0) return run(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "exec") == 0) return execute(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "terminal") == 0) return terminal(argc - 1, argv + 1);
	fputs("usage: shieldgate-pod hold|run|exec|terminal …\n", stderr);
	return 2;
}
