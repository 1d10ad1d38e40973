/* config_test.c: what is set is set, and what cannot be says which, why and what else. */
#include "consumer/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* A configuration and its last complaint as a string. */
struct desk {
    struct config config;
    struct buffer complaint;
};

static int open_desk(void **state)
{
    struct desk *desk = calloc(1, sizeof(*desk));

    if (desk == NULL)
        return -1;
    config_init(&desk->config);
    *state = desk;
    return 0;
}

static int close_desk(void **state)
{
    struct desk *desk = *state;

    config_release(&desk->config);
    config_release(&desk->config); /* a zeroed one is safe to release */
    buffer_release(&desk->complaint);
    free(desk);
    return 0;
}

static const char *words(struct desk *desk)
{
    buffer_put_byte(&desk->complaint, 0);
    desk->complaint.size--;
    return (const char *)desk->complaint.bytes;
}

static void must_set(struct desk *desk, const char *pair)
{
    buffer_clear(&desk->complaint);
    if (!config_set_pair(&desk->config, pair, &desk->complaint))
        fail_msg("%s: %s", pair, words(desk));
    assert_int_equal(desk->complaint.size, 0);
}

struct refusal {
    const char *pair;
    const char *words; /* that the complaint must have, separated by | */
};

static void must_refuse(struct desk *desk, const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&desk->complaint);
        if (config_set_pair(&desk->config, refusals[i].pair, &desk->complaint))
            fail_msg("%s: accepted", refusals[i].pair);
        for (const char *at = refusals[i].words; *at != 0;) {
            size_t size = strcspn(at, "|");
            char word[100] = {0};
            memcpy(word, at, size);
            if (strstr(words(desk), word) == NULL)
                fail_msg("%s: \"%s\" does not say \"%s\"", refusals[i].pair, words(desk), word);
            at += size + (at[size] == '|');
        }
        if (strchr(words(desk), '\n') != NULL)
            fail_msg("%s: more than a line", refusals[i].pair);
    }
}

/* ---- claims ----------------------------------------------------------------------------- */

static void defaults_are_those_of_the_design(void **state)
{
    const struct config *config = &((struct desk *)*state)->config;
    struct desk *desk = *state;

    assert_string_equal(config->app_id, "upshot");
    assert_string_equal(config->instance_id, "");
    assert_int_equal(config->input_topics.count, 2);
    assert_string_equal(config->input_topics.items[0], "message.sends");
    assert_string_equal(config->input_topics.items[1], "message.receipts");
    assert_string_equal(config->outcomes_topic, "message.outcomes");
    assert_string_equal(config->dead_letters_topic, "message.dead_letters");
    assert_string_equal(config->channels_dir, "");
    assert_int_equal(config->workers, 1);
    assert_int_equal(config->idle_after_ms, 60000);
    assert_int_equal(config->input_wait_max_ms, 30000);
    assert_int_equal(config->skew_max_ms, 3600000);
    assert_int_equal(config->event_max_bytes, 65536);
    assert_int_equal(config->partitioner, PARTITIONER_AUTO);
    assert_int_equal(config->kafka_count, 0);
    assert_true(config_check(config, &desk->complaint));
}

static void the_last_value_counts(void **state)
{
    struct desk *desk = *state;

    must_set(desk, "app.id=first");
    must_set(desk, "app.id=second");
    assert_string_equal(desk->config.app_id, "second");
    must_set(desk, "workers=3");
    must_set(desk, "workers=64");
    assert_int_equal(desk->config.workers, 64);
    must_set(desk, "idle.after=2m");
    assert_int_equal(desk->config.idle_after_ms, 120000);
    must_set(desk, "partitioner=fnv1a");
    assert_int_equal(desk->config.partitioner, PARTITIONER_FNV1A);
    must_set(desk, "instance.id=");
    assert_string_equal(desk->config.instance_id, "");
    must_set(desk, "channels.dir=a=b"); /* only the first = separates */
    assert_string_equal(desk->config.channels_dir, "a=b");
    must_set(desk, "app.id \t= \tthird");
    assert_string_equal(desk->config.app_id, "third");
}

