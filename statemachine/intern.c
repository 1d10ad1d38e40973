/* intern.c: the pool of shared texts. */
#include "statemachine/intern.h"

#include "statemachine/memory.h"
#include "statemachine/require.h"

struct interned {
    uint32_t uses; /* of an unused row: not there, rows[] holds NULL */
    uint32_t size;
    uint8_t bytes[];
};

/* An unused row holds the next unused ref instead of a pointer, marked by its lowest bit. */
static struct interned *spare_mark(uint32_t next)
{
    return (struct interned *)((uintptr_t)next << 1 | 1);
}

static uint32_t spare_next(const struct interned *mark)
{
    return (uint32_t)((uintptr_t)mark >> 1);
}

static bool spare_is(const struct interned *row)
{
    return ((uintptr_t)row & 1) != 0;
}

void intern_init(struct intern *intern, hash_fn *hash, uint64_t seed)
{
    *intern = (struct intern){.hash = hash, .seed = seed, .row_count = 1};
    index_init(&intern->index);
}

void intern_release(struct intern *intern)
{
    for (uint32_t ref = 1; ref < intern->row_count; ref++)
        if (!spare_is(intern->rows[ref]))
            free(intern->rows[ref]);
    free(intern->rows);
    index_release(&intern->index);
    *intern = (struct intern){0};
}

struct wanted {
    const struct intern *intern;
    struct text text;
};

static bool matches(const void *context, uint32_t ref)
{
    const struct wanted *wanted = context;

    return text_equal(wanted->text, intern_text(wanted->intern, ref));
}

static uint32_t row_get(struct intern *intern)
{
    uint32_t ref = intern->spare;

    if (ref != 0) {
        intern->spare = spare_next(intern->rows[ref]);
        return ref;
    }
    require(intern->row_count < UINT32_MAX);
    if (intern->row_count >= intern->row_room) {
        intern->row_room = intern->row_room == 0 ? 64 : intern->row_room * 2;
        intern->rows = memory_resize(intern->rows, intern->row_room, sizeof(*intern->rows));
        intern->rows[0] = spare_mark(0);
    }
    return intern->row_count++;
}

static uint32_t find_or_add(struct intern *intern, struct text text)
{
    struct wanted wanted = {.intern = intern, .text = text};
    uint64_t hash = intern->hash(text.bytes, text.size, intern->seed);
    uint32_t ref = index_find(&intern->index, hash, matches, &wanted);
    struct interned *row;

    if (ref != 0)
        return ref;
    row = memory_get(sizeof(*row) + text.size);
    row->uses = 0;
    row->size = text.size;
    memcpy(row->bytes, text.bytes, text.size);
    ref = row_get(intern);
    intern->rows[ref] = row;
    intern->bytes += sizeof(*row) + text.size;
    index_insert(&intern->index, hash, ref);
    return ref;
}

/* By its last bytes, in which texts of one form differ; whoever wants them all to meet can. */
static size_t recent_place(struct text text)
{
    uint32_t last = 0;

    memcpy(&last, text.size < 6 ? text.bytes : text.bytes + text.size - 6,
           text.size < sizeof(last) ? text.size : sizeof(last));
    return (last * UINT32_C(0x9e3779b1) + text.size * UINT32_C(0x85ebca6b)) >>
           (32 - INTERN_RECENT_BITS);
}

/* A ref may stand for another text by now, or for none: so it is compared. */
static bool is_recent(const struct intern *intern, uint32_t ref, struct text text)
{
    const struct interned *row = ref == 0 ? NULL : intern->rows[ref];

    return row != NULL && !spare_is(row) && row->size == text.size &&
           memcmp(row->bytes, text.bytes, text.size) == 0;
}

struct text intern_hold(struct intern *intern, struct text text)
{
    if (text.size == 0)
        return (struct text){0};
    if (text.ref == 0) {
        uint32_t *recent = &intern->recent[recent_place(text)];
        if (!is_recent(intern, *recent, text))
            *recent = find_or_add(intern, text);
        text.ref = *recent;
    }
    intern->rows[text.ref]->uses++;
    return intern_text(intern, text.ref);
}

void intern_drop(struct intern *intern, uint32_t ref)
{
    struct interned *row;

    if (ref == 0)
        return;
    row = intern->rows[ref];
    require(!spare_is(row) && row->uses > 0);
    if (--row->uses > 0)
        return;
    index_remove(&intern->index, intern->hash(row->bytes, row->size, intern->seed), ref);
    intern->bytes -= sizeof(*row) + row->size;
    free(row);
    intern->rows[ref] = spare_mark(intern->spare);
    intern->spare = ref;
}

struct text intern_text(const struct intern *intern, uint32_t ref)
{
    const struct interned *row;

    if (ref == 0)
        return (struct text){0};
    require(ref < intern->row_count);
    row = intern->rows[ref];
    require(!spare_is(row));
    return (struct text){.bytes = row->bytes, .size = row->size, .ref = ref};
}

size_t intern_count(const struct intern *intern)
{
    return intern->index.count;
}

size_t intern_memory(const struct intern *intern)
{
    return intern->bytes + intern->row_room * sizeof(*intern->rows) + index_memory(&intern->index);
}
