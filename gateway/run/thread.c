#include "gateway/run/thread.h"

#include <stdlib.h>

#include "gateway/run/log.h"

struct beginning {
	void *(*run)(void *argument);
	void *argument;
	struct log_tenant tenant;
};

static void *begin(void *argument)
{
	struct beginning beginning = *(struct beginning *)argument;

	free(argument);
	log_tenant_restore(&beginning.tenant);
	return beginning.run(beginning.argument);
}

bool thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
	struct beginning *beginning = malloc(sizeof(*beginning));

	if (!beginning)
		return false;
	*beginning = (struct beginning) { run, argument, log_tenant_now() };
	if (pthread_create(thread, NULL, begin, beginning) == 0)
		return true;
	free(beginning);
	return false;
}
