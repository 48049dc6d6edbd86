/* decision.h - what the policy said of a new flow: a value, copied into the flow. */
#ifndef LUNETTE_TRACK_DECISION_H
#define LUNETTE_TRACK_DECISION_H

#include <lunette/lunette.h>

enum { DECISION_NO_PORT = UINT32_MAX };

struct decision {
	enum lun_verdict verdict; /* ACCEPT, DROP or REJECT */
	enum lun_reason reason;   /* of DROP and REJECT */
	bool translate;           /* to `destination`:`port` */
	bool masquerade;          /* from `source`, any free port; unspecified: whatever the kernel takes */
	bool script_failed;       /* the hook failed, or its answer cannot be followed: the map decided */
	bool echo;                /* answer it: an echo request to a service that has endpoints */
	bool edited;              /* the service edits what clients send, or reads it */
	struct lun_address destination, source;
	uint16_t port;
	uint32_t service_port; /* index in the policy, or DECISION_NO_PORT */
	uint32_t endpoint;     /* index in the set of that service's endpoints */
};

#endif
