"""The few of Kafka's admin requests that tests need, spoken directly.

Kafka's own tools take seconds of Java each; a set-up of twenty topics, and rights on them, is here
a handful of packets. Not a client: one broker, one connection a request, versions that Kafka 3 and
4 both know and that have no tagged fields, and any error is a Refused.
"""
import socket
import struct

TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID = 2, 3, 4, 5
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Alter": 7, "Describe": 8, "ClusterAction": 9,
              "DescribeConfigs": 10, "AlterConfigs": 11, "IdempotentWrite": 12}


class Refused(Exception):
    """What was asked, and the error code with its text."""


def text(string):
    if string is None:
        return struct.pack(">h", -1)
    raw = string.encode()
    return struct.pack(">h", len(raw)) + raw


def array(items):
    items = list(items)
    return struct.pack(">i", len(items)) + b"".join(items)


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, shape):
        value = struct.unpack_from(">" + shape, self.raw, self.at)[0]
        self.at += struct.calcsize(">" + shape)
        return value

    def text(self):
        size = self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.raw[self.at - size:self.at].decode()


class Admin:
    def __init__(self, bootstrap):
        host, port = bootstrap.split(",")[0].rsplit(":", 1)
        self.address = host, int(port)

    def ask(self, key, version, body):
        packet = struct.pack(">hhi", key, version, 1) + text("test") + body
        with socket.create_connection(self.address, timeout=30) as connection:
            connection.sendall(struct.pack(">i", len(packet)) + packet)
            stream = connection.makefile("rb")
            answer = Reader(stream.read(struct.unpack(">i", stream.read(4))[0]))
        answer.take("i")  # correlation
        answer.take("i")  # throttle
        return answer

    @staticmethod
    def check(what, error, why=""):
        if error != 0:
            raise Refused(f"{what}: error {error} {why or ''}")

    def check_named(self, what, answer):
        for _ in range(answer.take("i")):
            name, error, why = answer.text(), answer.take("h"), answer.text()
            self.check(f"{what} {name}", error, why)

    def topics(self, *topics):
        """Each is (name, partitions, replicas, {setting: value})."""
        body = array(text(name) + struct.pack(">ih", partitions, replicas) + array(()) +
                     array(text(key) + text(str(value)) for key, value in settings.items())
                     for name, partitions, replicas, settings in topics)
        self.check_named("CreateTopics", self.ask(19, 2, body + struct.pack(">i?", 30000, False)))

    def partitions(self, topic, count):
        body = array([text(topic) + struct.pack(">ii", count, -1)])
        self.check_named("CreatePartitions",
                         self.ask(37, 0, body + struct.pack(">i?", 30000, False)))

    def setting(self, topic, name, value):
        body = array([struct.pack(">b", TOPIC) + text(topic) +
                      array([text(name) + b"\0" + text(str(value))])])
        answer = self.ask(44, 0, body + b"\0")
        for _ in range(answer.take("i")):
            self.check(f"{name} of {topic}", answer.take("h"), answer.text())
            answer.take("b")
            answer.text()

    def delete_records(self, topic, partition, before):
        body = array([text(topic) + array([struct.pack(">iq", partition, before)])])
        answer = self.ask(21, 0, body + struct.pack(">i", 30000))
        for _ in range(answer.take("i")):
            name = answer.text()
            for _ in range(answer.take("i")):
                answer.take("i")
                answer.take("q")
                self.check(f"DeleteRecords {name}", answer.take("h"))

    def allow(self, *rights):
        """Each is (resource type, name, operations' words): where there is any, the rest is not."""
        body = array(struct.pack(">b", kind) + text(name) + b"\3" + text("User:ANONYMOUS") +
                     text("*") + bytes([OPERATIONS[word], 3])
                     for kind, name, words in rights for word in words.split())
        answer = self.ask(30, 1, body)
        for _ in range(answer.take("i")):
            self.check("CreateAcls", answer.take("h"), answer.text())

    def init_producer(self, transactional_id):
        """Fences whoever has the id now."""
        answer = self.ask(22, 0, text(transactional_id) + struct.pack(">i", 10000))
        error = answer.take("h")
        if error != 51:  # a transaction is being ended for it: fenced all the same
            self.check(f"InitProducerId {transactional_id}", error)
