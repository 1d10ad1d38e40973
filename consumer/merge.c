/* merge.c: the lowest head, once no other input can be lower. */
#include "consumer/merge.h"

int merge_choose(const struct merge_input *inputs, size_t count)
{
    int lowest = MERGE_NOTHING;

    for (size_t i = 0; i < count; i++) {
        switch (inputs[i].state) {
        case MERGE_HEAD:
            if (lowest < 0 || inputs[i].timestamp_ms < inputs[lowest].timestamp_ms)
                lowest = (int)i;
            break;
        case MERGE_UNKNOWN:
            if (!inputs[i].waited_out)
                return MERGE_WAIT;
            break;
        case MERGE_END:
            break;
        }
    }
    if (lowest >= 0)
        return lowest;
    for (size_t i = 0; i < count; i++)
        if (inputs[i].state == MERGE_UNKNOWN)
            return MERGE_WAIT;
    return MERGE_NOTHING;
}
