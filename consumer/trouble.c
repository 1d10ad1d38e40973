/* trouble.c: the table. */
#include "consumer/trouble.h"

#include <stddef.h>
#include <string.h>

#define DENIED "not_authorized"
#define UNREADABLE "unreadable_batch"
#define UNREADABLE_HINT \
    "these records cannot be decoded and are not skipped: use a librdkafka with their codec, or " \
    "repair the log, or set the group's offset behind them to go on without them"

static const struct trouble troubles[] = {
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, DENIED,
     "allow this principal Describe and Read on the inputs and the state topic, Describe and Write "
     "on the state topic and the outputs",
     true},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, DENIED,
     "allow this principal Read on the group that app.id names", true},
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, DENIED,
     "allow this principal Write and Describe on the transactional ids that begin with app.id",
     true},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, DENIED,
     "allow this principal on the cluster: IdempotentWrite to write, Create for missing topics",
     true},
    {RD_KAFKA_RESP_ERR__BAD_COMPRESSION, UNREADABLE, UNREADABLE_HINT, false},
    {RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED, UNREADABLE, UNREADABLE_HINT, false},
    {RD_KAFKA_RESP_ERR__BAD_MSG, UNREADABLE, UNREADABLE_HINT, false},
    {RD_KAFKA_RESP_ERR__UNDERFLOW, UNREADABLE, UNREADABLE_HINT, false},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, UNREADABLE, UNREADABLE_HINT, false},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, "codec_refused",
     "the broker does not know this compression.type", false},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, "broker_too_old",
     "transactions need message format 2: Kafka 0.11 or newer", false},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, "broker_too_old",
     "transactions need Kafka 0.11 or newer", false},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, "transaction_timeout_refused",
     "lower transaction.timeout.ms to the brokers' transaction.max.timeout.ms", false},
};

const struct trouble *trouble_of(rd_kafka_resp_err_t error)
{
    for (size_t i = 0; i < sizeof(troubles) / sizeof(*troubles); i++)
        if (troubles[i].error == error)
            return &troubles[i];
    return NULL;
}

/* What librdkafka says is not an interface; where its words change, only a hint is lost. */
static const struct {
    const char *words;
    const char *hint;
} addresses[] = {
    {"Invalid response size",
     "what listens there does not speak Kafka's plain protocol: another port, or "
     "security.protocol=SSL?"},
    {"SSL handshake failed", "what listens there does not speak TLS: security.protocol=PLAINTEXT?"},
    {"Disconnected while requesting ApiVersion",
     "what listens there does not answer as a Kafka broker does: another port, or "
     "security.protocol=SSL?"},
    {"Authentication failure", "check sasl.mechanism, sasl.username and sasl.password"},
    {"Failed to resolve", "there is no such host: check bootstrap.servers"},
};

const char *trouble_at_address(const char *text)
{
    for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
        if (strstr(text, addresses[i].words) != NULL)
            return addresses[i].hint;
    return NULL;
}
