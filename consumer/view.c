/* view.c: numbers and texts that cJSON would round or cut, as raw members. */
#include "consumer/view.h"

#include "schemas/instant.h"
#include "schemas/json.h"
#include "statemachine/bounds.h"

#include <inttypes.h>
#include <stdio.h>

static cJSON *number(int64_t value)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRId64, value);
    return cJSON_CreateRaw(digits);
}

void view_time(cJSON *object, const char *name, int64_t ms)
{
    char time[INSTANT_SIZE + 1] = {0};

    if (ms < TIME_MIN_MS || ms > TIME_MAX_MS) {
        cJSON_AddNullToObject(object, name);
        return;
    }
    instant_format(ms, time);
    cJSON_AddStringToObject(object, name, time);
}

void view_number(cJSON *object, const char *name, int64_t value)
{
    cJSON_AddItemToObject(object, name, number(value));
}

void view_append_number(cJSON *array, int64_t value)
{
    cJSON_AddItemToArray(array, number(value));
}

void view_text(cJSON *object, const char *name, const void *bytes, size_t size)
{
    struct buffer quoted = {0};

    buffer_put_json_string(&quoted, bytes, size);
    if (!quoted.failed)
        view_raw(object, name, quoted.bytes, quoted.size);
    buffer_release(&quoted);
}

/* Bytes of the valid character that begins here; 0: there is none. */
static size_t character(const uint8_t *bytes, size_t size)
{
    for (size_t length = 1; length <= 4 && length <= size; length++)
        if (utf8_valid(bytes, length))
            return length;
    return 0;
}

void view_foreign(cJSON *object, const char *name, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    struct buffer readable = {0};

    for (size_t i = 0; i < size;) {
        size_t length = character(from + i, size - i);
        if (length > 0)
            buffer_put(&readable, from + i, length);
        else
            buffer_put_string(&readable, "\xef\xbf\xbd");
        i += length > 0 ? length : 1;
    }
    view_text(object, name, readable.bytes, readable.size);
    buffer_release(&readable);
}

void view_digest(cJSON *object, const char *name, uint64_t digest)
{
    char digits[17];

    snprintf(digits, sizeof(digits), "%016" PRIx64, digest);
    cJSON_AddStringToObject(object, name, digits);
}

void view_raw(cJSON *object, const char *name, const void *bytes, size_t size)
{
    struct buffer ended = {0};

    buffer_put(&ended, bytes, size);
    buffer_put_byte(&ended, 0);
    if (!ended.failed)
        cJSON_AddRawToObject(object, name, (const char *)ended.bytes);
    buffer_release(&ended);
}

void view_print(struct buffer *out, cJSON *object)
{
    char *printed = cJSON_PrintUnformatted(object);

    if (printed == NULL)
        out->failed = true;
    else
        buffer_put_string(out, printed);
    cJSON_free(printed);
    cJSON_Delete(object);
}
