/*
 * store.c: index + slab + timers + pool + two journals.
 *
 * A block is { place in the timers' heap, channel, size of the id, layer } id, packed record.
 *
 * Invariants: (a) every block in the index has exactly one timer; one that only a journal knows
 * has none. (b) A block's layer says which journal knows it as new, LANDED that none does; only
 * blocks of the open layer are written again. (c) A block holds one use of each of its texts until
 * it is freed. (d) Undoing the open journal from its end backwards, then the sealed one, gives the
 * store as it was at the last landing (promise 5).
 */
#include "statemachine/store.h"

#include "statemachine/memory.h"
#include "statemachine/pack.h"
#include "statemachine/require.h"
#include "statemachine/slab.h"
#include "statemachine/timers.h"

struct block {
    uint32_t timer;
    uint8_t channel;
    uint8_t id_size;
    uint8_t layer;   /* LANDED, or the number of the journal that has it as new, plus 1 */
    uint8_t bytes[]; /* id, packed record */
};

enum {
    BLOCK_HEAD = offsetof(struct block, bytes),
    LANDED = 0,
    EXPECTED_MAX = 32,  /* more waits at once than any memory has */
    EXPECTED_AHEAD = 8, /* in a walk over what is near: its waits are short */
};

_Static_assert(BLOCK_HEAD + MESSAGE_ID_MAX + PACKED_MAX <= SLAB_BLOCK_MAX, "any record fits");

/* What a key was before the layer first changed it. */
struct change {
    uint64_t hash;
    int64_t wake_ms; /* of the old block */
    uint32_t old;    /* 0: there was none */
    uint32_t key;    /* where in the journal's keys: channel, size, id */
};

struct journal {
    struct change *changes;
    size_t count, room;
    uint8_t *keys;
    size_t keys_size, keys_room;
    uint8_t layer; /* of the blocks that it has as new */
};

struct store {
    struct slab slab;
    struct index index;
    struct timers timers;
    struct intern intern;
    hash_fn *hash;
    uint64_t seed;
    struct journal journals[2];    /* one is open; the other is sealed, or empty */
    uint32_t *census[CHANNELS_MAX]; /* rows of STANDING_COUNT, as store_census() is asked */
    struct journal *open, *sealed; /* sealed: NULL where nothing is */
};

static struct block *block_at(const struct store *store, uint32_t handle)
{
    return (struct block *)(void *)slab_block(&store->slab, handle);
}

static struct message_key block_key(const struct block *block)
{
    return (struct message_key){
        .id = {.bytes = block->bytes, .size = block->id_size},
        .channel = block->channel,
    };
}

static const uint8_t *block_packed(const struct block *block)
{
    return block->bytes + block->id_size;
}

/* Most blocks lie on two lines of 64 bytes. */
static void block_expect(const struct block *block)
{
    __builtin_prefetch(block, 1);
    __builtin_prefetch((const uint8_t *)block + 64, 1);
}

static void on_timer_moved(void *owner, uint32_t handle, uint32_t place)
{
    block_at(owner, handle)->timer = place;
}

/* Equal deadlines fire in the order of (message id, channel) (DESIGN 3). */
static int timer_order(void *owner, uint32_t a, uint32_t b)
{
    struct message_key left = block_key(block_at(owner, a));
    struct message_key right = block_key(block_at(owner, b));
    int order = text_compare(left.id, right.id);

    return order != 0 ? order : (int)left.channel - (int)right.channel;
}

struct store *store_new(hash_fn *hash, uint64_t seed)
{
    struct store *store = memory_get(sizeof(*store));

    *store = (struct store){.hash = hash, .seed = seed};
    slab_init(&store->slab);
    index_init(&store->index);
    timers_init(&store->timers, store, on_timer_moved, timer_order);
    intern_init(&store->intern, hash, seed);
    store->journals[0].layer = LANDED + 1;
    store->journals[1].layer = LANDED + 2;
    store->open = &store->journals[0];
    return store;
}

