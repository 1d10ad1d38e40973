/* page.h: page.html, which the build puts into the binary. */
#ifndef UPSHOT_CONSUMER_PAGE_H
#define UPSHOT_CONSUMER_PAGE_H

#include <stddef.h>

extern const unsigned char page[];
extern const size_t page_size;

#endif
