/* Threads that work on for whom their maker works: what they log names the same tenant (log.h). */
#ifndef PASSERELLE_THREAD_H
#define PASSERELLE_THREAD_H

#include <pthread.h>

#include "mappers/base/str.h"

/* Like pthread_create without attributes. False when the system has no thread, or no memory, for it. */
bool thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument) MUST_CHECK;

#endif
