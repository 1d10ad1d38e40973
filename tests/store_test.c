/* store_test.c: the store against an array of records, through every landing and undoing. */
#include "statemachine/store.h"

#include "consumer/hash.h"
#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { KEYS = 600, TEXTS = 12 };

/* Collides in most of its bits, so that keys and texts meet in the same places. */
static uint64_t weak_hash(const void *bytes, size_t size, uint64_t seed)
{
    return hash_bytes(bytes, size, seed) & UINT64_C(0xff00000f00000000);
}

/* ---- the model -------------------------------------------------------------------------- */

struct kept {
    bool there;
    uint64_t stamp; /* all of the record follows from it */
    int64_t wake_ms;
};

struct model {
    struct kept now[KEYS];
    struct kept landed[KEYS];
    struct kept sealed[KEYS];
    bool is_sealed;
    bool touched[KEYS];
    size_t count;
};

static struct model model;
static struct store *store;

/* Key i: five channels share each id, ids are beginnings of each other, some as long as can be. */
static struct message_key make_key(uint32_t i, uint8_t room[MESSAGE_ID_MAX])
{
    uint32_t of_id = i / 5;

    memset(room, 'x', MESSAGE_ID_MAX);
    for (uint32_t bits = of_id, at = 0; at < 7; at++, bits >>= 1)
        room[at] = (bits & 1) != 0 ? 'y' : 'x';
    return (struct message_key){
        .id = {.bytes = room, .size = of_id % 9 == 0 ? MESSAGE_ID_MAX : 7 + of_id % 40},
        .channel = (uint8_t)(i % 5),
    };
}

static int compare_keys(uint32_t a, uint32_t b)
{
    uint8_t left_room[MESSAGE_ID_MAX], right_room[MESSAGE_ID_MAX];
    struct message_key left = make_key(a, left_room), right = make_key(b, right_room);
    int order = text_compare(left.id, right.id);

    return order != 0 ? order : (int)left.channel - (int)right.channel;
}

static struct text make_text(uint64_t stamp, char room[40])
{
    if (stamp % 3 == 0)
        return (struct text){0};
    snprintf(room, 40, "text number %u", (unsigned)(stamp % TEXTS));
    return text_of(room);
}

struct rooms {
    char attributes[40], reason[40], topic[40];
};

/* Sizes of all classes: none to sixty statuses, so that a changed record often needs to move. */
static void make_record(uint64_t stamp, struct record *record, struct rooms *rooms)
{
    uint64_t bits = random_mix(stamp);

    memset(record, 0, sizeof(*record));
    record->life_ms = 1795428000000 + (int64_t)(bits % 100000);
    record->first_ts_ms = record->life_ms - (int64_t)(bits >> 8 & 0xff);
    record->state = STATUS_NONE;
    record->offset = (int64_t)(bits >> 3);
    record->send_seen = (bits & 1) != 0;
    record->sent_at_ms = record->send_seen ? record->life_ms - 5 : 0;
    record->attributes = make_text(bits >> 10 & 0xffff, rooms->attributes);
    record->attributes_at_ms = record->attributes.size > 0 ? record->life_ms - 5 : 0;
    record->reason = make_text(bits >> 20 & 0xffff, rooms->reason);
    record->reason_at_ms = record->reason.size > 0 ? record->life_ms + 9 : 0;
    record->topic = make_text(bits >> 30 & 0xffff, rooms->topic);
    record->seen_count = (uint8_t)(bits >> 40 & 7);
    if ((bits >> 44 & 15) == 0)
        record->seen_count = (uint8_t)(bits >> 48 & 63);
    for (uint8_t i = 0; i < record->seen_count; i++)
        record->seen[i] = (struct seen){.at_ms = record->life_ms + i * 1000, .status = i};
    if (record->seen_count > 0 && (bits >> 54 & 1) != 0) {
        record->state = (uint8_t)((record->seen_count - 1) % STATUSES_MAX);
        record->state_ts_ms = record->life_ms + 3;
    }
    if ((bits >> 55 & 3) == 0) {
        record->revision = 1 + (uint32_t)(bits >> 57 & 1);
        record->forget_ms = record->life_ms + 100000;
        record->emitted.status = record->state;
    }
}

