/*
 * transaction.pml: the transaction protocol of consumer/worker.c, takeover.c and transaction.c, and
 * of the Kafka below it, small enough for every interleaving to be looked at.
 *
 * Two workers, each with a transactional id of its own; TASKS tasks, each an input of RECORDS
 * records and one deadline that is due from the start. What a record or the deadline gives is an
 * item, a bit. A transaction takes some items of some tasks; it produces their outcomes and the
 * task's new state (one request per task), sends the offsets with the generation, the transaction's
 * number and the worker's token, and ends.
 *
 * What may go wrong, each so often: FAULTS answers lost or requests late (the worker's patience
 * ends; the request arrives later, or never), REBALANCES at any moment (the old owner is not asked:
 * until it notices it is a zombie), TIMEOUTS by the transaction coordinator, CRASHES of a process
 * that comes back under its transactional id, DEATHS of one that does not.
 *
 * Checked (promises 2, 3, 4, 5 of DESIGN 9):
 *   - no item has two committed outcomes; at the end each has one
 *   - at every landing and take-over memory is the fold of what was committed up to its number, and
 *     the place in the input agrees with it
 *   - every run ends, and ends with all done: no wait is for ever
 *
 * Each rule of the protocol can be taken out by a macro, named where the rule is. README.md says
 * what is simplified, and `check` runs it all.
 */

#ifndef TASKS
#define TASKS 1
#endif
#ifndef RECORDS
#define RECORDS 1
#endif
#ifndef DEADLINES /* 0 or 1 */
#define DEADLINES 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef REBALANCES
#define REBALANCES 2
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define WORKERS 2
#define LAST (TASKS - 1)
#define DEADLINE (1 << RECORDS)
#define ALL ((1 << (RECORDS + DEADLINES)) - 1)
#define DUE(value) (DEADLINES && !((value) & DEADLINE))
#define OFFSETS (1 << TASKS)  /* the offsets' partition, beside the tasks' */
#define AT(w, t) ((w) * TASKS + (t))

/* `check` takes the other claims out where it wants to see a second outcome, not its forerunners. */
#ifdef ONLY_DOUBLED
#define claim(what) skip
#else
#define claim(what) assert(what)
#endif

mtype = { NONE, GOOD, REFUSED, FENCED };             /* answers; NONE: not yet */
mtype = { EMPTY, ONGOING, COMMITTING, ABORTING };    /* the coordinator's states */

byte faults = FAULTS, rebalances = REBALANCES, timeouts = TIMEOUTS, crashes = CRASHES,
     deaths = DEATHS;

/* ---- requests under way: the newest of each kind, and one that its sender has given up on ------ */

typedef Produce { bit there; byte epoch; byte items; byte value; byte number };
typedef SendOffsets {
    bit there; byte epoch; bit current; byte tasks; byte token;
    byte next[TASKS]; byte number[TASKS]
};
typedef End { bit there; byte epoch; bit commits };

Produce produce_now[WORKERS * TASKS], produce_late[WORKERS * TASKS];
SendOffsets offsets_now[WORKERS], offsets_late[WORKERS];
End end_now[WORKERS], end_late[WORKERS];
mtype produce_answer[WORKERS * TASKS] = NONE, offsets_answer[WORKERS] = NONE,
      end_answer[WORKERS] = NONE;

/* ---- Kafka ------------------------------------------------------------------------------------- */

typedef Coordinator { /* of one transactional id */
    byte epoch; mtype state = EMPTY; byte parts; byte markers; byte marker_epoch
};
Coordinator coordinator[WORKERS];
byte producer_epoch[WORKERS]; /* what the worker has */
bit alive[WORKERS] = 1;

/* One partition for a task's outcomes and state; one worker's open transaction in it. */
typedef Open { bit there; byte epoch; byte items; byte twice; byte value; byte number };
Open open[WORKERS * TASKS];
byte done[TASKS];   /* items with a committed outcome */
byte fold[TASKS], fold_number[TASKS]; /* the committed state, folded, and its control record */
byte decided[TASKS], decided_number[TASKS]; /* the same as soon as EndTxn is taken: to compare */

