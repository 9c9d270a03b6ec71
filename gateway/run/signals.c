#include "gateway/run/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>

#include "mappers/xml_sax.h"

static void waited_for(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void signals_prepare(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct rlimit files;
	sigset_t set;

	waited_for(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	xml_prepare();
}

int signals_wait(void)
{
	sigset_t set;
	int got;

	waited_for(&set);
	while (sigwait(&set, &got) != 0)
		;
	return got;
}

void signals_hurry(void)
{
	struct sigaction at_once = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(SIGTERM, &at_once, NULL);
	sigaction(SIGINT, &at_once, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