static void lists_are_trimmed(void **state)
{
    struct desk *desk = *state;

    must_set(desk, "input.topics= a ,b.c,  d  ");
    assert_int_equal(desk->config.input_topics.count, 3);
    assert_string_equal(desk->config.input_topics.items[0], "a");
    assert_string_equal(desk->config.input_topics.items[1], "b.c");
    assert_string_equal(desk->config.input_topics.items[2], "d");
    must_set(desk, "input.topics=one");
    assert_int_equal(desk->config.input_topics.count, 1);
}

static void an_ill_typed_value_is_refused_and_changes_nothing(void **state)
{
    static const struct refusal refusals[] = {
        {"workers=", "workers|whole number from 1 to 64"},
        {"workers=two", "workers|\"two\"|whole number"},
        {"workers=1.5", "workers|whole number"},
        {"workers=0", "workers|from 1 to 64"},
        {"workers=65", "workers|from 1 to 64"},
        {"workers=99999999999999999999", "workers|from 1 to 64"},
        {"workers=1 2", "workers|whole number"},
        {"event.max.bytes=64k", "event.max.bytes|whole number"},
        {"idle.after=", "idle.after|no duration|write it like 60s"},
        {"idle.after=60", "idle.after|\"60\"|no duration|60s"},
        {"idle.after=60 s", "idle.after|no duration"},
        {"idle.after=-1s", "idle.after|no duration"},
        {"idle.after=1w", "idle.after|no duration"},
        {"idle.after=0s", "idle.after|between 1ms and 86400000ms"},
        {"idle.after=2d", "idle.after|between 1ms and 86400000ms"},
        {"partitioner=", "partitioner|none of auto|murmur2"},
        {"partitioner=murmur", "partitioner|\"murmur\"|none of"},
        {"partitioner=auto|murmur2", "partitioner|none of"},
        {"partitioner=AUTO", "partitioner|none of"},
        {"input.topics=", "input.topics|empty name"},
        {"input.topics=a,,b", "input.topics|empty name"},
        {"input.topics=a, ", "input.topics|empty name"},
        {"fetch.max.bytes=many", "fetch.max.bytes|\"many\"|librdkafka"},
        {"compression.codec=zip", "compression.codec|zip"},
    };
    struct desk *desk = *state;
    char topics[1000] = "input.topics=";

    must_refuse(desk, refusals, COUNT(refusals));
    assert_int_equal(desk->config.workers, 1);
    assert_int_equal(desk->config.idle_after_ms, 60000);
    assert_int_equal(desk->config.event_max_bytes, 65536);
    assert_int_equal(desk->config.partitioner, PARTITIONER_AUTO);
    assert_int_equal(desk->config.input_topics.count, 2);
    assert_int_equal(desk->config.kafka_count, 0);

    for (unsigned i = 0; i < INPUTS_MAX + 1; i++)
        snprintf(topics + strlen(topics), 16, "%st%u", i > 0 ? "," : "", i);
    must_refuse(desk, &(struct refusal){topics, "input.topics|too many"}, 1);
}

static void an_unknown_name_suggests_the_nearest(void **state)
{
    static const struct refusal refusals[] = {
        {"worker=2", "worker: there is no such property; did you mean workers?"},
        {"Workers=2", "did you mean workers?"},
        {"input.topic=a", "did you mean input.topics?"},
        {"dead.letters.topic=a", "did you mean dead_letters.topic?"},
        {"bootstrap.server=a", "did you mean bootstrap.servers?"},
        {"fetch.max.byte=1", "did you mean fetch.max.bytes?"},
        {"sasl.user=a", "did you mean sasl.username?"},
        {"security.protocl=ssl", "did you mean security.protocol?"},
        {"ssl.ca.locaton=a", "did you mean ssl.ca.location?"},
        {"compresion.codec=lz4", "did you mean compression.codec?"},
    };
    static const struct refusal far = {"colour=blue", "colour: there is no such property"};
    struct desk *desk = *state;

    must_refuse(desk, refusals, COUNT(refusals));
    must_refuse(desk, &far, 1);
    assert_null(strstr(words(desk), "did you mean"));
}