static void check_record(const struct record *record, uint64_t stamp)
{
    struct record expected;
    struct rooms rooms;

    make_record(stamp, &expected, &rooms);
    if (record->life_ms != expected.life_ms || record->first_ts_ms != expected.first_ts_ms ||
        record->offset != expected.offset || record->send_seen != expected.send_seen ||
        record->sent_at_ms != expected.sent_at_ms || record->seen_count != expected.seen_count ||
        record->attributes_at_ms != expected.attributes_at_ms ||
        record->reason_at_ms != expected.reason_at_ms)
        fail_msg("the record of stamp %" PRIu64 " is another one", stamp);
    if (!text_equal(record->attributes, expected.attributes) ||
        !text_equal(record->reason, expected.reason) || !text_equal(record->topic, expected.topic))
        fail_msg("the record of stamp %" PRIu64 " has other texts", stamp);
    for (int i = 0; i < record->seen_count; i++)
        assert_int_equal(record->seen[i].at_ms, expected.seen[i].at_ms);
}

/* ---- the same to both ------------------------------------------------------------------- */

static void put(uint32_t i, struct place place, uint64_t stamp, int64_t wake_ms)
{
    uint8_t room[MESSAGE_ID_MAX];
    struct record record;
    struct rooms rooms;

    make_record(stamp, &record, &rooms);
    store_put(store, make_key(i, room), place, &record, wake_ms);
    model.count += !model.now[i].there;
    model.now[i] = (struct kept){.there = true, .stamp = stamp, .wake_ms = wake_ms};
    model.touched[i] = true;
}

static void forget(uint32_t i, struct place place)
{
    uint8_t room[MESSAGE_ID_MAX];

    store_forget(store, make_key(i, room), place);
    model.count--;
    model.now[i].there = false;
    model.touched[i] = true;
}

static void check_key(uint32_t i, struct place *place)
{
    uint8_t room[MESSAGE_ID_MAX];
    struct record record;
    bool there = store_find(store, make_key(i, room), place, &record);

    if (there != model.now[i].there)
        fail_msg("key %u is %s", i, there ? "there" : "not there");
    if (there)
        check_record(&record, model.now[i].stamp);
}

/* The number of a key that the store gave. */
static uint32_t number_of(struct message_key key)
{
    for (uint32_t i = key.channel; i < KEYS; i += 5) {
        uint8_t room[MESSAGE_ID_MAX];
        if (text_equal(make_key(i, room).id, key.id))
            return i;
    }
    fail_msg("a key that nobody put");
    return 0;
}

static uint32_t first_of_model(void)
{
    uint32_t first = KEYS;

    for (uint32_t i = 0; i < KEYS; i++) {
        if (!model.now[i].there)
            continue;
        if (first == KEYS || model.now[i].wake_ms < model.now[first].wake_ms ||
            (model.now[i].wake_ms == model.now[first].wake_ms && compare_keys(i, first) < 0))
            first = i;
    }
    return first;
}

/* Returns the number of the first to fire, KEYS when there is none. */
static uint32_t check_first(struct place *place)
{
    uint32_t first = first_of_model();
    struct message_key key;
    struct record record;
    int64_t deadline_ms;

    if (first == KEYS) {
        assert_int_equal(store_next_deadline(store), INT64_MAX);
        assert_false(store_first_due(store, INT64_MAX, &deadline_ms, &key, place, &record));
        return KEYS;
    }
    assert_int_equal(store_next_deadline(store), model.now[first].wake_ms);
    assert_false(
        store_first_due(store, model.now[first].wake_ms - 1, &deadline_ms, &key, place, &record));
    assert_true(
        store_first_due(store, model.now[first].wake_ms, &deadline_ms, &key, place, &record));
    assert_int_equal(deadline_ms, model.now[first].wake_ms);
    if (number_of(key) != first)
        fail_msg("key %u fires before %u", number_of(key), first);
    check_record(&record, model.now[first].stamp);
    return first;
}

