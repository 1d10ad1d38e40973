/* audit_book.c: two lists a message, and what is left of them. */
#include "consumer/audit_book.h"

#include "consumer/hash.h"
#include "statemachine/memory.h"

#include <stdio.h>
#include <string.h>

/* What is known of a message: marks. */
enum {
    IN_INPUTS = 1,
    OPENED_BY_SEND = 2,
    SEND_SEEN = 4,
    SEND_REPEATED = 8,
    OPEN = 16,         /* a record behind the cut */
    BEGUN_BEFORE = 32, /* an outcome of it tells of a life before the range */
    PENDING = 64,      /* another outcome falls due later than now */
};

struct audit_message {
    uint64_t key_at;
    uint64_t reported, repeated; /* statuses: once at least, and more often */
    uint32_t expected, found;    /* heads of lists, newest first; 0: empty */
    uint32_t last;               /* the outcome found last, in one list or the other */
    uint16_t key_size;
    uint8_t channel_size;
    uint8_t marks;
};

/* The watermark that an expected outcome takes. */
enum due { DUE_AT_ONCE, DUE_WHEN_SETTLED, DUE_WITH_THE_ONE_BEFORE };

/* There are as many as outcomes: each byte counts. */
struct audit_revision {
    uint32_t next;
    uint32_t revision;
    int64_t life_ms;
    int64_t settled_at_ms;
    int64_t offset; /* where it was found, or seen uncommitted; -1: nowhere */
    struct audit_members members;
    uint8_t outcome;
    uint8_t status;
    uint8_t due;
    bool send_seen : 1;
    bool agreed : 1;      /* expected, and found as it is */
    bool uncommitted : 1; /* expected, and seen by who reads uncommitted records */
    bool after_cut : 1;   /* expected of a message that was open already */
};

void audit_book_init(struct audit_book *book, uint64_t seed)
{
    *book = (struct audit_book){.seed = seed, .begin_ms = TIME_NONE, .shown_ms = TIME_NONE};
    index_init(&book->index);
    audit_pool_init(&book->pool, seed);
}

void audit_book_release(struct audit_book *book)
{
    index_release(&book->index);
    audit_pool_release(&book->pool);
    free(book->messages);
    free(book->revisions);
    buffer_release(&book->keys);
    *book = (struct audit_book){0};
}

/* ---- finding ---------------------------------------------------------------------------- */

/* channel, NUL, id: no channel's name has a NUL. */
struct key {
    uint8_t bytes[CHANNEL_NAME_MAX + 1 + MESSAGE_ID_MAX];
    size_t size;
};

struct wanted {
    const struct audit_book *book;
    struct key key;
};

static bool is_wanted(const void *context, uint32_t handle)
{
    const struct wanted *wanted = context;
    const struct audit_message *message = &wanted->book->messages[handle];

    return message->key_size == wanted->key.size &&
           memcmp(wanted->book->keys.bytes + message->key_at, wanted->key.bytes,
                  wanted->key.size) == 0;
}

static void make_key(struct key *key, struct text channel, struct text id)
{
    require(channel.size <= CHANNEL_NAME_MAX && id.size <= MESSAGE_ID_MAX);
    memcpy(key->bytes, channel.bytes, channel.size);
    key->bytes[channel.size] = 0;
    memcpy(key->bytes + channel.size + 1, id.bytes, id.size);
    key->size = channel.size + 1 + id.size;
}

/* One more row at the end of an array whose row 0 is not used; all zero. */
static void *add_row(void **rows, uint32_t *count, uint32_t *room, size_t size, uint32_t *number)
{
    require(*count < UINT32_MAX - 1);
    if (*count + 1 >= *room) {
        *room = *room < 512 ? 1024 : *room > UINT32_MAX / 3 * 2 ? UINT32_MAX : *room / 2 * 3;
        *rows = memory_resize(*rows, *room, size);
    }
    *number = ++*count;
    return memset((char *)*rows + *number * size, 0, size);
}

