/* What is counted, for operators: one table (metrics.def), one memory for the process, text for Prometheus (exposition
 * format 0.0.4). Counting takes no lock. Never patients, people or addresses as labels. */
#ifndef PASSERELLE_METRICS_H
#define PASSERELLE_METRICS_H

#include "mappers/base/buf.h"

enum metric {
#define METRIC(enumerator, ...) enumerator,
#include "gateway/run/metrics.def"
#undef METRIC
};

/* As many labels as the row has; each up to 100 bytes. Copied. Any thread. */
void metric_add(enum metric metric, uint64_t amount, const struct str *labels);
void metric_took(enum metric metric, uint64_t us, const struct str *labels);
#define METRIC_ADD(metric, amount, ...) metric_add(metric, amount, (const struct str[]) { __VA_ARGS__ })
#define METRIC_TOOK(metric, us, ...)    metric_took(metric, us, (const struct str[]) { __VA_ARGS__ })

/* A gauge's value at the moment, told by a watch (watch.h) when somebody reads. Of two for the same labels the first
 * counts: the newest watch is asked first. */
struct measures;
void measure(struct measures *measures, enum metric metric, uint64_t value, const struct str *labels);
#define MEASURE(measures, metric, value, ...) measure(measures, metric, value, (const struct str[]) { __VA_ARGS__ })

/* Appends the whole text. False without memory. */
bool metrics_write(struct buf *text) MUST_CHECK;

#endif
