/* nearest.c: optimal string alignment over three rows. */
#include "schemas/nearest.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static int letter(char c)
{
    return tolower((unsigned char)c);
}

unsigned edit_distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_MAX_BYTES + 1];
    size_t width = strlen(b), height = strlen(a);

    if (width > NAME_MAX_BYTES || height > NAME_MAX_BYTES)
        return UINT_MAX;
    for (size_t j = 0; j <= width; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= height; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *higher = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= width; j++) {
            unsigned change = letter(a[i - 1]) != letter(b[j - 1]);
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + change);
            if (i > 1 && j > 1 && letter(a[i - 1]) == letter(b[j - 2]) &&
                letter(a[i - 2]) == letter(b[j - 1]))
                row[j] = smaller(row[j], higher[j - 2] + 1);
        }
    }
    return rows[height % 3][width];
}

/* At most a third of the letters of the longer one, so that "sm" is still "sms". */
static bool near(const char *a, const char *b, unsigned distance)
{
    size_t width = strlen(a), height = strlen(b);

    return distance != UINT_MAX && (size_t)distance * 3 <= (width > height ? width : height);
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    unsigned least = UINT_MAX;

    for (size_t i = 0; i < count; i++) {
        unsigned distance = edit_distance(name, names[i]);
        if (distance < least && near(name, names[i], distance)) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