static struct audit_message *find(struct audit_book *book, struct text channel, struct text id,
                                  bool make)
{
    struct wanted wanted = {.book = book};
    struct audit_message *message;
    uint64_t hash;
    uint32_t handle;
    void *rows = book->messages;

    make_key(&wanted.key, channel, id);
    hash = hash_bytes(wanted.key.bytes, wanted.key.size, book->seed);
    handle = index_find(&book->index, hash, is_wanted, &wanted);
    if (handle != 0)
        return &book->messages[handle];
    if (!make)
        return NULL;
    message =
        add_row(&rows, &book->message_count, &book->message_room, sizeof(*message), &handle);
    book->messages = rows;
    message->key_at = book->keys.size;
    message->key_size = (uint16_t)wanted.key.size;
    message->channel_size = (uint8_t)channel.size;
    buffer_put(&book->keys, wanted.key.bytes, wanted.key.size);
    require(!book->keys.failed);
    index_insert(&book->index, hash, handle);
    return message;
}

static struct audit_revision *add_revision(struct audit_book *book,
                                           const struct outcome_facts *facts, uint32_t *head)
{
    struct audit_revision *revision;
    uint32_t number;
    void *rows = book->revisions;

    revision =
        add_row(&rows, &book->revision_count, &book->revision_room, sizeof(*revision), &number);
    book->revisions = rows;
    revision->next = *head;
    *head = number;
    revision->revision = facts->revision;
    revision->life_ms = facts->life_ms;
    revision->settled_at_ms = facts->settled_at_ms;
    revision->outcome = (uint8_t)facts->outcome;
    revision->send_seen = facts->send_seen;
    revision->offset = -1;
    revision->members = audit_members_pack(&book->pool, facts->fields);
    return revision;
}

static struct audit_revision *same_revision(const struct audit_book *book, uint32_t head,
                                            int64_t life_ms, uint32_t revision)
{
    for (; head != 0; head = book->revisions[head].next)
        if (book->revisions[head].life_ms == life_ms && book->revisions[head].revision == revision)
            return &book->revisions[head];
    return NULL;
}

/* ---- telling ---------------------------------------------------------------------------- */

void audit_book_event(struct audit_book *book, struct text channel, struct text id, bool is_send,
                      uint8_t status, bool certain)
{
    struct audit_message *message = find(book, channel, id, true);
    uint64_t bit = status < STATUSES_MAX ? (uint64_t)1 << status : 0;

    if ((message->marks & IN_INPUTS) == 0 && is_send)
        message->marks |= OPENED_BY_SEND;
    message->marks |= IN_INPUTS;
    if (is_send)
        message->marks |= (message->marks & SEND_SEEN) != 0 ? SEND_REPEATED : SEND_SEEN;
    message->repeated |= message->reported & bit;
    message->reported |= bit;
    if (!certain)
        message->marks |= OPEN;
}

/*
 * One that its status settled waited for no watermark, unless its send had not come: then it was
 * held, with whatever came before in its life.
 */
static int64_t due_of(const struct outcome_facts *facts)
{
    return facts->settled_by == SETTLED_BY_STATUS && facts->send_seen ? TIME_NONE
                                                                      : facts->settled_at_ms;
}

static int64_t due_ms(const struct audit_book *book, const struct audit_revision *expected)
{
    while (expected->due == DUE_WITH_THE_ONE_BEFORE)
        expected = &book->revisions[expected->next];
    return expected->due == DUE_AT_ONCE ? TIME_NONE : expected->settled_at_ms;
}

static enum due due_in_life(const struct audit_book *book, const struct outcome_facts *facts,
                            uint32_t before)
{
    const struct audit_revision *last = before == 0 ? NULL : &book->revisions[before];

    if (due_of(facts) == TIME_NONE)
        return DUE_AT_ONCE;
    if (!facts->send_seen && last != NULL && last->life_ms == facts->life_ms &&
        due_ms(book, last) > facts->settled_at_ms)
        return DUE_WITH_THE_ONE_BEFORE;
    return DUE_WHEN_SETTLED;
}

void audit_book_expect(struct audit_book *book, const struct outcome_facts *facts, uint8_t status)
{
    struct audit_message *message = find(book, facts->channel, facts->message_id, true);
    enum due due = due_in_life(book, facts, message->expected);
    struct audit_revision *revision = add_revision(book, facts, &message->expected);

    revision->status = status;
    revision->due = (uint8_t)due;
    revision->after_cut = (message->marks & OPEN) != 0;
}

void audit_book_pend(struct audit_book *book, const struct outcome_facts *facts)
{
    find(book, facts->channel, facts->message_id, true)->marks |= PENDING;
}

