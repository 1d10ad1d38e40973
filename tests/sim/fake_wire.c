/*
 * fake_wire.c: requests on their way to a broker and back.
 *
 * Requests of one client to one broker arrive in the order in which they were sent. Where their
 * connection broke, the client only knows that (_TRANSPORT), while the request was lost, or was
 * served with nobody there for the answer, or arrives late: before the same client's next one, or,
 * where there is none because it died or was destroyed, at any time, its successor's included.
 *
 * That a broker serves what an old connection brought before what the same client's new one brings
 * is an assumption that the stage does not need. Without it (late_copies) a commit that was sent
 * twice may end the transaction after the one it was meant for, which part 2 of KIP-890 prevents
 * and librdkafka does not speak; so the stage takes a new producer once a connection has broken.
 */
#include "statemachine/memory.h"
#include "tests/sim/fake.h"

#include <string.h>

struct request *request_new(struct client *client, const char *what, int node,
                            void (*serve)(struct request *), void (*answer)(struct request *))
{
    struct request *request = memory_get(sizeof(*request));

    memset(request, 0, sizeof(*request));
    request->client = client;
    request->process = client->process;
    request->incarnation = client->incarnation;
    request->what = what;
    request->node = node;
    request->serve = serve;
    request->answer = answer;
    request->producer = client->producer;
    request->epoch = client->epoch;
    return request;
}

static bool there(const struct request *request)
{
    return request->process->alive && request->process->incarnation == request->incarnation &&
           !request->client->destroyed;
}

static bool cut_off(const struct request *request)
{
    return world.node_down_until[request->node] > world.now_us ||
           request->process->cut_until[request->node] > world.now_us;
}

/* The client hears of it: an answer, or (number 1) that the connection broke. */
static void heard(void *context, int64_t number)
{
    struct request *request = context;

    if (!there(request))
        return;
    if (number == 1) {
        request->error = RD_KAFKA_RESP_ERR__TRANSPORT;
        request->client->broken = true;
    }
    world_trace("P%d < %s %s", request->process->number, request->what,
                rd_kafka_err2name(request->error));
    if (request->answer != NULL)
        request->answer(request);
}

static void break_connection(struct request *request, int64_t after_us)
{
    request->given_up = true;
    if (there(request))
        world_after(after_us, request->process, heard, request, 1);
}

void request_answer(struct request *request)
{
    struct client *client = request->client;
    int64_t at_us = world.now_us + world_between(50, 1500);

    if (request->given_up || !there(request))
        return;
    if (cut_off(request)) {
        break_connection(request, world_between(MS, 500 * MS));
        return;
    }
    if (at_us <= client->last_answered[request->node])
        at_us = client->last_answered[request->node] + 1;
    client->last_answered[request->node] = at_us;
    world_at(at_us, request->process, heard, request, 0);
}

static void arrive(void *context, int64_t number)
{
    struct request *request = context;

    (void)number;
    if (request->arrived)
        return;
    request->arrived = true;
    if (world.node_down_until[request->node] > world.now_us) {
        if (!request->given_up)
            break_connection(request, world_between(MS, 500 * MS));
        return;
    }
    request->error = RD_KAFKA_RESP_ERR_NO_ERROR;
    request->serve(request);
    if (strcmp(request->what, "Fetch") != 0)
        world_trace("broker serves P%d %s %s%s", request->process->number, request->what,
                    rd_kafka_err2name(request->error), request->given_up ? " unheard" : "");
    if (!request->answered_later)
        request_answer(request);
}

/* Late, but before what the same client sends there next. */
static void hurry(struct client *client, int node, int64_t *at_us)
{
    struct request *late = client->late[node];

    if (world.rules.late_copies)
        return;
    client->late[node] = NULL;
    for (; late != NULL; late = late->next_late)
        if (!late->arrived)
            world_at((*at_us)++, NULL, arrive, late, 0);
}

static int draw(const struct request *request)
{
    int fate = WIRE_WELL, chance;

    if (world.at_request != NULL && world.at_request(request->process, request->what, &fate))
        return fate;
    chance = (int)random_below(&world.random, 1000);
    if (world.calm)
        return WIRE_WELL;
    if ((chance -= world.chances.lost) < 0)
        return WIRE_LOST;
    if ((chance -= world.chances.answer_lost) < 0)
        return WIRE_ANSWER_LOST;
    if ((chance -= world.chances.late) < 0)
        return WIRE_LATE;
    return WIRE_WELL;
}

void request_send(struct request *request)
{
    struct client *client = request->client;
    int64_t delay_us = world_between(50, 1500), at_us;
    int fate = draw(request);

    if (!world.calm && world_chance(world.chances.slow))
        delay_us += world_between(0, 400 * MS);
    if (cut_off(request))
        fate = WIRE_LOST;
    at_us = world.now_us + delay_us;
    if (at_us <= client->last_served[request->node])
        at_us = client->last_served[request->node] + 1;
    if (!cut_off(request)) {
        hurry(client, request->node, &at_us);
        client->last_served[request->node] = at_us - 1;
    }
    world_trace("P%d > %s%s", request->process->number, request->what,
                fate == WIRE_LOST          ? " (lost)"
                : fate == WIRE_ANSWER_LOST ? " (answer lost)"
                : fate == WIRE_LATE        ? " (late)"
                                           : "");
    switch (fate) {
    case WIRE_LOST:
        break_connection(request, world_between(MS, 1500 * MS));
        break;
    case WIRE_ANSWER_LOST:
        break_connection(request, at_us - world.now_us + world_between(MS, 1500 * MS));
        world_at(at_us, NULL, arrive, request, 0);
        break;
    case WIRE_LATE:
        break_connection(request, world_between(MS, 1500 * MS));
        world_after(world_between(20 * MS, 200 * MS) * (world_chance(300) ? 150 : 1), NULL, arrive,
                    request, 0);
        request->next_late = client->late[request->node];
        client->late[request->node] = request;
        break;
    default:
        client->last_served[request->node] = at_us;
        world_at(at_us, NULL, arrive, request, 0);
    }
}

static void asked(struct request *request)
{
    request->number = 1;
    request->told = request->error; /* a late one may be served yet */
    fiber_wake(request->context);
}

bool request_ask(struct request *request, int64_t until_us)
{
    request->answer = asked;
    request->context = fiber_now();
    request_send(request);
    while (request->number == 0 && world.now_us < until_us)
        fiber_wait(until_us);
    request->answer = NULL;
    request->error = request->told;
    return request->number != 0;
}
