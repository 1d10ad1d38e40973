/* ration.c: a small table, looked through from end to end: it is asked when something is wrong. */
#include "consumer/ration.h"

bool ration_take(struct ration *ration, uint64_t what, int64_t now_ms, unsigned *unsaid)
{
    struct ration_row *row = &ration->rows[0];

    for (int i = 0; i < RATION_ROWS; i++) {
        if (ration->rows[i].said_ms != 0 && ration->rows[i].what == what) {
            row = &ration->rows[i];
            break;
        }
        if (ration->rows[i].said_ms < row->said_ms)
            row = &ration->rows[i];
    }
    if (row->said_ms == 0 || row->what != what)
        *row = (struct ration_row){.what = what};
    else if (now_ms - row->said_ms < RATION_MS) {
        row->unsaid++;
        return false;
    }
    *unsaid = row->unsaid;
    row->unsaid = 0;
    row->said_ms = now_ms;
    return true;
}
