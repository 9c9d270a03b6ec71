#include "gateway/run/watch.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct watch *first;

void watch_begin(struct watch *watch)
{
	pthread_mutex_lock(&lock);
	watch->next = first;
	first = watch;
	pthread_mutex_unlock(&lock);
}

void watch_end(struct watch *watch)
{
	struct watch **at;

	pthread_mutex_lock(&lock);
	for (at = &first; *at && *at != watch;)
		at = &(*at)->next;
	if (*at)
		*at = watch->next;
	pthread_mutex_unlock(&lock);
}

void watch_measure(struct measures *measures)
{
	pthread_mutex_lock(&lock);
	for (const struct watch *watch = first; watch; watch = watch->next) {
		if (watch->measure)
			watch->measure(watch->ctx, measures);
	}
	pthread_mutex_unlock(&lock);
}

void watch_judge(struct judgement *judgement)
{
	pthread_mutex_lock(&lock);
	for (const struct watch *watch = first; watch; watch = watch->next) {
		if (watch->judge)
			watch->judge(watch->ctx, judgement);
	}
	pthread_mutex_unlock(&lock);
}

void judge(struct judgement *judgement, enum part part, struct str tenant, struct str name, bool works)
{
	judgement->lacks_needed = judgement->lacks_needed || (part == PART_NEEDED && !works);
	judgement->lacks_any = judgement->lacks_any || !works;
	judgement->many += part == PART_ONE_OF_MANY;
	judgement->many_working += part == PART_ONE_OF_MANY && works;
	if (judgement->tell)
		judgement->tell(judgement->ctx, tenant, name, works);
}

bool judgement_is_good(const struct judgement *judgement)
{
	return !judgement->lacks_needed && (judgement->many == 0 || judgement->many_working > 0);
}