/* Restoring reads up to the end that was asked for: what was open then must end first. */
byte restore_waits[WORKERS * TASKS], restored[WORKERS * TASKS], restored_number[WORKERS * TASKS];

typedef Pending { byte epoch; byte tasks; byte token; byte next[TASKS]; byte number[TASKS] };
Pending pending[WORKERS]; /* offsets of a transaction that has not ended */
byte offset_next[TASKS], offset_number[TASKS], offset_token[TASKS] = 255;

/*
 * The group. Of generations only this matters: is it the one of now? So a rebalance makes old what
 * was current, and a worker that notices becomes current again. All is worker 0's at first.
 */
bit current[WORKERS];
byte owner[TASKS];

hidden byte i, j, r;

#ifdef NO_FENCING
#define OLD(request_epoch, known) false
#else
#define OLD(request_epoch, known) ((request_epoch) < (known))
#endif

/* KIP-890 part 1 (Kafka 3.6 on): what begins a transaction in a partition is verified. */
#ifdef NO_VERIFICATION /* not a rule of ours, but an older Kafka */
#define VERIFIED(w, e, part) true
#else
#define VERIFIED(w, e, part) \
    (coordinator[w].state == ONGOING && (coordinator[w].parts & (part)) != 0 && \
     !OLD(e, coordinator[w].epoch))
#endif

inline serve_produce(w, t, request, answer) {
    if
    :: OLD(request.epoch, open[AT(w, t)].epoch) ||
       (!open[AT(w, t)].there && !VERIFIED(w, request.epoch, 1 << t)) -> answer = FENCED
    :: else ->
        open[AT(w, t)].there = 1;
        open[AT(w, t)].epoch = request.epoch;
        open[AT(w, t)].twice = open[AT(w, t)].twice | (open[AT(w, t)].items & request.items);
        open[AT(w, t)].items = open[AT(w, t)].items | request.items;
        open[AT(w, t)].value = request.value;
        open[AT(w, t)].number = request.number;
        answer = GOOD
    fi;
    request.there = 0; request.epoch = 0; request.items = 0; request.value = 0; request.number = 0
}

inline forget_offsets(request) {
    request.there = 0; request.epoch = 0; request.current = 0; request.tasks = 0;
    request.token = 0;
    for (i : 0 .. TASKS - 1) { request.next[i] = 0; request.number[i] = 0 };
    i = 0
}

#ifdef NO_GENERATION
#define RIGHT_GENERATION(request) true
#else
#define RIGHT_GENERATION(request) (request.current)
#endif

inline serve_offsets(w, request, answer) {
    if
    :: OLD(request.epoch, pending[w].epoch) ||
       (pending[w].tasks == 0 && !VERIFIED(w, request.epoch, OFFSETS)) -> answer = FENCED
    :: else ->
        if
        :: !RIGHT_GENERATION(request) -> answer = REFUSED
        :: else ->
            pending[w].epoch = request.epoch;
            pending[w].tasks = pending[w].tasks | request.tasks;
            pending[w].token = request.token;
            for (i : 0 .. TASKS - 1) {
                if
                :: (request.tasks >> i) & 1 ->
                    pending[w].next[i] = request.next[i];
                    pending[w].number[i] = request.number[i]
                :: else
                fi
            };
            answer = GOOD
        fi
    fi;
    forget_offsets(request)
}

inline serve_end(w, request, answer) {
    if
    :: OLD(request.epoch, coordinator[w].epoch) -> answer = FENCED
    :: else ->
        if
        :: coordinator[w].state == ONGOING ->
            coordinator[w].state = (request.commits -> COMMITTING : ABORTING);
            coordinator[w].markers = coordinator[w].parts;
            coordinator[w].marker_epoch = coordinator[w].epoch;
            for (i : 0 .. TASKS - 1) { /* decided: from now on it is in Kafka */
                if
                :: request.commits && open[AT(w, i)].there ->
                    decided[i] = open[AT(w, i)].value;
                    decided_number[i] = open[AT(w, i)].number
                :: else
                fi
            };
            answer = GOOD
        :: else -> answer = FENCED /* INVALID_TXN_STATE: fatal all the same */
        fi
    fi;
    request.there = 0; request.epoch = 0; request.commits = 0
}

