/* summary.c: sums to words. */
#include "consumer/summary.h"

#include "statemachine/require.h"

static void add(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

_Static_assert(sizeof(struct tally) % sizeof(uint64_t) == 0, "it is sums, and nothing else");

void tally_add(struct tally *to, const struct tally *from)
{
    add((uint64_t *)to, (const uint64_t *)from, sizeof(*to) / sizeof(uint64_t));
}

uint64_t tally_arrivals(const struct tally *tally, enum arrival arrival)
{
    uint64_t sum = 0;

    for (int i = 0; i < CHANNELS_MAX; i++)
        sum += tally->channels[i].arrivals[arrival];
    return sum;
}

uint64_t tally_corrections(const struct tally *tally)
{
    uint64_t sum = 0;

    for (int i = 0; i < CHANNELS_MAX; i++)
        sum += tally->channels[i].corrections;
    return sum;
}

uint64_t tally_forgotten(const struct tally *tally)
{
    uint64_t sum = 0;

    for (int i = 0; i < CHANNELS_MAX; i++)
        sum += tally->channels[i].forgotten;
    return sum;
}

uint64_t tally_forgotten_unsent(const struct tally *tally)
{
    uint64_t sum = 0;

    for (int i = 0; i < CHANNELS_MAX; i++)
        sum += tally->channels[i].forgotten_unsent;
    return sum;
}

uint64_t channel_outcomes(const struct channel_tally *tally, enum outcome outcome)
{
    uint64_t sum = 0;

    for (int i = 0; i < SETTLED_BY_COUNT; i++)
        sum += tally->outcomes[outcome][i];
    return sum;
}

uint64_t tally_outcomes(const struct tally *tally)
{
    uint64_t sum = 0;

    for (int i = 0; i < CHANNELS_MAX; i++)
        for (int j = 0; j < OUTCOME_COUNT; j++)
            sum += channel_outcomes(&tally->channels[i], (enum outcome)j);
    return sum;
}

uint64_t tally_dead_letters(const struct tally *tally)
{
    uint64_t sum = 0;

    for (int i = 0; i < REASON_COUNT; i++)
        sum += tally->dead_letters[i];
    return sum;
}

void tally_require_whole(const struct tally *tally)
{
    uint64_t accounted = tally_dead_letters(tally);

    for (int i = 0; i < ARRIVAL_COUNT; i++)
        accounted += tally_arrivals(tally, (enum arrival)i);
    require(accounted == tally->records);
}

static void put_counts(struct buffer *out, const char *name, const char *const *words,
                       const uint64_t *counts, int count)
{
    buffer_printf(out, "\"%s\":{", name);
    for (int i = 0; i < count; i++)
        buffer_printf(out, "%s\"%s\":%llu", i == 0 ? "" : ",", words[i],
                      (unsigned long long)counts[i]);
    buffer_printf(out, "}");
}

static double per_second(const struct tally *tally, double seconds)
{
    return seconds > 0 ? (double)tally->records / seconds : 0;
}

void remains_add(struct remains *remains, const struct lane *lane)
{
    remains->live += store_measure(lane->task.store).records;
    remains->unsent += lane_unsent(lane);
}

/* Lives that never saw their send, forgotten by now or not. */
static uint64_t unsent(const struct tally *tally, const struct remains *remains)
{
    return tally_forgotten_unsent(tally) + remains->unsent;
}

void summary_json(struct buffer *out, const struct tables *tables, const struct tally *tally,
                  const struct remains *remains, double seconds)
{
    uint64_t arrivals[ARRIVAL_COUNT];
    bool first = true;

    buffer_printf(out, "{\"events\":%llu,\"seconds\":%.3f,\"events_per_s\":%.0f,",
                  (unsigned long long)tally->records, seconds, per_second(tally, seconds));
    for (int i = 0; i < ARRIVAL_COUNT; i++)
        arrivals[i] = tally_arrivals(tally, (enum arrival)i);
    put_counts(out, "arrivals", arrival_words, arrivals, ARRIVAL_COUNT);
    buffer_printf(out, ",");
    put_counts(out, "dead_letters", reason_words, tally->dead_letters, REASON_COUNT);
    buffer_printf(out, ",\"outcomes\":{");
    for (size_t i = 0; i < tables->count; i++) {
        bool first_outcome = true;
        buffer_printf(out, "%s\"%s\":{", first ? "" : ",", tables->rows[i]->channel);
        first = false;
        for (int j = 0; j < OUTCOME_COUNT; j++) {
            uint64_t count = channel_outcomes(&tally->channels[i], (enum outcome)j);
            if (count == 0)
                continue;
            buffer_printf(out, "%s\"%s\":%llu", first_outcome ? "" : ",", outcome_words[j],
                          (unsigned long long)count);
            first_outcome = false;
        }
        buffer_printf(out, "}");
    }
    buffer_printf(out,
                  "},\"corrections\":%llu,\"forgotten\":%llu,\"live\":%llu,"
                  "\"unsent\":%llu}",
                  (unsigned long long)tally_corrections(tally),
                  (unsigned long long)tally_forgotten(tally), (unsigned long long)remains->live,
                  (unsigned long long)unsent(tally, remains));
}

void summary_text(struct buffer *out, const struct tables *tables, const struct tally *tally,
                  const struct remains *remains, double seconds)
{
    buffer_printf(out, "%llu events in %.2f s (%.0f a second)\n",
                  (unsigned long long)tally->records, seconds, per_second(tally, seconds));
    buffer_printf(out, "  arrivals    ");
    for (int i = 0; i < ARRIVAL_COUNT; i++)
        if (tally_arrivals(tally, (enum arrival)i) > 0)
            buffer_printf(out, " %s %llu", arrival_words[i],
                          (unsigned long long)tally_arrivals(tally, (enum arrival)i));
    buffer_printf(out, "\n");
    for (size_t i = 0; i < tables->count; i++) {
        bool any = false;
        for (int j = 0; j < OUTCOME_COUNT; j++) {
            uint64_t count = channel_outcomes(&tally->channels[i], (enum outcome)j);
            if (count == 0)
                continue;
            if (!any)
                buffer_printf(out, "  %-12s", tables->rows[i]->channel);
            any = true;
            buffer_printf(out, " %s %llu", outcome_words[j], (unsigned long long)count);
        }
        if (any)
            buffer_printf(out, "\n");
    }
    buffer_printf(
        out, "  outcomes     %llu, of which %llu corrections; %llu messages wait or are kept\n",
        (unsigned long long)tally_outcomes(tally), (unsigned long long)tally_corrections(tally),
        (unsigned long long)remains->live);
    if (unsent(tally, remains) > 0)
        buffer_printf(
            out, "  unsent       %llu lives without their send: it lies before, or never came\n",
            (unsigned long long)unsent(tally, remains));
    buffer_printf(out, "  dead letters %llu", (unsigned long long)tally_dead_letters(tally));
    for (int i = 0; i < REASON_COUNT; i++)
        if (tally->dead_letters[i] > 0)
            buffer_printf(out, " %s %llu", reason_words[i],
                          (unsigned long long)tally->dead_letters[i]);
    buffer_printf(out, "\n");
}
