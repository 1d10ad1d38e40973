/* sample.c: everything about a message follows from its number. */
#include "benchmarks/micro/sample.h"

#include "consumer/hash.h"
#include "schemas/arena.h"
#include "schemas/channel_file.h"
#include "statemachine/require.h"

#include <stdio.h>

enum { CAMPAIGNS = 500, A_CAMPAIGN = 5000, MESSAGES_A_MS = 10 };

struct tables sample_tables;

static char attributes[CAMPAIGNS][64];
static uint8_t sms, sent, enroute, acceptd, delivrd;

static uint8_t status_named(const char *name)
{
    uint8_t status =
        table_find_status(sample_tables.rows[sms], (const uint8_t *)name, strlen(name));

    require(status != STATUS_NONE);
    return status;
}

void sample_begin(void)
{
    struct buffer complaints = {0};
    const struct table *table;

    require(channel_files_load(NULL, &sample_tables, &complaints));
    arena_hook_cjson();
    table = tables_find(&sample_tables, (const uint8_t *)"sms", 3);
    require(table != NULL);
    sms = table->index;
    sent = status_named("SENT");
    enroute = status_named("ENROUTE");
    acceptd = status_named("ACCEPTD");
    delivrd = status_named("DELIVRD");
    for (int i = 0; i < CAMPAIGNS; i++)
        snprintf(attributes[i], sizeof(attributes[i]),
                 "{\"campaign_id\":\"c-%03d\",\"tenant\":\"t-%02d\"}", i, i / 10);
}

uint64_t sample_mix(uint64_t number)
{
    number += UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

void sample_id(uint64_t message, uint8_t id[SAMPLE_ID_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t bits[2] = {sample_mix(message), sample_mix(~message)};
    unsigned digit = 0;

    for (int i = 0; i < SAMPLE_ID_SIZE; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            id[i] = '-';
            continue;
        }
        id[i] = (uint8_t)hex[bits[digit / 16] >> (digit % 16 * 4) & 15];
        digit++;
    }
}

unsigned sample_steps(enum sample_life life, uint64_t message)
{
    (void)life;
    return message % 2 == 0 ? 3 : 4;
}

static uint8_t status_at(enum sample_life life, uint64_t message, unsigned step)
{
    if (step == 0)
        return STATUS_NONE;
    if (step == 1)
        return sent;
    if (life == SAMPLE_IN_FLIGHT)
        return step == 2 ? enroute : acceptd;
    return step + 1 == sample_steps(life, message) ? delivrd : enroute;
}

struct event sample_event(enum sample_life life, uint64_t message, unsigned step,
                          uint8_t id[SAMPLE_ID_SIZE])
{
    static const char *const reasons[] = {"err:000", "err:001", "err:012", "err:104"};
    int64_t start_ms = 1795428000000 + (int64_t)(message / MESSAGES_A_MS);
    int64_t after_ms = (int64_t)(sample_mix(message ^ step) % 1500);

    sample_id(message, id);
    return (struct event){
        .id = {.bytes = id, .size = SAMPLE_ID_SIZE},
        .channel = sms,
        .status = status_at(life, message, step),
        .is_send = step == 0,
        .at_ms = start_ms + step * 1500 + after_ms,
        .timestamp_ms = start_ms + step * 2000,
        .reason = step < 2 ? (struct text){0} : text_of(reasons[message % 4]),
        .attributes =
            step > 0 ? (struct text){0} : text_of(attributes[message / A_CAMPAIGN % CAMPAIGNS]),
        .topic = text_of(step == 0 ? "message.sends" : "message.receipts"),
        .offset = (int64_t)message * 3 + step,
    };
}

uint64_t sample_hash(const void *bytes, size_t size, uint64_t seed)
{
    return hash_bytes(bytes, size, seed);
}

void sample_apply(struct task *task, const struct event *event, struct happening *happening)
{
    watermark_take(&task->watermark, 0, event->timestamp_ms);
    watermark_reach(&task->watermark, watermark_target(&task->watermark));
    task_apply(task, event, happening);
}
