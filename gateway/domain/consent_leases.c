#include "gateway/domain/consent_leases.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/run/clock.h"

#define BUCKET_COUNT 16384 /* a power of two */
#define LEASES_MAX   200000
#define SETTLERS_MAX 64  /* threads that may wait at the same time */
#define SWEEP_MS     100 /* between two looks at all leases */

struct lease {
	struct lease *next;
	int64_t version;
	uint64_t until_ms;
	size_t gateway_size;
	size_t patient_size;
	char text[]; /* gateway, patient */
};

struct leases {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t returned;
	uint64_t settled_from_ms; /* leases of an earlier life have run out then */
	uint64_t swept_ms;
	size_t count;
	unsigned settler_count;
	struct lease *buckets[BUCKET_COUNT];
	uint64_t commits[BUCKET_COUNT];
};

struct leases *leases_new(void)
{
	struct leases *leases = calloc(1, sizeof(*leases));
	pthread_condattr_t attributes;

	if (!leases)
		return NULL;
	pthread_mutex_init(&leases->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&leases->returned, &attributes);
	pthread_condattr_destroy(&attributes);
	leases->settled_from_ms = clock_monotonic_ms() + LEASE_MS;
	return leases;
}

void leases_free(struct leases *leases)
{
	if (!leases)
		return;
	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		struct lease *next;

		for (struct lease *lease = leases->buckets[i]; lease; lease = next) {
			next = lease->next;
			free(lease);
		}
	}
	pthread_cond_destroy(&leases->returned);
	pthread_mutex_destroy(&leases->lock);
	free(leases);
}

/* FNV-1a. Two patients in one bucket cost each other a second look, nothing else. */
static size_t bucket_of(struct str patient_id)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < patient_id.size; i++)
		hash = (hash ^ (unsigned char)patient_id.data[i]) * 16777619U;
	return (hash ^ hash >> 16) & (BUCKET_COUNT - 1);
}

static bool is_of_patient(const struct lease *lease, struct str patient_id)
{
	return str_equal((struct str) { lease->text + lease->gateway_size, lease->patient_size }, patient_id);
}

static bool is_of_gateway(const struct lease *lease, struct str gateway)
{
	return str_equal((struct str) { lease->text, lease->gateway_size }, gateway);
}

/* Removes what has run out; called with the lock held. */
static void bucket_sweep(struct leases *leases, size_t bucket, uint64_t now_ms)
{
	struct lease **link = &leases->buckets[bucket];

	while (*link) {
		struct lease *lease = *link;

		if (lease->until_ms > now_ms) {
			link = &lease->next;
			continue;
		}
		*link = lease->next;
		free(lease);
		leases->count--;
	}
}

static struct lease *lease_add(struct leases *leases, size_t bucket, struct str gateway, struct str patient_id,
			       uint64_t now_ms)
{
	struct lease *lease;

	if (leases->count >= LEASES_MAX && now_ms >= leases->swept_ms + SWEEP_MS) {
		for (size_t i = 0; i < BUCKET_COUNT; i++)
			bucket_sweep(leases, i, now_ms);
		leases->swept_ms = now_ms;
	}
	if (leases->count >= LEASES_MAX)
		return NULL;
	lease = calloc(1, sizeof(*lease) + gateway.size + patient_id.size);
	if (!lease)
		return NULL;
	lease->gateway_size = gateway.size;
	lease->patient_size = patient_id.size;
	memcpy(lease->text, gateway.data, gateway.size);
	memcpy(lease->text + gateway.size, patient_id.data, patient_id.size);
	lease->next = leases->buckets[bucket];
	leases->buckets[bucket] = lease;
	leases->count++;
	return lease;
}

uint64_t leases_begin(struct leases *leases, struct str patient_id)
{
	uint64_t mark;

	pthread_mutex_lock(&leases->lock);
	mark = leases->commits[bucket_of(patient_id)];
	pthread_mutex_unlock(&leases->lock);
	return mark;
}

