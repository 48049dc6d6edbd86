/* client.h - asking a running agent over its control socket. */
#ifndef LUNETTE_CLI_CLIENT_H
#define LUNETTE_CLI_CLIENT_H

#include "cli/json.h"

#include <stdbool.h>

typedef void client_object_fn(void *user, const cJSON *object);

/* Sends the request, which it deletes, to the agent at `path` (NULL: that of this network namespace), and hands every object
 * of the answer to `on_object`; with `raw`, prints its lines instead.  Returns an exit code; a message was printed if it is
 * not EXIT_DONE. */
int client_ask(const char *path, cJSON *request, bool raw, client_object_fn *on_object, void *user);

/* The same for an answer that takes as long as it takes. */
int client_wait(const char *path, cJSON *request, bool raw, client_object_fn *on_object, void *user);

/* A connection on which more than one request is made; fclose ends it.  NULL: a message was printed. */
FILE *client_open(const char *path);
int client_exchange(FILE *connection, cJSON *request, bool raw, client_object_fn *on_object, void *user);

#endif