static struct audit_example example_of(const struct audit_book *book,
                                       const struct audit_message *message, int32_t partition)
{
    struct audit_example example = {.partition = partition, .offset = -1};
    const char *key = (const char *)book->keys.bytes + message->key_at;
    int channel_size = message->channel_size;

    snprintf(example.message, sizeof(example.message), "%.*s:%.*s", channel_size, key,
             message->key_size - channel_size - 1, key + channel_size + 1);
    return example;
}

static struct audit_example example_of_revision(const struct audit_book *book,
                                                const struct audit_message *message,
                                                int32_t partition,
                                                const struct audit_revision *revision)
{
    struct audit_example example = example_of(book, message, partition);

    example.life_ms = revision->life_ms;
    example.revision = revision->revision;
    example.offset = revision->offset;
    return example;
}

static uint32_t verdict_of(const struct audit_book *book, const struct audit_revision *revision)
{
    uint32_t fields[OUTCOME_FIELD_COUNT];

    audit_members_unpack(&book->pool, &revision->members, fields);
    return outcome_facts_verdict(fields);
}

/* Revisions are 1, 2, 3, ... (promise 3), and each changes the verdict (DESIGN 4). */
static bool follows(struct audit_book *book, struct audit_message *message,
                    const struct outcome_facts *facts, int32_t partition, int64_t offset,
                    struct audit_findings *findings)
{
    struct audit_example example = example_of(book, message, partition);
    const struct audit_revision *last =
        message->last == 0 ? NULL : &book->revisions[message->last];
    bool same_life = last != NULL && facts->life_ms == last->life_ms;
    uint32_t before = same_life ? last->revision : 0;

    example.life_ms = facts->life_ms;
    example.revision = facts->revision;
    example.offset = offset;
    if (last != NULL && (facts->life_ms < last->life_ms || facts->revision <= before)) {
        snprintf(example.detail, sizeof(example.detail), "after revision %u of life %lld",
                 last->revision, (long long)last->life_ms);
        audit_fault(findings, AUDIT_REPEATED, &example);
        return false;
    }
    if (facts->revision != before + 1) {
        if (last == NULL && book->outcomes_expired) {
            findings->expired++;
        } else {
            snprintf(example.detail, sizeof(example.detail), "after revision %u", before);
            audit_fault(findings, AUDIT_GAP, &example);
        }
    } else if (same_life && verdict_of(book, last) == outcome_facts_verdict(facts->fields)) {
        audit_fault(findings, AUDIT_UNCHANGED, &example);
    }
    return true;
}

/* That an outcome is out shows how far time had come; one that is not as expected shows nothing. */
static void learn(struct audit_book *book, const struct audit_revision *expected)
{
    if (due_ms(book, expected) > book->shown_ms)
        book->shown_ms = due_ms(book, expected);
}

static bool is_as_expected(const struct audit_book *book, const struct audit_revision *expected,
                           const struct outcome_facts *facts)
{
    uint32_t fields[OUTCOME_FIELD_COUNT];

    audit_members_unpack(&book->pool, &expected->members, fields);
    return memcmp(fields, facts->fields, sizeof(fields)) == 0;
}

void audit_book_find(struct audit_book *book, const struct outcome_facts *facts, int32_t partition,
                     int64_t offset, struct audit_findings *findings)
{
    struct audit_message *message = find(book, facts->channel, facts->message_id, true);
    struct audit_revision *expected;

    if (facts->life_ms < book->begin_ms)
        message->marks |= BEGUN_BEFORE;
    if (!follows(book, message, facts, partition, offset, findings))
        return;
    expected = same_revision(book, message->expected, facts->life_ms, facts->revision);
    if (expected != NULL && !expected->agreed && is_as_expected(book, expected, facts)) {
        expected->agreed = true;
        expected->offset = offset;
        message->last = (uint32_t)(expected - book->revisions);
        learn(book, expected);
        return;
    }
    add_revision(book, facts, &message->found)->offset = offset;
    message->last = message->found;
    if (findings->what_if && due_of(facts) > book->shown_ms) /* by its own table's deadlines */
        book->shown_ms = due_of(facts);
}

void audit_book_uncommitted(struct audit_book *book, const struct outcome_facts *facts,
                            int64_t offset)
{
    struct audit_message *message = find(book, facts->channel, facts->message_id, false);
    struct audit_revision *expected =
        message == NULL
            ? NULL
            : same_revision(book, message->expected, facts->life_ms, facts->revision);

    if (expected == NULL || expected->agreed)
        return;
    expected->uncommitted = true;
    expected->offset = offset;
}

/* ---- comparing -------------------------------------------------------------------------- */