void store_free(struct store **store)
{
    if (*store == NULL)
        return;
    slab_release(&(*store)->slab);
    index_release(&(*store)->index);
    timers_release(&(*store)->timers);
    intern_release(&(*store)->intern);
    for (int i = 0; i < CHANNELS_MAX; i++)
        free((*store)->census[i]);
    for (int i = 0; i < 2; i++) {
        free((*store)->journals[i].changes);
        free((*store)->journals[i].keys);
    }
    free(*store);
    *store = NULL;
}

static bool nothing_pending(const struct store *store)
{
    return store->open->count == 0 && store->sealed == NULL;
}

uint64_t store_seed(const struct store *store)
{
    return store->seed;
}

void store_seed_as(struct store *store, uint64_t seed)
{
    require(store->index.count == 0 && nothing_pending(store));
    store->seed = seed;
}

/* ---- finding ---------------------------------------------------------------------------- */

struct wanted {
    const struct store *store;
    struct message_key key;
};

static bool matches(const void *context, uint32_t handle)
{
    const struct wanted *wanted = context;
    const struct block *block = block_at(wanted->store, handle);

    return block->channel == wanted->key.channel && text_equal(block_key(block).id, wanted->key.id);
}

static uint64_t hash_key(const struct store *store, struct message_key key)
{
    return store->hash(key.id.bytes, key.id.size, store->seed + key.channel);
}

static uint32_t find(const struct store *store, struct message_key key, uint64_t hash)
{
    struct wanted wanted = {.store = store, .key = key};

    return index_find(&store->index, hash, matches, &wanted);
}

bool store_find(const struct store *store, struct message_key key, struct place *place,
                struct record *record)
{
    place->hash = hash_key(store, key);
    place->handle = find(store, key, place->hash);
    if (place->handle == 0)
        return false;
    record_unpack(block_packed(block_at(store, place->handle)), &store->intern, record);
    return true;
}

bool store_first_due(const struct store *store, int64_t until_ms, int64_t *deadline_ms,
                     struct message_key *key, struct place *place, struct record *record)
{
    const struct block *block;

    if (!timers_first(&store->timers, deadline_ms, &place->handle) || *deadline_ms > until_ms)
        return false;
    block = block_at(store, place->handle);
    *key = block_key(block);
    place->hash = hash_key(store, *key);
    record_unpack(block_packed(block), &store->intern, record);
    return true;
}

int64_t store_next_deadline(const struct store *store)
{
    int64_t deadline_ms;
    uint32_t handle;

    return timers_first(&store->timers, &deadline_ms, &handle) ? deadline_ms : INT64_MAX;
}

/* ---- blocks ----------------------------------------------------------------------------- */

static void block_drop_texts(struct store *store, const struct block *block)
{
    struct packed_refs refs = record_packed_refs(block_packed(block));

    intern_drop(&store->intern, refs.attributes);
    intern_drop(&store->intern, refs.reason);
    intern_drop(&store->intern, refs.topic);
}

static void block_free(struct store *store, uint32_t handle)
{
    block_drop_texts(store, block_at(store, handle));
    slab_free(&store->slab, handle);
}

static uint32_t block_new(struct store *store, struct message_key key, const uint8_t *packed,
                          size_t size)
{
    uint32_t handle = slab_get(&store->slab, BLOCK_HEAD + key.id.size + size);
    struct block *block = block_at(store, handle);

    block->timer = 0;
    block->channel = key.channel;
    block->id_size = (uint8_t)key.id.size;
    block->layer = store->open->layer;
    memcpy(block->bytes, key.id.bytes, key.id.size);
    memcpy(block->bytes + key.id.size, packed, size);
    return handle;
}

/* ---- the census ------------------------------------------------------------------------- */

enum { CENSUS_STATES = STATUSES_MAX + 1 };

