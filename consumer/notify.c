/* notify.c: one datagram a word. */
#include "consumer/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool take_address(struct notify *notify, const char *name)
{
    struct sockaddr_un *address = &notify->address;
    size_t size = name == NULL ? 0 : strlen(name);

    if (size < 2 || size >= sizeof(address->sun_path) || (name[0] != '/' && name[0] != '@'))
        return false;
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, name, size);
    if (name[0] == '@')
        address->sun_path[0] = 0; /* an abstract name has no end but its size */
    notify->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return true;
}

/* The variables are inherited: a watchdog that waits for another process is none of ours. */
static int64_t watchdog_ms(void)
{
    const char *microseconds = getenv("WATCHDOG_USEC"), *process = getenv("WATCHDOG_PID");

    if (microseconds == NULL || (process != NULL && atol(process) != (long)getpid()))
        return 0;
    return atoll(microseconds) / 1000;
}

void notify_open(struct notify *notify)
{
    *notify = (struct notify){.socket = -1};
    if (!take_address(notify, getenv("NOTIFY_SOCKET")))
        return;
    notify->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->socket >= 0)
        notify->watchdog_ms = watchdog_ms();
}

void notify_close(struct notify *notify)
{
    if (notify->socket >= 0)
        close(notify->socket);
    notify->socket = -1;
}

bool notify_say(const struct notify *notify, const char *lines)
{
    if (notify->socket < 0)
        return true;
    return sendto(notify->socket, lines, strlen(lines), MSG_DONTWAIT | MSG_NOSIGNAL,
                  (const struct sockaddr *)&notify->address, notify->address_size) >= 0;
}