static bool is_sure(const struct audit_book *book, const struct audit_judge *judge,
                    const struct audit_revision *revision)
{
    int64_t sure_ms = judge->sure_ms > book->shown_ms ? judge->sure_ms : book->shown_ms;

    return !revision->after_cut && due_ms(book, revision) <= sure_ms;
}

/* Had it been written, retention could have taken it. */
static bool is_expired(const struct audit_judge *judge, const struct audit_revision *revision)
{
    return revision->settled_at_ms < judge->expired_before_ms;
}

/* The last life, where another was before it; TIME_NONE where there is one at most. */
static int64_t reopened_ms(const struct audit_book *book, const struct audit_message *message)
{
    const struct audit_revision *rows = book->revisions;
    uint32_t last = message->expected;

    for (uint32_t i = last; i != 0; i = rows[i].next)
        if (rows[i].life_ms != rows[last].life_ms)
            return rows[last].life_ms;
    return TIME_NONE;
}

static bool is_open(const struct audit_book *book, const struct audit_judge *judge,
                    const struct audit_message *message)
{
    return (message->marks & OPEN) != 0 || reopened_ms(book, message) > judge->sure_ms;
}

static bool is_begun_before(const struct audit_book *book, const struct audit_message *message)
{
    return (message->marks & BEGUN_BEFORE) != 0 ||
           (book->begin_ms != TIME_NONE && (message->marks & IN_INPUTS) != 0 &&
            (message->marks & OPENED_BY_SEND) == 0);
}

/* Which of two a reader takes (DESIGN 4): the life with its send, else the first; then the last. */
static bool is_better(const struct audit_revision *a, const struct audit_revision *b)
{
    if (a->life_ms == b->life_ms)
        return a->revision > b->revision;
    if (a->send_seen != b->send_seen)
        return a->send_seen;
    return a->life_ms < b->life_ms;
}

static const struct audit_revision *best_expected(const struct audit_book *book,
                                                  const struct audit_message *message)
{
    const struct audit_revision *best = NULL;

    for (uint32_t i = message->expected; i != 0; i = book->revisions[i].next)
        if (best == NULL || is_better(&book->revisions[i], best))
            best = &book->revisions[i];
    return best;
}

static const struct audit_revision *best_found(const struct audit_book *book,
                                               const struct audit_message *message)
{
    const struct audit_revision *best = NULL;

    for (uint32_t i = message->found; i != 0; i = book->revisions[i].next)
        if (best == NULL || is_better(&book->revisions[i], best))
            best = &book->revisions[i];
    for (uint32_t i = message->expected; i != 0; i = book->revisions[i].next)
        if (book->revisions[i].agreed && (best == NULL || is_better(&book->revisions[i], best)))
            best = &book->revisions[i];
    return best;
}

static bool same_verdict(const struct audit_book *book, const struct audit_revision *a,
                         const struct audit_revision *b)
{
    return verdict_of(book, a) == verdict_of(book, b);
}

/* Must this member agree where the order of events is not known? */
static bool is_determined(const struct audit_message *message,
                          const struct audit_revision *expected, enum outcome_field field)
{
    bool sent_once = (message->marks & SEND_REPEATED) == 0;
    bool reported_once =
        expected->status >= STATUSES_MAX || (message->repeated >> expected->status & 1) == 0;

    switch (outcome_field_joined[field]) {
    case JOINED_VERDICT:
        return true;
    case JOINED_SENDS:
        return sent_once;
    case JOINED_STATE:
        return reported_once;
    case JOINED_BOTH:
        return sent_once && reported_once;
    case JOINED_ORDER:
        return false;
    }
    return true;
}

static void compare_members(const struct audit_book *book, const struct audit_judge *judge,
                            const struct audit_message *message,
                            const struct audit_revision *expected,
                            const struct audit_revision *found, struct audit_findings *findings)
{
    struct audit_example example = example_of_revision(book, message, judge->partition, found);
    uint32_t wanted[OUTCOME_FIELD_COUNT], written[OUTCOME_FIELD_COUNT];
    size_t size = 0;

    audit_members_unpack(&book->pool, &expected->members, wanted);
    audit_members_unpack(&book->pool, &found->members, written);
    for (enum outcome_field i = 0; i < OUTCOME_FIELD_COUNT; i++) {
        if (wanted[i] == written[i] ||
            (!judge->every_revision && !is_determined(message, expected, i)))
            continue;
        findings->fields[i]++;
        size += (size_t)snprintf(example.detail + size, sizeof(example.detail) - size, "%s%s",
                                 size == 0 ? "" : ", ", outcome_field_words[i]);
        size = size < sizeof(example.detail) ? size : sizeof(example.detail) - 1;
    }
    if (size > 0)
        audit_fault(findings, AUDIT_DIFFERENT, &example);
    else
        findings->agreed++;
}

