/*
 * channel_file_fuzz.c: any bytes as a channel file give a proven table or whole complaint lines.
 *
 * Seed it with schemas/channels and tests/broken for a longer search.
 */
#include "schemas/channel_file.h"
#include "statemachine/require.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_complaints(const struct buffer *complaints)
{
    static const char file[] = "fuzz.json: ";
    const uint8_t *at = complaints->bytes, *end = at + complaints->size;

    require(complaints->size > 0 && end[-1] == '\n');
    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        require(stop != NULL && (size_t)(stop - at) > sizeof(file) - 1);
        require(memcmp(at, file, sizeof(file) - 1) == 0);
        for (; at < stop; at++)
            require(*at >= 0x20 && *at != 0x7f);
        at++;
    }
}

static void check_rows(const struct table *table)
{
    struct faults faults = {0};

    check_table(table, &faults);
    require(faults.count == 0);
    require(table->count >= 1 && table->count <= STATUSES_MAX);
    require(table->statuses[table->count - 1].phase == PHASE_FINAL);
    for (uint8_t i = 0; i < table->count; i++) {
        const struct status *status = &table->statuses[i];
        require(status->name_size == strlen(status->name));
        require(table_find_status(table, (const uint8_t *)status->name, status->name_size) == i);
        require((status->then & ((UINT64_C(2) << i) - 1)) == 0);
        require(status->settle_after_ms >= 0 && status->settle_after_ms <= DURATION_MAX_MS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buffer complaints = {0}, again = {0};
    struct table *table = channel_file_compile("fuzz.json", bytes, size, &complaints);
    struct table *twin = channel_file_compile("fuzz.json", bytes, size, &again);

    require((table == NULL) == (twin == NULL) && complaints.size == again.size);
    if (table == NULL) {
        check_complaints(&complaints);
    } else {
        require(complaints.size == 0 && table->digest == twin->digest);
        check_rows(table);
    }
    table_free(&table);
    table_free(&twin);
    buffer_release(&complaints);
    buffer_release(&again);
    return 0;
}