/*
 * Epochs are only compared, so those that nobody holds are taken out of the row: less to search,
 * and the same behaviour.
 */
#define HOLDS(w, v) \
    (coordinator[w].epoch == v || coordinator[w].marker_epoch == v || producer_epoch[w] == v || \
     pending[w].epoch == v || offsets_now[w].epoch == v || offsets_late[w].epoch == v || \
     end_now[w].epoch == v || end_late[w].epoch == v || open[AT(w, 0)].epoch == v || \
     open[AT(w, TASKS - 1)].epoch == v || produce_now[AT(w, 0)].epoch == v || \
     produce_now[AT(w, TASKS - 1)].epoch == v || produce_late[AT(w, 0)].epoch == v || \
     produce_late[AT(w, TASKS - 1)].epoch == v)
#define DOWN(what) what = what - (what > r -> 1 : 0)

inline close_ranks(w) {
    r = 1;
    do
    :: r >= coordinator[w].epoch -> break
    :: r < coordinator[w].epoch && HOLDS(w, r) -> r++
    :: r < coordinator[w].epoch && !HOLDS(w, r) ->
        DOWN(coordinator[w].epoch); DOWN(coordinator[w].marker_epoch); DOWN(producer_epoch[w]);
        DOWN(pending[w].epoch); DOWN(offsets_now[w].epoch); DOWN(offsets_late[w].epoch);
        DOWN(end_now[w].epoch); DOWN(end_late[w].epoch);
        for (i : 0 .. TASKS - 1) {
            DOWN(open[AT(w, i)].epoch); DOWN(produce_now[AT(w, i)].epoch);
            DOWN(produce_late[AT(w, i)].epoch)
        }
    od;
    r = 0
}

#if defined(NO_FENCING) || defined(NO_VERIFICATION)
#define forget_the_doomed(w) skip
#else
/*
 * After init_transactions no broker takes any more what is under way from before: EndTxn is fenced
 * by the coordinator; the others by it too, through the verification, or by the new epoch where
 * the partition is already in a transaction. So they are forgotten at once, and with them what the
 * partitions know of epochs: again less to search, and the same behaviour.
 */
inline forget_the_doomed(w) {
    forget_offsets(offsets_late[w]);
    end_late[w].there = 0; end_late[w].epoch = 0; end_late[w].commits = 0;
    pending[w].epoch = coordinator[w].epoch;
    for (i : 0 .. TASKS - 1) {
        produce_late[AT(w, i)].there = 0; produce_late[AT(w, i)].epoch = 0;
        produce_late[AT(w, i)].items = 0; produce_late[AT(w, i)].value = 0;
        produce_late[AT(w, i)].number = 0;
        open[AT(w, i)].epoch = coordinator[w].epoch
    }
}
#endif

inline begin_abort(w) { /* by the coordinator itself: the epoch moves, and the markers tell it */
    coordinator[w].state = ABORTING;
    coordinator[w].epoch++;
    coordinator[w].marker_epoch = coordinator[w].epoch;
    coordinator[w].markers = coordinator[w].parts
}

inline marker_written(w, part) {
    coordinator[w].markers = coordinator[w].markers & ~(part);
    if
    :: coordinator[w].markers == 0 ->
        coordinator[w].state = EMPTY; coordinator[w].parts = 0; coordinator[w].marker_epoch = 0
    :: else
    fi
}