static void miss(const struct audit_book *book, const struct audit_judge *judge,
                 const struct audit_message *message, const struct audit_revision *expected,
                 struct audit_findings *findings)
{
    struct audit_example example =
        example_of_revision(book, message, judge->partition, expected);

    if (!is_sure(book, judge, expected)) {
        findings->waiting++;
        return;
    }
    if (is_expired(judge, expected)) {
        findings->expired++;
        return;
    }
    snprintf(example.detail, sizeof(example.detail), "%s", outcome_words[expected->outcome]);
    audit_fault(findings, expected->uncommitted ? AUDIT_ABORTED : AUDIT_MISSING, &example);
}

static void exceed(const struct audit_book *book, const struct audit_judge *judge,
                   const struct audit_message *message, const struct audit_revision *found,
                   struct audit_findings *findings)
{
    struct audit_example example = example_of_revision(book, message, judge->partition, found);

    snprintf(example.detail, sizeof(example.detail), "%s%s", outcome_words[found->outcome],
             (message->marks & IN_INPUTS) == 0 ? ", of a message that no input knows" : "");
    audit_fault(findings, AUDIT_EXTRA, &example);
}

static void compare_every_revision(const struct audit_book *book, const struct audit_judge *judge,
                                   const struct audit_message *message,
                                   struct audit_findings *findings)
{
    for (uint32_t i = message->expected; i != 0; i = book->revisions[i].next) {
        const struct audit_revision *expected = &book->revisions[i];
        const struct audit_revision *found =
            same_revision(book, message->found, expected->life_ms, expected->revision);
        if (expected->agreed)
            findings->agreed++;
        else if (found == NULL)
            miss(book, judge, message, expected, findings);
        else
            compare_members(book, judge, message, expected, found, findings);
    }
    for (uint32_t i = message->found; i != 0; i = book->revisions[i].next) {
        const struct audit_revision *found = &book->revisions[i];
        if (same_revision(book, message->expected, found->life_ms, found->revision) == NULL)
            exceed(book, judge, message, found, findings);
    }
}

/*
 * Where lives lie a retention apart, another order may have seen one life, or other ones: then who
 * knows which was right.
 */
static bool lives_are_apart(const struct audit_book *book, const struct audit_judge *judge,
                            const struct audit_message *message)
{
    const uint8_t *key = book->keys.bytes + message->key_at;
    const struct table *table = tables_find(judge->tables, key, message->channel_size);
    const uint32_t heads[] = {message->expected, message->found};
    int64_t least = INT64_MAX, most = INT64_MIN;

    for (size_t list = 0; list < 2; list++)
        for (uint32_t i = heads[list]; i != 0; i = book->revisions[i].next) {
            int64_t life_ms = book->revisions[i].life_ms;
            least = life_ms < least ? life_ms : least;
            most = life_ms > most ? life_ms : most;
        }
    return table != NULL && most > least && most - least >= table->retention_ms;
}

static bool is_expected_verdict(const struct audit_book *book, const struct audit_message *message,
                                const struct audit_revision *found)
{
    for (uint32_t i = message->expected; i != 0; i = book->revisions[i].next)
        if (same_verdict(book, &book->revisions[i], found))
            return true;
    return false;
}

/* In any order; where a deadline is still to come, what this order had before it need not be. */
static bool is_last_sure(const struct audit_book *book, const struct audit_judge *judge,
                         const struct audit_message *message,
                         const struct audit_revision *expected)
{
    return (message->marks & PENDING) == 0 && is_sure(book, judge, expected);
}

static bool any_is_sure(const struct audit_book *book, const struct audit_judge *judge,
                        const struct audit_message *message)
{
    for (uint32_t i = message->expected; i != 0; i = book->revisions[i].next)
        if (is_sure(book, judge, &book->revisions[i]))
            return true;
    return false;
}

/*
 * Nothing was found. Before the last verdict is due, that there is one already is true of this
 * order only: a receipt that was taken before its send skips what the send alone would have come
 * to. Once the last is due it must be there in any order.
 */