static size_t census_cell(uint8_t state, enum standing standing)
{
    size_t row = state == STATUS_NONE ? 0 : (size_t)state + 1;

    require(row < CENSUS_STATES);
    return row * STANDING_COUNT + standing;
}

/* A block comes into the index (1), or leaves it (-1). */
static void census_count(struct store *store, uint32_t handle, int by)
{
    const struct block *block = block_at(store, handle);
    uint32_t **rows = &store->census[block->channel];
    enum standing standing;
    uint8_t state;

    if (*rows == NULL)
        *rows = memory_get_clean(CENSUS_STATES * STANDING_COUNT * sizeof(**rows));
    record_packed_standing(block_packed(block), &state, &standing);
    (*rows)[census_cell(state, standing)] += (uint32_t)by;
}

uint32_t store_census(const struct store *store, uint8_t channel, uint8_t state,
                      enum standing standing)
{
    const uint32_t *rows = store->census[channel];

    return rows == NULL ? 0 : rows[census_cell(state, standing)];
}

/* ---- the journals ----------------------------------------------------------------------- */

static void journal_add(struct journal *journal, struct message_key key, uint64_t hash,
                        uint32_t old, int64_t wake_ms)
{
    uint8_t *at;

    if (journal->count == journal->room) {
        journal->room = journal->room == 0 ? 256 : journal->room * 2;
        journal->changes =
            memory_resize(journal->changes, journal->room, sizeof(*journal->changes));
    }
    if (journal->keys_size + 2 + MESSAGE_ID_MAX > journal->keys_room) {
        journal->keys_room = journal->keys_room == 0 ? 16384 : journal->keys_room * 2;
        journal->keys = memory_resize(journal->keys, journal->keys_room, 1);
    }
    require(journal->keys_size <= UINT32_MAX);
    journal->changes[journal->count++] = (struct change){
        .hash = hash, .wake_ms = wake_ms, .old = old, .key = (uint32_t)journal->keys_size};
    at = journal->keys + journal->keys_size;
    at[0] = key.channel;
    at[1] = (uint8_t)key.id.size;
    memcpy(at + 2, key.id.bytes, key.id.size);
    journal->keys_size += 2 + key.id.size;
}

static struct message_key journal_key(const struct journal *journal, const struct change *change)
{
    const uint8_t *at = journal->keys + change->key;

    return (struct message_key){.id = {.bytes = at + 2, .size = at[1]}, .channel = at[0]};
}

static void journal_clear(struct journal *journal)
{
    journal->count = 0;
    journal->keys_size = 0;
}

size_t store_touched(const struct store *store)
{
    return store->open->count;
}

bool store_touched_at(const struct store *store, size_t i, struct message_key *key,
                      struct record *record)
{
    const struct journal *journal = store->open;
    uint32_t handle;

    require(i < journal->count);
    *key = journal_key(journal, &journal->changes[i]);
    handle = find(store, *key, journal->changes[i].hash);
    if (handle == 0)
        return false;
    record_unpack(block_packed(block_at(store, handle)), &store->intern, record);
    return true;
}

void store_seal(struct store *store)
{
    require(store->sealed == NULL);
    store->sealed = store->open;
    store->open = store->open == store->journals ? store->journals + 1 : store->journals;
}

/* What landing a change will look at: it was hot when the change was made, which is long ago. */
static void journal_expect(const struct store *store, const struct journal *journal, size_t i)
{
    const struct change *change;

    if (i >= journal->count)
        return;
    change = &journal->changes[i];
    index_expect(&store->index, change->hash);
    if (change->old != 0)
        block_expect(block_at(store, change->old));
}