inline write_marker(w, t) {
    if
    :: coordinator[w].state == COMMITTING && open[AT(w, t)].there ->
        assert(open[AT(w, t)].twice == 0);                   /* two outcomes in one transaction */
        assert((done[t] & open[AT(w, t)].items) == 0);       /* two outcomes of one item */
        done[t] = done[t] | open[AT(w, t)].items;
        fold[t] = open[AT(w, t)].value;
        fold_number[t] = open[AT(w, t)].number
    :: else
    fi;
    for (i : 0 .. WORKERS - 1) {
        if
        :: (restore_waits[AT(i, t)] >> w) & 1 ->
            restore_waits[AT(i, t)] = restore_waits[AT(i, t)] & ~(1 << w);
            if
            :: coordinator[w].state == COMMITTING ->
                restored[AT(i, t)] = fold[t]; restored_number[AT(i, t)] = fold_number[t]
            :: else
            fi
        :: else
        fi
    };
    open[AT(w, t)].there = 0; open[AT(w, t)].items = 0; open[AT(w, t)].twice = 0;
    open[AT(w, t)].value = 0; open[AT(w, t)].number = 0;
    open[AT(w, t)].epoch = coordinator[w].marker_epoch;
    marker_written(w, 1 << t)
}

inline write_offsets_marker(w) {
    for (i : 0 .. TASKS - 1) {
        if
        :: (pending[w].tasks >> i) & 1 && coordinator[w].state == COMMITTING ->
            offset_next[i] = pending[w].next[i];
            offset_number[i] = pending[w].number[i];
            offset_token[i] = pending[w].token
        :: else
        fi;
        pending[w].next[i] = 0; pending[w].number[i] = 0
    };
    pending[w].tasks = 0; pending[w].token = 0;
    pending[w].epoch = coordinator[w].marker_epoch;
    marker_written(w, OFFSETS)
}

#define ENDING(w) (coordinator[w].state == COMMITTING || coordinator[w].state == ABORTING)

/* What the brokers do for one transactional id, in any order. */
proctype Kafka(byte w)
{
    mtype nobody;
end:
    do
    :: d_step { produce_now[AT(w, 0)].there ->
           serve_produce(w, 0, produce_now[AT(w, 0)], produce_answer[AT(w, 0)]) }
    :: d_step { produce_late[AT(w, 0)].there ->
           serve_produce(w, 0, produce_late[AT(w, 0)], nobody); nobody = NONE }
    :: d_step { ENDING(w) && (coordinator[w].markers & 1) -> write_marker(w, 0) }
#if TASKS > 1
    :: d_step { produce_now[AT(w, 1)].there ->
           serve_produce(w, 1, produce_now[AT(w, 1)], produce_answer[AT(w, 1)]) }
    :: d_step { produce_late[AT(w, 1)].there ->
           serve_produce(w, 1, produce_late[AT(w, 1)], nobody); nobody = NONE }
    :: d_step { ENDING(w) && (coordinator[w].markers & 2) -> write_marker(w, 1) }
#endif
    :: d_step { offsets_now[w].there -> serve_offsets(w, offsets_now[w], offsets_answer[w]) }
    :: d_step { offsets_late[w].there -> serve_offsets(w, offsets_late[w], nobody); nobody = NONE }
    :: d_step { end_now[w].there -> serve_end(w, end_now[w], end_answer[w]) }
    :: d_step { end_late[w].there -> serve_end(w, end_late[w], nobody); nobody = NONE }
    :: d_step { ENDING(w) && (coordinator[w].markers & OFFSETS) -> write_offsets_marker(w) }
    :: d_step { coordinator[w].state == ONGOING && (timeouts > 0 || !alive[w]) ->
           if
           :: alive[w] -> timeouts--
           :: else
           fi;
           begin_abort(w) }
    od
}

/* The group coordinator: whoever is alive may be given anything, at any time. */
proctype Group()
{
    byte t;
end:
    do
    :: atomic { rebalances > 0 || !alive[owner[0]] || !alive[owner[LAST]] ->
           if
           :: rebalances > 0 -> rebalances--
           :: else
           fi;
           for (i : 0 .. WORKERS - 1) {
               current[i] = 0; offsets_now[i].current = 0; offsets_late[i].current = 0
           };
           t = 0;
           do
           :: t < TASKS && alive[0] -> owner[t] = 0; t++
           :: t < TASKS && alive[1] -> owner[t] = 1; t++
           :: t == TASKS -> t = 0; break
           od }
    od
}

/* ---- one worker -------------------------------------------------------------------------------- */

