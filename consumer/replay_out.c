/* replay_out.c: lines, and a pump without transactions. */
#include "consumer/replay_out.h"

#include "schemas/dead_letter.h"
#include "schemas/outcome.h"
#include "statemachine/require.h"

#include <errno.h>

enum { LAND_EVERY = 4096 };

static void write_line(struct replay_out *out, FILE *file)
{
    buffer_put_byte(&out->line, '\n');
    require(!out->line.failed);
    if (fwrite(out->line.bytes, 1, out->line.size, file) != out->line.size && out->error == 0)
        out->error = errno;
}

void replay_out_outcome(struct replay_out *out, const struct lane *lane,
                        const struct happening *happening)
{
    buffer_clear(&out->line);
    outcome_encode(&out->line, happening->table, happening->id, &happening->record,
                   &happening->effects, lane->partition, true);
    write_line(out, out->outcomes);
}

void replay_out_dead_letter(struct replay_out *out, struct envelope *letter, enum reason reason,
                            const char *detail, size_t full_size)
{
    struct header ours[HEADERS_ROOM - HEADERS_MAX];
    size_t count;

    if (out->dead_letters == NULL)
        return;
    buffer_clear(&out->headers);
    count =
        dead_letter_headers(ours, &out->headers, reason, detail, letter->topic, letter->topic_size,
                            letter->partition, letter->offset, full_size, letter->value_size);
    for (size_t i = 0; i < count; i++)
        letter->headers[letter->header_count++] = ours[i];
    buffer_clear(&out->line);
    envelope_encode(&out->line, letter);
    write_line(out, out->dead_letters);
}

void replay_out_release(struct replay_out *out)
{
    buffer_release(&out->line);
    buffer_release(&out->headers);
}

void replay_take(struct pump *pump, struct lane *lane, const struct incoming *incoming)
{
    pump->budget = LAND_EVERY;
    while (!pump_take(pump, lane, incoming)) {
        lane_land(lane);
        pump->budget = LAND_EVERY;
    }
    if (store_touched(lane->task.store) >= LAND_EVERY)
        lane_land(lane);
}

void replay_fire(struct pump *pump, struct lane *lane, int64_t until_ms)
{
    pump->budget = LAND_EVERY;
    while (!pump_fire(pump, lane, until_ms)) {
        lane_land(lane);
        pump->budget = LAND_EVERY;
    }
    if (store_touched(lane->task.store) >= LAND_EVERY)
        lane_land(lane);
}
