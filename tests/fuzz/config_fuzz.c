/*
 * config_fuzz.c: any bytes as a configuration file, and what must hold of what was read.
 *
 * A file is refused with a complaint that names its line, or it is taken; what was taken is within
 * its bounds, and librdkafka has no objection to its share of it.
 */
#include "consumer/config.h"
#include "statemachine/require.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Plugins are loaded, certificates and tokens read from places: not for a fuzzer to choose. */
static bool touches_the_world(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"plugin", "ssl", "sasl", "debug", "_cb", "interceptor"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (memmem(data, size, words[i], strlen(words[i])) != NULL)
            return true;
    return false;
}

static void check_taken(const struct config *config)
{
    rd_kafka_conf_t *conf = config_kafka(config);

    require(conf != NULL);
    rd_kafka_conf_destroy(conf);
    require(config->workers >= 1 && config->workers <= 64);
    require(config->commit_records >= 1);
    require(config->idle_after_ms >= 1 && config->skew_max_ms >= 1);
    require(config->event_max_bytes >= 256);
    require(config->input_topics.count >= 1 && config->input_topics.count <= INPUTS_MAX);
    for (size_t i = 0; i < config->input_topics.count; i++)
        require(config->input_topics.items[i][0] != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer complaint = {0};
    struct config config;
    char path[64];
    bool good;
    int fd;

    if (touches_the_world(data, size))
        return 0;
    fd = memfd_create("config", MFD_CLOEXEC);
    require(fd >= 0);
    require(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    config_init(&config);
    good = config_read_file(&config, path, &complaint);
    require(good == (complaint.size == 0));
    if (!good)
        require(complaint.size > strlen(path) &&
                memcmp(complaint.bytes, path, strlen(path)) == 0);
    check_taken(&config);
    if (!config_check(&config, &complaint))
        require(complaint.size > 0);
    buffer_release(&complaint);
    config_release(&config);
    close(fd);
    return 0;
}