void store_land(struct store *store)
{
    struct journal *landing = store->sealed != NULL ? store->sealed : store->open;

    for (size_t i = 0; i < landing->count; i++) {
        const struct change *change = &landing->changes[i];
        uint32_t handle = find(store, journal_key(landing, change), change->hash);
        journal_expect(store, landing, i + EXPECTED_AHEAD);
        if (handle != 0 && block_at(store, handle)->layer == landing->layer)
            block_at(store, handle)->layer = LANDED;
        if (change->old != 0)
            block_free(store, change->old);
    }
    journal_clear(landing);
    /* Those that the open layer has replaced meanwhile: where it would be undone, they are back. */
    for (size_t i = 0; i < store->open->count; i++) {
        uint32_t old = store->open->changes[i].old;
        if (old != 0)
            block_at(store, old)->layer = LANDED;
    }
    store->sealed = NULL;
}

static void undo(struct store *store, struct journal *journal)
{
    for (size_t i = journal->count; i-- > 0;) {
        const struct change *change = &journal->changes[i];
        uint32_t handle = find(store, journal_key(journal, change), change->hash);
        if (handle != 0) {
            require(block_at(store, handle)->layer == journal->layer);
            index_remove(&store->index, change->hash, handle);
            census_count(store, handle, -1);
            timers_cancel(&store->timers, block_at(store, handle)->timer);
            block_free(store, handle);
        }
        if (change->old != 0) {
            index_insert(&store->index, change->hash, change->old);
            census_count(store, change->old, 1);
            timers_add(&store->timers, change->wake_ms, change->old);
        }
    }
    journal_clear(journal);
}

void store_undo(struct store *store)
{
    undo(store, store->open);
    if (store->sealed != NULL)
        undo(store, store->sealed);
    store->sealed = NULL;
}

/* ---- changing --------------------------------------------------------------------------- */

static void put_new(struct store *store, struct message_key key, uint64_t hash,
                    const uint8_t *packed, size_t size, int64_t wake_ms)
{
    uint32_t handle = block_new(store, key, packed, size);

    journal_add(store->open, key, hash, 0, 0);
    index_insert(&store->index, hash, handle);
    census_count(store, handle, 1);
    timers_add(&store->timers, wake_ms, handle);
}

/* The old block goes to the journal, texts and all; a new one takes over its timer. */
static void put_beside(struct store *store, struct message_key key, struct place place,
                       const uint8_t *packed, size_t size, int64_t wake_ms)
{
    uint32_t timer = block_at(store, place.handle)->timer;
    uint32_t handle = block_new(store, key, packed, size);

    journal_add(store->open, key, place.hash, place.handle, timers_deadline(&store->timers, timer));
    index_replace(&store->index, place.hash, place.handle, handle);
    census_count(store, place.handle, -1);
    census_count(store, handle, 1);
    timers_hand_over(&store->timers, timer, handle, wake_ms);
}

/* The open layer's own block, written once more; into another one where the size needs it. */
static void put_again(struct store *store, struct message_key key, struct place place,
                      const uint8_t *packed, size_t size, int64_t wake_ms)
{
    struct block *block = block_at(store, place.handle);
    uint32_t timer = block->timer;

    census_count(store, place.handle, -1);
    if (slab_fits(&store->slab, place.handle, BLOCK_HEAD + key.id.size + size)) {
        block_drop_texts(store, block);
        memcpy(block->bytes + key.id.size, packed, size);
        census_count(store, place.handle, 1);
        timers_move(&store->timers, timer, wake_ms);
    } else {
        uint32_t handle = block_new(store, key, packed, size);
        index_replace(&store->index, place.hash, place.handle, handle);
        census_count(store, handle, 1);
        timers_hand_over(&store->timers, timer, handle, wake_ms);
        block_free(store, place.handle);
    }
}

/* The record's bytes, which hold one use of each of its texts. */
static size_t pack(struct store *store, const struct record *record, uint8_t packed[PACKED_MAX])
{
    struct packed_refs refs = {
        .attributes = intern_hold(&store->intern, record->attributes).ref,
        .reason = intern_hold(&store->intern, record->reason).ref,
        .topic = intern_hold(&store->intern, record->topic).ref,
    };

    return record_pack(record, refs, packed);
}

