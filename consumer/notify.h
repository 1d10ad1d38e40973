/*
 * notify.h: a word to the service manager that started us, as sd_notify(3) describes it.
 *
 * The protocol is a datagram of VARIABLE=value lines to the socket that NOTIFY_SOCKET names; it is
 * part of systemd's stable interface, so no library of theirs is asked for. Where nobody asked to
 * be told, nothing is said.
 */
#ifndef UPSHOT_CONSUMER_NOTIFY_H
#define UPSHOT_CONSUMER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int socket; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_size;
    int64_t watchdog_ms; /* a word is expected at least so often; 0: none */
};

/* By NOTIFY_SOCKET (a path, or @ and an abstract name), WATCHDOG_USEC and WATCHDOG_PID. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/*
 * Lines without the last line feed. Never waits; false where it could not be said now. True, too,
 * where nobody listens.
 */
bool notify_say(const struct notify *notify, const char *lines);

#endif