bool leases_grant(struct leases *leases, struct str gateway, struct str patient_id, int64_t version, uint64_t mark,
		  uint64_t *lease_ms)
{
	size_t bucket = bucket_of(patient_id);
	uint64_t now_ms;
	struct lease *lease;
	bool is_fresh;

	pthread_mutex_lock(&leases->lock);
	now_ms = clock_monotonic_ms();
	is_fresh = leases->commits[bucket] == mark;
	if (is_fresh) {
		bucket_sweep(leases, bucket, now_ms);
		/* A lease on an older version stays what it is: its gateway may still be deciding by it. */
		for (lease = leases->buckets[bucket]; lease; lease = lease->next) {
			if (lease->version == version && is_of_patient(lease, patient_id) &&
			    is_of_gateway(lease, gateway))
				break;
		}
		if (!lease)
			lease = lease_add(leases, bucket, gateway, patient_id, now_ms);
		if (lease) {
			lease->version = version;
			lease->until_ms = now_ms + LEASE_MS;
		}
		*lease_ms = lease ? LEASE_GIVEN_MS : 0;
	}
	pthread_mutex_unlock(&leases->lock);
	return is_fresh;
}

void leases_committed(struct leases *leases, struct str patient_id)
{
	pthread_mutex_lock(&leases->lock);
	leases->commits[bucket_of(patient_id)]++;
	pthread_mutex_unlock(&leases->lock);
}

void leases_return(struct leases *leases, struct str gateway, struct str patient_id, int64_t version)
{
	bool any = false;

	pthread_mutex_lock(&leases->lock);
	for (struct lease **link = &leases->buckets[bucket_of(patient_id)]; *link;) {
		struct lease *lease = *link;

		if (lease->version >= version || !is_of_patient(lease, patient_id) || !is_of_gateway(lease, gateway)) {
			link = &lease->next;
			continue;
		}
		*link = lease->next;
		free(lease);
		leases->count--;
		any = true;
	}
	if (any && leases->settler_count > 0)
		pthread_cond_broadcast(&leases->returned);
	pthread_mutex_unlock(&leases->lock);
}

/* When the last lease below version ends; now or earlier when there is none. Called with the lock held. */
static uint64_t leases_end_ms(const struct leases *leases, struct str patient_id, int64_t version)
{
	uint64_t end_ms = leases->settled_from_ms;

	for (const struct lease *lease = leases->buckets[bucket_of(patient_id)]; lease; lease = lease->next) {
		if (lease->version < version && lease->until_ms > end_ms && is_of_patient(lease, patient_id))
			end_ms = lease->until_ms;
	}
	return end_ms;
}

bool leases_are_settled(struct leases *leases, struct str patient_id, int64_t version)
{
	bool are_settled;

	pthread_mutex_lock(&leases->lock);
	are_settled = leases_end_ms(leases, patient_id, version) <= clock_monotonic_ms();
	pthread_mutex_unlock(&leases->lock);
	return are_settled;
}

bool leases_settle(struct leases *leases, struct str patient_id, int64_t version, struct deadline deadline)
{
	bool is_settled = false;

	pthread_mutex_lock(&leases->lock);
	if (leases->settler_count >= SETTLERS_MAX) {
		pthread_mutex_unlock(&leases->lock);
		return false;
	}
	leases->settler_count++;
	while (!deadline_passed(deadline)) {
		uint64_t end_ms = leases_end_ms(leases, patient_id, version);
		struct timespec until;

		is_settled = end_ms <= clock_monotonic_ms();
		if (is_settled)
			break;
		if (end_ms > deadline.at_ms)
			end_ms = deadline.at_ms;
		until = (struct timespec) { .tv_sec = (time_t)(end_ms / 1000),
					    .tv_nsec = (long)(end_ms % 1000) * 1000000 };
		pthread_cond_timedwait(&leases->returned, &leases->lock, &until);
	}
	leases->settler_count--;
	pthread_mutex_unlock(&leases->lock);
	return is_settled;
}
