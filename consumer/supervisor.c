/* supervisor.c: facts to the words of sd_notify(3). */
#include "consumer/supervisor.h"

#include <stdio.h>
#include <string.h>

enum { STATUS_EVERY_MS = 5000 };

void supervisor_open(struct supervisor *supervisor)
{
    *supervisor = (struct supervisor){0};
    notify_open(&supervisor->notify);
}

void supervisor_close(struct supervisor *supervisor)
{
    notify_close(&supervisor->notify);
}

/* What was not heard is said again at the next look. */
static void say_status(struct supervisor *supervisor, const char *status)
{
    char line[sizeof(supervisor->status) + sizeof("STATUS=")];

    snprintf(line, sizeof(line), "STATUS=%s", status);
    line[strcspn(line, "\n")] = 0; /* what follows would be a variable of its own */
    if (strcmp(supervisor->status, status) != 0 && notify_say(&supervisor->notify, line))
        snprintf(supervisor->status, sizeof(supervisor->status), "%s", status);
}

void supervisor_waits(struct supervisor *supervisor, const char *brokers)
{
    char status[sizeof(supervisor->status)];

    snprintf(status, sizeof(status), "looking for the brokers and topics at %s", brokers);
    say_status(supervisor, status);
}

static void describe(char *out, size_t room, const struct supervisor_facts *facts,
                     long long outcomes_per_s)
{
    if (facts->restoring > 0 && facts->eta_s >= 0)
        snprintf(out, room, "restoring %lld tasks: %lld %%, %lld s left; %lld consume",
                 facts->restoring, facts->percent, facts->eta_s, facts->tasks);
    else if (facts->restoring > 0)
        snprintf(out, room, "restoring %lld tasks: %lld %%; %lld consume", facts->restoring,
                 facts->percent, facts->tasks);
    else if (!facts->consuming)
        snprintf(out, room, "joining the group; %lld tasks consume", facts->tasks);
    else
        snprintf(out, room, "%lld tasks, %lld messages, %lld outcomes/s", facts->tasks,
                 facts->live, outcomes_per_s);
}

static void look_at_status(struct supervisor *supervisor, const struct supervisor_facts *facts,
                           int64_t now_ms)
{
    int64_t since_ms = now_ms - supervisor->status_ms;
    char status[sizeof(supervisor->status)];

    if (supervisor->status_ms != 0 && since_ms < STATUS_EVERY_MS)
        return;
    describe(status, sizeof(status), facts,
             supervisor->status_ms == 0
                 ? 0
                 : (facts->outcomes - supervisor->outcomes) * 1000 / since_ms);
    say_status(supervisor, status);
    supervisor->status_ms = now_ms;
    supervisor->outcomes = facts->outcomes;
}

/* Half the time early, as sd_watchdog_enabled(3) has it; not for a worker that hangs. */
static void look_at_watchdog(struct supervisor *supervisor, const struct supervisor_facts *facts,
                             int64_t now_ms)
{
    int64_t every_ms = supervisor->notify.watchdog_ms / 2;

    if (every_ms == 0 || facts->silent_ms >= every_ms)
        return;
    if (supervisor->watched_ms != 0 && now_ms - supervisor->watched_ms < every_ms)
        return;
    if (notify_say(&supervisor->notify, "WATCHDOG=1"))
        supervisor->watched_ms = now_ms;
}

void supervisor_look(struct supervisor *supervisor, const struct supervisor_facts *facts,
                     int64_t now_ms)
{
    if (!supervisor->stopping)
        look_at_status(supervisor, facts, now_ms);
    if (!supervisor->ready && !supervisor->stopping && facts->consuming)
        supervisor->ready = notify_say(&supervisor->notify, "READY=1");
    look_at_watchdog(supervisor, facts, now_ms);
}

void supervisor_stops(struct supervisor *supervisor)
{
    if (!supervisor->stopping)
        supervisor->stopping =
            notify_say(&supervisor->notify, "STOPPING=1\nSTATUS=finishing the last transaction");
}