static void check_touched(void)
{
    bool told[KEYS] = {false};

    for (size_t n = 0; n < store_touched(store); n++) {
        struct message_key key;
        struct record record;
        bool there = store_touched_at(store, n, &key, &record);
        uint32_t i = number_of(key);
        told[i] = true;
        assert_int_equal(there, model.now[i].there);
        if (there)
            check_record(&record, model.now[i].stamp);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        if (told[i] != model.touched[i])
            fail_msg("key %u %s to the state topic", i, told[i] ? "owes nothing" : "is not owed");
}

struct counted {
    size_t count;
    uint32_t census[5][STATUSES_MAX + 1][STANDING_COUNT];
};

static bool count_visit(void *context, struct message_key key, const struct record *record)
{
    struct counted *counted = context;
    uint32_t i = number_of(key);
    enum standing standing = record->revision > 0 ? STANDING_SETTLED
                             : record->send_seen  ? STANDING_WAITING
                                                  : STANDING_UNSENT;

    assert_true(model.now[i].there);
    check_record(record, model.now[i].stamp);
    counted->count++;
    counted->census[key.channel][record->state == STATUS_NONE ? 0 : record->state + 1][standing]++;
    return true;
}

static void check_census(const struct counted *counted)
{
    for (int channel = 0; channel < 5; channel++)
        for (int row = 0; row <= STATUSES_MAX; row++)
            for (int standing = 0; standing < STANDING_COUNT; standing++)
                assert_int_equal(store_census(store, (uint8_t)channel,
                                              row == 0 ? STATUS_NONE : (uint8_t)(row - 1),
                                              (enum standing)standing),
                                 counted->census[channel][row][standing]);
}

/* The next ones to fire, and how many do when, against a search through all. */
static void check_upcoming(void)
{
    struct upcoming upcoming[UPCOMING_MAX];
    size_t count = store_upcoming(store, upcoming, UPCOMING_MAX);
    bool told[KEYS] = {false};
    uint64_t ahead[3], expected[3] = {0};
    int64_t bounds_ms[2] = {INT64_MIN, INT64_MIN};

    assert_int_equal(count, model.count < UPCOMING_MAX ? model.count : UPCOMING_MAX);
    for (size_t n = 0; n < count; n++) {
        uint32_t i = number_of(upcoming[n].key);
        assert_true(model.now[i].there && !told[i]);
        assert_int_equal(upcoming[n].deadline_ms, model.now[i].wake_ms);
        told[i] = true;
        for (uint32_t other = 0; other < KEYS; other++)
            if (model.now[other].there && !told[other])
                assert_true(model.now[other].wake_ms > model.now[i].wake_ms ||
                            (model.now[other].wake_ms == model.now[i].wake_ms &&
                             compare_keys(other, i) > 0));
    }
    if (count > 0) {
        bounds_ms[0] = upcoming[count / 2].deadline_ms;
        bounds_ms[1] = upcoming[count - 1].deadline_ms + 1;
    }
    for (uint32_t i = 0; i < KEYS; i++)
        if (model.now[i].there)
            expected[model.now[i].wake_ms < bounds_ms[0]   ? 0
                     : model.now[i].wake_ms < bounds_ms[1] ? 1
                                                           : 2]++;
    assert_true(store_ahead(store, bounds_ms, 2, ahead)); /* so few are counted, not estimated */
    for (int i = 0; i < 3; i++)
        assert_int_equal(ahead[i], expected[i]);
}

static void check_all(void)
{
    struct place place;
    static struct counted counted;

    counted = (struct counted){0};
    for (uint32_t i = 0; i < KEYS; i++)
        check_key(i, &place);
    store_walk(store, count_visit, &counted);
    assert_int_equal(counted.count, model.count);
    check_census(&counted);
    check_upcoming();
    assert_int_equal(store_measure(store).records, model.count);
    check_first(&place);
    check_touched();
}

static void end_transaction(bool land)
{
    if (land) {
        store_land(store);
        memcpy(model.landed, model.is_sealed ? model.sealed : model.now, sizeof(model.now));
        if (model.is_sealed) {
            model.is_sealed = false;
            return; /* what came on top stays pending */
        }
    } else {
        store_undo(store);
        memcpy(model.now, model.landed, sizeof(model.now));
        model.is_sealed = false;
    }
    memset(model.touched, 0, sizeof(model.touched));
    model.count = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        model.count += model.now[i].there;
    assert_int_equal(store_touched(store), 0);
}

static void seal(void)
{
    store_seal(store);
    memcpy(model.sealed, model.now, sizeof(model.now));
    model.is_sealed = true;
    memset(model.touched, 0, sizeof(model.touched));
    assert_int_equal(store_touched(store), 0);
}

/* Few distinct deadlines: most fire in the order of their keys. */
static int64_t some_deadline(struct random *random)
{
    return random_below(random, 10) == 0 ? random_between(random, TIME_MIN_MS, TIME_MAX_MS)
                                         : random_between(random, -3, 40);
}

static void change(struct random *random, bool growing)
{
    uint32_t i = (uint32_t)random_below(random, KEYS);
    struct place place;

    switch (random_below(random, 6)) {
    case 0:
        i = check_first(&place);
        if (i == KEYS)
            return;
        break;
    case 1: /* one key again and again in a transaction */
        i %= 7;
        check_key(i, &place);
        break;
    default:
        check_key(i, &place);
    }
    if (!model.now[i].there && !growing && random_below(random, 3) != 0)
        return;
    if (model.now[i].there && random_below(random, growing ? 5 : 2) == 0)
        forget(i, place);
    else
        put(i, place, random_bits(random), some_deadline(random));
}

/* Keys that are there and keys that are not; what is checked next shows that nothing changed. */
static void expect_all(size_t count)
{
    static uint8_t rooms[KEYS][MESSAGE_ID_MAX];
    struct message_key keys[KEYS];

    for (uint32_t i = 0; i < count; i++)
        keys[i] = make_key(i, rooms[i]);
    store_expect_all(store, keys, count);
}

/* ---- claims ----------------------------------------------------------------------------- */

static void it_holds_what_an_array_would_hold(void **state)
{
    static hash_fn *const hashes[] = {hash_bytes, weak_hash};
    struct random random = random_start("store");

    (void)state;
    for (size_t h = 0; h < 2; h++) {
        memset(&model, 0, sizeof(model));
        store = store_new(hashes[h], random_bits(&random));
        for (int transaction = 0; transaction < 300; transaction++) {
            size_t changes = random_below(&random, 200);
            expect_all(random_below(&random, KEYS + 1));
            for (size_t i = 0; i < changes; i++)
                change(&random, transaction / 50 % 2 == 0);
            if (transaction % 4 == 0)
                check_all();
            end_transaction(random_below(&random, 3) != 0);
            if (transaction % 4 == 0)
                check_all();
        }
        store_free(&store);
        assert_null(store);
    }
}

static void a_layer_on_top_lands_after_the_sealed_one_and_is_undone_with_it(void **state)
{
    static hash_fn *const hashes[] = {hash_bytes, weak_hash};
    struct random random = random_start("store, layers");
    size_t landed_below = 0, undone_both = 0;

    (void)state;
    for (size_t h = 0; h < 2; h++) {
        memset(&model, 0, sizeof(model));
        store = store_new(hashes[h], random_bits(&random));
        for (int step = 0; step < 900; step++) {
            size_t changes = random_below(&random, 120);
            bool land = random_below(&random, 4) != 0;
            for (size_t i = 0; i < changes; i++)
                change(&random, step / 100 % 2 == 0);
            if (step % 4 == 0)
                check_all();
            if (!model.is_sealed && random_below(&random, 8) != 0) {
                seal();
            } else {
                landed_below += model.is_sealed && land && store_touched(store) > 0;
                undone_both += model.is_sealed && !land && store_touched(store) > 0;
                end_transaction(land);
            }
            if (step % 4 == 0)
                check_all();
        }
        end_transaction(false);
        check_all();
        store_free(&store);
    }
    assert_true(landed_below > 100 && undone_both > 100);
}

static void all_texts_go_with_their_records_but_the_kept_ones(void **state)
{
    struct random random = random_start("store, texts");
    struct place place;
    struct text kept;

    (void)state;
    memset(&model, 0, sizeof(model));
    store = store_new(hash_bytes, 1);
    kept = store_keep_text(store, text_of("message.receipts"));
    assert_int_not_equal(kept.ref, 0);
    for (int transaction = 0; transaction < 60; transaction++) {
        for (int i = 0; i < 100; i++)
            change(&random, true);
        end_transaction(transaction % 3 != 0);
    }
    assert_true(store_measure(store).texts > 1);
    for (uint32_t i; (i = check_first(&place)) != KEYS;)
        forget(i, place);
    assert_true(store_measure(store).texts > 1); /* an undoing would still want them */
    end_transaction(true);
    assert_int_equal(store_measure(store).records, 0);
    assert_int_equal(store_measure(store).texts, 1);
    assert_true(text_equal(kept, text_of("message.receipts")));
    store_free(&store);
}

static void an_undone_first_transaction_leaves_nothing(void **state)
{
    struct place place;

    (void)state;
    memset(&model, 0, sizeof(model));
    store = store_new(hash_bytes, 1);
    for (uint32_t i = 0; i < KEYS; i++) {
        check_key(i, &place);
        put(i, place, i, i);
    }
    end_transaction(false);
    check_all();
    assert_int_equal(store_measure(store).records, 0);
    assert_int_equal(store_measure(store).texts, 0);
    store_undo(store); /* nothing is pending */
    store_land(store);
    check_all();
    store_free(&store);
    store_free(&store);
}

/* put, forget, put, forget, put: each kind of change upon each other, in one transaction. */
static void a_key_may_come_and_go_within_a_transaction(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        for (int changes = 1; changes < 7; changes++) {
            for (int land = 0; land < 2; land++) {
                struct place place;
                memset(&model, 0, sizeof(model));
                store = store_new(hash_bytes, 1);
                check_key(0, &place);
                if (before) {
                    put(0, place, 1, 100);
                    end_transaction(true);
                }
                for (int i = 0; i < changes; i++) {
                    check_key(0, &place);
                    if (model.now[0].there && i % 3 != 0)
                        forget(0, place);
                    else
                        put(0, place, (uint64_t)(10 + i), i);
                    check_all();
                }
                end_transaction(land);
                check_all();
                store_free(&store);
            }
        }
    }
}

