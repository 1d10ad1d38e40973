#!/usr/bin/env python3
"""sink.py: outcomes into PostgreSQL, from Kafka or from a file; every crash of it is harmless.

    script/python examples/analytics/postgres/sink.py DATABASE [FILE]
    script/python examples/analytics/postgres/sink.py DATABASE --brokers HOST:PORT --topic TOPIC

DATABASE is what libpq takes: postgresql://... or "host=... dbname=...". Without FILE, and without
Kafka, lines come from standard input. schema.sql must have been there before.

What it takes is committed in PostgreSQL first and in Kafka afterwards. A crash in between brings
the same outcomes again, and take.sql is indifferent to that; so neither side has to know of the
other. SIGTERM needs no handler for the same reason.
"""
import argparse
import itertools
import pathlib
import sys

import confluent_kafka
import psycopg

TAKE = (pathlib.Path(__file__).resolve().parent / "take.sql").read_text(encoding="utf-8")
BATCH = 1000    # outcomes a transaction
PATIENCE_S = 1  # how long a batch may wait for more


def batches_of_lines(file):
    while True:
        lines = list(itertools.islice(file, BATCH))
        if not lines:
            return
        yield lines


def batches_of_topic(options):
    """Values of committed records. Whoever asks for the next batch has put away the last one."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": options.brokers,
        "group.id": options.group,
        "isolation.level": "read_committed",  # others see outcomes of transactions that failed
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.partition.eof": options.to_end,
        "session.timeout.ms": 10000,  # so long nobody reads the partitions of a sink that crashed
    })
    ended = set()
    consumer.subscribe([options.topic])
    try:
        while True:
            values = []
            for message in consumer.consume(BATCH, PATIENCE_S):
                error = message.error()
                if error is None:
                    values.append(message.value())
                elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise confluent_kafka.KafkaException(error)
            if values:
                yield values
                commit(consumer)
            if options.to_end and ended and ended >= {
                    each.partition for each in consumer.assignment()}:
                return
    finally:
        consumer.close()


def commit(consumer):
    """Only so that a restart begins later: what it cannot say is taken once more, in vain."""
    try:
        consumer.commit(asynchronous=False)
    except confluent_kafka.KafkaException as refused:
        print(f"sink.py: offsets not committed: {refused}", file=sys.stderr)


def put(database, lines):
    """One transaction. Copying is the fastest way in, and take.sql does the rest over there."""
    with database.transaction(), database.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE incoming (line json) ON COMMIT DROP")
        with cursor.copy("COPY incoming FROM STDIN") as copy:
            for line in lines:
                copy.write_row((line.decode(),))
        cursor.execute(TAKE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("database", help="as libpq takes it")
    parser.add_argument("file", nargs="?", help="an outcome a line; default: standard input")
    parser.add_argument("--brokers", help="read from Kafka instead")
    parser.add_argument("--topic", default="message.outcomes")
    parser.add_argument("--group", default="outcomes-to-postgres", help="the consumer group")
    parser.add_argument("--to-end", action="store_true", help="leave when nothing more is there")
    options = parser.parse_args()
    if options.brokers and options.file:
        parser.error("either --brokers or a file")

    taken = 0
    try:
        with psycopg.connect(options.database, autocommit=True) as database:
            if options.brokers:
                batches = batches_of_topic(options)
            else:
                batches = batches_of_lines(
                    open(options.file, "rb") if options.file else sys.stdin.buffer)
            for lines in batches:
                put(database, lines)
                taken += len(lines)
    except (OSError, psycopg.Error, confluent_kafka.KafkaException) as fault:
        sys.exit(f"sink.py: after {taken} outcomes: {fault}")
    print(f"sink.py: {taken} outcomes", file=sys.stderr)


if __name__ == "__main__":
    main()