/* Throws the producer away: what it has sent may still arrive. */
inline give_up_on_requests() {
    d_step {
        for (j : 0 .. TASKS - 1) {
            if
            :: produce_now[AT(me, j)].there ->
                produce_late[AT(me, j)].there = 1;
                produce_late[AT(me, j)].epoch = produce_now[AT(me, j)].epoch;
                produce_late[AT(me, j)].items = produce_now[AT(me, j)].items;
                produce_late[AT(me, j)].value = produce_now[AT(me, j)].value;
                produce_late[AT(me, j)].number = produce_now[AT(me, j)].number;
                produce_now[AT(me, j)].there = 0; produce_now[AT(me, j)].epoch = 0;
                produce_now[AT(me, j)].items = 0; produce_now[AT(me, j)].value = 0;
                produce_now[AT(me, j)].number = 0
            :: else
            fi;
            produce_answer[AT(me, j)] = NONE
        };
        if
        :: offsets_now[me].there ->
            offsets_late[me].there = 1;
            offsets_late[me].epoch = offsets_now[me].epoch;
            offsets_late[me].current = offsets_now[me].current;
            offsets_late[me].tasks = offsets_now[me].tasks;
            offsets_late[me].token = offsets_now[me].token;
            for (i : 0 .. TASKS - 1) {
                offsets_late[me].next[i] = offsets_now[me].next[i];
                offsets_late[me].number[i] = offsets_now[me].number[i]
            };
            forget_offsets(offsets_now[me])
        :: else
        fi;
        offsets_answer[me] = NONE;
        if
        :: end_now[me].there ->
            end_late[me].there = 1;
            end_late[me].epoch = end_now[me].epoch;
            end_late[me].commits = end_now[me].commits;
            end_now[me].there = 0; end_now[me].epoch = 0; end_now[me].commits = 0
        :: else
        fi;
        end_answer[me] = NONE
    }
}

/* transaction_renew(): init_transactions aborts what is open, and fences. */
inline renew() {
    give_up_on_requests();
    failed = 0;
    do
    :: d_step { coordinator[me].state == ONGOING -> begin_abort(me) }
    :: d_step { coordinator[me].state == EMPTY ->
#ifndef NO_FENCING
           coordinator[me].epoch++;
#endif
           producer_epoch[me] = coordinator[me].epoch; forget_the_doomed(me); close_ranks(me) }; break
    od
}

inline undo() {
    for (j : 0 .. TASKS - 1) {
        if
        :: (touched >> j) & 1 -> value[j] = memory[j]; next[j] = landed_next[j]
        :: else
        fi
    };
    touched = 0
}

inline land() {
    for (j : 0 .. TASKS - 1) {
        if
        :: (touched >> j) & 1 ->
            memory[j] = value[j]; landed_next[j] = next[j]; number[j]++;
            /* Promise 5. A zombie may learn of its landing when others have long gone on. */
            claim(number[j] < decided_number[j] || memory[j] == decided[j])
        :: else
        fi
    };
    touched = 0
}

/* No transaction with offsets of these tasks is open. */
#ifdef OFFSETS_NOT_STABLE
#define STABLE(tasks_) true
#else
#define STABLE(tasks_) ((pending[0].tasks & (tasks_)) == 0 && (pending[1].tasks & (tasks_)) == 0)
#endif

#ifdef NO_TOKEN
#define OURS(t) true
#else
#define OURS(t) (offset_token[t] == token)
#endif

#ifdef GENERATION_AT_COMMIT
#define MY_GENERATION 1
#else
#define MY_GENERATION current[me]
#endif

#define NOTICED current[me]

inline ask_for_the_end(tasks_) {
    d_step {
        for (j : 0 .. TASKS - 1) {
            if
            :: ((tasks_) >> j) & 1 ->
                restored[AT(me, j)] = fold[j];
                restored_number[AT(me, j)] = fold_number[j];
                restore_waits[AT(me, j)] = open[AT(0, j)].there | (open[AT(1, j)].there << 1)
            :: else
            fi
        };
        j = 0
    }
}

/* The place in the input says the same as the memory. */
#define AGREES(t) ((value[t] & (DEADLINE - 1)) == (1 << next[t]) - 1)