/* ---- memory ----------------------------------------------------------------------------- */

static struct message_key uuid_key(uint32_t message, char room[64])
{
    uint64_t bits = random_mix(message);

    snprintf(room, 64, "%08x-%04x-4%03x-8%03x-%012" PRIx64, (unsigned)(bits >> 32),
             (unsigned)(bits >> 16 & 0xffff), (unsigned)(bits & 0xfff), message & 0xfff,
             (uint64_t)message);
    return (struct message_key){.id = text_of(room), .channel = 2};
}

static void usual_record(uint32_t message, bool settled, struct record *record, char campaign[64])
{
    const int64_t now_ms = 1795428000000 + message;

    snprintf(campaign, 64, "{\"campaign_id\":\"c-%u\",\"tenant\":\"t-07\"}", message / 1000);
    *record = (struct record){
        .life_ms = now_ms,
        .first_ts_ms = now_ms,
        .state_ts_ms = now_ms + 4321,
        .sent_at_ms = now_ms - 23,
        .attributes_at_ms = now_ms - 23,
        .attributes = text_of(campaign),
        .topic = text_of("message.receipts"),
        .offset = 3000000000 + message,
        .send_seen = true,
        .state = 9,
        .seen_count = 2,
        .seen = {{now_ms + 250, 2}, {now_ms + 4300, 9}},
    };
    if (settled) {
        record->reason = text_of("err:000");
        record->reason_at_ms = now_ms + 4300;
        record->revision = 1;
        record->forget_ms = now_ms + 48 * 3600000LL;
        record->emitted = (struct verdict){OUTCOME_DELIVERED, 9, true, false};
    }
}

