#!/usr/bin/env python3
"""latest.py: of each message the outcome that counts, as the outcomes topic now says.

    script/python examples/consumers/latest.py [--every] BROKERS TOPIC

Writes them as they are, a line each, by channel and message id; with --every all committed
outcomes instead, for analytics/. Three things make it correct: it reads committed records only, it
reads every partition to an end that it was told of, and it lets lives and revisions decide, not the
order in which they came (DESIGN 4).
"""
import argparse
import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

PATIENCE_S = 30


def committed(brokers, topic):
    """The values of a topic's committed records, to the end that each partition has."""
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "latest",  # asked for, but nobody joins it and nothing is committed
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    })
    try:
        described = consumer.list_topics(topic, PATIENCE_S).topics[topic]
        if described.error:
            raise KafkaException(described.error)
        left = set(described.partitions)
        consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in left])
        while left:
            message = consumer.poll(PATIENCE_S)
            if message is None:
                raise TimeoutError("no word from the brokers")
            if message.error() is None:
                yield message.value()
            elif message.error().code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                raise KafkaException(message.error())
    finally:
        consumer.close()


def weight(outcome):
    """The rule: the life that has seen the send, else the first; of that the highest revision."""
    return outcome["send_seen"], -outcome["life"], outcome["revision"]


def latest(values):
    """The values that count, by (channel, message id)."""
    best = {}
    for value in values:
        outcome = json.loads(value)
        message = outcome["channel"], outcome["message_id"]
        if message not in best or weight(outcome) > best[message][0]:
            best[message] = weight(outcome), value
    return {message: value for message, (_, value) in sorted(best.items())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--every", action="store_true", help="all outcomes, not the latest only")
    parser.add_argument("brokers")
    parser.add_argument("topic")
    options = parser.parse_args()
    try:
        values = committed(options.brokers, options.topic)
        for value in values if options.every else latest(values).values():
            sys.stdout.buffer.write(value + b"\n")
        sys.stdout.flush()
    except (KafkaException, OSError) as fault:
        sys.exit(f"latest.py: {options.topic}: {fault}")


if __name__ == "__main__":
    main()