inline let_run(t) {
    running = running | (1 << t);
    /* A zombie may restore more than its offsets say: its generation keeps that to itself. */
    claim(!NOTICED || (memory[t] == decided[t] && number[t] == decided_number[t] && AGREES(t)))
}

inline forget_all() {
    d_step {
        for (j : 0 .. TASKS - 1) {
            memory[j] = 0; value[j] = 0; number[j] = 0; next[j] = 0; landed_next[j] = 0;
            restore_waits[AT(me, j)] = 0; restored[AT(me, j)] = 0; restored_number[AT(me, j)] = 0
        };
        held = 0; running = 0; touched = 0; kept = 0; restoring = 0; failed = 0; lost = 0;
        refused = 0; current[me] = 0
    }
}

#define TOUCHED(t) ((touched >> (t)) & 1)
#define PRODUCED_OR(t, what) (TOUCHED(t) && produce_answer[AT(me, t)] == what)
#define PRODUCED(t, what) (!TOUCHED(t) || produce_answer[AT(me, t)] == what)
#define ANSWERED(t) (!TOUCHED(t) || produce_answer[AT(me, t)] != NONE)

inline ask_end(commits_) {
    end_now[me].there = 1; end_now[me].epoch = producer_epoch[me]; end_now[me].commits = commits_
}

inline take_produce_answers() {
    for (j : 0 .. TASKS - 1) { produce_answer[AT(me, j)] = NONE }
}

#define MAY_TAKE(t) ((running >> (t)) & 1 && (next[t] < RECORDS || DUE(value[t])))