static void put_usual(uint32_t message, int statuses, bool settled)
{
    struct record record, before;
    struct place place;
    char id[64], campaign[64];
    struct message_key key = uuid_key(message, id);

    assert_int_equal(key.id.size, 36);
    usual_record(message, settled, &record, campaign);
    record.seen_count = (uint8_t)statuses;
    record.state = record.seen[statuses - 1].status;
    assert_int_equal(store_find(store, key, &place, &before), statuses > 1);
    store_put(store, key, place, &record, record.life_ms + 72 * 3600000LL);
}

/*
 * Mean bytes a record, everything counted, while the index doubles. The second status comes some
 * transactions after the first, so that holes of the smaller size are counted, too.
 */
static double mean_bytes(bool settled)
{
    enum { LEAST = 100000, MOST = 200000, EACH = 1000, TRANSACTION = 10000, LATER = 25000 };
    size_t samples = 0;
    double sum = 0;

    store = store_new(hash_bytes, 1);
    for (uint32_t message = 0; message < MOST + LATER; message++) {
        if (message < MOST)
            put_usual(message, 1, false);
        if (message >= LATER)
            put_usual(message - LATER, 2, settled);
        if (message % TRANSACTION == 0)
            store_land(store);
        if (message >= LEAST && message < MOST && message % EACH == 0) {
            struct store_size size = store_measure(store);
            sum += (double)(size.records_bytes + size.index_bytes + size.timers_bytes +
                            size.texts_bytes + size.journal_bytes) /
                   (double)size.records;
            samples++;
        }
    }
    assert_int_equal(store_measure(store).records, MOST);
    store_free(&store);
    return sum / (double)samples;
}