static void miss_last_verdict(const struct audit_book *book, const struct audit_judge *judge,
                              const struct audit_message *message,
                              const struct audit_revision *expected,
                              struct audit_findings *findings)
{
    if (!is_last_sure(book, judge, message, expected) && any_is_sure(book, judge, message))
        findings->undetermined++;
    else
        miss(book, judge, message, expected, findings);
}

static void compare_last_verdict(const struct audit_book *book, const struct audit_judge *judge,
                                 const struct audit_message *message,
                                 struct audit_findings *findings)
{
    const struct audit_revision *expected = best_expected(book, message);
    const struct audit_revision *found = best_found(book, message);
    bool sure = expected != NULL && is_last_sure(book, judge, message, expected);

    if (found == NULL && expected == NULL)
        return;
    if (found == NULL)
        miss_last_verdict(book, judge, message, expected, findings);
    else if (expected == NULL && (message->marks & IN_INPUTS) == 0)
        exceed(book, judge, message, found, findings);
    else if (expected == NULL)
        findings->undetermined++;
    else if (same_verdict(book, expected, found))
        compare_members(book, judge, message, expected, found, findings);
    else if (!sure && is_expected_verdict(book, message, found))
        findings->waiting++;
    else if (!sure || lives_are_apart(book, judge, message))
        findings->undetermined++;
    else
        compare_members(book, judge, message, expected, found, findings);
}

/* What another table would have made of it; the last outcome is what analytics count. */
static void compare_what_if(const struct audit_book *book, const struct audit_judge *judge,
                            const struct audit_message *message, struct audit_findings *findings)
{
    const struct audit_revision *now = best_found(book, message);
    const struct audit_revision *then = best_expected(book, message);
    const struct table *table =
        tables_find(judge->tables, book->keys.bytes + message->key_at, message->channel_size);
    int from = now == NULL ? OUTCOME_COUNT : now->outcome;
    int to = then == NULL ? OUTCOME_COUNT : then->outcome;
    struct audit_example example = example_of(book, message, judge->partition);

    if (from == to) {
        findings->agreed += from != OUTCOME_COUNT;
        return;
    }
    if (then != NULL && !is_last_sure(book, judge, message, then)) {
        findings->waiting++;
        return;
    }
    if (now == NULL && is_expired(judge, then)) {
        findings->expired++;
        return;
    }
    example.offset = now == NULL ? -1 : now->offset;
    audit_change(&findings->changes[table == NULL ? CHANNELS_MAX : table->index][from][to],
                 &example);
}

static bool misses_revision(const struct audit_book *book, const struct audit_judge *judge,
                            const struct audit_message *message)
{
    for (uint32_t i = message->expected; i != 0; i = book->revisions[i].next) {
        const struct audit_revision *expected = &book->revisions[i];
        if (!expected->agreed && is_sure(book, judge, expected) &&
            same_revision(book, message->found, expected->life_ms, expected->revision) == NULL)
            return true;
    }
    return false;
}

static bool misses_last_verdict(const struct audit_book *book, const struct audit_judge *judge,
                                const struct audit_message *message)
{
    const struct audit_revision *expected = best_expected(book, message);

    return expected != NULL && best_found(book, message) == NULL &&
           is_last_sure(book, judge, message, expected);
}

bool audit_book_misses(const struct audit_book *book, const struct audit_judge *judge)
{
    for (uint32_t i = 1; i <= book->message_count; i++) {
        const struct audit_message *message = &book->messages[i];
        if (is_begun_before(book, message) || is_open(book, judge, message))
            continue;
        if (judge->every_revision ? misses_revision(book, judge, message)
                                  : misses_last_verdict(book, judge, message))
            return true;
    }
    return false;
}

void audit_book_compare(const struct audit_book *book, const struct audit_judge *judge,
                        struct audit_findings *findings)
{
    for (uint32_t i = 1; i <= book->message_count; i++) {
        const struct audit_message *message = &book->messages[i];
        if (is_begun_before(book, message)) {
            findings->begun_before++;
            continue;
        }
        if (is_open(book, judge, message)) {
            findings->open++;
            continue;
        }
        findings->messages++;
        if (findings->what_if)
            compare_what_if(book, judge, message, findings);
        else if (judge->every_revision)
            compare_every_revision(book, judge, message, findings);
        else
            compare_last_verdict(book, judge, message, findings);
    }
}
