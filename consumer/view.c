/* view.c: numbers and texts that cJSON would round or cut, as raw members. */
#include "consumer/view.h"

#include "schemas/instant.h"
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
    view_raw(object, name, quoted.bytes, quoted.size);
    buffer_release(&quoted);
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