static void memory_is_bounded_by_a_published_figure(void **state)
{
    double in_flight = mean_bytes(false), settled = mean_bytes(true);

    (void)state;
    fprintf(stderr, "store: %.1f bytes a record in flight, %.1f settled\n", in_flight, settled);
    assert_true(in_flight <= 220);
    assert_true(settled <= 140);
}

/* A pending change costs the old block too; what it held comes back. */
static void churn_takes_no_more_memory(void **state)
{
    enum { LIVE = 20000 };
    size_t settled = 0, bytes = 0;

    (void)state;
    store = store_new(hash_bytes, 1);
    for (uint32_t message = 0; message < 10 * LIVE; message++) {
        struct record record, before;
        struct place place;
        char id[64], campaign[64];
        struct message_key key = uuid_key(message, id);
        struct store_size size;
        usual_record(message, message % 2 == 0, &record, campaign);
        assert_false(store_find(store, key, &place, &before));
        store_put(store, key, place, &record, record.life_ms);
        if (message >= LIVE) {
            key = uuid_key(message - LIVE, id);
            assert_true(store_find(store, key, &place, &before));
            store_forget(store, key, place);
        }
        if (message % 1000 == 999)
            store_land(store);
        size = store_measure(store);
        bytes = size.records_bytes + size.timers_bytes + size.texts_bytes + size.journal_bytes;
        if (message == 2 * LIVE)
            settled = bytes;
    }
    assert_in_range(bytes, 1, settled + settled / 10);
    store_free(&store);
}

/* ---- images, and what is restored ------------------------------------------------------- */

enum { MANY = 20000 };

/* Ids by the ten thousand: the index has many segments, and they split while it is walked. */
struct many {
    uint64_t now[MANY]; /* 0: not there; the record's offset */
    uint64_t landed[MANY];
    uint64_t image[MANY];
    bool visited[MANY];
    struct {
        uint32_t i;
        uint64_t value;
    } changes[MANY * 8]; /* that landed since the walk began, in their order */
    size_t change_count;
};

static struct many many;

static struct message_key many_key(uint32_t i, char room[32])
{
    snprintf(room, 32, "message-%u", i);
    return (struct message_key){.id = text_of(room), .channel = (uint8_t)(i % 3)};
}

static struct record many_record(uint64_t value)
{
    struct record record;

    memset(&record, 0, sizeof(record));
    record.life_ms = 1795428000000;
    record.state = STATUS_NONE;
    record.offset = (int64_t)value;
    record.seen_count = (uint8_t)(value % 5);
    for (uint8_t i = 0; i < record.seen_count; i++)
        record.seen[i] = (struct seen){.at_ms = record.life_ms + i, .status = i};
    return record;
}

static void many_change(struct random *random, uint32_t below, bool growing)
{
    uint32_t i = (uint32_t)random_below(random, below);
    struct record before, record;
    struct place place;
    char room[32];
    bool there = store_find(store, many_key(i, room), &place, &before);

    assert_int_equal(there, many.now[i] != 0);
    if (there && random_below(random, growing ? 8 : 2) == 0) {
        store_forget(store, many_key(i, room), place);
        many.now[i] = 0;
        return;
    }
    many.now[i] = 1 + random_below(random, 1000000000);
    record = many_record(many.now[i]);
    store_put(store, many_key(i, room), place, &record, (int64_t)random_below(random, 1000));
}

