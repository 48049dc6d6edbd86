/* route.c - the source address toward an endpoint, asked of the kernel and remembered for a few seconds, so that a change
 * of routes or addresses is noticed without listening for it. */
#include "live/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static const uint64_t ROUTE_LIFETIME = UINT64_C(5000000000);

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

int route_open(struct route_cache *routes, struct lun_error *error)
{
	route_clear(routes);
	return netlink_open(&routes->netlink, NETLINK_ROUTE, error);
}

void route_close(struct route_cache *routes)
{
	netlink_close(&routes->netlink);
}

void route_clear(struct route_cache *routes)
{
	memset(routes->entries, 0, sizeof(routes->entries));
}

static int on_attribute(const struct nlattr *attribute, void *user)
{
	struct lun_address *source = user;
	uint16_t length = mnl_attr_get_payload_len(attribute);

	if (mnl_attr_get_type(attribute) != RTA_PREFSRC)
		return MNL_CB_OK;
	if (length == 4) {
		memcpy(source->bytes, v4_prefix, sizeof(v4_prefix));
		memcpy(source->bytes + sizeof(v4_prefix), mnl_attr_get_payload(attribute), 4);
	} else if (length == sizeof(source->bytes)) {
		memcpy(source->bytes, mnl_attr_get_payload(attribute), sizeof(source->bytes));
	}
	return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *message, void *user)
{
	return mnl_attr_parse(message, sizeof(struct rtmsg), on_attribute, user);
}

/* Asks the kernel; *source stays zero if the route names none. */
static int ask(struct route_cache *routes, const struct lun_address *endpoint, struct lun_address *source)
{
	_Alignas(16) char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;
	bool v4 = lun_address_is_v4(endpoint);

	message->nlmsg_type = RTM_GETROUTE;
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = v4 ? AF_INET : AF_INET6;
	route->rtm_dst_len = v4 ? 32 : 128;
	mnl_attr_put(message, RTA_DST, v4 ? 4 : sizeof(endpoint->bytes), endpoint->bytes + (v4 ? sizeof(v4_prefix) : 0));
	return netlink_request(&routes->netlink, message, on_route, source);
}

/* Neighbouring addresses, which endpoints are, get neighbouring places. */
static size_t place_of(const struct lun_address *endpoint)
{
	uint32_t last, before;

	memcpy(&last, endpoint->bytes + 12, sizeof(last));
	memcpy(&before, endpoint->bytes + 8, sizeof(before));
	return (ntohl(last) ^ ntohl(before) * 31) % ROUTE_CACHE;
}

int route_source(struct route_cache *routes, const struct lun_address *endpoint, uint64_t now, struct lun_address *source)
{
	size_t place = place_of(endpoint);
	int problem;

	if (now - routes->filled_at > ROUTE_LIFETIME) {
		route_clear(routes);
		routes->filled_at = now;
	}
	if (memcmp(&routes->entries[place].endpoint, endpoint, sizeof(*endpoint)) != 0) {
		memset(source, 0, sizeof(*source));
		problem = ask(routes, endpoint, source);
		if (problem || lun_address_is_zero(source))
			return problem ? problem : -EADDRNOTAVAIL;
		routes->entries[place].endpoint = *endpoint;
		routes->entries[place].source = *source;
	}
	*source = routes->entries[place].source;
	return 0;
}
