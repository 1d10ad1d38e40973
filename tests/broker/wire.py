"""A few of Kafka's requests, byte by byte, for tests that must send what no client would: a request
of a producer that was thrown away, arriving late. Not a client: one connection, one broker, the
oldest versions that Kafka 4 still knows.
"""
import socket
import struct

import broker

PRODUCE, FIND_COORDINATOR, LEAVE_GROUP, INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, \
    TXN_OFFSET_COMMIT = 0, 10, 13, 22, 24, 25, 26, 28
VERSIONS = {PRODUCE: 7, FIND_COORDINATOR: 1, LEAVE_GROUP: 3, INIT_PRODUCER_ID: 1,
            ADD_PARTITIONS: 1, ADD_OFFSETS: 1, END_TXN: 1, TXN_OFFSET_COMMIT: 2}
NONE, OUT_OF_ORDER_SEQUENCE, INVALID_EPOCH, INVALID_TXN_STATE, CONCURRENT, FENCED = \
    0, 45, 47, 48, 51, 90
TRANSACTIONAL = 0x10
RETRIABLE = (6, 14, 15, 16, CONCURRENT)  # no leader, loading, no coordinator, busy


def text(word):
    raw = word.encode()
    return struct.pack(">h", len(raw)) + raw


def zigzag(number):
    value, out = (number << 1) ^ (number >> 63), bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def batch(pid, epoch, sequence, value):
    """One record in a batch of a transaction; with a key, which compacted topics demand."""
    body = b"\0" + zigzag(0) + zigzag(0) + zigzag(3) + b"key" + zigzag(len(value)) + value + \
        zigzag(0)
    record = zigzag(len(body)) + body
    now = broker.now_ms()
    checked = struct.pack(">hiqqqhii", TRANSACTIONAL, 0, now, now, pid, epoch, sequence, 1) + record
    framed = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(framed)) + framed


class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 30)

    def ask(self, api, body):
        head = struct.pack(">hhi", api, VERSIONS[api], 7) + text("test")
        self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        size = struct.unpack(">i", self.take(4))[0]
        return self.take(size)[4:]

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            broker.require(more, "the broker closed the connection")
            data += more
        return data


def remove_static_member(address, group, instance):
    """As an administrator would; the member itself is not told."""
    answer = Connection(address).ask(LEAVE_GROUP, text(group) + struct.pack(">i", 1) + text("") +
                                     text(instance))
    code = struct.unpack_from(">h", answer, 4)[0]
    broker.require(code == NONE, f"LeaveGroup: error {code}")


class Producer:
    """The requests of one transactional id; each returns Kafka's error code."""

    def __init__(self, address, transactional_id, timeout_ms=60000):
        self.connection, self.id = Connection(address), transactional_id
        self.timeout_ms = timeout_ms
        self.pid, self.epoch = -1, -1

    def insist(self, once):
        """Until the answer is none that says: ask again."""
        def answer():
            code = once()
            return None if code in RETRIABLE else (code,)
        return broker.wait_for("an answer", answer)[0]

    def init(self):
        def once():
            self.connection.ask(FIND_COORDINATOR, text(self.id) + b"\1")
            answer = self.connection.ask(INIT_PRODUCER_ID, text(self.id) +
                                         struct.pack(">i", self.timeout_ms))
            code, pid, epoch = struct.unpack(">hqh", answer[4:16])
            if code == NONE:
                self.pid, self.epoch = pid, epoch
            return code
        return self.insist(once)

    def who(self, epoch=None):
        return struct.pack(">qh", self.pid, self.epoch if epoch is None else epoch)

    def add_partition(self, topic, epoch=None):
        return self.insist(lambda: struct.unpack(">h", self.connection.ask(
            ADD_PARTITIONS, text(self.id) + self.who(epoch) + struct.pack(">i", 1) + text(topic) +
            struct.pack(">ii", 1, 0))[-2:])[0])

    def produce(self, topic, sequence, value, epoch=None):
        records = batch(self.pid, self.epoch if epoch is None else epoch, sequence, value)
        body = text(self.id) + struct.pack(">hii", -1, 10000, 1) + text(topic) + \
            struct.pack(">iii", 1, 0, len(records)) + records

        def once():
            answer = self.connection.ask(PRODUCE, body)
            return struct.unpack_from(">h", answer, 4 + len(text(topic)) + 4 + 4)[0]
        return self.insist(once)

    def add_offsets(self, group, epoch=None):
        self.connection.ask(FIND_COORDINATOR, text(group) + b"\0")  # makes Kafka's topic for it
        return self.insist(lambda: struct.unpack(">h", self.connection.ask(
            ADD_OFFSETS, text(self.id) + self.who(epoch) + text(group))[-2:])[0])

    def commit_offset(self, group, topic, offset, epoch=None):
        return self.insist(lambda: struct.unpack(">h", self.connection.ask(
            TXN_OFFSET_COMMIT, text(self.id) + text(group) + self.who(epoch) +
            struct.pack(">i", 1) + text(topic) + struct.pack(">iiqi", 1, 0, offset, -1) +
            text(""))[-2:])[0])

    def end(self, commit):
        return self.insist(lambda: struct.unpack(">h", self.connection.ask(
            END_TXN, text(self.id) + self.who() + (b"\1" if commit else b"\0"))[-2:])[0])