static void many_end(struct random *random)
{
    bool land = random_below(random, 4) != 0;

    for (uint32_t i = 0; i < MANY; i++) {
        if (land && many.now[i] != many.landed[i]) {
            assert_in_range(many.change_count, 0, MANY * 8 - 1);
            many.changes[many.change_count].i = i;
            many.changes[many.change_count++].value = many.now[i];
        }
        *(land ? &many.landed[i] : &many.now[i]) = land ? many.now[i] : many.landed[i];
    }
    if (land)
        store_land(store);
    else
        store_undo(store);
}

static void take_image(void *context, struct message_key key, const struct record *record)
{
    char number[32] = {0};
    uint32_t i;

    (void)context;
    memcpy(number, key.id.bytes, key.id.size);
    i = (uint32_t)strtoul(number + strlen("message-"), NULL, 10);
    if (many.visited[i])
        fail_msg("message-%u was visited twice", i);
    if ((uint64_t)record->offset != many.landed[i])
        fail_msg("message-%u is not as it has landed", i);
    assert_int_equal(key.channel, i % 3);
    many.visited[i] = true;
    many.image[i] = (uint64_t)record->offset;
}

/* Promise 5 for snapshots: a fuzzy image, and all that landed since it was begun. */
static void an_image_in_parts_and_the_changes_since_make_the_store(void **state)
{
    struct random random = random_start("store, image");
    size_t most_parts = 0;

    (void)state;
    for (int round = 0; round < 8; round++) {
        uint32_t below = round % 3 == 0 ? MANY : MANY / 20;
        size_t parts = 0;
        uint64_t from = 0;
        bool more = true;
        memset(&many, 0, sizeof(many));
        store = store_new(round % 2 == 0 ? hash_bytes : weak_hash, random_bits(&random));
        if (round % 2 != 0)
            below = MANY / 50; /* a weak hash: one segment for each of its 256 tags, at most */
        for (int transaction = 0; transaction < 20; transaction++) {
            for (uint32_t n = 0; n < below / 20; n++)
                many_change(&random, below, true);
            many_end(&random);
        }
        many.change_count = 0;
        while (more) {
            more = store_walk_part(store, &from, take_image, NULL);
            parts++;
            for (uint32_t n = 0; n < 1 + below / 40; n++)
                many_change(&random, below, round % 4 != 3);
            many_end(&random);
        }
        for (size_t n = 0; n < many.change_count; n++)
            many.image[many.changes[n].i] = many.changes[n].value;
        for (uint32_t i = 0; i < MANY; i++)
            if (many.image[i] != many.landed[i])
                fail_msg("round %d, message-%u: %" PRIu64 " in the image, %" PRIu64 " landed",
                         round, i, many.image[i], many.landed[i]);
        most_parts = parts > most_parts ? parts : most_parts;
        store_free(&store);
    }
    assert_true(most_parts > 10); /* or nothing was ever between two parts */
}

static void what_is_restored_is_as_if_it_had_been_put_and_landed(void **state)
{
    struct random random = random_start("store, restored");
    struct store *other;
    struct place place, other_place;
    struct record record, found;
    struct message_key key;
    int64_t deadline_ms, other_deadline_ms;
    uint64_t hash;
    char room[32];

    (void)state;
    store = store_new(hash_bytes, 1);
    other = store_new(hash_bytes, 2);
    store_keep_text(store, text_of("kept"));
    for (int step = 0; step < 60000; step++) {
        key = many_key((uint32_t)random_below(&random, 3000), room);
        hash = store_expect(store, key);
        store_expect_record(store, hash);
        if (random_below(&random, 3) == 0) {
            store_forget_landed(store, key, hash);
            if (store_find(other, key, &other_place, &found))
                store_forget(other, key, other_place);
        } else {
            int64_t wake_ms = (int64_t)random_below(&random, 50);
            char text[16];
            snprintf(text, sizeof(text), "reason %d", step % 7);
            record = many_record(random_bits(&random) % 1000000);
            record.reason = text_of(text);
            store_put_landed(store, key, hash, &record, wake_ms);
            store_find(other, key, &other_place, &found);
            store_put(other, key, other_place, &record, wake_ms);
        }
        store_land(other);
        assert_int_equal(store_count(store), store_count(other));
    }
    assert_int_equal(store_touched(store), 0);
    for (uint8_t channel = 0; channel < CHANNELS_MAX; channel++)
        for (int standing = 0; standing < STANDING_COUNT; standing++)
            assert_int_equal(store_census(store, channel, STATUS_NONE, (enum standing)standing),
                             store_census(other, channel, STATUS_NONE, (enum standing)standing));
    store_undo(store); /* nothing of it is pending */
    assert_true(store_count(store) > 100);
    while (store_first_due(store, INT64_MAX, &deadline_ms, &key, &place, &record)) {
        struct message_key other_key;
        assert_true(store_first_due(other, INT64_MAX, &other_deadline_ms, &other_key, &other_place,
                                    &found));
        assert_int_equal(deadline_ms, other_deadline_ms);
        assert_true(text_equal(key.id, other_key.id) && key.channel == other_key.channel);
        assert_int_equal(record.offset, found.offset);
        assert_true(text_equal(record.reason, found.reason));
        store_forget(store, key, place);
        store_forget(other, other_key, other_place);
        store_land(store);
        store_land(other);
    }
    assert_int_equal(store_count(other), 0);
    assert_int_equal(store_measure(store).texts, 1);
    store_free(&store);
    store_free(&other);
}

