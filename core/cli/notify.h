/* notify.h - telling a service manager how the agent is (sd_notify(3)). */
#ifndef LUNETTE_CLI_NOTIFY_H
#define LUNETTE_CLI_NOTIFY_H

#include <stdbool.h>

/* Sends lines such as "READY=1" to the socket that the environment names.  True if it is sent, or if there is no such socket;
 * false and errno if the socket does not take it. */
bool notify(const char *lines);

/* The agent begins to load its policy again; "READY=1" says that it has.  Returns as notify. */
bool notify_reloading(void);

#endif
