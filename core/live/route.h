/* route.h - the source address that this host would use toward an endpoint: what masquerading hides behind. */
#ifndef LUNETTE_LIVE_ROUTE_H
#define LUNETTE_LIVE_ROUTE_H

#include "live/netlink.h"

enum { ROUTE_CACHE = 1024 };

struct route_cache {
	struct netlink netlink;
	uint64_t filled_at; /* ns; when the cache was last empty */
	struct {
		struct lun_address endpoint, source;
	} entries[ROUTE_CACHE]; /* an endpoint has one place, the later one wins it */
};

int route_open(struct route_cache *routes, struct lun_error *error);
void route_close(struct route_cache *routes);

/* Forgets everything. */
void route_clear(struct route_cache *routes);

/* The preferred source of the route to `endpoint`.  Returns 0 or a negative errno: there is no route, or no address. */
int route_source(struct route_cache *routes, const struct lun_address *endpoint, uint64_t now, struct lun_address *source);

#endif