void store_put(struct store *store, struct message_key key, struct place place,
               const struct record *record, int64_t wake_ms)
{
    uint8_t packed[PACKED_MAX];
    size_t size = pack(store, record, packed);

    require(key.id.size >= 1 && key.id.size <= MESSAGE_ID_MAX);
    if (place.handle == 0)
        put_new(store, key, place.hash, packed, size, wake_ms);
    else if (block_at(store, place.handle)->layer != store->open->layer)
        put_beside(store, key, place, packed, size, wake_ms);
    else
        put_again(store, key, place, packed, size, wake_ms);
}

void store_forget(struct store *store, struct message_key key, struct place place)
{
    uint32_t timer;
    bool is_own;

    require(place.handle != 0);
    timer = block_at(store, place.handle)->timer;
    is_own = block_at(store, place.handle)->layer == store->open->layer;
    if (!is_own)
        journal_add(store->open, key, place.hash, place.handle,
                    timers_deadline(&store->timers, timer));
    index_remove(&store->index, place.hash, place.handle);
    census_count(store, place.handle, -1);
    timers_cancel(&store->timers, timer);
    if (is_own)
        block_free(store, place.handle);
}

/* Each pass waits for what the one before asked for, and that came meanwhile. */
static void expect_some(const struct store *store, const struct message_key *keys, size_t count)
{
    uint64_t hashes[EXPECTED_MAX];
    uint32_t handles[EXPECTED_MAX];

    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_key(store, keys[i]);
        index_expect(&store->index, hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        handles[i] = index_guess(&store->index, hashes[i]);
        if (handles[i] != 0)
            block_expect(block_at(store, handles[i]));
    }
    for (size_t i = 0; i < count; i++)
        if (handles[i] != 0)
            timers_expect(&store->timers, block_at(store, handles[i])->timer);
}

void store_expect_all(const struct store *store, const struct message_key *keys, size_t count)
{
    while (count > 0) {
        size_t some = count < EXPECTED_MAX ? count : EXPECTED_MAX;
        expect_some(store, keys, some);
        keys += some;
        count -= some;
    }
}

uint64_t store_expect(const struct store *store, struct message_key key)
{
    uint64_t hash = hash_key(store, key);

    index_expect(&store->index, hash);
    return hash;
}

void store_expect_record(const struct store *store, uint64_t hash)
{
    uint32_t handle = index_guess(&store->index, hash);

    if (handle != 0)
        block_expect(block_at(store, handle));
}

void store_put_landed(struct store *store, struct message_key key, uint64_t hash,
                      const struct record *record, int64_t wake_ms)
{
    uint32_t before = find(store, key, hash), handle, timer;
    uint8_t packed[PACKED_MAX];
    size_t size = pack(store, record, packed);

    require(nothing_pending(store));
    require(key.id.size >= 1 && key.id.size <= MESSAGE_ID_MAX);
    handle = block_new(store, key, packed, size);
    block_at(store, handle)->layer = LANDED;
    census_count(store, handle, 1);
    if (before == 0) {
        index_insert(&store->index, hash, handle);
        timers_add(&store->timers, wake_ms, handle);
        return;
    }
    timer = block_at(store, before)->timer;
    index_replace(&store->index, hash, before, handle);
    census_count(store, before, -1);
    timers_hand_over(&store->timers, timer, handle, wake_ms);
    block_free(store, before);
}

void store_forget_landed(struct store *store, struct message_key key, uint64_t hash)
{
    uint32_t handle = find(store, key, hash);

    require(nothing_pending(store));
    if (handle == 0)
        return;
    index_remove(&store->index, hash, handle);
    census_count(store, handle, -1);
    timers_cancel(&store->timers, block_at(store, handle)->timer);
    block_free(store, handle);
}

struct text store_keep_text(struct store *store, struct text text)
{
    return intern_hold(&store->intern, text);
}