static void put_into(void *context, struct message_key key, const struct record *record)
{
    struct store *other = context;

    store_put_landed(other, key, store_expect(other, key), record, record->offset);
}

static void a_walk_fills_one_that_is_seeded_alike(void **state)
{
    struct store *other = store_new(hash_bytes, 2);
    struct place place;
    struct record record;
    uint64_t from = 0;
    char room[32];

    (void)state;
    store = store_new(hash_bytes, 1);
    for (uint32_t i = 0; i < 20000; i++) {
        struct message_key key = many_key(i, room);
        record = many_record(i);
        store_put_landed(store, key, store_expect(store, key), &record, i);
    }
    store_seed_as(other, store_seed(store));
    assert_true(store_seed(other) == store_seed(store));
    while (store_walk_part(store, &from, put_into, other))
        ;
    assert_int_equal(store_count(other), 20000);
    for (uint32_t i = 0; i < 20000; i++) {
        assert_true(store_find(other, many_key(i, room), &place, &record));
        assert_int_equal(record.offset, many_record(i).offset);
    }
    /* As large as any other that holds as much: the order does not matter to that. */
    assert_int_equal(store_measure(other).index_bytes, store_measure(store).index_bytes);
    store_free(&store);
    store_free(&other);
}

static void a_cleared_one_is_empty_and_as_good_as_new(void **state)
{
    struct place place;
    struct record record;
    struct text kept;
    char room[32];

    (void)state;
    store = store_new(hash_bytes, 1);
    kept = store_keep_text(store, text_of("message.receipts"));
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            struct message_key key = many_key(i, room);
            record = many_record(i);
            record.reason = text_of("of them all");
            store_put_landed(store, key, store_expect(store, key), &record, i);
        }
        assert_int_equal(store_count(store), 5000);
        store_clear(store);
        assert_int_equal(store_count(store), 0);
        assert_int_equal(store_next_deadline(store), INT64_MAX);
        for (int standing = 0; standing < STANDING_COUNT; standing++)
            assert_int_equal(store_census(store, 0, STATUS_NONE, (enum standing)standing), 0);
        assert_int_equal(store_measure(store).texts, 1);
        assert_true(text_equal(kept, text_of("message.receipts")));
        assert_false(store_find(store, many_key(7, room), &place, &record));
    }
    store_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_an_array_would_hold),
        cmocka_unit_test(a_layer_on_top_lands_after_the_sealed_one_and_is_undone_with_it),
        cmocka_unit_test(all_texts_go_with_their_records_but_the_kept_ones),
        cmocka_unit_test(an_undone_first_transaction_leaves_nothing),
        cmocka_unit_test(a_key_may_come_and_go_within_a_transaction),
        cmocka_unit_test(memory_is_bounded_by_a_published_figure),
        cmocka_unit_test(churn_takes_no_more_memory),
        cmocka_unit_test(an_image_in_parts_and_the_changes_since_make_the_store),
        cmocka_unit_test(what_is_restored_is_as_if_it_had_been_put_and_landed),
        cmocka_unit_test(a_walk_fills_one_that_is_seeded_alike),
        cmocka_unit_test(a_cleared_one_is_empty_and_as_good_as_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
