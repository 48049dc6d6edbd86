/* health.h - answers at the health check ports of a policy's services. */
#ifndef LUNETTE_CLI_HEALTH_H
#define LUNETTE_CLI_HEALTH_H

#include <lunette/lunette.h>
#include <uv.h>

struct health {
	uv_loop_t *loop;
	struct lun_policy *policy; /* by which it answers */
	struct health_port *ports;
	void (*say)(void *user, const char *line); /* a port that cannot be had */
	void *user;
};

/* `policy` counts from now on (NULL: none, and all ports are closed): ports that it has not close, new ones open.  A reference is
 * taken. */
void health_set_policy(struct health *health, struct lun_policy *policy);

#endif