/* ---- looking at it ---------------------------------------------------------------------- */

size_t store_count(const struct store *store)
{
    return store->index.count;
}

size_t store_upcoming(const struct store *store, struct upcoming *upcoming, size_t most)
{
    uint32_t places[TIMERS_SOON_MAX];
    size_t count = timers_soon(&store->timers, places, most);

    for (size_t i = 0; i < count; i++) {
        const struct block *block = block_at(store, timers_handle(&store->timers, places[i]));
        upcoming[i].deadline_ms = timers_deadline(&store->timers, places[i]);
        upcoming[i].key = block_key(block);
        record_packed_standing(block_packed(block), &upcoming[i].state, &upcoming[i].standing);
    }
    return count;
}

bool store_ahead(const struct store *store, const int64_t *bounds_ms, size_t count,
                 uint64_t *counts)
{
    enum { LOOKS = 4096 };
    uint32_t all = store->timers.count, step = all / LOOKS + 1;

    for (size_t i = 0; i <= count; i++)
        counts[i] = 0;
    for (uint64_t place = 1; place <= all; place += step) {
        int64_t deadline_ms = timers_deadline(&store->timers, (uint32_t)place);
        size_t i = 0;
        while (i < count && deadline_ms >= bounds_ms[i])
            i++;
        counts[i] += all - place + 1 < step ? all - place + 1 : step;
    }
    return step == 1;
}

static size_t journal_memory(const struct journal *journal)
{
    return journal->room * sizeof(*journal->changes) + journal->keys_room;
}

struct store_size store_measure(const struct store *store)
{
    return (struct store_size){
        .records = store->index.count,
        .records_bytes = slab_memory(&store->slab),
        .index_bytes = index_memory(&store->index),
        .timers_bytes = timers_memory(&store->timers),
        .texts = intern_count(&store->intern),
        .texts_bytes = intern_memory(&store->intern),
        .journal_bytes = journal_memory(&store->journals[0]) + journal_memory(&store->journals[1]),
    };
}

void store_size_add(struct store_size *to, const struct store_size *from)
{
    to->records += from->records;
    to->records_bytes += from->records_bytes;
    to->index_bytes += from->index_bytes;
    to->timers_bytes += from->timers_bytes;
    to->texts += from->texts;
    to->texts_bytes += from->texts_bytes;
    to->journal_bytes += from->journal_bytes;
}

void store_walk(const struct store *store, store_visit *visit, void *context)
{
    struct record record;

    for (uint32_t place = 1; place <= store->timers.count; place++) {
        const struct block *block = block_at(store, timers_handle(&store->timers, place));
        record_unpack(block_packed(block), &store->intern, &record);
        if (!visit(context, block_key(block), &record))
            return;
    }
}

struct part {
    const struct store *store;
    store_visit_each *visit;
    void *context;
};

static void visit_handle(void *context, uint32_t handle)
{
    const struct part *part = context;
    const struct block *block = block_at(part->store, handle);
    struct record record;

    record_unpack(block_packed(block), &part->store->intern, &record);
    part->visit(part->context, block_key(block), &record);
}

bool store_walk_part(const struct store *store, uint64_t *from, store_visit_each *visit,
                     void *context)
{
    struct part part = {.store = store, .visit = visit, .context = context};

    require(nothing_pending(store));
    return index_walk(&store->index, from, visit_handle, &part);
}

void store_clear(struct store *store)
{
    require(nothing_pending(store));
    for (uint32_t place = 1; place <= store->timers.count; place++)
        block_free(store, timers_handle(&store->timers, place));
    index_release(&store->index);
    index_init(&store->index);
    timers_release(&store->timers);
    timers_init(&store->timers, store, on_timer_moved, timer_order);
    for (int i = 0; i < CHANNELS_MAX; i++) {
        free(store->census[i]);
        store->census[i] = NULL;
    }
}