proctype Worker(byte me)
{
    byte token = me;
    byte held, running, touched, kept, restoring; /* sets of tasks */
    byte memory[TASKS], value[TASKS], number[TASKS], next[TASKS], landed_next[TASKS];
    byte fresh[TASKS]; /* items of the open transaction */
    byte t;
    bit failed, lost, refused, landed;

    goto loop;

start: /* fence the past before joining */
    atomic { renew() };

loop:
end_loop:
    if
    :: atomic { !NOTICED -> goto assign }
    /* A generation refused: the group has told it so by the next turn. */
    :: atomic { coordinator[me].state == EMPTY && !refused &&
               (MAY_TAKE(0) || MAY_TAKE(LAST)) -> goto take }
    :: atomic { crashes > 0 && held != 0 -> crashes--; goto crash }
    fi;

take: /* any items of any tasks; a record seen before gives nothing new */
    atomic {
        do
        :: (running & 1) && next[0] < RECORDS ->
            fresh[0] = fresh[0] | ((1 << next[0]) & ~value[0]);
            value[0] = value[0] | (1 << next[0]); next[0]++; touched = touched | 1
        :: (running & 1) && DUE(value[0]) ->
            fresh[0] = fresh[0] | DEADLINE; value[0] = value[0] | DEADLINE; touched = touched | 1
#if TASKS > 1
        :: (running & 2) && next[1] < RECORDS ->
            fresh[1] = fresh[1] | ((1 << next[1]) & ~value[1]);
            value[1] = value[1] | (1 << next[1]); next[1]++; touched = touched | 2
        :: (running & 2) && DUE(value[1]) ->
            fresh[1] = fresh[1] | DEADLINE; value[1] = value[1] | DEADLINE; touched = touched | 2
#endif
        :: touched != 0 -> break
        od;
        if
        :: OLD(producer_epoch[me], coordinator[me].epoch) -> goto unclear /* fenced at AddPartitionsToTxn */
        :: else
        fi;
        coordinator[me].state = ONGOING;
        coordinator[me].parts = touched | OFFSETS;
        for (j : 0 .. TASKS - 1) {
            if
            :: (touched >> j) & 1 ->
                produce_now[AT(me, j)].there = 1;
                produce_now[AT(me, j)].epoch = producer_epoch[me];
                produce_now[AT(me, j)].items = fresh[j];
                produce_now[AT(me, j)].value = value[j];
                produce_now[AT(me, j)].number = number[j] + 1;
                fresh[j] = 0
            :: else
            fi
        }
    };

    if
    :: atomic { !NOTICED -> lost = 1; goto abort } /* handle_rebalance(): give_up() */
    :: atomic { true ->
#ifdef NO_OFFSETS_WHEN_STILL
           r = 0;
           for (j : 0 .. TASKS - 1) {
               if
               :: (touched >> j) & 1 && next[j] != landed_next[j] -> r = r | (1 << j)
               :: else
               fi
           };
           if
           :: r == 0 -> offsets_answer[me] = GOOD; goto sent
           :: else
           fi;
#endif
           offsets_now[me].there = 1;
           offsets_now[me].epoch = producer_epoch[me];
           offsets_now[me].current = MY_GENERATION;
           offsets_now[me].tasks = touched;
           offsets_now[me].token = token;
           for (j : 0 .. TASKS - 1) {
               if
               :: (touched >> j) & 1 ->
                   offsets_now[me].next[j] = next[j];
                   offsets_now[me].number[j] = number[j] + 1
               :: else
               fi
           } }
    fi;

sent: /* and the flush */
    if
    :: atomic { offsets_answer[me] == GOOD && PRODUCED(0, GOOD) && PRODUCED(LAST, GOOD) ->
           offsets_answer[me] = NONE; take_produce_answers();
           ask_end(1) }
    :: atomic { offsets_answer[me] == REFUSED ->
           offsets_answer[me] = NONE; refused = 1; goto abort }
    :: atomic { offsets_answer[me] == FENCED -> offsets_answer[me] = NONE; goto unclear }
    :: atomic { offsets_answer[me] == GOOD && (PRODUCED_OR(0, FENCED) || PRODUCED_OR(LAST, FENCED)) ->
           offsets_answer[me] = NONE; failed = 1; goto abort }
    :: atomic { faults > 0 -> faults--; goto unclear }
    :: atomic { offsets_answer[me] == GOOD && faults > 0 ->
           faults--; offsets_answer[me] = NONE; failed = 1; goto abort }
    :: atomic { crashes > 0 -> crashes--; goto crash }
    :: atomic { deaths > 0 -> deaths--; goto die }
    fi;

    if
    :: atomic { end_answer[me] == GOOD -> end_answer[me] = NONE; land(); goto loop }
    :: atomic { end_answer[me] == FENCED -> end_answer[me] = NONE; goto unclear }
    :: atomic { faults > 0 -> faults--; goto unclear }
    :: atomic { crashes > 0 -> crashes--; goto crash }
    :: atomic { deaths > 0 -> deaths--; goto die }
    fi;

abort: /* never asked for a commit, so undone: a new producer's init_transactions aborts it */
#if defined(ABORT_IN_ORDER) || defined(GO_ON_AFTER_ABORT)
    /* By EndTxn of the same producer: its markers are of the same epoch. */
    if
    :: atomic { ANSWERED(0) && ANSWERED(LAST) -> take_produce_answers() }
    :: atomic { !(ANSWERED(0) && ANSWERED(LAST)) && (failed || faults > 0) ->
           if
           :: failed
           :: else -> faults--; failed = 1
           fi;
           give_up_on_requests() }
    fi;
    atomic { ask_end(0) };
    if
    :: atomic { end_answer[me] != NONE -> end_answer[me] = NONE }
    :: atomic { faults > 0 -> faults--; give_up_on_requests() }
    fi;
#endif
#ifdef GO_ON_AFTER_ABORT
    atomic { failed = 0; undo() };
#else
    atomic { renew(); undo() };
#endif
    if
    :: atomic { lost -> lost = 0; goto assign }
    :: atomic { !lost -> goto loop }
    fi;

unclear: /* find_out(): throw the producer away, fence, look */
#if defined(NO_THROW_AWAY)
    /* The same producer goes on: it aborts, and does it all again whatever the answer says. */
    atomic { give_up_on_requests(); failed = 0; ask_end(0) };
    atomic { end_answer[me] != NONE -> end_answer[me] = NONE; undo(); goto loop };
#elif defined(GUESS_UNDONE)
    atomic { renew(); undo(); goto loop };
#elif defined(GUESS_LANDED)
    atomic { renew();
        for (j : 0 .. TASKS - 1) {
            if
            :: (touched >> j) & 1 ->
                memory[j] = value[j]; landed_next[j] = next[j]; number[j]++
            :: else
            fi
        };
        touched = 0; goto loop };
#else
    atomic { renew() };
    atomic { STABLE(held) ->
        landed = 0;
        for (j : 0 .. TASKS - 1) {
            if
            :: (touched >> j) & 1 && offset_number[j] == number[j] + 1 && OURS(j) -> landed = 1
            :: else
            fi
        };
        if
        :: landed -> landed = 0; land()
        :: else -> undo()
        fi;
        goto loop };
#endif

assign: /* takeover_revoke() and takeover_assign() */
    atomic {
        current[me] = 1; refused = 0;
        held = (owner[0] == me -> 1 : 0);
#if TASKS > 1
        held = held | (owner[1] == me -> 2 : 0);
#endif
        kept = running & held;
        running = 0; restoring = 0;
        for (j : 0 .. TASKS - 1) {
            if
            :: (kept >> j) & 1
            :: else -> memory[j] = 0; value[j] = 0; number[j] = 0; next[j] = 0; landed_next[j] = 0
            fi;
            restore_waits[AT(me, j)] = 0; restored[AT(me, j)] = 0; restored_number[AT(me, j)] = 0
        };
        if
        :: held == 0 -> goto loop
        :: else
        fi
    };
#ifdef WATERMARK_BEFORE_OFFSETS
    ask_for_the_end(held);
#endif
    atomic { STABLE(held) ->
        for (j : 0 .. TASKS - 1) {
            if
            :: (held >> j) & 1 ->
                if
                :: (kept >> j) & 1 &&
#ifdef TRUST_MEMORY
                   true ->
                    next[j] = offset_next[j]; landed_next[j] = next[j];
#else
                   offset_number[j] == number[j] && offset_next[j] == landed_next[j] ->
#endif
                    let_run(j)
                :: else ->
                    memory[j] = 0;
                    number[j] = offset_number[j];
                    next[j] = offset_next[j]; landed_next[j] = next[j];
                    restoring = restoring | (1 << j)
                fi
            :: else
            fi
        };
        kept = 0
    };
#ifndef WATERMARK_BEFORE_OFFSETS
    ask_for_the_end(restoring);
#endif
    /* The order in which tasks are done does not matter: nothing is taken in between. */
    t = 0;
    do
    :: atomic { t < TASKS && !((restoring >> t) & 1) -> t++ }
    :: atomic { t < TASKS && (restoring >> t) & 1 && restore_waits[AT(me, t)] == 0 ->
           memory[t] = restored[AT(me, t)]; value[t] = memory[t];
           number[t] = (restored_number[AT(me, t)] > number[t] ->
                        restored_number[AT(me, t)] : number[t]);
           restored[AT(me, t)] = 0; restored_number[AT(me, t)] = 0;
           let_run(t); t++ }
    :: atomic { t == TASKS -> t = 0; restoring = 0; goto loop }
    :: atomic { crashes > 0 -> crashes--; t = 0; goto crash }
    od;

crash: /* and at once there again, with the same transactional id and another token */
    atomic { forget_all(); token = token + WORKERS; goto start };

die:
    atomic { give_up_on_requests(); forget_all(); token = 0; alive[me] = 0 }
}

/* When nothing moves any more. A process that still waits then is an error of its own. */
active proctype Judge()
{
    timeout ->
        claim(done[0] == ALL);
#if TASKS > 1
        claim(done[1] == ALL);
#endif
}

init
{
    d_step {
        for (i : 0 .. WORKERS - 1) {
            coordinator[i].epoch = 1; producer_epoch[i] = 1; pending[i].epoch = 1;
            for (j : 0 .. TASKS - 1) { open[AT(i, j)].epoch = 1 }
        };
        i = 0; j = 0
    };
    atomic { run Kafka(0); run Kafka(1); run Group(); run Worker(0); run Worker(1) }
}
