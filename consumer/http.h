/*
 * http.h: what a running stage shows by HTTP: /metrics, health, the page and its JSON.
 *
 * One thread of its own, which reads boards (board.h) and never keeps a worker waiting. Read only:
 * GET and HEAD. It has no passwords and no TLS; it listens where http.listen says, on this machine
 * alone unless told otherwise.
 */
#ifndef UPSHOT_CONSUMER_HTTP_H
#define UPSHOT_CONSUMER_HTTP_H

#include "consumer/worker.h"

struct http;

/*
 * Begins to listen, and gives each worker, none of which has begun, its board. *http is NULL where
 * http.listen is empty, or is the default and in use by somebody else, which is told: then nobody
 * looks, and there are no boards. False: it was asked for and cannot be had; why is logged.
 */
bool http_start(struct http **http, const struct stage *stage, struct worker *workers,
                size_t count);

/* HOST:PORT as one can open it, of the http; NULL where there is none. */
const char *http_address(const struct http *http);

/* Each second, by whoever watches over the workers: a step of the history, and a sign of life. */
void http_tick(struct http *http);

/*
 * After the workers have ended, whose boards go with it. Waits for an answer under way, a second at
 * most. NULL-safe, sets NULL.
 */
void http_stop(struct http **http);

#endif