static void what_upshot_sets_itself_is_refused_with_the_way_out(void **state)
{
    static const struct refusal refusals[] = {
        {"group.id=a", "group.id|itself|app.id"},
        {"group.instance.id=a", "itself|instance.id"},
        {"transactional.id=a", "itself|app.id and instance.id"},
        {"enable.auto.commit=true", "itself|transaction"},
        {"enable.auto.offset.store=true", "itself|transaction"},
        {"enable.idempotence=false", "itself|idempotent"},
        {"isolation.level=read_uncommitted", "itself|read committed"},
        {"auto.offset.reset=latest", "itself|earliest"},
        {"enable.partition.eof=false", "itself|end of each input"},
        {"partition.assignment.strategy=roundrobin", "itself|range"},
        {"group.remote.assignor=uniform", "itself|range"},
    };
    struct desk *desk = *state;

    must_refuse(desk, refusals, COUNT(refusals));
    assert_int_equal(desk->config.kafka_count, 0);
}

static void what_is_no_pair_is_refused(void **state)
{
    static const struct refusal refusals[] = {
        {"workers", "\"workers\" is not of the form prop=value"},
        {"=2", "prop=value"},
        {"", "prop=value"},
    };

    must_refuse(*state, refusals, COUNT(refusals));
}

static void librdkafkas_properties_pass_through(void **state)
{
    struct desk *desk = *state;
    rd_kafka_conf_t *conf;
    char value[100];
    size_t size = sizeof(value);

    must_set(desk, "bootstrap.servers=one:9092");
    must_set(desk, "bootstrap.servers=two:9092");
    must_set(desk, "fetch.max.bytes=1234567");
    conf = config_kafka(&desk->config);
    assert_int_equal(rd_kafka_conf_get(conf, "bootstrap.servers", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "two:9092");
    size = sizeof(value);
    assert_int_equal(rd_kafka_conf_get(conf, "fetch.max.bytes", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "1234567");
    rd_kafka_conf_destroy(conf);
}

/* ---- files ------------------------------------------------------------------------------ */

static bool read_text(struct desk *desk, const char *text, char path[32])
{
    int fd;

    strcpy(path, "/tmp/upshot-config-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    buffer_clear(&desk->complaint);
    bool good = config_read_file(&desk->config, path, &desk->complaint);
    unlink(path);
    return good;
}

static void a_file_has_a_property_a_line(void **state)
{
    struct desk *desk = *state;
    char path[32];

    assert_true(read_text(desk,
                          "# a comment = not a property\n"
                          "\n"
                          "  \t\r\n"
                          "app.id = notes  \r\n"
                          "  # indented\n"
                          "workers=2\n"
                          "input.topics=a, b\n"
                          "bootstrap.servers=one:9092",
                          path));
    assert_string_equal(desk->config.app_id, "notes");
    assert_int_equal(desk->config.workers, 2);
    assert_int_equal(desk->config.input_topics.count, 2);
    assert_int_equal(desk->config.kafka_count, 1);
    assert_true(read_text(desk, "", path));
}

static void a_files_complaint_says_which_line(void **state)
{
    static const struct {
        const char *text;
        const char *words; /* behind the path */
    } cases[] = {
        {"workers=two\n", ":1: workers: \"two\" is not a whole number"},
        {"# first\n\nworker=2\n", ":3: worker: there is no such property; did you mean workers?"},
        {"app.id=a\ngroup.id=b", ":2: group.id: upshot sets this itself (set app.id)"},
        {"app.id\n", ":1: \"app.id\" is not of the form prop=value"},
    };
    struct desk *desk = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[32], expected[200];
        assert_false(read_text(desk, cases[i].text, path));
        snprintf(expected, sizeof(expected), "%s%s", path, cases[i].words);
        if (strncmp(words(desk), expected, strlen(expected)) != 0)
            fail_msg("%s, not %s", words(desk), expected);
    }
    buffer_clear(&desk->complaint);
    assert_false(config_read_file(&desk->config, "no such file", &desk->complaint));
    assert_string_equal(words(desk), "no such file: No such file or directory");
}

/* ---- the whole -------------------------------------------------------------------------- */

static void one_topic_has_one_role(void **state)
{
    static const struct {
        const char *pairs[3];
        const char *words; /* NULL: nothing is wrong */
    } cases[] = {
        {{"app.id=a"}, NULL},
        {{"input.topics=one"}, NULL},
        {{"app.id="}, "app.id"},
        {{"input.topics=a,b,a"}, "input.topics: a is there twice"},
        {{"input.topics=message.outcomes"}, "message.outcomes is an output of this stage"},
        {{"input.topics=message.dead_letters"}, "message.dead_letters is an output"},
        {{"input.topics=x.state", "app.id=x"}, "x.state is an output"},
        {{"input.topics=x.state", "app.id=y"}, NULL},
        {{"outcomes.topic=t", "dead_letters.topic=t"}, "different topics"},
        {{"outcomes.topic=x.state", "app.id=x"}, "x.state must be different topics"},
        {{"dead_letters.topic=x.state", "app.id=x"}, "different topics"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        void *desk = NULL;
        struct desk *of;
        assert_int_equal(open_desk(&desk), 0);
        of = desk;
        for (size_t p = 0; p < 3 && cases[i].pairs[p] != NULL; p++)
            must_set(of, cases[i].pairs[p]);
        if (config_check(&of->config, &of->complaint) != (cases[i].words == NULL))
            fail_msg("%s: %s", cases[i].pairs[0], words(of));
        if (cases[i].words != NULL && strstr(words(of), cases[i].words) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].pairs[0], words(of),
                     cases[i].words);
        close_desk(&desk);
    }
}

static void an_app_id_has_a_bound(void **state)
{
    struct desk *desk = *state;
    char pair[300] = "app.id=";

    memset(pair + 7, 'a', 200);
    must_set(desk, pair);
    assert_true(config_check(&desk->config, &desk->complaint));
    pair[207] = 'a';
    must_set(desk, pair);
    assert_false(config_check(&desk->config, &desk->complaint));
    assert_non_null(strstr(words(desk), "1 to 200"));
}

/* Which librdkafka is loaded is not ours to say: each claim where it can be made. */
static void the_newer_group_protocol_needs_a_newer_librdkafka(void **state)
{
    struct desk *desk = *state;
    bool newer = rd_kafka_version() >= 0x020c0000;

    must_set(desk, "group.protocol=consumer");
    assert_int_equal(config_check(&desk->config, &desk->complaint), newer);
    if (!newer) {
        assert_non_null(strstr(words(desk), "librdkafka 2.12 or newer"));
        assert_non_null(strstr(words(desk), rd_kafka_version_str()));
    }
    must_set(desk, "session.timeout.ms=6000");
    assert_false(config_check(&desk->config, &desk->complaint));
    if (newer)
        assert_non_null(strstr(words(desk), "session.timeout.ms: with group.protocol=consumer"));
    must_set(desk, "group.protocol=classic");
    assert_true(config_check(&desk->config, &desk->complaint));
}

/* Name, default and help of each, a line each: what the README's table is made from. */
static void every_property_describes_itself(void **state)
{
    struct desk *desk = *state;
    struct buffer out = {0};
    size_t count = 0;

    config_describe(&out);
    buffer_put_byte(&out, 0);
    for (char *at = (char *)out.bytes; *at != 0; at = strchr(at, '\n') + 1) {
        size_t name = strcspn(at, "\t"), value = strcspn(at + name + 1, "\t");
        char pair[200];
        snprintf(pair, sizeof(pair), "%.*s=%.*s", (int)name, at, (int)value, at + name + 1);
        must_set(desk, pair); /* a default is a value like any other */
        assert_true(strcspn(at + name + value + 2, "\t\n") > 10);
        count++;
    }
    assert_true(count >= 14);
    assert_int_equal(desk->config.kafka_count, 0);
    buffer_release(&out);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(defaults_are_those_of_the_design),
        CLAIM(the_last_value_counts),
        CLAIM(lists_are_trimmed),
        CLAIM(an_ill_typed_value_is_refused_and_changes_nothing),
        CLAIM(an_unknown_name_suggests_the_nearest),
        CLAIM(what_upshot_sets_itself_is_refused_with_the_way_out),
        CLAIM(what_is_no_pair_is_refused),
        CLAIM(librdkafkas_properties_pass_through),
        CLAIM(a_file_has_a_property_a_line),
        CLAIM(a_files_complaint_says_which_line),
        cmocka_unit_test(one_topic_has_one_role),
        CLAIM(an_app_id_has_a_bound),
        CLAIM(the_newer_group_protocol_needs_a_newer_librdkafka),
        CLAIM(every_property_describes_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
